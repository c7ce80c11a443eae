"""An engine that is killed loses nothing and does nothing twice; the next one goes on."""

from __future__ import annotations

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
from dutchbook.persistence import sqlite_journal
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
        "0: after commit execution.fill.settled#1, any#60, any#25",
    ],
)
def test_what_a_killed_engine_left_is_taken_up(ground: Ground, case: str) -> None:
    verdict = ground.try_out(Case.read(1, case))

    assert len(verdict.struck) == case.count("#")
    assert verdict.wrong == ()


def test_what_was_settled_while_nobody_listened_is_asked_about(ground: Ground) -> None:
    case = Case.read(1, "0: before commit execution.fill.settled#7")

    verdict = ground.try_out(case)

    assert verdict.struck == ("before commit execution.fill.settled",)
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
        connection = connect(*arguments, **named)
        connection.set_trace_callback(log.append)
        return connection

    create, ask = PaperServer.create, PaperServer.order

    async def created(server: PaperServer, order: Order) -> Answer:
        log.append("ORDER")
        return await create(server, order)

    async def asked(server: PaperServer, order: Order) -> Answer:
        log.append("QUESTION")
        return await ask(server, order)

    patch.setattr(sqlite_journal.sqlite3, "connect", connected)
    patch.setattr(PaperServer, "create", created)
    patch.setattr(PaperServer, "order", asked)


@pytest.mark.usefixtures("unheard")
def test_everything_that_is_kept_or_sent_lies_between_two_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, log = Life(tmp_path, Scenario(1, 0), 0), Log()
    Database.at(f"sqlite:///{life.database}").prepare("paper")
    _watched(monkeypatch, log)
    passed = Passed(lambda name, *_: log.append(name) is not None)

    live(life, passed)

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
