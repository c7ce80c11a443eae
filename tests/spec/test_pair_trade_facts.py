"""How facts change a pair trade, and what each change moves and writes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pairs import NOW, pair
from support.trades import (
    ACCOUNTS,
    BARE,
    BEGUN,
    CLOSED,
    COMPLEMENT,
    CONCLUDED,
    EMPTY,
    ENTRY,
    EXECUTION,
    FEE,
    HEDGED,
    K_WHOLE,
    KALSHI,
    MERGED_AWAY,
    ORDERS,
    POLYMARKET,
    RETRIED,
    RETRY,
    SALE,
    SHORT,
    YES,
    K,
    P,
    fill,
    play,
    q,
    report,
    steps,
    usd,
)

from dutchbook.application.capital.capital import Alone
from dutchbook.application.orders.send import report_of
from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.pair_trades.store import Loaded, PairTrades
from dutchbook.application.reconciliation.our_state import OurStateReader
from dutchbook.application.records.changes import changes
from dutchbook.domain.capital.ledger import Bucket, EntryKind
from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.order import (
    Fill,
    Finality,
    OrderStatus,
    Totals,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.capital import CapitalChange, capital_change
from dutchbook.domain.pair_trades.events import Exposed, Notice
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Quantity
from dutchbook.errors import InvariantBroken, OrderOut
from dutchbook.ports.journal import Batch, Insert, Update, Write
from dutchbook.runtime.ids import SeededIds


def told(before: PairTrade, fact: TradeFact) -> list[str]:
    return [_name(notice) for notice in apply(before, fact)[1]]


def _name(notice: Notice) -> str:
    return type(notice).__name__


# Orders
# ------------------------------------------------------------------------------------


def test_a_reported_fill_counts_in_its_order_and_ends_what_works_of_it() -> None:
    begun = play(BEGUN)

    after = play(report("k", fill("k1", 4)), start=begun)

    assert after.orders["k"].status is OrderStatus.PARTIAL
    assert [after.orders["k"].filled, after.orders["k"].working_size] == [4, 0]
    assert after.orders["k"].fees == FEE
    assert list(after.fills) == [(KALSHI, "k1")]


def test_a_fill_that_is_known_counts_once_when_a_newer_report_tells_of_it_again() -> None:
    working = play(BEGUN, report("k", fill("k1", 4), working=6))

    after = play(report("k", fill("k1", 4), fill("k2", 6)), start=working)

    assert after.orders["k"].filled == 10
    assert told(working, report("k", fill("k1", 4), fill("k2", 6))) == ["OrderFilled"]


@pytest.mark.parametrize("history", [HEDGED, SHORT, CLOSED], ids=["open", "exposed", "closed"])
def test_a_report_that_is_known_changes_nothing(history: tuple[TradeFact, ...]) -> None:
    before = play(*history)
    known = [fact for fact in history if isinstance(fact, facts.Reported)]

    again = [apply(before, fact) for fact in known]

    assert all(after is before and not notices for after, notices in again)


def test_a_fill_that_failed_before_it_was_reported_is_kept_and_counts_in_nothing() -> None:
    begun = play(BEGUN)

    after = play(report("k", fill("k1", 10, Finality.FAILED)), CONCLUDED, start=begun)

    assert after.orders["k"].status is OrderStatus.CANCELLED
    assert list(after.fills) == [(KALSHI, "k1")]
    assert after.execution.phase is Phase.FAILED


def test_while_an_order_of_its_leg_is_out_none_is_placed_beside_it() -> None:
    begun = play(BEGUN)

    with pytest.raises(OrderOut):
        apply(begun, facts.Placed(NOW, replace(K, order_id="k again")))
    hedging = play(facts.Placed(NOW, P), start=begun)

    assert list(hedging.orders) == ["k", "p"]


def test_beside_an_order_of_a_position_that_is_out_no_other_is_placed() -> None:
    exiting = play(*HEDGED, facts.Placed(NOW, SALE))
    unknown = play(facts.OutcomeUnknown(NOW, "s", "no answer"), start=exiting)

    for before in (exiting, unknown):
        with pytest.raises(OrderOut):
            apply(before, facts.Placed(NOW, COMPLEMENT))


def test_an_outcome_stays_unknown_since_the_first_time_until_it_is_reported() -> None:
    since = facts.OutcomeUnknown(NOW, "k", "no answer")
    later = facts.OutcomeUnknown(NOW + timedelta(hours=1), "k", "no answer")
    unknown = play(BEGUN, since)

    again = apply(unknown, later)
    reported = play(K_WHOLE, start=unknown)

    assert unknown.orders["k"].outcome_unknown_since == NOW
    assert again == (unknown, ())
    assert reported.orders["k"].outcome_unknown_since is None


@pytest.mark.parametrize(
    "nothing",
    [
        facts.CameToNothing(NOW, "r", "too dear", sent=True),
        facts.CameToNothing(NOW, "r", "the gate"),
        facts.NeverArrived(NOW, "r"),
        report("r"),
        report("r", refusal="no funds"),
    ],
    ids=["refused", "not sent", "never arrived", "expired", "refused later"],
)
def test_an_order_that_came_to_nothing_gives_back_what_was_set_aside_for_it(
    nothing: TradeFact,
) -> None:
    placed = play(*SHORT, facts.Placed(NOW, RETRY, RETRIED))

    after = play(nothing, start=placed)

    assert placed.reservations == {"r": RETRIED}
    assert after.reservations == {}
    assert after.position is placed.position
    assert told(placed, nothing) == ["ExecutionFailed"]
    assert told(after, nothing) == []


# Its execution
# ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "phase", "status"),
    [
        (HEDGED, Phase.HEDGED, PositionStatus.OPEN),
        (SHORT, Phase.EXPOSED, PositionStatus.SINGLE_LEG_EXPOSED),
    ],
    ids=["hedged", "short"],
)
def test_what_an_execution_bought_is_a_position_once_its_last_order_is_answered_for(
    history: tuple[TradeFact, ...], phase: Phase, status: PositionStatus
) -> None:
    *before, last = history

    waiting, ended = play(*before[:-1], last), play(*history)

    assert (waiting.ended, waiting.opened) == (False, False)
    assert (ended.held, ended.execution.phase, ended.position.status) == (True, phase, status)
    assert [leg.order_id for leg in ended.position.legs] == ["k", "p"]
    assert ended.reservation is None


@pytest.mark.parametrize(
    ("before", "decided", "late"),
    [
        (HEDGED[:-1], Phase.HEDGED, fill("k2", 30)),
        (EMPTY[:-1], Phase.FAILED, fill("k2", 10)),
    ],
    ids=["hedged", "failed"],
)
def test_what_a_stream_reports_after_the_decision_counts_when_an_execution_ends(
    before: tuple[TradeFact, ...], decided: Phase, late: Fill
) -> None:
    """A position of 60 against 10 contracts was shown as OPEN for a second."""
    decision = facts.Ended(NOW, replace(EXECUTION, phase=decided))

    begun = play(*before, facts.Listed(NOW, "k", (late,)))
    ended, notices = apply(begun, decision)

    assert (ended.held, ended.execution.phase) == (True, Phase.EXPOSED)
    assert ended.position.status is PositionStatus.SINGLE_LEG_EXPOSED
    assert [_name(each) for each in notices] == ["Exposed", "BudgetCommitted"]


def test_an_execution_that_bought_nothing_ends_without_a_position() -> None:
    ended = play(*EMPTY)

    assert (ended.ended, ended.opened) == (True, False)
    assert ended.execution.phase is Phase.FAILED
    assert ended.reservation is None


def test_while_an_execution_waits_its_position_shows_and_follows_each_report() -> None:
    failed = FailedLeg(POLYMARKET, "no answer", 2003, None, q(10))
    begun = play(BEGUN, K_WHOLE, facts.Placed(NOW, P))

    waiting = play(facts.Waits(NOW, EXECUTION, failed), start=begun)
    filled = play(report("p", fill("p1", 4), working=6), start=waiting)

    assert waiting.waiting
    assert [leg.size for leg in waiting.position.legs] == [10, 0]
    assert [leg.size for leg in filled.position.legs] == [10, 4]
    assert filled.position.version == waiting.position.version + 1


# Fills that become final, or come late
# ------------------------------------------------------


def test_a_fill_that_settled_changes_how_final_it_is_and_nothing_else() -> None:
    opened = play(*HEDGED)

    after = play(facts.Final(NOW, fill("k1", 10, Finality.SETTLED)), start=opened)

    assert after.fills[KALSHI, "k1"].finality is Finality.SETTLED
    assert (after.orders, after.position) == (opened.orders, opened.position)


def test_a_fill_that_failed_leaves_its_order_and_its_leg_and_is_an_exposure() -> None:
    opened = play(*HEDGED)
    failing = facts.Final(NOW, fill("k1", 10, Finality.FAILED))

    after = play(failing, start=opened)

    assert not after.orders["k"].filled
    assert not after.orders["k"].fees
    assert [leg.size for leg in after.position.legs] == [0, 10]
    assert after.position.status is PositionStatus.SINGLE_LEG_EXPOSED
    assert told(opened, failing) == ["FillFailed", "Exposed", "PositionMoved"]


def test_a_fill_is_final_once() -> None:
    settled = play(*HEDGED, facts.Final(NOW, fill("k1", 10, Finality.SETTLED)))

    again = apply(settled, facts.Final(NOW, fill("k1", 10, Finality.FAILED)))

    assert again == (settled, ())


def test_a_fill_of_an_execution_that_ended_with_nothing_opens_its_position() -> None:
    ended, late = play(*EMPTY), fill("k1", 10)
    corrected = facts.Corrected(
        NOW, ended.orders["k"], ended.orders["k"].with_fill(late), (late,), ()
    )

    after, notices = apply(ended, corrected)

    assert (after.held, after.position.status) == (True, PositionStatus.SINGLE_LEG_EXPOSED)
    assert after.position.kalshi == replace(after.position.kalshi, order_id="k", size=q(10))
    assert isinstance(notices[-1], Exposed)


def test_a_fill_reported_after_its_execution_ended_with_nothing_opens_its_position() -> None:
    ended = play(*EMPTY)

    after, notices = apply(ended, report("k", fill("k1", 10)))

    assert (after.held, after.position.status) == (True, PositionStatus.SINGLE_LEG_EXPOSED)
    assert isinstance(notices[-1], Exposed)


def test_totals_that_a_comparison_finds_count_in_the_position_at_once() -> None:
    """A position was shown without 81 contracts until their trades were listed."""
    ended = play(*HEDGED[:3], report("p"), CONCLUDED)
    stated = ended.orders["p"].with_totals(Totals(q(12), usd(6), FEE), ())

    after, notices = apply(ended, facts.Corrected(NOW, ended.orders["p"], stated, (), ()))

    assert ended.position.imbalance == 10
    assert (after.position.polymarket.size, after.position.imbalance) == (q(12), q(-2))
    assert "OrderFilled" in [_name(each) for each in notices]


def test_a_statement_that_is_taken_back_is_an_exposure() -> None:
    stated = Totals(q(10), usd(5), FEE)
    hedged = play(*HEDGED[:3], report("p", stated=stated), CONCLUDED)
    without = hedged.orders["p"].without_stated()

    after, notices = apply(hedged, facts.Corrected(NOW, hedged.orders["p"], without, (), ()))

    assert hedged.position.status is PositionStatus.OPEN
    assert after.position.status is PositionStatus.SINGLE_LEG_EXPOSED
    assert after.position.imbalance == 10
    assert [_name(each) for each in notices] == ["Exposed", "PositionMoved"]


def test_a_comparison_that_saw_less_of_an_order_than_is_known_by_now_changes_nothing() -> None:
    compared, first = play(BEGUN, report("k", working=10)), fill("k1", 4)
    order = compared.orders["k"]
    corrected = facts.Corrected(NOW, order, order.with_fill(first), (first,), ())
    known = play(report("k", first, fill("k2", 6)), start=compared)

    assert apply(known, corrected) == (known, ())


def test_a_comparison_during_which_a_trade_was_listed_does_not_list_it_again() -> None:
    compared = play(*HEDGED[:3], report("p", stated=Totals(q(10), usd(5), FEE)), CONCLUDED)
    order, trades = compared.orders["p"], (fill("p1", 4), fill("p2", 6))
    whole = order.with_fill(trades[0]).with_fill(trades[1])
    known = play(facts.Listed(NOW, "p", trades[:1]), start=compared)

    assert apply(known, facts.Corrected(NOW, order, whole, trades, ())) == (known, ())


def test_a_repair_keeps_the_reservation_of_an_order_that_still_works() -> None:
    """Set free, it could be spent twice before the rest of the order fills."""
    placed = play(*SHORT, facts.Placed(NOW, RETRY, RETRIED))
    order, part, rest = placed.orders["r"], fill("r5", 4), fill("r6", 6)
    partly = replace(order.with_fill(part), working_size=q(6))

    kept = play(facts.Corrected(NOW, order, partly, (part,), ()), start=placed)
    whole = partly.with_fill(rest).ended()
    over = play(facts.Corrected(NOW, partly, whole, (rest,), ()), start=kept)

    assert kept.orders["r"].working_size == 6
    assert (kept.reservations, over.reservations) == ({"r": RETRIED}, {})
    assert [bool(capital(*each).resolved) for each in ((placed, kept), (kept, over))] == [
        False,
        True,
    ]


def test_what_a_sale_may_still_sell_is_being_sold_until_its_outcome_is_known() -> None:
    """However that comes: by its answer, a query, a comparison or a person."""
    sold = (*HEDGED, facts.Placed(NOW, SALE), facts.OutcomeUnknown(NOW, "s", "no answer"))
    half = SALE.with_fill(fill("s4", 4)).ended()
    known = facts.Corrected(NOW, play(*sold).orders["s"], half, (fill("s4", 4),), ())
    claims, other = Claims({}), replace(SALE, order_id="other", execution_id="another")

    seen = []
    for trade in (play(*HEDGED), play(*sold), play(*sold, known)):
        claims.put(None, trade)
        seen.append((claims.selling(other), claims.selling(trade.orders.get("s", SALE))))

    assert seen == [(q(0), q(0)), (q(10), q(0)), (q(0), q(0))]


def test_a_fill_of_a_closed_position_puts_it_in_doubt() -> None:
    closed, late = play(*CLOSED), fill("s7", 3)
    corrected = facts.Corrected(
        NOW, closed.orders["s"], closed.orders["s"].with_fill(late), (late,), ()
    )

    after = play(corrected, start=closed)

    assert closed.position.status is PositionStatus.CLOSED
    assert after.position.status is PositionStatus.RECONCILIATION_REQUIRED
    assert after.position.imbalance == -3


def test_an_exit_that_stands_still_is_told_again_only_after_its_position_has_moved() -> None:
    half = play(*HEDGED, facts.Placed(NOW, SALE), report("s", fill("s5", 4)))

    stalled = play(facts.Stalled(NOW), start=half)
    failing = play(facts.Final(NOW, fill("s5", 4, Finality.FAILED)), start=stalled)

    assert half.position.status is PositionStatus.EXIT_PARTIAL
    assert (half.stall_reported, stalled.stall_reported) == (False, True)
    assert failing.position.status is PositionStatus.OPEN
    assert not failing.stall_reported


def test_a_position_is_over_once_it_is_closed_and_no_fill_of_it_can_fail() -> None:
    closed = play(*CLOSED, MERGED_AWAY)

    settled = [replace(each, finality=Finality.SETTLED) for each in closed.fills.values()]
    final = play(*(facts.Final(NOW, each) for each in settled), start=closed)

    assert closed.position.status is PositionStatus.CLOSED
    assert not closed.over
    assert final.over


def test_what_is_stated_can_be_taken_back_where_its_trades_can() -> None:
    """Pairs of YES and NO were merged before one of them was listed, and it failed later."""
    stated = Totals(q(10), usd(5), usd("0.02"))
    answers = [report(name, stated=stated) for name in ("k", "p")]
    listed = facts.Listed(NOW, "p", (fill("p1", 10),))
    settled = facts.Final(NOW, fill("p1", 10, Finality.SETTLED))

    trades = steps(*HEDGED[:1], answers[0], HEDGED[2], answers[1], CONCLUDED, listed, settled)

    seen = [(each.provisional(KALSHI), each.provisional(POLYMARKET)) for each in trades]
    assert seen == [*[(False, False)] * 4, *[(False, True)] * 3, (False, False)]


def test_only_what_has_settled_and_is_held_can_be_sold() -> None:
    opened = play(*HEDGED)
    settled = play(facts.Final(NOW, fill("k1", 10, Finality.SETTLED)), start=opened)
    sold = play(facts.Placed(NOW, SALE), report("s", fill("s5", 4)), start=settled)

    sellable = [each.sellable(KALSHI) for each in (opened, settled, sold)]

    assert sellable == [0, 10, 6]


# What moves in the accounts
# ----------------------------------------------------------------


def capital(before: PairTrade | None, after: PairTrade) -> CapitalChange:
    return capital_change(before, after, ACCOUNTS, EntryKind.TRADE)


def moved(*given: CapitalChange) -> dict[tuple[Platform, Bucket], Decimal]:
    """Return what some steps move into each bucket of each account."""
    found: dict[tuple[Platform, Bucket], Decimal] = defaultdict(Decimal)
    for step in given:
        for posting in (posting for movement in step.movements for posting in movement):
            found[posting.account.platform, posting.bucket] += posting.amount
    return {key: amount for key, amount in found.items() if amount}


def test_an_entry_sets_its_worst_case_and_one_slot_aside() -> None:
    step = capital(None, play(BEGUN))

    assert moved(step) == {
        (KALSHI, Bucket.FREE): -6,
        (KALSHI, Bucket.RESERVED): 6,
        (POLYMARKET, Bucket.FREE): -7,
        (POLYMARKET, Bucket.RESERVED): 7,
    }
    assert step.state == {"reserved_capital": 13, "reserved_position_slots": 1}
    assert step.at_risk == usd(13)
    assert step.placed == ((ENTRY, None),)


def test_the_end_of_an_entry_commits_what_it_cost_and_gives_the_rest_back() -> None:
    *_, before, ended = steps(*HEDGED)

    step = capital(before, ended)

    assert moved(step) == {
        (KALSHI, Bucket.RESERVED): -6,
        (KALSHI, Bucket.COMMITTED): 4,
        (KALSHI, Bucket.FEES): FEE,
        (KALSHI, Bucket.FREE): 2 - FEE,
        (POLYMARKET, Bucket.RESERVED): -7,
        (POLYMARKET, Bucket.COMMITTED): 5,
        (POLYMARKET, Bucket.FEES): FEE,
        (POLYMARKET, Bucket.FREE): 2 - FEE,
    }
    assert step.state == {
        "reserved_capital": -13,
        "reserved_position_slots": -1,
        "open_position_count": 1,
        "total_capital_deployed": 9,
        "daily_pnl": ended.position.marked_pnl,
    }
    assert step.at_risk == -4


def test_an_entry_that_bought_nothing_gives_everything_back() -> None:
    *_, before, ended = steps(*EMPTY)

    begun, step = capital(None, before), capital(before, ended)

    assert moved(begun, step) == {}
    assert (step.state["reserved_position_slots"], step.state["open_position_count"]) == (-1, 0)
    assert begun.at_risk + step.at_risk == 0


def test_more_than_was_set_aside_is_never_spent() -> None:
    little = replace(ENTRY, amounts={KALSHI: usd(4), POLYMARKET: usd(7)})
    poor = replace(BEGUN, reservation=little)
    *_, before, ended = steps(poor, *HEDGED[1:])

    with pytest.raises(InvariantBroken):
        capital(before, ended)


def test_an_order_of_a_position_is_paid_from_what_was_set_aside_for_it() -> None:
    short = play(*SHORT)
    placed = play(facts.Placed(NOW, RETRY, RETRIED), start=short)
    filled = play(report("r", fill("r5", 6)), start=placed)

    begun, step = capital(short, placed), capital(placed, filled)

    assert moved(begun) == {(POLYMARKET, Bucket.FREE): -6, (POLYMARKET, Bucket.RESERVED): 6}
    assert moved(step) == {
        (POLYMARKET, Bucket.RESERVED): -6,
        (POLYMARKET, Bucket.COMMITTED): 3,
        (POLYMARKET, Bucket.FEES): FEE,
        (POLYMARKET, Bucket.FREE): 3 - FEE,
    }
    assert [begun.at_risk, step.at_risk] == [6, -3]
    assert step.state["open_position_count"] == 0


def test_a_position_that_closes_frees_its_place_and_all_that_it_had_committed() -> None:
    every = [capital(*each) for each in pairwise(steps(*CLOSED))]
    before, closed = steps(*CLOSED)[-2:]

    step = capital(before, closed)

    assert step.state["open_position_count"] == -1
    assert sum(each.state.get("open_position_count", 0) for each in every) == 0
    assert step.state["daily_pnl"] == closed.position.realised_pnl - before.position.marked_pnl


def test_what_an_execution_buys_late_is_paid_from_what_is_free() -> None:
    ended, late = play(*EMPTY), fill("k1", 10)
    corrected = facts.Corrected(
        NOW, ended.orders["k"], ended.orders["k"].with_fill(late), (late,), ()
    )

    step = capital(ended, play(corrected, start=ended))

    assert moved(step) == {
        (KALSHI, Bucket.FREE): -4 - FEE,
        (KALSHI, Bucket.COMMITTED): 4,
        (KALSHI, Bucket.FEES): FEE,
    }
    assert step.state["open_position_count"] == 1
    assert step.at_risk == usd(4)


# Which rows change
# -------------------------------------------------------------------------


def rows(before: PairTrade | None, after: PairTrade) -> list[Write]:
    return list(changes(before, after, NOW))


def tables(written: Iterable[Write]) -> list[tuple[str, str]]:
    return [(type(each).__name__, each.table) for each in written]


KEYS = {
    "executions": ("execution_id",),
    "open_positions": ("position_id",),
    "orders": ("order_id",),
    "fills": ("platform", "trade_id"),
}
"""The keys of the tables whose rows a pair trade has by itself."""
Table = dict[tuple[Any, ...], dict[str, Any]]


def kept(tables: dict[str, Table], written: Iterable[Write]) -> None:
    """Keep rows as a database does: guards hold, and a version counts each change of facts."""
    touched = set()
    for each in written:
        if each.table not in KEYS:
            continue
        names, found = KEYS[each.table], tables[each.table]
        given = each.row if isinstance(each, Insert) else each.key
        key = tuple(given[name] for name in names)
        assert (each.table, key) not in touched, "a batch touches each row at most once"
        touched.add((each.table, key))
        if isinstance(each, Insert):
            assert key not in found, "a row is new"
            found[key] = dict(each.row)
            continue
        row = found[key]
        assert all(row[name] == value for name, value in each.guard.items()), "guards hold"
        new = {name for name, value in each.put.items() if row[name] != value}
        counted = "version" not in row or each.put["version"] > row["version"]
        assert counted or new <= {"position_id"}, "a change is a new version"
        row |= each.put


@pytest.mark.parametrize("history", [(BEGUN,), HEDGED, SHORT, EMPTY, CLOSED])
def test_a_step_that_changes_nothing_writes_nothing(history: tuple[TradeFact, ...]) -> None:
    before = play(*history)

    assert rows(before, before) == []
    assert rows(before, replace(before, orders=dict(before.orders))) == []


def test_a_pair_trade_begins_with_its_execution_and_its_first_order() -> None:
    written = rows(None, play(BEGUN))

    assert tables(written) == [("Insert", "executions"), ("Insert", "orders")]


def test_once_there_is_a_position_every_order_names_it() -> None:
    *_, before, ended = steps(*HEDGED)

    written = rows(before, ended)

    assert tables(written) == [
        ("Insert", "open_positions"),
        ("Update", "orders"),
        ("Update", "orders"),
        ("Update", "executions"),
        ("Update", "contract_matches"),
    ]
    orders = [each for each in written if isinstance(each, Update) and each.table == "orders"]
    assert [each.put["position_id"] for each in orders] == ["position", "position"]


def test_a_fill_is_written_once_and_again_only_when_it_becomes_final() -> None:
    opened = play(*HEDGED)
    settled = play(facts.Final(NOW, fill("k1", 10, Finality.SETTLED)), start=opened)

    (update,) = rows(opened, settled)

    assert isinstance(update, Update)
    assert (update.table, update.key["trade_id"]) == ("fills", "k1")
    assert update.guard == {"finality": Finality.PROVISIONAL}
    assert update.put == {"finality": Finality.SETTLED}


# Whatever the order
# ------------------------------------------------------------------------

MERGED = Merge(POLYMARKET, q(8), NOW + timedelta(seconds=20))
PAID = Payout(KALSHI, Decimal(1), NOW + timedelta(seconds=30))


def answers(name: str, *sizes: int, late: int = 0) -> list[TradeFact]:
    """Return what an order's platform tells of it, each report with all that came before.

    One report after each fill while the rest still works, then one that it is over; `late`
    fills come to light after that.
    """
    of, first = ORDERS[name], {"k": 1, "p": 1, "s": 5, "c": 8, "r": 8}[name]
    fills = [fill(f"{name}{first + n}", size) for n, size in enumerate(sizes)]
    found: list[TradeFact] = [facts.OutcomeUnknown(NOW, name, "no answer")]
    for n in range(len(fills) + 1 - late):
        rest = of.size - sum(each.size for each in fills[:n])
        found.append(report(name, *fills[:n], working=int(rest)))
    found.append(report(name, *fills[: len(fills) - late]))
    found += [report(name, *fills[:n]) for n in range(len(fills) - late + 1, len(fills) + 1)]
    return found


def muddled(given: list[TradeFact]) -> st.SearchStrategy[list[TradeFact]]:
    """Return all of the facts in any order, reports of platforms any number of times."""
    reports = [each for each in given if not isinstance(each, facts.Paid)]
    again = st.lists(st.sampled_from(reports), max_size=4)
    return again.flatmap(lambda more: st.permutations([*given, *more]))


def booked(start: PairTrade, given: Iterable[TradeFact]) -> list[PairTrade]:
    """Return a trade after each report; what makes a fill final waits until it is known."""
    every, waiting = [start], []
    for fact in given:
        if isinstance(fact, facts.Final):
            waiting.append(fact)
        else:
            every.append(play(fact, CONCLUDED, start=every[-1]))
        for final in [each for each in waiting if _key(each) in every[-1].fills]:
            waiting.remove(final)
            every.append(play(final, CONCLUDED, start=every[-1]))
    assert not waiting, "every fill was reported"
    return every


def _key(final: facts.Final) -> tuple[Platform, str]:
    return final.fill.platform, final.fill.trade_id


def same(one: PairTrade, other: PairTrade) -> bool:
    """Tell whether two trades have the same orders, fills, payments, and contracts and cash."""
    return all(
        what(one) == what(other)
        for what in (
            lambda trade: {each: replace(o, version=0) for each, o in trade.orders.items()},
            lambda trade: trade.fills,
            lambda trade: frozenset(trade.payments),
            lambda trade: trade.position.legs,
        )
    )


def consistent(trade: PairTrade) -> bool:
    """Tell whether the status of a position is one that its contracts allow (I-9)."""
    position = trade.position
    allowed: dict[PositionStatus, Callable[[], bool]] = {
        PositionStatus.OPEN: lambda: not position.imbalanced() and bool(position.hedged),
        PositionStatus.SINGLE_LEG_EXPOSED: position.imbalanced,
        PositionStatus.EXIT_PARTIAL: position.imbalanced,
        PositionStatus.CLOSED: lambda: position.flat,
        PositionStatus.RECONCILIATION_REQUIRED: lambda: True,
    }
    return allowed[position.status]()


FAILING = facts.Final(NOW, fill("k2", 2, Finality.FAILED))
SETTLING = facts.Final(NOW, fill("p1", 3, Finality.SETTLED))
ENTERED = play(BEGUN, facts.Placed(NOW, P))
WAITS = facts.Waits(NOW, EXECUTION, FailedLeg(POLYMARKET, "no answer", 2003, None, q(10)))
WAITING = play(report("k", fill("k1", 4), working=6), WAITS, start=ENTERED)
ENTRY_FACTS = [*answers("k", 4, 2, 4, late=1), *answers("p", 3, 7, late=1), FAILING, SETTLING]
PARTS = (report("k", fill("k1", 8)), facts.Placed(NOW, P), report("p", fill("p1", 8)))
HOLDING = play(BEGUN, *PARTS, CONCLUDED).with_orders((SALE, COMPLEMENT))
EXIT_FACTS = [
    *answers("s", 5, 3, 1, late=2),
    *answers("c", 6, 4, late=1),
    report("k", fill("k1", 8), fill("k3", 2)),
    report("p", fill("p1", 8), fill("p4", 1)),
    facts.Paid(NOW, (MERGED,), Cause.REPORTED, EntryKind.REDEMPTION, "polymarket-cup"),
    facts.Paid(NOW, (PAID,), Cause.SETTLED, EntryKind.SETTLEMENT, "kalshi-cup"),
    facts.Final(NOW, fill("s6", 3, Finality.FAILED)),
]
ENTRY_CASE = pytest.param(ENTERED, ENTRY_FACTS, id="an entry")
EXIT_CASE = pytest.param(HOLDING, EXIT_FACTS, id="an exit, a merge and a payout")
WAITING_CASE = pytest.param(WAITING, ENTRY_FACTS, id="an entry that waits")
STALE_RESERVE = pytest.param(
    WAITING,
    ENTRY_FACTS,
    id="an entry that waits",
)
whatever = pytest.mark.parametrize(("start", "given"), [ENTRY_CASE, WAITING_CASE, EXIT_CASE])


@whatever
@given(data=st.data())
def test_reports_in_any_order_and_any_number_make_the_same_trade(
    start: PairTrade, given: list[TradeFact], data: st.DataObject
) -> None:
    expected = booked(start, given)[-1]

    after = booked(start, data.draw(muddled(given)))

    assert same(after[-1], expected)
    assert all(consistent(each) for each in after if each.held)


@whatever
@given(data=st.data())
def test_whatever_is_told_again_at_the_end_changes_nothing(
    start: PairTrade, given: list[TradeFact], data: st.DataObject
) -> None:
    after = booked(start, data.draw(muddled(given)))[-1]
    known = [each for each in given if not isinstance(each, facts.Paid)]

    again = [apply(after, fact) for fact in known]

    assert all(one is after and not notices for one, notices in again)


@whatever
@given(data=st.data())
def test_whatever_the_order_every_movement_adds_up_and_what_is_reserved_returns(
    start: PairTrade, given: list[TradeFact], data: st.DataObject
) -> None:
    every = booked(start, data.draw(muddled(given)))
    position = every[-1].position

    taken = [capital(*each) for each in pairwise([BARE, start, *every[1:]])]

    assert all(not sum(p.amount for p in each) for step in taken for each in step.movements)
    ends = moved(*(each for each in taken))
    for platform, leg in zip(Platform, _by_platform(position), strict=True):
        assert ends.get((platform, Bucket.RESERVED), 0) == 0
        assert ends.get((platform, Bucket.COMMITTED), 0) == leg.basis
        assert ends.get((platform, Bucket.FREE), 0) == leg.cash
        assert ends.get((platform, Bucket.FEES), 0) == leg.fees
    totals = {name: sum(each.state.get(name, 0) for each in taken) for name in STATE}
    assert totals == {
        "reserved_capital": 0,
        "reserved_position_slots": 0,
        "open_position_count": position.status is not PositionStatus.CLOSED,
        "total_capital_deployed": sum(leg.basis for leg in position.legs),
        "daily_pnl": position.marked_pnl,
    }
    assert sum(each.at_risk for each in taken) == totals["total_capital_deployed"]


@pytest.mark.parametrize(("start", "given"), [ENTRY_CASE, STALE_RESERVE, EXIT_CASE])
@given(data=st.data())
def test_whatever_the_order_rows_written_step_by_step_are_those_of_the_last_step(
    start: PairTrade, given: list[TradeFact], data: st.DataObject
) -> None:
    every = booked(start, data.draw(muddled(given)))
    by_step: dict[str, Table] = defaultdict(dict)
    at_once: dict[str, Table] = defaultdict(dict)

    kept(by_step, rows(None, play(BEGUN)))
    for before, after in pairwise([play(BEGUN), *every]):
        kept(by_step, rows(before, after))
    kept(at_once, rows(None, every[-1]))

    ending = {name: by_step["executions"]["e",].pop(name) for name in ("ended_at", "shortfall")}
    assert ending["ended_at"] == NOW
    at_once["executions"]["e",] = _without(at_once["executions"]["e",], ending)
    assert by_step == at_once


def _without(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


STATE = (
    "reserved_capital",
    "reserved_position_slots",
    "open_position_count",
    "total_capital_deployed",
    "daily_pnl",
)


def _by_platform(position: OpenPosition) -> Iterator[Holding]:
    yield from (position.holding(platform) for platform in Platform)


# One booking after the other
# ---------------------------------------------------------------


class SlowCommits:
    """Takes batches and keeps their callers waiting until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.begun = asyncio.Event()
        self.done = asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.begun.set()
        await self.done.wait()


