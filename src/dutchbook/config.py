"""Typed settings: defaults, then the TOML file, then the environment, then `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from tomlkit.exceptions import TOMLKitError

from dutchbook.domain.controls import Controls
from dutchbook.domain.quote import Hurdles
from dutchbook.domain.risk import RiskLimits
from dutchbook.domain.units import Money
from dutchbook.errors import InvalidInput


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


PREFIX = "DUTCHBOOK_"


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
    minimum_fill_share: Decimal = Field(
        Decimal("0.25"), ge=0, le=1, description="least share of the ideal size worth trading"
    )
    book_age_seconds: int = Field(
        5, gt=0, description="older books are not traded on; a polled tape may need 10"
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
    answer_seconds: int = Field(
        15, gt=0, description="without an answer for so long, an outcome is unknown"
    )
    queries: int = Field(6, gt=0, description="how often an unknown outcome is asked about")
    queue_bound: int = Field(256, gt=0, description="opportunities that may wait")
    drain_seconds: int = Field(
        30, gt=0, description="how long what is in flight may take to end when asked to stop"
    )
    lease_seconds: int = Field(
        10, gt=0, le=600, description="an engine that is silent for so long may be replaced"
    )


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

    @field_validator("order_share")
    @classmethod
    def _room_for_both_legs(cls, share: Decimal, info: ValidationInfo) -> Decimal:
        """A second leg that the gate would refuse would leave the first one alone."""
        least = info.data.get("position_share", Decimal(0)) * Decimal("1.25")
        if share < least:
            raise ValueError(f"at least 1.25 times position_share, {least}")
        return share


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
    paper: Paper = Paper()
    records: Records = Records()

    def hurdles(self) -> Hurdles:
        """Return what detection and execution judge an edge by."""
        return Hurdles(
            minimum_net_edge=self.detection.minimum_net_edge,
            suspicious_edge=self.detection.suspicious_edge,
            yearly_return=self.detection.yearly_return,
            minimum_fill_share=self.detection.minimum_fill_share,
            rescue_limit=self.execution.rescue_limit,
            true_up_share=self.execution.true_up_share,
            gas=Money(self.detection.gas),
            book_age=timedelta(seconds=self.detection.book_age_seconds),
            closing_window=timedelta(seconds=self.detection.closing_window_seconds),
        )

    def limits(self) -> RiskLimits:
        """Return what may be at stake."""
        return RiskLimits(
            bankroll=Money(self.risk.bankroll),
            position_share=self.risk.position_share,
            max_open_pairs=self.risk.max_open_pairs,
            daily_loss_share=self.risk.daily_loss_share,
            platform_share=self.risk.platform_share,
            reset_hour_utc=self.risk.reset_hour_utc,
        )

    def controls(self) -> Controls:
        """Return how far an order may go."""
        return Controls(
            price_collar=self.risk.price_collar,
            orders_per_minute=self.risk.orders_per_minute,
            order_value=Money(self.risk.bankroll * self.risk.order_share),
            failures_before_disable=self.risk.failures_before_disable,
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
            value = default if isinstance(default, int) else f'"{default}"'
            lines += [f"{key} = {value}  # {field.description}"]
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
