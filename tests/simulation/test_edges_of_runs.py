"""Where the edges of whole runs went, by the program and by their fills alone (I-33)."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from independent import edges
from support.attributed import told, unattributed
from support.faults import ALL, BUSY
from support.runs import Finished, play

PARTS = ("edge", *edges.PARTS)


@pytest.fixture(scope="module")
def run() -> Finished:
    """A run with every fault, in which every part occurs but a divergence."""
    return play(*BUSY, *ALL, "exits.rule=classic", "exits.check_seconds=5", seed=4, minutes=20)


def test_the_summary_adds_up_what_every_execution_made_of_its_edge(run: Finished) -> None:
    found = told(run.tables)
    summary = {name: Decimal(value) for name, value in run.summary["shortfall"].items()}

    assert list(summary) == list(PARTS)
    assert summary["edge"] == sum(summary[name] for name in edges.PARTS) > 0
    for name in PARTS:
        assert summary[name] == sum(Decimal(each[name]) for each in found.values())
    lost = {name for name in PARTS if summary[name]}
    assert lost >= {"slippage", "fees", "missed", "rescue", "exit", "kept"}


def test_what_is_kept_is_the_result_with_the_reserve_taken_off(run: Finished) -> None:
    """Contracts without a counterpart count what they cost: the result leaves them out."""
    kept = sum(Decimal(each["kept"]) for each in told(run.tables).values())
    closed = [row for row in run.tables["open_positions"] if row["status"] == "CLOSED"]
    marks = [row["marked_pnl"] for row in run.tables["open_positions"]]

    assert closed
    assert kept == sum(marks)


def test_what_all_entries_expected_is_what_their_opportunities_said(run: Finished) -> None:
    seen = {row["opportunity_id"]: row for row in run.tables["opportunities"]}
    begun = [seen[row["opportunity_id"]] for row in run.tables["executions"]]

    expected = sum(row["expected_profit"] for row in begun)
    assert Decimal(run.summary["expected_profit"]) == expected > 0


@pytest.mark.parametrize("part", PARTS)
def test_an_execution_with_a_wrong_part_is_found(run: Finished, part: str) -> None:
    said = deepcopy(told(run.tables))
    name = next(iter(said))
    for changed, by in ((part, "1"), ("kept" if part != "kept" else "fees", "-1")):
        said[name][changed] = str(Decimal(said[name][changed]) + Decimal(by))

    found = list(edges.wrong(run.tables, said))

    assert any(line.startswith(f"{part} of {name} is ") for line in found)


def test_parts_that_do_not_add_up_to_the_last_cent_are_found(run: Finished) -> None:
    said = deepcopy(told(run.tables))
    name = next(iter(said))
    said[name]["kept"] = str(Decimal(said[name]["kept"]) + Decimal("0.000001"))

    assert list(edges.wrong(run.tables, said)) == [
        f"the parts of {name} are -1e-06 dollars away from its edge"
    ]


@pytest.mark.parametrize("column", ["price", "size", "fee"])
def test_a_fill_of_another_amount_is_found(run: Finished, column: str) -> None:
    tables: dict[str, list[dict[str, Any]]] = deepcopy(run.tables)
    tables["fills"][0][column] += Decimal("0.05")

    assert list(edges.wrong(tables, told(run.tables)))


def test_an_execution_too_few_and_one_too_many_are_found(run: Finished) -> None:
    said = told(run.tables)
    name = next(iter(said))
    fewer = {each: parts for each, parts in said.items() if each != name}

    assert unattributed(run.tables) == []
    assert list(edges.wrong(run.tables, fewer)) == [f"nothing is said of {name}"]
    assert list(edges.wrong(run.tables, said | {"none": said[name]})) == [
        "none has parts and has not ended"
    ]
