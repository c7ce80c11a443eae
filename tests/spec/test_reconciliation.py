from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches
from support.pairs import NOW
from support.reconciliation import (
    ABSENT,
    CENT,
    FOUR,
    GRACE,
    LOCAL,
    PLATFORM,
    POSITION,
    SENT,
    SETTLEMENT,
    SIX,
    TEN,
    AskPerson,
    Proposal,
    account,
    diff,
    found,
    local,
    order,
    ours_with,
    past_grace,
    propose,
    report,
    theirs,
)
from support.second_books import apply

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Finality, OrderStatus, Totals
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.position import DUST, PositionStatus
from dutchbook.domain.reconciliation.absence import proven_absent
from dutchbook.domain.reconciliation.findings import (
    REPAIRS,
    AskAgain,
    BookCash,
    Discrepancy,
    DiscrepancyType,
    Involvement,
    Repair,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    FillReport,
    ListedCash,
    ListedContracts,
    ListedOrder,
    NamedCash,
    NotFound,
    PlatformState,
    Stale,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity
from dutchbook.errors import InvalidInput

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
KIND = DiscrepancyType
MINUTE = timedelta(minutes=1)


def reported(
    platform: Platform = POLY,
    reply: Answer | None = None,
    *fills: FillReport,
    **lists: object,
) -> PlatformState:
    answers = {f"{platform}-order": reply} if reply else {}
    statement = replace(Statement(answers, fills), **lists)  # type: ignore[arg-type]
    return PlatformState(NOW, {platform: statement, platform.other: Statement()})


def run(ours: OurState, reply: PlatformState) -> tuple[list[Discrepancy], OurState]:
    discrepancies = diff(ours, reply, GRACE)
    proposals = propose(discrepancies, ours, reply, GRACE)
    return list(discrepancies), apply(ours, proposals, dust=DUST)


def proposed(ours: OurState, reply: PlatformState) -> tuple[Proposal, ...]:
    return propose(diff(ours, reply, GRACE), ours, reply, GRACE)


def the(ours: OurState, platform: Platform = POLY) -> OurOrder:
    return next(each for each in ours.orders if each.order.order_id == f"{platform}-order")


# Absence
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "proven"),
    [
        (NotFound(NOW, SENT + MINUTE), True),
        (NotFound(SENT + MINUTE, SENT + MINUTE), False),
        (NotFound(None, SENT + MINUTE), False),
        (NotFound(NOW, None), False),
    ],
)
def test_only_an_answer_from_after_the_window_proves_that_an_order_is_absent(
    answer: NotFound, proven: bool
) -> None:
    assert proven_absent(order(), answer) is proven


def test_an_order_that_was_acknowledged_or_filled_is_never_proven_absent() -> None:
    filled = the(local("filled")).order

    assert not proven_absent(order().acknowledged("7", TEN), ABSENT)
    assert not proven_absent(replace(filled, platform_order_id=None), ABSENT)


def test_the_window_of_an_unknown_outcome_starts_when_the_outcome_became_unknown() -> None:
    asked = order().unknown(SENT + MINUTE)

    early = NotFound(SENT + 2 * MINUTE, SENT + MINUTE)
    late = NotFound(SENT + 2 * MINUTE + timedelta(seconds=1), SENT + MINUTE)

    assert not proven_absent(asked, early)
    assert proven_absent(asked, late)


def test_if_absence_cannot_be_proven_a_person_is_asked_and_the_order_stays_pending() -> None:
    ours = local("unknown")
    reply = reported(POLY, NotFound(NOW, None))

    discrepancies, after = run(ours, reply)

    assert [(d.kind, d.involvement) for d in discrepancies] == [
        (KIND.ORDER_NOT_FOUND, Involvement.DECIDES)
    ]
    assert the(after).order == the(ours).order


def test_an_unknown_outcome_is_queried_again_before_a_person_is_asked() -> None:
    young = replace(order().unknown(NOW - timedelta(seconds=5)), created_at=NOW - MINUTE / 2)

    questions = proposed(ours_with(young), reported(POLY, NotFound(None)))

    assert questions == (AskAgain(POLY, "polymarket-order"),)


