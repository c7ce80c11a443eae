"""What a pair trade is, and what is told, after each report of a platform."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from support.pairs import NOW
from support.trades import (
    BEGUN,
    COMPLEMENT,
    ENDED,
    EXITING,
    FEE,
    HEDGED,
    LATER,
    NOTE,
    OPENED,
    RETRY,
    RETRYING,
    WAITING,
    K,
    P,
    answered,
    fill,
    later,
    play,
    q,
    report,
    usd,
)

from dutchbook.domain.execution.order import Fill, Finality, Order, Totals
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.ending import missing
from dutchbook.domain.pair_trades.events import ExposureChanged
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, changed
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO

HALF_OUT = play(report("s", fill("s5", 4), working=6), start=EXITING)


def follows(trade: PairTrade, order: Order, fills: Iterable[Fill], cause: Cause) -> PairTrade:
    """Return a trade whose execution has ended after a report of an order that is over."""
    after = trade.with_orders((order,)).with_fills(fills)
    position = changed(trade.position, after.facts, cause, LATER)
    return replace(after, position=position, reservations={})


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
        (OPENED, facts.Listed(LATER, "p", (), (NOTE,), whole=True)),
        (STATED, facts.Listed(LATER, "p", (), (NOTE,))),
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


# The end of an order
# ------------------------------------------------------------------------------------


def test_an_order_that_ends_after_a_part_was_filled_is_not_told_as_failed() -> None:
    """The part was told when it filled; what is left of it is over."""
    after, told = apply(HALF_OUT, report("s", fill("s5", 4)))

    assert after.orders["s"].working_size == 0
    assert told == ()


def test_a_comparison_that_finds_the_rest_of_an_order_over_tells_of_no_failure() -> None:
    known = HALF_OUT.orders["s"]
    over = replace(known, working_size=q(0))

    _, told = apply(HALF_OUT, facts.Corrected(LATER, known, over, (), ()))

    assert told == ()
