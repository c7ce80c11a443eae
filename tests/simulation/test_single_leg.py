"""The remedies for a single leg and their results, over whole runs on paper.

YES was bought at 40 cents on Kalshi or NO at 53 on Polymarket, 100 of each planned. Afterwards
YES is 41/45 on Kalshi and 47/49 on Polymarket, unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from support.bench import (
    KALSHI,
    NO,
    NOBODY,
    POLYMARKET,
    YES,
    Bench,
    Died,
    Ended,
    Left,
    When,
    bench,
    near,
)

from dutchbook.application.exposure.single_leg import Resolution
from dutchbook.application.pair_trades.adjustments import Plan
from dutchbook.domain.events import OrderFilled, PolicyTried, SingleLegExposure
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import Price, Quantity
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.journal import Batch

EXPOSED, OPEN, CLOSED = (
    PositionStatus.SINGLE_LEG_EXPOSED,
    PositionStatus.OPEN,
    PositionStatus.CLOSED,
)
BOTH = pytest.mark.parametrize("held", list(Platform))
ENTRY = 2
"""Orders of an execution: a second leg that found nothing is an order too."""
SETTLED = 4.5
"""Seconds after which a Polymarket fill is final."""


def said(run: Ended, name: str) -> list[dict[str, Any]]:
    return [json.loads(row["payload"]) for row in run.events(f"execution.{name}")]


async def settled(at: Bench, missing: Platform, **book: Any) -> None:
    """Wait until every fill is final, and show both books again."""
    await at.rest(SETTLED)
    at.usual(missing.other)
    at.usual(missing, **book)


# Completing the missing leg -----------------------------------------------------------------


@BOTH
def test_a_retry_that_fills_opens_the_position_with_its_new_edge(held: Platform) -> None:
    price = {KALSHI: "0.53", POLYMARKET: "0.45"}[held]

    async def work(at: Bench) -> Resolution:
        await at.expose(held)
        return await at.service.retry_leg(at.id, price)

    run = bench(work, first=held)

    told, row = run.answer, run.position
    paid = sum(row[f"{p}_{of}"] for p in Platform for of in ("cost", "fees"))
    assert (told.resolved, told.filled, told.code, told.reason) == (True, 100, None, None)
    assert (row["status"], told.position.hedged) == (OPEN, 100)
    assert near(told.new_edge, 100 - paid)
    assert told.scenarios == ()


def test_a_retry_that_does_not_fill_changes_nothing_and_lists_the_remaining_choices() -> None:
    async def work(at: Bench) -> tuple[Resolution, bool]:
        await at.expose()
        before = at.position
        told = await at.service.retry_leg(at.id, "0.50")
        return told, at.position == before

    told, same = bench(work).answer

    assert same
    assert (told.resolved, told.filled, told.code) == (False, 0, 2006)
    assert told.reason
    assert [each.name for each in told.scenarios] == [
        "retry_leg",
        "close_leg",
        "complement",
        "hold",
    ]
    assert told.recommended_actions[-1] == "hold"
    assert set(told.recommended_actions) == {"retry_leg", "close_leg", "complement", "hold"}


def test_the_available_choices_are_recommended_best_result_first() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(bids=NOBODY, asks=NOBODY)
        return await at.service.retry_leg(at.id, "0.50")

    told = bench(work).answer

    assert told.recommended_actions == ("close_leg", "complement", "hold")
    (blocked,) = [each for each in told.scenarios if each.blocked]
    assert blocked.name == "retry_leg"


def test_a_rejected_retry_leaves_the_capital_as_it_was() -> None:
    async def work(at: Bench) -> tuple[Any, Any]:
        await at.expose()
        before = at.engine.risk.capital.balance(POLYMARKET)
        at.fault(POLYMARKET, Fault.REJECTED)
        told = await at.service.retry_leg(at.id, "0.53")
        assert told.code == 2006
        return before, at.engine.risk.capital.balance(POLYMARKET)

    before, after = bench(work).answer

    assert before == after


def test_a_price_off_the_grid_is_rejected_before_anything_is_written() -> None:
    async def work(at: Bench) -> int:
        await at.expose()
        for price in ("0.535", "1.01", "0", "NaN", "-0.5"):
            with pytest.raises(InvalidInput, match="price"):
                await at.service.retry_leg(at.id, price)
        return len(at.orders())

    assert bench(work).answer == ENTRY


def test_a_retry_beyond_the_collar_is_not_sent() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(POLYMARKET)
        return await at.service.retry_leg(at.id, "0.60")

    run = bench(work, first=POLYMARKET)

    assert run.answer.code == 2006
    assert "collar" in run.answer.reason
    assert run.tables["open_positions"][0]["status"] == EXPOSED


# Partial fills: every combination, on either platform --------------------------------------

GIVES = "paper.replenishment=every"
"""Each book that is shown is there to be taken, whatever was taken of the last one."""
COMBINATIONS = [
    (held, first, second, again)
    # Kalshi's first leg fills whole or not at all: less than five could not be hedged.
    for held, first in ((KALSHI, "100"), (POLYMARKET, "100"), (POLYMARKET, "60"))
    for second in ("0", "25", "50")
    for again in ("10", "all")
]


@pytest.mark.parametrize(("held", "first", "second", "again"), COMBINATIONS)
def test_whatever_a_retry_fills_only_the_rest_is_missing(
    held: Platform, first: str, second: str, again: str
) -> None:
    missing = Decimal(first) - Decimal(second)
    there = Decimal(again) if again != "all" else Decimal(500)
    book = {KALSHI: ({47: str(there)}, {49: "500"}), POLYMARKET: ({41: "5"}, {45: str(there)})}
    price = {KALSHI: "0.53", POLYMARKET: "0.45"}[held]
    expected = min(there, missing)

    async def work(at: Bench) -> Resolution:
        await at.expose(held, first=first, second=second)
        at.show(held.other, *book[held])
        assert abs(at.position.imbalance) == missing
        return await at.service.retry_leg(at.id, price)

    told = bench(work, GIVES, first=held).answer

    assert told.filled == expected
    assert abs(told.position.imbalance) == missing - expected
    assert told.position.hedged == Decimal(second) + expected
    even = missing == expected
    assert told.resolved is even
    assert told.position.status is (OPEN if even else EXPOSED)
    assert told.code == (None if even else 2006)
    assert even or f"{expected} of {missing}" in told.reason


@pytest.mark.parametrize(("held", "first", "second", "again"), COMBINATIONS)
def test_whatever_closing_sells_only_the_rest_is_unhedged(
    held: Platform, first: str, second: str, again: str
) -> None:
    alone = Decimal(first) - Decimal(second)
    there = Decimal(again) if again != "all" else Decimal(500)
    # The engine sees enough; the platform has only `there` when the order arrives.
    shown = {KALSHI: ({41: "500"}, {99: "500"}), POLYMARKET: ({1: "500"}, {49: "500"})}[held]
    real = {KALSHI: ({41: str(there)}, {99: "9"}), POLYMARKET: ({1: "9"}, {49: str(there)})}
    expected = min(there, alone)

    async def work(at: Bench) -> Resolution:
        await at.expose(held, first=first, second=second)
        await settled(at, held.other)
        at.show(held, *shown)
        at.moved(held, *real[held])
        return await at.service.close_leg(at.id)

    run = bench(work, first=held)

    told = run.answer
    even = expected == alone
    flat = even and second == "0"
    assert told.filled == expected
    assert abs(told.position.imbalance) == alone - expected
    assert told.position.status is (CLOSED if flat else OPEN if even else EXPOSED)
    assert (told.realised_pnl is not None) is flat
    assert (told.new_edge is not None) is (even and not flat)
    assert told.code == (None if even else 2007)


@pytest.mark.parametrize(
    ("second", "missing", "bought"),
    [("25.37", "74.63", 74), ("90.01", "9.99", 9), ("94.5", "5.5", 5), ("40", "60", 60)],
)
def test_a_retry_buys_the_whole_lots_of_what_is_missing_and_no_more(
    second: str, missing: str, bought: int
) -> None:
    """Polymarket takes whole shares where a price has whole cents; Kalshi filled hundredths."""

    async def work(at: Bench) -> tuple[Decimal, list[Decimal]]:
        await at.expose(second=second)
        before = abs(at.position.imbalance)
        await at.service.retry_leg(at.id, "0.53")
        return before, [each.size for each in at.orders()[ENTRY:]]

    run = bench(work)

    assert run.answer == (Decimal(missing), [bought])
    assert run.position["polymarket_size"] == Decimal(second) + bought


def test_an_exposure_is_resolved_through_any_number_of_partial_fills() -> None:
    async def work(at: Bench) -> list[tuple[Decimal, bool]]:
        await at.expose(POLYMARKET, second="10")
        seen: list[tuple[Decimal, bool]] = []
        for there in ("30", "20", "25", "500"):
            at.show(KALSHI, {41: "5"}, {45: there})
            told = await at.service.retry_leg(at.id, "0.45")
            seen.append((told.filled, told.resolved))
        return seen

    run = bench(work, GIVES, first=POLYMARKET)

    assert run.answer == [(30, False), (20, False), (25, False), (15, True)]
    assert [each["retry_price"] for each in said(run, "single_leg.resolved")] == ["0.45"]


def test_dollars_that_buy_more_than_was_missing_reverse_the_exposure() -> None:
    """Polymarket spends dollars: if the book improved, they buy more contracts."""

    async def work(at: Bench) -> Resolution:
        await at.expose()
        at.show(POLYMARKET, {47: "500"}, {49: "500"})
        at.moved(POLYMARKET, {50: "500"}, {52: "500"})
        return await at.service.retry_leg(at.id, "0.53")

    told = bench(work).answer

    assert told.filled == 106
    assert (told.position.longer, told.position.imbalance) == (POLYMARKET, -6)
    assert told.position.status is EXPOSED
    assert told.code == 2006


def test_a_loose_price_in_a_thin_book_does_not_buy_more_than_is_missing() -> None:
    """The limit is the worst price that the book shows: more dollars would overfill."""

    async def work(at: Bench) -> Resolution:
        await at.expose(bids={47: "40"})
        at.moved(POLYMARKET, {47: "500"}, {49: "500"})
        return await at.service.retry_leg(at.id, "0.60")

    told = bench(work).answer

    assert (told.filled, told.resolved) == (100, True)


# Closing ------------------------------------------------------------------------------------


@BOTH
def test_closing_sells_what_is_unhedged_and_states_what_it_cost(held: Platform) -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(held)
        await settled(at, held.other)
        if held is KALSHI:
            at.show(KALSHI, {41: "500"}, {60: "500"})
        else:
            at.show(POLYMARKET, {30: "500"}, {49: "500"})
        return await at.service.close_leg(at.id)

    run = bench(work, first=held)

    sold = [order for order in run.tables["orders"] if order["side"] == "sell"]
    bought = [order for order in run.tables["orders"] if order["side"] == "buy"]
    told = run.answer
    assert len(sold) == 1
    assert (told.resolved, told.code, run.position["status"]) == (True, None, CLOSED)
    paid = sum(o["fill_cost"] + o["fees"] for o in bought if o["platform"] is held)
    assert near(told.realised_pnl, sold[0]["fill_cost"] - sold[0]["fees"] - paid)
    assert told.realised_pnl < 0


def test_the_complement_is_bought_where_that_is_cheaper_than_selling() -> None:
    """YES sells at 36 cents, and NO costs 55: a pair is worth a dollar, so that is like 45."""

    async def work(at: Bench) -> Resolution:
        await at.expose()
        at.show(KALSHI, {45: "500"}, {46: "500"})
        return await at.service.close_leg(at.id)

    run = bench(work)

    assert run.answer.resolved
    assert run.answer.realised_pnl > 0


def test_unsettled_shares_are_not_sold_and_their_complement_is_bought() -> None:
    async def work(at: Bench) -> tuple[Resolution, Any]:
        await at.expose(POLYMARKET)
        told = await at.service.close_leg(at.id)
        return told, at.held

    run = bench(work, first=POLYMARKET)

    told, held = run.answer
    last = list(held.orders.values())[-1]
    assert (last.platform, last.outcome, last.side) == (POLYMARKET, YES, Side.BUY)
    assert (told.resolved, told.position.status) == (True, CLOSED)
    assert held.position.polymarket.pairs == 100
    assert told.realised_pnl == held.position.cash + 100


def test_selling_is_not_offered_before_the_shares_are_settled() -> None:
    async def work(at: Bench) -> list[Any]:
        await at.expose(POLYMARKET)
        early = at.service.scenarios(at.id)
        await settled(at, KALSHI)
        return [
            next(s.blocked for s in ways if s.name == "close_leg")
            for ways in (early, at.service.scenarios(at.id))
        ]

    early, late = bench(work, first=POLYMARKET).answer

    assert "settled" in early
    assert late is None


@BOTH
def test_nothing_is_closed_into_an_empty_book(held: Platform) -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(held)
        await settled(at, held.other)
        at.show(held, NOBODY, NOBODY)
        return await at.service.close_leg(at.id)

    run = bench(work, first=held)

    assert (run.answer.code, run.answer.order_id) == (2007, None)
    assert run.answer.reason
    assert run.position["status"] == EXPOSED


def test_closing_goes_as_far_as_the_collar_and_states_what_stays_unhedged() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose()
        at.show(KALSHI, {38: "10", 20: "500"}, {90: "500"})
        return await at.service.close_leg(at.id)

    run = bench(work)

    told = run.answer
    assert (told.resolved, told.code, told.filled) == (False, 2007, 10)
    assert told.reason == "filled 10 of 10: 90 are unhedged on kalshi now"
    assert run.tables["orders"][-1]["size"] == 10
    assert run.position["status"] == EXPOSED


def test_a_choice_that_the_book_fills_only_in_part_is_priced_for_that_part() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        at.show(KALSHI, {38: "10", 20: "500"}, {90: "500"})
        return {way.name: way for way in at.service.scenarios(at.id)}

    ways = bench(work).answer

    close = ways["close_leg"]
    assert (close.size, close.blocked, close.price) == (10, None, Decimal("0.38"))
    assert (close.pnl, close.fees) == (Decimal("-0.53292"), Decimal("0.16492"))
    assert close.detail == "sell 10 yes down to 0.38, as far as the book goes; 90 stay unhedged"
    assert ways["retry_leg"].size == 100


@pytest.mark.parametrize(
    ("there", "taken"), [("94", 94), ("96", 95), ("99.5", 95), ("100", 100)]
)
def test_closing_a_part_leaves_no_less_than_can_still_be_traded(there: str, taken: int) -> None:
    """Polymarket accepts five contracts at the least."""

    async def work(at: Bench) -> Resolution:
        await at.expose()
        at.show(KALSHI, {38: there}, {90: "500"})
        return await at.service.close_leg(at.id)

    assert bench(work).answer.filled == taken


def test_a_remainder_too_small_to_hedge_is_closed_as_far_as_the_book_goes() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(second="97")
        at.show(KALSHI, {38: "2"}, {90: "500"})
        return await at.service.close_leg(at.id)

    told = bench(work).answer

    assert (told.filled, told.position.imbalance, told.code) == (2, 1, 2007)


# The complement -----------------------------------------------------------------------------


@BOTH
def test_the_complement_locks_a_dollar_a_pair_on_the_platform_of_the_held_leg(
    held: Platform,
) -> None:
    async def work(at: Bench) -> tuple[Resolution, Any]:
        await at.expose(held)
        return await at.service.complement(at.id), list(at.engine.trades.all())

    run = bench(work, first=held)

    told, left = run.answer
    last = run.tables["orders"][-1]
    bought = {KALSHI: NO, POLYMARKET: YES}[held]
    assert (last["platform"], last["outcome"], last["side"]) == (held, bought, Side.BUY)
    assert (told.resolved, told.position.status, told.filled) == (True, CLOSED, 100)
    # Kalshi turns the pair into cash at once; on Polymarket it waits to be merged.
    assert bool(left[0].position.holding(held).pairs) is (held is POLYMARKET)
    spent = sum(o["fill_cost"] + o["fees"] for o in run.tables["orders"])
    assert near(told.realised_pnl, 100 - spent)


def test_a_complement_that_fills_in_part_leaves_the_rest_exposed() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(POLYMARKET)
        at.moved(POLYMARKET, {47: "500"}, {49: "30"})
        return await at.service.complement(at.id)

    told = bench(work, first=POLYMARKET).answer

    assert (told.filled, told.position.imbalance, told.code) == (30, -70, 2007)


# Remainders ---------------------------------------------------------------------------------


def test_a_remainder_too_small_to_hedge_is_closed_on_its_own_platform() -> None:
    """Polymarket accepts five contracts at the least; Kalshi a hundredth."""

    async def work(at: Bench) -> tuple[Resolution, Any, Resolution]:
        await at.expose(second="97")
        retried = await at.service.retry_leg(at.id, "0.53")
        return retried, at.orders()[-1].purpose, await at.service.close_leg(at.id)

    retried, last, told = bench(work).answer

    assert (retried.code, retried.order_id) == (2006, None)
    assert "smallest" in retried.reason
    assert last is not Purpose.UNWIND
    assert (told.resolved, told.filled, told.position.status) == (True, 3, OPEN)
    assert told.position.hedged == 97


def test_a_remainder_too_small_to_close_on_its_own_platform_is_hedged() -> None:
    async def work(at: Bench) -> tuple[Resolution, Resolution]:
        await at.expose(POLYMARKET, second="97")
        await settled(at, KALSHI)
        return await at.service.close_leg(at.id), await at.service.retry_leg(at.id, "0.45")

    closed, told = bench(work, first=POLYMARKET).answer

    assert (closed.code, closed.order_id) == (2007, None)
    assert "smallest" in closed.reason
    assert (told.resolved, told.filled, told.position.hedged) == (True, 3, 100)


# Events -------------------------------------------------------------------------------------


def test_an_exposure_that_a_retry_ended_is_reported_with_the_old_and_the_new_edge() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose()
        return await at.service.retry_leg(at.id, "0.54")

    run = bench(work)

    (event,) = said(run, "single_leg.resolved")
    assert event == {
        "position_id": run.position["position_id"],
        "pair_id": "cup",
        "resolution": "retried",
        "order_id": run.answer.order_id,
        "original_edge": "4.5727",
        "new_edge": str(run.answer.new_edge.normalize()),
        "retry_price": "0.53",
        "realised_pnl": None,
    }


def test_an_exposure_that_was_closed_is_reported_with_its_result() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose()
        return await at.service.close_leg(at.id)

    run = bench(work)

    (event,) = said(run, "single_leg.resolved")
    assert event["resolution"] == "closed"
    assert event["order_id"] == run.answer.order_id
    assert Decimal(event["realised_pnl"]) == run.answer.realised_pnl
    assert (event["new_edge"], event["retry_price"]) == (None, None)
    assert Decimal(event["original_edge"]) == Decimal("4.5727")


def test_a_position_closed_down_to_a_hedged_rest_has_a_new_edge_and_no_result_yet() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(second="40")
        return await at.service.close_leg(at.id)

    run = bench(work)

    (event,) = said(run, "single_leg.resolved")
    assert event["resolution"] == "closed"
    assert Decimal(event["new_edge"]) == run.answer.new_edge
    assert event["realised_pnl"] is None


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("0", "nothing of it was filled"),
        ("40", "only a part of it was filled"),
        ("97", "too small to hedge"),
    ],
)
def test_an_exposure_states_why_the_other_leg_is_short(second: str, reason: str) -> None:
    async def work(at: Bench) -> None:
        await at.expose(second=second)

    (event,) = said(bench(work), "single_leg.exposure")
    assert event["failed_leg"]["reason"] == reason


def test_a_reminder_prices_the_choices_at_current_books() -> None:
    async def work(at: Bench) -> None:
        await at.expose()
        for _ in range(14):
            await at.rest(5)
            at.usual(KALSHI)
            at.usual(POLYMARKET, bids={44: "500"})

    run = bench(work, "exposure.urgent_share=0")

    (first,) = said(run, "single_leg.exposure")
    (again,) = said(run, "single_leg.exposure_reminder")
    cost = {
        told["position_id"]: [s["price"] for s in told["scenarios"] if s["name"] == "retry_leg"]
        for told in (again,)
    }
    assert cost == {first["position_id"]: ["0.56"]}
    assert again["recommended_actions"][-1] == "hold"


def test_no_exposure_is_reported_as_resolved_while_something_is_left() -> None:
    async def work(at: Bench) -> None:
        await at.expose(POLYMARKET)
        at.show(KALSHI, {41: "5"}, {45: "99"})
        await at.service.retry_leg(at.id, "0.45")

    assert said(bench(work, first=POLYMARKET), "single_leg.resolved") == []


def test_a_pair_that_was_completed_at_a_loss_is_marked_so() -> None:
    async def work(at: Bench) -> Resolution:
        await at.expose(bids={39: "500"})
        return await at.service.retry_leg(at.id, "0.61")

    run = bench(work)

    assert run.answer.new_edge < 0
    assert run.position["completed_at_loss"] is True


# Rejections ---------------------------------------------------------------------------------


async def _refused(at: Bench) -> list[str]:
    found = []
    for way in (
        at.service.retry_leg(at.id, "0.53"),
        at.service.close_leg(at.id),
        at.service.complement(at.id),
    ):
        with pytest.raises(InvalidPositionState) as refused:
            await way
        assert refused.value.code == 2005
        found.append(refused.value.detail)
    return found


def test_a_hedged_position_cannot_be_retried_or_closed() -> None:
    async def work(at: Bench) -> list[str]:
        await at.expose()
        await at.service.retry_leg(at.id, "0.53")
        with pytest.raises(InvalidPositionState):
            at.service.scenarios(at.id)
        return await _refused(at)

    for detail in bench(work).answer:
        assert detail == "it must be SINGLE_LEG_EXPOSED or EXIT_PARTIAL"


def test_a_closed_position_cannot_be_retried_or_closed() -> None:
    async def work(at: Bench) -> None:
        position_id = await at.expose()
        await at.service.close_leg(position_id)
        with pytest.raises(InvalidPositionState):
            await at.service.retry_leg(position_id, "0.53")

    bench(work)


def test_nothing_is_sent_while_the_outcome_of_an_order_is_unknown() -> None:
    async def work(at: Bench) -> tuple[Resolution, list[str], int, Any]:
        await at.expose()
        at.fault(POLYMARKET, Fault.LOST_ANSWER)
        told = await at.service.retry_leg(at.id, "0.53")
        refused = await _refused(at)
        sent = len(at.orders())
        at.fault(POLYMARKET)
        await at.rest(20)
        return told, refused, sent, at.position

    told, refused, sent, after = bench(work).answer

    assert (told.resolved, told.code) == (False, 2003)
    assert told.scenarios == ()
    assert set(refused) == {"the outcome of an order of this position is unknown"}
    assert sent == ENTRY + 1
    assert (after.status, after.hedged) == (OPEN, 100)


def test_what_a_lost_answer_did_is_reported_once_it_is_known() -> None:
    async def work(at: Bench) -> None:
        await at.expose()
        at.fault(POLYMARKET, Fault.LOST_ANSWER)
        await at.service.retry_leg(at.id, "0.53")
        at.fault(POLYMARKET)
        await at.rest(20)

    run = bench(work)

    (event,) = said(run, "single_leg.resolved")
    assert (event["resolution"], event["retry_price"]) == ("retried", "0.53")


def test_two_people_at_once_send_one_order() -> None:
    async def work(at: Bench) -> tuple[Any, int]:
        await at.expose()
        told = await asyncio.gather(
            at.service.retry_leg(at.id, "0.53"),
            at.service.close_leg(at.id),
            return_exceptions=True,
        )
        return told, len(at.orders())

    (first, second), orders = bench(work).answer

    assert first.resolved
    assert isinstance(second, InvalidPositionState)
    assert orders == ENTRY + 1


# Partial exits ------------------------------------------------------------------------------


async def _half_out(at: Bench) -> None:
    """Sell 30 of the hedged YES, as an exit that got no further and was abandoned."""
    await at.engine.exiting.exits.drained()
    await at.expose()
    await at.service.retry_leg(at.id, "0.53")
    sale = Plan(
        KALSHI, YES, Side.SELL, Quantity(Decimal(30)), Price(Decimal("0.41")), Purpose.EXIT
    )
    await at.engine.trading.adjustments.carry(at.id, sale)
    assert at.position.status is PositionStatus.EXIT_PARTIAL
    await at.rest(SETTLED)
    at.usual(KALSHI)
    at.usual(POLYMARKET)


def test_a_partial_exit_is_hedged_again_by_a_retry() -> None:
    async def work(at: Bench) -> Resolution:
        await _half_out(at)
        return await at.service.retry_leg(at.id, "0.45")

    told = bench(work).answer

    assert (told.resolved, told.filled, told.position.status) == (True, 30, OPEN)
    assert told.position.hedged == 100


def test_a_partial_exit_is_balanced_by_closing_the_longer_leg() -> None:
    async def work(at: Bench) -> Resolution:
        await _half_out(at)
        return await at.service.close_leg(at.id)

    told = bench(work).answer

    assert (told.resolved, told.filled, told.position.status) == (True, 30, OPEN)
    assert told.position.hedged == 70


async def _told_before_and_after(at: Bench) -> list[int]:
    """Count the reported exposures: before a lost answer is queried, and after it."""
    seen = []
    for wait in (1, 20):
        await at.rest(wait)
        seen.append(at.engine.committer.counts[SingleLegExposure.wire])
        at.fault(POLYMARKET)
    return seen


@pytest.mark.parametrize(("there", "alone"), [("40", "60"), ("0", "100")])
def test_what_a_lost_answer_left_of_an_exit_is_reported_as_soon_as_it_is_known(
    there: str, alone: str
) -> None:
    """The position stays EXIT_PARTIAL: only the outcome of its order can trigger the report."""

    async def work(at: Bench) -> list[int]:
        await at.engine.exiting.exits.drained()
        at.execute(second="100")
        await at.rest(SETTLED)
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        size, exits = Quantity(Decimal(100)), Purpose.EXIT
        first = Plan(KALSHI, YES, Side.SELL, size, Price(Decimal("0.41")), exits)
        second = Plan(POLYMARKET, NO, Side.SELL, size, Price(Decimal("0.51")), exits)
        async with at.engine.trades.lock(at.id):
            await at.engine.trading.adjustments.carry(at.id, first)
            at.moved(POLYMARKET, {47: "500"}, {49: there} if there != "0" else NOBODY)
            at.fault(POLYMARKET, Fault.LOST_ANSWER)
            await at.engine.trading.adjustments.carry(at.id, second)
        assert at.held.unknown
        seen = await _told_before_and_after(at)
        assert at.position.status is PositionStatus.EXIT_PARTIAL
        return seen

    run = bench(work)

    (event,) = said(run, "single_leg.exposure")
    assert run.answer == [0, 1]
    assert (event["failed_leg"]["code"], event["exposed_quantity"]) == (2008, alone)


def test_an_order_that_fills_once_the_position_is_balanced_is_reported_as_an_exposure() -> None:
    """The imbalance may have resolved itself while the order's outcome was unknown."""

    async def work(at: Bench) -> list[int]:
        at.execute(second="100")
        await at.rest(SETTLED)
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        size, limit = Quantity(Decimal(20)), Price(Decimal("0.53"))
        again = Plan(POLYMARKET, NO, Side.BUY, size, limit, Purpose.HEDGE)
        async with at.engine.trades.lock(at.id):
            at.fault(POLYMARKET, Fault.LOST_ANSWER)
            await at.engine.trading.adjustments.carry(at.id, again)
        assert (at.held.unknown, at.position.status) == (True, PositionStatus.OPEN)
        seen = await _told_before_and_after(at)
        assert at.position.status is PositionStatus.SINGLE_LEG_EXPOSED
        return seen

    run = bench(work)

    (event,) = said(run, "single_leg.exposure")
    assert run.answer == [0, 1]
    assert (event["failed_leg"]["platform"], event["exposed_quantity"]) == ("kalshi", "20")


