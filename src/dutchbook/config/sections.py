"""Settings by section, each with its default, its bounds and a description."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from dutchbook.config.fields import (
    BELOW_ONE,
    DAY,
    DAY_MS,
    DOLLARS,
    LEAST,
    MANY,
    YEAR,
    Section,
    exact,
    whole,
    word,
)
from dutchbook.domain.market.contract import DIVERGENCE, DivergenceClass
from dutchbook.domain.positions.exit_case import ExitRule


class Detection(Section):
    """What an edge must clear to be traded."""

    minimum_net_edge: Decimal = exact(
        "0.008", 0, BELOW_ONE, "dollars a contract, after fees and divergence"
    )
    # Nine of ten slots of the World Cup recording fill in four and a half minutes at half a
    # cent, while edges of two cents come later: see docs/performance.md, Decisions.
    edge_slope: Decimal = exact(
        "0.005",
        0,
        BELOW_ONE,
        "dollars a contract that the minimum edge rises by when all money is in use that a"
        " limit allows; grows with the square of the share in use",
    )
    suspicious_edge: Decimal = exact(
        "0.15", LEAST, 1, "dollars a contract; above it an edge is doubted"
    )
    yearly_return: Decimal = exact(
        "0.08", 0, 1_000, "least return a year on locked capital, 0.08 is 8 %"
    )
    kalshi_interest: Decimal = exact(
        "0",
        0,
        BELOW_ONE,
        "a year on what positions lock on Kalshi, which pays on some accounts'"
        " open positions, at a rate that it changes; taken off yearly_return",
    )
    polymarket_interest: Decimal = exact(
        "0",
        0,
        BELOW_ONE,
        "the same on Polymarket, which pays on positions in some contracts only",
    )
    minimum_fill_share: Decimal = exact(
        "0.25", 0, 1, "least share of the ideal size worth trading"
    )
    book_age_seconds: int | None = whole(
        None, 1, YEAR, "older books are not traded on; unless set 5, or 10 on a polled tape"
    )
    # A fresh quote against one of the poll before is no edge (docs/performance.md, Decisions).
    books_apart_ms: int = whole(
        1_500,
        0,
        YEAR * 1_000,
        "an edge needs both books updated within so long of each other, and so does an early"
        " exit",
    )
    # On the World Cup recording the longest edge of one question above 0.008 stood at 203
    # polls, that of two questions that were paired at 559.
    persistent_edge: Decimal = exact(
        "0.008", 0, BELOW_ONE, "dollars a contract after fees: an edge above it may not stand"
    )
    # What it changes on the World Cup recording: docs/performance.md, Decisions.
    costs_add_up: bool = Field(
        True,
        description="minimum_net_edge is what an edge leaves beyond the expected cost of a"
        " missed second leg and the yearly return; else whichever of the minimum and the"
        " yearly return is more, and misses cost nothing",
    )
    persistent_looks: int = whole(
        300,
        0,
        MANY,
        "a pair is suspended whose edge stands at so many looks in a row, at most one a second"
        " or a poll, while neither book moves towards the other; 0: none is",
    )
    closing_window_seconds: int = whole(120, 0, YEAR, "no entry this close to a contract's end")
    gas: Decimal = exact("0", 0, 1_000, "dollars an order; zero where the platform pays it")


class Execution(Section):
    """How an opportunity is executed."""

    cool_down_seconds: int = whole(30, 0, YEAR, "rest of a pair after an execution")
    rescue_limit: Decimal = exact(
        "0.02", 0, BELOW_ONE, "dollars a contract that completing may lose"
    )
    true_up_share: Decimal = exact(
        "0.10", 0, BELOW_ONE, "share of the size that rebalancing may add"
    )
    auto_policy: str = word(
        "complete_then_unwind",
        "off",
        "unwind",
        "complete_then_unwind",
        description="what is done about an unhedged leg: off, unwind, complete_then_unwind",
    )
    answer_seconds: int = whole(
        15, 1, 3_600, "without an answer for so long, an outcome is unknown"
    )
    person_after_seconds: int = whole(
        120, 1, YEAR, "a person is asked about an outcome unknown for so long"
    )
    queries: int = whole(6, 1, 1_000, "how often an unknown outcome is asked about")
    command_timeout_seconds: int = whole(
        60, 1, DAY, "how long a command for a position waits for a live book"
    )
    queue_bound: int = whole(256, 1, MANY, "opportunities that may wait")
    drain_seconds: int = whole(
        30, 1, DAY, "how long what is in flight may take to end when asked to stop"
    )
    lease_seconds: int = whole(
        10, 1, 600, "an engine that is silent for so long may be replaced"
    )


class Risk(Section):
    """Limits on capital at risk and on single orders."""

    bankroll: Decimal | None = exact(
        None, LEAST, DOLLARS, "dollars, at most; what the accounts hold if it is not set"
    )
    position_share: Decimal = exact("0.03", LEAST, 1, "of the bankroll, for one position")
    max_open_pairs: int = whole(10, 1, MANY, "pairs with a position, open or about to be")
    daily_loss_share: Decimal = exact(
        "0.05", LEAST, 1, "of the bankroll; reaching it halts trading"
    )
    platform_share: Decimal = exact(
        "0.5", LEAST, 1, "of the bankroll, at stake on one platform"
    )
    reset_hour_utc: int = whole(0, 0, 23, "when a trading day begins, and its loss counts anew")
    price_collar: Decimal = exact(
        "0.10",
        LEAST,
        BELOW_ONE,
        "dollars that a limit may lie beyond the best price that it meets",
    )
    count_unhedged: bool = Field(
        default=True,
        description="whether an unhedged leg counts in the day's loss, with its worst mark",
    )
    order_share: Decimal = exact(
        "0.05",
        LEAST,
        10,
        "of the bankroll, for one order; 1.25 times position_share at least",
    )
    orders_per_minute: int = whole(
        60, 1, MANY, "entries end here; hedges and exits at twice as many"
    )
    failures_before_disable: int = whole(
        10, 1, MANY, "failed executions in a row after which a pair is disabled"
    )
    pair_share: Decimal = exact(
        "0.3", LEAST, 1, "of the bankroll, at stake on one pair over all its positions"
    )
    cluster_share: Decimal = exact(
        "0.15", LEAST, 1, "of the bankroll, at stake on pairs that stand or fall together"
    )

    @field_validator("order_share")
    @classmethod
    def _room_for_both_legs(cls, share: Decimal, info: ValidationInfo) -> Decimal:
        """Reject a share so low that the gate could reject a second leg: an unhedged first."""
        least = info.data.get("position_share", Decimal(0)) * Decimal("1.25")
        if share < least:
            raise ValueError(f"at least 1.25 times position_share, {least}")
        return share


class Exits(Section):
    """When positions are exited before resolution. Default: hold; a locked pair is no bet."""

    rule: str = word(
        "hold",
        "hold",
        "classic",
        description="hold, unless an exit brings more; or classic: profit, stop and time",
    )
    pairs: str = Field(
        "", description="pairs with a rule of their own: cup-final:classic,cup-third:hold"
    )
    take_profit_share: Decimal = exact(
        "0.8", LEAST, 1_000, "of the edge at entry that classic takes"
    )
    stop_loss_share: Decimal = exact(
        "2", LEAST, 1_000, "of the edge at entry at which a stop gives up"
    )
    time_hours: int = whole(48, 0, 8_760, "before resolution, when classic leaves")
    unhedged_stop: bool = Field(True, description="a stop for what has no other leg")
    # Money that is back finds the next edge: about the same result in a fraction of the
    # dollar-days (docs/performance.md, Decisions), if unhedged legs are worked on.
    minimum_gain: Decimal = exact(
        "0.002", 0, BELOW_ONE, "dollars a contract that an early exit must bring above holding"
    )
    urgent_cost: Decimal = exact(
        "0.05",
        0,
        BELOW_ONE,
        "dollars a contract that an exit may cost when rules changed, a platform is"
        " at risk or everything is wound down",
    )
    leave: str = word(
        "nothing",
        "nothing",
        "risk",
        "all",
        description="nothing; risk: a platform is at risk, leave it; all: wind down",
    )
    check_seconds: int = whole(30, 1, YEAR, "between two looks at every position")
    results_seconds: int = whole(
        600, 1, YEAR, "between two questions for results before a contract's close"
    )

    def by_pair(self) -> dict[str, ExitRule]:
        """Return the exit rule of each pair that has its own."""
        return rules_of(self.pairs)

    @field_validator("pairs")
    @classmethod
    def _readable(cls, text: str) -> str:
        rules_of(text)
        return text


def rules_of(text: str) -> dict[str, ExitRule]:
    """Return the rules that `exits.pairs` gives to single pairs.

    Raises:
        ValueError: It is not such a list; says what is.
    """
    found: dict[str, ExitRule] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        pair_id, _, rule = part.rpartition(":")
        if not pair_id or rule not in list(ExitRule) or pair_id in found:
            raise ValueError("a list of pairs, each once, with hold or classic: cup:classic")
        found[pair_id] = ExitRule(rule)
    return found


class Health(Section):
    """When a platform counts as degraded or disconnected, and what follows."""

    check_seconds: int = whole(30, 1, YEAR, "between two looks at a platform")
    answer_seconds: int = whole(5, 1, 3_600, "a ping waits no longer")
    silence_seconds: int = whole(
        60, 1, YEAR, "without a book update for so long, a platform is degraded"
    )
    slow_ms: int = whole(2_000, 1, DAY_MS, "95th percentile of answers; above: degraded")
    failures: int = whole(2, 1, MANY, "pings unanswered in a row: disconnected")
    recoveries: int = whole(2, 1, MANY, "good checks in a row until it is well again")
    protocol_seconds: int = whole(
        81, 1, YEAR, "a stream silent for so long: nothing new is executed there"
    )
    fresh_seconds: int = whole(
        30,
        1,
        YEAR,
        "recovery needs data younger than this; below silence_seconds and protocol_seconds",
    )
    edge_multiplier: Decimal = exact(
        "1.5", 1, 1_000, "of the minimum edge, while a platform is out of use"
    )
    heartbeat_seconds: int = whole(
        3_600, 1, YEAR, "between two notes in the event log while nothing changes"
    )

    @field_validator("fresh_seconds")
    @classmethod
    def _recoverable(cls, fresh: int, info: ValidationInfo) -> int:
        least = min(
            info.data.get(name, YEAR) for name in ("silence_seconds", "protocol_seconds")
        )
        if fresh >= least:
            raise ValueError(f"below silence_seconds and protocol_seconds, {least}")
        return fresh


class Reconciliation(Section):
    """How often our records are compared with the platforms', and the timeouts."""

    every_seconds: int = whole(300, 1, YEAR, "between two comparisons")
    grace_seconds: int = whole(
        60, 1, YEAR, "so long a difference may be a delay; then a person decides"
    )
    call_seconds: int = whole(10, 1, 3_600, "one question waits no longer")
    whole_seconds: int = whole(
        60, 1, DAY, "all questions of a comparison; what is left is reported"
    )


