"""Work that finishes even if its caller stops waiting, and questions with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from dutchbook.errors import NotSent, OutcomeUnknown

T = TypeVar("T")


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish `work` even if the caller is cancelled; until then it keeps its locks.

    Interrupted half way, it would leave an order that nobody asks about, and a cache that
    differs from the database.
    """
    doing = asyncio.ensure_future(work)
    doing.add_done_callback(retrieve_result)
    return await asyncio.shield(doing)


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