@pytest.mark.parametrize("as_of", [None, SENT - timedelta(seconds=1)])
def test_not_found_from_before_the_send_is_no_evidence_about_an_order(
    as_of: datetime | None,
) -> None:
    ours = local("working")
    reply = reported(POLY, NotFound(as_of))

    discrepancies = diff(ours, reply, GRACE)

    assert discrepancies == ()
    assert proposed(ours, reply) == (AskAgain(POLY, "polymarket-order"),)


def test_an_unexplained_fill_prevents_the_proof_that_an_order_is_absent() -> None:
    """Kalshi's fills name only its own order id, which we never received."""
    ours = local("unknown", KALSHI)
    stranger = report("t9", TEN, platform=KALSHI, client_order_id=None)

    discrepancies, after = run(ours, reported(KALSHI, ABSENT, strange=(stranger,)))

    assert [d.kind for d in discrepancies] == [KIND.ORDER_NOT_FOUND]
    assert the(after, KALSHI).order.status is OrderStatus.PENDING


def test_a_fill_is_matched_to_its_order_by_the_id_in_the_platforms_answer() -> None:
    ours = local("intent", KALSHI)
    fill = report("t1", TEN, Finality.SETTLED, KALSHI, client_order_id=None)

    discrepancies, after = run(ours, reported(KALSHI, found(KALSHI, TEN, NOTHING), fill))

    assert [d.kind for d in discrepancies] == [KIND.PENDING_FILLED]
    assert the(after, KALSHI).order.status is OrderStatus.FILLED
    assert the(after, KALSHI).order.platform_order_id == "kalshi-7"


def test_a_recorded_trade_is_recognised_by_its_id_alone() -> None:
    ours = local("partly filled", KALSHI)
    settled = report(
        "t1", FOUR, Finality.SETTLED, KALSHI, platform_order_id="", client_order_id=None
    )

    discrepancies, after = run(ours, reported(KALSHI, found(KALSHI, FOUR, SIX), settled))

    assert discrepancies == []
    assert the(after, KALSHI).fills[0].finality is Finality.SETTLED


def test_trades_that_complete_an_order_resolve_it_even_if_one_of_them_failed_later() -> None:
    _, part = run(local("intent"), reported(POLY, Unavailable("late"), report("t1", FOUR)))
    trades = (report("t1", FOUR, Finality.FAILED), report("t2", SIX))

    _, after = run(part, reported(POLY, Unavailable("late"), *trades))

    order = the(after).order
    assert (order.status, order.filled) == (OrderStatus.PARTIAL, SIX)
    assert order.platform_order_id == "polymarket-7"
    assert not the(after).awaiting


def test_an_unreachable_platform_is_one_discrepancy_for_all_of_its_orders() -> None:
    ours = local("unknown")

    discrepancies, after = run(ours, PlatformState(NOW, {KALSHI: Statement()}))

    assert [(d.kind, d.platform, d.ours) for d in discrepancies] == [
        (KIND.PLATFORM_UNAVAILABLE, POLY, {"orders": ["polymarket-order"]})
    ]
    assert after == ours


def test_an_order_without_an_answer_is_missing_only_if_the_lists_do_not_explain_it() -> None:
    ours = local("filled")

    explained = diff(ours, reported(POLY, None, *_shown(ours)), GRACE)
    unexplained = diff(ours, reported(POLY), GRACE)

    assert explained == ()
    assert [d.kind for d in unexplained] == [KIND.PLATFORM_UNAVAILABLE]


# Fills
# -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["cancelled", "rejected"])
def test_a_late_fill_is_entered_and_a_person_decides(state: str) -> None:
    ours = local(state)

    discrepancies, after = run(
        ours, reported(POLY, found(POLY, FOUR, NOTHING), report("t1", FOUR))
    )

    decided = [d for d in discrepancies if d.involvement is Involvement.DECIDES]
    assert the(after).order.filled == FOUR
    assert [(d.kind, d.repaired) for d in decided] == [(KIND.ORDER_STATUS_MISMATCH, True)]
    assert after.positions[0].status is PositionStatus.RECONCILIATION_REQUIRED
    assert after.positions[0].reconciliation_context is not None