class Time(Section):
    """How far our clock may be off; checked at the start and then at a fixed interval."""

    check_seconds: int = whole(3_600, 1, YEAR, "between two checks")
    warning_ms: int = whole(100, 1, DAY_MS, "worth a mention")
    critical_ms: int = whole(
        500,
        1,
        DAY_MS,
        "worth a worry; at least warning_ms",
    )
    halt_ms: int = whole(
        1_000,
        1,
        DAY_MS,
        "halts trading; at least critical_ms",
    )

    @field_validator("critical_ms", "halt_ms")
    @classmethod
    def _ascending(cls, limit: int, info: ValidationInfo) -> int:
        before = "warning_ms" if info.field_name == "critical_ms" else "critical_ms"
        if limit < info.data.get(before, 0):
            raise ValueError(f"at least {before}, {info.data[before]}")
        return limit


def _chance(kind: DivergenceClass, description: str) -> Any:
    return exact(DIVERGENCE[kind], 0, BELOW_ONE, description)


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


class Database(Section):
    """How an engine gets over a database that does not answer."""

    reconnect_seconds: int = whole(
        120, 0, DAY, "an engine waits so long for a database that does not answer, then ends"
    )


class Records(Section):
    """How long records are kept, and how often the event log is anchored."""

    snapshot_years: int = whole(
        7, 1, 100, "books as they were at decisions; `dutchbook db prune` goes by it"
    )
    anchor_every: int = whole(
        1_000,
        1,
        1_000 * MANY,
        "events at most between two heads of the log that are kept outside it",
    )
