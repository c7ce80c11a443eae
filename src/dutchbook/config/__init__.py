"""Typed settings: defaults, then the TOML file, then the environment, then `--set`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from tomlkit.exceptions import KeyAlreadyPresent, ParseError, TOMLKitError

from dutchbook.config.environment import nearest, settings_in, variable
from dutchbook.config.exposure import Exposure
from dutchbook.config.fields import NUMBER, Section, allowed
from dutchbook.config.hooks import Hooks
from dutchbook.config.paper import Paper
from dutchbook.config.sections import (
    Database,
    Detection,
    Divergence,
    Execution,
    Exits,
    Health,
    Reconciliation,
    Records,
    Risk,
    Time,
)
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.execution.pre_trade_checks import Controls
from dutchbook.domain.market.health import DriftLimits, HealthLimits
from dutchbook.domain.positions.exit_case import ExitRule, ExitRules
from dutchbook.domain.positions.reminding import Reminding
from dutchbook.domain.positions.work_rules import ALLOWED, AutoPolicy, WorkRules
from dutchbook.domain.values.units import Money
from dutchbook.errors import DutchbookError, InvalidInput, UnknownSetting

HIDDEN = "…"
"""Instead of a value that could be a secret: one of an unknown key, or of several values."""
SECRET = re.compile(r"key|secret|token|password|passphrase|private|credential", re.IGNORECASE)
"""Names of settings whose values no error shows."""
BOOK_AGE, POLLED_BOOK_AGE = 5, 10
"""Seconds: the maximum age of a book on a stream, and on a polled tape."""
TABLE = "a table of settings"
UNSET = {"book_age_seconds": BOOK_AGE, "books_apart_ms": 1_500, "bankroll": 10_000}
"""Values shown, commented out, for settings whose default is not a number."""


class Settings(Section):
    """All settings."""

    detection: Detection = Detection()
    execution: Execution = Execution()
    risk: Risk = Risk()
    exposure: Exposure = Exposure()
    exits: Exits = Exits()
    health: Health = Health()
    reconciliation: Reconciliation = Reconciliation()
    time: Time = Time()
    paper: Paper = Paper()
    divergence: Divergence = Divergence()
    records: Records = Records()
    hooks: Hooks = Hooks()
    database: Database = Database()

    def book_age(self, *, polled: bool) -> timedelta:
        """Return the maximum age of a book that may be traded on.

        This is the setting if there is one. Otherwise a polled tape allows more, since there a
        book that did not change is as old as the last poll.

        Args:
            polled: Whether the traded tape was polled.
        """
        seconds = self.detection.book_age_seconds
        if seconds is None:
            seconds = POLLED_BOOK_AGE if polled else BOOK_AGE
        return timedelta(seconds=seconds)

    def hurdles(self, *, polled: bool = False) -> Hurdles:
        """Return the hurdles that detection and execution apply to an edge; see `book_age`."""
        return Hurdles(
            minimum_net_edge=self.detection.minimum_net_edge,
            edge_slope=self.detection.edge_slope,
            suspicious_edge=self.detection.suspicious_edge,
            yearly_return=self.detection.yearly_return,
            kalshi_interest=self.detection.kalshi_interest,
            polymarket_interest=self.detection.polymarket_interest,
            minimum_fill_share=self.detection.minimum_fill_share,
            rescue_limit=self.execution.rescue_limit,
            true_up_share=self.execution.true_up_share,
            gas=Money(self.detection.gas),
            book_age=self.book_age(polled=polled),
            books_apart=timedelta(milliseconds=self.detection.books_apart_ms),
            closing_window=timedelta(seconds=self.detection.closing_window_seconds),
        )

    def work_rules(self) -> WorkRules:
        """Return what an engine may do about an unhedged leg on its own."""
        return WorkRules(
            allowed=ALLOWED[AutoPolicy(self.execution.auto_policy)],
            rescue_limit=self.execution.rescue_limit,
            patience=timedelta(seconds=self.exposure.patience_seconds),
        )

    def exit_rules(self) -> ExitRules:
        """Return the rules for exits."""
        return ExitRules(
            rule=ExitRule(self.exits.rule),
            take_profit_share=self.exits.take_profit_share,
            stop_loss_share=self.exits.stop_loss_share,
            time=timedelta(hours=self.exits.time_hours),
            unhedged_stop=self.exits.unhedged_stop,
            minimum_gain=self.exits.minimum_gain,
            urgent_cost=self.exits.urgent_cost,
            yearly_return=self.detection.yearly_return,
            collar=self.risk.price_collar,
            books_apart=timedelta(milliseconds=self.detection.books_apart_ms),
            gas=Money(self.detection.gas),
        )

    def health_limits(self) -> HealthLimits:
        """Return the health limits of a platform."""
        return HealthLimits(
            silence=timedelta(seconds=self.health.silence_seconds),
            slow_ms=self.health.slow_ms,
            failures=self.health.failures,
            recoveries=self.health.recoveries,
            protocol_silence=timedelta(seconds=self.health.protocol_seconds),
            fresh=timedelta(seconds=self.health.fresh_seconds),
            edge_multiplier=self.health.edge_multiplier,
        )

    def reminding(self) -> Reminding:
        """Return how often exposures are reported again."""
        chosen = self.exposure
        return Reminding(
            urgent=timedelta(seconds=chosen.reminder_seconds),
            small=timedelta(seconds=chosen.small_reminder_seconds),
            dust=timedelta(seconds=chosen.dust_reminder_seconds),
            urgent_share=chosen.urgent_share,
            dust_dollars=chosen.dust_dollars,
            gap=timedelta(seconds=chosen.reminder_gap_seconds),
        )

    def drift_limits(self) -> DriftLimits:
        """Return how far our clock may be off."""
        return DriftLimits(self.time.warning_ms, self.time.critical_ms, self.time.halt_ms)

    def limits(self) -> RiskLimits:
        """Return the limits on capital at risk."""
        return RiskLimits(
            cap=None if self.risk.bankroll is None else Money(self.risk.bankroll),
            position_share=self.risk.position_share,
            max_open_pairs=self.risk.max_open_pairs,
            daily_loss_share=self.risk.daily_loss_share,
            platform_share=self.risk.platform_share,
            pair_share=self.risk.pair_share,
            cluster_share=self.risk.cluster_share,
            reset_hour_utc=self.risk.reset_hour_utc,
            count_unhedged=self.risk.count_unhedged,
            order_share=self.risk.order_share,
        )

    def controls(self) -> Controls:
        """Return the limits on a single order."""
        return Controls(
            price_collar=self.risk.price_collar,
            orders_per_minute=self.risk.orders_per_minute,
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
        environment: Searched for ``DUTCHBOOK_SECTION__KEY``; overrides the file.
        overrides: ``section.key=value`` texts for this run only.

    Raises:
        InvalidInput: A value is not acceptable; names the setting, the file if it stands in
            one, and what would be right.
        UnknownSetting: There is no such setting; names the nearest, and the file likewise.
    """
    values: dict[str, Any] = _read(path) if path else {}
    sources = dict.fromkeys(_stands(values), "" if path is None else str(path))
    variables = {variable(*place): place for place in places()}
    for section, key, value in (
        *settings_in(environment or {}, variables),
        *map(_override, overrides),
    ):
        table = values.setdefault(section, {})
        if not isinstance(table, dict):
            shown = _told(section, table, table=True)
            raise InvalidInput(section, shown, TABLE, sources[section,])
        table[key], sources[section, key] = value, ""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, sources) from None


