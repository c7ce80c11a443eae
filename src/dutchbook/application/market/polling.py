"""BookPolling: requests the books that a silent stream does not update."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from dutchbook.application.market.contract_facts import ContractFacts
from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.records.shielding import answered
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.market_data import BookReader
from dutchbook.ports.time import Clock


class BookPolling:
    """Keeps a platform's books fresh enough to hedge and to exit positions.

    A polled book does not show that the stream works: `Streams` distinguishes the two.
    """

    def __init__(
        self,
        gateways: Mapping[Platform, BookReader],
        watchlist: Watchlist,
        facts: ContractFacts,
        streams: Streams,
        clock: Clock,
        answer: timedelta,
    ) -> None:
        self._gateways = gateways
        self._watchlist = watchlist
        self._facts = facts
        self._streams = streams
        self._clock = clock
        self._answer = answer

    async def poll(self, platform: Platform) -> None:
        """Request every book of `platform` in one call; without an answer, change nothing.

        A book that the stream updated during the call is newer than the answer, and is kept.
        """
        before = {
            book.contract_id: book.updated_at
            for book in self._watchlist.books.values()
            if book.platform is platform
        }
        asked = self._gateways[platform].books(tuple(before))
        reports = await answered(asked, self._answer.total_seconds(), ())
        now = self._clock.now()
        for report in reports:
            book = self._watchlist.books[platform, report.contract_id]
            if book.updated_at == before[report.contract_id]:
                book.replace(report.bids, report.asks)
                self._facts.seen((platform, report.contract_id), report.bids, report.asks)
                self._streams.polled(book, now)
