"""Signals that ask a command to stop: an engine drains, and nothing cuts its end short."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A closed terminal hangs up; one that is ignored from the start (nohup) stays ignored."""


class StopSignals:
    """What these signals do while an engine is prepared, trades, and is summed up.

    In the `with` block each is an interruption like Ctrl-C until an engine trades; the engine
    drains; after it there is nothing left to stop, and they are ignored to the end of the
    process, so that the result is told and the exit code is its own. Without an engine they do
    what they did before, once the block ends. Works in the main thread only.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._traded = False

    def __enter__(self) -> Self:
        self._before = {each: signal.getsignal(each) for each in SIGNALS}
        for each in self._asked():
            if each is not signal.SIGINT:
                signal.signal(each, _interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            if not self._traded:
                signal.signal(each, handler)
        self._before = {}

    @contextlib.contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` at each of these signals, in the loop that runs; then ignore them."""
        loop, asked = asyncio.get_running_loop(), self._asked()
        try:
            for each in asked:
                with contextlib.suppress(NotImplementedError):
                    loop.add_signal_handler(each, stop)
            yield
        finally:
            for each in asked:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(each)
                if self._before:
                    self._traded = True
                    signal.signal(each, signal.SIG_IGN)

    def _asked(self) -> list[signal.Signals]:
        """Return the signals that nobody told this process to ignore."""
        ignored = signal.SIG_IGN
        return [each for each in SIGNALS if signal.getsignal(each) is not ignored]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