# The automatic policy -----------------------------------------------------------------------

UNWIND = "execution.auto_policy=unwind"
COMPLETE = "execution.auto_policy=complete_then_unwind"
SLOW = "paper.latency_ms=100"
"""The first leg fills after 0.1 s, the second fails after 0.2, and the policy acts at once."""
AT_ONCE = "exposure.patience_seconds=0"
"""Whatever is best is taken, whatever it loses."""


def _sent(run: Ended) -> list[tuple[Any, ...]]:
    """Return what the policy sent, oldest first: platform, purpose and contracts filled."""
    later = run.tables["orders"][ENTRY:]
    return [(o["platform"], o["purpose"], o["fill_size"]) for o in later]


def _left_alone(*, then: dict[int, str] = NOBODY, seen: bool = False) -> Any:
    """Return work that leaves an exposure to the policy; `then`: bids where it would hedge.

    `seen`: The engine is shown in the end that there are no more of them.
    """

    async def work(at: Bench) -> None:
        at.execute()
        await at.rest(0.25)
        at.moved(POLYMARKET, then, {49: "500"})
        await at.rest(1)
        if seen:
            at.show(POLYMARKET, NOBODY, {49: "500"})
            await at.rest(1)

    return work


def test_with_the_policy_off_nothing_is_sent() -> None:
    run = bench(_left_alone(then={47: "500"}), SLOW)

    assert run.position["status"] == EXPOSED
    assert _sent(run) == []


