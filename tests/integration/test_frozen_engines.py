"""Real processes that freeze: what they do on waking, and how trading is halted meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.program import PROGRAM, at_home, bare_tape, call_here, shown, traded

from dutchbook.persistence.database import Database
from dutchbook.persistence.tables.base import METADATA
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.virtual_time import turnstile

pytestmark = pytest.mark.usefixtures("home_of_one_test")
ENGINE = [sys.executable, str(Path(__file__).parents[1] / "support" / "engine.py")]
FAST = ("--speed", "40", "--seed", "7")
STILL = ("--speed", "20", "--seed", "8", "--set", "detection.minimum_net_edge=0.9")


@contextmanager
def engine(notes: Path, point: str, url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run an engine during the test, and kill whatever is left of it at the end."""
    child = subprocess.Popen(
        [*ENGINE, str(notes), point, "run", "--db", url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def frozen(child: subprocess.Popen[str]) -> None:
    """Wait until a child has stopped itself."""
    seen = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert seen is not None
    assert seen.si_code == os.CLD_STOPPED, child.communicate()


def call(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


async def while_locked(url: str, *words: str, code: int = 0) -> str:
    """Run a command while the server does not give out the lease's row."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT * FROM leases FOR UPDATE")
            return await asyncio.to_thread(call, *words, "--db", url, code=code)
    finally:
        await connection.close()


def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return everything that a database holds."""

    async def main() -> dict[str, list[dict[str, Any]]]:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            order = {"audit_log": ("sequence",)}
            return {
                n: await journal.rows(n, {}, order.get(n, ())) for n in sorted(METADATA.tables)
            }
        finally:
            await journal.close()

    return asyncio.run(main())


def sends(notes: Path, pid: int) -> list[str]:
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    return [line for line in lines if line.startswith(f"{pid} ")]


def _new(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the added events, after checking that no earlier event changed."""
    told = len(before["audit_log"])
    assert after["audit_log"][:told] == before["audit_log"]
    return list(after["audit_log"][told:])


def _of_the_old(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events whose ids can come from the first run of seed 7."""
    ids = SeededIds(7, 1)
    owners = sorted({event["correlation_id"] for event in events})
    made = {ids.new("event", owner) for owner in owners for _ in range(2_000)}
    return [event for event in events if event["event_id"] in made]


@pytest.mark.parametrize("point", ["look", "approve"])
def test_an_engine_that_wakes_after_its_term_writes_nothing_and_sends_nothing(
    database_url: str, point: str, tmp_path: Path
) -> None:
    """I-29: it froze with its entry committed and not sent, and another engine took over."""
    notes, short = tmp_path / "sends", ("--set", "execution.lease_seconds=1")
    with engine(notes, point, database_url, *FAST, *short) as old:
        frozen(old)
        written = rows(database_url)["audit_log"]
        with engine(notes, "nowhere", database_url, *STILL, *short, "--standby") as new:
            shown(new, "system.started")
            before = rows(database_url)
            old.send_signal(signal.SIGCONT)
            _, complaint = old.communicate(timeout=120)
            after = rows(database_url)
            new.send_signal(signal.SIGTERM)
            _, other = new.communicate(timeout=120)

    assert (old.returncode, complaint.count("\n")) == (4, 1), complaint
    assert "taken over by" in complaint
    assert sends(notes, old.pid) == []
    assert [row["purpose"] for row in before["orders"]] == ["entry"]
    assert _of_the_old(written) == written != []
    assert _of_the_old(_new(before, after)) == []
    assert new.returncode == 0, other
    assert [row["epoch"] for row in rows(database_url)["leases"]] == [2]
    begun = [
        json.loads(row["payload"])["unclean"]
        for row in after["audit_log"]
        if row["name"] == "system.started"
    ]
    assert begun == [False, True]
    assert call_here("db", "verify", "--db", database_url) == "whole\n"


def test_a_second_engine_without_standby_is_rejected_while_the_first_is_frozen(
    database_url: str, tmp_path: Path
) -> None:
    notes = tmp_path / "sends"
    with engine(notes, "look", database_url, *FAST) as old:
        frozen(old)
        with engine(notes, "nowhere", database_url, *FAST) as second:
            _, complaint = second.communicate(timeout=120)

    assert (second.returncode, complaint.count("\n")) == (4, 1), complaint


def test_trading_is_halted_while_an_engine_is_stopped_in_the_middle_of_a_transaction(
    tmp_path: Path,
) -> None:
    url, notes = f"sqlite:///{tmp_path}/paper.db", tmp_path / "sends"
    file = tmp_path / "paper.db.HALT"
    long = ("--set", "execution.lease_seconds=600")
    with engine(notes, "transaction", url, *FAST, *long) as child:
        frozen(child)
        told = call("halt", "--rationale", "it hangs", "--db", url)
        left = json.loads(file.read_text(encoding="utf-8"))
        child.send_signal(signal.SIGCONT)
        shown(child, "system.trading.halted")
        child.send_signal(signal.SIGTERM)
        _, complaint = child.communicate(timeout=120)

    assert str(file) in told
    assert "locked" in told
    assert (left["grade"], left["rationale"]) == (1, "it hangs")
    assert child.returncode == 0, complaint
    assert sends(notes, child.pid) == []
    found = rows(url)
    assert [(row["purpose"], row["status"]) for row in found["orders"]] == [
        ("entry", "CANCELLED")
    ]
    assert found["risk_states"][0]["halt_reason"] == ["operator"]
    assert found["leases"][0]["halted"] == 1
    assert not file.exists()


def test_the_halt_of_an_unresponsive_server_counts_at_the_next_start(
    fresh_postgres: str, tmp_path: Path
) -> None:
    tape = bare_tape(tmp_path / "bare.tape", minutes=1)
    traded(fresh_postgres, tape)

    told = asyncio.run(while_locked(fresh_postgres, "halt", "--all", code=3))
    files = [Path(each) for each in re.findall(r"/\S+\.HALT", told)]
    status = json.loads(call_here("status", "--json", "--db", fresh_postgres))
    traded(fresh_postgres, tape)

    assert "no engine that runs here reads it" in told
    assert files
    assert (status["halt_grade"], status["halted"]) == (2, ["operator"])
    after = json.loads(call_here("status", "--json", "--db", fresh_postgres))
    assert (after["halt_grade"], after["halted"]) == (2, ["operator"])
    assert not any(file.exists() for file in files)


def test_an_engine_on_an_unresponsive_server_is_halted_by_another_user_of_its_machine(
    fresh_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = ("--set", "execution.lease_seconds=600")
    with engine(tmp_path / "sends", "nowhere", fresh_postgres, *STILL, *long) as child:
        shown(child, "system.started")
        at_home(monkeypatch, tmp_path / "other")
        told = asyncio.run(while_locked(fresh_postgres, "halt", "--rationale", "it hangs"))
        shown(child, "system.trading.halted")
        child.send_signal(signal.SIGTERM)
        _, complaint = child.communicate(timeout=120)

    (file,) = re.findall(r"/\S+\.HALT", told)
    assert f":{child.pid} reads: no entry from now on" in told
    assert child.returncode == 0, complaint
    assert rows(fresh_postgres)["risk_states"][0]["halt_reason"] == ["operator"]
    assert not Path(file).exists()
