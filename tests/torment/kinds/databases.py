"""Database files that are damaged, foreign, locked, linked, copied, taken away or full."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing

from torment import engines, hostile, judging
from torment.ground import DONE, FOUND, HELD, MISUSED, STORAGE, Ground

READERS = (
    ("status",), ("positions",), ("exposures",), ("orders",), ("events",), ("ledger",),
    ("opportunities",), ("report",), ("pairs", "list"), ("discrepancies",), ("db", "verify"),
    ("audit", "verify"), ("db", "upgrade"), ("db", "backup", "copy.db"), ("reconcile",),
    ("halt",), ("wind-down", "--yes", "--rationale", "enough for today, thanks"), ("commands",),
)  # fmt: skip


def attempt(ground: Ground) -> list[str]:
    """Do one of these to a database, and call what reads it or trade on it."""
    ways = (
        _damaged, _damaged, _damaged, _foreign, _newer, _linked, _two_engines, _locked,
        _deleted, _copied, _backed_up, _symlinked,
    )  # fmt: skip
    return ground.rng.choice(ways)(ground)


def _readers(ground: Ground, codes: set[int], but: tuple[str, ...] = ()) -> list[str]:
    wrong: list[str] = []
    for words in ground.rng.sample([each for each in READERS if each != but], 3):
        wrong += judging.said(ground.call(*words, "--db", ground.url, typed="n\n"), codes)
    return wrong


def _run(ground: Ground, codes: set[int]) -> list[str]:
    run = ("run", "--tape", str(ground.tape), "--speed", "max", "--db", ground.url)
    return judging.said(ground.call(*run), codes)


def _damaged(ground: Ground) -> list[str]:
    """Overwrite some bytes anywhere: every command says so in a line, or has not met them."""
    path = ground.traded()
    data = bytearray(path.read_bytes())
    if ground.rng.random() < 0.3:
        path.write_bytes(hostile.damaged(bytes(data), ground.rng))
    else:
        for _ in range(ground.rng.choice((1, 10, 40))):
            data[ground.rng.randrange(100, len(data))] = ground.rng.randrange(256)
        path.write_bytes(data)
    every = {DONE, FOUND, MISUSED, STORAGE}
    return _readers(ground, every) + _run(ground, {DONE, STORAGE})


def _foreign(ground: Ground) -> list[str]:
    """Point at another program's database: it is refused and not touched."""
    with closing(sqlite3.connect(ground.database)) as database, database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
        database.execute("INSERT INTO bookmarks VALUES ('mine')")
    before = ground.database.read_bytes()
    wrong = _readers(ground, {MISUSED, STORAGE}) + _run(ground, {MISUSED, STORAGE})
    if ground.database.read_bytes() != before:
        wrong.append("another program's database was changed")
    return wrong


def _newer(ground: Ground) -> list[str]:
    """Point at a database of a later release: only a halt is possible."""
    with closing(sqlite3.connect(ground.traded())) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
    halt = judging.said(ground.call("halt", "--db", ground.url), {DONE, STORAGE})
    return halt + _readers(ground, {STORAGE}, but=("halt",)) + _run(ground, {STORAGE})


def _linked(ground: Ground) -> list[str]:
    """Give the file a second name: no engine trades on it."""
    os.link(ground.traded(), ground.folder / "other.db")
    return _run(ground, {STORAGE, HELD}) + judging.record(ground.database)


def _symlinked(ground: Ground) -> list[str]:
    """Call it by a symbolic link: an engine that runs on the file is the one that is halted."""
    link = ground.folder / "link.db"
    program = engines.started(ground)
    engines.trading(program, ground.database)
    link.symlink_to(ground.database)
    halted = ground.call("halt", "--rationale", "by the link", "--db", f"sqlite:///{link}")
    wrong = judging.said(halted, {DONE})
    status = ground.call("status", "--db", ground.url)
    if halted.code == DONE and "halted: no" in status.out:
        wrong.append(f"halted by a link, and not halted: {status.out.splitlines()[:2]}")
    engines.send(program, signal.SIGTERM)
    return [*wrong, *engines.whole(ground, ground.end(program, ("run", "halted by a link")))]


def _two_engines(ground: Ground) -> list[str]:
    """Start a second engine on the same file: it is refused, and the first is not disturbed."""
    program = engines.started(ground)
    engines.trading(program, ground.database)
    running = program.poll() is None
    second = ground.call(*engines.RUN, "--tape", str(ground.tape), "--db", ground.url)
    wrong = judging.said(second, {HELD} if running and program.poll() is None else {DONE, HELD})
    engines.send(program, signal.SIGTERM)
    return [*wrong, *engines.whole(ground, ground.end(program, ("run", "the first of two")))]


def _locked(ground: Ground) -> list[str]:
    """Hold a lock for some seconds, as a backup does: the engine waits and goes on."""
    program = engines.started(ground)
    engines.trading(program, ground.database)
    with closing(sqlite3.connect(ground.database, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(ground.rng.uniform(1, 7))
        other.execute("ROLLBACK")
    return engines.whole(ground, ground.end(program, ("run", "its database locked meanwhile")))


def _deleted(ground: Ground) -> list[str]:
    """Delete the file under an engine: it halts, ends with 3 and says why."""
    program = engines.started(ground, "--tape", "demo", "--speed", "20")
    engines.trading(program, ground.database)
    for each in ground.folder.glob("paper.db*"):
        each.unlink()
    ended = ground.end(program, ("run", "its database deleted"))
    return judging.said(ended, {STORAGE})


def _copied(ground: Ground) -> list[str]:
    """Copy a live database as a file: what reads the copy never calls half of it whole."""
    program = engines.started(ground)
    engines.trading(program, ground.database, 30)
    copy = ground.folder / "copy.db"
    shutil.copy(ground.database, copy)
    verified = ground.call("db", "verify", "--db", f"sqlite:///{copy}")
    wrong = judging.said(verified, {DONE, FOUND, STORAGE})
    if verified.code == DONE and not judging.entries(copy):
        wrong.append("a copy without an entry is called whole")
    engines.send(program, signal.SIGTERM)
    return [*wrong, *engines.whole(ground, ground.end(program, ("run", "copied meanwhile")))]


def _backed_up(ground: Ground) -> list[str]:
    """Back a live database up, restore it elsewhere, and trade on it."""
    program = engines.started(ground)
    engines.trading(program, ground.database, 30)
    copy = ground.folder / "copy.db"
    wrong = judging.said(ground.call("db", "backup", str(copy), "--db", ground.url), {DONE})
    engines.send(program, signal.SIGTERM)
    wrong += engines.whole(ground, ground.end(program, ("run", "backed up meanwhile")))
    restored = f"sqlite:///{ground.folder / 'restored.db'}"
    wrong += judging.said(ground.call("db", "restore", str(copy), "--db", restored), {DONE})
    verified = ground.call("db", "verify", "--db", restored)
    return [*wrong, *judging.said(verified, {DONE}), *judging.record(copy)]
