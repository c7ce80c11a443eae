"""Takes what platforms say of provisional fills: settled for good, or never happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from dutchbook.application.orders.send import ask
from dutchbook.application.pair_trades.announcements import SINGLE_LEG, Announcements
from dutchbook.application.pair_trades.booking import Bookkeeper, News
from dutchbook.application.pair_trades.discrepancies import Disputes
from dutchbook.application.pair_trades.store import Held, Holdings, TradeKey
from dutchbook.application.records.committer import EventBus
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.fold import Cause
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.reconciliation.resolution import agreed, fill_failed
from dutchbook.ports.gateway import FillReport, OrderReport, PlatformGateway
from dutchbook.ports.time import Clock

LONGEST_WAIT = 60
FAILED = "the fill failed to settle"


class SettlementFollower:
    """Applies each report once its fill is durable; the rest wait for their execution."""

    def __init__(
        self,
        bus: EventBus,
        holdings: Holdings,
        books: Bookkeeper,
        announce: Announcements,
        exposed: Callable[[str], None],
        gateways: Mapping[Platform, PlatformGateway],
        clock: Clock,
        answer_seconds: int,
        disputes: Disputes,
        recovery: Recovery,
    ) -> None:
        self._bus = bus
        self._holdings = holdings
        self._books = books
        self._announce = announce
        self._exposed = exposed
        self._gateways = gateways
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._unasked: list[Order] = []
        self._wake = asyncio.Event()
        self._disputes = disputes
        self._recovery = recovery
        self._early: dict[TradeKey, FillReport] = {}
        self._turn = asyncio.Lock()
        self.on_report: Callable[[FillReport], None] = _nobody

    async def follow(self, gateway: PlatformGateway) -> None:
        """Take settlement reports from a platform, until cancelled."""
        async for report in gateway.reports():
            await self._heard(report)
            self.on_report(report)

    async def drained(self) -> None:
        """Wait until what was reported is booked: who holds the turn, and who waits for it."""
        async with self._turn:
            pass

    def notice(self, held: Held) -> None:
        """Take up a position that was bought by an engine that is dead.

        What became of its fills may have been told to that one, or before it was a position,
        and a platform tells it once.
        """
        self._unasked += _provisional(held)
        self._wake.set()

    async def catch_up(self) -> None:
        """Ask about the provisional fills of such positions until answered, until cancelled."""
        for held in self._holdings.all():
            self.notice(held)
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.settle_known()  # what was reported before there was a position
            wait = 1
            while self._unasked:
                waiting, self._unasked = self._unasked, []
                self._unasked += [each for each in waiting if not await self._asked(each)]
                if self._unasked:
                    await self._clock.sleep(wait)
                    wait = min(wait * 2, LONGEST_WAIT)

    async def _asked(self, order: Order) -> bool:
        """Ask once about the fills of an order; tells whether there was an answer."""
        gateway = self._gateways[order.platform]
        report = await ask(gateway, order.client_order_id, self._answer_seconds)
        if not isinstance(report, OrderReport):
            return False
        for fill in report.fills:
            await self._heard(fill)
        return True

    async def _heard(self, report: FillReport) -> None:
        if report.finality is not Finality.PROVISIONAL:
            self._early[report.platform, report.trade_id] = report
            await self.settle_known()

    async def settle_known(self) -> None:
        """Apply the reports whose fills are durable by now."""
        async with self._turn:
            for key in list(self._early):
                held = self._holdings.by_trade(key)
                if held is None:
                    continue
                report = self._early.pop(key)
                async with self._holdings.lock(held.position.position_id):
                    await self.finalise(key, report.finality)

    async def finalise(self, key: TradeKey, finality: Finality) -> None:
        """Book that a fill is final, one way or the other; its position's lock is held."""
        held = self._holdings.by_trade(key)
        if held is None or held.fills[key].finality is not Finality.PROVISIONAL:
            return
        fill = replace(held.fills[key], finality=finality)
        if held.waiting:
            await self._recovery.finalised(held.position.execution_id, fill)
        elif finality is Finality.SETTLED:
            await self._settled(held, fill)
        else:
            await self._failed(held, fill)

    async def _settled(self, held: Held, fill: Fill) -> None:
        event = self._announce.final(held.orders[fill.order_id], fill)
        news = News(Cause.REPORTED, finalities=(fill,), tells=lambda _: (event,))
        await self._books.keep(held.position.position_id, news)

    async def _failed(self, held: Held, fill: Fill) -> None:
        """A fill never happened: its money is back, and the other leg may stand alone.

        That stops its pair until the position is even again (I-25). Where the position was
        closed, it is open again: its platform has proven so, and nobody needs to decide.
        """
        order = held.orders[fill.order_id]
        failed = self._announce.final(order, fill)
        dispute = self._disputes.of(fill_failed(held.position, fill))
        with self._disputes.opening([dispute]) as opening:
            news = News(
                Cause.FILL_FAILED,
                orders=(order.without_fill(fill),),
                finalities=(fill,),
                writes=opening.writes,
                tells=lambda after: (
                    failed,
                    *opening.events,
                    *self.exposures(held, after, fill),
                ),
            )
            after = await self._books.keep(held.position.position_id, news)
        if held.position.status is PositionStatus.CLOSED:
            after = await self.proven(after.position_id, fill)
        if after.uneven():
            self._exposed(after.position_id)

    async def proven(self, position_id: str, fill: Fill) -> OpenPosition:
        """Resolve what a platform has proven: the position is what its fills amount to.

        Its lock is held, and it is RECONCILIATION_REQUIRED for a failed fill alone. With
        nothing left in it and an order out, the next comparison resolves it.
        """
        held = self._holdings.of(position_id)
        doubted = held.position.status is PositionStatus.RECONCILIATION_REQUIRED
        if not doubted or (held.position.flat and held.working):
            return held.position
        return await self._books.move(
            position_id,
            agreed(held.position),
            tells=lambda after: self.exposures(held, after, fill),
        )

    def exposures(
        self, held: Held, after: OpenPosition, failed: Fill, reason: str = FAILED
    ) -> tuple[Event, ...]:
        """Tell of the exposure that a failed fill has opened or deepened."""
        silent = (PositionStatus.CLOSED, PositionStatus.RECONCILIATION_REQUIRED)
        if not after.uneven() or after.status in silent:
            return ()
        lost = FailedLeg(
            platform=failed.platform,
            reason=reason,
            code=SINGLE_LEG,
            attempted_price=failed.price,
            attempted_size=failed.size,
        )
        return (self._announce.exposure(after, held, lost),)


def _provisional(held: Held) -> list[Order]:
    """Return the orders of a position that have a fill which can still be taken back."""
    open_ended = {
        fill.order_id for fill in held.fills.values() if fill.finality is Finality.PROVISIONAL
    }
    return [order for order in held.orders.values() if order.order_id in open_ended]


def _nobody(report: FillReport) -> None:
    """Nobody else listens to what streams tell."""
    assert report.size > 0, "a fill is of something"
