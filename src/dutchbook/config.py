"""Typed settings: defaults, then the TOML file, then the environment, then `--set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import tomlkit
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from tomlkit.exceptions import TOMLKitError

from dutchbook.domain.contract import Platform
from dutchbook.domain.health import DriftLimits, HealthLimits
from dutchbook.domain.quote import Hurdles
from dutchbook.domain.risk import RiskLimits
from dutchbook.domain.units import Money
from dutchbook.errors import InvalidInput


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


PREFIX = "DUTCHBOOK_"
WINDOW = re.compile(r"(?P<platform>kalshi|polymarket):(?P<begins>\d+)-(?P<ends>\d+)")
BOOK_AGE, POLLED_BOOK_AGE = 5, 10
"""Seconds: how old a book may be on a stream, and on a tape that was polled."""
UNSET = {"book_age_seconds": BOOK_AGE}
"""What is shown, commented out, for settings whose default depends on the tape."""


class Detection(_Section):
    """What an edge must clear."""

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


class Execution(_Section):
    """How an opportunity is carried out."""

    cool_down_seconds: int = Field(30, ge=0, description="rest of a pair after an execution")
    rescue_limit: Decimal = Field(
        Decimal("0.02"), ge=0, lt=1, description="dollars a contract that completing may lose"
    )
    true_up_share: Decimal = Field(
        Decimal("0.10"), ge=0, lt=1, description="share of the size that evening may add"
    )
    auto_policy: str = Field(
        "complete_then_unwind",
        pattern="^(off|unwind|complete_then_unwind)$",
        description="what is done about one leg alone: off, unwind, complete_then_unwind",
    )
    answer_seconds: int = Field(
        15, gt=0, description="without an answer for so long, an outcome is unknown"
    )
    person_after_seconds: int = Field(
        120, gt=0, description="an outcome unknown for so long is told to a person"
    )
    queries: int = Field(6, gt=0, description="how often an unknown outcome is asked about")
    queue_bound: int = Field(256, gt=0, description="opportunities that may wait")


class Risk(_Section):
    """What may be at stake."""

    bankroll: Decimal = Field(Decimal(10_000), gt=0, description="dollars")
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
    price_collar: Decimal = Field(
        Decimal("0.10"), gt=0, lt=1, description="dollars beyond the best price at most"
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


class Exposure(_Section):
    """What is done about single legs."""

    halt_on_weekly: bool = Field(
        True, description="halt after three weeks in a row with more than one single leg each"
    )
    reminder_seconds: int = Field(60, gt=0, description="an exposed position is told of again")
    reminder_gap_seconds: int = Field(
        55, gt=0, description="but not so soon after it was last told of"
    )


class Health(_Section):
    """When a platform is unwell, and what is done about it."""

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


class Time(_Section):
    """How far our clock may be off; asked for at the start and then on every beat."""

    check_seconds: int = Field(3_600, gt=0, description="between two checks")
    warning_ms: int = Field(100, gt=0, description="worth a mention")
    critical_ms: int = Field(500, gt=0, description="worth a worry")
    halt_ms: int = Field(1_000, gt=0, description="halts trading")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.warning_ms <= self.critical_ms <= self.halt_ms:
            raise ValueError("possible: warning_ms <= critical_ms <= halt_ms")
        return self


class Paper(_Section):
    """How real paper is; the headline is lag 1 and `never`."""

    kalshi_cash: Decimal = Field(Decimal(5_000), ge=0, description="dollars at the first run")
    polymarket_cash: Decimal = Field(
        Decimal(5_000), ge=0, description="dollars at the first run"
    )
    lag_steps: int = Field(
        1, ge=0, description="tape steps until the second leg meets the book"
    )
    replenishment: str = Field(
        "never",
        pattern="^(never|new|every)$",
        description="when what we took comes back: never, new, every",
    )
    latency_ms: int = Field(0, ge=0, description="of every request")
    jitter_ms: int = Field(0, ge=0, description="at most on top")
    settle_ms: int = Field(4_000, ge=0, description="until a Polymarket fill is final")
    clock_offset_ms: Decimal = Field(Decimal(0), description="how far our clock is off")
    silences: str = Field(
        "", description="seconds of the tape without a stream: kalshi:600-900,polymarket:50-60"
    )
    outages: str = Field("", description="the same, and the platform cannot be reached")
    fault_not_sent: int = Field(
        0, ge=0, le=1_000_000, description="orders that never leave, in parts per million"
    )
    fault_rejected: int = Field(
        0, ge=0, le=1_000_000, description="orders refused, in parts per million"
    )
    fault_partial: int = Field(
        0, ge=0, le=1_000_000, description="orders that fill in part, in parts per million"
    )
    fault_lost_answer: int = Field(
        0, ge=0, le=1_000_000, description="answers lost after acceptance, in parts per million"
    )
    fault_failed_fill: int = Field(
        0, ge=0, le=1_000_000, description="fills that fail to settle, in parts per million"
    )
    fault_paused: int = Field(
        0, ge=0, le=1_000_000, description="orders that meet a pause, in parts per million"
    )
    fault_late_answer: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that come after the engine gave up waiting, in parts per million",
    )
    fault_answered_twice: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that come again in place of the next one, in parts per million",
    )
    fault_timeout_408: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders and questions answered by 408, taken or not, in parts per million",
    )
    fault_duplicate_409: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders taken and called duplicates, in parts per million",
    )
    fault_rate_limit_429: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders refused by a rate limit, in parts per million",
    )
    fault_server_error_500: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that became a 500 after the deed, in parts per million",
    )
    fault_bad_gateway_502: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers that became a 502 after the deed, in parts per million",
    )
    fault_truncated: int = Field(
        0, ge=0, le=1_000_000, description="answers cut short, in parts per million"
    )
    fault_wrong_type: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="answers with a field of a wrong type, in parts per million",
    )
    fault_clock_skew: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="orders whose signature is from another time, in parts per million",
    )

    @field_validator("silences", "outages")
    @classmethod
    def _windows(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            found = WINDOW.fullmatch(part)
            if found is None or int(found["begins"]) >= int(found["ends"]):
                raise ValueError("platform:from-to in seconds, separated by commas")
        return text

    def windows(self, name: str) -> list[tuple[Platform, timedelta, timedelta]]:
        """Return the windows of `silences` or `outages`, from the beginning of the tape."""
        return [
            (
                Platform(found["platform"]),
                timedelta(seconds=int(found["begins"])),
                timedelta(seconds=int(found["ends"])),
            )
            for found in WINDOW.finditer(getattr(self, name))
        ]


class Records(_Section):
    """How long what is not needed to go on is kept."""

    snapshot_years: int = Field(
        7, ge=1, description="books as they were at decisions; `dutchbook db prune` goes by it"
    )


class Settings(_Section):
    """Everything that can be set."""

    detection: Detection = Detection()
    execution: Execution = Execution()
    risk: Risk = Risk()
    exposure: Exposure = Exposure()
    health: Health = Health()
    time: Time = Time()
    paper: Paper = Paper()
    records: Records = Records()

    def book_age(self, *, polled: bool) -> timedelta:
        """Return how old a book may be that is traded on.

        What was set counts. Else it is longer where both platforms were asked by turns, since
        there a book that did not change is as old as the last question.

        Args:
            polled: Whether the tape that is traded was polled.
        """
        seconds = self.detection.book_age_seconds
        if seconds is None:
            seconds = POLLED_BOOK_AGE if polled else BOOK_AGE
        return timedelta(seconds=seconds)

    def hurdles(self, *, polled: bool = False) -> Hurdles:
        """Return what detection and execution judge an edge by; see `book_age`."""
        return Hurdles(
            minimum_net_edge=self.detection.minimum_net_edge,
            suspicious_edge=self.detection.suspicious_edge,
            yearly_return=self.detection.yearly_return,
            kalshi_interest=self.detection.kalshi_interest,
            polymarket_interest=self.detection.polymarket_interest,
            minimum_fill_share=self.detection.minimum_fill_share,
            rescue_limit=self.execution.rescue_limit,
            true_up_share=self.execution.true_up_share,
            gas=Money(self.detection.gas),
            book_age=self.book_age(polled=polled),
            closing_window=timedelta(seconds=self.detection.closing_window_seconds),
        )

    def health_limits(self) -> HealthLimits:
        """Return what a platform is judged by."""
        return HealthLimits(
            silence=timedelta(seconds=self.health.silence_seconds),
            slow_ms=self.health.slow_ms,
            failures=self.health.failures,
            recoveries=self.health.recoveries,
            protocol_silence=timedelta(seconds=self.health.protocol_seconds),
            fresh=timedelta(seconds=self.health.fresh_seconds),
            edge_multiplier=self.health.edge_multiplier,
        )

    def drift_limits(self) -> DriftLimits:
        """Return how far our clock may be off."""
        return DriftLimits(self.time.warning_ms, self.time.critical_ms, self.time.halt_ms)

    def limits(self) -> RiskLimits:
        """Return what may be at stake."""
        return RiskLimits(
            bankroll=Money(self.risk.bankroll),
            position_share=self.risk.position_share,
            max_open_pairs=self.risk.max_open_pairs,
            daily_loss_share=self.risk.daily_loss_share,
            platform_share=self.risk.platform_share,
            pair_share=self.risk.pair_share,
            cluster_share=self.risk.cluster_share,
        )


def load(
    path: Path | None = None,
    overrides: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        path: A TOML file; None for the defaults alone.
        environment: Where ``DUTCHBOOK_SECTION__KEY`` is looked for; it overrides the file.
        overrides: ``section.key=value`` texts, each for this run only.

    Raises:
        InvalidInput: An unknown key, or a value that is not acceptable; names the key.
    """
    values: dict[str, Any] = _read(path) if path else {}
    for name, value in sorted((environment or {}).items()):
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and separator:
            values.setdefault(section, {})[key] = value
    for override in overrides:
        name, separator, value = override.partition("=")
        section, dot, key = name.strip().partition(".")
        if not separator or not dot:
            raise InvalidInput("--set", override, "section.key=value")
        values.setdefault(section, {})[key] = value.strip()
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(key, first.get("input"), _expected(first)) from None


def commented() -> str:
    """Return a TOML file of every setting at its default, each explained."""
    lines = ["# Dutchbook: what can be set. Delete what should stay at its default.", ""]
    for name, section in Settings.model_fields.items():
        kind = type(section.default)
        lines += [f"# {kind.__doc__}", f"[{name}]"]
        for key, field in kind.model_fields.items():
            default = getattr(section.default, key)
            value = tomlkit.item(default if isinstance(default, int) else str(default))
            line = f"{key} = {UNSET.get(key, value.as_string())}  # {field.description}"
            lines += [f"# {line}" if key in UNSET else line]
        lines.append("")
    return "\n".join(lines)


def _expected(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "a setting that Dutchbook knows"
    message = str(problem["msg"])
    return message.removeprefix("Input should be ").removeprefix("Value error, ")


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            "--config", str(path), f"a readable file ({error.strerror})"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput("--config", str(path), "a text file in UTF-8") from None
    try:
        return tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise InvalidInput("--config", str(path), f"a TOML file ({error})") from None
