"""What a person is told of a halt: by `halt`, by `status`, by the first line of a run."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.program import bare_tape, call, call_here, engine_running, found, shown, traded

from dutchbook.application.views.halts import in_words
from dutchbook.operations import requests
from dutchbook.persistence.database import Database

pytestmark = pytest.mark.usefixtures("home_of_one_test")
STILL = ("--speed", "20", "--seed", "8", "--set", "detection.minimum_net_edge=0.9")
WHY = ("--rationale", "a forgotten halt")


def ended(child: subprocess.Popen[str]) -> tuple[int, str]:
    child.send_signal(signal.SIGTERM)
    _, complaint = child.communicate(timeout=120)
    return child.returncode, complaint


def events(url: str, name: str) -> list[dict[str, Any]]:
    rows = requests.rows(url, "audit_log", ("sequence",))
    return [json.loads(row["payload"]) for row in rows if row["name"] == name]


def first_line(url: str, tape: Path) -> str:
    return call_here("run", "--speed", "max", "--tape", str(tape), "--db", url).splitlines()[0]


# Status ------------------------------------------------------------------------------------


def test_status_says_at_once_that_trading_is_halted_or_is_again_not(database_url: str) -> None:
    at = ("--db", database_url)
    for words, named, grade in (
        (("halt", *WHY), ["operator"], 1),
        (("halt", "--all", *WHY), ["operator"], 2),
        (("resume", "operator", *WHY), [], 0),
        (("wind-down", *WHY, "--yes"), ["winding_down"], 2),
        (("resume", "winding_down", *WHY), [], 0),
        (("halt", *WHY), ["operator"], 2),
    ):
        call_here(*words, *at)
        state = json.loads(call_here("status", "--json", *at))
        assert (state["halted"], state["halt_grade"]) == (named, grade), words

    (halt,) = state["halts"]
    assert halt["detail"].endswith(": a forgotten halt")
    assert f"halted: {in_words(halt)}" in call_here("status", *at).replace("\n", " ")
    assert "May be sent: nothing but cancels" in call_here("status", *at)


def test_a_halt_file_halts_in_status_too(paper_url: str) -> None:
    Path(f"{Database.at(paper_url).path}.HALT").touch()

    state = requests.status(paper_url)

    assert (state["halted"], state["halt_grade"]) == (["operator"], 1)
    assert "by a HALT file" in state["halts"][0]["detail"]


# The first line of a run -------------------------------------------------------------------


def test_a_run_on_a_halted_database_says_since_when_by_whom_why_and_what_ends_it(
    paper_url: str, tmp_path: Path
) -> None:
    tape = bare_tape(tmp_path / "bare.tape", minutes=2)
    before = first_line(paper_url, tape)
    call_here("halt", *WHY, "--db", paper_url)

    asked, recorded = first_line(paper_url, tape), first_line(paper_url, tape)

    assert "HALTED" not in before
    for line in (asked, recorded):
        since = r"operator since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* \(\w+: a forgotten halt\)"
        assert re.search(f"HALTED: {since}", line), line
        assert f"dutchbook resume operator --rationale WHY --db {paper_url}" in line
    assert asked.partition(" (")[0] == recorded.partition(" (")[0]


def test_a_run_on_a_database_that_is_wound_down_says_so(paper_url: str, tmp_path: Path) -> None:
    call_here("wind-down", *WHY, "--yes", "--db", paper_url)

    line = first_line(paper_url, bare_tape(tmp_path / "bare.tape", minutes=2))

    assert "WINDING DOWN: exits what it holds, then stops: winding_down since" in line
    assert "dutchbook resume winding_down --rationale WHY" in line


# A file in the way, a file that is gone ----------------------------------------------------


def test_a_halt_file_that_cannot_be_removed_halts_and_is_in_the_way_until_it_is_gone(
    paper_url: str,
) -> None:
    file = Path(f"{Database.at(paper_url).path}.HALT")
    at = ("--db", paper_url)
    with engine_running(paper_url, *STILL) as child:
        file.mkdir()
        told = shown(child, "system.health.critical")
        halted = requests.status(paper_url)
        refused = json.loads(found("resume", "operator", *WHY, "--json", *at))
        assert ended(child) == (0, "")
    with engine_running(paper_url, *STILL) as again:
        assert ended(again) == (0, "")
    file.rmdir()

    assert "component halt" in told
    assert (halted["halted"], halted["halt_grade"]) == (["operator"], 1)
    assert f"{file} is in the way" in refused["answer"]["why"]
    details = [each["detail"] for each in events(paper_url, "system.health.critical")]
    assert len(details) == 2  # one for each start
    assert all(f"{file} is in the way: it cannot be removed" in each for each in details)
    assert len(events(paper_url, "system.trading.halted")) == 1


def test_an_engine_whose_database_file_was_deleted_can_be_halted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/paper.db"
    with engine_running(url, *STILL) as child:
        (tmp_path / "paper.db").unlink()
        told = call("halt", *WHY, "--db", url)
        line = shown(child, "system.trading.halted")

    assert f"halted by {tmp_path}/paper.db.HALT" in told
    assert "a forgotten halt" in line
    assert not (tmp_path / "paper.db").exists()


def test_a_halt_through_a_link_is_written_where_the_engine_reads_it(tmp_path: Path) -> None:
    tape = bare_tape(tmp_path / "bare.tape", minutes=2)
    (tmp_path / "disk").mkdir()
    (tmp_path / "paper.db").symlink_to("disk/real.db")
    real = f"sqlite:///{tmp_path}/disk/real.db"
    traded(real, tape)
    by_link = f"sqlite:///{tmp_path}/paper.db"

    with contextlib.closing(sqlite3.connect(tmp_path / "disk" / "real.db")) as busy:
        busy.execute("BEGIN IMMEDIATE")
        told = call_here("halt", *WHY, "--db", by_link)

    assert f"halted by {tmp_path}/disk/real.db.HALT" in told
    assert requests.status(real)["halted"] == ["operator"]
