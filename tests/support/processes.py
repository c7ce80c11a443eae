"""Processes that a test has started: whether they run, and waiting until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

SOON = 20


def until(done: Callable[[], bool]) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + SOON
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def runs(pid: int) -> bool:
    """Return whether a process runs; one that nobody has waited for has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
