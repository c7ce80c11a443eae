"""How the execution of a pair trade advances, waits and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.shortfall import shortfall
from dutchbook.domain.market.contract import Leg
from dutchbook.domain.pair_trades import events
from dutchbook.domain.pair_trades.events import Exposed, Notice
from dutchbook.domain.pair_trades.facts import Advanced, Concluded, Ended, Waits
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, changed
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Quantity

Applied = tuple[PairTrade, tuple[Notice, ...]]
DEPTH, UNKNOWN = 2001, 2003


def executed(before: PairTrade, fact: Advanced | Waits | Ended | Concluded) -> Applied:
    """Return a pair trade after a step of its execution, and its notices."""
    match fact:
        case Advanced(_, execution):
            return replace(before, execution=execution), ()
        case Waits():
            return _waits(before, fact)
        case Ended():
            return _ended(before, fact)
        case Concluded():
            return _concluded(before, fact)


def _waits(before: PairTrade, fact: Waits) -> Applied:
    trade = replace(before, execution=fact.execution)
    # Its PnL counts only from the commit of its reservation on.
    position = replace(
        trade.bought(PositionStatus.SINGLE_LEG_EXPOSED, fact.at), marked_pnl=ZERO
    )
    if fact.failed is None or not (position.kalshi.size or position.polymarket.size):
        return trade, ()
    return replace(trade, position=position, opened=True), (Exposed(fact.failed),)


def _ended(before: PairTrade, fact: Ended) -> Applied:
    execution = replace(fact.execution, phase=_phase(before, fact))
    ended = replace(before, execution=execution, reservation=None, ended_at=fact.at)
    if execution.phase is Phase.FAILED:
        return _nothing_bought(before, ended, fact)
    hedged = execution.phase is Phase.HEDGED
    status = PositionStatus.OPEN if hedged else PositionStatus.SINGLE_LEG_EXPOSED
    position = ended.bought(status, fact.at)
    if before.opened:
        position = replace(position, version=before.position.version + 1)
    notices: list[Notice] = [events.opened(position)] if hedged else []
    trade = replace(
        ended,
        position=position,
        opened=True,
        shortfall=shortfall(execution, position.divergence_reserve),
    )
    if not hedged:
        notices.append(Exposed(fact.failed) if fact.failed else missing(trade))
    assert before.reservation is not None, "what was bought had been reserved"
    return trade, (*notices, events.committed(before.reservation, position))


def _phase(before: PairTrade, fact: Ended) -> Phase:
    """Return how an execution has ended by its fills.

    A stream may have reported more of an order than its answer did, after the decision.
    """
    bought = before.bought(PositionStatus.SINGLE_LEG_EXPOSED, fact.at)
    return Phase.EXPOSED if bought.imbalanced() else fact.execution.phase


def _concluded(before: PairTrade, fact: Concluded) -> Applied:
    if before.ended or (before.open_orders and not fact.unanswered):
        return before, ()
    at, execution = fact.at, filled_execution(before)
    bought = before.bought(PositionStatus.SINGLE_LEG_EXPOSED, at)
    if not execution.primary.filled and not execution.secondary.filled:
        phase = Phase.FAILED
    else:
        hedged = not bought.imbalanced() and bool(bought.hedged)
        phase = Phase.HEDGED if hedged else Phase.EXPOSED
    ended = replace(execution, phase=phase, version=execution.version + 1)
    return _ended(before, Ended(at, ended, reason="nothing was filled"))


def filled_execution(trade: PairTrade) -> Execution:
    """Return the execution of a pair trade with its legs computed from its fills."""
    execution = trade.execution
    for leg in Leg:
        platform = execution.leg(leg).platform
        orders = [order for order in trade.orders.values() if order.platform is platform]
        execution = execution.with_leg(
            leg,
            filled=Quantity(sum((o.filled for o in orders), start=Decimal(0))),
            cost=Money(sum((o.cost for o in orders), start=Decimal(0))),
            fees=Money(sum((o.fees for o in orders), start=Decimal(0))),
            busy=False,
            unknown=False,
        )
    return execution


def waiting(trade: PairTrade, at: datetime) -> Waits:
    """Return that a trade, which no task runs any more, waits for the answer to an order."""
    order = trade.open_orders[0]
    execution = filled_execution(trade)
    failed = FailedLeg(
        platform=order.platform,
        reason="the outcome of its order is unknown",
        code=UNKNOWN,
        attempted_price=order.price,
        attempted_size=order.size,
    )
    execution = replace(execution, phase=Phase.WAITING, version=execution.version + 1)
    return Waits(at, execution, failed)


def _nothing_bought(before: PairTrade, ended: PairTrade, fact: Ended) -> Applied:
    notices: list[Notice] = []
    for order in before.open_orders:
        # The book was too thin at the moment of sending: the order never left.
        ended = ended.with_orders((order.ended(),))
        notices.append(events.failed(order, DEPTH, fact.reason))
    ended = replace(ended, shortfall=shortfall(fact.execution, ZERO))
    if before.opened:
        position = changed(before.position, ended.facts, Cause.FILL_FAILED, fact.at)
        notices.append(next(events.moves(before.position, position, Cause.FILL_FAILED)))
        ended = replace(ended, position=position)
    if before.reservation is not None:
        notices.append(events.released(before.reservation, fact.reason))
    return ended, tuple(notices)


def missing(trade: PairTrade) -> Exposed:
    """Return the exposure of an unfinished execution: no failed leg was observed."""
    other = trade.execution.leg_on(trade.position.longer.other)
    return Exposed(
        FailedLeg(
            platform=other.platform,
            reason=other.failure or "it was not filled",
            code=events.SINGLE_LEG,
            attempted_price=None,
            attempted_size=other.planned,
        )
    )