def test_unwinding_closes_the_unhedged_leg_at_once() -> None:
    run = bench(_left_alone(then={47: "500"}), UNWIND, AT_ONCE, SLOW)

    assert run.position["status"] == CLOSED
    assert _sent(run) == [(KALSHI, "unwind", 100)]


def test_an_exposure_that_can_be_completed_within_the_budget_is_completed() -> None:
    run = bench(_left_alone(then={47: "500"}), COMPLETE, SLOW)

    assert run.position["status"] == OPEN
    assert _sent(run) == [(POLYMARKET, "hedge", 100)]


def test_an_exposure_that_could_not_be_completed_is_unwound() -> None:
    run = bench(_left_alone(seen=True), COMPLETE, AT_ONCE, SLOW)

    assert run.position["status"] == CLOSED
    assert _sent(run) == [(POLYMARKET, "hedge", 0), (KALSHI, "unwind", 100)]


def test_an_exposure_that_was_completed_in_part_is_unwound_for_the_rest() -> None:
    run = bench(_left_alone(then={47: "30"}, seen=True), COMPLETE, AT_ONCE, SLOW)

    assert (run.position["status"], run.position["kalshi_size"]) == (OPEN, 30)
    assert [each for each in _sent(run) if each[2]] == [
        (POLYMARKET, "hedge", 30),
        (KALSHI, "unwind", 70),
    ]


