"""A whole comparison: what is found, repaired and asked, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.examined import differs
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    FOUR,
    GRACE,
    TEN,
    account,
    found,
    local,
    order,
    report,
)

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.compare import Comparison, compare
from dutchbook.domain.reconciliation.findings import (
    AcknowledgeOrder,
    AskAgain,
    BookCash,
    BookFill,
    Discrepancy,
    DiscrepancyType,
    EndOrder,
    Involvement,
    SettleFill,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    ListedCash,
    ListedContracts,
    NamedCash,
    PlatformState,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
KIND, PERSON = DiscrepancyType, Involvement
LATE, BUSY = Unavailable("timed out"), Unavailable("busy")


def unavailable(
    platform: Platform, orders: list[str], reasons: list[str], lists: list[str]
) -> Discrepancy:
    return Discrepancy(
        kind=KIND.PLATFORM_UNAVAILABLE,
        platform=platform,
        subject=platform.value,
        ours={"orders": orders},
        theirs={"reasons": reasons, "lists": lists},
        recommended_action="none: it is asked again",
        involvement=PERSON.NOTIFIED,
    )


def test_two_states_that_agree_need_nothing() -> None:
    ours = local("working")
    statement = Statement({"polymarket-order": found(POLY, NOTHING, TEN)})

    compared = compare(ours, PlatformState(NOW, {POLY: statement, KALSHI: Statement()}), GRACE)

    assert compared == Comparison((), (), ())


def test_a_platform_without_answers_is_one_discrepancy_with_all_orders_reasons_and_lists() -> (
    None
):
    orders = tuple(
        OurOrder(order(platform, order_id=name), account(platform))
        for platform, name in ((POLY, "p1"), (POLY, "p2"), (POLY, "p3"), (KALSHI, "k1"))
    )
    theirs = PlatformState(
        NOW,
        {
            POLY: Statement({"p1": LATE, "p2": BUSY, "p3": LATE}, orders=LATE),
            KALSHI: Statement({"k1": found(KALSHI, NOTHING, TEN)}, positions=BUSY),
        },
    )

    compared = compare(OurState(orders), theirs, GRACE)

    assert compared == Comparison(
        discrepancies=(
            unavailable(KALSHI, [], [], ["positions"]),
            unavailable(POLY, ["p1", "p2", "p3"], ["timed out", "busy"], ["orders"]),
        ),
        repairs=(AcknowledgeOrder("k1", "kalshi-7", TEN),),
        questions=(
            AskAgain(POLY, "p1"),
            AskAgain(POLY, "p2"),
            AskAgain(POLY, "p3"),
            AskAgain(KALSHI, "positions"),
            AskAgain(POLY, "orders"),
        ),
    )


def test_a_platform_that_was_not_reached_lacks_its_lists_and_its_answers() -> None:
    orders = (OurOrder(order(), account(POLY)),)

    compared = compare(OurState(orders), PlatformState(NOW, {KALSHI: Statement()}), GRACE)

    assert compared.discrepancies == (
        unavailable(POLY, ["polymarket-order"], ["not asked"], ["fills", "orders"]),
    )
    assert compared.repairs == ()


def test_lists_are_compared_after_the_repairs_and_repairs_come_in_the_order_of_booking() -> (
    None
):
    ours = local("intent")
    mine = ours.orders[1]
    movement = NamedCash("m1", EntryKind.REWARD, account(POLY), Money(Decimal(3)), NOW)
    trades = (report("t1", TEN, Finality.SETTLED),)
    statement = Statement(
        {"polymarket-order": found(POLY, TEN, NOTHING)},
        trades,
        positions=ListedContracts(NOW, {("polymarket-cup", Outcome.NO): TEN}),
        balances={account(POLY): ListedCash(NOW, Money(Decimal(98) - CENT))},
        movements=(movement,),
    )

    compared = compare(ours, PlatformState(NOW, {POLY: statement, KALSHI: Statement()}), GRACE)

    filled = differs(
        mine,
        KIND.PENDING_FILLED,
        {
            "filled": "10",
            "fills": [
                {
                    "trade_id": "t1",
                    "price": "0.5",
                    "size": "10",
                    "fee": "0.01",
                    "finality": "settled",
                }
            ],
        },
        "none: it is entered",
        PERSON.NONE,
        repaired=True,
    )
    assert compared == Comparison(
        (filled,),
        (
            BookCash(movement),
            BookFill("polymarket-order", mine.fill_of(trades[0])),
            EndOrder("polymarket-order", "polymarket-7"),
        ),
        (),
    )


def test_differences_of_orders_come_before_those_of_lists_and_each_is_found_once() -> None:
    ours = local("working")
    held = replace(ours, orders=(ours.orders[1],))
    statement = Statement(
        {"polymarket-order": found(POLY, NOTHING, NOTHING)},
        positions=ListedContracts(NOW, {("polymarket-cup", Outcome.NO): FOUR}),
    )
    theirs = PlatformState(NOW, {POLY: statement, KALSHI: Statement()})

    compared = compare(held, theirs, GRACE)

    assert [each.kind for each in compared.discrepancies] == [
        KIND.ORDER_STATUS_MISMATCH,
        KIND.POSITION_MISMATCH,
    ]
    assert compared.questions == (AskAgain(POLY, "positions"),)


@pytest.mark.parametrize(
    ("status", "involvement"),
    [
        (PositionStatus.CLOSED, PERSON.DECIDES),
        (PositionStatus.RECONCILIATION_REQUIRED, PERSON.NOTIFIED),
    ],
)
def test_a_failed_fill_of_a_closed_position_is_a_persons(
    status: PositionStatus, involvement: Involvement
) -> None:
    ours = local("partly filled")
    ours = replace(ours, positions=(replace(ours.positions[0], status=status),))
    answers = {"polymarket-order": found(POLY, FOUR, Decimal(6))}
    failed = (report("t1", FOUR, Finality.FAILED),)
    theirs = PlatformState(NOW, {POLY: Statement(answers, failed), KALSHI: Statement()})

    compared = compare(ours, theirs, GRACE)

    assert [(each.kind, each.involvement) for each in compared.discrepancies] == [
        (KIND.FILL_FAILED, involvement)
    ]


def test_an_order_without_a_position_is_compared_too() -> None:
    mine = OurOrder(order(side=Side.SELL), account(POLY))
    answers = {"polymarket-order": found(POLY, NOTHING, TEN)}
    theirs = PlatformState(NOW, {POLY: Statement(answers), KALSHI: Statement()})

    compared = compare(OurState((mine,)), theirs, GRACE)

    assert compared.repairs == (AcknowledgeOrder("polymarket-order", "polymarket-7", TEN),)


@pytest.mark.parametrize(
    ("grace", "involvement"),
    [(timedelta(minutes=5), PERSON.DECIDES), (timedelta(minutes=6), PERSON.NOTIFIED)],
)
def test_a_difference_is_a_persons_after_the_grace_that_is_given(
    grace: timedelta, involvement: Involvement
) -> None:
    ours = local("working")
    key = "order_status_mismatch:polymarket:polymarket-order:position-1"
    ours = replace(ours, doubted={key: NOW - timedelta(minutes=5)})
    ours = replace(ours, orders=(replace(ours.orders[1], order=ours.orders[1].order.ended()),))
    answers = {"polymarket-order": found(POLY, NOTHING, TEN)}
    theirs = PlatformState(NOW, {POLY: Statement(answers), KALSHI: Statement()})

    (only,) = compare(ours, theirs, grace).discrepancies

    assert (only.key, only.involvement) == (key, involvement)


def test_a_fill_that_became_final_is_a_repair_and_no_discrepancy() -> None:
    ours = local("partly filled")
    answers = {"polymarket-order": found(POLY, FOUR, Decimal(6))}
    trades = (report("t1", FOUR, Finality.SETTLED),)
    theirs = PlatformState(NOW, {POLY: Statement(answers, trades), KALSHI: Statement()})

    fill = ours.orders[1].fills[0]
    assert compare(ours, theirs, GRACE) == Comparison(
        (), (SettleFill("polymarket-order", fill),), ()
    )
