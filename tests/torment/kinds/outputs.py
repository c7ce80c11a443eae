"""Outputs that close, fill, hang up, or cannot show a character: an engine trades on."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
from contextlib import suppress
from pathlib import Path

from torment import engines, judging
from torment.ground import DONE, STORAGE, Ground

SCREENS = ((24, 80), (1, 1), (5, 20), (24, 40), (10, 300), (60, 120))
ENCODINGS = ("latin-1", "ascii", "utf-16", "cp1252")


def attempt(ground: Ground) -> list[str]:
    """Start an engine on one such output; it ends as it would have on a sound one."""
    return ground.rng.choice((_closed, _full, _encoded, _terminal, _terminal, _none))(ground)


def _closed(ground: Ground) -> list[str]:
    """Close the pipe after some lines, as head does."""
    program = engines.started(ground)
    engines.until(program, ground.rng.randrange(0, 40))
    assert program.stdout is not None
    program.stdout.close()
    program.stdout = None
    return engines.whole(ground, ground.end(program, ("run", "its pipe closed")))


def _full(ground: Ground) -> list[str]:
    """Write to a full disk; that what was asked for is lost is an error, told at the end."""
    program = engines.started(ground, out=Path("/dev/full").open("wb"))  # noqa: SIM115 - the child's
    ended = ground.end(program, ("run", "on a full disk"))
    wrong = judging.said(ended, {DONE, STORAGE})
    return [*wrong, *judging.drained(ground.database), *judging.record(ground.database)]


def _encoded(ground: Ground) -> list[str]:
    """Show it in letters that lack some."""
    encoding = ground.rng.choice(ENCODINGS)
    program = engines.started(ground, env={"PYTHONIOENCODING": encoding, "LC_ALL": "C"})
    ended = ground.end(program, ("run", f"in {encoding}"))
    if encoding == "utf-16":
        return [*judging.drained(ground.database), *judging.record(ground.database)]
    return engines.whole(ground, ended)


def _none(ground: Ground) -> list[str]:
    """Start it with standard output, input and errors closed, as some supervisors do."""

    def close() -> None:
        for number in (0, 1, 2):
            with suppress(OSError):
                os.close(number)

    program = engines.started(ground, before=close)
    ended = ground.end(program, ("run", "without any output"))
    return engines.whole(ground, ended)


def _terminal(ground: Ground) -> list[str]:
    """Show it on a terminal of any size, which changes it, or hangs up midway."""
    rng = ground.rng
    ours, theirs = os.openpty()
    _sized(theirs, rng.choice(SCREENS))

    def login() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    term = {"TERM": rng.choice(("xterm", "dumb", "vt100", "", "nonsense"))}
    program = engines.started(ground, out=theirs, stdin=theirs, env=term, before=login)
    os.close(theirs)
    hang_up, resize = rng.random() < 0.5, rng.random() < 0.3
    after, seen = rng.randrange(1, 30_000), 0
    reading = threading.Event()

    def read() -> None:
        nonlocal seen
        with suppress(OSError):
            while part := os.read(ours, 4096):
                seen += len(part)
                if seen > after and resize:
                    _sized(ours, rng.choice(SCREENS))
                if seen > after and hang_up:
                    break
        os.close(ours)
        reading.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        ended = ground.end(program, ("run", f"on a terminal, {term}, hangs up: {hang_up}"))
    finally:
        reader.join(10)
    return engines.whole(ground, ended)


def _sized(terminal: int, size: tuple[int, int]) -> None:
    with suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
