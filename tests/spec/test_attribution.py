"""Where the edge of a pair trade went: each part by hand, and their sum.

Ten contracts were planned, YES on Kalshi for 40 cents and NO on Polymarket for 50: an edge of
a dollar. Every fill costs two cents of fees.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.traded import (
    KALSHI,
    POLYMARKET,
    YES,
    bare,
    fill,
    order,
    played,
    q,
    reported,
    reservation,
    usd,
)
from support.traded import price as at

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Finality, Purpose
from dutchbook.domain.market.contract import Leg, Platform, Side
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.attribution import Attribution, attribution
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import PositionStatus

HEDGE, EXIT, UNWIND = Purpose.HEDGE, Purpose.EXIT, Purpose.UNWIND
BUY, SELL = Side.BUY, Side.SELL
PARTS = ("delay", "slippage", "fees", "missed", "rescue", "exit", "divergence", "kept")


def entry(
    kalshi: str = "10",
    polymarket: str = "10",
    *,
    sent: tuple[str, str] = ("4", "5"),
    paid: tuple[str, str] = ("0.40", "0.50"),
    finality: Finality = Finality.SETTLED,
) -> PairTrade:
    """Return what an entry has bought; `sent` is what its orders cost by the books then."""
    trade = bare()
    execution = trade.execution
    for leg, cost, size in zip(Leg, sent, (kalshi, polymarket), strict=True):
        went = q(10) if leg is Leg.PRIMARY or Decimal(size) else q(0)
        execution = execution.with_leg(leg, sent=went, sent_cost=Decimal(cost) * went / 10)
    first, second = order("k"), order("p", POLYMARKET, purpose=HEDGE)
    trade = replace(trade, execution=execution)
    trade = played(facts.Begun(NOW, first, reservation()), start=trade)
    for of, size, each in ((first, kalshi, paid[0]), (second, polymarket, paid[1])):
        if of is second:
            if not Decimal(size):
                continue
            trade = played(facts.Placed(NOW, second), start=trade)
        fills = (fill(of, f"{of.order_id}1", size, price=at(each), finality=finality),)
        trade = played(reported(of, *(fills if Decimal(size) else ())), start=trade)
    return played(facts.Concluded(NOW), start=trade)


def later(  # each fact is one that a test may change
    trade: PairTrade,
    platform: Platform,
    side: Side,
    size: str,
    cents: str,
    purpose: Purpose,
    **more: Any,
) -> PairTrade:
    """Return the trade after a further order of its position has filled, a second later."""
    when = trade.position.opened_at + timedelta(seconds=len(trade.orders))
    terms: Any = {
        "leg": Leg.SECONDARY,
        "purpose": purpose,
        "side": side,
        "price": at(cents),
        "created_at": when,
    }
    terms |= more
    of = order(f"later-{len(trade.orders)}", platform, size, **terms)
    done = fill(of, of.order_id, size, matched_at=when, finality=Finality.SETTLED)
    return played(facts.Placed(when, of), reported(of, done), start=trade)


def resolved(trade: PairTrade, kalshi: int | None, polymarket: int | None) -> PairTrade:
    """Return the trade after its contracts have paid so many dollars for a YES."""
    for platform, yes in ((KALSHI, kalshi), (POLYMARKET, polymarket)):
        if yes is not None:
            paid = Payout(platform, Decimal(yes), NOW + timedelta(hours=1))
            fact = facts.Paid(
                paid.at, (paid,), Cause.SETTLED, EntryKind.SETTLEMENT, f"{platform}-cup"
            )
            trade = played(fact, start=trade)
    return trade


def parts(trade: PairTrade) -> dict[str, str]:
    """Return the parts that are not zero, after a look at their sum."""
    found = attribution(trade)
    assert found.edge == sum(getattr(found, name) for name in PARTS)
    assert found.edge == 1
    shown = {name: getattr(found, name) for name in PARTS}
    return {name: f"{value.normalize():f}" for name, value in shown.items() if value}


CLOSED, OPEN = PositionStatus.CLOSED, PositionStatus.OPEN
RESERVE = {"divergence": "0.00452"}
"""A twentieth of a percent of 9.04 dollars."""


def test_a_hedged_entry_keeps_its_edge_less_fees_and_reserve() -> None:
    assert parts(entry()) == {"fees": "0.04", **RESERVE, "kept": "0.95548"}


def test_books_that_moved_until_the_send_are_delay_and_beyond_it_slippage() -> None:
    trade = entry(sent=("4.1", "5.2"), paid=("0.42", "0.49"))

    assert parts(trade) == {
        "delay": "0.3", "slippage": "-0.2", "fees": "0.04", "divergence": "0.00457",
        "kept": "0.85543",
    }  # fmt: skip


def test_what_the_entry_hedges_not_is_missed_and_completing_it_is_a_rescue() -> None:
    """Of the edge 1.00 is missed, then 10 contracts for 95 cents and 4 cents of fees."""
    trade = entry("10", "0")
    alone = parts(trade)

    completed = later(trade, POLYMARKET, BUY, "10", "0.55", HEDGE)

    assert alone == {"fees": "0.02", "missed": "1", "kept": "-0.02"}
    assert completed.position.status is OPEN
    assert parts(completed) == {
        "fees": "0.02", "missed": "1", "rescue": "-0.48", "kept": "0.46",
    }  # fmt: skip


def test_a_rest_that_is_sold_at_a_loss_is_a_rescue() -> None:
    trade = later(entry("10", "6"), KALSHI, SELL, "4", "0.35", UNWIND)

    assert parts(trade) == {
        "fees": "0.04", "missed": "0.4", "rescue": "0.22", "divergence": "0.002716",
        "kept": "0.337284",
    }  # fmt: skip


def test_leaving_both_legs_costs_what_a_pair_pays_less_what_it_brought() -> None:
    trade = later(entry(), KALSHI, SELL, "10", "0.60", EXIT)
    trade = later(trade, POLYMARKET, SELL, "10", "0.45", EXIT)

    assert trade.position.status is CLOSED
    assert parts(trade) == {"fees": "0.04", "exit": "-0.46", "kept": "1.42"}


def test_an_exit_that_filled_one_leg_and_what_ends_it_are_both_an_exit() -> None:
    trade = later(entry(), KALSHI, SELL, "10", "0.60", EXIT)
    trade = later(trade, POLYMARKET, SELL, "10", "0.30", UNWIND)

    assert parts(trade) == {"fees": "0.04", "exit": "1.04", "kept": "-0.08"}


def test_after_an_exit_is_balanced_again_what_follows_is_its_own() -> None:
    """Four pairs leave; then six contracts of one leg are sold, for whatever reason."""
    trade = later(entry(), KALSHI, SELL, "4", "0.60", EXIT)
    trade = later(trade, POLYMARKET, SELL, "4", "0.45", EXIT)
    left = parts(trade)

    trade = later(trade, KALSHI, SELL, "6", "0.30", UNWIND)

    assert left["exit"] == "-0.16"
    assert parts(trade)["exit"] == "-0.16"
    assert Decimal(parts(trade)["rescue"]) == 6 - 3 - Decimal("1.8") + Decimal("0.02")


def test_an_unhedged_leg_that_a_stop_sells_is_a_rescue() -> None:
    trade = later(entry("10", "0"), KALSHI, SELL, "10", "0.30", EXIT)

    assert parts(trade) == {"fees": "0.02", "missed": "1", "rescue": "1.02", "kept": "-1.04"}


DATED = [
    pytest.param({}, id="later"),
    pytest.param({"created_at": NOW - timedelta(hours=1)}, id="our clock was put back"),
]


@pytest.mark.parametrize("dated", DATED)
def test_an_entry_may_send_a_leg_in_parts_and_what_comes_later_is_not_one_of_them(
    dated: dict[str, Any],
) -> None:
    """Six and four contracts were sent; four more replace a part that failed to settle."""
    trade = entry("10", "0")
    sent = trade.execution.with_leg(Leg.SECONDARY, sent=q(10), sent_cost=Decimal(5))
    trade = replace(trade, execution=sent)
    for size in ("6", "4"):
        trade = later(trade, POLYMARKET, BUY, size, "0.50", HEDGE)
    whole = parts(trade)
    failed = replace(trade.fills[POLYMARKET, "later-2"], finality=Finality.FAILED)
    trade = replace(trade, fills={**trade.fills, (POLYMARKET, "later-2"): failed})

    trade = later(trade, POLYMARKET, BUY, "4", "0.55", HEDGE, **dated)

    assert whole["fees"] == "0.06"
    assert "missed" not in whole
    assert "rescue" not in whole
    assert parts(trade)["missed"] == "0.4"
    assert parts(trade)["rescue"] == "-0.18", "four for 95 cents, and two cents of fees"


@pytest.mark.parametrize("dated", DATED)
def test_what_completes_a_leg_is_no_part_of_its_entry(dated: dict[str, Any]) -> None:
    trade = later(entry("10", "0.5"), POLYMARKET, BUY, "10", "0.55", HEDGE, **dated)

    assert trade.position.hedged == 10
    assert parts(trade)["missed"] == "0.95"


def test_a_hedge_that_filled_nothing_was_the_entry_s_although_our_clock_was_ahead() -> None:
    begun = entry("10", "0.5")
    ahead = replace(begun.orders["p"], created_at=NOW + timedelta(hours=1))
    begun = replace(
        begun,
        orders={**begun.orders, "p": ahead},
        fills={key: each for key, each in begun.fills.items() if each.order_id != "p"},
    )

    assert parts(later(begun, POLYMARKET, BUY, "10", "0.55", HEDGE))["missed"] == "1"


def test_a_merge_that_is_dated_before_its_pairs_belongs_to_no_part() -> None:
    """Our clock is behind the platform's: ten pairs merge before their opposite was bought."""
    trade = later(entry(), KALSHI, SELL, "10", "0.60", EXIT)
    trade = later(trade, POLYMARKET, BUY, "10", "0.55", EXIT, outcome=YES)
    before = parts(trade)

    merged = Merge(POLYMARKET, q(10), NOW)
    paid = facts.Paid(NOW, (merged,), Cause.REPORTED, EntryKind.REDEMPTION, "polymarket-cup")

    assert before["exit"] == "-0.46"
    assert parts(played(paid, start=trade)) == before


