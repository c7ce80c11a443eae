"""What `make torment` would notice: each fault that it looks for, made here by hand."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from support.program import traded
from torment import judging
from torment.ground import Ended, Ground
from torment.programme import KINDS, tries

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.tape.format import write_tape


def ended(code: int | None = 0, out: str = "fine\n", err: str = "") -> Ended:
    return Ended(("status",), code, out, err)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of an engine that traded and ended."""
    folder = tmp_path_factory.mktemp("sound")
    write_tape(folder / "short.tape", generated_tape(7, minutes=6))
    traded(f"sqlite:///{folder / 'paper.db'}", folder / "short.tape")
    with closing(sqlite3.connect(folder / "paper.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "paper.db").read_bytes()


@pytest.fixture
def database(sound: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "paper.db"
    path.write_bytes(sound)
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        assert database.execute(statement).rowcount > 0


def test_a_call_that_went_well_is_no_finding() -> None:
    assert judging.said(ended()) == []


@pytest.mark.parametrize(
    ("call", "finding"),
    [
        (ended(None), "hangs"),
        (ended(7, err="what?"), "exit code"),
        (ended(-6, err="killed"), "exit code"),
        (ended(1, err="Traceback (most recent call last):\n"), "a stack trace"),
        (ended(out='  File "/usr/lib/x.py", line 1\n'), "a stack trace"),
        (ended(1, err="dutchbook: unexpected KeyError; run with --debug\n"), "a stack trace"),
        (ended(out="title \x1b[2J"), "command a terminal"),
        (ended(err="title \x9b2J"), "command a terminal"),
        (ended(3), "without a word"),
    ],
)
def test_a_call_that_ended_badly_is_one(call: Ended, finding: str) -> None:
    assert any(finding in line for line in judging.said(call)), judging.said(call)


def test_an_exit_code_that_is_wrong_here_is_one() -> None:
    assert judging.said(ended(1), {0, 2})


def test_the_record_of_a_sound_run_adds_up_and_is_drained(database: Path) -> None:
    assert [*judging.record(database), *judging.drained(database)] == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE fills SET size = size + 1 WHERE rowid = 1", "its fills come to"),
        ("DELETE FROM audit_log WHERE sequence = 5", "the log has"),
        ("UPDATE accounts SET free = free + 1", "free is"),
        ("UPDATE ledger_entries SET amount = amount + 1 WHERE rowid = 1", "of the ledger"),
        ("DELETE FROM ledger_entries WHERE bucket = 'committed'", "committed is"),
    ],
)
def test_a_record_that_lost_something_is_found(
    database: Path, statement: str, finding: str
) -> None:
    change(database, statement)
    assert any(finding in line for line in judging.record(database)), judging.record(database)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE orders SET status = 'PENDING' WHERE rowid = 1", "is PENDING after a drain"),
        ("DELETE FROM fills WHERE rowid = (SELECT min(rowid) FROM fills)", "its fills come to"),
        ("UPDATE executions SET ended_at = NULL, phase = 'waiting'", "has not ended"),
        ("DELETE FROM audit_log WHERE name = 'system.stopped'", "the log ends with"),
    ],
)
def test_what_a_drain_left_undone_is_found(
    database: Path, statement: str, finding: str
) -> None:
    change(database, statement)
    assert any(finding in line for line in judging.drained(database)), statement


def test_a_short_programme_has_tries_of_every_kind() -> None:
    drawn = Counter(attempt.kind for attempt in tries(1, 40))
    assert drawn == {kind: share for kind, (share, _) in KINDS.items()}


def test_a_seed_makes_the_same_tries_again() -> None:
    assert list(tries(3, 50)) == list(tries(3, 50)) != list(tries(4, 50))


def test_a_command_that_hangs_is_killed_and_noted(tmp_path: Path) -> None:
    ground = Ground(tmp_path, tmp_path, random.Random(1))  # noqa: S311 - nothing is secret
    waiting = ground.call("run", "--tape", "/dev/stdin", patience=0.01)
    assert waiting.code is None
