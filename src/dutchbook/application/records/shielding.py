"""Work that finishes even if its caller stops waiting, and questions with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dutchbook.errors import NotSent, OutcomeUnknown

T = TypeVar("T")
P = ParamSpec("P")


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish `work` even if the caller is cancelled; until then it keeps its locks.

    Interrupted half way, it would leave an order that nobody asks about, and a cache that
    differs from the database.
    """
    doing = asyncio.ensure_future(work)
    doing.add_done_callback(retrieve_result)
    return await asyncio.shield(doing)


def to_its_end(
    work: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make of a method one that is finished even if its caller is cancelled.

    For what commits and then changes a cache: else the database would know what the cache does
    not.
    """

    @wraps(work)
    async def whole(*args: P.args, **named: P.kwargs) -> T:
        return await run_to_end(work(*args, **named))

    return whole


async def answered(question: Awaitable[T], seconds: float, otherwise: T) -> T:
    """Return a platform's answer, or `otherwise` without one within `seconds`.

    No task is made: if the caller is cancelled, so is the question.
    """
    try:
        async with asyncio.timeout(seconds):
            return await question
    except (OutcomeUnknown, NotSent, TimeoutError):
        return otherwise


def retrieve_result(doing: asyncio.Future[Any]) -> None:
    """Retrieve the late result of abandoned work, which nobody else reads."""
    if not doing.cancelled():
        doing.exception()