def _stands(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the place of each table and of each setting that stands in a file."""
    for name, table in values.items():
        yield (name,)
        if isinstance(table, dict):
            yield from ((name, key) for key in table)


def _override(text: str) -> tuple[str, str, str]:
    """Return the section, the key and the value of ``section.key=value``."""
    name, separator, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not separator or not dot:
        shown = f"{name.strip()}={HIDDEN}" if separator else HIDDEN
        raise InvalidInput("--set", shown, "section.key=value")
    return section, key, value.strip()


def places() -> tuple[tuple[str, str], ...]:
    """Return the section and the key of every setting, in the order of the file."""
    sections = ((name, type(each.default)) for name, each in Settings.model_fields.items())
    return tuple((name, key) for name, kind in sections for key in kind.model_fields)


def field_of(section: str, key: str) -> FieldInfo:
    """Return the declaration of a setting: its type, bounds, default and description."""
    kind: type[Section] = type(Settings.model_fields[section].default)
    return kind.model_fields[key]


def commented() -> str:
    """Return a TOML file with every setting at its default, each explained."""
    lines = [
        "# Dutchbook: what can be set. Delete what should stay at its default.",
        "# The environment overrides it: DUTCHBOOK_RISK__BANKROLL is bankroll of [risk].",
        "",
    ]
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


def _refusal(error: ValidationError, sources: Mapping[tuple[str, ...], str]) -> DutchbookError:
    """Return the first problem of a validation in our words.

    Args:
        error: What pydantic found.
        sources: The file that each place stands in; "" or none for what was given beside it.
    """
    first = error.errors()[0]
    place = tuple(str(part) for part in first["loc"])
    name, source = ".".join(place), sources.get(place[:2], "")
    if first["type"] == "extra_forbidden":
        known = {".".join(each[: len(place)]): each for each in places()}
        return UnknownSetting(name, nearest(name, known), source)
    if len(place) == 1:
        shown = _told(name, first["input"], table=True)
        return InvalidInput(name, shown, TABLE, source)
    expected = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] != "value_error" or expected == NUMBER:
        expected = allowed(field_of(*place[:2]))
    return InvalidInput(name, _told(name, first["input"]), expected, source)


def _told(name: str, value: Any, *, table: bool = False) -> Any:
    """Return a value as an error may show it: no secret, and nothing that could hold one.

    Args:
        name: The name of the setting.
        value: What was given.
        table: Whether a table belongs there, so that a text may be the value of any key.
    """
    texts = isinstance(value, list) and any(isinstance(each, str | dict) for each in value)
    if texts or isinstance(value, dict) or (table and isinstance(value, str)):
        return HIDDEN
    return HIDDEN if SECRET.search(name) else value


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(
            "--config", str(path), f"a readable file ({error.strerror})"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput("--config", str(path), "a text file in UTF-8") from None
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        place = f"line {error.line}, column {error.col}"
        raise InvalidInput("--config", str(path), f"a TOML file: look at {place}") from None
    except KeyAlreadyPresent as error:
        raise InvalidInput("--config", str(path), f"a TOML file: {error}") from None
    except (TOMLKitError, ValueError):  # Python reads no integer of 5,000 digits
        raise InvalidInput("--config", str(path), "a TOML file: a key or value of it") from None
