"""One thread for blocking calls, with little overhead."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Answer = asyncio.Future[Any]
Job = tuple[Callable[..., Any], tuple[Any, ...], asyncio.AbstractEventLoop, Answer]


class Worker:
    """Runs functions one after the other in its own thread.

    The standard pool creates a future with a lock and a condition for each call and joins it to
    the loop's by callbacks; a queue and one callback take two thirds of its time.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run a function in the thread; it finishes even if the caller is cancelled.

        Must not be called after `close`: the result would never arrive.
        """
        assert not self.closed, "the thread works"
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        self._jobs.put((function, arguments, loop, answer))
        return answer

    def close(self) -> None:
        """End the thread once its queued calls have finished."""
        self.closed = True
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, arguments, loop, answer = job
            try:
                result, error = function(*arguments), None
            except BaseException as raised:  # noqa: BLE001 - the caller decides
                result, error = None, raised
            loop.call_soon_threadsafe(_answer, answer, result, error)


def _answer(answer: Answer, result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
