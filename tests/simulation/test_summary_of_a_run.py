"""What a run that has ended says to a person: the result first, on one screen."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from support.memory_journal import MemoryJournal

from dutchbook.bootstrap.paper import build_paper
from dutchbook.cli.console import report
from dutchbook.cli.console.literal import LiteralConsole
from dutchbook.config import load
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape

ROWS, WIDTH = 24, 80
AROUND = 2
"""The line that a run begins with, and the shell's prompt after it."""
COUNTED = ("executions", "orders", "fills")


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    """The summaries of two runs of the demo on one database."""

    async def main() -> list[dict[str, Any]]:
        journal, tape, found = MemoryJournal(), open_tape(demo.PATH), []
        for number in (1, 2):
            clock = TapeClock(tape.meta.first)
            paper = build_paper(load(), tape, journal, clock, seed=1, run=number)
            found.append(await paper.trade(number))
        return found

    return run_virtual(main())


def shown(summary: dict[str, Any], **how: bool) -> list[str]:
    paper = io.StringIO()
    report.show(LiteralConsole(paper, width=WIDTH), summary, **how)
    return paper.getvalue().splitlines()


@pytest.mark.parametrize("number", [1, 2])
def test_the_summary_of_the_demo_fits_a_terminal(
    runs: list[dict[str, Any]], number: int
) -> None:
    lines = shown(runs[number - 1])

    assert len(lines) <= ROWS - AROUND
    assert max(map(len, lines)) <= WIDTH


def test_the_result_comes_first(runs: list[dict[str, Any]]) -> None:
    first = next(line for line in shown(runs[0]) if line)

    assert first.startswith("Result +28.59 dollars: 15.16 closed and 13.43 locked in 4")


def test_the_counts_of_a_run_are_its_own(runs: list[dict[str, Any]]) -> None:
    first, second = runs

    for name in COUNTED:
        total = second[name]["total"]
        assert second["this_run"][name]["total"] == total - first[name]["total"] > 0
    fees = (Decimal(each["fees"]["total"]) for each in (first, second, second["this_run"]))
    before, both, own = fees
    assert own == both - before
    closed = Decimal(second["result"]["closed"]) - Decimal(first["result"]["closed"])
    assert Decimal(second["this_run"]["closed_pnl"]) == closed


def test_the_first_run_of_a_database_counts_everything(runs: list[dict[str, Any]]) -> None:
    (first, _), named = runs, ("total",)

    assert first["this_run"]["run"] == 1
    for name in COUNTED:
        assert [first["this_run"][name][n] for n in named] == [first[name][n] for n in named]


def test_totals_of_all_runs_stand_apart_and_only_where_there_are_several(
    runs: list[dict[str, Any]],
) -> None:
    first, second = ("\n".join(shown(each)) for each in runs)

    assert "In this run, number 1" in first
    assert "In all its runs" not in first
    own, together = second.split("In all its runs")
    orders = second_orders(runs)
    assert f"orders        {orders[0]}:" in own
    assert f"orders        {orders[1]}:" in together


def second_orders(runs: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many orders the second run placed, and both together."""
    return runs[1]["this_run"]["orders"]["total"], runs[1]["orders"]["total"]


def test_details_show_every_figure_on_request(runs: list[dict[str, Any]]) -> None:
    short, whole = ("\n".join(shown(runs[0], details=each)) for each in (False, True))

    for title in ("Edges that were refused", "Where the edge went", "Realised, in dollars"):
        assert title in whole
        assert title not in short
    assert "run --details" in short
    assert whole.rstrip().splitlines()[-2].startswith("Result +28.59"), "and the result last"
