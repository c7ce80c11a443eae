"""BookPolling: asks for the books that a silent stream does not tell of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.time import Clock


class BookPolling:
    """Keeps the books of a platform young enough to hedge and to leave positions on.

    What was polled is no sign of life of the stream: `Streams` keeps the two apart.
    """

    def __init__(
        self,
        gateways: Mapping[Platform, PlatformGateway],
        watchlist: Watchlist,
        streams: Streams,
        clock: Clock,
        answer: timedelta,
    ) -> None:
        self._gateways = gateways
        self._watchlist = watchlist
        self._streams = streams
        self._clock = clock
        self._answer = answer

    async def poll(self, platform: Platform) -> None:
        """Ask for every book of `platform` in one request; no answer changes nothing.

        A book that the stream told of while we asked is newer than the answer, and stays.
        """
        before = {
            book.contract_id: book.updated_at
            for book in self._watchlist.books.values()
            if book.platform is platform
        }
        try:
            async with asyncio.timeout(self._answer.total_seconds()):
                reports = await self._gateways[platform].books(tuple(before))
        except (NotSent, OutcomeUnknown, TimeoutError):
            return
        now = self._clock.now()
        for report in reports:
            book = self._watchlist.books[platform, report.contract_id]
            if book.updated_at == before[report.contract_id]:
                book.replace(report.bids, report.asks)
                self._streams.polled(book, now)
