"""An engine that is killed loses nothing and does nothing twice; the next one goes on."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash.kills import Case, Ground, Kill, home
from crash.life import Life, Passed, live
from crash.oracle import judge
from crash.scenario import Scenario
from crash.truth import Truth

from dutchbook.crashpoints import listen
from dutchbook.domain.order import Order
from dutchbook.persistence.database import Database
from dutchbook.platforms.answers import Answer
from dutchbook.platforms.paper.server import PaperServer


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        yield Ground(Path(folder))


@pytest.fixture
def unheard() -> Iterator[None]:
    yield
    listen(None)


@pytest.mark.parametrize(
    "case",
    [
        "0: before commit risk.budget.reserved#1",
        "0: after commit risk.budget.reserved#1",
        "0: after request#1",
        "0: before commit execution.order.filled#1",
        "0: after send hedge#1, any#40",
        "0: after schema#1",
        "1: after migration step#2",
        "0: after commit execution.fill.settled#1, any#30, any#10",
    ],
)
def test_what_a_killed_engine_left_is_taken_up(ground: Ground, case: str) -> None:
    verdict = ground.try_out(Case.read(1, case))

    assert len(verdict.struck) == case.count("#")
    assert verdict.wrong == ()


def test_what_was_settled_while_nobody_listened_is_asked_about(ground: Ground) -> None:
    verdict = ground.try_out(Case.read(1, "0: before commit execution.fill.settled#7"))

    assert verdict.struck == ("before commit execution.fill.settled",)
    assert verdict.wrong == ()


def test_what_was_settled_before_it_was_a_position_is_asked_about(ground: Ground) -> None:
    """The other leg's answer comes a minute later: only then the execution is concluded."""
    verdict = ground.try_out(Case.read(1, "39: before commit execution.order.failed#1"))

    assert verdict.struck == ("before commit execution.order.failed",)
    assert verdict.wrong == ()


def test_an_engine_that_is_asked_to_stop_leaves_nothing_undone(ground: Ground) -> None:
    verdict = ground.try_out(Case(1, 3, (Kill("term", 60),)))

    assert verdict.struck == ("term",)
    assert verdict.wrong == ()


Log = list[str]


def _watched(patch: pytest.MonkeyPatch, log: Log) -> None:
    """Note each commit of the database and each message that the platforms hear."""
    connect = sqlite3.connect

    def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **named)
        connection.set_trace_callback(log.append)
        return connection

    create, ask = PaperServer.create, PaperServer.order

    async def created(server: PaperServer, order: Order) -> Answer:
        log.append("ORDER")
        return await create(server, order)

    async def asked(server: PaperServer, order: Order) -> Answer:
        log.append("QUESTION")
        return await ask(server, order)

    patch.setattr(sqlite3, "connect", connected)
    patch.setattr(PaperServer, "create", created)
    patch.setattr(PaperServer, "order", asked)


@pytest.mark.usefixtures("unheard")
def test_everything_that_is_kept_or_sent_lies_between_two_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, log = Life(tmp_path, Scenario(1, 0), 0), Log()
    Database.at(f"sqlite:///{life.database}").prepare("paper")
    _watched(monkeypatch, log)

    def noted(name: str, visit: int, total: int) -> bool:
        log.append(name)
        return visit > total

    live(life, Passed(noted))

    wanted = {"COMMIT": "commit", "ORDER": "send", "QUESTION": "question"}
    within, seen = Counter[str](), Counter[str]()
    for line in log:
        side, _, what = line.partition(" ")
        if side in ("before", "after"):
            within[what.split()[0]] += 1 if side == "before" else -1
        elif line in wanted and (line != "QUESTION" or not within["send"]):
            seen[line] += 1
            assert within[wanted[line]] > 0, f"{line} number {seen[line]} has no name"
        elif line.startswith("DELETE FROM outbox"):
            assert within["commit"] or within["clearing"]
    assert seen["COMMIT"] > 50
    assert seen["ORDER"]
    assert judge(life.database, Truth.read(life.truth)) == []


@pytest.fixture(scope="module")
def whole() -> Iterator[Life]:
    """A life that was lived to its end, with orders, fills, positions and a settlement."""
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        life = Life(Path(folder), Scenario(1, 1), 0)
        Database.at(f"sqlite:///{life.database}").prepare("paper")
        live(life, Passed())
        listen(None)
        yield life


TAMPERED = {
    "I-5": "DELETE FROM fills WHERE rowid = (SELECT max(rowid) FROM fills)",
    "I-7": "UPDATE fills SET trade_id = 'made up' WHERE rowid = 1",
    "I-2": "DELETE FROM orders WHERE rowid = 1",
    "I-9": "UPDATE orders SET fill_size = fill_size + 1 WHERE fill_size > 0",
    "I-11": "UPDATE accounts SET free = free + 1",
    "I-12": "UPDATE accounts SET free = -1",
    "I-13": "UPDATE reservations SET released = released + 1",
    "I-15": "UPDATE reservations SET status = 'reserved'",
    "I-17": "UPDATE risk_states SET open_position_count = 9",
    "I-20": "UPDATE open_positions SET status = 'SINGLE_LEG_EXPOSED', position_id = 'untold'",
    "I-25": "UPDATE fills SET finality = 'provisional'",
    "I-26": "UPDATE audit_log SET payload = '{}' WHERE sequence = 5",
    "I-27": "INSERT INTO outbox (sequence, name) VALUES (5, 'x')",
    "L-1": "UPDATE executions SET ended_at = NULL",
    "L-2": "UPDATE orders SET working_size = 1",
}


@pytest.mark.parametrize("invariant", TAMPERED)
def test_the_oracle_finds_a_database_that_is_wrong(
    whole: Life, tmp_path: Path, invariant: str
) -> None:
    path = str(tmp_path / "engine.db")
    shutil.copy(whole.database, path)
    with sqlite3.connect(path) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(TAMPERED[invariant])
    connection.close()

    found = judge(path, Truth.read(whole.truth))

    assert invariant in {line.split()[0] for line in found}
    assert judge(whole.database, Truth.read(whole.truth)) == []


def test_the_oracle_finds_an_order_that_was_sent_twice(whole: Life) -> None:
    truth = Truth.read(whole.truth)
    truth.sent[next(iter(truth.sent))] += 1

    found = judge(whole.database, truth)

    assert [line.split()[0] for line in found] == ["I-1"]