def test_an_exposure_that_the_books_can_resolve_only_in_part_is_resolved_in_part() -> None:
    """Thirty are offered to complete, and forty are bid for the rest of a hundred."""

    async def work(at: Bench) -> None:
        at.execute()
        await at.rest(0.15)
        at.show(KALSHI, {40: "40"}, {60: "500"})
        at.show(POLYMARKET, {47: "30"}, {49: "500"})
        at.moved(POLYMARKET, NOBODY, {49: "500"})
        await at.rest(0.1)
        at.moved(KALSHI, {40: "40"}, {60: "500"})
        at.moved(POLYMARKET, {47: "30"}, {49: "500"})
        await at.rest(1)

    run = bench(work, COMPLETE, AT_ONCE, SLOW)

    assert _sent(run) == [(POLYMARKET, "hedge", 30), (KALSHI, "unwind", 40)]
    assert _tried(run) == [("retry_leg", True), ("close_leg", True), ("hold", False)]
    assert run.position["status"] == EXPOSED
    assert (run.position["kalshi_size"], run.position["polymarket_size"]) == (60, 30)


@pytest.mark.parametrize(
    ("budget", "sent"),
    [("0.05", []), ("0.06", [(KALSHI, "unwind", 100)])],
)
def test_at_first_no_remedy_loses_more_than_the_rescue_budget(budget: str, sent: Any) -> None:
    """A NO at 64 cents loses 6.4 cents a contract with fees, the sale at 38 cents 5.4."""

    async def work(at: Bench) -> None:
        at.execute()
        await at.rest(0.15)
        at.show(POLYMARKET, {36: "500"}, {38: "500"})
        at.moved(POLYMARKET, NOBODY, {38: "500"})
        await at.rest(0.1)
        at.moved(POLYMARKET, {36: "500"}, {38: "500"})
        await at.rest(1)

    run = bench(work, COMPLETE, SLOW, f"execution.rescue_limit={budget}")

    assert _sent(run) == sent