@pytest.mark.parametrize(
    ("status", "becomes", "involvement"),
    [
        (PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED, Involvement.NOTIFIED),
        (
            PositionStatus.CLOSED,
            PositionStatus.RECONCILIATION_REQUIRED,
            Involvement.DECIDES,
        ),
    ],
)
def test_a_failed_fill_is_an_exposure_or_on_a_closed_position_a_persons_decision(
    status: PositionStatus, becomes: PositionStatus, involvement: Involvement
) -> None:
    ours = local("filled")
    ours = replace(ours, positions=(replace(ours.positions[0], status=status),))
    failed = (report("t1", FOUR), report("t2", SIX, Finality.FAILED))

    discrepancies, after = run(ours, reported(POLY, found(POLY, TEN, NOTHING), *failed))

    assert [(d.kind, d.involvement) for d in discrepancies] == [(KIND.FILL_FAILED, involvement)]
    assert after.positions[0].status is becomes
    assert after.positions[0].polymarket.size == FOUR
    assert the(after).order.status is OrderStatus.PARTIAL


def test_a_final_fill_is_not_reversed_without_a_person() -> None:
    _, settled = run(local("filled"), theirs("filled", "filled", "final", POLY))

    discrepancies, after = run(settled, theirs("filled", "filled", "failed", POLY))

    assert {(d.kind, d.involvement) for d in discrepancies} == {
        (KIND.FILL_FAILED, Involvement.DECIDES)
    }
    assert the(after).order == the(settled).order


def test_contradictory_reports_are_discrepancies_and_change_nothing() -> None:
    torn = (report("t1", FOUR, Finality.SETTLED), report("t1", FOUR, Finality.FAILED))

    discrepancies, after = run(local("working"), reported(POLY, found(POLY, FOUR, SIX), *torn))

    assert KIND.FILL_FAILED in [d.kind for d in discrepancies]
    assert the(after).fills == ()


@pytest.mark.parametrize(
    "other", [report("t1", SIX), report("t1", FOUR, price=Price(Decimal("0.4")))]
)
def test_a_person_decides_about_a_trade_with_another_size_or_price_than_ours(
    other: FillReport,
) -> None:
    discrepancies, after = run(
        local("partly filled"), reported(POLY, found(POLY, FOUR, SIX), other)
    )

    assert (KIND.FILL_UNKNOWN, Involvement.DECIDES) in [
        (d.kind, d.involvement) for d in discrepancies
    ]
    assert the(after) == the(local("partly filled"))


# Totals without trades
# ---------------------------------------------------------------------------


def test_a_stated_total_counts_at_once_and_is_no_fill() -> None:
    reply = reported(POLY, found(POLY, TEN, NOTHING))

    _, first = run(local("unknown"), reply)
    _, other = run(local("intent"), reply)
    _, again = run(first, reply)

    order = the(first).order
    assert the(first).fills == the(other).fills == ()
    assert (order.filled, order.cost, order.fees) == (TEN, Decimal(5), CENT)
    assert (order.stated, order.stated_cost, order.stated_fees) == (TEN, Decimal(5), CENT)
    assert order.status is OrderStatus.FILLED
    assert first.positions[0].polymarket.size == TEN
    assert again == first


def test_a_stated_total_is_replaced_by_its_trades_when_they_appear() -> None:
    _, stated = run(local("working"), reported(POLY, found(POLY, TEN, NOTHING)))
    trades = (report("t1", FOUR), report("t2", SIX))

    _, part = run(stated, reported(POLY, found(POLY, TEN, NOTHING), trades[0]))
    discrepancies, late = run(part, reported(POLY, found(POLY, TEN, NOTHING), *trades))
    _, at_once = run(local("working"), reported(POLY, found(POLY, TEN, NOTHING), *trades))

    assert [d.kind for d in discrepancies] == []
    assert (the(part).order.stated, _live(part)[1:]) == (SIX, [("t1", FOUR)])
    assert the(late).order.stated == NOTHING
    assert _live(late) == _live(at_once)
    assert late.contracts == at_once.contracts
    assert late.positions[0].status is PositionStatus.OPEN