def test_what_was_merged_no_longer_shares_its_cost_with_what_is_bought_later() -> None:
    """Ten NO that closed ten YES for 40 cents are gone when one more is bought for 80."""
    trade = later(entry(), POLYMARKET, BUY, "10", "0.40", EXIT, outcome=YES)
    paid = Merge(POLYMARKET, q(10), trade.position.opened_at + timedelta(seconds=3))
    fact = facts.Paid(paid.at, (paid,), Cause.REPORTED, EntryKind.REDEMPTION, "polymarket-cup")
    trade = later(played(fact, start=trade), KALSHI, SELL, "10", "0.60", EXIT)

    trade = later(trade, POLYMARKET, BUY, "1", "0.80", UNWIND, outcome=YES)

    assert parts(trade)["exit"] == "-1.96"
    assert Decimal(parts(trade)["rescue"]) == Decimal("0.02"), "at cost, but for its fee"


def test_dust_of_a_closed_position_has_no_reserve_and_counts_what_it_cost() -> None:
    trade = later(entry(), KALSHI, SELL, "9.995", "0.60", EXIT)
    trade = later(trade, POLYMARKET, SELL, "9.995", "0.45", EXIT)

    assert trade.position.status is CLOSED
    assert trade.position.hedged == Decimal("0.005")
    assert parts(trade) == {"fees": "0.04", "exit": "-0.45925", "kept": "1.41925"}