def test_the_engine_works_on_an_exposure_for_as_long_as_there_is_one() -> None:
    async def work(at: Bench) -> None:
        at.execute()
        await at.rest(0.15)
        at.show(KALSHI, NOBODY, NOBODY)
        at.moved(POLYMARKET, NOBODY, NOBODY)
        await at.rest(1)
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        at.service.exposed(at.id)
        await at.rest(1)

    run = bench(work, COMPLETE, SLOW)

    assert run.position["status"] == OPEN
    assert _sent(run) == [(POLYMARKET, "hedge", 0), (POLYMARKET, "hedge", 100)]


def test_an_exposure_that_opens_again_counts_as_a_new_one() -> None:
    """Each hedge is matched, and fails to settle four seconds later."""

    async def work(at: Bench) -> None:
        at.fault(POLYMARKET, Fault.FAILED_FILL)
        at.execute(second="100")
        for _ in range(3):
            await at.rest(3)
            at.usual(KALSHI)
            at.show(POLYMARKET, {47: "500"}, {49: "500"})
            await at.rest(2)
        at.fault(POLYMARKET)

    run = bench(work, COMPLETE)

    hedges = [each for each in _sent(run) if each[1] == "hedge"]
    assert len(hedges) >= 2
    assert len(run.events("execution.fill.failed")) == 3
    assert len(said(run, "single_leg.resolved")) >= 2
    assert run.position["status"] == OPEN
    assert run.position["polymarket_size"] == 100


