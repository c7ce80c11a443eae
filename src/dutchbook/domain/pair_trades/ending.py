"""How the execution of a pair trade advances, waits and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Finality
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
DEPTH = 2001


def executed(before: PairTrade, fact: Advanced | Waits | Ended | Concluded) -> Applied:
    """Return a pair trade after a step of its execution, and its notices."""
    match fact:
        case Advanced(_, execution):
            return replace(before, execution=execution), ()
        case Waits():
            return _waits(before, fact)
        case Ended():
            return _ended(before, fact)
        case Concluded(at):
            return _concluded(before, at)


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
    ended = replace(before, execution=fact.execution, reservation=None, ended_at=fact.at)
    if fact.execution.phase is Phase.FAILED:
        return _nothing_bought(before, ended, fact)
    hedged = fact.execution.phase is Phase.HEDGED
    status = PositionStatus.OPEN if hedged else PositionStatus.SINGLE_LEG_EXPOSED
    position = ended.bought(status, fact.at)
    if before.opened:
        position = replace(position, version=before.position.version + 1)
    notices: list[Notice] = [events.opened(position)] if hedged else []
    trade = replace(
        ended,
        position=position,
        opened=True,
        shortfall=shortfall(fact.execution, position.divergence_reserve),
    )
    if not hedged:
        notices.append(Exposed(fact.failed) if fact.failed else missing(trade))
    assert before.reservation is not None, "what was bought had been reserved"
    return trade, (*notices, events.committed(before.reservation, position))


def _concluded(before: PairTrade, at: datetime) -> Applied:
    if before.ended or before.open_orders:
        return before, ()
    execution = filled_execution(before)
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
        fills = [
            fill
            for fill in trade.fills.values()
            if fill.platform is platform and fill.finality is not Finality.FAILED
        ]
        execution = execution.with_leg(
            leg,
            filled=Quantity(sum((f.size for f in fills), start=Decimal(0))),
            cost=Money(sum((f.cost for f in fills), start=Decimal(0))),
            fees=Money(sum((f.fee for f in fills), start=Decimal(0))),
            busy=False,
            unknown=False,
        )
    return execution


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
