"""Accounting of positions: size, cost, cash and state, folded from their facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches

from dutchbook.domain.capital.ledger import AccountKey, EntryKind, fold
from dutchbook.domain.execution.order import Fill, Finality
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.fold import (
    Cause,
    Fact,
    Merge,
    Payout,
    booked,
    change,
    changed,
    divergence,
    folded,
    implied,
    opened,
)
from dutchbook.domain.positions.position import (
    Holding,
    OpenPosition,
    PositionStatus,
)
from dutchbook.domain.reconciliation.resolution import agreed
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO
CASH = AccountKey(KALSHI, "shard-0", "USD")


def fill(
    name: str,
    size: str,
    price: str = "0.40",
    *,
    platform: Platform = KALSHI,
    outcome: Outcome = YES,
    side: Side = Side.BUY,
    fee: str = "0",
    finality: Finality = Finality.SETTLED,
    minute: int = 0,
) -> Fill:
    return Fill(
        trade_id=name,
        platform=platform,
        order_id="o",
        outcome=outcome,
        side=side,
        price=Price(Decimal(price)),
        size=Quantity(Decimal(size)),
        fee=Money(Decimal(fee)),
        finality=finality,
        matched_at=NOW + timedelta(minutes=minute),
    )


BARE = OpenPosition(
    position_id="p",
    pair_id="cup",
    execution_id="e",
    kalshi=Holding(YES, "o"),
    polymarket=Holding(NO, "o2"),
    expected_edge=ZERO,
    divergence_reserve=ZERO,
    status=PositionStatus.OPEN,
    opened_at=NOW,
)
YES_10 = fill("k", "10", "0.40", fee="0.10")
NO_10 = fill("m", "10", "0.50", platform=POLYMARKET, outcome=NO, fee="0.05")


def pair(*more: Fact, status: PositionStatus = PositionStatus.OPEN) -> OpenPosition:
    return folded(replace(BARE, status=status), (YES_10, NO_10, *more))


def test_a_hedged_pair_is_marked_at_its_payout_less_the_reserve() -> None:
    made = opened(BARE, (YES_10, NO_10), Decimal("0.01"))

    assert made.hedged == 10
    assert made.paid == Decimal("9.15")
    assert made.divergence_reserve == Decimal("0.0915")
    assert made.marked_pnl == Decimal(10) - Decimal("9.15") - Decimal("0.0915")


def test_unhedged_contracts_are_marked_at_cost() -> None:
    single = folded(BARE, (YES_10,))

    assert single.imbalance == 10
    assert single.mark == Decimal("-0.10")


def test_a_sale_removes_its_share_of_the_cost_and_the_last_sale_removes_the_rest() -> None:
    third = fill("s", "3.333333", "0.45", side=Side.SELL, minute=1)
    rest = fill("t", "6.666667", "0.45", side=Side.SELL, minute=2)

    part = folded(BARE, (YES_10, third))
    whole = folded(BARE, (YES_10, third, rest))

    assert part.kalshi.cost == Decimal("2.666666")
    assert whole.kalshi.cost == 0
    assert whole.kalshi.cash == Decimal("-4.10") + third.cost + rest.cost


def test_kalshi_nets_opposite_outcomes_into_dollars_at_once() -> None:
    against = fill("n", "4", "0.55", outcome=NO, fee="0.02", minute=1)

    made = folded(BARE, (YES_10, against))

    assert made.kalshi.size == 6
    assert not made.kalshi.complement
    assert made.kalshi.cash == Decimal("-4.10") - Decimal("2.22") + 4


def test_on_polymarket_opposite_outcomes_are_held_until_they_are_merged() -> None:
    held = fill("m", "10", "0.50", platform=POLYMARKET, outcome=NO)
    against = fill("n", "10", "0.45", platform=POLYMARKET, outcome=YES, minute=1)
    merge = Merge(POLYMARKET, Quantity(Decimal(10)), NOW + timedelta(minutes=2))

    before = folded(BARE, (held, against))
    after = folded(BARE, (held, against, merge))

    assert not before.polymarket.net
    assert before.polymarket.pairs == 10
    assert before.flat
    assert before.realised_pnl == after.realised_pnl == Decimal("0.50")
    assert after.polymarket.cash == Decimal("0.50")
    assert after.polymarket.basis == 0


def test_a_failed_fill_is_ignored_whenever_it_failed() -> None:
    sold = fill("s", "10", "0.60", side=Side.SELL, minute=1)
    lost = replace(sold, finality=Finality.FAILED)

    assert folded(BARE, (YES_10, lost)) == folded(BARE, (YES_10,))


def test_a_fill_that_fails_after_the_close_requires_reconciliation_of_the_position() -> None:
    closed = replace(BARE, status=PositionStatus.CLOSED)
    sold = fill("s", "10", "0.60", side=Side.SELL, finality=Finality.FAILED, minute=1)

    after = changed(closed, (YES_10, sold), Cause.FILL_FAILED, NOW)

    assert after.status is PositionStatus.RECONCILIATION_REQUIRED
    assert after.reconciliation_context is not None
    assert after.reconciliation_context["recommended_status"] == "SINGLE_LEG_EXPOSED"
    assert after.closed_at is None


@pytest.mark.parametrize(
    ("kalshi_pays", "polymarket_pays", "profit", "apart"),
    [
        ("1", "1", "0.85", "0"),
        ("0", "0", "0.85", "0"),
        ("0", "1", "-9.15", "-10"),
        ("1", "0", "10.85", "10"),
        ("0.26", "1", "-6.55", "-7.4"),
    ],
)
def test_a_settled_pair_realises_the_payouts_of_both_rulings(
    kalshi_pays: str, polymarket_pays: str, profit: str, apart: str
) -> None:
    rulings = (
        Payout(KALSHI, Decimal(kalshi_pays), NOW + timedelta(days=1)),
        Payout(POLYMARKET, Decimal(polymarket_pays), NOW + timedelta(days=2)),
    )

    after = changed(pair(), (YES_10, NO_10, *rulings), Cause.SETTLED, NOW)

    assert after.status is PositionStatus.CLOSED
    assert after.realised_pnl == Decimal(profit)
    assert after.divergence_pnl == divergence(after) == Decimal(apart)


def test_a_settled_leg_still_hedges_until_the_other_leg_settles() -> None:
    ruling = Payout(KALSHI, Decimal(1), NOW + timedelta(days=1))

    after = changed(pair(), (YES_10, NO_10, ruling), Cause.SETTLED, NOW)

    assert after.status is PositionStatus.OPEN
    assert after.hedged == 10
    assert after.mark == pair().mark


@pytest.mark.parametrize("first", list(Platform))
def test_the_reserve_lowers_the_mark_until_both_contracts_have_paid(first: Platform) -> None:
    made = opened(BARE, (YES_10, NO_10), Decimal("0.01"))
    facts: list[Fact] = [YES_10, NO_10]
    marks = []
    for day, platform in enumerate((first, first.other), start=1):
        facts.append(Payout(platform, Decimal(1), NOW + timedelta(days=day)))
        marks.append(changed(made, facts, Cause.SETTLED, NOW).mark)

    profit = Decimal("0.85")
    assert made.mark == profit - made.divergence_reserve
    assert marks == [made.mark, profit]


@pytest.mark.parametrize("yes_pays", ["0", "0.26", "1"])
def test_locked_profit_does_not_change_when_one_contract_has_paid(yes_pays: str) -> None:
    ruling = Payout(KALSHI, Decimal(yes_pays), NOW + timedelta(days=1))

    assert pair().locked_profit == Decimal("0.85")
    assert pair(ruling).locked_profit == Decimal("0.85")
    assert folded(BARE, (*flipped(), ruling)).locked_profit == Decimal("0.5")


def test_unmerged_pairs_count_towards_locked_profit_as_the_dollars_that_merging_pays() -> None:
    against = fill("n", "4", "0.45", platform=POLYMARKET, outcome=YES, minute=1)
    merged = Merge(POLYMARKET, Quantity(Decimal(4)), NOW + timedelta(minutes=2))

    before, after = pair(against), pair(against, merged)

    assert before.polymarket.pairs == 4
    assert before.locked_profit == after.locked_profit == Decimal("0.85") - Decimal("1.80")


def test_a_single_leg_position_closes_when_its_contract_has_paid() -> None:
    single = folded(replace(BARE, status=PositionStatus.SINGLE_LEG_EXPOSED), (YES_10,))
    ruling = Payout(KALSHI, Decimal(0), NOW + timedelta(days=1))

    after = changed(single, (YES_10, ruling), Cause.SETTLED, NOW)

    assert after.status is PositionStatus.CLOSED
    assert after.realised_pnl == Decimal("-4.10")


# Sales beyond the holding -------------------------------------------------------------------


def bought(size: str, price: str = "0.50", *, outcome: Outcome = NO, minute: int = 0) -> Fill:
    name = f"b{minute}{outcome}"
    return fill(name, size, price, platform=POLYMARKET, outcome=outcome, minute=minute)


def sold(size: str, price: str = "0.60", *, platform: Platform = POLYMARKET) -> Fill:
    outcome = NO if platform is POLYMARKET else YES
    name = f"s-{platform}"
    return fill(name, size, price, platform=platform, outcome=outcome, side=Side.SELL, minute=1)


def merge(size: int, minute: int = 3) -> Merge:
    return Merge(POLYMARKET, Quantity(Decimal(size)), NOW + timedelta(minutes=minute))


def test_contracts_sold_beyond_the_holding_are_borrowed_for_a_dollar_each() -> None:
    leg = folded(BARE, (bought("10"), sold("13"))).polymarket

    assert [leg.size, leg.complement, leg.borrowed] == [0, 3, 3]
    assert leg.cash == Decimal(-5) + Decimal("7.80") - 3
    assert [leg.cost, leg.complement_cost] == [0, 3 - Decimal("1.80")]


def test_later_purchases_first_return_borrowed_contracts() -> None:
    facts = (bought("10"), sold("13"))
    before = folded(BARE, facts).polymarket

    part = folded(BARE, (*facts, bought("2", "0.55", minute=2))).polymarket
    more = folded(BARE, (*facts, bought("5", "0.55", minute=2))).polymarket

    assert [part.size, part.complement, part.borrowed] == [0, 1, 1]
    assert part.cash == before.cash - Decimal("1.10") + 2
    assert [more.size, more.complement, more.borrowed] == [2, 0, 0]
    assert more.cash == before.cash - Decimal("2.75") + 3
    assert [more.cost, more.complement_cost] == [Decimal("1.10"), 0]


def test_a_merge_of_contracts_already_sold_borrows_them_and_changes_nothing_else() -> None:
    """The sale was reported late, but was matched before the complement was bought."""
    facts = (bought("10"), sold("10"), bought("10", "0.45", outcome=YES, minute=2))

    before = folded(BARE, facts).polymarket
    after = folded(BARE, (*facts, merge(10))).polymarket

    assert [before.size, before.complement, before.borrowed] == [0, 10, 0]
    assert after == replace(before, borrowed=Quantity(Decimal(10)))


def test_a_merge_uses_held_contracts_before_it_borrows() -> None:
    facts = (bought("10"), sold("4"), bought("10", "0.45", outcome=YES, minute=2))

    before = folded(BARE, facts).polymarket
    after = folded(BARE, (*facts, merge(10))).polymarket

    assert [after.size, after.complement, after.borrowed] == [0, 4, 4]
    assert after.cash == before.cash + 6


def test_nothing_is_borrowed_on_a_platform_that_nets_outcomes() -> None:
    first = fill("k", "10", "0.40")
    again = fill("l", "2", "0.55", minute=2)

    leg = folded(BARE, (first, sold("13", platform=KALSHI))).kalshi
    back = folded(BARE, (first, sold("13", platform=KALSHI), again)).kalshi

    assert [leg.size, leg.complement, leg.borrowed] == [0, 3, 0]
    assert leg.cash == Decimal(-4) + Decimal("7.80") - 3
    assert [back.size, back.complement, back.borrowed] == [0, 1, 0]
    assert back.cash == leg.cash - Decimal("1.10") + 2


@pytest.mark.parametrize(("yes_pays", "paid"), [("1", 3), ("0", 0)])
def test_a_payout_clears_borrowed_contracts(yes_pays: str, paid: int) -> None:
    facts = (bought("10"), sold("13"))
    ruling = Payout(POLYMARKET, Decimal(yes_pays), NOW + timedelta(days=1))

    before = folded(BARE, facts).polymarket
    after = folded(BARE, (*facts, ruling)).polymarket

    assert [before.borrowed, after.borrowed] == [3, 0]
    assert after.cash == before.cash + paid


@st.composite
def dealings(draw: st.DrawFn) -> list[Fact]:
    """Draw fills of any size, and merges of no more than the complement ever bought."""
    facts: list[Fact] = []
    mergeable = 0
    for number in range(draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(("buy", "sell", "against", "merge")))
        minute, size = draw(st.integers(0, 20)), draw(st.integers(1, 9))
        if kind == "merge":
            size = min(size, mergeable)
            mergeable -= size
            if size:
                facts.append(merge(size, minute))
            continue
        mergeable += size if kind == "against" else 0
        facts.append(
            fill(
                f"t{number}",
                str(size),
                str(Decimal(draw(st.integers(1, 99))).scaleb(-2)),
                platform=POLYMARKET,
                outcome=YES if kind == "against" else NO,
                side=Side.SELL if kind == "sell" else Side.BUY,
                fee=str(Decimal(draw(st.integers(0, 9))).scaleb(-2)),
                minute=minute,
            )
        )
    return facts


def gained(facts: list[Fact]) -> tuple[Decimal, Decimal, Decimal]:
    """Return the change of an account with enough contracts: cash, NO and YES."""
    cash, held = Decimal(0), dict.fromkeys((NO, YES), Decimal(0))
    for fact in facts:
        if isinstance(fact, Merge):
            cash += fact.size
            held = {outcome: size - fact.size for outcome, size in held.items()}
        elif isinstance(fact, Fill):
            sign = 1 if fact.side is Side.BUY else -1
            cash -= sign * fact.cost + fact.fee
            held[fact.outcome] += sign * fact.size
    return cash, held[NO], held[YES]


@reaches(borrowed=10)
@given(dealings())
def test_with_what_it_borrowed_a_leg_is_what_its_account_has_gained(facts: list[Fact]) -> None:
    leg = folded(BARE, facts).polymarket

    lent = leg.borrowed
    if lent:
        reached("borrowed")
    assert (leg.cash + lent, leg.size - lent, leg.complement - lent) == gained(facts)
    assert min(leg.size, leg.complement, lent) >= 0
    assert not (leg.size and lent), "what is there is given back"


# Flipped pairs -----------------------------------------------------------------------------


def flipped(
    kalshi: str = "0.45", polymarket: str = "0.60", *, sizes: tuple[str, str] = ("10", "10")
) -> tuple[Fill, Fill]:
    """Return sales of contracts never held, so that both legs hold the opposite outcome."""
    return sold(sizes[0], kalshi, platform=KALSHI), sold(sizes[1], polymarket)


@pytest.mark.parametrize(
    ("sizes", "pairs", "hedged", "imbalance"),
    [(("10", "10"), -10, 10, 0), (("10", "6"), -6, 6, -4), (("4", "10"), -4, 4, 6)],
)
def test_a_flipped_pair_is_hedged_like_a_pair(
    sizes: tuple[str, str], pairs: int, hedged: int, imbalance: int
) -> None:
    made = folded(BARE, flipped(sizes=sizes))

    assert [made.pairs, made.hedged, made.imbalance] == [pairs, hedged, imbalance]


def test_a_single_flipped_leg_hedges_nothing() -> None:
    made = folded(BARE, (YES_10, sold("6")))

    assert [made.pairs, made.hedged, made.imbalance] == [0, 0, 16]
    assert made.upright == made


def test_the_upright_form_of_a_flipped_pair_shows_the_outcomes_that_it_holds() -> None:
    made = folded(BARE, flipped())

    upright = made.upright

    assert (upright.kalshi.outcome, upright.polymarket.outcome) == (NO, YES)
    assert [leg.size for leg in upright.legs] == [10, 10]
    assert [leg.cost for leg in upright.legs] == [Decimal("5.5"), 4]
    assert [leg.complement for leg in upright.legs] == [0, 0]
    assert [upright.pairs, upright.cash, upright.upright] == [10, made.cash, upright]
    assert pair().upright == pair()


def test_a_flipped_pair_is_marked_at_its_payout_less_the_reserve() -> None:
    reserve = Money(Decimal("0.05"))
    made = folded(replace(BARE, divergence_reserve=reserve), flipped())
    rest = folded(replace(BARE, divergence_reserve=reserve), flipped(sizes=("10", "6")))

    assert made.cash == Decimal("4.5") + 6 - 20
    assert made.locked_profit == Decimal("0.5")
    assert made.mark == Decimal("0.45")
    assert rest.mark == Decimal("0.25"), "what has no counterpart stands at cost"


def test_a_settled_leg_of_a_flipped_pair_still_hedges_until_the_other_settles() -> None:
    before = folded(BARE, flipped())
    ruling = Payout(KALSHI, Decimal(0), NOW + timedelta(days=1))

    after = changed(before, (*flipped(), ruling), Cause.SETTLED, NOW)

    assert [after.status, after.hedged] == [PositionStatus.OPEN, 10]
    assert after.mark == before.mark


@pytest.mark.parametrize(
    ("kalshi_pays", "polymarket_pays", "profit", "apart"),
    [("1", "1", "0.5", "0"), ("0", "0", "0.5", "0"), ("0", "1", "10.5", "10"),
     ("1", "0", "-9.5", "-10"), ("0.26", "1", "7.9", "7.4")],
)  # fmt: skip
def test_a_settled_flipped_pair_realises_the_payouts_of_both_rulings(
    kalshi_pays: str, polymarket_pays: str, profit: str, apart: str
) -> None:
    rulings = (
        Payout(KALSHI, Decimal(kalshi_pays), NOW + timedelta(days=1)),
        Payout(POLYMARKET, Decimal(polymarket_pays), NOW + timedelta(days=2)),
    )

    after = changed(folded(BARE, flipped()), (*flipped(), *rulings), Cause.SETTLED, NOW)

    assert after.status is PositionStatus.CLOSED
    assert after.realised_pnl == Decimal(profit)
    assert after.divergence_pnl == divergence(after) == Decimal(apart)


def test_only_the_hedged_part_of_a_flipped_pair_counts_as_divergence() -> None:
    rulings = (Payout(KALSHI, Decimal(0), NOW), Payout(POLYMARKET, Decimal(1), NOW))

    after = folded(BARE, (*flipped(sizes=("10", "6")), *rulings))

    assert [leg.settled for leg in after.legs] == [-10, -6]
    assert divergence(after) == 6


@pytest.mark.parametrize(("polymarket", "at_loss"), [("0.60", False), ("0.50", True)])
def test_a_flipped_pair_is_open_and_at_a_loss_if_it_cost_more_than_it_pays(
    polymarket: str, *, at_loss: bool
) -> None:
    exposed = replace(BARE, status=PositionStatus.SINGLE_LEG_EXPOSED)

    after = changed(exposed, flipped("0.45", polymarket), Cause.REPORTED, NOW)

    assert after.status is PositionStatus.OPEN
    assert after.completed_at_loss is at_loss
    assert agreed(after) is PositionStatus.OPEN


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "locked"), [("0.46", "0.56", "0.23"), ("0.40", "0.50", "-0.85")]
)
def test_what_an_exit_left_is_at_a_loss_only_if_the_whole_position_is(
    kalshi: str, polymarket: str, locked: str
) -> None:
    """The fees of what was sold are no cost of what is left."""
    sale = fill("s", "9", kalshi, side=Side.SELL, fee="0.4", minute=1)
    other: Any = {"platform": POLYMARKET, "outcome": NO, "side": Side.SELL, "minute": 2}
    sales = (sale, fill("t", "9", polymarket, fee="0.4", **other))
    leaving = pair(sale, status=PositionStatus.EXIT_PARTIAL)

    after = changed(leaving, (YES_10, NO_10, *sales), Cause.EXITED, NOW)

    assert (after.status, after.locked_profit) == (PositionStatus.OPEN, Decimal(locked))
    assert after.completed_at_loss is (Decimal(locked) < 0)


# Statuses and properties ---------------------------------------------------------------------

OPEN, EXPOSED = PositionStatus.OPEN, PositionStatus.SINGLE_LEG_EXPOSED
PARTIAL, CLOSED = PositionStatus.EXIT_PARTIAL, PositionStatus.CLOSED
DOUBTED = PositionStatus.RECONCILIATION_REQUIRED


@pytest.mark.parametrize(
    ("status", "facts", "cause", "expected"),
    [
        (OPEN, (YES_10, NO_10), Cause.REPORTED, OPEN),
        (OPEN, (YES_10,), Cause.FILL_FAILED, EXPOSED),
        (OPEN, (YES_10,), Cause.EXITED, PARTIAL),
        (OPEN, (), Cause.EXITED, CLOSED),
        (OPEN, (), Cause.SETTLED, CLOSED),
        (EXPOSED, (YES_10, NO_10), Cause.RETRIED, OPEN),
        (EXPOSED, (YES_10, NO_10), Cause.CLOSED, OPEN),
        (EXPOSED, (YES_10, NO_10), Cause.REPORTED, OPEN),
        (EXPOSED, (YES_10,), Cause.RETRIED, EXPOSED),
        (EXPOSED, (), Cause.CLOSED, CLOSED),
        (EXPOSED, (), Cause.FILL_FAILED, CLOSED),
        (EXPOSED, (), Cause.SETTLED, CLOSED),
        (PARTIAL, (YES_10, NO_10), Cause.RETRIED, OPEN),
        (PARTIAL, (), Cause.EXITED, CLOSED),
        (PARTIAL, (), Cause.CLOSED, CLOSED),
        (PARTIAL, (YES_10,), Cause.FILL_FAILED, EXPOSED),
        (PARTIAL, (YES_10,), Cause.EXITED, PARTIAL),
        (CLOSED, (), Cause.REPORTED, CLOSED),
        (CLOSED, (YES_10,), Cause.REPORTED, DOUBTED),
        (DOUBTED, (YES_10,), Cause.CLOSED, DOUBTED),
    ],
)
def test_the_facts_determine_the_status(
    status: PositionStatus, facts: tuple[Fact, ...], cause: Cause, expected: PositionStatus
) -> None:
    after = folded(replace(BARE, status=status), facts)

    assert implied(after, cause) is expected


whole = st.integers(1, 500)
cents = st.integers(1, 99).map(lambda n: Decimal(n).scaleb(-2))


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    """Draw purchases of both outcomes, and sales of no more than is held."""
    held, facts = 0, []
    for number in range(draw(st.integers(1, 8))):
        size, fee = draw(whole), Decimal(draw(st.integers(0, 50))).scaleb(-2)
        kind = draw(st.sampled_from(("buy", "sell", "against"))) if held else "buy"
        size = min(size, held) if kind != "buy" else size
        held += size if kind == "buy" else -size
        facts.append(
            fill(
                f"t{number}",
                str(size),
                str(draw(cents)),
                outcome=NO if kind == "against" else YES,
                side=Side.SELL if kind == "sell" else Side.BUY,
                fee=str(fee),
                minute=number,
            )
        )
    return facts


@given(histories())
def test_the_ledger_of_every_step_adds_up_to_the_position(facts: list[Fill]) -> None:
    balance, before = fold(()), BARE
    for count in range(1, len(facts) + 1):
        after = folded(BARE, facts[:count])
        movement = booked(CASH, change(before.kalshi, after.kalshi), EntryKind.TRADE)
        assert sum(posting.amount for posting in movement) == 0
        balance, before = fold(movement, balance), after

    assert balance[CASH].free == before.kalshi.cash
    assert balance[CASH].committed == before.kalshi.basis


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_reports_does_not_matter(facts: list[Fill], chance: object) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert folded(BARE, shuffled) == folded(BARE, facts)


@reaches(lost=40)
@given(histories(), st.integers(0, 7))
def test_a_position_with_a_failed_fill_equals_one_without_that_fill(
    facts: list[Fill], which: int
) -> None:
    less = [f for f in facts if f.outcome is NO or f.side is Side.SELL]
    if not less:
        return
    reached("lost")
    lost = less[which % len(less)]
    failed = [replace(f, finality=Finality.FAILED) if f is lost else f for f in facts]

    assert folded(BARE, failed) == folded(BARE, [f for f in facts if f is not lost])
