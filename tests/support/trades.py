"""A pair trade of ten contracts a leg, and the facts of a few of its courses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey, EntryKind
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Execution, LegState
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade, Plan
from dutchbook.domain.positions.fold import Cause, Merge, changed
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity
from support.pairs import NOW

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO
ACCOUNTS = {
    KALSHI: AccountKey(KALSHI, "shard-0", "USD"),
    POLYMARKET: AccountKey(POLYMARKET, "wallet", "pUSD"),
}
PRICES = {KALSHI: "0.40", POLYMARKET: "0.50"}
OUTCOMES = {KALSHI: YES, POLYMARKET: NO}
LEGS = {KALSHI: Leg.PRIMARY, POLYMARKET: Leg.SECONDARY}
FEE = Money(Decimal("0.02"))


def q(number: str | int) -> Quantity:
    return Quantity(Decimal(number))


def usd(number: str | int) -> Money:
    return Money(Decimal(number))


def order(
    name: str, platform: Platform, size: int = 10, price: str | None = None, **terms: Any
) -> Order:
    made = Order(
        order_id=name,
        client_order_id=f"c-{name}",
        platform=platform,
        contract_id=f"{platform}-cup",
        pair_id="cup",
        execution_id="e",
        leg=LEGS[platform],
        purpose=Purpose.ENTRY,
        outcome=OUTCOMES[platform],
        side=Side.BUY,
        price=Price(Decimal(price or PRICES[platform])),
        size=q(size),
        time_in_force=TimeInForce.IOC,
        created_at=NOW,
        working_size=q(size),
    )
    return replace(made, **terms)


K = order("k", KALSHI)
P = order("p", POLYMARKET)
SALE = order("s", KALSHI, price="0.45", side=Side.SELL, purpose=Purpose.EXIT)
COMPLEMENT = order("c", POLYMARKET, outcome=YES, purpose=Purpose.UNWIND)
RETRY = order("r", POLYMARKET, purpose=Purpose.HEDGE)
ORDERS = {each.order_id: each for each in (K, P, SALE, COMPLEMENT, RETRY)}


def fill(name: str, size: int, finality: Finality = Finality.PROVISIONAL) -> Fill:
    """Return a fill of the order whose id its name begins with, at that order's price."""
    of = ORDERS[name[0]]
    return Fill(
        trade_id=name,
        platform=of.platform,
        order_id=of.order_id,
        outcome=of.outcome,
        side=of.side,
        price=of.price,
        size=q(size),
        fee=FEE,
        finality=finality,
        matched_at=NOW + timedelta(seconds=int(name[1:])),
    )


def report(name: str, *fills: Fill, working: int = 0, **more: Any) -> facts.Reported:
    return facts.Reported(NOW, name, f"x-{name}", fills, q(working), **more)


def leg_state(platform: Platform) -> LegState:
    bound = Price(Decimal(PRICES[platform]))
    one = Decimal(1)
    return LegState(platform, q(10), bound, bound, one, one, 10 * bound)


EXECUTION = Execution("e", "cup", leg_state(KALSHI), leg_state(POLYMARKET))
BARE = PairTrade(
    Plan("opportunity", "kalshi_yes", NOW, Decimal("0.001")),
    EXECUTION,
    OpenPosition(
        position_id="position",
        pair_id="cup",
        execution_id="e",
        kalshi=Holding(YES),
        polymarket=Holding(NO),
        expected_edge=usd(1),
        divergence_reserve=ZERO,
        status=PositionStatus.SINGLE_LEG_EXPOSED,
        opened_at=NOW,
    ),
)
ENTRY = Reservation("entry", "e", "cup", {KALSHI: usd(6), POLYMARKET: usd(7)}, 0)
BEGUN = facts.Begun(NOW, K, ENTRY)
CONCLUDED = facts.Concluded(NOW)
K_WHOLE, P_WHOLE = report("k", fill("k1", 10)), report("p", fill("p1", 10))
HEDGED = (BEGUN, K_WHOLE, facts.Placed(NOW, P), P_WHOLE, CONCLUDED)
SHORT = (BEGUN, K_WHOLE, facts.Placed(NOW, P), report("p", fill("p1", 4)), CONCLUDED)
EMPTY = (BEGUN, report("k"), CONCLUDED)
SOLD = report("s", fill("s5", 10))
CLOSED = (
    *HEDGED,
    facts.Placed(NOW, SALE),
    SOLD,
    facts.Placed(NOW, COMPLEMENT, Reservation("rc", "e", "cup", {POLYMARKET: usd(6)}, 0)),
    report("c", fill("c6", 10)),
)
MERGED_AWAY = facts.Paid(
    NOW, (Merge(POLYMARKET, q(10), NOW),), Cause.REPORTED, EntryKind.REDEMPTION
)
RETRIED = Reservation("rr", "e", "cup", {POLYMARKET: usd(6)}, 0)


def play(*given: TradeFact, start: PairTrade = BARE) -> PairTrade:
    return steps(*given, start=start)[-1]


def steps(*given: TradeFact, start: PairTrade = BARE) -> list[PairTrade]:
    every = [start]
    for fact in given:
        every.append(apply(every[-1], fact)[0])
    return every


# As the tests of single facts begin
# ------------------------------------------------------------------------------------

LATER = NOW + timedelta(minutes=1)
NOTE = events.unknown(K, "a note of the same commit")
OPENED, SHORTER, ENDED = play(*HEDGED), play(*SHORT), play(*EMPTY)
EXITING = play(facts.Placed(NOW, SALE), start=OPENED)
HALF_OUT = play(report("s", fill("s5", 4)), start=EXITING)
WAITS = facts.Waits(NOW, EXECUTION, FailedLeg(POLYMARKET, "no answer", 2003, None, q(10)))
WAITING = play(BEGUN, K_WHOLE, facts.Placed(NOW, P), WAITS)
RETRYING = play(facts.Placed(NOW, RETRY, RETRIED), start=SHORTER)


def answered(order: Order, fills: Iterable[Fill] = (), working: int = 0) -> Order:
    """Return an order after a report of its platform."""
    for each in fills:
        order = order.with_fill(each)
    return order.acknowledged(f"x-{order.order_id}", q(working))


def later(name: str, *fills: Fill, working: int = 0, **more: Any) -> facts.Reported:
    return replace(report(name, *fills, working=working, **more), at=LATER)


def follows(before: PairTrade, after: PairTrade, cause: Cause) -> PairTrade:
    """Return a trade with the position that later follows from its facts."""
    return replace(after, position=changed(before.position, after.facts, cause, LATER))
