"""Follows the platforms' streams of trades, and reads what a broken stream has missed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from dutchbook.application.records.shielding import answered
from dutchbook.application.recovery.fill_finality import SettlementFollower
from dutchbook.application.recovery.reported_fills import ReportedFills
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.account import Listing
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.orders import Connected, FillReport, Gap
from dutchbook.ports.time import Clock

REOPENED_AFTER = 1
"""Seconds until a stream that has ended is opened again."""
LONGEST_WAIT = 60
"""The most seconds between two attempts to read what was missed; the wait doubles."""


class TradeStreams:
    """Passes on every trade that a platform reports; a stream that ends never ends the engine.

    While a stream is broken, reports are lost: what was matched since then is read once it is
    connected again, until a complete list was read, and orders with open fills are queried.
    """

    def __init__(
        self,
        gateways: Mapping[Platform, PlatformGateway],
        settling: SettlementFollower,
        reported: ReportedFills,
        clock: Clock,
        answer_seconds: int,
    ) -> None:
        self._gateways = gateways
        self._settling = settling
        self._reported = reported
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._broken: dict[Platform, datetime] = {}

    async def run(self) -> None:
        """Follow every stream, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for gateway in self._gateways.values():
                group.create_task(self._follow(gateway))

    async def _follow(self, gateway: PlatformGateway) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                opened = self._clock.now()
                try:
                    async for update in gateway.trade_updates():
                        opened = self._clock.now()
                        if isinstance(update, Connected):
                            since = self._broken.pop(gateway.platform, None)
                            if since is not None:
                                group.create_task(self._read_missed(gateway, since))
                        else:
                            await self._take(gateway.platform, update)
                except (NotSent, OutcomeUnknown):
                    pass  # as if it had ended
                await self._take(gateway.platform, Gap(opened))
                await self._clock.sleep(REOPENED_AFTER)

    async def _take(self, platform: Platform, update: FillReport | Gap) -> None:
        if isinstance(update, Gap):
            known = self._broken.get(platform, update.since)
            self._broken[platform] = min(known, update.since)
            return
        await self._settling.received(update)
        self._reported.note(update)

    async def _read_missed(self, gateway: PlatformGateway, since: datetime) -> None:
        """Read the trades that were matched since `since`, until their list is complete."""
        self._settling.missed(gateway.platform)
        wait = REOPENED_AFTER
        nothing: Listing[FillReport] = Listing(complete=False)
        while True:
            listed = await answered(gateway.trades(since), self._answer_seconds, nothing)
            for report in listed.items:
                await self._take(gateway.platform, report)
            if listed.complete:
                return
            await self._clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
