"""A single leg on the command line: seen, explained and resolved, on both databases."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.databases import AnyJournal, on
from support.program import PROGRAM, call_here, called, ended_here
from support.rows import position_row
from support.runs import AS_THEY_COME

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.operations import admin, listing
from dutchbook.operations.listing import Wanted
from dutchbook.ports.journal import Batch, Insert
from dutchbook.tape.demo import MINUTES, SEED
from dutchbook.tape.format import write_tape
from dutchbook.tape.generate import POLL
from dutchbook.tape.message import MemoryTape

pytestmark = pytest.mark.usefixtures("own_home")

OFF = ("--set", "execution.auto_policy=off")
LEFT = ("--set", "exits.unhedged_stop=false", "--set", "exits.minimum_gain=0.9")
FAULTS = ("--set", "paper.fault_rejected=400000", "--set", AS_THEY_COME)
RUN = ("run", "--speed", "max", "--seed", "6", "--summary", "json")
WHY = "the book is deep again"
ALL = Wanted()
ANY, DEAR = ("--at-least", "-1000"), ("--at-least", "1000")
"""Limits that accept any result, or none: the run that closes has other books."""


def left(url: str) -> list[dict[str, Any]]:
    """Trade the demo with rejections that nobody resolves; return what is exposed."""
    call_here(*RUN, *OFF, *LEFT, *FAULTS, "--db", url)
    return listed(url)


def listed(url: str) -> list[dict[str, Any]]:
    """Return what is exposed: `exposures` ends with 1 if anything is."""
    code, printed, _ = ended_here("exposures", "--json", "--db", url)
    rows: list[dict[str, Any]] = json.loads(printed)
    assert code == bool(rows)
    return rows


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contracts of the demo with books that do not move: what is seen can still be had."""
    moving = generated_tape(SEED, minutes=MINUTES)
    first = [row for row in moving.rows if row.step == moving.rows[0].step]
    rows = [
        replace(row, at=row.at + number * POLL, step=number)
        for number in range(2_000)
        for row in first
    ]
    meta = replace(moving.meta, messages=len(rows), last=rows[-1].at)
    path = tmp_path_factory.mktemp("still") / "still.tape"
    write_tape(path, MemoryTape(meta, rows))
    return path


