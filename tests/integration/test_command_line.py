"""The program as a person runs it: real processes, their output and their exit codes."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import sqlite3
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.program import PROGRAM, call, call_here

from dutchbook.config import load

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def traded(
    own_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """A database that the demo was run on, and the summary of that run."""
    assert own_home.exists()
    url = f"sqlite:///{tmp_path_factory.mktemp('traded')}/paper.db"
    printed = call("run", "--speed", "max", "--seed", "7", "--summary", "json", "--db", url)
    return url, json.loads(printed)


def test_a_run_prints_one_object_and_nothing_else(traded: tuple[str, dict[str, Any]]) -> None:
    _, summary = traded

    assert set(summary) >= {
        "edges_seen", "opportunities", "filtered", "executions", "orders", "positions", "fills",
        "fees", "capital", "expected_profit", "shortfall", "events", "event_log_sha256",
    }  # fmt: skip
    assert summary["positions"]["total"] > 0


def test_a_run_for_people_shows_what_happened(tmp_path: Path) -> None:
    printed = call("run", "--speed", "max", "--db", f"sqlite:///{tmp_path}/paper.db")

    assert "starts without positions" in printed
    assert "books up to 10 s old are traded on" in printed.splitlines()[0]
    assert "execution.position.opened" in printed
    assert printed.count("Result +") == 1


@pytest.mark.parametrize(
    "command", ["positions", "orders", "opportunities", "events", "ledger", "pairs list"]
)
def test_every_list_is_a_table_for_people_and_json_for_programs(
    traded: tuple[str, dict[str, Any]], command: str
) -> None:
    url, _ = traded

    rows = json.loads(call_here(*command.split(), "--json", "--db", url))

    assert rows
    assert "──" in call_here(*command.split(), "--db", url)


def test_the_status_agrees_with_the_summary(traded: tuple[str, dict[str, Any]]) -> None:
    url, summary = traded

    found = json.loads(call("status", "--json", "--db", url))

    for platform, amounts in found["capital"].items():
        assert amounts.items() <= summary["capital"][platform].items()


def test_an_intact_database_is_reported_as_whole(traded: tuple[str, dict[str, Any]]) -> None:
    assert call("db", "verify", "--db", traded[0]) == "whole\n"


def test_bad_input_is_one_clear_line_of_a_process(tmp_path: Path) -> None:
    line = call("run", "--speed", "0", "--db", f"sqlite:///{tmp_path}/paper.db", fails=2)

    assert line == "dutchbook: --speed: '0' is not a number from 0.001 to 1000000, or max\n"


BAD = [
    (("run", "--speed", "0"), 2, "--speed: '0' is not a number from 0.001 to 1000000, or max"),
    (("run", "--speed", "1e400"), 2, "--speed: '1e400' is not a number from 0.001"),
    (("run", "--speed", "1e-400"), 2, "--speed: '1e-400' is not a number from 0.001"),
    (("run", "--set", "risk.bankrol=1"), 2, "risk.bankrol"),
    (("run", "--set", "risk.bankroll=NaN"), 2, "risk.bankroll"),
    (("run", "--set", "risk.order_share=0.0374"), 2, "risk.order_share"),
    (("run", "--set", "risk.position_share=0.05"), 2, "risk.order_share"),
    (("run", "--set", "risk.reset_hour_utc=24"), 2, "risk.reset_hour_utc"),
    (("run", "--set", "bankroll"), 2, "section.key=value"),
    (("run", "--config", "/nowhere/at-all.toml"), 2, "--config"),
    (("run", "--tape", "/nowhere/at-all.tape"), 2, "at-all.tape"),
    (("run", "--db", "mysql://me:canary-secret@host/name"), 2, "--db"),
    (("run", "--db", "postgresql://me:canary-secret@127.0.0.1:1/none"), 3, "127.0.0.1"),
    (("status", "--db", "sqlite:////nowhere/at-all.db"), 3, "no such file"),
]


@pytest.mark.parametrize(("words", "code", "told"), BAD)
def test_bad_input_is_one_clear_line(
    words: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    where = () if "--db" in words else ("--db", f"sqlite:///{tmp_path}/paper.db")

    line = call_here(*words, *where, fails=code)

    assert told in line
    assert "canary-secret" not in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("capital", "deposit", "kalshi", "0"), "above zero"),
        (("capital", "deposit", "kalshi", "1e400"), "amount"),
        (("capital", "deposit", "nyse", "5"), "kalshi or polymarket"),
        (("capital", "withdraw", "kalshi", "999999"), "free"),
        (("pairs", "approve", "nobody's", "--rationale", "the same question"), "nobody's"),
        (("pairs", "revoke", "demo-pair-00", "--rationale", "no"), "--rationale"),
    ],
)
def test_a_request_that_cannot_be_granted_changes_nothing(
    traded: tuple[str, dict[str, Any]], words: tuple[str, ...], told: str
) -> None:
    url, _ = traded
    before = call_here("status", "--json", "--db", url)

    line = call_here(*words, "--db", url, fails=2)

    assert told in line
    assert call_here("status", "--json", "--db", url) == before
    assert call_here("db", "verify", "--db", url) == "whole\n"


@pytest.fixture
def own(traded: tuple[str, dict[str, Any]], tmp_path: Path) -> str:
    """A copy of the database that the demo was run on."""
    shutil.copy(traded[0].removeprefix("sqlite:///"), tmp_path / "paper.db")
    return f"sqlite:///{tmp_path}/paper.db"


def test_a_deposit_and_a_withdrawal_are_booked(own: str) -> None:
    url = own
    before = json.loads(call_here("status", "--json", "--db", url))["capital"]["kalshi"]["free"]

    call("capital", "deposit", "kalshi", "100.5", "--note", "savings", "--db", url)
    call("capital", "withdraw", "kalshi", "0.5", "--db", url)

    after = json.loads(call_here("status", "--json", "--db", url))["capital"]["kalshi"]["free"]
    assert float(after) - float(before) == pytest.approx(100)
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_a_revoked_pair_is_not_traded_by_the_next_run(
    own: str, traded: tuple[str, dict[str, Any]]
) -> None:
    url, (_, first) = own, traded
    for pair in ("demo-pair-00", "demo-pair-01"):
        call_here("pairs", "revoke", pair, "--rationale", "the rules differ", "--db", url)

    words = ("run", "--speed", "max", "--summary", "json", "--db", url)
    second = json.loads(call_here(*words))

    assert second["positions"]["total"] == first["positions"]["total"]
    assert second["filtered"]["pair_not_approved"] > 0


def _engine(url: str) -> subprocess.Popen[str]:
    """Start an engine at a low speed, and wait until it trades."""
    words = [*PROGRAM, "run", "--speed", "20", "--db", url]
    engine = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    for line in engine.stdout:
        if "system.started" in line:
            return engine
    raise AssertionError(engine.communicate())


def test_a_second_engine_on_the_same_database_is_rejected(paper_url: str) -> None:
    url = paper_url
    engine = _engine(url)
    try:
        line = call("run", "--speed", "max", "--db", url, fails=4)
    finally:
        engine.send_signal(signal.SIGINT)
        engine.communicate(timeout=60)

    assert "another engine" in line
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_ctrl_c_drains_and_ends_with_a_summary(paper_url: str) -> None:
    engine = _engine(paper_url)
    time.sleep(0.2)

    engine.send_signal(signal.SIGINT)
    printed, complaints = engine.communicate(timeout=60)

    assert engine.returncode == 0, complaints
    assert "asked to stop" in printed
    assert "Capital, dollars" in printed


def test_an_edited_event_is_found(own: str) -> None:
    path = own.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER audit_log_frozen")
        connection.execute("UPDATE audit_log SET payload = '{}' WHERE sequence = 5")
    connection.close()

    done = subprocess.run(
        [*PROGRAM, "db", "verify", "--db", own],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "entry 5" in done.stderr


def test_init_writes_settings_that_are_all_defaults(own_home: Path) -> None:
    printed = call("init")

    path = Path(printed.splitlines()[-1].removeprefix("settings: "))
    assert path.is_relative_to(own_home)
    assert load(path) == load()
    assert call("init") == printed.splitlines()[-1] + "\n"


@pytest.mark.parametrize("by", ["day", "pair", "platform"])
def test_a_report_groups_what_the_status_says_in_one_line(
    traded: tuple[str, dict[str, Any]], by: str
) -> None:
    url, summary = traded

    rows = list(
        csv.DictReader(call_here("report", "--by", by, "--csv", "--db", url).splitlines())
    )
    status = json.loads(call_here("status", "--json", "--db", url))

    assert status["result"] == summary["result"]
    if by != "platform":
        total = sum(Decimal(row["total"]) for row in rows)
        assert total == Decimal(summary["result"]["total"])
    fees = sum(Decimal(row["fees"]) for row in rows)
    assert fees == Decimal(summary["result"]["fees"]) == Decimal(summary["fees"]["total"])


def test_a_report_by_anything_else_says_what_is_right(
    traded: tuple[str, dict[str, Any]],
) -> None:
    assert "day or pair or platform" in call_here(
        "report", "--by", "hour", "--db", traded[0], fails=2
    )
