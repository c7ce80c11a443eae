from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import math
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dutchbook.runtime.virtual_time import (
    VirtualDeadlock,
    VirtualTimeLoop,
    run_virtual,
    turnstile,
)


@pytest.mark.parametrize("run", [asyncio.run, run_virtual])
def test_a_job_that_fails_after_its_caller_was_cancelled_logs_no_error(run: Any) -> None:
    async def main() -> list[Any]:
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, why: errors.append(why))
        begun, over = asyncio.Event(), asyncio.Event()

        async def job() -> None:
            begun.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.01)
            raise LookupError("the row is not as expected")

        calling = asyncio.ensure_future(turnstile().drive(job))
        await begun.wait()
        calling.cancel()
        await asyncio.wait({calling})
        over.set()
        await asyncio.sleep(0.05)
        gc.collect()
        return errors

    assert run(main()) == []


def test_a_night_of_virtual_time_takes_no_real_time() -> None:
    async def night() -> float:
        await asyncio.sleep(8 * 3_600)
        return asyncio.get_running_loop().time()

    assert run_virtual(night()) == 8 * 3_600


def test_timers_of_one_instant_fire_in_the_order_they_were_set() -> None:
    async def main() -> list[int]:
        fired: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_later(1 if number % 2 else 1.0, fired.append, number)
        await asyncio.sleep(2)
        return fired

    assert run_virtual(main()) == list(range(50))


def test_a_program_that_waits_for_nothing_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(VirtualDeadlock):
        run_virtual(main())