def test_a_fill_that_fails_after_the_close_leaves_an_exposure_that_the_policy_resolves() -> (
    None
):
    """Both legs were sold; Polymarket takes its sale back, and a hundred shares are there."""

    async def work(at: Bench) -> list[PositionStatus]:
        at.execute(second="100")
        await at.rest(SETTLED)
        position_id, seen = at.id, []
        at.fault(POLYMARKET, Fault.FAILED_FILL)
        at.show(POLYMARKET, {43: "500"}, {45: "500"})
        at.show(KALSHI, {60: "500"}, {62: "500"})
        await at.rest(1)
        seen.append(at.engine.trades.of(position_id).position.status)
        await at.rest(SETTLED - 1.5)
        at.fault(POLYMARKET)
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        await at.rest(SETTLED)
        return [*seen, at.engine.trades.of(position_id).position.status]

    run = bench(work, UNWIND, AT_ONCE)

    assert run.answer == [CLOSED, CLOSED]
    assert len(run.events("execution.fill.failed")) == 1
    assert _tried(run) == [("close_leg", True)]
    assert _sent(run)[-1][1] == "unwind"


def test_the_policy_waits_while_an_outcome_is_unknown_and_then_goes_on() -> None:
    async def work(at: Bench) -> tuple[int, PositionStatus]:
        at.execute()
        await at.rest(0.25)
        at.fault(POLYMARKET, Fault.LOST_ANSWER)
        await at.rest(3)
        at.service.exposed(at.id)
        await at.rest(1)
        sent, status = len(at.orders()), at.position.status
        at.fault(POLYMARKET)
        at.usual(KALSHI)
        at.show(POLYMARKET, NOBODY, {49: "500"})
        await at.rest(20)
        return sent, status

    run = bench(work, COMPLETE, AT_ONCE, SLOW)

    assert run.answer == (ENTRY + 1, EXPOSED)
    assert _sent(run) == [(POLYMARKET, "hedge", 0), (KALSHI, "unwind", 100)]


