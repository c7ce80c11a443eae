"""Takes what platforms say of provisional fills: settled for good, or never happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from dutchbook.application.announcements import Announcements
from dutchbook.application.bookkeeping import Bookkeeper, News
from dutchbook.application.bus import EventBus
from dutchbook.application.holdings import Held, Holdings, TradeKey
from dutchbook.domain.accounting import Cause
from dutchbook.domain.events import Event, FailedLeg, FillFailed, FillSettled
from dutchbook.domain.order import Fill, Finality
from dutchbook.domain.position import OpenPosition, PositionStatus
from dutchbook.ports import FillReport, PlatformGateway

SINGLE_LEG = 2004


class SettlementFollower:
    """Applies each report once its fill is durable; the rest wait for their execution."""

    def __init__(
        self,
        bus: EventBus,
        holdings: Holdings,
        books: Bookkeeper,
        announce: Announcements,
        exposed: Callable[[str], None],
    ) -> None:
        self._bus = bus
        self._holdings = holdings
        self._books = books
        self._announce = announce
        self._exposed = exposed
        self._early: dict[TradeKey, FillReport] = {}
        self._turn = asyncio.Lock()

    async def follow(self, gateway: PlatformGateway) -> None:
        """Take settlement reports from a platform, until cancelled."""
        async for report in gateway.reports():
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
        if finality is Finality.SETTLED:
            await self._settled(held, fill)
        else:
            await self._failed(held, fill)

    async def _settled(self, held: Held, fill: Fill) -> None:
        stamp = self._bus.stamp(held.position.execution_id)
        event = FillSettled(stamp, fill.trade_id, fill.order_id, fill.platform)
        news = News(Cause.REPORTED, finalities=(fill,), tells=lambda _: (event,))
        await self._books.keep(held.position.position_id, news)

    async def _failed(self, held: Held, fill: Fill) -> None:
        """A fill never happened: its money is back, and the other leg may stand alone."""
        order = held.orders[fill.order_id]
        stamp = self._bus.stamp(order.execution_id)
        failed = FillFailed(
            stamp, fill.trade_id, fill.order_id, fill.platform, fill.size, fill.price
        )
        news = News(
            Cause.FILL_FAILED,
            orders=(order.without_fill(fill),),
            finalities=(fill,),
            tells=lambda after: (failed, *self._exposures(held, after, fill)),
        )
        after = await self._books.keep(held.position.position_id, news)
        if after.uneven():
            self._exposed(after.position_id)

    def _exposures(self, held: Held, after: OpenPosition, failed: Fill) -> tuple[Event, ...]:
        """Tell of the exposure that a failed fill has opened or deepened."""
        if not after.uneven() or after.status is PositionStatus.CLOSED:
            return ()
        lost = FailedLeg(
            platform=failed.platform,
            reason="the fill failed to settle",
            code=SINGLE_LEG,
            attempted_price=failed.price,
            attempted_size=failed.size,
        )
        return (self._announce.exposure(after, held, lost),)
