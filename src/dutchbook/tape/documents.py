"""Reads TOML and JSON files written by hand: exact numbers, and errors of one line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from dutchbook.errors import FactsError

Rows = list[dict[str, Any]]


def read_tables(path: Path, names: Sequence[str]) -> list[Rows]:
    """Read a file of lists of tables and return those of `names`, in their order.

    The file is TOML, or JSON if its name ends in ``.json``; a missing list is empty.

    Raises:
        FactsError: Missing, neither TOML nor JSON, or with tables other than `names`.
    """
    document = read_document(path)
    for name in document:
        if name not in names:
            known = ", ".join(names)
            raise FactsError(f"{path}: {name!r} is not one of its tables: {known}")
    tables = [document.get(name, []) for name in names]
    for name, table in zip(names, tables, strict=True):
        if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            raise FactsError(f"{path}: {name} is not a list of tables ([[{name}]])")
    return tables


def read_document(path: Path) -> dict[str, Any]:
    """Read a file of one table: TOML, or JSON if its name ends in ``.json``.

    Raises:
        FactsError: Missing, or neither TOML nor JSON.
    """
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        found = _json(text) if kind == "JSON" else tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise FactsError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise FactsError(f"{path}: not {kind} of a sane depth") from error
    except ArithmeticError as error:
        raise FactsError(f"{path}: a number of it is beyond all bounds") from error
    except ValueError as error:
        raise FactsError(f"{path}: not {kind}: {error}") from error
    if not isinstance(found, dict):
        raise FactsError(f"{path}: not an object with tables")
    return found


def _json(text: str) -> Any:
    return json.loads(
        text, parse_float=Decimal, parse_constant=Decimal, object_pairs_hook=_each_key_once
    )


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate keys, as TOML does; JSON by itself would take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found
