"""What a step of a pair trade moves in the accounts, and adds to the risk state."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import (
    ACCOUNTS,
    BARE,
    ENTRY,
    EXECUTION,
    KALSHI,
    NO,
    POLYMARKET,
    RETRIED,
    RETRY,
    YES,
    K,
    P,
    q,
    usd,
)

from dutchbook.domain.capital.ledger import (
    EntryKind,
    commit_reservation,
    release_reservation,
    reserve,
)
from dutchbook.domain.capital.reservation import Reservation, Spent
from dutchbook.domain.execution.order import Order
from dutchbook.domain.pair_trades.capital import (
    CapitalChange,
    Resolution,
    capital_change,
    reserved,
)
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Change, booked
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO

OPEN, EXPOSED = PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED
CLOSED, DOUBTED = PositionStatus.CLOSED, PositionStatus.RECONCILIATION_REQUIRED
AT_KALSHI, AT_POLYMARKET = ACCOUNTS[KALSHI], ACCOUNTS[POLYMARKET]
BOTH = frozenset((KALSHI, POLYMARKET))
WAS = replace(
    BARE.position,
    status=EXPOSED,
    kalshi=Holding(YES, "k", q(10), usd(4), usd("0.02"), cash=usd("-4.02")),
    polymarket=Holding(NO, "p", q(4), usd(2), usd("0.03"), cash=usd("-2.03")),
    marked_pnl=usd("-0.05"),
)
NOW_HELD = replace(
    WAS,
    kalshi=replace(WAS.kalshi, size=q(9), cost=usd("3.6"), cash=usd("-3.52")),
    polymarket=Holding(NO, "p", q(10), usd("4.5"), usd("0.06"), cash=usd("-4.11")),
    status=OPEN,
    marked_pnl=usd("0.25"),
)


def capital(
    before: PairTrade | None, after: PairTrade, kind: EntryKind = EntryKind.SETTLEMENT
) -> CapitalChange:
    return capital_change(before, after, ACCOUNTS, kind)


def trade(position: OpenPosition, *orders: Order, **terms: Any) -> PairTrade:
    """Return a trade that holds a position."""
    bare = replace(BARE, position=position, opened=True, ended_at=NOW)
    return replace(bare.with_orders(orders), **terms)


def filled(order: Order, size: str, cost: str, fees: str) -> Order:
    return replace(order, filled=q(size), cost=usd(cost), fees=usd(fees))


# Reservations that begin
# ------------------------------------------------------------------------------------

ENTRY_RESERVED = CapitalChange(
    "cup",
    "entry",
    (reserve(AT_KALSHI, usd(6)), reserve(AT_POLYMARKET, usd(7))),
    {"reserved_capital": usd(13), "reserved_position_slots": 1},
    usd(13),
    placed=((ENTRY, None),),
    entry=True,
)
ORDER_RESERVED = CapitalChange(
    "cup",
    "rr",
    (reserve(AT_POLYMARKET, usd(6)),),
    {"reserved_capital": usd(6), "reserved_position_slots": 0},
    usd(6),
    placed=((RETRIED, "r"),),
)
BEGUN = replace(BARE, reservation=ENTRY)


def test_an_entry_takes_its_worst_case_and_a_slot() -> None:
    assert reserved(ENTRY, ACCOUNTS) == ENTRY_RESERVED
    assert capital(None, BEGUN) == ENTRY_RESERVED
    assert capital(BARE, BEGUN) == ENTRY_RESERVED


def test_an_order_takes_its_worst_case_and_no_slot() -> None:
    placed = trade(WAS, RETRY, reservations={"r": RETRIED})

    assert reserved(RETRIED, ACCOUNTS, "r") == ORDER_RESERVED
    assert capital(trade(WAS, RETRY), placed) == ORDER_RESERVED
    assert capital(None, placed) == ORDER_RESERVED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, BARE, id="it begins with nothing"),
        pytest.param(trade(WAS), trade(WAS, RETRY), id="an order without a reservation"),
        pytest.param(BEGUN, BEGUN.with_orders((K,)), id="an order of its execution"),
        pytest.param(
            trade(WAS, reservations={"r": RETRIED}),
            trade(WAS, reservations={"r": RETRIED}),
            id="a reservation that stays",
        ),
        pytest.param(
            replace(BEGUN, opened=True),
            replace(BEGUN, opened=True, position=WAS),
            id="a purchase while the execution waits",
        ),
        pytest.param(BARE, replace(BARE, position=WAS), id="a position without a row"),
    ],
)
def test_a_step_without_reservation_or_booking_moves_nothing(
    before: PairTrade | None, after: PairTrade
) -> None:
    assert capital(before, after) == CapitalChange("cup", "position")


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ({}, {"r": RETRIED, "other": ENTRY}),
        ({"other": ENTRY}, {"r": RETRIED}),
        ({"r": RETRIED, "other": ENTRY}, {}),
    ],
    ids=["two begin", "one ends and one begins", "two end"],
)
def test_one_step_begins_or_ends_no_two_reservations(
    known: dict[str, Reservation], left: dict[str, Reservation]
) -> None:
    before, after = trade(WAS, reservations=known), trade(WAS, reservations=left)

    with pytest.raises(AssertionError, match=r"^one order after the other$"):
        capital(before, after)


# An entry that ends
# ------------------------------------------------------------------------------------


def test_an_entry_that_bought_something_commits_its_cost_and_opens_a_position() -> None:
    spent = {KALSHI: Spent(usd(4), usd("0.02")), POLYMARKET: Spent(usd(2), usd("0.03"))}

    assert capital(BEGUN, trade(WAS)) == CapitalChange(
        "cup",
        "entry",
        (
            commit_reservation(AT_KALSHI, reserved=usd(6), cost=usd(4), fees=usd("0.02")),
            commit_reservation(AT_POLYMARKET, reserved=usd(7), cost=usd(2), fees=usd("0.03")),
        ),
        {
            "reserved_capital": usd(-13),
            "reserved_position_slots": -1,
            "open_position_count": 1,
            "total_capital_deployed": usd(6),
            "daily_pnl": usd("-0.05"),
        },
        usd(-7),
        resolved=(Resolution(ENTRY, spent, BOTH),),
        entry=True,
    )


def test_the_leg_of_an_entry_that_cost_nothing_is_released() -> None:
    one = replace(WAS, polymarket=Holding(NO))

    step = capital(BEGUN, trade(one))

    assert step.movements[1] == release_reservation(AT_POLYMARKET, usd(7))
    assert step.state["total_capital_deployed"] == 4


@pytest.mark.parametrize(
    "after",
    [
        trade(WAS, opened=False),
        trade(replace(WAS, status=CLOSED)),
        replace(BARE, position=WAS, ended_at=None, opened=True),
    ],
    ids=["without a row", "closed at once", "not ended"],
)
def test_an_entry_without_an_open_position_releases_everything(after: PairTrade) -> None:
    spent = {KALSHI: Spent(), POLYMARKET: Spent()}

    assert capital(BEGUN, after) == CapitalChange(
        "cup",
        "entry",
        (
            release_reservation(AT_KALSHI, usd(6)),
            release_reservation(AT_POLYMARKET, usd(7)),
        ),
        {
            "reserved_capital": usd(-13),
            "reserved_position_slots": -1,
            "open_position_count": 0,
            "total_capital_deployed": ZERO,
            "daily_pnl": ZERO,
        },
        usd(-13),
        resolved=(Resolution(ENTRY, spent, frozenset()),),
        entry=True,
    )


def test_a_trade_of_another_pair_moves_its_own_capital() -> None:
    """The pair is the position's, whose id the ledger's entries name as well."""
    other = replace(WAS, pair_id="league", position_id="theirs")

    begun, ended = replace(BEGUN, position=other), trade(other)
    moved = trade(replace(other, kalshi=NOW_HELD.kalshi))

    assert capital(begun, ended).pair_id == "league"
    steps = [capital(None, replace(begun, reservation=None)), capital(ended, moved)]
    assert [(step.pair_id, step.reference) for step in steps] == [("league", "theirs")] * 2


# A position that changes
# ------------------------------------------------------------------------------------

MOVED = (
    booked(AT_KALSHI, Change(usd("0.5"), usd("-0.4"), ZERO), EntryKind.SETTLEMENT),
    booked(AT_POLYMARKET, Change(usd("-2.08"), usd("2.5"), usd("0.03")), EntryKind.SETTLEMENT),
)


def test_a_position_that_changes_is_booked_by_the_difference() -> None:
    assert capital(trade(WAS), trade(NOW_HELD)) == CapitalChange(
        "cup",
        "position",
        MOVED,
        {
            "reserved_capital": ZERO,
            "open_position_count": 0,
            "total_capital_deployed": usd("2.1"),
            "daily_pnl": usd("0.3"),
        },
        usd("2.1"),
    )


def test_a_platform_on_which_nothing_moves_has_no_movement() -> None:
    one = replace(NOW_HELD, polymarket=WAS.polymarket)

    assert capital(trade(WAS), trade(one)).movements == MOVED[:1]


def test_a_position_that_is_new_is_booked_whole() -> None:
    before = replace(BARE, position=WAS, ended_at=NOW)

    step = capital(before, trade(NOW_HELD), EntryKind.TRADE)

    assert step == CapitalChange(
        "cup",
        "position",
        (
            booked(AT_KALSHI, Change(usd("-3.52"), usd("3.6"), usd("0.02")), EntryKind.TRADE),
            booked(
                AT_POLYMARKET, Change(usd("-4.11"), usd("4.5"), usd("0.06")), EntryKind.TRADE
            ),
        ),
        {
            "reserved_capital": ZERO,
            "open_position_count": 1,
            "total_capital_deployed": usd("8.1"),
            "daily_pnl": usd("0.25"),
        },
        usd("8.1"),
    )


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        (OPEN, OPEN, 0),
        (OPEN, CLOSED, -1),
        (EXPOSED, OPEN, 0),
        (CLOSED, DOUBTED, 1),
        (CLOSED, CLOSED, 0),
        (DOUBTED, CLOSED, -1),
    ],
)
def test_a_position_counts_as_open_until_it_is_closed(
    before: PositionStatus, after: PositionStatus, count: int
) -> None:
    was, now = trade(replace(WAS, status=before)), trade(replace(NOW_HELD, status=after))

    assert capital(was, now).state["open_position_count"] == count


# The order of a position
# ------------------------------------------------------------------------------------

PLACED = trade(
    WAS,
    filled(P, "4", "2", "0.03"),
    RETRY,
    reservations={"kept": ENTRY, "r": RETRIED},
)


def test_an_order_is_paid_from_its_reservation_and_the_rest_of_the_change_follows() -> None:
    bought = filled(RETRY, "6", "3", "0.02")
    after = replace(
        PLACED.with_orders((bought,)), position=NOW_HELD, reservations={"kept": ENTRY}
    )

    step = capital(PLACED, after)

    rest = Change(usd("0.94"), usd("-0.5"), usd("0.01"))
    spent = {POLYMARKET: Spent(usd(3), usd("0.02"))}
    assert step == CapitalChange(
        "cup",
        "position",
        (
            MOVED[0],
            (
                *commit_reservation(
                    AT_POLYMARKET, reserved=usd(6), cost=usd(3), fees=usd("0.02")
                ),
                *booked(AT_POLYMARKET, rest, EntryKind.SETTLEMENT),
            ),
        ),
        {
            "reserved_capital": usd(-6),
            "open_position_count": 0,
            "total_capital_deployed": usd("2.1"),
            "daily_pnl": usd("0.3"),
        },
        usd("-3.9"),
        resolved=(Resolution(RETRIED, spent, frozenset((POLYMARKET,))),),
    )


def test_an_order_that_filled_nothing_releases_its_reservation() -> None:
    after = replace(PLACED, reservations={"kept": ENTRY})

    assert capital(PLACED, after) == CapitalChange(
        "cup",
        "position",
        (release_reservation(AT_POLYMARKET, usd(6)),),
        {
            "reserved_capital": usd(-6),
            "open_position_count": 0,
            "total_capital_deployed": ZERO,
            "daily_pnl": ZERO,
        },
        usd(-6),
        resolved=(Resolution(RETRIED, {POLYMARKET: Spent()}, frozenset()),),
    )


def test_every_order_that_filled_further_is_paid_from_the_reservation_of_its_platform() -> None:
    more = [
        replace(K, order_id="new", filled=q(3), cost=usd("1.2")),
        filled(P, "5", "2.4", "0.05"),
        filled(RETRY, "2", "1.1", "0.03"),
    ]
    after = replace(PLACED.with_orders(more), position=NOW_HELD, reservations={"kept": ENTRY})

    (resolved,) = capital(PLACED, after).resolved

    assert resolved.spent == {POLYMARKET: Spent(usd("1.5"), usd("0.05"))}


def test_an_order_of_which_a_fill_failed_takes_nothing_from_a_reservation() -> None:
    less = [filled(P, "3", "1.5", "0.02"), filled(RETRY, "2", "1", "0.01")]
    after = replace(PLACED.with_orders(less), position=NOW_HELD, reservations={"kept": ENTRY})

    (resolved,) = capital(PLACED, after).resolved

    assert resolved.spent == {POLYMARKET: Spent(usd(1), usd("0.01"))}


def test_the_capital_of_a_step_is_decimal_throughout() -> None:
    nothing = trade(replace(WAS, kalshi=Holding(YES), polymarket=Holding(NO)))
    execution = replace(EXECUTION, pair_id="another")

    step = capital(replace(nothing, execution=execution), trade(NOW_HELD))

    assert {name: type(value) for name, value in step.state.items()} == {
        "reserved_capital": Decimal,
        "open_position_count": int,
        "total_capital_deployed": Decimal,
        "daily_pnl": Decimal,
    }
