"""Where the edge of a pair trade went, from the decision to the last cent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, Unlisted
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import (
    Fact,
    Merge,
    Payout,
    divergence,
    folded,
    in_order,
)
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import MICRO, ZERO, Money


@dataclass(frozen=True, slots=True)
class Attribution:
    """What became of the edge of a pair trade, in dollars.

    ``edge = delay + slippage + fees + missed + rescue + exit + divergence + kept``, to 10⁻⁶.

    Attributes:
        edge: What the planned contracts paid above their price in the books at the decision.
        delay: How far the books moved until the legs were sent, over the hedged contracts.
        slippage: What their fills cost beyond the books at sending.
        fees: Fees of the entry.
        missed: The edge of contracts that were planned and that the entry did not hedge.
        rescue: What the entry's contracts without a counterpart cost in the end: completed,
            sold, closed by their opposite, or paid alone.
        exit: What leaving before the payout cost, against a dollar a pair; below zero if it
            brought more. With it goes an exit that had filled one leg only.
        divergence: What contracts that resolved differently cost; until a position has
            closed, the reserve for that.
        kept: What the trade has brought. Of what is still open, hedged contracts count a
            dollar less their reserve, contracts without a counterpart what they cost.
    """

    edge: Money = ZERO
    delay: Money = ZERO
    slippage: Money = ZERO
    fees: Money = ZERO
    missed: Money = ZERO
    rescue: Money = ZERO
    exit: Money = ZERO
    divergence: Money = ZERO
    kept: Money = ZERO

    def __add__(self, other: Attribution) -> Attribution:
        names = Attribution.__slots__
        return Attribution(*(getattr(self, n) + getattr(other, n) for n in names))


def attribution(trade: PairTrade) -> Attribution:
    """Return where the edge of a pair trade went, by all that is known of it now.

    Its execution has ended.
    """
    position, execution = trade.position, trade.execution
    entry = _entry_orders(trade)
    bought, later = _apart(trade.facts, entry)
    begun = folded(position, bought)
    worth = _worth(begun)
    first = _entered(execution, begun, bought, worth)
    closed = position.status is PositionStatus.CLOSED
    reserve = ZERO if closed or not position.hedged else position.divergence_reserve
    kept = position.mark
    left = _left(begun, bought, later, trade.orders, Money(kept + reserve))
    apart = Money(reserve - position.divergence_pnl)
    rescue = Money(worth - kept - left - apart)
    return replace(first, rescue=rescue, exit=left, divergence=apart, kept=kept)


def _entry_orders(trade: PairTrade) -> frozenset[str]:
    """Return the orders of the entry itself.

    On the second platform these are the order that opened the leg and the purchases after it,
    up to what the leg sent: what completes it afterwards is bought for the same purpose. Our
    clock may have been put back between them, so the platform's dates them if it can.
    """
    state = trade.execution.secondary
    found = {each.order_id for each in trade.orders.values() if each.leg is Leg.PRIMARY}
    opening = trade.position.holding(state.platform).order_id
    matched: dict[str, datetime] = {}
    for fill in trade.fills.values():
        matched[fill.order_id] = min(
            fill.matched_at, matched.get(fill.order_id, fill.matched_at)
        )
    hedges = [
        each
        for each in trade.orders.values()
        if each.platform is state.platform and each.purpose is Purpose.HEDGE
    ]
    hedges.sort(
        key=lambda each: (
            each.order_id != opening,
            matched.get(each.order_id, each.created_at),
            each.order_id,
        )
    )
    left: Decimal = state.sent
    for order in hedges:
        if order.size <= left:
            found.add(order.order_id)
            left -= order.size
    return frozenset(found)


def _apart(
    facts: Iterable[Fact], entry: frozenset[str]
) -> tuple[tuple[Fill | Unlisted, ...], tuple[Fact, ...]]:
    """Return what the entry bought, and all that came later, in order.

    Payouts come last, as in a fold.
    """
    bought: list[Fill | Unlisted] = []
    later: list[Fact] = []
    for fact in in_order(facts):
        match fact:
            case Fill(finality=Finality.FAILED):
                continue
            case Fill() | Unlisted() if fact.order_id in entry:
                bought.append(fact)
            case _:
                later.append(fact)
    later.sort(key=lambda fact: isinstance(fact, Payout))
    return tuple(bought), tuple(later)


def _worth(position: OpenPosition) -> Money:
    """Return what a position has brought, its reserve not taken off."""
    return replace(position, status=PositionStatus.OPEN, divergence_reserve=ZERO).mark


def _entered(
    execution: Execution, begun: OpenPosition, bought: Iterable[Fill | Unlisted], worth: Money
) -> Attribution:
    """Return the parts of the entry: what is left of the edge is `worth`."""
    legs = (execution.primary, execution.secondary)
    planned, hedged = execution.primary.planned, begun.hedged
    decided = sum(leg.decided_cost / planned for leg in legs)
    moved = sum(
        leg.sent_cost / leg.sent - leg.decided_cost / planned for leg in legs if leg.sent
    )
    edge = _micro(planned - sum(leg.decided_cost for leg in legs))
    delay = _micro(moved * hedged)
    fees = Money(sum((fact.fee for fact in bought), start=Decimal(0)))
    missed = _micro((1 - decided) * (planned - hedged))
    slippage = Money(edge - delay - fees - missed - worth)
    return Attribution(edge, delay, slippage, fees, missed)


def _micro(amount: Decimal) -> Money:
    return Money(amount.quantize(MICRO))


def _left(
    begun: OpenPosition,
    bought: tuple[Fact, ...],
    later: tuple[Fact, ...],
    orders: Mapping[str, Order],
    at_last: Money,
) -> Money:
    """Return what exits have cost: of a balanced position, until it is balanced again.

    Args:
        begun: The position as the entry left it.
        bought: What the entry bought.
        later: All that came later, in order.
        orders: The orders of the trade, by their ids.
        at_last: What all of it has brought, the reserve not taken off.
    """
    known: list[Fact] = list(bought)
    cost, leaving, before = Decimal(0), False, begun
    merges: list[Merge] = []
    for fact in later:
        if isinstance(fact, Merge):
            merges.append(fact)
        else:
            known.append(fact)
        after = folded(begun, known)
        # Our clock may date a merge before the trades that made its pairs.
        while merges and after.holding(merges[0].platform).pairs >= merges[0].size:
            known.append(merges.pop(0))
            after = folded(begun, known)
        if isinstance(fact, Fill | Unlisted) and orders[fact.order_id].purpose is Purpose.EXIT:
            leaving = leaving or not before.imbalanced()
        if leaving:
            worth = at_last if fact is later[-1] else _worth(after)
            # Both contracts have paid at the last payout, and not before.
            cost -= worth - _worth(before) - divergence(after)
            leaving = after.imbalanced()
        before = after
    return Money(cost)
