"""Fold a position from its facts: fills, merges and payouts.

Nothing is updated incrementally: a position is computed from all its known facts each time, so
that a fill which fails much later changes everything that followed from it, and nothing else.
The ledger records the difference between two such folds.

Cost is removed at the average: a part that is sold, merged or paid out takes its share of the
whole leg's cost, rounded up to 10⁻⁶, and the last part takes the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

from dutchbook.domain.capital.ledger import (
    AccountKey,
    Bucket,
    EntryKind,
    Movement,
    Posting,
    move,
)
from dutchbook.domain.execution.order import Fill, Finality, Unlisted
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.position import (
    POSITION,
    Holding,
    OpenPosition,
    PositionStatus,
    paired,
)
from dutchbook.domain.values.units import MICRO, NOTHING, ZERO, Money, Quantity, due, owed


@dataclass(frozen=True, slots=True)
class Merge:
    """Equal YES and NO of one contract became cash, one dollar per pair."""

    platform: Platform
    size: Quantity
    at: datetime


@dataclass(frozen=True, slots=True)
class Payout:
    """A resolved contract paid `yes_pays` dollars per YES and `1 - yes_pays` per NO."""

    platform: Platform
    yes_pays: Decimal
    at: datetime

    def of(self, outcome: Outcome) -> Decimal:
        """Return the dollars that one contract of `outcome` paid."""
        return self.yes_pays if outcome is Outcome.YES else 1 - self.yes_pays


Fact = Fill | Unlisted | Merge | Payout


@dataclass(frozen=True, slots=True)
class Change:
    """How a change of a position moves money on one platform, in dollars."""

    cash: Money
    basis: Money
    fees: Money

    def __bool__(self) -> bool:
        return bool(self.cash or self.basis or self.fees)


def folded(position: OpenPosition, facts: Iterable[Fact], *, nets: bool = True) -> OpenPosition:
    """Return a position with holdings folded from the facts; status and version stay.

    Args:
        position: The position whose outcomes and order ids the holdings keep.
        facts: All fills, stated parts, merges and payouts of the position, in any order.
        nets: Whether Kalshi nets YES and NO of one contract into a dollar at once.
    """
    ordered = in_order(facts)
    legs = {
        platform: _leg(
            position.holding(platform),
            [fact for fact in ordered if fact.platform is platform],
            nets=nets and platform is Platform.KALSHI,
        )
        for platform in Platform
    }
    if _over(legs.values()):
        legs = {p: replace(leg, size=NOTHING, complement=NOTHING) for p, leg in legs.items()}
    return replace(position, kalshi=legs[Platform.KALSHI], polymarket=legs[Platform.POLYMARKET])


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts in the order in which a fold takes them."""
    return sorted(facts, key=_when)


def _over(legs: Iterable[Holding]) -> bool:
    """Return whether every leg that held anything has been paid out."""
    held = [leg for leg in legs if leg.size or leg.complement]
    return bool(held) and all(leg.payout is not None for leg in held)


def _when(fact: Fact) -> tuple[bool, datetime, str]:
    """Sort by the platform's clock; what is only stated is the newest, and has no such time."""
    match fact:
        case Fill():
            return False, fact.matched_at, f"0.{fact.trade_id}"
        case Unlisted():
            return True, fact.at, fact.order_id
        case _:
            return False, fact.at, "1."


def _leg(named: Holding, facts: list[Fact], *, nets: bool) -> Holding:
    """Fold one leg: fills in the order of the platform's clock, merges and payouts as they fit.

    Merges are dated by our clock, which may be adjusted: a merge applies once its pairs exist,
    and payouts apply last. Where the platform `nets`, nothing is borrowed: contracts that a
    position lacks leave the account at once.
    """
    leg = Holding(outcome=named.outcome, order_id=named.order_id)
    merges: list[Merge] = []
    for fact in facts:
        match fact:
            case Fill(finality=Finality.FAILED):
                continue
            case Fill() | Unlisted():
                leg = _filled(leg, fact)
                if nets:
                    leg = _merged(leg, leg.pairs)
            case Merge():
                merges.append(fact)
        while merges and leg.pairs >= merges[0].size:
            leg = _merged(leg, merges.pop(0).size)
    for merge in merges:
        leg = _merged_beyond(leg, merge.size)
    for fact in facts:
        if isinstance(fact, Payout):
            leg = _paid(leg, fact)
    return replace(leg, borrowed=NOTHING) if nets else leg


