"""How many pairs may have a position, open or about to be."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from support.reserving import Limited
from support.runs import HELD, play

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.capital.limits import Override, RiskLimits
from dutchbook.domain.values.units import Money
from dutchbook.runtime.virtual_time import run_virtual

Tables = dict[str, list[dict[str, Any]]]
FAULTS = (
    "paper.fault_lost_answer=200000",
    "paper.fault_failed_fill=200000",
    "paper.fault_partial=200000",
    "paper.fault_rejected=100000",
)


def opened(tables: Tables) -> Counter[str]:
    """Count, from rows, the positions by pair that are open or about to be."""
    pairs = {row["execution_id"]: row["pair_id"] for row in tables["executions"]}
    standing = {
        row["execution_id"]
        for row in tables["reservations"]
        if row["status"] == "reserved" and row["order_id"] is None
    }
    held = (
        row["pair_id"]
        for row in tables["open_positions"]
        if row["status"] != "CLOSED" and row["execution_id"] not in standing
    )
    return Counter(held) + Counter(pairs[each] for each in standing)


@pytest.mark.parametrize("faults", [(), FAULTS], ids=["well", "faults"])
def test_no_more_pairs_are_open_than_the_limit_says(faults: tuple[str, ...]) -> None:
    seen: list[Counter[str]] = []

    run = play(
        "risk.max_open_pairs=2",
        *HELD,
        *faults,
        tape=generated_tape(7, minutes=30, pairs=4),
        check=lambda tables: seen.append(opened(tables)),
    )

    counted = CapitalAtRisk(run.engine.journal)
    run_virtual(counted.load())
    ours = run.engine.risk.capital.at_risk.positions
    assert ours == counted.positions == opened(run.tables)
    assert max(map(len, seen)) == 2
    assert max(sum(each.values()) for each in seen) > 2, "a pair counts once"
    assert run.summary["filtered"]["max_open_pairs"] > 0


def test_one_pair_counts_once_however_often_it_is_entered() -> None:
    async def main() -> tuple[str, str]:
        gate = Limited(RiskLimits(max_open_pairs=2))
        await gate.open()
        for _ in range(3):
            await gate.reserve("one", 30)
        await gate.reserve("two", 30)
        await gate.reserve("one", 30)
        full = await gate.refused("three", 30)
        gate.risk.overrides._granted["three"] = Override("o", "three", Money(Decimal(30)))
        await gate.reserve("three", 30)
        return full, await gate.refused("one", 30)

    assert run_virtual(main()) == ("max_open_pairs", "max_open_pairs")


def test_a_pair_whose_last_position_closed_makes_room_for_another() -> None:
    async def main() -> dict[str, int]:
        gate = Limited(RiskLimits(max_open_pairs=1))
        await gate.open()
        first, second = await gate.reserve("one", 30), await gate.reserve("one", 30)
        await gate.entries.release(first)
        await gate.refused("two", 30)
        await gate.entries.release(second)
        await gate.reserve("two", 30)
        return gate.risk.capital.at_risk.positions

    assert run_virtual(main()) == {"two": 1}


def test_a_position_that_only_the_database_knows_counts_as_a_further_pair() -> None:
    async def main() -> str:
        gate = Limited(RiskLimits(max_open_pairs=2))
        await gate.open()
        await gate.reserve("one", 30)
        await gate.reserve("one", 30)
        gate.journal._tables["risk_states"]["default",]["open_position_count"] += 1
        return await gate.refused("two", 30)

    assert run_virtual(main()) == "rejected_by_database"


def test_the_limit_of_open_pairs_is_approached_by_pairs_not_by_positions() -> None:
    async def main() -> list[tuple[str, str, Decimal]]:
        gate = Limited(RiskLimits(max_open_pairs=3, approach_share=Decimal("0.6")))
        await gate.open()
        for name in ("one", "one", "one", "two", "three"):
            await gate.reserve(name, 30)
        return gate.told

    assert run_virtual(main()) == [
        ("LimitApproached", "open_pairs", Decimal(2)),
        ("LimitBreached", "open_pairs", Decimal(3)),
    ]
