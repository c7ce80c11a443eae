"""Orders of a pair trade that are placed, that fill nothing, or stay without an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.pairs import NOW
from support.trades import (
    BARE,
    BEGUN,
    COMPLEMENT,
    ENTRY,
    EXITING,
    LATER,
    NOTE,
    OPENED,
    RETRIED,
    RETRY,
    RETRYING,
    SALE,
    SHORTER,
    K,
    P,
    answered,
    later,
    play,
    q,
)

from dutchbook.domain.execution.order import Order
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.events import Notice
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.errors import OrderOut

NO_FILL = "nothing was filled"


# Orders that are placed
# ------------------------------------------------------------------------------------


def test_a_trade_begins_with_its_first_order_and_its_reservation() -> None:
    after = apply(BARE, facts.Begun(LATER, K, ENTRY, (NOTE,)))

    assert after == (
        replace(BARE, orders={"k": K}, reservation=ENTRY),
        (events.reserved(ENTRY), NOTE),
    )


def test_an_order_that_a_halt_prevented_is_kept_as_one_that_ended() -> None:
    after = apply(SHORTER, facts.RejectedByGate(LATER, RETRY, "halted", 1003))

    told = (events.failed(RETRY, 1003, "halted"),)
    assert after == (SHORTER.with_orders((RETRY.ended(),)), told)


def test_an_order_with_a_reservation_is_kept_beside_the_others() -> None:
    before = replace(SHORTER, reservations={"other": ENTRY})

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
