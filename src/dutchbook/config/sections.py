"""Settings by section, each with its default, its bounds and a description."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dutchbook.domain.market.contract import DIVERGENCE, DivergenceClass
from dutchbook.domain.positions.exit_case import ExitRule


class Section(BaseModel):
    """A table of the settings file; unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Detection(Section):
    """What an edge must clear to be traded."""

    minimum_net_edge: Decimal = Field(
        Decimal("0.008"),
        ge=0,
        lt=1,
        description="dollars a contract, after fees and divergence",
    )
    suspicious_edge: Decimal = Field(
        Decimal("0.15"),
        gt=0,
        le=1,
        description="dollars a contract; above it an edge is doubted",
    )
    yearly_return: Decimal = Field(
        Decimal("0.08"), ge=0, description="least return a year on locked capital, 0.08 is 8 %"
    )
    kalshi_interest: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=1,
        description="a year on what positions lock on Kalshi, which pays on some accounts'"
        " open positions, at a rate that it changes; taken off yearly_return",
    )
    polymarket_interest: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=1,
        description="the same on Polymarket, which pays on positions in some contracts only",
    )
    minimum_fill_share: Decimal = Field(
        Decimal("0.25"), ge=0, le=1, description="least share of the ideal size worth trading"
    )
    book_age_seconds: int | None = Field(
        None,
        gt=0,
        description="older books are not traded on; unless set 5, or 10 on a polled tape",
    )
    closing_window_seconds: int = Field(
        120, ge=0, description="no entry this close to a contract's end"
    )
    gas: Decimal = Field(
        Decimal(0), ge=0, description="dollars an order; zero where the platform pays it"
    )


class Execution(Section):
    """How an opportunity is executed."""

    cool_down_seconds: int = Field(30, ge=0, description="rest of a pair after an execution")
    rescue_limit: Decimal = Field(
        Decimal("0.02"), ge=0, lt=1, description="dollars a contract that completing may lose"
    )
    true_up_share: Decimal = Field(
        Decimal("0.10"), ge=0, lt=1, description="share of the size that rebalancing may add"
    )
    auto_policy: str = Field(
        "complete_then_unwind",
        pattern="^(off|unwind|complete_then_unwind)$",
        description="what is done about an unhedged leg: off, unwind, complete_then_unwind",
    )
    answer_seconds: int = Field(
        15, gt=0, description="without an answer for so long, an outcome is unknown"
    )
    person_after_seconds: int = Field(
        120, gt=0, description="a person is asked about an outcome unknown for so long"
    )
    queries: int = Field(6, gt=0, description="how often an unknown outcome is asked about")
    command_timeout_seconds: int = Field(
        60, gt=0, description="how long a command for a position waits for a live book"
    )
    queue_bound: int = Field(256, gt=0, description="opportunities that may wait")
    drain_seconds: int = Field(
        30, gt=0, description="how long what is in flight may take to end when asked to stop"
    )
    lease_seconds: int = Field(
        10, gt=0, le=600, description="an engine that is silent for so long may be replaced"
    )


