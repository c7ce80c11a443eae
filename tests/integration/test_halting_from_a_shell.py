"""Commands from another process while an engine runs, on both databases."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support.program import PROGRAM, call_here, ended_here, engine_running, shown

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.operations import requests
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("home_of_one_test")


def call(*words: str, code: int = 0) -> str:
    """Run a command in a process that is not the engine's; return what it says."""
    ended, said, complaint = ended_here(*words)
    assert ended == code, said + complaint
    return said or complaint


def answer(*words: str, code: int = 0) -> Any:
    return json.loads(call(*words, "--json", code=code))["answer"]


def status(url: str) -> dict[str, Any]:
    """Return the state of a database, as `dutchbook status` prints it."""
    return requests.status(url)


def running(url: str, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run an engine at a low speed, from the moment it trades."""
    return engine_running(url, "--speed", "20", *words)


WHY = ("--rationale", "looking at the books")
NOTHING_HELD = ("--set", "detection.minimum_net_edge=0.5")
"""Buys nothing: what is held may take to the end of the tape to be wound down."""


def test_a_person_halts_resumes_and_winds_down_a_running_engine(database_url: str) -> None:
    at = ("--db", database_url)
    with running(database_url, *NOTHING_HELD) as child:
        halted = call("halt", *WHY, *at)
        line = shown(child, "system.trading.halted")
        seen = [(status(database_url)["halted"], status(database_url)["halt_grade"])]
        wrong = answer("resume", "time_drift", *WHY, *at, code=1)
        right = answer("resume", "operator", *WHY, *at)
        seen.append((status(database_url)["halted"], status(database_url)["halt_grade"]))
        denied = answer("override", "nobody", "--amount", "5", *WHY, *at, code=1)
        granted = answer("override", "demo-pair-00", "--amount", "5", *WHY, *at)
        left = answer("wind-down", "--yes", *WHY, *at)
        seen.append((status(database_url)["halted"], status(database_url)["halt_grade"]))
        _, complaint = child.communicate(timeout=60)  # it stops by itself, with nothing left

    assert child.returncode == 0, complaint
    assert halted == "halted: no entry from now on\n"
    assert "looking at the books" in line
    assert seen == [(["operator"], 1), ([], 0), (["winding_down"], 1)]
    assert (wrong["done"], right["done"]) == (False, True)
    assert (denied["done"], granted["done"], left["done"]) == (False, True, True)
    assert call_here("db", "verify", *at) == "whole\n"


def test_a_command_given_while_no_engine_runs_is_done_at_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    tape, at = tmp_path / "made.tape", ("--db", database_url)
    write_tape(tape, generated_tape(7, minutes=5))
    run = ("run", "--speed", "max", "--summary", "json", "--tape", str(tape), *at)
    call_here(*run)
    held = len(json.loads(call_here("orders", "--json", *at)))
    told = call("halt", "--all", *at)
    waiting = status(database_url)

    second = json.loads(call_here(*run))

    assert "no engine runs" in told
    held_by = (waiting["halted"], waiting["halt_grade"], waiting["engine"])
    assert held_by == (["operator"], 2, None)
    assert status(database_url)["halted"] == ["operator"]
    assert second["orders"]["total"] == held
    assert second["filtered"]["trading_halted"] > 0
    asked = json.loads(call("resume", "operator", "--json", *WHY, *at))
    assert (asked["engine"], asked["answer"]) == (None, None)
    resumed = status(database_url)
    assert (resumed["halted"], resumed["halt_grade"]) == ([], 0)
    third = json.loads(call_here(*run))
    assert third["events"]["system.trading.resumed"] == 1
    assert status(database_url)["halt_grade"] == 0


def test_a_halt_needs_no_engine_no_rationale_and_no_schema_check_to_be_durable(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/none.db"

    line = call("halt", "--db", url, code=3)

    assert "no such file" in line
    assert list(tmp_path.glob("*HALT*")) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("resume", "operator", "--rationale", "short"), "--rationale"),
        (("override", "demo-pair-00", "--amount", "much", *WHY), "--amount"),
        (("override", "demo-pair-00", "--amount", "1e400", *WHY), "--amount"),
        (("wind-down", "--rationale", " "), "--rationale"),
    ],
)
def test_bad_input_is_one_line_and_writes_no_command(
    words: tuple[str, ...], told: str, paper_url: str
) -> None:
    line = call(*words, "--db", paper_url, code=2)

    assert told in line
    assert line.count("\n") == 1
    assert status(paper_url)["halt_grade"] == 0
    assert requests.rows(paper_url, "operator_commands", ()) == []


def test_a_command_that_writes_the_log_is_rejected_while_an_engine_runs(
    database_url: str,
) -> None:
    at = ("--db", database_url)
    with running(database_url):
        line = call("capital", "deposit", "kalshi", "5", *at, code=4)

    assert "engine" in line
    assert line.count("\n") == 1


def test_a_standby_takes_over_at_once_when_the_engine_stops(database_url: str) -> None:
    command = [*PROGRAM, "run", "--speed", "20", "--db", database_url, "--standby"]
    with running(database_url) as first:
        second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            shown(second, "standing by")
            first.send_signal(signal.SIGTERM)
            first.communicate(timeout=60)
            begun = shown(second, "system.started")
            second.send_signal(signal.SIGTERM)
            second.communicate(timeout=60)
        finally:
            second.kill()
            second.communicate()

    assert "unclean False" in begun
    assert (first.returncode, second.returncode) == (0, 0)
    assert call_here("db", "verify", "--db", database_url) == "whole\n"


def test_a_killed_engine_is_replaced_at_once_and_its_death_is_noticed(
    database_url: str,
) -> None:
    with running(database_url) as first:
        first.kill()
        first.communicate()

    with running(database_url) as second:
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=60)

    events = json.loads(call_here("events", "--json", "--db", database_url))
    begun = [e["payload"] for e in events if e["name"] == "system.started"]
    assert [json.loads(each)["unclean"] for each in begun] == [False, True]
