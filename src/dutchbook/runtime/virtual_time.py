"""An event loop whose clock jumps, and the turnstile that keeps real drivers out of its order.

A run at full speed must give the same log every time, on every database. So timers fire by (time,
creation order), time moves only when nothing else can happen, and whatever really takes time (a
database, a thread) passes the turnstile: first come first served, one at a time, started and
answered only when nothing else is ready, while the clock stands still.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from dutchbook.ports import Turnstile

T = TypeVar("T")
Job = Callable[[], Awaitable[Any]]


class VirtualDeadlock(RuntimeError):
    """Nothing is ready, no timer is set and no driver works: the program waits for ever."""


class PassThrough:
    """The turnstile of a real loop: there is nothing to keep in order."""

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run `job` at once, shielded."""
        return await asyncio.shield(asyncio.ensure_future(job()))


class VirtualTurnstile:
    """The turnstile of a `VirtualTimeLoop`."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Job, asyncio.Future[Any]]] = deque()
        self._active: tuple[asyncio.Future[Any], asyncio.Future[Any]] | None = None

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Queue `job`; it starts, and answers, only when nothing else is ready."""
        answer: asyncio.Future[T] = self._loop.create_future()
        answer.add_done_callback(_heard)
        self._waiting.append((job, answer))
        return await asyncio.shield(answer)

    @property
    def busy(self) -> bool:
        """Whether a job is under way: the clock must stand still and real input is awaited."""
        return self._active is not None

    def turn(self) -> bool:
        """Nothing is ready: answer the job that is done, or start the next one.

        Returns:
            Whether something was put in motion; if not, time may move unless a job is under way.
        """
        if self._active is not None:
            task, answer = self._active
            if not task.done():
                return False
            self._active = None
            _pass_on(task, answer)
            return True
        if not self._waiting:
            return False
        job, answer = self._waiting.popleft()
        self._active = (asyncio.ensure_future(_run(job), loop=self._loop), answer)
        return True


async def _run(job: Job) -> Any:
    return await job()


def _heard(future: asyncio.Future[Any]) -> None:
    """A caller that was cancelled does not read its answer; that is no error."""
    if not future.cancelled():
        future.exception()


def _pass_on(task: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
    if task.cancelled():
        answer.cancel()
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


class _Timer(asyncio.TimerHandle):
    """A timer that, at equal times, fires in the order of creation."""

    def __init__(
        self,
        order: int,
        when: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.order = order

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer), "every timer of this loop is ordered"
        return (self.when(), self.order) < (other.when(), other.order)


class _Selector(selectors.BaseSelector):
    """Where a loop would wait for real time, decide what happens instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualTimeLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        assert self.loop is not None, "the loop sets itself"
        if self.loop.turnstile.turn():
            return []
        if self.loop.turnstile.busy or self.loop.is_closing:
            return self._real.select(None if self.loop.turnstile.busy else 0.01)
        self.loop.jump()
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which a night passes as fast as its events can be handled."""

    def __init__(self) -> None:
        self._virtual_now = 0.0
        self._timer_order = itertools.count()
        self.is_closing = False
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-9
        self.turnstile = VirtualTurnstile(self)

    def time(self) -> float:
        """Return virtual seconds since the loop began."""
        return self._virtual_now

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback at a virtual time; equal times fire in the order of these calls."""
        timer = _Timer(next(self._timer_order), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - as the base does
        return timer

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback after virtual seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def jump(self) -> None:
        """Move to the next timer.

        Raises:
            VirtualDeadlock: There is none.
        """
        timers = self._scheduled  # type: ignore[attr-defined]
        if not timers:
            raise VirtualDeadlock("nothing is ready, no timer is set and no driver works")
        self._virtual_now = max(self._virtual_now, timers[0].when())

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Close threads in real time: the run is over."""
        self.is_closing = True
        await super().shutdown_default_executor(*args)


def turnstile() -> Turnstile:
    """Return the turnstile of the running loop."""
    loop = asyncio.get_running_loop()
    return loop.turnstile if isinstance(loop, VirtualTimeLoop) else PassThrough()


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop of its own with virtual time, like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
