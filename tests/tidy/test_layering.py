"""Imports point inward only, so that what decides can be read and tested without what does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tidy.tree import ROOT, Source, assert_finds, imported_modules, sources

CORE = frozenset({"errors", "domain", "ports"})
INWARD = CORE | {"application"}

# What each layer may import of the package, besides itself.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "errors": frozenset(),
    "domain": frozenset({"errors"}),
    "ports": frozenset({"errors", "domain"}),
    "application": CORE,
    "runtime": CORE,
    "config": INWARD,
    "platforms": INWARD,
    "persistence": INWARD,
    "tape": INWARD,
    "observability": INWARD,
    "api": INWARD,
    "dashboard": INWARD,
}
# The composition roots: they name concrete classes, so they see every layer.
SEE_ALL = frozenset({"__main__", "bootstrap", "cli", "desk", "bench"})
STANDARD_LIBRARY_ONLY = frozenset({"__init__", "errors", "domain", "ports", "application"})


def misplaced_imports(root: Path) -> list[str]:
    """Every import that points outward or sideways, or leaves the standard library too far in."""
    return [row for source in sources(root) for row in _misplaced(source)]


def _misplaced(source: Source) -> list[str]:
    layer = source.layer
    if layer not in MAY_IMPORT.keys() | SEE_ALL:
        return [f"{source.path}: `{layer}` has no place among the layers"]
    rows = []
    for node, name in imported_modules(source):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top == "dutchbook":
            wrong = _is_layer(target) and not _may_import(layer, target)
        else:
            wrong = layer in STANDARD_LIBRARY_ONLY and top not in sys.stdlib_module_names
        if wrong:
            rows.append(source.at(node, f"{layer} imports {name}"))
    return rows


def _is_layer(name: str) -> bool:
    return name in MAY_IMPORT.keys() | SEE_ALL


def _may_import(layer: str, target: str) -> bool:
    return layer in SEE_ALL or target == layer or target in MAY_IMPORT[layer]


def test_imports_point_inward_only() -> None:
    assert misplaced_imports(ROOT) == []


def test_the_tree_that_is_checked_is_not_empty() -> None:
    assert {source.layer for source in sources(ROOT)} >= {"domain", "ports", "application"}


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        ("domain/a.py", "from dutchbook.ports import Clock"),
        ("domain/a.py", "import msgspec"),
        ("domain/a.py", "from ..application import bus"),
        ("errors.py", "from dutchbook.domain.units import Price"),
        ("ports.py", "from dutchbook.application.bus import EventBus"),
        ("application/a.py", "import dutchbook.persistence.journal"),
        ("application/a.py", "from dutchbook import runtime"),
        ("application/a.py", "def late():\n    import sqlalchemy"),
        ("runtime/a.py", "from dutchbook.application.bus import EventBus"),
        ("platforms/paper/a.py", "from dutchbook.tape.reader import read"),
        ("persistence/a.py", "from dutchbook.platforms.paper.exchange import Exchange"),
        ("tape/a.py", "from dutchbook.bootstrap import engine"),
        ("dashboard/a.py", "from dutchbook.api.schemas import Position"),
    ],
)
def test_an_import_that_points_outward_is_found(
    tmp_path: Path, place: str, statement: str
) -> None:
    assert_finds(misplaced_imports, tmp_path, {f"src/dutchbook/{place}": statement}, " imports ")


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        ("domain/a.py", "from decimal import Decimal\nfrom dutchbook.errors import DutchbookError"),
        ("domain/events/a.py", "from ..units import Price"),
        ("application/a.py", "from dutchbook import __version__"),
        ("platforms/kalshi/codec.py", "import msgspec\nfrom dutchbook.domain.book import Book"),
        ("bootstrap.py", "import dutchbook.persistence\nfrom dutchbook.tape import reader"),
    ],
)
def test_an_import_that_points_inward_is_passed(
    tmp_path: Path, place: str, statement: str
) -> None:
    assert_finds(misplaced_imports, tmp_path, {f"src/dutchbook/{place}": statement})


def test_a_file_outside_every_layer_is_found(tmp_path: Path) -> None:
    assert_finds(misplaced_imports, tmp_path, {"src/dutchbook/utils.py": ""}, "has no place")
