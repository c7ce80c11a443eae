"""Cancels a task, or fails a call, at one await: the n-th time the program waits there.

A site is an `await`, `async with` or `async for` in the program's source. Every task's
coroutine is driven through `_Driven`, which sees at each pause which sites of which functions
wait; at the chosen one the task is cancelled, or the innermost call raises `ConnectionError`.
"""

from __future__ import annotations

import ast
import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

import dutchbook

ROOT = Path(dutchbook.__file__).parent
PACKAGES = ("application", "persistence", "platforms")
CANCEL, FAIL = "cancel", "fail"
WAYS = (CANCEL, FAIL)


@dataclass(frozen=True, slots=True)
class Site:
    """A place that awaits: a file of the program, and the lines of the expression."""

    path: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.path}:{self.first}"


@lru_cache(maxsize=1)
def sites() -> dict[str, list[Site]]:
    """Return every site of the program, by file, in the order of their lines."""
    found: dict[str, list[Site]] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            tree = ast.parse(file.read_text(encoding="utf-8"))
            here = {_site(path, node) for node in ast.walk(tree) if isinstance(node, WAITS)}
            if here:
                found[path] = sorted(here, key=lambda each: (each.first, -each.last))
    return found


WAITS = (ast.Await, ast.AsyncWith, ast.AsyncFor)


def _site(path: str, node: ast.Await | ast.AsyncWith | ast.AsyncFor) -> Site:
    match node:
        case ast.Await():
            last = node.end_lineno or node.lineno
        case ast.AsyncWith(items=items):
            last = max(each.context_expr.end_lineno or 0 for each in items)
        case ast.AsyncFor(iter=source):
            last = source.end_lineno or node.lineno
    return Site(path, node.lineno, last)


@lru_cache(maxsize=8192)
def _at(code: CodeType, line: int) -> str | None:
    """Return the site of a function that waits at a line, None outside the program."""
    file = Path(code.co_filename)
    if not file.is_relative_to(ROOT):
        return None
    known = sites().get(file.relative_to(ROOT).as_posix(), [])
    until = bisect_right(known, line, key=lambda each: each.first)
    inside = [each for each in known[:until] if line <= each.last]
    return str(inside[-1]) if inside else None


class Awaits:
    """Counts the sites at which tasks wait, and strikes once at one of them.

    Args:
        way: `cancel` or `fail`; empty: only count.
        site: Where to strike.
        visit: At which visit of the site.
        mark: File that is created when it strikes.
    """

    def __init__(
        self, way: str = "", site: str = "", visit: int = 0, mark: Path | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._way = way
        self._site = site
        self._visit = visit
        self._mark = mark

    def factory(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        """Create a task whose pauses are observed."""
        return asyncio.Task(_Driven(work, self), loop=loop, **more)

    def paused(self, work: Any) -> str:
        """Count where a task waits; return the way to strike now, empty for none."""
        strikes = ""
        for site in _waiting(work):
            self.counts[site] += 1
            if site == self._site and self.counts[site] == self._visit:
                strikes = self._way
        if strikes and self._mark is not None:
            self._mark.touch()
        return strikes


def _waiting(work: Any) -> list[str]:
    """Return the sites at which a coroutine and those that it awaits wait, each once."""
    found: dict[str, None] = {}
    while work is not None:
        frame = getattr(work, "cr_frame", None) or getattr(work, "ag_frame", None)
        if frame is not None and (site := _at(frame.f_code, frame.f_lineno)) is not None:
            found[site] = None
        work = getattr(work, "cr_await", None) or getattr(work, "ag_await", None)
    return list(found)


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine that reports its pauses."""

    def __init__(self, work: Coroutine[Any, Any, Any], awaits: Awaits) -> None:
        self._work = work
        self._awaits = awaits
        self.__name__ = getattr(work, "__name__", "work")
        self.__qualname__ = getattr(work, "__qualname__", "work")

    def send(self, value: Any) -> Any:
        return self._passed_on(self._work.send(value))

    def throw(self, *what: Any) -> Any:
        return self._passed_on(self._work.throw(*what))

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()

    def _passed_on(self, waited: Any) -> Any:
        way = self._awaits.paused(self._work)
        if way == CANCEL:
            task = asyncio.current_task()
            assert task is not None, "a task drives this"
            task.cancel()
        elif way == FAIL:
            if waited is not None:
                waited._asyncio_future_blocking = False  # nobody waits for it any more
            return self.throw(ConnectionError("the connection was lost"))
        return waited
