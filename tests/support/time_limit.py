"""How long a test may take: one that hangs fails, and the processes that it started end.

Set-up, call and tear-down have the limit each; `pytest.mark.time_limit(seconds)` gives a test
another one. An alarm interrupts the main thread, and comes again until the test has ended. An
event loop may swallow what the alarm raises, so the loop is stopped as well. A test that even
so does not end, because no signal reaches it, ends the whole process: pytest-xdist then counts
it as failed and goes on in a new one.

Processes are found in `/proc`; without one, those of a hanging test are left to it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

LIMIT_SECONDS = 300.0
AGAIN_SECONDS = 10.0
LAST_SECONDS = 60.0
"""From the first alarm to the end of the process, if no alarm has ended the test."""
PROC = Path("/proc")


class Limit:
    """The limit of one phase of a test.

    Attributes:
        over: Whether the test has taken longer.
        told: What it fails with.
    """

    stderr = 2
    ever = False

    def __init__(self, seconds: float) -> None:
        self.over = False
        self.told = f"it took longer than its limit of {seconds:g} s"
        self._seconds = seconds
        self._since = ticks()

    def begin(self) -> None:
        """Set the alarm."""
        self._before = signal.signal(signal.SIGALRM, self._on_alarm)
        last = self._seconds + LAST_SECONDS
        faulthandler.dump_traceback_later(last, exit=True, file=Limit.stderr)
        again = min(self._seconds, AGAIN_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, again)

    def end(self) -> None:
        """Cancel the alarm."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, self._before)

    def _on_alarm(self, *_: object) -> None:
        first, self.over, Limit.ever = not self.over, True, True
        end_processes(self._since)
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            for task in asyncio.all_tasks(loop) if first else ():
                task.print_stack(file=sys.stderr)
            loop.stop()
        raise pytest.fail.Exception(self.told)


def limited(item: pytest.Item) -> Generator[None, object, object]:
    """Run a phase of a test under its limit; one that was over it fails, whatever it did."""
    if item.config.getoption("usepdb"):
        return (yield)
    mark = item.get_closest_marker("time_limit")
    limit = Limit(float(mark.args[0]) if mark else LIMIT_SECONDS)
    try:
        limit.begin()
        result = yield
    except BaseException as error:
        if not limit.over or isinstance(error, KeyboardInterrupt | pytest.fail.Exception):
            raise
        raise pytest.fail.Exception(limit.told) from error
    finally:
        limit.end()
    if limit.over:
        raise pytest.fail.Exception(limit.told)
    return result


def ticks() -> int:
    """Return the time since the machine's start, as `/proc` counts that of processes."""
    if sys.platform != "linux":
        return 0
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def end_processes(since: int) -> None:
    """Kill what this process, and what it started, has started since a time."""
    ended: set[int] = set()
    while found := _started(since) - ended:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended |= found


def _started(since: int) -> set[int]:
    parents, young = {}, set()
    for place in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            _, _, text = (place / "stat").read_text(encoding="utf-8").rpartition(")")
            fields = text.split()
            parents[int(place.name)] = int(fields[1])
            if int(fields[19]) >= since:
                young.add(int(place.name))
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return (mine & young) - {os.getpid()}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and keep the error output as it is before pytest captures it."""
    words = "time_limit(seconds): how long each of a test's set-up, call, tear-down may take"
    config.addinivalue_line("markers", words)
    Limit.stderr = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the set-up."""
    return (yield from limited(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the test itself."""
    return (yield from limited(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the tear-down."""
    return (yield from limited(item))


def pytest_unconfigure() -> None:
    """After a test that hung: leave no process, and wait for no thread of it."""
    if Limit.ever:
        end_processes(0)
        faulthandler.dump_traceback_later(AGAIN_SECONDS, exit=True, file=Limit.stderr)
