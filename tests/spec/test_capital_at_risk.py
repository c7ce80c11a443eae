"""The capital at risk on pairs and clusters, and how it is counted from the rows."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from support.purse import Journal, usd

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.domain.capital.limits import OpenPairs, RiskLimits
from dutchbook.domain.values.units import Money

HALF = Decimal("0.5")
ACCOUNTS = ("kalshi:shard-0:USD", "polymarket:paper-wallet:pUSD")


def at_risk() -> CapitalAtRisk:
    """Return 30 dollars on two positions of one pair, and 12 on another of its cluster."""
    made = CapitalAtRisk(Journal())
    made.know("one", "cup", HALF)
    made.know("two", "cup", Decimal(1))
    made.know("apart", None, Decimal(1))
    made.move("one", usd(30), 2)
    made.move("two", usd(12), 1)
    made.move("apart", usd(7))
    return made


# Counting


def test_moves_add_up_by_pair() -> None:
    made = at_risk()

    made.move("one", usd(5), 1)

    assert made.dollars == {"one": 35, "two": 12, "apart": 7}
    assert made.positions == {"one": 3, "two": 1}


def test_a_move_leaves_the_number_of_positions_unless_it_says_otherwise() -> None:
    made = at_risk()

    made.move("one", usd(-1))

    assert made.on("one") == 29
    assert made.positions_on("one") == 2


def test_what_is_back_at_nothing_is_no_longer_listed() -> None:
    made = at_risk()

    made.move("two", usd(-12), -1)
    made.move("never", usd(0))

    assert made.dollars == {"one": 30, "apart": 7}
    assert made.positions == {"one": 2}


def test_a_pair_that_is_not_known_has_nothing_at_risk() -> None:
    made = at_risk()

    assert made.on("never") == 0
    assert made.positions_on("never") == 0
    assert made.confidence("never") == 1
    assert made.on_cluster_of("never") is None


def test_confidence_is_that_of_the_pair() -> None:
    made = at_risk()

    assert made.confidence("one") == HALF
    assert made.confidence("two") == 1


def test_a_cluster_has_what_all_its_pairs_have() -> None:
    made = at_risk()
    made.know("fresh", "league", Decimal(1))

    found = {name: made.on_cluster_of(name) for name in ("one", "two", "apart", "fresh")}

    assert found == {"one": 42, "two": 42, "apart": None, "fresh": 0}


def test_the_open_pairs_are_those_with_a_position() -> None:
    made = at_risk()

    assert made.open_pairs("one") == OpenPairs(2, among=True)
    assert made.open_pairs("apart") == OpenPairs(2, among=False)


def test_every_amount_has_the_name_and_the_bound_of_its_limit() -> None:
    made, limits = at_risk(), RiskLimits(bankroll=usd(1_000))

    assert made.measures() == {
        "pair_capital:one": 30,
        "pair_capital:two": 12,
        "pair_capital:apart": 7,
        "cluster_capital:cup": 42,
    }
    assert made.bounds(limits) == {
        "pair_capital:one": 300,
        "pair_capital:two": 300,
        "pair_capital:apart": 300,
        "cluster_capital:cup": 150,
    }


def test_a_checkpoint_brings_back_what_was_there() -> None:
    made = at_risk()
    restore = made.checkpoint()
    made.move("one", usd(-30), -2)
    made.move("never", usd(3), 1)

    restore()

    assert made.dollars == {"one": 30, "two": 12, "apart": 7}
    assert made.positions == {"one": 2, "two": 1}


# Counting from the rows


def counted(made: CapitalAtRisk) -> tuple[Any, Any]:
    return made.dollars, made.positions


async def reserve(
    journal: Journal, name: str, execution_id: str, *amounts: int, **facts: object
) -> None:
    for account_id, amount in zip(ACCOUNTS, amounts, strict=False):
        row = {"account_id": account_id, "amount": usd(amount), **facts}
        await journal.insert(
            "reservations", reservation_id=name, execution_id=execution_id, **row
        )


async def hold(
    journal: Journal, name: str, pair_id: str, costs: tuple[int, int, int, int], status: str
) -> None:
    parts = (
        f"{p}_{part}" for p in ("kalshi", "polymarket") for part in ("cost", "complement_cost")
    )
    await journal.insert(
        "open_positions",
        position_id=f"position of {name}",
        execution_id=name,
        pair_id=pair_id,
        status=status,
        **{part: usd(cost) for part, cost in zip(parts, costs, strict=True)},
    )


async def stored(journal: Journal) -> CapitalAtRisk:
    for execution_id, pair_id in (("e1", "one"), ("e2", "two"), ("e3", "two"), ("e4", "one")):
        await journal.insert("executions", execution_id=execution_id, pair_id=pair_id)
    made = CapitalAtRisk(journal)
    await made.load()
    return made


def test_terms_are_loaded_with_each_pair() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await journal.insert("contract_matches", match_id="two", cluster="cup", confidence=HALF)
        await hold(journal, "e2", "two", (1, 2, 4, 8), "OPEN")
        return await stored(journal)

    made = asyncio.run(main())

    assert made.confidence("two") == HALF
    assert made.on_cluster_of("two") == 15


def test_an_entrys_reservation_counts_for_all_of_its_execution() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await reserve(journal, "r1", "e1", 10, 20)
        await hold(journal, "e1", "one", (1, 2, 4, 8), "OPEN")
        return await stored(journal)

    made = asyncio.run(main())

    assert counted(made) == ({"one": 30}, {"one": 1})


def test_each_entry_begins_a_position() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await reserve(journal, "r1", "e1", 10, 20)
        await reserve(journal, "r4", "e4", 1, 2)
        await reserve(journal, "r2", "e2", 5, 6)
        return await stored(journal)

    made = asyncio.run(main())

    assert counted(made) == ({"one": 33, "two": 11}, {"one": 2, "two": 1})


def test_the_reservation_of_an_order_adds_to_its_position() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await reserve(journal, "r2", "e2", 100, order_id="o2")
        await hold(journal, "e2", "two", (1, 2, 4, 8), "SINGLE_LEG_EXPOSED")
        return await stored(journal)

    made = asyncio.run(main())

    assert counted(made) == ({"two": 115}, {"two": 1})


def test_what_a_closed_position_still_holds_is_at_risk() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await hold(journal, "e2", "two", (1, 2, 4, 8), "CLOSED")
        await hold(journal, "e3", "two", (16, 32, 64, 128), "RECONCILIATION_REQUIRED")
        await hold(journal, "e4", "one", (256, 0, 0, 0), "CLOSED")
        return await stored(journal)

    made = asyncio.run(main())

    assert counted(made) == ({"two": 255, "one": 256}, {"two": 1})


def test_a_reservation_that_ended_or_is_of_no_execution_does_not_count() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await reserve(journal, "r1", "e1", 10, 20, status="released")
        await reserve(journal, "r9", "of no row", 10, 20)
        await reserve(journal, "r2", "e2", 3)
        return await stored(journal)

    made = asyncio.run(main())

    assert counted(made) == ({"two": 3}, {"two": 1})


def test_loading_again_counts_nothing_twice() -> None:
    async def main() -> CapitalAtRisk:
        journal = Journal()
        await reserve(journal, "r1", "e1", 10, 20)
        made = await stored(journal)
        made.move("gone", Money(Decimal(3)), 1)
        await made.load()
        return made

    made = asyncio.run(main())

    assert counted(made) == ({"one": 30}, {"one": 1})
