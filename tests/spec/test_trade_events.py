"""What is told of a pair trade: each event with every fact of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import ENTRY, KALSHI, NO, POLYMARKET, RETRY, SALE, YES, P, fill, q, usd

from dutchbook.domain.events import (
    BudgetCommitted,
    BudgetReleased,
    BudgetReserved,
    Event,
    ExecutionFailed,
    FailedLeg,
    FillFailed,
    FillListed,
    FillSettled,
    LegSettled,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderPlaced,
    PairsMerged,
    PositionClosed,
    PositionMoved,
    PositionOpened,
    PositionSettled,
    SingleLegResolved,
    Stamp,
)
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Unlisted
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.pair_trades import events
from dutchbook.domain.pair_trades.events import Exposed
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Price

STAMP = Stamp("", datetime(1970, 1, 1, tzinfo=UTC), "e")
OPEN, EXPOSED = PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED
HALF_OUT, CLOSED = PositionStatus.EXIT_PARTIAL, PositionStatus.CLOSED
DOUBTED = PositionStatus.RECONCILIATION_REQUIRED
OPENED = OpenPosition(
    position_id="position",
    pair_id="cup",
    execution_id="e",
    kalshi=Holding(YES, "k", q(10), usd(4), usd("0.02"), cash=usd("-4.02")),
    polymarket=Holding(NO, "p", q(8), usd("4.4"), usd("0.03"), cash=usd("-4.43")),
    expected_edge=usd("0.9"),
    divergence_reserve=usd("0.25"),
    status=OPEN,
    opened_at=NOW,
)
OVER = replace(OPENED, status=CLOSED, divergence_pnl=usd("-0.1"), polymarket=Holding(NO))


def price(number: str) -> Price:
    return Price(Decimal(number))


# Orders
# ------------------------------------------------------------------------------------


def test_an_order_is_announced_with_its_terms() -> None:
    assert events.placed(SALE) == OrderPlaced(
        STAMP, "s", "e", "cup", KALSHI, Side.SELL, YES, price("0.45"), q(10)
    )


def test_an_order_that_filled_nothing_is_told_with_its_reason() -> None:
    assert events.failed(P, 2001, "too thin") == ExecutionFailed(
        STAMP, "e", "cup", "p", POLYMARKET, 2001, "too thin"
    )


def test_an_order_whose_outcome_is_unknown_is_told_with_the_reason() -> None:
    assert events.unknown(P, "no answer") == OrderOutcomeUnknown(
        STAMP, "p", "e", POLYMARKET, "no answer"
    )


def filled(size: str | int, fee: str, at: str = "0.50") -> OrderFilled:
    """Return the event of contracts of the order `p`."""
    side, asked = Side.BUY, price("0.50")
    terms = (asked, q(10), Decimal(at), q(size), usd(fee), "position")
    return OrderFilled(STAMP, "p", "cup", POLYMARKET, side, NO, *terms)


def listed(name: str, size: int, fee: str = "0.02") -> FillListed:
    return FillListed(STAMP, name, "p", POLYMARKET, q(size), price("0.50"), usd(fee))


def stating(size: int, cost: str = "0", fees: str = "0") -> Order:
    return replace(P, stated=q(size), stated_cost=usd(cost), stated_fees=usd(fees))


FAILED = Finality.FAILED
BETTER = replace(fill("p1", 3), price=price("0.48"))


@pytest.mark.parametrize(
    ("before", "after", "fills", "expected"),
    [
        pytest.param(P, P, (), [], id="nothing"),
        pytest.param(P, P, [BETTER], [filled(3, "0.02", "0.48")], id="a fill, at its price"),
        pytest.param(P, P, [fill("p1", 1)], [filled(1, "0.02")], id="a single contract"),
        pytest.param(
            P,
            P,
            [fill("p1", 2, FAILED), fill("p2", 5)],
            [filled(5, "0.02")],
            id="a failed fill before another",
        ),
        pytest.param(
            stating(4), P, [fill("p1", 4)], [listed("p1", 4)], id="all of it was stated"
        ),
        pytest.param(
            stating(4),
            P,
            [fill("p1", 7)],
            [listed("p1", 7), filled(3, "0.008572")],
            id="part of it was stated, and the fee of the rest rounds up",
        ),
        pytest.param(
            stating(4),
            P,
            [fill("p1", 3), fill("p2", 5)],
            [listed("p1", 3), listed("p2", 5), filled(4, "0.016")],
            id="the second replaces what the first left",
        ),
        pytest.param(
            stating(4),
            P,
            [fill("p1", 3, FAILED), fill("p2", 2)],
            [listed("p2", 2), filled(1, "0.01")],
            id="a failed fill replaces what was stated of it",
        ),
        pytest.param(
            P, stating(3, "1", "0.05"), (), [filled(3, "0.05", "0.333333")], id="stated anew"
        ),
        pytest.param(
            stating(2),
            stating(3, "1.2", "0.05"),
            (),
            [filled(1, "0.016667", "0.4")],
            id="one more is stated",
        ),
        pytest.param(stating(3), stating(3, "1.2"), (), [], id="as much is stated"),
        pytest.param(stating(3), stating(2, "0.8"), (), [], id="less is stated"),
        pytest.param(
            stating(3),
            stating(4, "2", "0.04"),
            [fill("p1", 2)],
            [listed("p1", 2), filled(3, "0.03")],
            id="a listed trade, and more is stated beyond it",
        ),
    ],
)
def test_what_is_filled_is_told_once(
    before: Order, after: Order, fills: list[Fill], expected: list[Event]
) -> None:
    assert events.filled(before, after, fills, "position") == expected


def test_the_price_of_a_stated_part_is_exact_to_a_millionth() -> None:
    (told,) = events.filled(P, stating(4, "2"), (), "position")

    assert isinstance(told, OrderFilled)
    assert str(told.filled_price) == "0.500000"


@pytest.mark.parametrize(
    ("finality", "expected"),
    [
        (Finality.SETTLED, FillSettled(STAMP, "p3", "p", POLYMARKET)),
        (FAILED, FillFailed(STAMP, "p3", "p", POLYMARKET, q(6), price("0.50"))),
    ],
    ids=["settled", "failed"],
)
def test_a_fill_that_is_final_is_told_as_settled_or_failed(
    finality: Finality, expected: Event
) -> None:
    assert events.final(P, fill("p3", 6, finality)) == expected


# Capital
# ------------------------------------------------------------------------------------


def test_a_reservation_is_told_by_platform() -> None:
    assert events.reserved(ENTRY) == BudgetReserved(
        STAMP, "entry", "e", "cup", kalshi_amount=usd(6), polymarket_amount=usd(7)
    )


def test_a_committed_reservation_is_told_with_cost_fees_and_rest() -> None:
    assert events.committed(ENTRY, OPENED) == BudgetCommitted(
        STAMP, "entry", "e", committed=usd("8.4"), fees=usd("0.05"), released=usd("4.55")
    )


def test_a_released_reservation_is_told_with_all_of_it() -> None:
    assert events.released(ENTRY, "too thin") == BudgetReleased(
        STAMP, "entry", "e", usd(13), "too thin"
    )


# The position
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_loss", [True, False], ids=["at a loss", "with a profit"])
def test_an_opened_position_is_told_with_what_it_paid_and_locks(*, at_loss: bool) -> None:
    opened = replace(OPENED, completed_at_loss=at_loss)

    assert events.opened(opened) == PositionOpened(
        STAMP,
        "position",
        "cup",
        quantity=q(8),
        paid=usd("8.45"),
        locked_profit=usd("-0.45"),
        completed_at_loss=at_loss,
    )


@pytest.mark.parametrize(
    ("sizes", "short", "missing"),
    [((10, 8), POLYMARKET, 2), ((3, 8), KALSHI, 5)],
    ids=["more on Kalshi", "more on Polymarket"],
)
def test_an_unhedged_leg_is_told_as_what_the_other_lacks(
    sizes: tuple[int, int], short: Platform, missing: int
) -> None:
    first, second = sizes
    kalshi, polymarket = Holding(YES, "k", q(first)), Holding(NO, "p", q(second))
    position = replace(OPENED, kalshi=kalshi, polymarket=polymarket)

    assert events.unhedged(position, "why") == Exposed(
        FailedLeg(short, "why", 2004, None, q(missing))
    )


PART = Unlisted("p", POLYMARKET, NO, Side.BUY, q(5), usd(2), usd("0.01"), NOW)


@pytest.mark.parametrize(
    ("part", "at"),
    [(fill("p1", 3), price("0.50")), (PART, None)],
    ids=["a listed trade", "a stated part"],
)
def test_a_fill_that_opens_an_exposure_is_told_with_its_price_if_it_is_listed(
    part: Fill | Unlisted, at: Price | None
) -> None:
    expected = Exposed(FailedLeg(POLYMARKET, "it failed", 2004, at, part.size))

    assert list(events.lost(OPENED, part, "it failed")) == [expected]


@pytest.mark.parametrize(
    ("status", "left", "expected"),
    [
        (EXPOSED, 8, 1),
        (HALF_OUT, 8, 1),
        (CLOSED, 8, 0),
        (DOUBTED, 8, 0),
        (EXPOSED, 10, 0),
        (CLOSED, 10, 0),
    ],
)
def test_a_fill_is_no_exposure_in_balanced_closed_or_doubted_positions(
    status: PositionStatus, left: int, expected: int
) -> None:
    position = replace(OPENED, status=status, polymarket=Holding(NO, "p", q(left)))

    assert len(list(events.lost(position, fill("p1", 3), "it failed"))) == expected


def test_a_position_whose_status_stays_is_not_told_of() -> None:
    assert list(events.moves(OPENED, OPENED, Cause.REPORTED)) == []
    assert list(events.moves(OVER, OVER, Cause.REPORTED)) == []


def test_a_position_that_moves_is_told_of_with_the_cause() -> None:
    exposed = replace(OPENED, status=EXPOSED)

    told = list(events.moves(OPENED, exposed, Cause.FILL_FAILED))

    assert told == [
        PositionMoved(STAMP, "position", "cup", "OPEN", "SINGLE_LEG_EXPOSED", "fill_failed")
    ]


def test_a_position_that_closes_is_told_of_with_its_result() -> None:
    fees = Holding(NO, fees=usd("0.07"), cash=usd("5.1"))
    closed = replace(OVER, polymarket=fees, kalshi=replace(OVER.kalshi, size=q(0)))

    moved, told = events.moves(OPENED, closed, Cause.EXITED)

    assert moved == PositionMoved(STAMP, "position", "cup", "OPEN", "CLOSED", "exited")
    assert told == PositionClosed(
        STAMP,
        "position",
        "cup",
        realised_pnl=usd("1.08"),
        divergence_pnl=usd("-0.1"),
        fees=usd("0.09"),
        expected_edge=usd("0.9"),
    )


# Exposures that end
# ------------------------------------------------------------------------------------

LEFT = replace(OPENED, status=EXPOSED, expected_edge=usd("0.8"))
FLAT = replace(OVER, kalshi=Holding(YES, cash=usd("-1.5")))
SOLD = replace(SALE, purpose=Purpose.UNWIND)


def test_an_exposure_that_a_purchase_ends_is_told_with_its_price_and_new_edge() -> None:
    (told,) = events.resolved(LEFT, OPENED, RETRY)

    assert told == SingleLegResolved(
        STAMP,
        "position",
        "cup",
        resolution="retried",
        order_id="r",
        original_edge=usd("0.8"),
        new_edge=usd("-0.45"),
        retry_price=price("0.50"),
        realised_pnl=None,
    )


@pytest.mark.parametrize("order", [SOLD, SALE], ids=["unwound", "exited"])
def test_an_exposure_that_a_sale_ends_is_told_with_its_result(order: Order) -> None:
    (told,) = events.resolved(LEFT, FLAT, order)

    assert told == SingleLegResolved(
        STAMP,
        "position",
        "cup",
        resolution="closed",
        order_id="s",
        original_edge=usd("0.8"),
        new_edge=None,
        retry_price=None,
        realised_pnl=usd("-1.5"),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (EXPOSED, OPEN, 1),
        (HALF_OUT, OPEN, 1),
        (HALF_OUT, CLOSED, 1),
        (EXPOSED, DOUBTED, 1),
        (EXPOSED, EXPOSED, 0),
        (EXPOSED, HALF_OUT, 0),
        (OPEN, OPEN, 0),
        (OPEN, CLOSED, 0),
        (OPEN, EXPOSED, 0),
    ],
)
def test_only_an_exposure_that_was_one_and_is_none_any_more_has_ended(
    before: PositionStatus, after: PositionStatus, expected: int
) -> None:
    was, now = replace(OPENED, status=before), replace(OPENED, status=after)

    assert len(list(events.resolved(was, now, RETRY))) == expected


# Payments
# ------------------------------------------------------------------------------------


def test_a_merge_is_told_with_its_contract_and_size() -> None:
    assert events.merged(OPENED, Merge(POLYMARKET, q(4), NOW), "cup-no") == PairsMerged(
        STAMP, "position", "cup", POLYMARKET, "cup-no", q(4)
    )


PAID = Payout(KALSHI, Decimal("0.75"), NOW)
PAID_LEG = replace(OPENED.kalshi, cash=usd("3.48"), payout=Decimal("0.75"))


def test_a_payout_is_told_with_the_contracts_and_the_cash_that_it_brought() -> None:
    leg = replace(OPENED.kalshi, complement=q(1))
    before, after = replace(OPENED, kalshi=leg), replace(OPENED, kalshi=PAID_LEG)

    assert list(events.paid(before, after, PAID, "cup-yes")) == [
        LegSettled(
            STAMP, "position", "cup", KALSHI, "cup-yes", Decimal("0.75"), q(9), usd("7.5")
        )
    ]


def test_the_payout_that_closes_a_position_settles_it() -> None:
    polymarket = Holding(NO, cash=usd("-2"), payout=Decimal("0.15"))
    facts: dict[str, Any] = {"status": CLOSED, "divergence_pnl": usd("-0.1")}
    after = replace(OPENED, kalshi=PAID_LEG, polymarket=polymarket, **facts)

    _, told = events.paid(OPENED, after, PAID, "cup-yes")

    assert told == PositionSettled(
        STAMP,
        "position",
        "cup",
        kalshi_payout=Decimal("0.75"),
        polymarket_payout=Decimal("0.15"),
        realised_pnl=usd("1.48"),
        divergence_pnl=usd("-0.1"),
        reserve_used=usd("0.1"),
        reserve_released=usd("0.15"),
    )


def test_a_payout_of_a_position_that_was_closed_before_settles_nothing() -> None:
    told = list(events.paid(OVER, replace(OVER, kalshi=PAID_LEG), PAID, "cup-yes"))

    assert [type(each) for each in told] == [LegSettled]