# The policy across restarts ------------------------------------------------------------------


def _at_the_exposure(batch: Batch) -> When | None:
    told = any(isinstance(event, SingleLegExposure) for event in batch.events)
    return When.AFTER if told else None


def _at_the_step(batch: Batch) -> When | None:
    told = any(isinstance(event, PolicyTried) for event in batch.events)
    return When.AFTER if told else None


def _died(policy: str, dies: Callable[[Batch], When | None]) -> Left:
    with pytest.raises(Died) as died:
        bench(_left_alone(), policy, AT_ONCE, SLOW, dies=dies)
    return died.value.left


async def _books(at: Bench) -> None:
    """Show both books a while after the start, and let the engine work."""
    await at.rest(5)
    at.usual(KALSHI)
    at.usual(POLYMARKET)
    await at.rest(5)


def _tried(run: Ended) -> list[tuple[str, bool]]:
    """Return what the policy tried, oldest first, and whether it sent an order."""
    steps = said(run, "single_leg.policy_tried")
    return [(each["step"], each["reason"] is None) for each in steps]


def test_an_exposure_that_a_crash_left_is_acted_on_once_there_are_books() -> None:
    left = _died(COMPLETE, _at_the_exposure)

    run = bench(_books, COMPLETE, after=left)

    assert _tried(run)[-1] == ("retry_leg", True)
    assert _sent(run) == [(POLYMARKET, "hedge", 100)]
    assert run.position["status"] == OPEN


