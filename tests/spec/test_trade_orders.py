"""What a pair trade is, and what is told, after each fact about one of its orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import (
    BARE,
    BEGUN,
    COMPLEMENT,
    EMPTY,
    ENTRY,
    EXECUTION,
    FEE,
    HEDGED,
    K_WHOLE,
    POLYMARKET,
    RETRIED,
    RETRY,
    SALE,
    SHORT,
    K,
    P,
    fill,
    play,
    q,
    report,
    usd,
)

from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.order import Fill, Finality, Order, Totals
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.ending import missing
from dutchbook.domain.pair_trades.events import ExposureChanged, Notice
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, changed
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO
from dutchbook.errors import OrderOut

LATER = NOW + timedelta(minutes=1)
NOTE = events.unknown(K, "a note of the same commit")
OPENED, EXPOSED, ENDED = play(*HEDGED), play(*SHORT), play(*EMPTY)
WAITS = facts.Waits(NOW, EXECUTION, FailedLeg(POLYMARKET, "no answer", 2003, None, q(10)))
WAITING = play(BEGUN, K_WHOLE, facts.Placed(NOW, P), WAITS)
RETRYING = play(facts.Placed(NOW, RETRY, RETRIED), start=EXPOSED)
EXITING = play(facts.Placed(NOW, SALE), start=OPENED)
HALF_OUT = play(report("s", fill("s5", 4), working=6), start=EXITING)
NO_FILL = "nothing was filled"


def answered(order: Order, fills: Iterable[Fill] = (), working: int = 0) -> Order:
    """Return an order after a report of its platform."""
    for each in fills:
        order = order.with_fill(each)
    return order.acknowledged(f"x-{order.order_id}", q(working))


def stating(order: Order, size: int, cost: str) -> Order:
    """Return an order of which its platform stated only totals."""
    return answered(order.with_totals(Totals(q(size), usd(cost), FEE), ()))


def follows(trade: PairTrade, order: Order, fills: Iterable[Fill], cause: Cause) -> PairTrade:
    """Return a trade whose execution has ended after a report of an order that is over."""
    after = trade.with_orders((order,)).with_fills(fills)
    position = changed(trade.position, after.facts, cause, LATER)
    return replace(after, position=position, reservations={})


def later(name: str, *fills: Fill, working: int = 0, **more: object) -> facts.Reported:
    return replace(report(name, *fills, working=working, **more), at=LATER)


# Orders that are placed
# ------------------------------------------------------------------------------------


def test_a_trade_begins_with_its_first_order_and_its_reservation() -> None:
    after = apply(BARE, facts.Begun(LATER, K, ENTRY, (NOTE,)))

    assert after == (
        replace(BARE, orders={"k": K}, reservation=ENTRY),
        (events.reserved(ENTRY), NOTE),
    )


def test_an_order_that_a_halt_prevented_is_kept_as_one_that_ended() -> None:
    after = apply(EXPOSED, facts.RejectedByGate(LATER, RETRY, "halted", 1003))

    told = (events.failed(RETRY, 1003, "halted"),)
    assert after == (EXPOSED.with_orders((RETRY.ended(),)), told)


def test_an_order_with_a_reservation_is_kept_beside_the_others() -> None:
    before = replace(EXPOSED, reservations={"other": ENTRY})

    after = apply(before, facts.Placed(LATER, RETRY, RETRIED, (NOTE,)))

    expected = replace(
        before.with_orders((RETRY,)), reservations={"other": ENTRY, "r": RETRIED}
    )
    assert after == (expected, (NOTE, events.placed(RETRY)))


def test_a_sale_needs_no_reservation() -> None:
    after = apply(OPENED, facts.Placed(LATER, SALE))

    assert after == (OPENED.with_orders((SALE,)), (events.placed(SALE),))


LAST = replace(K, working_size=q(1))
LEG_OUT = "an order of this leg is out"
WORKS = "an order of this position still works"


@pytest.mark.parametrize(
    ("before", "order", "reason"),
    [
        (BARE.with_orders((K,)), SALE, LEG_OUT),
        (BARE.with_orders((LAST, P.ended())), SALE, LEG_OUT),
        (BARE.with_orders((LAST, P)), RETRY, LEG_OUT),
        (EXITING, COMPLEMENT, WORKS),
        (
            play(facts.OutcomeUnknown(NOW, "s", "silence"), start=EXITING),
            COMPLEMENT,
            "the outcome of an order of this position is unknown",
        ),
    ],
    ids=["its leg", "one contract of its leg", "the second leg", "another leg", "unknown"],
)
def test_no_order_is_placed_beside_one_that_is_out(
    before: PairTrade, order: Order, reason: str
) -> None:
    with pytest.raises(OrderOut) as caught:
        apply(before, facts.Placed(NOW, order))

    assert (caught.value.execution_id, caught.value.reason) == ("e", reason)


@pytest.mark.parametrize(
    "before",
    [BARE.with_orders((K,)), BARE.with_orders((K.ended(), P.ended()))],
    ids=["the other leg works", "all are over"],
)
def test_an_execution_places_an_order_on_a_leg_that_is_free(before: PairTrade) -> None:
    after = apply(before, facts.Placed(NOW, RETRY))

    assert after == (before.with_orders((RETRY,)), (events.placed(RETRY),))


# Orders that fill nothing
# ------------------------------------------------------------------------------------

TWO_PLACED = replace(RETRYING, reservations={"other": ENTRY, "r": RETRIED})


@pytest.mark.parametrize(
    ("fact", "order", "told"),
    [
        (
            facts.CameToNothing(LATER, "r", "no funds", 2005, sent=True),
            RETRY.refused("no funds"),
            events.failed(RETRY, 2005, "no funds"),
        ),
        (
            facts.CameToNothing(LATER, "r", "halted", 2007),
            RETRY.ended(),
            events.failed(RETRY, 2007, "halted"),
        ),
        (
            facts.NeverArrived(LATER, "r", "it is proven"),
            RETRY.ended(),
            events.failed(RETRY, 2002, "it is proven"),
        ),
        (later("r"), answered(RETRY), events.failed(RETRY, 2002, NO_FILL)),
        (
            later("r", refusal="no funds"),
            RETRY.refused("no funds"),
            events.failed(RETRY, 2002, "no funds"),
        ),
    ],
    ids=["refused", "never sent", "never arrived", "expired", "refused later"],
)
def test_an_order_that_filled_nothing_ends_with_its_reservation(
    fact: TradeFact, order: Order, told: Notice
) -> None:
    expected = replace(TWO_PLACED.with_orders((order,)), reservations={"other": ENTRY})

    assert apply(TWO_PLACED, fact) == (expected, (told,))


def test_an_order_of_a_running_execution_that_never_arrived_is_left_to_it() -> None:
    before = play(BEGUN)

    after = apply(before, facts.NeverArrived(LATER, "k"))

    assert after == (before.with_orders((K.ended(),)), ())


def test_an_order_without_an_answer_is_unknown_from_then_on_and_told_once() -> None:
    fact = facts.OutcomeUnknown(LATER, "r", "silence")

    after = apply(TWO_PLACED, fact)

    expected = TWO_PLACED.with_orders((RETRY.unknown(LATER),))
    assert after == (expected, (events.unknown(RETRY, "silence"),))
    assert apply(expected, replace(fact, at=NOW)) == (expected, ())


@pytest.mark.parametrize(
    "fact",
    [
        facts.CameToNothing(LATER, "p", "no funds", sent=True),
        facts.NeverArrived(LATER, "p"),
        facts.OutcomeUnknown(LATER, "p", "silence"),
        later("p"),
        later("p", refusal="no funds"),
    ],
)
def test_an_order_that_is_over_cannot_come_to_nothing(fact: TradeFact) -> None:
    assert apply(OPENED, fact) == (OPENED, ())


# Reports of a running execution
# ------------------------------------------------------------------------------------


def test_a_fill_of_a_running_execution_is_kept_and_told() -> None:
    before, first = play(BEGUN), fill("k1", 4)

    after = apply(before, later("k", first, working=6))

    order = answered(K, [first], 6)
    assert after == (
        before.with_orders((order,)).with_fills((first,)),
        tuple(events.filled(K, order, (first,), "position")),
    )


def test_a_fill_of_an_execution_that_waits_shows_in_its_position_without_profit() -> None:
    first = fill("p1", 10)

    after, told = apply(WAITING, later("p", first))

    order = answered(P, [first])
    expected = WAITING.with_orders((order,)).with_fills((first,))
    position = replace(
        expected.bought(PositionStatus.SINGLE_LEG_EXPOSED, NOW),
        marked_pnl=ZERO,
        version=WAITING.position.version + 1,
    )
    assert expected.bought(PositionStatus.SINGLE_LEG_EXPOSED, NOW).marked_pnl
    assert after == replace(expected, position=position)
    assert told == tuple(events.filled(P, order, (first,), "position"))


def test_a_refusal_of_an_order_that_has_filled_is_no_refusal() -> None:
    first = fill("k1", 4)

    after, _ = apply(play(BEGUN), later("k", first, refusal="cancelled"))

    assert after.orders["k"] == answered(K, [first])


def test_totals_count_beyond_the_trades_that_are_listed() -> None:
    before = play(BEGUN, report("k", fill("k1", 3), working=7))
    stated = Totals(q(9), usd("3.7"), usd("0.07"))

    after, _ = apply(before, later("k", fill("k1", 3), fill("k2", 2), stated=stated))

    order = after.orders["k"]
    assert [order.filled, order.stated, order.working_size] == [9, 4, 0]
    assert (order.stated_cost, order.stated_fees) == (usd("1.7"), usd("0.03"))


# Lists of trades
# ------------------------------------------------------------------------------------

STATED = play(*HEDGED[:3], report("p", stated=Totals(q(10), usd(5), FEE)), HEDGED[4])
STATED_P = STATED.orders["p"]


@pytest.mark.parametrize(
    ("before", "fact"),
    [
        (OPENED, facts.Listed(LATER, "p", (fill("p1", 10),), (NOTE,))),
        (OPENED, facts.Listed(LATER, "p", (), whole=True)),
        (STATED, facts.Listed(LATER, "p", ())),
    ],
    ids=["known", "nothing was stated", "not all are listed"],
)
def test_a_list_that_has_nothing_new_changes_nothing(
    before: PairTrade, fact: TradeFact
) -> None:
    assert apply(before, fact) == (before, ())


def test_listed_trades_replace_what_was_stated_and_leave_the_position_alone() -> None:
    whole = fill("p1", 10)

    after = apply(STATED, facts.Listed(LATER, "p", (whole,), (NOTE,), whole=True))

    order = STATED_P.with_fill(whole)
    told = events.filled(STATED_P, order, (whole,), "position")
    assert after == (STATED.with_orders((order,)).with_fills((whole,)), (*told, NOTE))


@pytest.mark.parametrize("whole", [True, False], ids=["all are listed", "more may come"])
def test_what_was_stated_beyond_all_listed_trades_is_dropped(*, whole: bool) -> None:
    part = fill("p1", 4)

    after, told = apply(STATED, facts.Listed(LATER, "p", (part,), whole=whole))

    order = STATED_P.with_fill(part)
    if not whole:
        assert after == STATED.with_orders((order,)).with_fills((part,))
        assert told == tuple(events.filled(STATED_P, order, (part,), "position"))
        return
    order = order.without_stated()
    assert after == follows(STATED, order, (part,), Cause.REPORTED)
    assert told == (
        *events.filled(STATED_P, order, (part,), "position"),
        events.unhedged(after.position, "an order filled that was not needed"),
        *events.moves(STATED.position, after.position, Cause.REPORTED),
    )


def test_a_statement_is_dropped_when_no_trade_is_listed() -> None:
    after, _ = apply(STATED, facts.Listed(LATER, "p", (), whole=True))

    assert after.orders["p"] == STATED_P.without_stated()


# Reports after an execution has ended
# ------------------------------------------------------------------------------------


def test_an_order_that_works_on_without_a_fill_tells_nothing() -> None:
    after = apply(RETRYING, later("r", working=10))

    assert after == (RETRYING.with_orders((answered(RETRY, (), 10),)), ())


def test_a_fill_that_had_failed_already_tells_nothing() -> None:
    failed = fill("k2", 3, Finality.FAILED)

    after = apply(OPENED, later("k", failed))

    order = answered(OPENED.orders["k"], [failed])
    assert after == (OPENED.with_orders((order,)).with_fills((failed,)), ())


def test_a_fill_of_an_execution_that_ended_with_nothing_opens_its_position_exposed() -> None:
    late = fill("k1", 4)

    after, told = apply(ENDED, later("k", late))

    order = answered(ENDED.orders["k"], [late])
    expected = ENDED.with_orders((order,)).with_fills((late,))
    position = expected.bought(PositionStatus.SINGLE_LEG_EXPOSED, LATER)
    assert after == replace(expected, position=position, opened=True)
    assert told == (
        *events.filled(ENDED.orders["k"], order, (late,), "position"),
        missing(after),
    )


def test_an_order_that_completes_a_position_ends_its_exposure() -> None:
    rest = fill("r5", 6)

    after, told = apply(RETRYING, later("r", rest))

    order = answered(RETRY, [rest])
    assert after == follows(RETRYING, order, [rest], Cause.RETRIED)
    assert after.position.status is PositionStatus.OPEN
    assert told == (
        *events.filled(RETRY, order, [rest], "position"),
        *events.resolved(RETRYING.position, after.position, order),
        *events.moves(RETRYING.position, after.position, Cause.RETRIED),
    )
    assert len(told) == 3


def test_an_order_that_reduces_an_exposure_changes_it() -> None:
    part = fill("r5", 2)

    after, told = apply(RETRYING, later("r", part))

    order = answered(RETRY, [part])
    assert after == follows(RETRYING, order, [part], Cause.RETRIED)
    assert told == (*events.filled(RETRY, order, [part], "position"), ExposureChanged())


def test_an_exposure_of_as_many_contracts_has_not_changed() -> None:
    stated = play(*HEDGED[:3], report("p", stated=Totals(q(4), usd(2), FEE)), HEDGED[4])
    dearer = replace(fill("p1", 4), fee=usd("0.03"))

    after, told = apply(stated, facts.Listed(LATER, "p", (dearer,)))

    order = stated.orders["p"].with_fill(dearer)
    assert after == follows(stated, order, [dearer], Cause.REPORTED)
    assert after.position != stated.position
    assert told == tuple(events.filled(stated.orders["p"], order, [dearer], "position"))


@pytest.mark.parametrize("stalled", [False, True], ids=["on its way", "stalled"])
def test_between_the_orders_of_an_exit_an_imbalance_is_an_exposure_once_it_stalled(
    *, stalled: bool
) -> None:
    before, more = replace(HALF_OUT, stall_reported=stalled), fill("s6", 3)

    after, told = apply(before, later("s", fill("s5", 4), more))

    known, order = before.orders["s"], answered(before.orders["s"], [more])
    assert after == follows(before, order, [more], Cause.EXITED)
    assert after.stall_reported is stalled
    exposure = (ExposureChanged(),) if stalled else ()
    assert told == (*events.filled(known, order, [more], "position"), *exposure)


@pytest.mark.parametrize("stalled", [False, True], ids=["on its way", "stalled"])
def test_an_exit_that_is_whole_ends_an_exposure_only_if_it_had_stalled(
    *, stalled: bool
) -> None:
    bought = replace(COMPLEMENT, size=q(4), working_size=q(4))
    before = replace(HALF_OUT.with_orders((bought,)), stall_reported=stalled)
    even = fill("c6", 4)

    after, told = apply(before, later("c", even))

    order = answered(bought, [even])
    position = after.position
    assert position.status is PositionStatus.OPEN
    assert not after.stall_reported
    resolved = events.resolved(before.position, position, order) if stalled else ()
    assert told == (
        *events.filled(bought, order, [even], "position"),
        *resolved,
        *events.moves(before.position, position, Cause.CLOSED),
    )
    assert len(told) == 2 + stalled


def test_an_order_that_was_not_needed_opens_an_exposure() -> None:
    more = fill("k2", 3)

    after, told = apply(OPENED, later("k", more))

    order = answered(OPENED.orders["k"], [more])
    assert after == follows(OPENED, order, [more], Cause.REPORTED)
    assert told == (
        *events.filled(OPENED.orders["k"], order, [more], "position"),
        events.unhedged(after.position, "an order filled that was not needed"),
        *events.moves(OPENED.position, after.position, Cause.REPORTED),
    )


def test_a_fact_of_no_known_kind_is_an_error() -> None:
    unheard_of: Any = "a rumour"

    with pytest.raises(AssertionError, match="but got: 'a rumour'"):
        apply(OPENED, unheard_of)
