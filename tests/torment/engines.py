"""An engine that trades while something is done to it."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from . import judging
from .ground import DONE, FOUND, PATIENCE, Ended, Ground

QUICK = "300"
"""Speed at which a tape of minutes takes seconds, so that something can be done meanwhile."""
RUN = ("run", "--speed", QUICK)


def started(ground: Ground, *words: str, url: str = "", **how: Any) -> subprocess.Popen[bytes]:
    """Start an engine on the try's database and tape."""
    tape = ("--tape", str(ground.tape))
    return ground.start(*RUN, *tape, "--db", url or ground.url, *words, **how)


def until(program: subprocess.Popen[bytes], lines: int) -> bytes:
    """Read so many lines of an engine's output, or all of it; return what was read."""
    assert program.stdout is not None
    read, limit = b"", time.monotonic() + PATIENCE
    while read.count(b"\n") < lines and time.monotonic() < limit:
        if not select.select([program.stdout], [], [], 1.0)[0]:
            continue
        part = os.read(program.stdout.fileno(), 4096)
        if not part:
            break
        read += part
    return read


def trading(program: subprocess.Popen[bytes], path: Path, at_least: int = 5) -> bool:
    """Wait until an engine has written so many entries; return whether it has."""
    limit = time.monotonic() + PATIENCE
    while program.poll() is None and time.monotonic() < limit:
        with suppress(sqlite3.Error):
            if judging.entries(path) >= at_least:
                return True
        time.sleep(0.05)
    return program.poll() is None


def send(program: subprocess.Popen[bytes], what: signal.Signals) -> None:
    """Send a signal to an engine that may have ended."""
    if program.poll() is None:
        os.kill(program.pid, what)


def told(ground: Ground) -> list[str]:
    """Return what the commands hide of an execution that began and did not end.

    No engine runs any more.
    """
    with closing(sqlite3.connect(ground.database)) as database:
        if not database.execute(
            "SELECT 1 FROM sqlite_master WHERE name='executions'"
        ).fetchone():
            return []
        standing = judging.unfinished(database)
        bought = database.execute(
            "SELECT count(*) FROM executions e JOIN fills f USING (execution_id)"
            " WHERE e.ended_at IS NULL AND f.finality != 'failed'"
        ).fetchone()[0]
    exposures = ground.call("exposures", "--db", ground.url)
    status = ground.call("status", "--db", ground.url)
    wrong = judging.said(exposures, {DONE, FOUND}) + judging.said(status, {DONE})
    if bought and exposures.code != FOUND:
        wrong.append(f"contracts stand alone and exposures ends with {exposures.code}")
    if standing and "no engine runs" not in " ".join((status.out + exposures.out).split()):
        wrong.append("an execution that has not ended is not told of, or that no engine runs")
    return wrong


def recovers(ground: Ground) -> list[str]:
    """Run an engine to the tape's end on what another left; return what is wrong then."""
    tape = ("--tape", str(ground.tape), "--speed", "max")
    again = ground.call("run", *tape, "--db", ground.url)
    wrong = judging.said(again, {DONE})
    verified = ground.call("db", "verify", "--db", ground.url)
    wrong += judging.said(verified, {DONE})
    if again.code == DONE:
        wrong += judging.drained(ground.database, killed=True)
        wrong += unanswered(ground)
    return [*wrong, *judging.record(ground.database)]


def unanswered(ground: Ground) -> list[str]:
    """Return what `status` hides of orders that wait for an answer, and then for a person.

    An engine has drained.
    """
    with closing(sqlite3.connect(ground.database)) as database:
        left = database.execute(judging.UNPROVABLE).fetchall()
    if not left:
        return []
    status = ground.call("status", "--db", ground.url)
    words = " ".join(status.out.split())
    return judging.said(status, {DONE}) + [
        f"nobody knows what became of order {order}, and status does not tell"
        for order, execution in left
        if f"order {order[:8]}: nothing is sent" not in words
        and f"execution {execution[:8]}: " not in words
    ]


def whole(ground: Ground, ended: Ended) -> list[str]:
    """Return what is wrong after an engine that could drain has ended."""
    wrong = judging.said(ended, {DONE})
    if ended.code == DONE:
        wrong += judging.drained(ground.database)
    return [*wrong, *judging.record(ground.database)]