def test_an_order_that_a_crash_left_is_asked_about_before_another_one_is_sent() -> None:
    left = _died(UNWIND, _at_the_step)

    run = bench(_books, UNWIND, AT_ONCE, after=left)
    later = bench(_books, UNWIND, AT_ONCE, after=run.left)

    assert _tried(later) == [("close_leg", True)] * 2
    assert [filled for _, _, filled in _sent(later)] == [0, 100]
    asked = [row["name"] for row in later.tables["audit_log"]].index
    assert asked("execution.order.outcome_unknown") < asked("execution.single_leg.resolved")


def test_without_books_an_exposure_is_left_to_the_start_after_the_next() -> None:
    left = _died(UNWIND, _at_the_exposure)

    blind = bench(lambda at: at.rest(5), UNWIND, AT_ONCE, after=left)
    run = bench(_books, UNWIND, AT_ONCE, after=blind.left)

    assert _tried(blind) == []
    assert _tried(run) == [("close_leg", True)]
    assert run.position["status"] == CLOSED


def test_an_engine_acts_after_a_minute_although_one_platform_shows_no_book() -> None:
    async def work(at: Bench) -> list[int]:
        seen = []
        for wait in (50, 12):
            await at.rest(wait)
            at.usual(KALSHI)
            await at.rest(2)
            seen.append(len(at.engine.trades.positions))
        return seen

    left = _died(COMPLETE, _at_the_exposure)

    run = bench(work, COMPLETE, AT_ONCE, after=left)

    assert run.answer == [1, 0]
    assert _tried(run) == [("close_leg", True)]


def test_the_reason_why_the_policy_sent_nothing_is_reported() -> None:
    async def work(at: Bench) -> None:
        at.execute()
        await at.rest(0.15)
        at.show(KALSHI, NOBODY, NOBODY)
        at.show(POLYMARKET, {36: "500"}, {38: "500"})
        at.moved(POLYMARKET, NOBODY, NOBODY)
        await at.rest(1)

    run = bench(work, COMPLETE, SLOW)

    told = [each["reason"] for each in said(run, "single_leg.policy_tried")]
    (reason,) = told
    assert reason == (
        "buy 100 no up to 0.64 would lose 6.3712 dollars,"
        " more than may be lost in the next 60 seconds"
    )


def _between_the_legs(batch: Batch) -> When | None:
    filled = any(isinstance(event, OrderFilled) for event in batch.events)
    opened = any(write.table == "open_positions" for write in batch.writes)
    return When.AFTER if filled and not opened else None


def test_a_position_made_at_a_start_has_the_name_that_its_fills_were_reported_with() -> None:
    with pytest.raises(Died) as died:
        bench(_left_alone(), SLOW, dies=_between_the_legs)

    run = bench(_books, after=died.value.left)

    named = {each["position_id"] for each in said(run, "order.filled")}
    assert named == {run.position["position_id"]}
    assert {row["position_id"] for row in run.tables["orders"]} == named


# The stop -------------------------------------------------------------------------------------


def test_the_stop_of_an_unhedged_leg_compares_with_the_book_that_exposed_it() -> None:
    """Bought at 40 cents with a bid of 38; the next message was the crash to 3."""

    async def work(at: Bench) -> None:
        at.execute()
        await at.rest()
        at.show(KALSHI, {3: "500"}, {5: "500"})
        await at.rest(60)

    run = bench(work)

    (marked,) = (json.loads(row["payload"]) for row in run.events("execution.exit.marked"))
    assert not marked["hedged"]
    assert Decimal("-0.06") < Decimal(marked["mark"]) < 0
    rules = [json.loads(r["payload"])["rule"] for r in run.events("execution.exit.triggered")]
    assert rules[:1] == ["stop_loss"]