def _slow(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return number


async def _transactions(pool: ThreadPoolExecutor, pause: float) -> tuple[list[str], float]:
    """Run four tasks that alternate transactions, in a thread and real time, with sleeps."""
    log: list[str] = []
    gate = turnstile()

    async def work(task: int) -> None:
        for number in range(10):

            async def job(value: int = number) -> int:
                # Later tasks have faster drivers, so that real time would reorder them.
                seconds = pause / (task + 1)
                return await asyncio.wrap_future(pool.submit(_slow, value, seconds))

            async with asyncio.timeout(0.5):
                log.append(f"{task}.{await gate.drive(job)}")
            await asyncio.sleep(0.1)

    await asyncio.gather(*(work(task) for task in range(4)))
    return log, asyncio.get_running_loop().time()


def test_four_tasks_behind_a_slow_driver_keep_their_order_in_ten_runs() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [run_virtual(_transactions(pool, 0.002)) for _ in range(10)]

    assert all(run == runs[0] for run in runs)
    assert runs[0][1] == pytest.approx(1.0)


def test_no_transaction_times_out_while_its_driver_takes_real_time() -> None:
    async def main() -> int:
        gate, done = turnstile(), 0
        with ThreadPoolExecutor(1) as pool:
            ticking = asyncio.create_task(_tick())
            for number in range(500):

                async def job(value: int = number) -> int:
                    return await asyncio.wrap_future(pool.submit(_slow, value, 0.0002))

                async with asyncio.timeout(5):
                    done += await gate.drive(job) == number
            ticking.cancel()
        return done

    assert run_virtual(main()) == 500


async def _tick() -> None:
    for _ in range(10_000):
        await asyncio.sleep(1)


def test_without_the_turnstile_a_slow_driver_times_out_at_once() -> None:
    """The control: a clock that jumps while a thread works expires timeouts wrongly."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool:
            async with asyncio.timeout(5):
                await asyncio.wrap_future(pool.submit(_slow, 1, 0.2))

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_the_commit_of_a_cancelled_caller_still_finishes() -> None:
    async def main() -> tuple[list[int], bool]:
        written: list[int] = []
        gate = turnstile()
        with ThreadPoolExecutor(1) as pool:

            async def job() -> None:
                written.append(await asyncio.wrap_future(pool.submit(_slow, 7, 0.01)))

            caller = asyncio.create_task(gate.drive(job))
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            await gate.drive(job)
            return written, caller.cancelled()

    assert run_virtual(main()) == ([7, 7], True)


def test_a_drivers_error_reaches_its_caller_and_the_next_job_runs() -> None:
    async def main() -> str:
        gate = turnstile()

        async def broken() -> str:
            raise OSError("disk full")

        async def whole() -> str:
            return "kept"

        with pytest.raises(OSError, match="disk full"):
            await gate.drive(broken)
        return await gate.drive(whole)

    assert run_virtual(main()) == "kept"


def test_on_a_real_loop_the_turnstile_has_no_effect() -> None:
    async def main() -> int:
        async def job() -> int:
            return 3

        return await turnstile().drive(job)

    assert asyncio.run(main()) == 3


@pytest.mark.parametrize("start", [0.0, 2e7, 1.7e9])
def test_a_timer_fires_at_exactly_its_time_however_late_that_is(start: float) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        fired = [loop.time()]
        for _ in range(3):
            await asyncio.sleep(0.25)
            fired.append(loop.time())
        return fired

    fired = run_virtual(main(), start=start)

    assert fired == [start, start + 0.25, start + 0.5, start + 0.75]


def test_sleeping_for_ever_is_a_deadlock() -> None:
    with pytest.raises(VirtualDeadlock, match="no timer is set"):
        run_virtual(asyncio.sleep(math.inf))


def test_after_an_error_of_the_program_the_loop_is_closed_and_its_tasks_are_cancelled() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("background")

    async def main() -> None:
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        assert not task.done()
        raise LookupError("the program is wrong")

    with pytest.raises(LookupError):
        run_virtual(main())
    assert ended == ["background"]


def test_the_loop_sleeps_while_a_driver_works() -> None:
    polls = 0

    class Counting(VirtualTimeLoop):
        def _run_once(self) -> None:
            nonlocal polls
            polls += 1
            super()._run_once()  # type: ignore[misc]

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool:
            await turnstile().drive(lambda: asyncio.wrap_future(pool.submit(_slow, 1, 0.2)))

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(main())

    assert polls < 30


def test_everything_ready_runs_before_a_job_starts_and_before_its_result_is_received() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def job() -> None:
            log.append("job")

        async def chatter(name: str) -> None:
            for number in range(3):
                log.append(f"{name}{number}")
                await asyncio.sleep(0)

        async def caller_of_job() -> None:
            await turnstile().drive(job)
            log.append("heard")

        await asyncio.gather(caller_of_job(), chatter("a"), chatter("b"))
        return log

    assert run_virtual(main()) == ["a0", "b0", "a1", "b1", "a2", "b2", "job", "heard"]


def test_a_job_that_drives_another_is_one_job() -> None:
    async def main() -> int:
        gate = turnstile()

        async def inner() -> int:
            return 3

        return await gate.drive(lambda: gate.drive(inner))

    assert run_virtual(main()) == 3


def test_a_job_sees_its_callers_context() -> None:
    mark = contextvars.ContextVar("mark", default="lost")

    async def job() -> str:
        return mark.get()

    async def main() -> str:
        mark.set("kept")
        return await turnstile().drive(job)

    assert run_virtual(main()) == "kept"


def test_a_job_that_waits_for_a_timer_is_given_up_rather_than_waited_for() -> None:
    async def main() -> None:
        await turnstile().drive(lambda: asyncio.sleep(1))

    with pytest.raises(VirtualDeadlock, match="nothing but its driver"):
        run_virtual(main(), timeout=0.05)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Restore SIGINT, which a process started in the background of a shell ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_after_an_interrupt_the_current_commit_finishes() -> None:
    finished: list[str] = []

    async def job() -> None:
        await asyncio.wrap_future(pool.submit(os.kill, os.getpid(), signal.SIGINT))
        await asyncio.wrap_future(pool.submit(_slow, 1, 0.05))
        finished.append("commit")

    async def main() -> None:
        await turnstile().drive(job)

    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        run_virtual(main())
    assert finished == ["commit"]


def test_a_thread_of_the_default_executor_is_waited_for_at_the_end() -> None:
    ended: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, lambda: ended.append(_slow(1, 0.05)))

    run_virtual(main())

    assert ended == [1]