def _filled(leg: Holding, fill: Fill | Unlisted) -> Holding:
    fees = Money(leg.fees + fill.fee)
    if fill.side is Side.SELL:
        assert fill.outcome is leg.outcome, "only what the leg holds is sold"
        return _sold(leg, fill)
    cash = Money(leg.cash - fill.cost - fill.fee)
    if fill.outcome is leg.outcome:
        size, cost = Quantity(leg.size + fill.size), Money(leg.cost + fill.cost)
        return _returned(replace(leg, size=size, cost=cost, fees=fees, cash=cash))
    return replace(
        leg,
        complement=Quantity(leg.complement + fill.size),
        complement_cost=Money(leg.complement_cost + fill.cost),
        fees=fees,
        cash=cash,
    )


def _sold(leg: Holding, fill: Fill | Unlisted) -> Holding:
    """Sell, even more than the leg holds: an order that had ended may prove to have filled.

    Selling a contract that is not held amounts to buying its opposite for the rest of a dollar,
    on the account's other contracts: the leg is then reversed.
    """
    own = Quantity(min(fill.size, leg.size))
    short = Quantity(fill.size - own)
    basis = _share(leg.cost, own, leg.size)
    brought = due(fill.price * own) if short else fill.cost
    return replace(
        leg,
        size=Quantity(leg.size - own),
        cost=Money(leg.cost - basis),
        complement=Quantity(leg.complement + short),
        complement_cost=Money(leg.complement_cost + short - (fill.cost - brought)),
        borrowed=Quantity(leg.borrowed + short),
        fees=Money(leg.fees + fill.fee),
        cash=Money(leg.cash + fill.cost - fill.fee - short),
    )


def _returned(leg: Holding) -> Holding:
    """Return borrowed contracts to the account from those just bought."""
    back = Quantity(min(leg.borrowed, leg.size))
    return replace(_merged(leg, back), borrowed=Quantity(leg.borrowed - back))


def _merged_beyond(leg: Holding, size: Quantity) -> Holding:
    """Merge pairs of which the position holds only the complement, due to a late sale.

    Borrowing a contract and merging it with the complement changes nothing overall: the
    complement is there to return the borrowed contract.
    """
    own = Quantity(min(size, leg.size))
    return replace(_merged(leg, own), borrowed=Quantity(leg.borrowed + size - own))


def _merged(leg: Holding, size: Quantity) -> Holding:
    if not size:
        return leg
    own = _share(leg.cost, size, leg.size)
    other = _share(leg.complement_cost, size, leg.complement)
    return replace(
        leg,
        size=Quantity(leg.size - size),
        cost=Money(leg.cost - own),
        complement=Quantity(leg.complement - size),
        complement_cost=Money(leg.complement_cost - other),
        cash=Money(leg.cash + size),
    )


def _paid(leg: Holding, payout: Payout) -> Holding:
    """Return the leg after a payout; its size still counts until the position closes."""
    amount = leg.size * payout.of(leg.outcome)
    amount += leg.complement * payout.of(leg.outcome.opposite)
    return replace(
        leg,
        cost=ZERO,
        complement_cost=ZERO,
        borrowed=NOTHING,
        cash=Money(leg.cash + due(amount)),
        payout=payout.of(leg.outcome),
        settled=leg.net,
    )


def _share(cost: Money, part: Quantity, whole: Quantity) -> Money:
    """Return the share of `cost` that belongs to `part` of `whole` contracts."""
    return cost if part >= whole else owed(cost * part / whole)


class Cause(StrEnum):
    """Why the facts of a position changed; selects the status if the facts allow several."""

    RETRIED = "retried"
    CLOSED = "closed"
    EXITED = "exited"
    FILL_FAILED = "fill_failed"
    SETTLED = "settled"
    REPORTED = "reported"
    RECONCILED = "reconciled"