class NoLimits:
    """Capital and halts of which there is nothing to say."""

    accounts = ACCOUNTS

    def claimed(self, step: CapitalChange) -> AbstractContextManager[None]:
        assert not step.entry
        return nullcontext()

    def follow(self, step: CapitalChange) -> None:
        assert not step.entry

    @asynccontextmanager
    async def with_loss(self, step: CapitalChange, alone: Alone) -> AsyncIterator[Any]:
        assert not step.entry
        assert not alone.quantity
        yield {}, ()

    async def enforce(self) -> None:
        pass


def cache(committer: Any) -> PairTrades:
    """Return a cache of pair trades that commits elsewhere."""
    free: Any = NoLimits()
    clock: Any = SimpleNamespace(now=lambda: NOW)
    announce: Any = SimpleNamespace(events=lambda notice, _: (notice,))
    claims = Claims({"cup": pair()})
    return PairTrades(committer, free, free, announce, claims, clock, SeededIds(1, 1))


def fills_in(batch: Batch) -> list[str]:
    return [each.row["trade_id"] for each in batch.writes if isinstance(each, Insert)]


async def test_of_two_bookings_of_a_trade_the_second_goes_on_from_the_first() -> None:
    committer = SlowCommits()
    trades = cache(committer)
    trades.put(play(BEGUN))
    first = report("k", fill("k1", 4), working=6)
    second = report("k", fill("k1", 4), fill("k2", 6))

    async with asyncio.TaskGroup() as group:
        for each in (first, second):
            group.create_task(trades.book("e", each))
        await committer.begun.wait()
        committer.done.set()

    assert [fills_in(batch) for batch in committer.batches] == [["k1"], ["k2"]]
    assert trades.trade("e").orders["k"].filled == 10


