"""An event loop whose clock jumps, and a turnstile that keeps real drivers in a fixed order.

A run at full speed must produce the same log every time, on every database. So timers fire by
(time, creation order), time moves only when nothing else can happen, and whatever takes real
time (a database, a thread) passes the turnstile: first come first served, one at a time,
started and answered only when nothing else is ready, while the clock stands still.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import math
import selectors
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar

from dutchbook.ports.time import Turnstile

T = TypeVar("T")
Job = Callable[[], Awaitable[Any]]
TIMEOUT_SECONDS = 120.0


class VirtualDeadlock(RuntimeError):
    """The program would wait for ever: for nothing, or for a driver that does not respond."""


class PassThrough:
    """The turnstile of a real loop, where no order has to be kept."""

    in_order = False

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run `job` at once, shielded."""
        running = asyncio.ensure_future(job())
        running.add_done_callback(_mark_retrieved)
        return await asyncio.shield(running)

    def begin(self, job: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Run `job` in its own task."""
        return asyncio.ensure_future(job())

    async def pause(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def elapsed(self) -> float:
        """Return real seconds that never decrease."""
        return time.monotonic()


class _JobTask(asyncio.Task[Any]):
    """A running job.

    Not even the end of the run cancels it: its commit may happen anyway.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Do nothing and return False."""
        del msg
        return False

    def abandon(self) -> None:
        """Cancel after all, because its driver does not respond."""
        super().cancel()


class VirtualTurnstile:
    """The turnstile of a `VirtualTimeLoop`. A job that drives another is still one job."""

    in_order = True

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Job, Context, asyncio.Future[Any]]] = deque()
        self._active: tuple[_JobTask, asyncio.Future[Any]] | None = None

    async def drive(self, job: Callable[[], Awaitable[T]]) -> T:
        """Queue `job`; it starts and returns only when nothing else is ready."""
        if isinstance(asyncio.current_task(), _JobTask):
            return await job()
        answer: asyncio.Future[T] = self._loop.create_future()
        answer.add_done_callback(_mark_retrieved)
        self._waiting.append((job, copy_context(), answer))
        return await asyncio.shield(answer)

    def begin(self, job: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Queue `job` in its own task."""
        return asyncio.ensure_future(self.drive(job))

    async def pause(self, seconds: float) -> None:
        """Wait in a thread, since this loop's timers stand still meanwhile."""
        await self._loop.run_in_executor(None, time.sleep, seconds)

    def elapsed(self) -> float:
        """Return real seconds that never decrease."""
        return time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a job is running: the clock must stand still, and real input is awaited."""
        return self._active is not None

    def turn(self) -> bool:
        """When nothing is ready: deliver the result of a finished job, or start the next.

        Returns:
            Whether something was set in motion; if not, time may move unless a job is running.
        """
        if self._active is not None:
            task, answer = self._active
            if not task.done():
                return False
            self._active = None
            _deliver(task, answer)
            return True
        if not self._waiting:
            return False
        job, context, answer = self._waiting.popleft()
        self._active = (_JobTask(_run(job), loop=self._loop, context=context), answer)
        return True

    def abandon(self) -> None:
        """Cancel the running job, so that the run can end."""
        assert self._active is not None, "a job is under way"
        self._active[0].abandon()


async def _run(job: Job) -> Any:
    return await job()


def _mark_retrieved(future: asyncio.Future[Any]) -> None:
    """Mark an exception as retrieved: a cancelled caller does not read its result."""
    if not future.cancelled():
        future.exception()


def _deliver(task: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
    if task.cancelled():
        answer.cancel()
    elif (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


class _Timer(asyncio.TimerHandle):
    """A timer that fires in order of creation at equal times."""

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
        self._scheduled = True  # as the base loop marks it; a cancelled timer is then counted

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer), "every timer of this loop is ordered"
        return (self.when(), self.order) < (other.when(), other.order)


class _Selector(selectors.BaseSelector):
    """Decides what happens where a loop would wait for real time."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if self._loop.turnstile.turn():
            return []
        if not self._loop.turnstile.busy:
            self._loop.jump()
            return []
        found = self._real.select(self._loop.timeout)
        if not found:
            self._loop.turnstile.abandon()
            raise VirtualDeadlock(
                f"a driver gave no sign for {self._loop.timeout} real seconds; a job awaits "
                "nothing but its driver, for timers stand still meanwhile"
            )
        return found

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
    """An event loop on which a night passes as fast as its events are handled.

    Args:
        start: Virtual time at which it begins, in seconds.
        timeout: Timeout in real seconds for a driver that does not respond.
    """

    def __init__(self, start: float = 0.0, timeout: float = TIMEOUT_SECONDS) -> None:
        self._virtual_now = start
        self._timer_order = itertools.count()
        self.timeout = timeout
        super().__init__(_Selector(self))
        self._clock_resolution = math.ulp(start)
        self.turnstile = VirtualTurnstile(self)

    def time(self) -> float:
        """Return virtual seconds."""
        return self._virtual_now

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback at a virtual time.

        Equal times fire in the order of these calls.
        """
        timer = _Timer(next(self._timer_order), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
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
        """Move to the time of the next timer.

        Raises:
            VirtualDeadlock: There is no timer.
        """
        timers = self._scheduled  # type: ignore[attr-defined]
        if not timers or timers[0].when() == math.inf:
            names = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self)))
            raise VirtualDeadlock(
                f"nothing is ready, no timer is set and no driver works; waiting: {names}"
            )
        self._virtual_now = float(timers[0].when())
        # The base class fires timers due before now plus this. One float step covers exactly
        # those due now; a fixed value would be lost in the rounding of a large time, and none
        # would fire.
        self._clock_resolution = math.ulp(self._virtual_now)

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Shut down the threads, in real time."""
        shutdown = functools.partial(super().shutdown_default_executor, *args)
        await self.turnstile.drive(shutdown)


def turnstile() -> Turnstile:
    """Return the turnstile of the running loop."""
    loop = asyncio.get_running_loop()
    return loop.turnstile if isinstance(loop, VirtualTimeLoop) else PassThrough()


def run_virtual(
    main: Coroutine[Any, Any, T], *, start: float = 0.0, timeout: float = TIMEOUT_SECONDS
) -> T:
    """Run `main` on a new `VirtualTimeLoop`, like ``asyncio.run``."""
    make = functools.partial(VirtualTimeLoop, start, timeout)
    with asyncio.Runner(loop_factory=make) as runner:
        return runner.run(main)
