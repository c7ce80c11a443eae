"""Dependencies point inward only."""

from __future__ import annotations

import ast
import sys

import pytest

from tidy.tree import imports, modules, part

INNER = {"errors"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "domain": INNER,
    "ports": INNER | {"domain"},
    # A point is passed where something happens, and is named by what happens there.
    "crashpoints": INNER | {"domain", "ports"},
    "application": INNER | {"domain", "ports", "crashpoints"},
    "config": INNER | {"domain"},
    "documents": INNER,
    "console": INNER | {"domain"},
    **{
        outer: INNER | {"domain", "ports", "application", "documents", "crashpoints"}
        for outer in ("platforms", "persistence", "tape", "runtime")
    },
}
COMPOSITION = {
    "tape/demo.py",
    "bench",
    "bootstrap",
    "rules",
    "engine",
    "session",
    "desk",
    "backoffice",
    "home",
    "auditing",
    "audit_cli",
    "tape_cli",
    "options",
    "cli",
    "cli_positions",
    "__main__",
    "__init__",
}
PURE = {"errors", "domain", "ports", "application", "crashpoints"}


def outward(path: str, tree: ast.Module) -> list[str]:
    """Return the imports of a module that point outwards or at a neighbour."""
    home = part(path)
    if home in COMPOSITION or path in COMPOSITION:
        return []
    wrong = []
    for name in imports(tree):
        pieces = name.split(".")
        if pieces[0] == "dutchbook":
            target = pieces[1]
            if target not in ALLOWED[home] | {home, "__version__"}:
                wrong.append(name)
        elif home in PURE and pieces[0] not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


TREES = modules()


@pytest.mark.parametrize("path", TREES)
def test_a_module_imports_inwards_only(path: str) -> None:
    assert outward(path, TREES[path]) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("domain/book.py", "from dutchbook.ports import Clock"),
        ("domain/book.py", "import sqlalchemy"),
        ("ports.py", "from dutchbook.application.bus import EventBus"),
        ("application/bus.py", "from dutchbook.persistence.memory import MemoryJournal"),
        ("application/bus.py", "import msgspec"),
        ("platforms/paper/exchange.py", "from dutchbook.tape.message import Tape"),
    ],
)
def test_an_import_that_points_outwards_is_found(path: str, line: str) -> None:
    assert outward(path, ast.parse(line)) != []
