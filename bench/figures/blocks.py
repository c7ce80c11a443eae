"""A page's blocks of figures: how they are found, read and replaced.

A block begins with a comment that names it and says what was measured, and when::

    <!-- figures: bench.exits · commit abc1234 · 2026-11-30 -->

It ends with ``<!-- end figures -->``. ``abc1234+changes`` is a tree with changes that were not
committed. A block whose comment has only the name waits for its first figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

START = re.compile(
    r"<!-- figures: (?P<name>[a-z0-9.-]+)"
    r"(?: · commit (?P<commit>[0-9a-f]{7,40})(?P<changes>\+changes)?"
    r" · (?P<day>\d{4}-\d\d-\d\d))? -->"
)
END = "<!-- end figures -->"
MARKER = re.compile(r"<!--\s*(?:end\s+)?figures\b", re.IGNORECASE)
TABLE = re.compile(r"\s*(?:\||<table\b|:?-{3,}:?\s*\|)", re.IGNORECASE)
"""The beginning of a row, of HTML's table, or of the rule below a heading without bars."""


class BadPage(Exception):
    """The blocks of a page cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The tree that was measured, and when."""

    commit: str
    changes: bool
    day: date

    def __str__(self) -> str:
        changes = "+changes" if self.changes else ""
        return f"commit {self.commit}{changes} · {self.day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Block:
    """The lines `first` to `last` of a page, its two comments included, counted from 0."""

    name: str
    stamp: Stamp | None
    first: int
    last: int


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page in order.

    Raises:
        BadPage: A comment is misspelt, a block has no end or no beginning, or a name or a
            date is wrong. The message begins with the line's number.
    """
    found: list[Block] = []
    begun: Block | None = None
    for number, line in enumerate(text.splitlines()):
        if MARKER.search(line) is None:
            continue
        if line == END:
            if begun is None:
                raise BadPage(f"line {number + 1}: a block ends that has not begun")
            found.append(Block(begun.name, begun.stamp, begun.first, number))
            begun = None
            continue
        if begun is not None:
            raise BadPage(f"line {number + 1}: {begun.name} has not ended")
        begun = _begun(line, number)
        if begun.name in [block.name for block in found]:
            raise BadPage(f"line {number + 1}: a second {begun.name}")
    if begun is not None:
        raise BadPage(f"line {begun.first + 1}: {begun.name} does not end")
    return found


def _begun(line: str, number: int) -> Block:
    match = START.fullmatch(line)
    if match is None:
        raise BadPage(f"line {number + 1}: not the comment of a block: {line}")
    if match["commit"] is None:
        return Block(match["name"], None, number, number)
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:
        raise BadPage(f"line {number + 1}: there is no day {match['day']}") from None
    stamp = Stamp(match["commit"], match["changes"] is not None, day)
    return Block(match["name"], stamp, number, number)


def tables_outside(text: str, found: Sequence[Block]) -> Iterator[int]:
    """Yield the first line of each table that stands outside of the blocks, counted from 1."""
    inside = {number for block in found for number in range(block.first, block.last + 1)}
    previous = -2
    for number, line in enumerate(text.splitlines()):
        if number in inside or TABLE.match(line) is None:
            continue
        if number != previous + 1:
            yield number + 1
        previous = number


def replaced(text: str, name: str, stamp: Stamp, figures: Sequence[str]) -> str:
    """Return a page with new figures in one of its blocks.

    Raises:
        BadPage: The page has no such block, or its blocks cannot be told apart.
    """
    for block in blocks(text):
        if block.name == name:
            lines = text.splitlines()
            start = f"<!-- figures: {name} · {stamp} -->"
            lines[block.first : block.last + 1] = [start, "", *figures, "", END]
            return "\n".join(lines) + "\n"
    raise BadPage(f"no block {name}")
