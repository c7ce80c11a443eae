"""The comparison of one order: what it notes, and what proves that the order is absent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.examined import (
    HALF,
    LATE,
    ORDER,
    case_of,
    differs,
    holding,
    ours,
    result,
    shown,
)
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    FOUR,
    GRACE,
    SENT,
    SIX,
    TEN,
    account,
    found,
    order,
    report,
)

from dutchbook.domain.execution.order import Finality, Totals
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.absence import proven_absent
from dutchbook.domain.reconciliation.absence import seen as as_seen
from dutchbook.domain.reconciliation.examination import answered, described, fill_document
from dutchbook.domain.reconciliation.findings import (
    DiscrepancyType,
    EndOrder,
    Involvement,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import NotFound, Stale
from dutchbook.domain.values.units import NOTHING

POLY = Platform.POLYMARKET
KIND, PERSON = DiscrepancyType, Involvement
SETTLED, FAILED = Finality.SETTLED, Finality.FAILED
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)


# Absence
# --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "stale"), [(None, True), (SENT - TICK, True), (SENT, False), (NOW, False)]
)
def test_not_found_is_stale_if_it_is_undated_or_older_than_the_order(
    as_of: datetime | None, *, stale: bool
) -> None:
    answer = NotFound(as_of, NOW)

    assert as_seen(order(), answer) == (Stale(as_of) if stale else answer)
    assert as_seen(order(), LATE) is LATE


@pytest.mark.parametrize(
    ("facts", "as_of", "proven"),
    [
        ({}, NOW, False),
        ({}, NOW + TICK, True),
        ({"outcome_unknown_since": SENT + SECOND}, NOW + SECOND, False),
        ({"outcome_unknown_since": SENT + SECOND}, NOW + SECOND + TICK, True),
        ({"outcome_unknown_since": SENT - SECOND}, NOW + TICK, True),
        ({"filled": HALF}, NOW + TICK, False),
        ({"reported": True}, NOW + TICK, False),
    ],
)
def test_absence_is_proven_by_newer_data_than_the_last_instant_of_acceptance(
    facts: dict[str, Any], as_of: datetime, *, proven: bool
) -> None:
    assert proven_absent(order(**facts), NotFound(as_of, NOW)) is proven


# Doubts and documents
# ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waited", "since", "involvement"),
    [
        (timedelta(0), None, PERSON.NOTIFIED),
        (GRACE - TICK, NOW - GRACE + TICK, PERSON.NOTIFIED),
        (GRACE, None, PERSON.DECIDES),
        (timedelta(0), NOW - GRACE, PERSON.DECIDES),
    ],
)
def test_a_doubt_is_a_persons_once_either_time_is_over(
    waited: timedelta, since: datetime | None, involvement: Involvement
) -> None:
    mine = ours("working")
    key = f"fill_missing:polymarket:{ORDER}:position-1"
    case = case_of(mine, doubted={key: since} if since else {})

    case.doubts(KIND.FILL_MISSING, {"a": 1}, "look", waited)

    expected = differs(mine, KIND.FILL_MISSING, {"a": 1}, "look", involvement)
    assert result(case) == ([], [expected], True, None)


def test_a_doubt_without_a_wait_of_its_own_is_new() -> None:
    mine = ours("working")
    case = case_of(mine)

    case.doubts(KIND.FILL_MISSING, {}, "look")

    expected = differs(mine, KIND.FILL_MISSING, {}, "look", PERSON.NOTIFIED)
    assert result(case) == ([], [expected], True, None)


def test_of_two_discrepancies_alike_the_one_that_a_person_decides_stays() -> None:
    mine = ours("working")
    case = case_of(mine)

    told = case.differs(KIND.FILL_FAILED, {}, "first", PERSON.NOTIFIED, subject="t1")
    other = case.differs(KIND.FILL_FAILED, {}, "other", PERSON.NOTIFIED)
    grave = case.differs(KIND.FILL_FAILED, {}, "second", PERSON.DECIDES, subject="t1")
    late = case.differs(KIND.FILL_FAILED, {}, "x", PERSON.NONE, subject="t1", repaired=True)

    assert told == differs(mine, KIND.FILL_FAILED, {}, "first", PERSON.NOTIFIED, subject="t1")
    assert late == differs(
        mine, KIND.FILL_FAILED, {}, "x", PERSON.NONE, subject="t1", repaired=True
    )
    assert list(case.found.values()) == [grave, other]


def test_a_later_discrepancy_replaces_one_that_no_person_decides() -> None:
    case = case_of(ours("working"))

    case.differs(KIND.FILL_FAILED, {}, "first", PERSON.NOTIFIED)
    later = case.differs(KIND.FILL_FAILED, {}, "second", PERSON.NONE)

    assert list(case.found.values()) == [later]


def test_a_question_stays_asked() -> None:
    case = case_of(ours("working"))

    case.ask(when=False)
    assert not case.ask_again
    case.ask()
    case.ask(when=False)
    assert case.ask_again


def test_a_missing_answer_is_noted_with_its_reason_and_asked_for_again() -> None:
    case = case_of(ours("working"))

    case.answer_missing("timed out")

    assert result(case) == ([], [], True, "timed out")


def test_repairs_are_noted_and_the_comparison_goes_on_from_them() -> None:
    mine = ours("partly filled")
    case = case_of(mine)
    first, second = StateTotals(ORDER, Totals(SIX, None, CENT)), EndOrder(ORDER, "p-1")

    case.repair(first, second, SettleFill(ORDER, mine.fills[0]))

    assert case.repairs == [first, second, SettleFill(ORDER, mine.fills[0])]
    assert (case.before, case.order) == (mine, mine.order)
    assert case.after.order == mine.order.with_totals(first.totals, mine.fills).acknowledged(
        "p-1", NOTHING
    )
    assert [fill.finality for fill in case.after.fills] == [SETTLED]


def test_our_record_of_an_order_is_described_with_its_fills() -> None:
    fill = OurOrder(order(), account(POLY)).fill_of(report("t1", FOUR))
    known = order(filled=SIX, working_size=HALF, stated=FOUR, platform_order_id="p-1")
    document = {
        "trade_id": "t1",
        "price": "0.5",
        "size": "4",
        "fee": "0.01",
        "finality": "provisional",
    }

    assert fill_document(fill) == document
    assert described(holding(known, fill)) == {
        "status": "PENDING",
        "filled": "6",
        "working": "0.5",
        "stated": "4",
        "platform_order_id": "p-1",
        "awaiting_answer": True,
        "fills": [document],
    }


@pytest.mark.parametrize(
    ("answer", "document"),
    [
        (found(POLY, FOUR, SIX, refusal="bad"), shown("4", "6", "bad")),
        (found(POLY, NOTHING, TEN), shown("", "10")),
        (NotFound(NOW), {"answer": "not found", "as_of": "2026-07-05T18:00:00+00:00"}),
        (Stale(None), {"answer": "not found", "as_of": None}),
    ],
)
def test_an_answer_is_described(answer: Any, document: dict[str, Any]) -> None:
    assert answered(answer) == document