def _live(ours: OurState) -> list[tuple[str, Decimal]]:
    fills = (fill for each in ours.orders for fill in each.fills)
    return [(f.trade_id, f.size) for f in fills if f.finality is not Finality.FAILED]


def test_trades_that_replace_a_total_leave_what_works_as_it_was() -> None:
    _, stated = run(local("working"), reported(POLY, found(POLY, FOUR, SIX)))

    reply = reported(POLY, Unavailable("timed out"), report("t1", FOUR))
    _, after = run(stated, reply)

    order = the(after).order
    assert (order.filled, order.working_size, order.stated) == (FOUR, SIX, NOTHING)


def test_a_total_without_a_cost_is_taken_at_the_orders_own_limit() -> None:
    stated = Totals(TEN, None, Money(Decimal(0)))
    reply = reported(POLY, found(POLY, TEN, NOTHING, stated=stated))

    _, after = run(local("unknown"), reply)

    order = the(after).order
    assert (order.filled, order.cost) == (TEN, order.price * 10)
    assert order.status is OrderStatus.FILLED


def test_a_larger_total_replaces_a_smaller_one_and_an_older_one_changes_nothing() -> None:
    _, four = run(local("working"), reported(POLY, found(POLY, FOUR, SIX)))

    _, ten = run(four, reported(POLY, found(POLY, TEN, NOTHING)))
    discrepancies, old = run(ten, reported(POLY, found(POLY, FOUR, SIX)))

    assert (the(four).order.stated, the(ten).order.stated) == (FOUR, TEN)
    assert the(ten).order.status is OrderStatus.FILLED
    assert ten.positions[0].status is PositionStatus.OPEN
    assert the(old).order == the(ten).order
    assert KIND.ORDER_STATUS_MISMATCH in [d.kind for d in discrepancies]


def test_a_trade_that_failed_takes_back_what_was_stated_of_it() -> None:
    _, stated = run(local("working"), reported(POLY, found(POLY, TEN, NOTHING)))
    gone = report("t1", TEN, Finality.FAILED)

    discrepancies, after = run(stated, reported(POLY, found(POLY, TEN, NOTHING), gone))

    order = the(after).order
    assert (order.filled, order.stated) == (NOTHING, NOTHING)
    assert not order.cost + order.fees
    assert KIND.FILL_FAILED in [d.kind for d in discrepancies]
    assert run(after, reported(POLY, found(POLY, TEN, NOTHING), gone))[1] == after


def test_trades_that_stay_away_are_a_question_first_and_then_a_persons() -> None:
    reply = reported(POLY, found(POLY, TEN, NOTHING))
    early, after = run(local("working"), reply)
    late, _ = run(past_grace(after, reply), reply)

    assert [(d.kind, d.involvement) for d in early if d.kind is KIND.FILL_MISSING] == [
        (KIND.FILL_MISSING, Involvement.NOTIFIED)
    ]
    assert [(d.kind, d.involvement) for d in late] == [(KIND.FILL_MISSING, Involvement.DECIDES)]


# Positions
# ---------------------------------------------------------------------------------------


def test_a_position_whose_only_fill_failed_closes_when_no_order_can_still_fill() -> None:
    ours = local("unknown")
    lost = report("t0", TEN, Finality.FAILED, KALSHI)
    first = replace(ours.orders[0].fills[0], finality=Finality.PROVISIONAL)
    ours = replace(ours, orders=(replace(ours.orders[0], fills=(first,)), ours.orders[1]))

    _, waiting = run(ours, _both((lost,), Unavailable("timed out")))
    _, over = run(waiting, _both((lost,), ABSENT))

    assert waiting.positions[0].status is PositionStatus.SINGLE_LEG_EXPOSED
    assert over.positions[0].status is PositionStatus.CLOSED


def _both(kalshi: tuple[FillReport, ...], polymarket: Answer) -> PlatformState:
    answers = {"polymarket-order": polymarket}
    return PlatformState(NOW, {KALSHI: Statement(fills=kalshi), POLY: Statement(answers)})