@contextmanager
def running(url: str, tape: Path) -> Iterator[None]:
    """Run an engine at a low speed, from the moment it trades."""
    words = ["run", "--speed", "20", "--tape", str(tape), "--db", url, *OFF, *LEFT]
    command = [*PROGRAM, *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert any("system.started" in line for line in child.stdout), child.communicate()
        yield
    finally:
        child.kill()
        child.communicate()


def said(*words: str, reply: str = "", code: int = 0) -> str:
    """Run a command, and reply if it prompts."""
    ended, printed, complaint = ended_here(*words, reply=reply)
    assert ended == code, printed + complaint
    return flat(printed)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_an_exposure_is_seen_and_resolved_while_an_engine_runs(
    database_url: str, still: Path
) -> None:
    first, second, *_ = left(database_url)
    at = ("--db", database_url)
    with running(database_url, still):
        assert first["position_id"][:8] in said("exposures", *at, code=1)
        refused = said("close-leg", first["position_id"][:8], *at, reply="n\n")
        dear = said("close-leg", first["position_id"], "--yes", *DEAR, *at, code=1)
        closed = said(
            "close-leg", first["position_id"][:8], "--rationale", WHY, *ANY, *at, reply="y\n"
        )
        again = call_here("close-leg", first["position_id"], "--yes", *at, fails=1)
        answer = json.loads(
            said("complement", second["position_id"], "--yes", "--json", *ANY, *at)
        )["answer"]
        story = call_here("explain", first["position_id"][:8], *at)

    assert "Do it? [y/N]: nothing was requested" in refused
    assert ", result" in refused
    assert "It is not done if it would bring less than" in refused
    assert "now, and at least 1000 was required (2007)" in dear
    assert "Done." in closed
    assert "The position is closed." in closed
    assert "is CLOSED: no leg is unhedged" in again
    assert (answer["done"], answer["status"]) == (True, "CLOSED")
    asked = "asked to close the unhedged leg for -1000 or more"
    assert f"{asked} ({WHY})." in " ".join(story.split())
    assert {first["position_id"], second["position_id"]}.isdisjoint(
        row["position_id"] for row in listed(database_url)
    )
    assert call_here("db", "verify", *at) == "whole\n"


def test_a_command_given_without_an_engine_is_done_once_at_the_next_start(
    database_url: str,
) -> None:
    first = left(database_url)[0]
    at = ("--db", database_url)

    told = call_here("close-leg", first["position_id"], "--yes", *ANY, *at)
    for _ in range(2):
        call_here(*RUN, *OFF, *LEFT, *at)

    assert "no engine runs: it is done at the next start, before 20" in flat(told)
    assert "To take it back: dutchbook commands withdraw " in flat(told)
    position = json.loads(call_here("position", first["position_id"], "--json", *at))
    sales = [each for each in position["orders"] if each["purpose"] == "unwind"]
    assert position["status"] == "CLOSED"
    assert [each["fill_size"] for each in sales] == [first["quantity"]]
    assert call_here("db", "verify", *at) == "whole\n"


def test_every_invalid_command_is_one_line_and_writes_no_command(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    position = left(database_url)[0]["position_id"]
    at = ("--db", database_url)
    hedged = next(
        row["position_id"]
        for row in json.loads(call_here("positions", "--json", *at))
        if row["status"] == "OPEN"
    )
    wrong = [
        (("position", "abc"), 2, "at least 4 characters"),
        (("position", "nobody"), 2, "not the beginning of the id of a position"),
        (("explain", "nobody"), 2, "a position or an order or an execution"),
        (("retry-leg", position, "--price", "1.5", "--yes"), 2, "--price"),
        (("close-leg", position, "--json"), 2, "--yes"),
        (("close-leg", hedged, "--yes"), 1, "is OPEN: no leg is unhedged"),
        (("resolve", position, "--choice", "guess", "--rationale", WHY), 2, "--choice"),
        (("resolve", position, "--choice", "acknowledge", "--rationale", "ok"), 2, "10"),
        (
            ("resolve", position, "--choice", "acknowledge", "--rationale", WHY, "--yes"),
            1,
            "nothing of it is in doubt",
        ),
        (("retry-leg", position, "--price", "0.1234", "--yes"), 2, "price grid"),
    ]

    for words, code, part in wrong:
        ended, line = called(capsys, *words, *at)
        assert (ended, line.count("\n"), part in line) == (code, 1, True), line

    told = json.loads(call_here("events", "--json", *at))
    assert not [row for row in told if row["name"].startswith("operator.command")]


def test_the_least_that_a_position_brings_counts_paid_contracts_once(
    paper_url: str,
) -> None:
    """One contract of a pair has paid its dollar; half a pair waits for a merge."""
    cash = {"kalshi_cash": Decimal("0.60"), "polymarket_cash": Decimal("-0.95")}
    sizes = {"polymarket_size": Decimal("1.5"), "polymarket_complement": Decimal("0.5")}

    async def paid(journal: AnyJournal) -> None:
        row = position_row("paid", kalshi_payout=Decimal(1), **cash, **sizes)
        await journal.commit(Batch((Insert("open_positions", row),)))

    on(paper_url, paid)

    shown = {each["position"]: each["at_least"] for each in admin.positions(paper_url, ALL)[0]}

    assert shown["paid"] == Decimal("0.15")
    assert shown["held"] == 1


def test_what_was_paid_for_a_position_is_its_price_also_once_it_is_closed(
    paper_url: str,
) -> None:
    call_here(*RUN, "--db", paper_url)
    orders = json.loads(call_here("orders", "--json", "--db", paper_url))

    shown, _ = admin.positions(paper_url, listing.Wanted())

    closed = [each for each in shown if each["status"] == "CLOSED"]
    bought = [each for each in orders if each["purpose"] in ("entry", "hedge")]
    paid = sum((Decimal(each[n]) for each in bought for n in ("fill_cost", "fees")), Decimal(0))
    assert min(each["paid"] for each in closed) > 100
    assert sum((each["paid"] for each in shown), Decimal(0)) == paid
