"""The settings of a study: every combination of the values that are given for some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from dutchbook.config import HIDDEN, Settings, load, places
from dutchbook.errors import InvalidInput

OPTION = "--set"
FORM = "section.key=value,value with at least one value"
COMMA = re.compile(r"(?<!\\),")
r"""What separates values: a comma, unless a backslash stands before it (``\,`` is a comma)."""
IDLE = ("hooks", "database")
"""Sections that a run in memory does not use; what they hold may be secret."""


@dataclass(frozen=True, slots=True)
class Varied:
    """A setting and the values that are tried, as texts: ``section.key``, ("0", "300")."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination.

    Attributes:
        values: The value of each varied setting, as the program understands it.
        settings: All settings of its runs.
    """

    values: tuple[Any, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Grid:
    """All combinations of some values, the last key changing fastest; the first is compared to.

    Attributes:
        keys: What was given, ``section.key``, in that order.
        settings: The combinations.
    """

    keys: tuple[str, ...]
    settings: tuple[Setting, ...]

    def others(self) -> dict[str, str]:
        """Return the settings of no key that are not at their defaults, as texts."""
        first, usual = self.settings[0].settings, Settings()
        return {
            f"{section}.{key}": str(_value(first, f"{section}.{key}"))
            for section, key in places()
            if section not in IDLE
            and f"{section}.{key}" not in self.keys
            and getattr(getattr(first, section), key) != getattr(getattr(usual, section), key)
        }


def varied(texts: Iterable[str]) -> tuple[Varied, ...]:
    r"""Read ``section.key=value,value`` texts; ``\,`` is a comma within a value.

    Raises:
        InvalidInput: One has another form or no value, no run of a study uses it, or a key or a
            value is given twice.
    """
    found: dict[str, Varied] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        key = name.strip()
        if not equals or "." not in key or not listed.strip():
            shown = f"{key}={HIDDEN if listed.strip() else ''}" if equals else HIDDEN
            raise InvalidInput(OPTION, shown, FORM)
        if key.partition(".")[0] in IDLE:
            raise InvalidInput(OPTION, key, "a setting that a run in memory uses")
        if key in found:
            raise InvalidInput(OPTION, key, f"given once: write {key}=value,value")
        values = tuple(each.strip().replace(r"\,", ",") for each in COMMA.split(listed))
        if len(set(values)) < len(values):
            raise _twice(key)
        found[key] = Varied(key, values)
    return tuple(found.values())


def grid(
    keys: Sequence[Varied],
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    most: int | None = None,
) -> Grid:
    """Return every combination of the values, on top of a user's settings.

    Args:
        keys: The varied settings.
        path: A TOML file of settings; None for the defaults.
        environment: See `load`.
        most: How many combinations there may be; None for any number.

    Raises:
        InvalidInput: A value is not acceptable, alone or beside another, two texts of a key are
            one value, or there are more combinations than `most`.
        UnknownSetting: There is no such setting.
    """
    size = prod(len(each.values) for each in keys)
    if most is not None and size > most:
        raise InvalidInput("settings", size, f"at most {most:,}, unless --yes is given")
    names = tuple(each.key for each in keys)
    found = []
    for texts in product(*(each.values for each in keys)):
        once = tuple(f"{key}={text}" for key, text in zip(names, texts, strict=True))
        chosen = load(path, once, environment)
        found.append(Setting(tuple(_value(chosen, name) for name in names), chosen))
    for number, each in enumerate(keys):
        if len({setting.values[number] for setting in found}) < len(each.values):
            raise _twice(each.key)
    return Grid(names, tuple(found))


def _value(settings: Settings, name: str) -> Any:
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)


def _twice(key: str) -> InvalidInput:
    return InvalidInput(OPTION, key, "a list of different values: one of them stands twice")