def test_an_exit_found_filled_removes_its_share_of_the_cost() -> None:
    ours = local("filled")
    leaving = order(
        order_id="exit",
        client_order_id="exit-key",
        side=Side.SELL,
        size=FOUR,
        working_size=FOUR,
    )
    sale = OurOrder(leaving, account(POLY), position_id=POSITION)
    ours = replace(ours, orders=(*ours.orders, sale))
    sold = report("t5", FOUR, client_order_id="exit-key", platform_order_id="p-9")

    _, after = run(ours, reported(POLY, None, *_shown(ours), sold, positions=None))

    position = after.positions[0]
    assert position.status is PositionStatus.EXIT_PARTIAL
    assert (position.polymarket.size, position.polymarket.cost) == (SIX, Decimal(3))
    assert after.contracts[POLY, "polymarket-cup", Outcome.NO] == SIX
    assert after.cash[account(POLY)] == ours.cash[account(POLY)] + 2 - CENT


def _shown(ours: OurState) -> tuple[FillReport, ...]:
    return tuple(report(fill.trade_id, fill.size) for fill in the(ours).fills)


# Accounts
# ----------------------------------------------------------------------------------------


def contracts(
    as_of: datetime | None, size: Decimal, platform: Platform = POLY
) -> ListedContracts:
    return ListedContracts(as_of, {(f"{platform}-cup", Outcome.NO): Quantity(size)})


def test_contracts_explained_by_a_missing_fill_are_not_reported_twice() -> None:
    trades = (report("t1", FOUR), report("t2", SIX))

    discrepancies, _ = run(
        local("unknown"),
        reported(POLY, found(POLY, TEN, NOTHING), *trades, positions=contracts(NOW, TEN)),
    )

    assert [d.kind for d in discrepancies] == [KIND.PENDING_FILLED]


def test_a_person_decides_about_unexplained_contracts_after_the_grace() -> None:
    _, ours = run(local("filled"), theirs("filled", "filled", "final", POLY))
    reply = reported(POLY, None, *_shown(ours), positions=contracts(NOW, FOUR))

    (first,), unmoved = run(ours, reply)
    (second,), moved = run(past_grace(ours, reply), reply)

    assert (first.kind, first.involvement) == (KIND.POSITION_MISMATCH, Involvement.NOTIFIED)
    assert (first.ours, first.theirs) == ({"contracts": "10"}, {"contracts": "4"})
    assert unmoved == ours
    assert second.involvement is Involvement.DECIDES
    assert moved.positions[0].status is PositionStatus.RECONCILIATION_REQUIRED
    assert moved.positions[0].polymarket.size == TEN


@pytest.mark.parametrize("as_of", [None, SENT])
def test_a_list_that_is_older_than_our_newest_fill_is_asked_for_again(
    as_of: datetime | None,
) -> None:
    ours = local("filled")
    lists = {"positions": contracts(as_of, NOTHING)}
    cash = {account(POLY): ListedCash(as_of, CENT)}
    reply = reported(POLY, None, *_shown(ours), **lists, balances=cash)
    reply = replace(reply, asked_at=SENT + timedelta(seconds=30))

    questions = proposed(ours, reply)

    subjects = {each.subject for each in questions if isinstance(each, AskAgain)}
    assert {"positions", "balance polymarket:main:USD"} <= subjects
    assert not [each for each in questions if isinstance(each, AskPerson)]


def test_a_list_without_a_date_counts_once_everything_is_older_than_the_grace() -> None:
    """Polymarket does not date its reads; without this its cash would never be compared."""
    ours = local("filled")
    cash = {account(POLY): ListedCash(None, CENT)}

    found = diff(ours, reported(POLY, None, *_shown(ours), balances=cash), GRACE)

    assert [d.kind for d in found] == [KIND.BALANCE_MISMATCH]


def test_while_trades_are_not_listed_no_cash_is_compared() -> None:
    _, ours = run(local("working"), reported(POLY, found(POLY, TEN, NOTHING)))
    cash = {account(POLY): ListedCash(NOW, CENT)}

    kinds = [d.kind for d in diff(ours, reported(POLY, None, balances=cash), GRACE)]

    assert KIND.BALANCE_MISMATCH not in kinds


