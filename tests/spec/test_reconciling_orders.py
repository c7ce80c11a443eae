"""One order against its platform's answer: the unfilled rest, and answers without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.examined import (
    HALF,
    LATE,
    LOOK,
    NOTHING_FOUND,
    ORDER,
    T1,
    T2,
    THEIR_ID,
    differs,
    ours,
    seen,
    shown,
)
from support.pairs import NOW
from support.reconciliation import (
    ABSENT,
    CENT,
    FOUR,
    GRACE,
    SENT,
    SIX,
    TEN,
    found,
    report,
)

from dutchbook.domain.execution.order import Finality, Totals
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.findings import (
    AcknowledgeOrder,
    Discrepancy,
    DiscrepancyType,
    EndOrder,
    GiveUpOrder,
    Involvement,
    RefuseOrder,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import Answer, NotFound, Stale
from dutchbook.domain.values.units import NOTHING, Money, Quantity

POLY = Platform.POLYMARKET
KIND, PERSON = DiscrepancyType, Involvement
SETTLED, FAILED = Finality.SETTLED, Finality.FAILED
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)


# An answer that shows the order
# ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "working", "repairs"),
    [
        (ours("working"), "10", []),
        (ours("working"), "0.5", [AcknowledgeOrder(ORDER, THEIR_ID, HALF)]),
        (ours("working"), "11", []),
        (ours("intent"), "10", [AcknowledgeOrder(ORDER, THEIR_ID, TEN)]),
        (ours("unknown"), "10", [AcknowledgeOrder(ORDER, THEIR_ID, TEN)]),
        (ours("working", working_size=HALF), "0.5", []),
    ],
)
def test_an_order_that_works_is_recorded_with_what_the_platform_shows_of_it(
    mine: OurOrder, working: str, repairs: list[AcknowledgeOrder]
) -> None:
    assert seen(mine, found(POLY, NOTHING, Decimal(working))) == (repairs, [], False, None)


@pytest.mark.parametrize(("working", "left"), [("10", None), ("6", None), ("5.5", "5.5")])
def test_no_more_works_than_is_left_after_the_fills_that_we_know(
    working: str, left: str | None
) -> None:
    mine = ours("partly filled")
    expected = AcknowledgeOrder(ORDER, THEIR_ID, Quantity(Decimal(left or "6")))

    assert seen(mine, found(POLY, FOUR, Decimal(working)), T1) == (
        [expected] if left else [],
        [],
        False,
        None,
    )


def test_a_filled_order_that_is_shown_as_working_has_no_room_to_work() -> None:
    assert seen(ours("filled"), found(POLY, TEN, Decimal(1)), T1, T2) == NOTHING_FOUND


def test_an_order_that_ended_for_us_and_works_there_is_to_be_cancelled() -> None:
    mine = ours("cancelled")
    action = "cancel it at the platform: our record says that it ended"

    assert seen(mine, found(POLY, NOTHING, SIX)) == (
        [],
        [differs(mine, KIND.ORDER_STATUS_MISMATCH, shown("", "6"), action, PERSON.NOTIFIED)],
        True,
        None,
    )


@pytest.mark.parametrize(
    ("mine", "known"),
    [
        (ours("working"), True),
        (ours("working", working_size=HALF), True),
        (ours("intent"), False),
        (ours("unknown"), False),
        (ours("working", working_size=NOTHING, outcome_unknown_since=SENT), False),
    ],
)
def test_an_order_of_which_nothing_works_is_ended(mine: OurOrder, *, known: bool) -> None:
    ended = differs(
        mine,
        KIND.ORDER_STATUS_MISMATCH,
        shown("", "0"),
        "none: the order is ended",
        PERSON.NOTIFIED,
        repaired=True,
    )

    assert seen(mine, found(POLY, NOTHING, NOTHING)) == (
        [EndOrder(ORDER, THEIR_ID)],
        [ended] if known else [],
        False,
        None,
    )


@pytest.mark.parametrize("state", ["cancelled", "rejected"])
def test_an_order_that_ended_for_both_is_as_it_should_be(state: str) -> None:
    assert seen(ours(state), found(POLY, NOTHING, NOTHING)) == NOTHING_FOUND
    refused = found(POLY, NOTHING, NOTHING, refusal="late")
    assert seen(ours(state), refused) == NOTHING_FOUND


@pytest.mark.parametrize(("state", "known"), [("working", True), ("intent", False)])
@pytest.mark.parametrize(("refusal", "reason"), [("bad", "bad"), ("", "refused")])
def test_an_order_that_was_refused_is_rejected_with_the_reason(
    state: str, refusal: str, reason: str, *, known: bool
) -> None:
    mine = ours(state)
    refused = differs(
        mine,
        KIND.ORDER_STATUS_MISMATCH,
        shown("", "0", refusal),
        "none: the order is refused",
        PERSON.NOTIFIED,
        repaired=True,
    )

    assert seen(mine, found(POLY, NOTHING, NOTHING, refusal=refusal)) == (
        [RefuseOrder(ORDER, reason)],
        [refused] if known else [],
        False,
        None,
    )


def test_a_refused_order_that_was_filled_is_a_doubt() -> None:
    mine = ours("partly filled")
    action = "ask the platform how a refused order was filled"
    theirs = shown("4", "6", "bad")

    assert seen(mine, found(POLY, FOUR, SIX, refusal="bad"), T1) == (
        [],
        [differs(mine, KIND.ORDER_STATUS_MISMATCH, theirs, action, PERSON.NOTIFIED)],
        True,
        None,
    )


def test_totals_of_the_answer_count_before_the_rest_is_looked_at() -> None:
    answer = found(POLY, TEN, NOTHING)

    assert seen(ours("intent"), answer)[0] == [
        StateTotals(ORDER, Totals(TEN, Money(Decimal(5)), CENT)),
        EndOrder(ORDER, THEIR_ID),
    ]


# Answers that leave fills out
# --------------------------------------------------------------------------

TWO_STATED: dict[str, Any] = {
    "stated": Quantity(Decimal(2)),
    "filled": SIX,
    "working_size": FOUR,
    "stated_cost": CENT,
}


@pytest.mark.parametrize(
    ("mine", "stated", "left_out"),
    [
        (ours("partly filled"), "3.99", True),
        (ours("partly filled"), "4", False),
        (ours("partly filled", **TWO_STATED), "5.99", True),
        (ours("partly filled", FAILED, filled=NOTHING), "3.99", True),
    ],
)
def test_a_total_below_what_we_know_leaves_fills_out(
    mine: OurOrder, stated: str, *, left_out: bool
) -> None:
    total = Totals(Quantity(Decimal(stated)), None, CENT)
    working = mine.order.working_size

    case = seen(mine, found(POLY, NOTHING, working, stated=total), *_listed(mine))

    kinds = [each.kind for each in case[1]]
    assert (KIND.ORDER_STATUS_MISMATCH in kinds) is left_out


def _listed(mine: OurOrder) -> list[Any]:
    return [report(fill.trade_id, fill.size, fill.finality) for fill in mine.fills]


def test_an_answer_that_leaves_fills_out_is_doubted_with_all_that_is_listed() -> None:
    mine = ours("filled")
    newer = replace(T1, matched_at=NOW)
    theirs = shown("9", "0") | {"lists": ["t1", "t2"]}
    action = "ask for the fills that the answer leaves out"

    assert seen(mine, found(POLY, Decimal(9), NOTHING), newer, T2) == (
        [],
        [differs(mine, KIND.ORDER_STATUS_MISMATCH, theirs, action, PERSON.NOTIFIED)],
        True,
        None,
    )


@pytest.mark.parametrize(
    ("whole", "finality", "left_out"),
    [(True, SETTLED, True), (True, FAILED, False), (False, SETTLED, False)],
)
def test_an_answer_without_totals_leaves_fills_out_only_if_it_lists_every_trade(
    finality: Finality, *, whole: bool, left_out: bool
) -> None:
    mine = ours("filled", finality)
    fills = (report("t1", FOUR, finality),)

    _, differing, _, _ = seen(mine, found(POLY, NOTHING, NOTHING, whole=whole, fills=fills))

    assert bool(differing) is left_out


def test_trades_in_the_answer_and_in_the_list_complete_one_another() -> None:
    answer = found(POLY, NOTHING, NOTHING, fills=(T1,))

    assert seen(ours("filled"), answer, T2) == NOTHING_FOUND


# No answer
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["working", "cancelled", "filled"])
def test_a_question_that_failed_is_asked_again(state: str) -> None:
    assert seen(ours(state), LATE) == ([], [], True, "timed out")


@pytest.mark.parametrize(
    ("mine", "asks"),
    [
        (ours("working"), True),
        (ours("working", working_size=HALF), True),
        (ours("working", working_size=NOTHING), False),
        (ours("intent"), True),
        (ours("cancelled"), False),
        (ours("filled"), True),
        (ours("filled", SETTLED), False),
        (ours("filled", FAILED), False),
    ],
)
def test_an_order_that_was_not_asked_about_should_have_been_while_it_can_change(
    mine: OurOrder, *, asks: bool
) -> None:
    assert seen(mine) == ([], [], asks, "not asked" if asks else None)


def test_an_order_with_a_stated_rest_should_have_been_asked_about() -> None:
    mine = ours("cancelled", stated=HALF, filled=HALF)

    assert seen(mine)[3] == "not asked"


def test_the_list_of_trades_answers_for_an_order_of_which_only_finality_is_open() -> None:
    assert seen(ours("filled"), None, T1, T2) == NOTHING_FOUND
    assert seen(ours("filled"), None, T1) == ([], [], True, "not asked")


def test_an_unanswered_order_ends_when_its_trades_complete_it() -> None:
    mine = ours("intent")
    trades = [replace(T1, platform_order_id="p-1"), replace(T2, platform_order_id="p-2")]

    repairs, _, asks, reason = seen(mine, LATE, *trades)

    assert repairs[2:] == [EndOrder(ORDER, "p-1")]
    assert (asks, reason) == (True, "timed out")
    whole = ours("unknown", working_size=NOTHING, platform_order_id="p-3")
    assert seen(whole, LATE)[0] == [EndOrder(ORDER, "p-3")]
    assert seen(ours("working", working_size=NOTHING), LATE)[0] == []


# Answers that do not show the order
# ---------------------------------------------------------------------


def missing(
    mine: OurOrder, as_of: datetime | None, involvement: Involvement = PERSON.NOTIFIED
) -> Discrepancy:
    theirs = {"answer": "not found", "as_of": as_of.isoformat() if as_of else None}
    return differs(mine, KIND.ORDER_NOT_FOUND, theirs, LOOK, involvement)


@pytest.mark.parametrize(
    ("trades", "strange", "proven"),
    [
        ((), (), True),
        ((T1,), (), False),
        ((), (replace(T1, matched_at=SENT - TICK),), True),
        ((), (replace(T1, matched_at=SENT),), False),
    ],
)
def test_an_absent_order_is_given_up_if_no_trade_can_be_its_own(
    trades: tuple[Any, ...], strange: tuple[Any, ...], *, proven: bool
) -> None:
    repairs, differing, asks, reason = seen(ours("intent"), ABSENT, *trades, strange=strange)

    assert (GiveUpOrder(ORDER) in repairs) is proven
    assert not proven or (repairs, differing, asks, reason) == (
        [GiveUpOrder(ORDER)],
        [],
        False,
        None,
    )


@pytest.mark.parametrize(
    ("mine", "trades", "doubted"),
    [
        (ours("working"), (), True),
        (ours("working", working_size=HALF), (), True),
        (ours("cancelled"), (), False),
        (ours("filled"), (T1,), True),
        (ours("filled"), (T1, T2), False),
        (ours("filled", SETTLED), (), False),
        (ours("filled", FAILED), (), False),
    ],
)
def test_an_order_that_is_not_shown_is_doubted_while_it_can_change(
    mine: OurOrder, trades: tuple[Any, ...], *, doubted: bool
) -> None:
    expected = [missing(mine, NOW)] if doubted else []

    assert seen(mine, NotFound(NOW), *trades) == ([], expected, doubted, None)


@pytest.mark.parametrize(
    ("waited", "involvement"), [(GRACE - TICK, PERSON.NOTIFIED), (GRACE, PERSON.DECIDES)]
)
@pytest.mark.parametrize("answer", [NotFound(NOW), Stale(NOW)])
def test_a_person_decides_about_an_order_that_has_waited_for_an_answer_for_the_grace(
    answer: Answer, waited: timedelta, involvement: Involvement
) -> None:
    mine = ours("unknown", outcome_unknown_since=NOW - waited)

    repairs, differing, asks, reason = seen(mine, answer)

    waits = isinstance(answer, Stale) and involvement is PERSON.NOTIFIED
    assert (repairs, asks, reason) == ([], True, None)
    assert differing == ([] if waits else [missing(mine, NOW, involvement)])


@pytest.mark.parametrize(
    ("mine", "asks"),
    [(ours("working"), True), (ours("filled"), True), (ours("cancelled"), False)],
)
def test_a_stale_answer_is_asked_for_again_while_the_order_can_change(
    mine: OurOrder, *, asks: bool
) -> None:
    assert seen(mine, Stale(NOW)) == ([], [], asks, None)