class Risk(Section):
    """Limits on capital at risk and on single orders."""

    bankroll: Decimal | None = Field(
        None, gt=0, description="dollars, at most; what the accounts hold if it is not set"
    )
    position_share: Decimal = Field(
        Decimal("0.03"), gt=0, le=1, description="of the bankroll, for one position"
    )
    max_open_pairs: int = Field(10, gt=0, description="positions open or about to be")
    daily_loss_share: Decimal = Field(
        Decimal("0.05"), gt=0, le=1, description="of the bankroll; reaching it halts trading"
    )
    platform_share: Decimal = Field(
        Decimal("0.5"), gt=0, le=1, description="of the bankroll, at stake on one platform"
    )
    count_unhedged: bool = Field(
        default=True,
        description="whether an unhedged leg counts in the day's loss, with its worst mark",
    )
    reset_hour_utc: int = Field(
        0, ge=0, le=23, description="when a trading day begins, and its loss counts anew"
    )
    price_collar: Decimal = Field(
        Decimal("0.10"),
        gt=0,
        lt=1,
        description="dollars that a limit may lie beyond the best price that it meets",
    )
    order_share: Decimal = Field(
        Decimal("0.05"),
        gt=0,
        validate_default=True,
        description="of the bankroll, for one order; 1.25 times position_share at least",
    )
    orders_per_minute: int = Field(
        60, gt=0, description="entries end here; hedges and exits at twice as many"
    )
    failures_before_disable: int = Field(
        10, gt=0, description="failed executions in a row after which a pair is disabled"
    )
    pair_share: Decimal = Field(
        Decimal("0.3"),
        gt=0,
        le=1,
        description="of the bankroll, at stake on one pair over all its positions",
    )
    cluster_share: Decimal = Field(
        Decimal("0.15"),
        gt=0,
        le=1,
        description="of the bankroll, at stake on pairs that stand or fall together",
    )

    @field_validator("order_share")
    @classmethod
    def _room_for_both_legs(cls, share: Decimal, info: ValidationInfo) -> Decimal:
        """Reject a share so low that the gate could reject a second leg: an unhedged first."""
        least = info.data.get("position_share", Decimal(0)) * Decimal("1.25")
        if share < least:
            raise ValueError(f"at least 1.25 times position_share, {least}")
        return share


class Exposure(Section):
    """How single-leg exposures are handled."""

    halt_on_weekly: bool = Field(
        True, description="halt after three weeks in a row with more than one single leg each"
    )
    reminder_seconds: int = Field(60, gt=0, description="an exposure is reported again")
    reminder_gap_seconds: int = Field(
        55, gt=0, description="but not so soon after it was last reported"
    )


class Exits(Section):
    """When positions are exited before resolution. Default: hold; a locked pair is no bet."""

    rule: str = Field(
        "hold",
        pattern="^(hold|classic)$",
        description="hold, unless an exit brings more; or classic: profit, stop and time",
    )
    pairs: str = Field(
        "", description="pairs with a rule of their own: cup-final:classic,cup-third:hold"
    )
    take_profit_share: Decimal = Field(
        Decimal("0.8"), gt=0, description="of the edge at entry that classic takes"
    )
    stop_loss_share: Decimal = Field(
        Decimal(2), gt=0, description="of the edge at entry at which a stop gives up"
    )
    time_hours: int = Field(48, ge=0, description="before resolution, when classic leaves")
    unhedged_stop: bool = Field(True, description="a stop for what has no other leg")
    minimum_gain: Decimal = Field(
        Decimal("0.008"),
        ge=0,
        lt=1,
        description="dollars a contract that an early exit must bring above holding",
    )
    urgent_cost: Decimal = Field(
        Decimal("0.05"),
        ge=0,
        lt=1,
        description="dollars a contract that an exit may cost when rules changed, a platform is"
        " at risk or everything is wound down",
    )
    leave: str = Field(
        "nothing",
        pattern="^(nothing|risk|all)$",
        description="nothing; risk: a platform is at risk, leave it; all: wind down",
    )
    check_seconds: int = Field(30, gt=0, description="between two looks at every position")
    results_seconds: int = Field(
        600, gt=0, description="between two questions for results before a contract's close"
    )

    def by_pair(self) -> dict[str, ExitRule]:
        """Return the exit rule of each pair that has its own."""
        found: dict[str, ExitRule] = {}
        for part in filter(None, (each.strip() for each in self.pairs.split(","))):
            pair_id, _, rule = part.rpartition(":")
            if not pair_id or rule not in list(ExitRule) or pair_id in found:
                raise ValueError(
                    "a list of pairs, each once, with hold or classic: cup:classic"
                )
            found[pair_id] = ExitRule(rule)
        return found

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.by_pair()
        return self


