"""A test that hangs fails, whatever it hangs in, and leaves no process; the others go on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.processes import runs, until

HANGING = """
import asyncio, subprocess, threading
from pathlib import Path
import pytest
from dutchbook.runtime.live import run_live
from dutchbook.runtime.virtual_time import run_virtual

pytestmark = pytest.mark.time_limit(0.3)

def for_ever():
    threading.Event().wait()

async def waits():
    await asyncio.Event().wait()

async def spins():
    while True:
        pass

async def ticks():
    while True:
        await asyncio.sleep(1)

async def waits_beside(work):
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        await waits()

@pytest.fixture
def stuck():
    for_ever()

@pytest.fixture
def stuck_at_the_end():
    yield
    for_ever()

def test_a_thread():
    for_ever()

def test_a_loop():
    asyncio.run(waits())

@pytest.mark.parametrize("work", [spins, ticks])
def test_a_task(work):
    asyncio.run(waits_beside(work))

@pytest.mark.parametrize("work", [spins, ticks])
def test_the_fast_loop(work):
    run_live(waits_beside(work))

def test_virtual_time():
    run_virtual(waits_beside(ticks))

def test_that_tolerates_everything():
    try:
        for_ever()
    except BaseException:
        pass

def test_set_up(stuck):
    pass

def test_tear_down(stuck_at_the_end):
    pass

@pytest.mark.time_limit(3)
def test_a_child():
    words = ["sh", "-c", "sleep 500 & echo $!; wait"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        Path("pids").write_text(f"{child.pid} {child.stdout.readline()}")
        child.wait()

def test_that_ends():
    pass
"""
BEYOND_SIGNALS = """
import os, signal, threading
from pathlib import Path
import pytest
from support import time_limit

time_limit.LAST_SECONDS = 1

@pytest.mark.time_limit(2)
def test_that_no_signal_reaches():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    Path("pids").write_text(str(os.getpid()))
    threading.Event().wait()

def test_that_ends():
    pass
"""
WORD = re.compile(r"^(PASSED|FAILED|ERROR) \S*?::(\w+)", re.MULTILINE)
TOLD = "it took longer than its limit of"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a run of pytest; processes that it forgot end with the test."""
    yield tmp_path
    for pid in pids(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pids(folder: Path) -> list[int]:
    """Return the processes that the tests of a folder have noted."""
    file = folder / "pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def outcome(folder: Path, text: str, *words: str) -> tuple[dict[str, str], str]:
    """Run pytest on a file, and return what became of each test, and what was printed."""
    (folder / "test_small.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p support.time_limit -rA -q\n")
    given = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([given, *sys.path])},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return {name: word for word, name in WORD.findall(done.stdout)}, done.stdout


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "in a worker"])
def test_a_test_that_hangs_fails_and_ends_what_it_started(
    words: tuple[str, ...], folder: Path
) -> None:
    found, printed = outcome(folder, HANGING, *words)

    fine, hung = {"test_that_ends"}, {"test_set_up", "test_tear_down"}
    assert found.pop("test_that_ends") == "PASSED"
    assert {name for name in hung if found.pop(name) == "ERROR"} == hung
    assert set(found.values()) == {"FAILED"}
    assert len(found) == len(set(re.findall(r"def (test_\w+)", HANGING)) - fine - hung)
    assert printed.count(f"Failed: {TOLD}") >= len(found)
    assert len(pids(folder)) == 2
    assert until(lambda: not any(map(runs, pids(folder))))


def test_a_test_that_no_signal_reaches_ends_its_worker_and_the_others_go_on(
    folder: Path,
) -> None:
    found, printed = outcome(folder, BEYOND_SIGNALS, "-n", "1")

    assert found == {"test_that_no_signal_reaches": "FAILED", "test_that_ends": "PASSED"}
    assert "crashed while running" in printed
    assert len(pids(folder)) == 1
    assert until(lambda: not any(map(runs, pids(folder))))


def test_the_tests_of_this_folder_have_a_limit(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("support.time_limit")
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
