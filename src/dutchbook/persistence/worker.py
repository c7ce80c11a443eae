"""One thread that does one thing after another for an event loop.

A thread pool's futures and their wrapping cost a tenth of a small commit; this costs a queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Function = Callable[..., Any]
Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Function, tuple[Any, ...]]


class Worker:
    """Runs functions in a thread of its own, in the order of their calls."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Function, *arguments: Any) -> Any:
        """Return what `function` returns, or raise what it raises.

        A caller that is cancelled does not stop the function.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((loop, answer, function, arguments))
        return await answer

    def stop(self) -> None:
        """Let the thread end after everything that was asked of it."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, answer, function, arguments = job
            try:
                result, error = function(*arguments), None
            except BaseException as raised:  # noqa: BLE001 - it is the caller's to handle
                result, error = None, raised
            loop.call_soon_threadsafe(_tell, answer, result, error)


def _tell(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
