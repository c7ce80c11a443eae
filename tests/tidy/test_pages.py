"""The pages name files, classes and methods that exist, and journeys that the code takes."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "dutchbook"
MOST_FILES = 9
TICKED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w/.-]+\.(?:py|md)|[a-z_]+(?:/[a-z_]+)+")
NAME = re.compile(r"[A-Z][a-z]\w*(?:\.[a-z_]\w*)?")
STEP = re.compile(r"^\d\. `([^`]+)` `([^`]+)`: ", re.MULTILINE)


class Step(NamedTuple):
    """One line of a journey."""

    path: str
    name: str


def journeys(page: str) -> dict[str, list[Step]]:
    """Return the steps of each journey by its title."""
    part = page.split("\n## Three journeys\n")[1].split("\n## ", maxsplit=1)[0]
    titled = (each.split("\n", 1) for each in part.split("\n### ")[1:])
    return {title: [Step(*found) for found in STEP.findall(text)] for title, text in titled}


@cache
def source(path: str) -> str:
    """Return the text of a file that a page names."""
    base = ROOT if path.startswith(("tests/", "docs/", "bench/")) else PACKAGE
    return (base / path).read_text(encoding="utf-8")


@cache
def defined(path: str) -> frozenset[str]:
    """Return the functions, classes and methods of a file, such as ``Gate.approve``."""
    found = set()
    for node in ast.parse(source(path)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (each for each in node.body if hasattr(each, "name"))
            found |= {f"{node.name}.{each.name}" for each in inner}
    return frozenset(found)


@cache
def everywhere() -> frozenset[str]:
    """Return every function, class and method of the package, and of its tests and tools."""
    folders = ("src/dutchbook", "tests", "bench")
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    names = (defined(_shown(path)) for path in paths)
    return frozenset().union(*names)


def _shown(path: Path) -> str:
    inside = path.is_relative_to(PACKAGE)
    return str(path.relative_to(PACKAGE if inside else ROOT))


def missing_files(page: str) -> list[str]:
    """Return the files and folders that a page names and that do not exist."""
    named = [each for each in TICKED.findall(page) if FILE.fullmatch(each)]
    places = (ROOT, PACKAGE, ROOT / "docs", PACKAGE / "domain", *PACKAGE.rglob("."))
    return [each for each in named if not any((place / each).exists() for place in places)]


def missing_names(page: str) -> list[str]:
    """Return the classes and methods that a page names and that nothing defines."""
    named = [each for each in TICKED.findall(page) if NAME.fullmatch(each)]
    known = everywhere() | FIELDS
    return [each for each in named if each not in known]


FIELDS = frozenset({"Update.guard", "Contract.taker_delay"})
"""Attributes that the pages name."""

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WHERE = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [ARCHITECTURE, WHERE], ids=["architecture", "where"])
def test_a_page_names_what_exists(page: str) -> None:
    assert missing_files(page) == []
    assert missing_names(page) == []


@pytest.mark.parametrize(("title", "steps"), journeys(ARCHITECTURE).items())
def test_a_journey_is_short_and_each_step_is_called_by_an_earlier_one(
    title: str, steps: list[Step]
) -> None:
    assert len(steps) >= 2
    assert len({step.path for step in steps}) <= MOST_FILES
    for number, step in enumerate(steps):
        assert step.name in defined(step.path), f"{title}: {step}"
        before = "\n".join(source(each.path) for each in steps[:number])
        called = step.name.rpartition(".")[2]
        through = THROUGH.get(step.name, called)
        assert number == 0 or re.search(rf"\b{through}\b", before), f"{title}: {step}"


THROUGH = {"SettlementFollower.follow": "reports", "Commands.follow": "operator_commands"}
"""Steps that are not called: they read what an earlier step yields or writes."""


def test_a_page_with_a_wrong_name_is_found() -> None:
    page = "See `application/nowhere.py`, `Gate.forget_all`, `domain/market/book.py`, `Gate`."

    assert missing_files(page) == ["application/nowhere.py"]
    assert missing_names(page) == ["Gate.forget_all"]


def test_the_page_answers_the_twelve_commonest_changes() -> None:
    assert WHERE.count("\n## … ") >= 12
