"""Repairs of our state, and what our state says of an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.examined import ORDER, ours
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    FOUR,
    SENT,
    SIX,
    TEN,
    account,
    local,
    order,
)

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Fill, Finality, Totals, Unlisted
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.reconciliation.findings import (
    AcknowledgeOrder,
    BookCash,
    BookFill,
    DropStated,
    EndOrder,
    FailFill,
    GiveUpOrder,
    RefuseOrder,
    Repair,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
    OurState,
    cash_effect,
    live,
    size_effect,
)
from dutchbook.domain.reconciliation.platform_state import (
    NamedCash,
)
from dutchbook.domain.reconciliation.repairs import (
    OrderRepair,
    in_order,
    order_after,
    totals_after,
)
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
PROVISIONAL, SETTLED, FAILED = Finality.PROVISIONAL, Finality.SETTLED, Finality.FAILED
SECOND = timedelta(seconds=1)
HALF = Quantity(Decimal("0.5"))
T1 = ours("partly filled").fills[0]
T2 = ours("filled").fills[1]
T0 = replace(T2, trade_id="t0")
TOTALS = Totals(SIX, Money(Decimal(3)), CENT)


# Repairs
# -----------------------------------------------------------------------------------------


def test_repairs_are_applied_additions_first() -> None:
    movement = NamedCash("m", EntryKind.INTEREST, account(POLY), CENT, NOW)
    expected: tuple[Repair, ...] = (
        BookCash(movement),
        BookFill(ORDER, T1),
        StateTotals(ORDER, TOTALS),
        SettleFill(ORDER, T1),
        DropStated(ORDER),
        FailFill(ORDER, T1),
        AcknowledgeOrder(ORDER, "p", SIX),
        EndOrder(ORDER, "p"),
        RefuseOrder(ORDER, "bad"),
        GiveUpOrder(ORDER),
    )

    assert in_order(reversed(expected)) == expected
    assert in_order((GiveUpOrder("b"), GiveUpOrder("a"))) == (
        GiveUpOrder("b"),
        GiveUpOrder("a"),
    )


WORKING, PARTLY, FILLED = (ours(each) for each in ("working", "partly filled", "filled"))
STATED = ours("working", stated=FOUR, filled=FOUR, stated_cost=CENT, cost=CENT)


@pytest.mark.parametrize(
    ("before", "repair", "order_", "fills"),
    [
        (PARTLY, BookFill(ORDER, T0), PARTLY.order.with_fill(T0), (T0, T1)),
        (
            FILLED,
            SettleFill(ORDER, T2),
            FILLED.order,
            (T1, replace(T2, finality=SETTLED)),
        ),
        (
            FILLED,
            FailFill(ORDER, T1),
            FILLED.order.without_fill(T1),
            (replace(T1, finality=FAILED), T2),
        ),
        (
            PARTLY,
            StateTotals(ORDER, TOTALS),
            PARTLY.order.with_totals(TOTALS, (T1,)),
            (T1,),
        ),
        (STATED, DropStated(ORDER), STATED.order.without_stated(), ()),
        (
            WORKING,
            AcknowledgeOrder(ORDER, "p-1", SIX),
            WORKING.order.acknowledged("p-1", SIX),
            (),
        ),
        (WORKING, EndOrder(ORDER, "p-1"), WORKING.order.acknowledged("p-1", NOTHING), ()),
        (WORKING, EndOrder(ORDER, None), WORKING.order.ended(), ()),
        (WORKING, RefuseOrder(ORDER, "bad"), WORKING.order.refused("bad"), ()),
        (WORKING, GiveUpOrder(ORDER), WORKING.order.ended(), ()),
    ],
)
def test_an_order_after_each_repair(
    before: OurOrder, repair: OrderRepair, order_: object, fills: tuple[Fill, ...]
) -> None:
    after = order_after(before, repair)

    assert (after.order, after.fills) == (order_, fills)
    assert (after.account, after.position_id) == (before.account, before.position_id)


def test_repairs_change_orders_contracts_cash_and_what_is_booked() -> None:
    before = local("partly filled")
    before = replace(before, booked=frozenset({(KALSHI, "m0")}))
    mine = before.orders[1]
    movement = NamedCash("m1", EntryKind.REWARD, account(KALSHI), Money(Decimal(3)), NOW)
    first = NamedCash("m2", EntryKind.REWARD, account(POLY), Money(Decimal(2)), NOW)
    more = replace(T2, price=Price(Decimal("0.25")))

    after = totals_after(
        before,
        (
            BookCash(movement),
            BookCash(first),
            BookFill(ORDER, more),
            FailFill(ORDER, T1),
        ),
    )

    assert after == replace(
        before,
        orders=(
            before.orders[0],
            order_after(order_after(mine, BookFill(ORDER, more)), FailFill(ORDER, T1)),
        ),
        contracts={
            (KALSHI, "kalshi-cup", Outcome.YES): TEN,
            (POLY, "polymarket-cup", Outcome.NO): SIX,
        },
        cash={
            account(KALSHI): Decimal("97.99"),
            account(POLY): Decimal("100.49"),
        },
        booked=frozenset({(KALSHI, "m0"), (KALSHI, "m1"), (POLY, "m2")}),
    )
    assert before.contracts[POLY, "polymarket-cup", Outcome.NO] == FOUR


def test_contracts_and_cash_that_were_not_held_before_start_at_nothing() -> None:
    mine = ours("working")
    sale = replace(mine, order=replace(mine.order, side=Side.SELL))

    after = totals_after(
        OurState((sale,)), (BookFill(ORDER, replace(T1, side=Side.SELL)), GiveUpOrder(ORDER))
    )

    assert after.contracts == {(POLY, "polymarket-cup", Outcome.NO): Decimal(-4)}
    assert after.cash == {account(POLY): Decimal("1.99")}


def test_a_repair_without_an_effect_lists_no_contracts_and_no_cash() -> None:
    after = totals_after(OurState((ours("working"),)), (GiveUpOrder(ORDER),))

    assert (after.contracts, after.cash) == ({}, {})
    assert after.orders == (order_after(ours("working"), GiveUpOrder(ORDER)),)


def test_a_stated_total_counts_as_contracts_and_cash() -> None:
    after = totals_after(OurState((ours("working"),)), (StateTotals(ORDER, TOTALS),))

    assert after.contracts == {(POLY, "polymarket-cup", Outcome.NO): SIX}
    assert after.cash == {account(POLY): Decimal("-3.01")}


def test_cash_changes_even_if_the_contracts_do_not() -> None:
    """A trade that replaces what was stated, of the same size at another price."""
    stated = ours("working", stated=FOUR, filled=FOUR, stated_cost=CENT, cost=CENT)

    after = totals_after(OurState((stated,)), (BookFill(ORDER, T1),))

    assert after.contracts == {(POLY, "polymarket-cup", Outcome.NO): NOTHING}
    assert after.cash == {account(POLY): Decimal(-2)}


# Our state
# ---------------------------------------------------------------------------------------


def test_a_buy_takes_cash_and_its_fee_and_a_sale_brings_cash_less_its_fee() -> None:
    sale = replace(T1, side=Side.SELL)

    assert (cash_effect(T1), size_effect(T1)) == (Decimal("-2.01"), FOUR)
    assert (cash_effect(sale), size_effect(sale)) == (Decimal("1.99"), Decimal(-4))


def test_fills_that_have_failed_do_not_count_and_what_is_stated_does() -> None:
    gone = replace(T2, finality=FAILED)
    stated = order(stated=SIX, stated_cost=Money(Decimal(3)), stated_fees=CENT)

    assert live((T1, gone)) == (T1,)
    assert OurOrder(order(), account(POLY), (T1, gone)).counted == (T1,)
    assert OurOrder(stated, account(POLY), (T1, gone)).counted == (
        T1,
        Unlisted(ORDER, POLY, Outcome.NO, Side.BUY, SIX, Money(Decimal(3)), CENT, SENT),
    )


@pytest.mark.parametrize(
    ("facts", "fills", "awaiting", "unresolved"),
    [
        ({}, (), True, True),
        ({"working_size": HALF}, (), True, True),
        ({"working_size": NOTHING}, (), False, False),
        ({"reported": True}, (), False, True),
        ({"reported": True, "working_size": HALF}, (), False, True),
        ({"reported": True, "working_size": NOTHING}, (), False, False),
        ({"reported": True, "working_size": NOTHING, "stated": HALF}, (), False, True),
        ({"working_size": NOTHING, "outcome_unknown_since": SENT}, (), True, True),
        ({"reported": True, "outcome_unknown_since": SENT}, (), True, True),
        ({"working_size": NOTHING}, (PROVISIONAL,), False, True),
        ({"working_size": NOTHING}, (SETTLED, FAILED), False, False),
    ],
)
def test_an_order_can_change_while_it_waits_works_is_stated_or_has_a_provisional_fill(
    facts: dict[str, Any],
    fills: tuple[Finality, ...],
    *,
    awaiting: bool,
    unresolved: bool,
) -> None:
    recorded = tuple(replace(T1, finality=each) for each in fills)
    mine = OurOrder(order(**facts), account(POLY), recorded)

    assert (mine.awaiting, mine.unresolved) == (awaiting, unresolved)


@pytest.mark.parametrize(
    ("unknown", "matched", "newest"),
    [
        (None, (), SENT),
        (None, (SENT + SECOND, SENT + 2 * SECOND, SENT), SENT + 2 * SECOND),
        (SENT + 3 * SECOND, (SENT + SECOND,), SENT + 3 * SECOND),
        (SENT - SECOND, (SENT - SECOND,), SENT),
    ],
)
def test_the_newest_change_is_the_send_a_fill_or_the_doubt_whichever_is_last(
    unknown: datetime | None, matched: tuple[datetime, ...], newest: datetime
) -> None:
    fills = tuple(replace(T1, matched_at=each) for each in matched)

    mine = OurOrder(order(outcome_unknown_since=unknown), account(POLY), fills)

    assert mine.newest == newest


def test_orders_are_chosen_by_platform() -> None:
    state = local("working")

    assert state.on(KALSHI) == state.orders[:1]
    assert state.on(POLY) == state.orders[1:]
