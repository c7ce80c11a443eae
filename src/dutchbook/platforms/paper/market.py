"""PaperMarket: the books that paper platforms show, which lack what we took from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from dutchbook.domain.market.book import ASK, BID, OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.platforms.paper.working import Taken
from dutchbook.ports.market_data import BookUpdate, GridChange, MarketData, MarketListener
from dutchbook.ports.time import Clock


class PaperMarket:
    """`MarketData` of paper platforms, over the feed of recorded or real books.

    The platforms receive every update first, the engine then what they show: the book less
    what we took, and nothing while a stream is silent. Its next update is a whole book.

    `offered` are books as they would be had we taken nothing. `shown` are those of the engine:
    a trade of ours changes them at once, but is no message of the stream.
    """

    def __init__(
        self,
        feed: MarketData,
        exchanges: Mapping[Platform, PaperExchange],
        gateways: Mapping[Platform, PaperGateway],
        lag: StepLag,
        offered: Mapping[Key, OrderBook],
        shown: Mapping[Key, OrderBook],
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._exchanges = exchanges
        self._gateways = gateways
        self._lag = lag
        self._offered = offered
        self._shown = shown
        self._clock = clock
        self._subscribed: set[Key] = set()
        self._listener: MarketListener | None = None
        self.missed: set[Key] = set()
        for platform, exchange in exchanges.items():
            feed.subscribe((platform, each) for each in exchange.contracts)
            exchange.subscribe(self._taken(platform))

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Show the books of these contracts too."""
        self._subscribed.update(keys)

    async def run(self, listener: MarketListener) -> None:
        """Show the platforms' books to `listener` until the feed ends."""
        self._listener = listener
        for platform, exchange in self._exchanges.items():
            for contract_id in exchange.results:
                self.resolved(platform, contract_id)
        await self._feed.run(self)

    def resolve(self, platform: Platform, contract_id: str, yes_pays: Decimal) -> None:
        """Resolve a contract on its platform, and report that."""
        self._exchanges[platform].resolve(contract_id, yes_pays, self._clock.now())
        self.resolved(platform, contract_id)

    # The feed's listener
    # ------------------------------------------------------------------------------------

    def session_began(self) -> None:
        """Forward the beginning of a session."""
        self._engine.session_began()

    def connected(self, platform: Platform) -> None:
        """Forward a connection."""
        self._engine.connected(platform)

    def updated(self, update: BookUpdate) -> None:
        """Pass an update to its platform, then show the book."""
        self._exchanges[update.platform].update(
            update.contract_id,
            update.bids,
            update.asks,
            whole=update.whole,
            now=self._clock.now(),
        )
        self.show(update)

    def show(self, update: BookUpdate) -> None:
        """Show a book that was updated; its platform already has the update."""
        key = (update.platform, update.contract_id)
        if key not in self._subscribed:
            return
        update.apply_to(self._offered[key])
        if self._gateways[update.platform].silent:
            self.missed.add(key)
            return
        self._engine.updated(self._as_shown(key, update))

    def grid_changed(self, change: GridChange) -> None:
        """Pass a new grid to its platform, and forward it unless the stream is silent.

        Polymarket sends the whole book after it.
        """
        key = (change.platform, change.contract_id)
        self._exchanges[change.platform].regrid(change.contract_id, change.grid)
        if key in self._subscribed:
            self.missed.add(key)
            if not self._gateways[change.platform].silent:
                self._engine.grid_changed(change)

    def resolved(self, platform: Platform, contract_id: str) -> None:
        """Forward a result unless the stream is silent; nobody receives it before the run."""
        heard = self._listener is not None and not self._gateways[platform].silent
        if heard and (platform, contract_id) in self._subscribed:
            self._engine.resolved(platform, contract_id)

    def gap(self, platform: Platform) -> None:
        """Empty the books of a platform: what it offers is unknown as well."""
        self._exchanges[platform].clear_books()
        for book in self._offered.values():
            if book.platform is platform:
                book.clear()
        self._engine.gap(platform)

    def session_ended(self) -> None:
        """Let the orders that wait for a later step meet the last books."""
        self._lag.release()
        self._engine.session_ended()

    # What the engine sees
    # ------------------------------------------------------------------------------------

    @property
    def _engine(self) -> MarketListener:
        assert self._listener is not None, "a feed pushes only while it runs"
        return self._listener

    def _as_shown(self, key: Key, update: BookUpdate) -> BookUpdate:
        """Return the update as the platform shows it: less what we took."""
        liquidity = self._exchanges[key[0]].liquidity[key[1]]
        # A stream that comes back begins with a whole book, if there is one.
        whole = update.whole or (key in self.missed and self._offered[key].whole)
        if whole:
            self.missed.discard(key)
            bids, asks = liquidity.available(BID), liquidity.available(ASK)
        else:
            bids = tuple((price, liquidity.left(BID, price)) for price, _ in update.bids)
            asks = tuple((price, liquidity.left(ASK, price)) for price, _ in update.asks)
        return BookUpdate(*key, whole, bids, asks, update.sequence, update.platform_time)

    def _taken(self, platform: Platform) -> Taken:
        """Return a callback that applies our own trades on a platform to the shown book."""

        def on_trade(contract_id: str, side: int, price_e4: int, left_e6: int) -> None:
            self._shown[platform, contract_id].apply(side, price_e4, left_e6)

        return on_trade