def test_provisional_contracts_may_be_listed_or_not() -> None:
    ours = local("filled")
    kinds = []
    for size in (NOTHING, FOUR, TEN, Quantity(Decimal(11))):
        discrepancies = diff(
            ours, reported(POLY, None, *_shown(ours), positions=contracts(NOW, size)), GRACE
        )
        kinds.append([d.kind for d in discrepancies])

    assert kinds == [[], [], [], [KIND.POSITION_MISMATCH]]


def test_kalshi_shows_one_number_for_both_outcomes() -> None:
    _, ours = run(local("filled", KALSHI), theirs("filled", "filled", "final", KALSHI))
    ours = replace(
        ours, contracts={**ours.contracts, (KALSHI, "kalshi-cup", Outcome.YES): FOUR}
    )

    discrepancies, _ = run(ours, reported(KALSHI, positions=contracts(NOW, SIX, KALSHI)))

    assert discrepancies == []


def test_named_cash_is_booked_first_and_only_the_rest_is_a_mismatch() -> None:
    _, ours = run(local("filled"), theirs("filled", "filled", "final", POLY))
    owner = account(POLY)
    interest = NamedCash("m1", EntryKind.INTEREST, owner, Money(Decimal(3)), NOW - MINUTE)
    total = Money(Decimal(ours.cash[owner]) + 3)
    lists = {"movements": (interest, interest)}

    explained = reported(POLY, None, **lists, balances={owner: ListedCash(NOW, total)})
    more = reported(POLY, None, **lists, balances={owner: ListedCash(NOW, Money(total + 2))})
    none_found, after = run(ours, explained)
    (rest,), _ = run(ours, more)

    assert none_found == []
    assert proposed(ours, explained) == (BookCash(interest),)
    assert after.cash[owner] == total
    assert proposed(after, explained) == ()
    assert (rest.kind, rest.theirs["unexplained"]) == (KIND.BALANCE_MISMATCH, "2")


def test_a_cash_movement_needs_a_kind_that_explains_it() -> None:
    with pytest.raises(InvalidInput):
        NamedCash("m", EntryKind.TRADE, account(POLY), CENT, NOW)


@pytest.mark.parametrize(
    ("ours_by_pattern", "filled", "involvement"),
    [
        (True, NOTHING, Involvement.DECIDES),
        (False, FOUR, Involvement.DECIDES),
        (False, NOTHING, Involvement.NOTIFIED),
    ],
)
def test_a_person_decides_about_an_unknown_order_that_may_be_ours_or_was_filled(
    ours_by_pattern: bool, filled: Quantity, involvement: Involvement
) -> None:
    stranger = ListedOrder(
        POLY, "p-99", None, "polymarket-cup", Outcome.NO, Side.BUY, TEN, filled, SIX,
        ours_by_pattern,
    )  # fmt: skip
    known = replace(stranger, platform_order_id="polymarket-7")

    discrepancies, after = run(
        local("working"), reported(POLY, found(POLY, NOTHING, TEN), orders=(stranger, known))
    )

    assert [(d.kind, d.subject, d.involvement) for d in discrepancies] == [
        (KIND.ORDER_UNKNOWN, "p-99", involvement)
    ]
    assert after == local("working")


# Repairs
# ---------------------------------------------------------------------------------------


def test_no_repair_sends_an_order() -> None:
    assert get_args(Repair) == REPAIRS
    assert {each.__name__ for each in REPAIRS} == {
        "BookCash", "BookFill", "StateTotals", "SettleFill", "DropStated", "FailFill",
        "AcknowledgeOrder", "EndOrder", "RefuseOrder", "GiveUpOrder",
    }  # fmt: skip


def test_a_trade_of_an_order_that_has_changed_meanwhile_is_not_strange() -> None:
    """Such an order is left out, and its trades were raised as if nobody had sent it."""
    ours = replace(local("working", KALSHI), orders=())
    known = report("t1", FOUR, platform=KALSHI)

    assert diff(ours, reported(KALSHI, None, known), GRACE) == ()


