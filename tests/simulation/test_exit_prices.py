"""What a wind-down would bring, as it is shown before it is asked for."""

from __future__ import annotations

from typing import Any

from support.bench import Bench, bench

from dutchbook.application.views.exit_prices import exit_prices
from dutchbook.config import load
from dutchbook.domain.values.units import plain

CHEAPLY, AT_ANY_COST = (load(None, (f"exits.urgent_cost={cost}",)) for cost in ("0.05", "0.3"))


async def hedged(at: Bench) -> tuple[Any, Any, Any]:
    """Hold a hundred pairs; price leaving them cheaply, at any cost, and without a book."""
    at.execute(second="100")
    await at.rest(10)
    cheaply, left = [await exit_prices(at.journal, each.exit_rules()) for each in BOTH]
    at.journal._tables["order_book_snapshots"].clear()
    return cheaply, left, await exit_prices(at.journal, AT_ANY_COST.exit_rules())


BOTH = (CHEAPLY, AT_ANY_COST)


def test_a_pair_is_priced_by_the_decision_of_a_wind_down() -> None:
    run = bench(hedged)

    (dear,), (left,), _ = run.answer
    assert (dear["why"], dear["brings"]) == ("too costly (wind down)", None)
    assert (left["why"], left["size"]) == (None, 100)
    assert (
        left["detail"] == f"sell 100 contracts of both legs for {plain(left['brings'])} dollars"
    )


def test_what_an_exit_brings_costs_and_results_in_add_up() -> None:
    run = bench(hedged)

    _, (left,), _ = run.answer
    row = run.position
    paid = sum(row[f"{p}_{of}"] for p in ("kalshi", "polymarket") for of in ("cost", "fees"))
    assert left["brings"] + left["costs"] == 100
    assert left["result"] == left["brings"] - paid


def test_without_a_book_on_record_nothing_is_priced() -> None:
    run = bench(hedged)

    *_, (row,) = run.answer
    assert (row["why"], row["priced_at"]) == ("no book of kalshi is on record", None)


def test_an_unhedged_leg_is_priced_and_costs_no_payout() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await exit_prices(at.journal, CHEAPLY.exit_rules())

    (row,) = bench(work).answer

    assert (row["unhedged"], row["size"], row["costs"]) == (100, 100, None)
    assert row["detail"] == "sell 100 yes down to 0.38"
    assert row["result"] < 0


def test_what_is_closed_is_not_left_again() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        await at.told("close_leg", position=at.id)
        return await exit_prices(at.journal, CHEAPLY.exit_rules())

    assert bench(work).answer == []
