"""A killed engine loses nothing and does nothing twice; the next one goes on."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crash.awaits import PACKAGES, ROOT, sites
from crash.kills import AWAIT, TIME, Case, Ground, Kill, home
from crash.life import Life, Passed, live
from crash.oracle import judge
from crash.programme import SHORT, Programme
from crash.scenario import Scenario
from crash.truth import Truth
from support.shelf import FILE

from dutchbook.domain.execution.order import Order
from dutchbook.persistence.database import Database
from dutchbook.platforms.order_answers import Answer
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.ports.crash_points import listen


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
        "14: after redeem#1",
        "14: before commit execution.leg.settled#1, any#60",
        "17: after merge#1",
        "55: before commit execution.exit.paused#1",
        "36: after commit operator.command.begun#2",
        "18: before HALT file#1",
        "23: before commit execution.order.filled#6",
    ],
)
def test_the_next_engine_recovers_what_a_killed_engine_left(ground: Ground, case: str) -> None:
    verdict = ground.try_out(Case.read(1, case))

    assert len(verdict.struck) == case.count("#")
    assert verdict.wrong == ()


def test_a_fill_that_settled_while_no_engine_ran_is_queried(ground: Ground) -> None:
    verdict = ground.try_out(Case.read(1, "0: before commit execution.fill.settled#2"))

    assert verdict.struck == ("before commit execution.fill.settled",)
    assert verdict.wrong == ()


def test_a_fill_that_settled_before_it_had_a_position_is_queried(ground: Ground) -> None:
    """The other leg's answer comes a minute later; only then does the execution end."""
    verdict = ground.try_out(Case.read(1, "39: before commit execution.order.failed#1"))

    assert verdict.struck == ("before commit execution.order.failed",)
    assert verdict.wrong == ()


def test_unexplained_cash_is_reported_by_the_first_engine_that_reaches_its_end(
    ground: Ground,
) -> None:
    """Its second comparison confirms the difference before its tape's work is done."""
    verdict = ground.try_out(Case.read(2, "17: before request#1"))

    assert verdict.struck == ("before request",)
    assert verdict.wrong == ()


def test_an_engine_that_is_asked_to_stop_leaves_nothing_undone(ground: Ground) -> None:
    verdict = ground.try_out(Case(1, 3, (Kill("term", 60),)))

    assert verdict.struck == ("term",)
    assert verdict.wrong == ()


WHOLE = 97
"""A scenario with exits, merges, discrepancies and commands."""
AWAITED = (
    "await cancel application/orders/send.py:",
    "await fail application/orders/send.py:",
    "await cancel application/pair_trades/store.py:",
    "await fail application/settlement/payouts.py:",
)


FEW = 3
"""Awaits of a module that are struck here; `make crash` strikes every one."""


@pytest.fixture(scope="module")
def awaited(ground: Ground) -> list[str]:
    """The awaits at which the scenario waits more than once."""
    seen = ground.profile(Case(1, 14, ()), fresh=False).awaits
    return sorted(site for site, times in seen.items() if times > 1)


