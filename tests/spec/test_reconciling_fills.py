"""The fills of one order against the trades and totals of its platform."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.examined import ORDER, Seen, case_of, differs, ours, result
from support.pairs import NOW
from support.reconciliation import CENT, FOUR, GRACE, SIX, TEN, found, report

from dutchbook.domain.execution.order import Fill, Finality, OrderStatus, Totals
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.fills import enter_fills, total
from dutchbook.domain.reconciliation.findings import (
    BookFill,
    Discrepancy,
    DiscrepancyType,
    FailFill,
    Involvement,
    Repair,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import OurOrder
from dutchbook.domain.reconciliation.platform_state import FillReport, OrderReport, strongest
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity

POLY = Platform.POLYMARKET
KIND, PERSON = DiscrepancyType, Involvement
SETTLED, FAILED = Finality.SETTLED, Finality.FAILED
T1, T2 = report("t1", FOUR), report("t2", SIX)


def entered(
    mine: OurOrder, *reports: FillReport, answer: OrderReport | None = None, **facts: Any
) -> Seen:
    case = case_of(mine, **facts)
    enter_fills(case, *strongest(reports), answer)
    return result(case)


def document(trade_id: str, size: str) -> dict[str, str]:
    return {
        "trade_id": trade_id,
        "price": "0.5",
        "size": size,
        "fee": "0.01",
        "finality": "provisional",
    }


# New trades
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "closed", "kind", "involvement"),
    [
        ("working", False, KIND.PENDING_FILLED, PERSON.NONE),
        ("working", True, KIND.FILL_MISSING, PERSON.DECIDES),
        ("cancelled", False, KIND.FILL_MISSING, PERSON.NOTIFIED),
        ("cancelled", True, KIND.FILL_MISSING, PERSON.DECIDES),
        ("rejected", False, KIND.FILL_MISSING, PERSON.NOTIFIED),
    ],
)
def test_new_trades_are_booked_and_reported_by_what_was_expected_of_the_order(
    state: str, kind: DiscrepancyType, involvement: Involvement, *, closed: bool
) -> None:
    mine = ours(state)
    theirs = {"filled": "10", "fills": [document("t1", "4"), document("t2", "6")]}
    missed = differs(mine, kind, theirs, "none: it is entered", involvement, repaired=True)
    after_end = differs(
        mine,
        KIND.ORDER_STATUS_MISMATCH,
        theirs,
        "look how a fill came after the end; acknowledge or close",
        PERSON.DECIDES,
        repaired=True,
    )

    assert entered(mine, T2, T1, closed=closed) == (
        [BookFill(ORDER, mine.fill_of(each)) for each in (T1, T2)],
        [missed] if state == "working" else [missed, after_end],
        False,
        None,
    )


def test_a_new_trade_of_an_order_that_was_filled_in_part_is_a_missing_fill() -> None:
    mine = ours("partly filled")
    theirs = {"filled": "10", "fills": [document("t2", "6")]}

    assert entered(mine, T1, T2) == (
        [BookFill(ORDER, mine.fill_of(T2))],
        [
            differs(
                mine,
                KIND.FILL_MISSING,
                theirs,
                "none: it is entered",
                PERSON.NOTIFIED,
                repaired=True,
            )
        ],
        False,
        None,
    )


def test_trades_of_which_one_has_failed_count_only_the_others() -> None:
    mine = ours("working")
    gone = report("t2", SIX, FAILED)
    theirs = {"filled": "4", "fills": [document("t1", "4")]}

    assert entered(mine, T1, gone) == (
        [BookFill(ORDER, mine.fill_of(T1)), BookFill(ORDER, mine.fill_of(gone))],
        [
            differs(
                mine,
                KIND.PENDING_FILLED,
                theirs,
                "none: it is entered",
                PERSON.NONE,
                repaired=True,
            ),
            failed(mine, "t2", "6"),
        ],
        False,
        None,
    )


def failed(mine: OurOrder, trade_id: str, size: str, *, closed: bool = False) -> Discrepancy:
    return differs(
        mine,
        KIND.FILL_FAILED,
        {"trade_id": trade_id, "size": size, "finality": "failed"},
        "decide what the position is" if closed else "even the position, or close it",
        PERSON.DECIDES if closed else PERSON.NOTIFIED,
        subject=trade_id,
        repaired=True,
    )


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("state", ["working", "cancelled"])
def test_a_new_trade_that_has_failed_already_changes_no_amount(
    state: str, *, closed: bool
) -> None:
    mine = ours(state)
    gone = report("t1", FOUR, FAILED)

    assert entered(mine, gone, closed=closed) == (
        [BookFill(ORDER, mine.fill_of(gone))],
        [failed(mine, "t1", "4", closed=closed)],
        False,
        None,
    )


# Trades that both record
# -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "reported", "repair"),
    [
        (Finality.PROVISIONAL, Finality.PROVISIONAL, None),
        (SETTLED, Finality.PROVISIONAL, None),
        (SETTLED, SETTLED, None),
        (FAILED, FAILED, None),
        (FAILED, Finality.PROVISIONAL, None),
        (Finality.PROVISIONAL, SETTLED, SettleFill),
        (Finality.PROVISIONAL, FAILED, FailFill),
    ],
)
@pytest.mark.parametrize("closed", [True, False])
def test_a_fill_becomes_final_once(
    recorded: Finality,
    reported: Finality,
    repair: type[SettleFill | FailFill] | None,
    *,
    closed: bool,
) -> None:
    mine = ours("partly filled", recorded)

    repairs, found_, asks, _ = entered(mine, report("t1", FOUR, reported), closed=closed)

    assert repairs == ([repair(ORDER, mine.fills[0])] if repair else [])
    assert found_ == ([failed(mine, "t1", "4", closed=closed)] if repair is FailFill else [])
    assert not asks


@pytest.mark.parametrize(
    ("recorded", "other", "kind", "reason"),
    [
        (None, report("t1", SIX), KIND.FILL_UNKNOWN, "ours has another price or size"),
        (
            None,
            report("t1", FOUR, price=Price(Decimal("0.4"))),
            KIND.FILL_UNKNOWN,
            "ours has another price or size",
        ),
        (SETTLED, report("t1", FOUR, FAILED), KIND.FILL_FAILED, "ours is settled for good"),
        (FAILED, report("t1", FOUR, SETTLED), KIND.FILL_UNKNOWN, "ours is failed for good"),
    ],
)
def test_a_person_decides_about_a_trade_that_contradicts_our_record(
    recorded: Finality | None, other: FillReport, kind: DiscrepancyType, reason: str
) -> None:
    mine = ours("partly filled", recorded)

    expected = contradicted(mine, other, kind, reason)
    assert entered(mine, other) == ([], [expected], False, None)


def contradicted(
    mine: OurOrder, trade: FillReport, kind: DiscrepancyType, reason: str
) -> Discrepancy:
    return differs(
        mine,
        kind,
        {
            "trade_id": "t1",
            "price": f"{trade.price}",
            "size": f"{trade.size}",
            "finality": trade.finality.value,
            "reason": reason,
        },
        "compare the trade with the platform's own page",
        PERSON.DECIDES,
        subject="t1",
    )


def test_contradictory_reports_leave_out_their_trade_and_the_totals_and_no_other_trade() -> (
    None
):
    mine = ours("working")
    torn = report("t1", FOUR, SETTLED), report("t1", FOUR, FAILED)

    repairs, found_, asks, _ = entered(mine, *torn, T2, answer=found(POLY, TEN, NOTHING))

    assert repairs == [BookFill(ORDER, mine.fill_of(T2))]
    assert found_[0] == contradicted(
        mine, torn[1], KIND.FILL_FAILED, "its reports contradict one another"
    )
    assert [each.kind for each in found_[1:]] == [KIND.PENDING_FILLED]
    assert not asks


# Totals
# -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "reports", "stated", "repairs"),
    [
        (ours("working"), (), TEN, True),
        (ours("working"), (T1, T2), TEN, False),
        (ours("partly filled"), (T1,), FOUR, False),
        (ours("partly filled"), (T1,), Quantity(Decimal("4.5")), True),
        (ours("working"), (), None, False),
    ],
)
def test_totals_are_recorded_if_they_say_more_than_the_trades(
    mine: OurOrder, reports: tuple[FillReport, ...], stated: Quantity | None, *, repairs: bool
) -> None:
    totals = Totals(stated, Money(stated / 2), CENT) if stated else None
    answer = found(POLY, NOTHING, NOTHING, stated=totals)

    made = entered(mine, *reports, answer=answer)[0]

    of_totals: list[Repair] = [each for each in made if isinstance(each, StateTotals)]
    assert of_totals == ([StateTotals(ORDER, totals)] if repairs and totals else [])


def test_stated_contracts_without_trades_are_new_fills_and_asked_for() -> None:
    mine = ours("working")
    doubt = differs(
        mine,
        KIND.FILL_MISSING,
        {"stated_without_trades": "6"},
        "ask the platform for the trades",
        PERSON.NOTIFIED,
    )
    theirs = {"filled": "10", "fills": [document("t1", "4")]}
    filled = differs(
        mine, KIND.PENDING_FILLED, theirs, "none: it is entered", PERSON.NONE, repaired=True
    )
    answer = found(POLY, TEN, NOTHING)

    assert entered(mine, T1, answer=answer) == (
        [
            BookFill(ORDER, mine.fill_of(T1)),
            StateTotals(ORDER, Totals(TEN, Money(Decimal(5)), CENT)),
        ],
        [filled, doubt],
        True,
        None,
    )


def test_trades_that_stay_away_for_the_grace_are_a_persons() -> None:
    mine = ours("working", stated=FOUR, filled=FOUR, status=OrderStatus.PARTIAL)
    key = f"fill_missing:polymarket:{ORDER}:position-1"
    answer = found(POLY, FOUR, SIX)

    found_ = entered(mine, answer=answer, doubted={key: NOW - GRACE})[1]

    assert [(each.kind, each.involvement) for each in found_] == [
        (KIND.FILL_MISSING, PERSON.DECIDES)
    ]


def test_without_an_answer_a_stated_rest_is_only_asked_for() -> None:
    mine = ours("working", stated=FOUR, filled=FOUR)

    assert entered(mine) == ([], [], True, None)
    assert entered(ours("working")) == ([], [], False, None)


def test_the_total_of_fills_is_the_sum_of_their_sizes() -> None:
    fills: tuple[Fill, ...] = tuple(
        ours("working").fill_of(replace(each, matched_at=NOW - timedelta(1)))
        for each in (T1, T2)
    )

    assert (total(()), total(fills)) == (Decimal(0), Decimal(10))
