"""Typed settings: defaults, then the TOML file, then the environment, then `--set`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from dutchbook.domain.quote import Hurdles
from dutchbook.domain.risk import RiskLimits
from dutchbook.domain.units import Money
from dutchbook.errors import InvalidInput


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Share = Field(ge=0, le=1)


class Detection(_Section):
    """What an edge must clear."""

    minimum_net_edge: Decimal = Field(
        Decimal("0.008"), ge=0, lt=1, description="dollars a contract"
    )
    suspicious_edge: Decimal = Field(Decimal("0.15"), gt=0, le=1)
    yearly_return: Decimal = Field(Decimal("0.08"), ge=0)
    minimum_fill_share: Decimal = Field(Decimal("0.25"), ge=0, le=1)
    book_age_seconds: int = Field(5, gt=0)
    closing_window_seconds: int = Field(120, ge=0)
    gas: Decimal = Field(Decimal(0), ge=0)


class Execution(_Section):
    """How an opportunity is carried out."""

    cool_down_seconds: int = Field(30, ge=0)
    rescue_limit: Decimal = Field(Decimal("0.02"), ge=0, lt=1)
    true_up_share: Decimal = Field(Decimal("0.10"), ge=0, lt=1)
    answer_seconds: int = Field(15, gt=0)
    queries: int = Field(6, gt=0)
    queue_bound: int = Field(256, gt=0)


class Risk(_Section):
    """What may be at stake."""

    bankroll: Decimal = Field(Decimal(10_000), gt=0)
    position_share: Decimal = Field(Decimal("0.03"), gt=0, le=1)
    max_open_pairs: int = Field(10, gt=0)
    daily_loss_share: Decimal = Field(Decimal("0.05"), gt=0, le=1)
    platform_share: Decimal = Field(Decimal("0.5"), gt=0, le=1)


class Paper(_Section):
    """How real paper is; the headline is lag 1 and `never`."""

    kalshi_cash: Decimal = Field(Decimal(5_000), ge=0)
    polymarket_cash: Decimal = Field(Decimal(5_000), ge=0)
    lag_steps: int = Field(1, ge=0)
    replenishment: str = Field("never", pattern="^(never|new|every)$")
    latency_ms: int = Field(0, ge=0)
    jitter_ms: int = Field(0, ge=0)
    settle_ms: int = Field(4_000, ge=0)
    fault_not_sent: int = Field(0, ge=0, le=1_000_000)
    fault_rejected: int = Field(0, ge=0, le=1_000_000)
    fault_partial: int = Field(0, ge=0, le=1_000_000)
    fault_lost_answer: int = Field(0, ge=0, le=1_000_000)
    fault_failed_fill: int = Field(0, ge=0, le=1_000_000)
    fault_paused: int = Field(0, ge=0, le=1_000_000)


class Settings(_Section):
    """Everything that can be set."""

    detection: Detection = Detection()
    execution: Execution = Execution()
    risk: Risk = Risk()
    paper: Paper = Paper()

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
        )


def load(path: Path | None = None, overrides: tuple[str, ...] = ()) -> Settings:
    """Read the settings.

    Args:
        path: A TOML file; None for the defaults alone.
        overrides: ``section.key=value`` texts, each for this run only.

    Raises:
        InvalidInput: An unknown key, or a value that is not acceptable; names the key.
    """
    values: dict[str, Any] = _read(path) if path else {}
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
