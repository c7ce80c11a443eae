"""Halts by every way, at any instant: no execution begins once a halt was promised."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from torment import engines, judging
from torment.ground import DONE, STORAGE, Ground


def attempt(ground: Ground) -> list[str]:
    """Halt an engine, its database answering or not, and count what begins afterwards."""
    rng = ground.rng
    program = engines.started(ground)
    engines.trading(program, ground.database, rng.randrange(3, 40))
    way = rng.choice(("command", "all", "locked", "touch", "directory", "unreadable"))
    wrong: list[str] = []
    match way:
        case "command" | "all":
            words = ("halt", "--all") if way == "all" else ("halt",)
            halted = ground.call(*words, "--rationale", "for the night", "--db", ground.url)
            wrong += judging.said(halted, {DONE})
        case "locked":
            with closing(sqlite3.connect(ground.database, isolation_level=None)) as other:
                other.execute("PRAGMA busy_timeout = 20000")
                other.execute("BEGIN IMMEDIATE")
                halted = ground.call("halt", "--rationale", "it hangs", "--db", ground.url)
                wrong += judging.said(halted, {DONE, STORAGE})
        case "touch":
            _halt_file(ground).touch()
        case "directory":
            _halt_file(ground).mkdir()
        case _:
            _halt_file(ground).write_bytes(b"\xff\xfe")
    time.sleep(0.3)
    before = _begun(ground)
    time.sleep(1)
    if way != "locked" and _begun(ground) > before:
        wrong.append(f"an execution began after a halt by {way}")
    engines.send(program, signal.SIGTERM)
    ended = ground.end(program, ("run", f"halted by {way}"))
    return [*wrong, *engines.whole(ground, ended)]


def _begun(ground: Ground) -> int:
    with closing(sqlite3.connect(ground.database, timeout=30)) as database:
        return int(database.execute("SELECT count(*) FROM executions").fetchone()[0])


def _halt_file(ground: Ground) -> Path:
    return ground.folder / "paper.db.HALT"