async def test_a_decision_is_taken_on_what_the_booking_of_a_cancelled_one_came_to() -> None:
    committer, seen = SlowCommits(), list[Quantity]()
    trades = cache(committer)
    trades.put(play(BEGUN))
    position_id = trades.trade("e").position_id

    async def decides() -> None:
        async with trades.lock(position_id):
            seen.append(trades.trade("e").orders["k"].filled)
            await trades.book("e", report("k", fill("k1", 4), working=6))

    first = asyncio.ensure_future(decides())
    await committer.begun.wait()
    first.cancel()
    await asyncio.wait({first})
    second = asyncio.ensure_future(decides())
    await asyncio.wait({second}, timeout=0.01)
    assert seen == [0]
    assert trades.busy(position_id)
    committer.done.set()
    await second

    assert seen == [0, 4]


@pytest.mark.parametrize("names", ["our id", "the platform's id"])
def test_a_trade_is_found_by_our_id_or_by_the_platforms(names: str) -> None:
    """Lists of trades name the platform's order alone, and a stream may name ours first."""
    trades, held = cache(None), play(*HEDGED)
    trades.put(held)
    order = held.orders["k"]
    told = report_of(order, fill("k9", 1))
    unnamed = replace(told, client_order_id=None) if names != "our id" else told
    foreign = replace(unnamed, client_order_id=None, platform_order_id="somebody's")

    assert order.platform_order_id
    assert trades.order_of(unnamed) == (held, order)
    assert trades.order_of(foreign) is None


async def test_what_is_left_of_a_position_counts_as_left_until_it_is_taken_up_again() -> None:
    closed, dust = play(*CLOSED, MERGED_AWAY), Holding(YES, "k", q("0.005"), usd("0.002"))
    over = replace(closed, position=replace(closed.position, kalshi=dust))
    trades = cache(None)
    trades.take_up(Loaded(over=[over.position]))
    own = _reader(trades, over)

    own.load()
    left = own.basis
    await own.recall({"execution_id": "e", "pair_id": "cup"})

    assert [left, own.basis] == [usd("0.002"), 0]
    assert trades.find("e") is over


def _reader(trades: PairTrades, stored: PairTrade) -> OurStateReader:
    """Return our side of a comparison, whose loader finds one pair trade."""

    async def one(execution_id: str) -> PairTrade:
        assert execution_id == stored.execution_id
        return stored

    loader: Any = SimpleNamespace(one=one)
    clock: Any = SimpleNamespace(monotonic=lambda: 0.0)
    unused: Any = None
    return OurStateReader(unused, unused, trades, loader, unused, clock)
