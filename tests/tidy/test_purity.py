"""Runs are reproducible: no clock, randomness or float where it does not belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tidy.tree import modules, part

CLOCKS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("time", "time"), ("time", "monotonic"),
    ("time", "perf_counter"), ("uuid", "uuid4"), ("asyncio", "sleep"),
}  # fmt: skip
SUPERVISORS = {
    "cli/console/screen.py": "notes it, and the engine goes on without what is shown",
    "cli/outcome.py": "shows it, and the command ends",
    "runtime/workers.py": "sends it to the process that awaits the work, which raises it",
    "persistence/journals/sqlite_writer.py": "takes everything back, then raises again",
    "persistence/journals/worker.py": "hands it to whoever awaits the call",
}


def impure(path: str, tree: ast.Module) -> list[str]:
    """Return everything in a module that makes a run depend on more than its seed."""
    return [found for node in ast.walk(tree) for found in _impure(path, node)]


def _impure(path: str, node: ast.AST) -> Iterator[str]:
    home = part(path)
    match node:
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if (owner, name) in CLOCKS:
            yield from [f"{owner}.{name}"] * (home not in ("runtime", "bench"))
        case ast.Import(names=names) if any(each.name == "random" for each in names):
            yield from ["random"] * (home != "runtime")
        case ast.Name(id="float") | ast.Constant(value=float()) if home == "domain":
            yield "a binary fraction"
        case ast.Call(func=ast.Name(id="print")):
            yield "print"
        case ast.ExceptHandler(type=None | ast.Name(id="Exception" | "BaseException")):
            yield from ["catches everything"] * (path not in SUPERVISORS)
        case ast.For(iter=ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set"))):
            yield from ["iterates over a set"] * (home in ("domain", "application", "ports"))


TREES = modules()


@pytest.mark.parametrize("path", TREES)
def test_a_module_uses_no_clock_no_randomness_and_no_float_of_its_own(
    path: str,
) -> None:
    assert impure(path, TREES[path]) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("application/records/committer.py", "datetime.now()"),
        ("platforms/paper/gateway.py", "asyncio.sleep(1)"),
        ("tape/generate.py", "import random"),
        ("domain/values/units.py", "float('1')"),
        ("domain/values/units.py", "x = 0.1"),
        ("application/records/committer.py", "for x in {1, 2}: pass"),
        ("application/records/committer.py", "for x in set(y): pass"),
        ("cli/console/live.py", "print(1)"),
        ("application/records/committer.py", "try:\n    pass\nexcept Exception:\n    pass"),
    ],
)
def test_an_impurity_is_found(path: str, line: str) -> None:
    assert impure(path, ast.parse(line)) != []
