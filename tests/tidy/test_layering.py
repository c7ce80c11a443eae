"""Dependencies point inward only: between packages, and between the rooms of a package."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest

from tidy.tree import ROOT, imports, modules, part

INNER = {"errors"}
SHELL = INNER | {"domain", "ports", "application"}
OUTER = ("platforms", "persistence", "tape", "runtime")
"""The adapters: none of them imports another."""
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "domain": INNER,
    "ports": INNER | {"domain"},
    "application": INNER | {"domain", "ports"},
    "config": INNER | {"domain"},
    **dict.fromkeys(OUTER, SHELL),
    "study": SHELL | {"config"},
    "bootstrap": SHELL | {"config", "study"} | {*OUTER},
    "operations": SHELL | {"config", "bootstrap"} | {*OUTER},
    "cli": SHELL | {"config", "study", "bootstrap", "operations"} | {*OUTER},
    "__main__": {"cli"},
    "__init__": set(),
}
PURE = {"errors", "domain", "ports", "application"}
MAX_LAYERS = {"domain": 7, "application": 9}
"""The largest number of layers allowed among the rooms of a package."""
TREES = modules()


def outward(path: str, tree: ast.Module) -> list[str]:
    """Return a module's imports that point outwards or at another outer package."""
    home = part(path)
    wrong = []
    for name in imports(tree):
        pieces = name.split(".")
        if pieces[0] == "dutchbook":
            if pieces[1] not in ALLOWED[home] | {home, "__version__"}:
                wrong.append(name)
        elif home in PURE and pieces[0] not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", TREES)
def test_a_module_imports_inwards_only(path: str) -> None:
    assert outward(path, TREES[path]) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("domain/market/book.py", "from dutchbook.ports.time import Clock"),
        ("domain/market/book.py", "import sqlalchemy"),
        ("ports/journal.py", "from dutchbook.application.records.committer import EventBus"),
        ("application/lifecycle.py", "from dutchbook.persistence.journals import memory"),
        ("application/lifecycle.py", "import msgspec"),
        ("platforms/paper/exchange.py", "from dutchbook.tape.message import Tape"),
        ("tape/format.py", "from dutchbook.runtime.clock import SystemClock"),
    ],
)
def test_an_import_that_points_outwards_is_found(path: str, line: str) -> None:
    assert outward(path, ast.parse(line)) != []


# The rooms of a package ----------------------------------------------------------------------

Rooms = Mapping[str, set[str]]


def rooms(package: str, trees: Mapping[str, ast.Module]) -> Rooms:
    """Return the rooms of a package, each with the rooms that it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        if not path.startswith(f"{package}/"):
            continue
        own = part(path.removeprefix(f"{package}/"))
        for name in imports(tree):
            if name.startswith(f"dutchbook.{package}."):
                found[own].add(name.split(".")[2])
        found[own].discard(own)
    return found


def layers_of(graph: Rooms) -> list[set[str]]:
    """Return the rooms layer by layer, the lowest first; rooms in a cycle are in none."""
    found: list[set[str]] = []
    placed: set[str] = set()
    every = set(graph).union(*graph.values())
    while ready := {room for room in every - placed if graph.get(room, set()) <= placed}:
        found.append(ready)
        placed |= ready
    return found


def in_cycles(graph: Rooms, layers: Iterable[set[str]]) -> set[str]:
    """Return the rooms in no layer: they are part of an import cycle or depend on one."""
    return set(graph).union(*graph.values()) - set().union(*layers)


@pytest.mark.parametrize("package", MAX_LAYERS)
def test_the_rooms_of_a_package_have_few_layers_and_no_import_cycle(package: str) -> None:
    graph = rooms(package, TREES)

    layers = layers_of(graph)

    assert in_cycles(graph, layers) == set()
    assert len(layers) <= MAX_LAYERS[package]


def test_an_import_cycle_and_a_layer_too_many_would_be_found() -> None:
    chain = {f"r{number}": {f"r{number + 1}"} for number in range(9)}
    circle = {"a": {"b"}, "b": {"a"}, "c": {"a"}}

    assert len(layers_of(chain)) == 10
    assert in_cycles(circle, layers_of(circle)) == {"a", "b", "c"}
    assert in_cycles(chain, layers_of(chain)) == set()


# The engine knows neither tape nor paper -----------------------------------------------------


def of_paper(tree: ast.Module) -> list[str]:
    """Return a module's imports that name a tape or anything on paper."""
    return [
        name
        for name in imports(tree)
        if any(piece == "tape" or piece.startswith("paper") for piece in name.split("."))
    ]


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in TREES
        if path.startswith("bootstrap/") and not path.startswith("bootstrap/paper")
    ],
)
def test_what_builds_an_engine_knows_neither_tape_nor_paper(path: str) -> None:
    assert of_paper(TREES[path]) == []


@pytest.mark.parametrize(
    "line",
    [
        "from dutchbook.tape.message import Tape",
        "from dutchbook import tape",
        "import dutchbook.platforms.paper.gateway",
        "from dutchbook.platforms.paper.gateway import PaperGateway",
        "from dutchbook.bootstrap.paper import build_paper",
        "from dutchbook.bootstrap.paper_world import Funding",
        "def late():\n    from dutchbook.platforms import paper",
    ],
)
def test_a_tape_or_paper_in_the_engine_would_be_found(line: str) -> None:
    assert of_paper(ast.parse(line)) != []


@pytest.mark.parametrize("path", ["bootstrap/paper.py", "bootstrap/paper_run.py"])
def test_paper_is_found_where_it_is(path: str) -> None:
    assert of_paper(TREES[path]) != []


# Independent oracles -------------------------------------------------------------------------


def of_program(tree: ast.Module) -> list[str]:
    """Return a module's imports that are neither of Python nor independent of the program."""
    free = {*sys.stdlib_module_names, "zstandard", "independent"}
    return [name for name in imports(tree) if name.split(".")[0] not in free]


INDEPENDENT = modules(ROOT / "tests" / "independent")


@pytest.mark.parametrize("path", INDEPENDENT)
def test_an_independent_oracle_imports_nothing_of_the_program(path: str) -> None:
    assert of_program(INDEPENDENT[path]) == []


@pytest.mark.parametrize(
    "line",
    [
        "from dutchbook.domain.capital.ledger import fold",
        "import dutchbook.domain.execution.order",
        "from support.replay import differences",
        "def late():\n    from dutchbook import domain",
    ],
)
def test_an_oracle_that_asks_the_program_would_be_found(line: str) -> None:
    assert of_program(ast.parse(line)) != []


@pytest.mark.parametrize("call", ["importlib", "__import__"])
def test_an_independent_oracle_loads_no_module_by_name(call: str) -> None:
    texts = [ast.unparse(tree) for tree in INDEPENDENT.values()]

    assert texts
    assert not any(call in text for text in texts)