def implied(after: OpenPosition, cause: Cause) -> PositionStatus:
    """Return the status that the facts of a position imply; often it stays as it was.

    `after` has its new holdings and its old status. RECONCILIATION_REQUIRED stays until a
    person, or proof, resolves it.
    """
    was = after.status
    if was is PositionStatus.RECONCILIATION_REQUIRED:
        return was
    if was is PositionStatus.CLOSED:
        return was if after.flat else PositionStatus.RECONCILIATION_REQUIRED
    if after.flat:
        return PositionStatus.CLOSED
    if not after.imbalanced() and after.hedged:
        return PositionStatus.OPEN
    exposed = PositionStatus.SINGLE_LEG_EXPOSED
    if was is PositionStatus.OPEN:
        return PositionStatus.EXIT_PARTIAL if cause is Cause.EXITED else exposed
    if was is PositionStatus.EXIT_PARTIAL and cause is Cause.FILL_FAILED:
        return exposed
    return was


def changed(
    before: OpenPosition, facts: Iterable[Fact], cause: Cause, now: datetime
) -> OpenPosition:
    """Return a position after its facts changed: new holdings, status, marks and version."""
    after = folded(before, facts)
    if (status := implied(after, cause)) is not before.status:
        POSITION.check(before.status, status)
        after = replace(after, status=status)
        after = replace(after, completed_at_loss=_at_loss(after))
        if status is PositionStatus.RECONCILIATION_REQUIRED:
            after = replace(after, reconciliation_context=_context(after, cause, now))
    closed = after.status is PositionStatus.CLOSED
    after = replace(after, closed_at=(before.closed_at or now) if closed else None)
    return replace(
        after,
        version=before.version + 1,
        divergence_pnl=divergence(after),
        marked_pnl=after.mark,
    )


def _context(position: OpenPosition, cause: Cause, now: datetime) -> dict[str, Any]:
    """Return the context for reviewing a closed position: what its facts imply now."""
    failed = cause is Cause.FILL_FAILED
    status = PositionStatus.SINGLE_LEG_EXPOSED if position.imbalanced() else PositionStatus.OPEN
    return {
        "discrepancy_type": "fill_failed" if failed else "fill_unknown",
        "recommended_status": status.value,
        "platform_state": {p.value: str(position.holding(p).net) for p in Platform},
        "detected_at": now.isoformat(),
    }


def opened(
    bare: OpenPosition, facts: Iterable[Fact], divergence_probability: Decimal
) -> OpenPosition:
    """Return a new position with holdings from its facts, its reserve and its first mark."""
    made = folded(bare, facts)
    paid = sum(_hedged_cost(leg, made.hedged) for leg in made.legs)
    made = replace(
        made,
        divergence_reserve=owed(divergence_probability * paid),
        completed_at_loss=_at_loss(made),
    )
    return replace(made, marked_pnl=made.mark)


def _at_loss(position: OpenPosition) -> bool:
    """Return whether an open position locks a loss, with what it has brought before."""
    if position.status is not PositionStatus.OPEN:
        return position.completed_at_loss
    return position.locked_profit < 0


def _hedged_cost(leg: Holding, hedged: Quantity) -> Decimal:
    """Return the share of a leg's cost and fees that belongs to its hedged contracts."""
    return (leg.cost + leg.fees) * hedged / leg.size if leg.size else Decimal(0)


def divergence(position: OpenPosition) -> Money:
    """Return the difference between what a settled position paid and one dollar per pair.

    Zero if both contracts resolved alike: then exactly one leg of each pair pays.
    """
    kalshi, polymarket = position.legs
    if kalshi.payout is None or polymarket.payout is None:
        return ZERO
    pairs = paired(kalshi.settled, polymarket.settled)
    apart = kalshi.payout + polymarket.payout - 1
    return Money((pairs * apart).quantize(MICRO, ROUND_FLOOR))


def change(before: Holding, after: Holding) -> Change:
    """Return the difference between two folds of one leg."""
    return Change(
        Money(after.cash - before.cash),
        Money(after.basis - before.basis),
        Money(after.fees - before.fees),
    )


def booked(account: AccountKey, of: Change, kind: EntryKind) -> Movement:
    """Return the postings of a change: cash, cost basis, fees and profit.

    Fees go to their own bucket; profit is the part that cash and cost do not explain.
    """
    gross = of.cash + of.fees
    profit = gross + of.basis
    postings = [
        Posting(kind, account, bucket, Money(amount))
        for bucket, amount in (
            (Bucket.FREE, gross),
            (Bucket.COMMITTED, of.basis),
            (Bucket.REALISED, -profit),
        )
        if amount
    ]
    return (*move(EntryKind.FEE, account, Bucket.FREE, Bucket.FEES, of.fees), *postings)
