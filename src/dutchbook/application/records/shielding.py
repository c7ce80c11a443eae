"""Work that is done to its end, whoever gives up waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end: a caller that is cancelled leaves it to finish, locks and all.

    Half done it would leave an order that nobody asks about, and an image that is not what
    the database holds.
    """
    doing = asyncio.ensure_future(work)
    doing.add_done_callback(heard)
    return await asyncio.shield(doing)


def heard(doing: asyncio.Future[Any]) -> None:
    """Take the late answer of what was given up on, which nobody else reads."""
    if not doing.cancelled():
        doing.exception()
