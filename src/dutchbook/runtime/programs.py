"""Programs of the user, each started by a thread, with a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue

KEPT = ("PATH", "HOME", "LANG")
"""What a program gets of our environment: no key and no secret of it."""
MOST_WAITING = 100
MOST_FAILURES = 10
Job = tuple[tuple[str, ...], str]


class ProgramThreads:
    """`Programs` in at most `at_once` threads; a program that takes too long is killed.

    A program gets the document on its standard input and writes to nobody. It is in a session
    of its own: Ctrl-C on the engine's terminal does not reach it, and its children die with it
    if it is killed.
    """

    def __init__(self, seconds: float, at_once: int) -> None:
        self._seconds = seconds
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._failures: deque[str] = deque(maxlen=MOST_FAILURES)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._threads: list[threading.Thread] = []
        self._at_once = at_once
        self._over = False

    def start(self, command: Sequence[str], document: str) -> None:
        """Start a program as soon as a thread is free; see `Programs`."""
        if self._jobs.qsize() >= MOST_WAITING:
            self._failures.append(f"{command[0]}: {MOST_WAITING} others wait to be started")
            return
        self._jobs.put((tuple(command), document))
        if len(self._threads) < self._at_once:
            thread = threading.Thread(target=self._work, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no thread left
                self._failures.append(f"{command[0]}: {error}")
            else:
                self._threads.append(thread)

    def failures(self) -> list[str]:
        """Return why programs failed since the last call; see `Programs`."""
        found = []
        with contextlib.suppress(IndexError):
            while True:
                found.append(self._failures.popleft())
        return found

    def close(self) -> None:
        """Wait for what was started, as long as one program may take; kill what is left."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        self._over = True
        for program in list(self._running.values()):
            _kill(program)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._over:
            if (failure := self._run(*job)) is not None:
                self._failures.append(f"{job[0][0]}: {failure}")

    def _run(self, command: tuple[str, ...], document: str) -> str | None:
        """Run a program to its end; return what went wrong."""
        try:
            program = subprocess.Popen(  # noqa: S603 - it is the user's own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            return error.strerror or "it cannot be started"
        me = threading.get_ident()
        self._running[me] = program
        try:
            program.communicate(document.encode(), timeout=self._seconds)
        except subprocess.TimeoutExpired:
            _kill(program)
            return f"killed: it did not end within {self._seconds} s"
        finally:
            del self._running[me]
        return f"it ended with {program.returncode}" if program.returncode else None


def _kill(program: subprocess.Popen[bytes]) -> None:
    """Kill a program with all of its session, and wait for its end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    program.kill()
    program.wait()