@pytest.mark.parametrize(("state", "decides"), [("working", True), ("unknown", False)])
def test_a_trade_of_no_order_is_for_a_person_after_a_while_if_no_order_is_unanswered(
    state: str, *, decides: bool
) -> None:
    """Kalshi's list names only its own order id, so that it may be that order's trade."""
    ours = local(state, KALSHI)
    stranger = report("t9", TEN, platform=KALSHI, platform_order_id="k-9", client_order_id=None)
    answer = found(KALSHI, NOTHING, TEN) if decides else Unavailable("timed out")
    reply = reported(KALSHI, answer, strange=(stranger,))

    seen = [
        each.involvement
        for state_then in (ours, past_grace(ours, reply))
        for each in diff(state_then, reply, GRACE)
        if each.kind is KIND.FILL_UNKNOWN
    ]

    assert seen == ([Involvement.NOTIFIED, Involvement.DECIDES] if decides else [])


def test_every_discrepancy_can_be_written_as_json_and_has_a_unique_key() -> None:
    for state in LOCAL:
        for kind in PLATFORM:
            for settlement in SETTLEMENT:
                reply = theirs(state, kind, settlement, POLY)
                discrepancies = diff(local(state), reply, GRACE)
                assert len({each.key for each in discrepancies}) == len(discrepancies)
                for each in discrepancies:
                    assert json.dumps([each.ours, each.theirs])
                    assert each.recommended_action


# Any history
# -------------------------------------------------------------------------------------