def test_what_resolves_differently_while_one_leg_has_left_is_divergence_for_the_pairs() -> None:
    """Four of ten left on one leg; of six pairs both contracts pay, and four pay alone."""
    trade = later(entry(), KALSHI, SELL, "4", "0.60", EXIT)

    assert parts(resolved(trade, 1, 0)) == {
        "fees": "0.04", "exit": "-2.38", "divergence": "-6", "kept": "9.34",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "found"),
    [
        (1, 1, {"fees": "0.04", "kept": "0.96"}),
        (0, 0, {"fees": "0.04", "kept": "0.96"}),
        (1, 0, {"fees": "0.04", "divergence": "-10", "kept": "10.96"}),
        (0, 1, {"fees": "0.04", "divergence": "10", "kept": "-9.04"}),
        (1, None, {"fees": "0.04", **RESERVE, "kept": "0.95548"}),
        (None, 1, {"fees": "0.04", **RESERVE, "kept": "0.95548"}),
    ],
)
def test_contracts_that_resolve_differently_are_divergence(
    kalshi: int | None, polymarket: int | None, found: dict[str, str]
) -> None:
    assert parts(resolved(entry(), kalshi, polymarket)) == found


def test_no_reserve_is_left_of_contracts_that_have_both_paid_while_a_question_is_open() -> None:
    asked = facts.Moved(NOW, PositionStatus.RECONCILIATION_REQUIRED, {"order_id": "k"})
    trade = played(asked, start=entry())

    assert parts(resolved(trade, 1, None)) == {"fees": "0.04", **RESERVE, "kept": "0.95548"}
    paid = resolved(trade, 1, 1)
    assert paid.position.status is PositionStatus.RECONCILIATION_REQUIRED
    assert parts(paid) == {"fees": "0.04", "kept": "0.96"}


@pytest.mark.parametrize(("yes", "rescue", "kept"), [(1, "-6", "5.98"), (0, "4", "-4.02")])
def test_a_leg_that_pays_alone_was_a_rescue(yes: int, rescue: str, kept: str) -> None:
    trade = resolved(entry("10", "0"), yes, None)

    assert parts(trade) == {"fees": "0.02", "missed": "1", "rescue": rescue, "kept": kept}


def test_an_entry_that_bought_nothing_missed_its_edge() -> None:
    assert parts(entry("0", "0")) == {"missed": "1"}


@pytest.mark.parametrize("key", [(KALSHI, "k1"), (POLYMARKET, "p1")])
def test_a_fill_that_fails_later_never_was(key: tuple[Platform, str]) -> None:
    trade = entry(finality=Finality.PROVISIONAL)
    failed = replace(trade.fills[key], finality=Finality.FAILED)

    trade = played(facts.Final(NOW + timedelta(minutes=1), failed), start=trade)

    assert parts(trade) == {
        "fees": "0.02", "missed": "1", "kept": "-0.02",
    }  # fmt: skip


def test_attributions_add_up_part_by_part() -> None:
    one, other = attribution(entry()), attribution(entry("0", "0"))

    assert one + other == replace(one, edge=usd(2), missed=usd(1))
    assert one + Attribution() == one
