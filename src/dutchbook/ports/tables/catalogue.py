"""Every table by its name; a command that touches few tables loads few declarations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from dutchbook.ports.tables.table import Table

MODULES = ("records", "capital", "market", "trading")
"""Where tables are declared, those that a command from a shell touches first."""


@cache
def declared(name: str) -> Table[Any]:
    """Return a table by its name: that of its declaration, in small letters.

    Raises:
        LookupError: There is none.
    """
    for module in MODULES:
        if name in _declared(module):
            return _declared(module)[name]
    raise LookupError(f"no table {name}")


@cache
def every_table() -> Mapping[str, Table[Any]]:
    """Return every table by its name."""
    return {name: each for module in MODULES for name, each in _declared(module).items()}


@cache
def _declared(module: str) -> Mapping[str, Table[Any]]:
    members = vars(import_module(f"dutchbook.ports.tables.{module}")).values()
    return {each.name: each for each in members if isinstance(each, Table)}