class Health(Section):
    """When a platform counts as degraded or disconnected, and what follows."""

    check_seconds: int = Field(30, gt=0, description="between two looks at a platform")
    answer_seconds: int = Field(5, gt=0, description="a ping waits no longer")
    silence_seconds: int = Field(
        60, gt=0, description="without a book update for so long, a platform is degraded"
    )
    slow_ms: int = Field(2_000, gt=0, description="95th percentile of answers; above: degraded")
    failures: int = Field(2, gt=0, description="pings unanswered in a row: disconnected")
    recoveries: int = Field(2, gt=0, description="good checks in a row until it is well again")
    protocol_seconds: int = Field(
        81, gt=0, description="a stream silent for so long: nothing new is executed there"
    )
    fresh_seconds: int = Field(30, gt=0, description="recovery needs data younger than this")
    edge_multiplier: Decimal = Field(
        Decimal("1.5"), ge=1, description="of the minimum edge, while a platform is out of use"
    )
    heartbeat_seconds: int = Field(
        3_600, gt=0, description="between two notes in the event log while nothing changes"
    )

    @model_validator(mode="after")
    def _recoverable(self) -> Self:
        if self.fresh_seconds >= min(self.silence_seconds, self.protocol_seconds):
            raise ValueError(
                "possible: fresh_seconds must be below silence_seconds and protocol_seconds"
            )
        return self


class Reconciliation(Section):
    """How often our records are compared with the platforms', and the timeouts."""

    every_seconds: int = Field(300, gt=0, description="between two comparisons")
    grace_seconds: int = Field(
        60, gt=0, description="so long a difference may be a delay; then a person decides"
    )
    call_seconds: int = Field(10, gt=0, description="one question waits no longer")
    whole_seconds: int = Field(
        60, gt=0, description="all questions of a comparison; what is left is reported"
    )


class Time(Section):
    """How far our clock may be off; checked at the start and then at a fixed interval."""

    check_seconds: int = Field(3_600, gt=0, description="between two checks")
    warning_ms: int = Field(100, gt=0, description="worth a mention")
    critical_ms: int = Field(500, gt=0, description="worth a worry")
    halt_ms: int = Field(1_000, gt=0, description="halts trading")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.warning_ms <= self.critical_ms <= self.halt_ms:
            raise ValueError("possible: warning_ms <= critical_ms <= halt_ms")
        return self


def _chance(kind: DivergenceClass, description: str) -> Any:
    return Field(DIVERGENCE[kind], ge=0, lt=1, decimal_places=6, description=description)


class Divergence(Section):
    """Probability that a new pair's two contracts resolve differently, by class."""

    identical: Decimal = _chance(
        DivergenceClass.IDENTICAL, "same rules and source; a cautious guess of 2026-10"
    )
    same_source: Decimal = _chance(
        DivergenceClass.SAME_SOURCE, "other wording; a cautious guess of 2026-10"
    )
    different_sources: Decimal = _chance(
        DivergenceClass.DIFFERENT_SOURCES, "a cautious guess of 2026-10"
    )
    unclassified: Decimal = _chance(
        DivergenceClass.UNCLASSIFIED, "nobody has looked; a cautious guess of 2026-10"
    )
    short_crypto: Decimal = _chance(
        DivergenceClass.SHORT_CRYPTO, "windows of minutes; measured on 2,781 of them in 2026"
    )

    def probabilities(self) -> dict[DivergenceClass, Decimal]:
        """Return the probability of each class."""
        return {kind: getattr(self, kind.value) for kind in DivergenceClass}


class Records(Section):
    """How long records are kept, and how often the event log is anchored."""

    snapshot_years: int = Field(
        7, ge=1, description="books as they were at decisions; `dutchbook db prune` goes by it"
    )
    anchor_every: int = Field(
        1_000,
        gt=0,
        description="events at most between two heads of the log that are kept outside it",
    )