@pytest.mark.parametrize("name", AWAITED)
def test_a_cancellation_or_failure_at_an_await_loses_nothing(
    ground: Ground, awaited: list[str], name: str
) -> None:
    """Strike some awaits of a module, the first and the last too, on their second visit."""
    way, module = name.rsplit(maxsplit=1)
    here = [site for site in awaited if site.startswith(f"{AWAIT}{module}")]
    last = len(here) - 1
    some = {here[last * number // (FEW - 1)] for number in range(FEW)}

    for site in sorted(some):
        kill = Kill(f"{way} {site.removeprefix(AWAIT)}", 2)
        verdict = ground.try_out(Case(1, 14, (kill,)))

        assert (verdict.struck, verdict.wrong) == ((kill.name,), ())
    assert some


def test_every_await_of_the_program_is_known_by_its_line() -> None:
    known = sites()

    assert sum(map(len, known.values())) > 600
    assert {path.split("/")[0] for path in known} == set(PACKAGES)
    committer = "application/records/committer.py"
    source = (ROOT / committer).read_text(encoding="utf-8").splitlines()
    lines = [source[each.first - 1] for each in known[committer]]
    assert all("await" in line or "async with" in line for line in lines)


Log = list[str]


def begun(folder: Path, scenario: Scenario) -> Life:
    """Return the first life of a scenario, on a database of its own."""
    life = Life(folder, f"sqlite:///{folder / FILE}", scenario, 0)
    Database.at(life.url).prepare("paper")
    return life


def judged(life: Life, folder: Path | None = None) -> list[str]:
    """Return what is wrong after a life, or with a copy of its database in another folder."""
    url = life.url if folder is None else f"sqlite:///{folder / FILE}"
    return judge(url, Truth.read(life.truth), life.anchors)


def _watched(patch: pytest.MonkeyPatch, log: Log) -> None:
    """Record each commit of the database and each request that the platforms receive."""
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
def test_every_commit_and_every_request_lies_between_two_crash_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, log = begun(tmp_path, Scenario(1, 0)), Log()
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
    assert judged(life) == []


@pytest.fixture(scope="module")
def whole() -> Iterator[Life]:
    """A complete life with orders, fills, positions and a settlement."""
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        life = begun(Path(folder), Scenario(1, WHOLE))
        live(life, Passed())
        listen(None)
        assert judged(life) == []
        yield life


CLAIM = (
    "INSERT INTO settlements (settlement_id, position_id, platform, contract_id, kind, size,"
    " yes_pays, status, requested_at, paid_at)"
)
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
    "I-1 a wish": "UPDATE operator_commands SET name = 'override'",
    "I-6 a payout": (
        f"{CLAIM} SELECT n, position_id, 'kalshi', 'x', 'payout', 1, 1, 'paid', 0, 0"  # noqa: S608 - a constant
        " FROM open_positions JOIN (SELECT 'a' AS n UNION SELECT 'b') WHERE"
        " open_positions.rowid = 1"
    ),
    "I-7 a payout": (
        f"{CLAIM} SELECT 'made up', position_id, 'kalshi', 'x', 'payout', 1, 1, 'paid', 0, 0"  # noqa: S608 - a constant
        " FROM open_positions WHERE rowid = 1"
    ),
    "I-11 a merge": "UPDATE settlements SET size = size + 1 WHERE kind = 'merge'",
    "I-20 a discrepancy": "UPDATE discrepancies SET discrepancy_id = 'untold' WHERE rowid = 1",
    "I-22 a discrepancy": (
        "UPDATE discrepancies SET resolved_at = NULL, resolution = NULL WHERE rowid = 1"
    ),
    "I-22 a doubt": (
        "UPDATE open_positions SET status = 'RECONCILIATION_REQUIRED', position_id = rowid"
    ),
    "L-1 a command": "UPDATE operator_commands SET answered_at = NULL, answer = NULL",
    "L-2 a claim": (
        f"{CLAIM} SELECT 'no end', position_id, 'kalshi', 'x', 'payout', 1, 1, 'pending', 0,"  # noqa: S608 - a constant
        " NULL FROM open_positions WHERE rowid = 1"
    ),
    "I-20": "UPDATE open_positions SET status = 'SINGLE_LEG_EXPOSED',"
    " position_id = 'untold' || rowid",
    "I-25": "UPDATE fills SET finality = 'provisional'",
    "I-26": "UPDATE audit_log SET payload = '{}' WHERE sequence = 5",
    "I-27": "INSERT INTO outbox (sequence, name) VALUES (5, 'x')",
    "L-1": "UPDATE executions SET ended_at = NULL",
    "L-2": "UPDATE orders SET working_size = 1",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_oracle_finds_a_database_that_is_wrong(
    whole: Life, tmp_path: Path, what: str
) -> None:
    path = str(tmp_path / FILE)
    shutil.copy(life_file(whole), path)
    with sqlite3.connect(path) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(TAMPERED[what]).rowcount > 0
    connection.close()

    found = judged(whole, tmp_path)

    assert what.split(maxsplit=1)[0] in {line.split()[0] for line in found}


def life_file(life: Life) -> Path:
    """Return the file of a life's database."""
    return life.folder / FILE


def test_the_oracle_finds_an_order_that_was_sent_twice(whole: Life) -> None:
    truth = Truth.read(whole.truth)
    truth.sent[next(iter(truth.sent))] += 1

    found = judge(whole.url, truth, whole.anchors)

    assert [line.split()[0] for line in found] == ["I-1"]


def test_the_oracle_finds_a_log_whose_anchored_head_is_gone(
    whole: Life, tmp_path: Path
) -> None:
    lines = whole.anchors.read_text().splitlines(keepends=True)
    (tmp_path / "anchors").write_text("".join(lines[:-1]) + lines[-1].replace("a", "b"))

    found = judge(whole.url, Truth.read(whole.truth), tmp_path / "anchors")

    assert [line.split()[0] for line in found] == ["I-26"] * len(found) != []


def test_random_instants_after_the_end_are_replaced_by_others() -> None:
    programme = Programme(1, SHORT)
    programme.seconds = dict.fromkeys(range(SHORT.scenarios), 2.0)

    first, second = (list(programme.timed_again(turn, 10)) for turn in range(2))

    assert len(first) == len(second) == 15
    assert {kill.name for case in first for kill in case.kills} == {TIME}
    assert not {*map(str, first)} & {*map(str, second)}
