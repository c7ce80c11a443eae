"""`dutchbook status` on a database whose log is long."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from dutchbook.persistence.database import Database

AIM_SECONDS = 0.5
"""Target for the CPU seconds of the whole command, start of Python included."""
WIDE = 400
"""Bytes of payload in an entry, and again of changes: about those of an order's events."""
INSTANT = 1_780_000_000_000_000
ENTRIES = """
    INSERT INTO audit_log (sequence, event_id, name, occurred_at, correlation_id, payload,
                           changes, previous_hash, hash)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
    SELECT n, 'event-' || n, 'execution.order.submitted', ? + n, 'e-' || n / 12,
           hex(zeroblob(?)), hex(zeroblob(?)), printf('%064d', n - 1), printf('%064d', n)
    FROM numbers
"""


def compare(entries: int) -> list[str]:
    """Return what the command costs on a database whose log has `entries`, and on an empty."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "empty.db"), Path(folder, "long.db")
        for path in paths:
            Database.at(f"sqlite:///{path}").prepare("paper")
        with sqlite3.connect(paths[1]) as connection:
            connection.execute(ENTRIES, (entries, INSTANT, WIDE // 2, WIDE // 2))
        connection.close()
        empty, long = (_seconds(path) for path in paths)
    seconds = f"{long:.2f} s of CPU (aim: under {AIM_SECONDS})"
    ratio = f"{long / empty:.2f} x that of an empty log"
    return [f"dutchbook status, log of {entries:,} entries: {seconds}, {ratio}"]


def _seconds(path: Path) -> float:
    """Return the CPU seconds of one command in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "dutchbook",
        "status",
        "--json",
        "--db",
        f"sqlite:///{path}",
    ]
    before = _spent()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- ours
    return _spent() - before


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