SIZES = st.lists(st.integers(1, 4), min_size=0, max_size=4).filter(lambda s: sum(s) <= 10)
FINAL = st.sampled_from(list(Finality))
COUNT = st.integers(0, 4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[OurState, list[list[FillReport]], PlatformState]:
    """Draw an order in any state, batches of its trade reports, and the final report.

    The reports come in any order and number.
    """
    ours = local(draw(st.sampled_from([each for each in LOCAL if each != "none"])))
    held = [report(fill.trade_id, fill.size) for fill in the(ours).fills]
    room = 10 - int(the(ours).order.filled)
    sizes = [size for size in draw(SIZES) if size <= room][: 1 if room < 10 else 4]
    trades = held + [report(f"n{i}", Decimal(size)) for i, size in enumerate(sizes)]
    last = [replace(each, finality=draw(FINAL)) for each in trades]
    reports = draw(st.permutations([*trades, *trades, *last, *last]))
    cut = draw(st.integers(0, len(reports)))
    batches = [list(reports[:cut]), list(reports[cut:])]
    matched = sum((each.size for each in last), start=Decimal(0))
    working = draw(st.sampled_from([NOTHING, Quantity(TEN - matched)]))
    end = reported(POLY, found(POLY, matched, working, stated=None, fills=tuple(last)))
    return ours, batches, end


def facts(ours: OurState) -> tuple[object, ...]:
    """Return the facts that two histories must agree on; the number of changes may differ.

    A fill clears a rejection for good. An order whose late fills all failed is therefore
    CANCELLED if it was recorded as filled for a while, else REJECTED. Both are treated alike.
    """
    orders = []
    for each in ours.orders:
        ended = each.order.status in (OrderStatus.CANCELLED, OrderStatus.REJECTED)
        status = OrderStatus.CANCELLED if ended else each.order.status
        order = replace(each.order, version=0, refusal=None, status=status)
        orders.append(replace(each, order=order))
    legs = [
        (each.kalshi.size, each.polymarket.size, each.polymarket.cost)
        for each in ours.positions
    ]
    return orders, legs, ours.contracts, ours.cash


@given(histories())
def test_order_number_and_batches_of_reports_do_not_matter(
    history: tuple[OurState, list[list[FillReport]], PlatformState],
) -> None:
    ours, batches, end = history
    _, at_once = run(ours, end)

    in_parts = ours
    for batch in batches:
        _, in_parts = run(in_parts, reported(POLY, Unavailable("timed out"), *batch))
    _, in_parts = run(in_parts, end)

    assert facts(in_parts) == facts(at_once)


@given(histories())
def test_at_rest_our_fills_are_the_platforms_and_a_second_run_repairs_nothing(
    history: tuple[OurState, list[list[FillReport]], PlatformState],
) -> None:
    ours, _, end = history
    _, after = run(ours, end)
    _, again = run(after, end)

    answer = end.of(POLY).answers["polymarket-order"]
    assert not isinstance(answer, NotFound | Stale | Unavailable)
    listed = {(each.trade_id, each.size, each.finality) for each in answer.fills}
    assert {(f.trade_id, f.size, f.finality) for f in the(after).fills} == listed
    assert again == after


@reaches(decided=30)
@given(histories())
def test_filled_is_the_sum_of_fills_and_the_position_agrees_with_it(
    history: tuple[OurState, list[list[FillReport]], PlatformState],
) -> None:
    ours, batches, end = history
    for reply in (*(reported(POLY, Unavailable("late"), *each) for each in batches), end):
        _, ours = run(ours, reply)

        mine, position = the(ours), ours.positions[0]
        live = [fill for fill in mine.fills if fill.finality is not Finality.FAILED]
        listed = sum((fill.size for fill in live), start=Decimal(0))
        paid = sum((fill.cost for fill in live), start=Decimal(0))
        assert mine.order.filled == listed + mine.order.stated
        assert mine.order.cost == paid + mine.order.stated_cost
        assert position.polymarket.size == mine.order.filled
        assert ours.contracts[POLY, "polymarket-cup", Outcome.NO] == mine.order.filled
        assert ours.cash[account(POLY)] == 100 - mine.order.cost - mine.order.fees
        if position.status is not PositionStatus.RECONCILIATION_REQUIRED:
            reached("decided")
            imbalanced = position.imbalanced(DUST)
            assert position.status is (
                PositionStatus.SINGLE_LEG_EXPOSED if imbalanced else PositionStatus.OPEN
            )


@given(SIZES, st.lists(st.tuples(COUNT, COUNT), max_size=5))
def test_totals_reported_before_their_trades_give_the_same_final_state(
    sizes: list[int], steps: list[tuple[int, int]]
) -> None:
    trades = [report(f"n{i}", Decimal(size)) for i, size in enumerate(sizes)]
    ours = local("working")
    most = 0
    for matched, listed in sorted(steps):
        most = max(most, min(matched, len(trades)))
        ours = _step(ours, trades, most, min(listed, most))

    at_once = _step(local("working"), trades, len(trades), len(trades))
    ours = _step(ours, trades, len(trades), len(trades))

    assert _live(ours) == _live(at_once)
    assert (ours.contracts, ours.cash) == (at_once.contracts, at_once.cash)
    assert replace(the(ours).order, version=0) == replace(the(at_once).order, version=0)
    assert [p.status for p in ours.positions] == [p.status for p in at_once.positions]


def _step(ours: OurState, trades: list[FillReport], matched: int, listed: int) -> OurState:
    """Run one pass with a total of `matched` trades, of which the platform lists `listed`."""
    total = sum((each.size for each in trades[:matched]), start=Decimal(0))
    fees = Money(CENT * matched)
    stated = Totals(Quantity(total), Money(total / 2), fees)
    answer = found(POLY, total, Quantity(TEN - total), stated=stated)
    reply = reported(POLY, answer, *trades[:listed])

    _, after = run(ours, reply)

    assert the(after).order.filled == total
    assert run(after, reply)[1] == after
    return after


@given(histories(), st.sampled_from(["lost", "stale"]))
def test_silence_after_any_history_takes_nothing_away(
    history: tuple[OurState, list[list[FillReport]], PlatformState], kind: str
) -> None:
    ours, batches, _ = history
    for batch in batches:
        _, ours = run(ours, reported(POLY, Unavailable("late"), *batch))
    silence: dict[str, Answer] = {
        "lost": Unavailable("timed out"),
        "stale": Stale(None),
    }

    _, after = run(ours, reported(POLY, silence[kind]))

    assert facts(after) == facts(ours)
