"""Commands from a shell: waiting for an engine, what a wind-down costs, answers in words."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.program import PROGRAM, call_here, called

from dutchbook.application.operator.command_rows import HALTING
from dutchbook.operations import requests
from dutchbook.ports.journal import Batch, Journal, Update

pytestmark = pytest.mark.usefixtures("own_home")

RUN = ("run", "--speed", "max", "--seed", "4", "--summary", "json")
LEFT = ("--set", "execution.auto_policy=off", "--set", "exits.unhedged_stop=false")
FAULTS = ("--set", "paper.fault_rejected=400000")
WHY = ("--rationale", "enough for today")


@pytest.fixture(scope="module")
def traded(own_home: Path) -> Path:
    """A database after a run that left pairs and single legs."""
    path = own_home / "traded.db"
    call_here(*RUN, *LEFT, *FAULTS, "--db", f"sqlite:///{path}")
    return path


@pytest.fixture
def url(traded: Path, tmp_path: Path) -> str:
    """The URL of a copy of that database."""
    (tmp_path / "x.db").write_bytes(traded.read_bytes())
    return f"sqlite:///{tmp_path}/x.db"


def exposed(url: str) -> str:
    rows = json.loads(call_here("positions", "--json", "--db", url))
    return next(str(r["position_id"]) for r in rows if r["status"] == "SINGLE_LEG_EXPOSED")


def waiting(url: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(call_here("commands", "--json", "--db", url))
    return rows


def at_a_terminal(*words: str, reply: str) -> str:
    """Run a command whose input is a terminal, and reply to its question."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, reply.encode())
        done = subprocess.run(
            [*PROGRAM, *words], stdin=theirs, capture_output=True, text=True, check=True
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return " ".join(done.stdout.split())


# Waiting for an engine


def test_a_command_without_an_engine_says_until_when_it_is_done_and_is_listed(url: str) -> None:
    told = call_here("close-leg", exposed(url), "--yes", "--expires", "30", "--db", url)

    (row,) = waiting(url)
    listed = call_here("commands", "--db", url)
    assert "no engine runs: it is done at the next start, before 20" in " ".join(told.split())
    assert row["expires_at"] > row["requested_at"]
    assert re.search(r"close-leg .* expires at 20.* UTC\n1 waiting; no engine", listed)


def test_a_withdrawn_command_is_not_done_by_the_next_engine(url: str) -> None:
    position = exposed(url)
    call_here("close-leg", position, "--yes", "--db", url)
    command = waiting(url)[0]["command_id"]

    told = call_here("commands", "withdraw", command[:8], "--db", url)
    call_here(*RUN, *LEFT, "--db", url)

    found = json.loads(call_here("position", position, "--json", "--db", url))
    assert told == f"withdrawn: close-leg {command}\n"
    assert "unwind" not in {order["purpose"] for order in found["orders"]}
    assert call_here("commands", "--db", url) == "no command waits; no engine runs\n"


def test_an_expired_command_is_not_done_by_the_next_engine(url: str) -> None:
    position = exposed(url)
    call_here("close-leg", position, "--yes", "--db", url)
    (row,) = waiting(url)

    async def age(journal: Journal) -> None:
        stored = (await journal.rows("operator_commands", {"command_id": row["command_id"]}))[0]
        put = {"expires_at": stored["requested_at"]}
        key = {"command_id": row["command_id"]}
        await journal.commit(Batch((Update("operator_commands", key, put=put),)))

    requests.opened(url, age, alone=False)
    listed = call_here("commands", "--db", url)
    call_here(*RUN, *LEFT, "--db", url)

    found = json.loads(call_here("position", position, "--json", "--db", url))
    assert "it expired at 20" in listed
    assert "unwind" not in {order["purpose"] for order in found["orders"]}


def test_what_a_withdrawn_wind_down_has_halted_stays_halted(url: str) -> None:
    call_here("wind-down", "--yes", *WHY, "--db", url)
    (row,) = waiting(url)

    told = call_here("commands", "withdraw", row["command_id"], "--db", url)

    assert "its halt stays: `dutchbook resume operator` lifts it" in told
    assert {each["name"] for each in waiting(url)} < set(HALTING)
    assert json.loads(call_here("status", "--json", "--db", url))["halt_grade"] == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("commands", "withdraw", "abc"), "at least 4 characters"),
        (("commands", "withdraw", "nobody"), "the id of a command that waits"),
        (("close-leg", "nobody", "--expires", "soon", "--yes"), "ID"),
        (("override", "x", "--amount", "5", *WHY, "--expires", "0"), "--expires"),
        (("override", "x", "--amount", "5", *WHY, "--expires", "NaN"), "--expires"),
    ],
)
def test_a_bad_id_or_time_is_one_line_and_writes_no_command(
    url: str, words: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = called(capsys, *words, "--db", url)

    assert (code, line.count("\n"), part in line) == (2, 1, True), line
    assert waiting(url) == []


def test_a_halt_is_not_withdrawn(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_here("halt", "--db", url)
    (row,) = waiting(url)

    code, line = called(capsys, "commands", "withdraw", row["command_id"], "--db", url)

    assert (code, row["expires_at"]) == (2, None)
    assert "`dutchbook resume operator` lifts a halt" in line


# A wind-down


def test_a_wind_down_shows_what_it_costs_and_asks(url: str) -> None:
    at = ("--db", url)
    refused = at_a_terminal("wind-down", *WHY, *at, reply="n\n")
    left = waiting(url)
    agreed = at_a_terminal("wind-down", *WHY, *at, reply="y\n")

    held = json.loads(call_here("positions", "--json", *at))
    open_ = [row for row in held if row["status"] != "CLOSED"]
    assert all(row["position_id"][:8] in refused for row in open_)
    assert re.search(
        rf"Leaving \d+ of {len(open_)} positions would bring [\d.]+ dollars: result"
        r" -?[\d.]+, -?[\d.]+ less than waiting for their payouts\.",
        refused,
    )
    assert "for at most 0.05 dollars a contract less than holding it is worth" in refused
    assert "nothing was requested" in refused
    assert left == []
    assert "Halted: no entry from now on. Asked for, and no engine runs" in agreed
    assert [row["name"] for row in waiting(url)] == ["wind_down"]


def test_a_wind_down_without_a_terminal_needs_yes(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = called(capsys, "wind-down", *WHY, "--db", url)

    assert (code, line.count("\n")) == (2, 1)
    assert "wind-down: 'without --yes' is not possible" in line
    assert waiting(url) == []


# Answers in words


def test_answers_are_sentences_and_json_is_asked_for(url: str) -> None:
    at = ("--db", url)

    told = {
        "resume": call_here("resume", "operator", *WHY, *at),
        "reconcile": call_here("reconcile", *at),
        "deposit": call_here("capital", "deposit", "kalshi", "5", *at),
        "revoke": call_here("pairs", "revoke", "demo-pair-00", *WHY, *at),
        "approve": call_here("pairs", "approve", "demo-pair-00", "--yes", "--json", *WHY, *at),
    }

    assert told["resume"].startswith("Asked for, and no engine runs")
    assert told["reconcile"].startswith("Asked for, and no engine runs")
    assert told["deposit"].startswith("booked 5 dollars into kalshi, which holds ")
    assert told["revoke"].startswith("revoked demo-pair-00: no new entry")
    assert json.loads(told["approve"]) == {"pair": "demo-pair-00", "approved": True}
