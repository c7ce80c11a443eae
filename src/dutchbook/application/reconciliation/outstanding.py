"""Open discrepancies that a comparison closes, and positions in doubt without one."""

from __future__ import annotations

from collections.abc import Iterable

from dutchbook.application.pair_trades.discrepancies import Dispute, Disputes
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.reconciliation.findings import (
    Choice,
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurState
from dutchbook.domain.reconciliation.platform_state import (
    ListedCash,
    ListedContracts,
    NotFound,
    OrderReport,
    PlatformState,
    Unavailable,
)

AGREES = "the record and the platform agree"
TOTALS = (DiscrepancyType.POSITION_MISMATCH, DiscrepancyType.BALANCE_MISMATCH)
_K, _I = DiscrepancyType, Involvement


class Outstanding:
    """Keeps the open discrepancies consistent with the latest comparison."""

    def __init__(
        self, trades: PairTrades, disputes: Disputes, settling: SettlementFollower
    ) -> None:
        self._trades = trades
        self._disputes = disputes
        self._settling = settling

    async def raise_unexplained(self) -> None:
        """Raise a discrepancy for each position in doubt that no open one explains.

        If only a failed fill put it in doubt, it is resolved instead: its platform has proven
        it.
        """
        for held in self._trades.all():
            if held.position.status is not PositionStatus.RECONCILIATION_REQUIRED:
                continue
            about = self._disputes.of_position(held.position_id)
            if any(each.halts for each in about):
                continue
            context = held.position.reconciliation_context or {}
            if context.get("discrepancy_type") == _K.FILL_FAILED:
                await self._prove(held)
            else:
                await self._disputes.raised([_doubted(held.position)])

    async def _prove(self, held: PairTrade) -> None:
        position_id = held.position_id
        failed = [f for f in held.fills.values() if f.finality is Finality.FAILED]
        async with self._trades.lock(position_id):
            if (now := self._trades.known(position_id)) is not None:
                await self._settling.proven(now, failed[-1])

    async def settle_made_good(self) -> None:
        """Resolve discrepancies of failed fills that were made good; their pairs continue."""
        gone = [
            each
            for each in self._disputes.open.values()
            if each.found.kind is _K.FILL_FAILED and self._made_good(each)
        ]
        if gone:
            await self._disputes.settle(
                gone, Choice.ADOPT_PLATFORM, "the position is hedged again"
            )

    def _made_good(self, dispute: Dispute) -> bool:
        held = self._trades.known(dispute.found.position_id or "")
        if held is None:
            return True
        doubted = held.position.status is PositionStatus.RECONCILIATION_REQUIRED
        return not doubted and not held.position.imbalanced()

    async def close(
        self, found: Iterable[Discrepancy], theirs: PlatformState, ours: OurState
    ) -> None:
        """Resolve discrepancies whose states agree again, unless their position is in doubt."""
        keys = {each.key for each in found}
        known = {each.order.order_id for each in ours.orders}
        gone = [
            each
            for each in self._disputes.open.values()
            if each.found.key not in keys
            and each.found.kind is not _K.FILL_FAILED
            and not self._in_doubt(each)
            and _looked_at(each.found, theirs, known)
        ]
        if gone:
            await self._disputes.settle(gone, Choice.ADOPT_PLATFORM, AGREES)
        await self.settle_made_good()

    def _in_doubt(self, dispute: Dispute) -> bool:
        held = self._trades.known(dispute.found.position_id or "")
        doubted = PositionStatus.RECONCILIATION_REQUIRED
        return held is not None and held.position.status is doubted


def proven(found: Discrepancy) -> bool:
    """Return whether a failed settlement is proven and booked, so that no person decides."""
    return found.kind is _K.FILL_FAILED and found.repaired


def compared_totals(theirs: PlatformState, platform: Platform, kind: DiscrepancyType) -> bool:
    """Return whether a total was compared: it arrived."""
    statement = theirs.of(platform)
    if kind is _K.POSITION_MISMATCH:
        return isinstance(statement.positions, ListedContracts)
    return any(isinstance(each, ListedCash) for each in statement.balances.values())


def _looked_at(found: Discrepancy, theirs: PlatformState, known: set[str]) -> bool:
    """Return whether a comparison would have shown a difference if it were still there.

    Only recent trades are listed, so that only a person settles whose an unknown trade was.
    """
    statement = theirs.of(found.platform)
    if found.kind in TOTALS:
        return compared_totals(theirs, found.platform, found.kind)
    if found.kind is _K.ORDER_UNKNOWN:
        return isinstance(statement.orders, tuple)
    if found.order_id is None:
        return found.position_id is not None and not isinstance(statement.fills, Unavailable)
    answer = statement.answers.get(found.order_id)
    return found.order_id not in known or isinstance(answer, OrderReport | NotFound)


def _doubted(position: OpenPosition) -> Discrepancy:
    """Return the discrepancy that a position's own context describes."""
    context = position.reconciliation_context or {}
    return Discrepancy(
        kind=_K(context.get("discrepancy_type", _K.FILL_UNKNOWN)),
        platform=position.longer,
        subject=position.position_id,
        position_id=position.position_id,
        pair_id=position.pair_id,
        ours={"status": position.status.value},
        theirs=dict(context.get("platform_state") or {}),
        recommended_action="look how the position changed after it was closed",
        involvement=_I.DECIDES,
    )
