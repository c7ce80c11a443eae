"""Provisional fills of unfinished pair trades, to be queried."""

from __future__ import annotations

import asyncio

from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.pair_trades.trade import PairTrade


class Unsettled:
    """Orders with provisional fills whose finality we may have missed.

    It may have been reported to an engine that has crashed, or before there was a position, and
    a platform reports it only once.
    """

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._wake = asyncio.Event()

    def notice(self, trade: PairTrade) -> None:
        """Add the orders of a pair trade that have a provisional fill."""
        open_ended = {
            fill.order_id
            for fill in trade.fills.values()
            if fill.finality is Finality.PROVISIONAL
        }
        self._orders += [o for o in trade.orders.values() if o.order_id in open_ended]
        self._wake.set()

    def put_back(self, orders: list[Order]) -> None:
        """Keep orders that got no answer."""
        self._orders += orders

    @property
    def waiting(self) -> bool:
        """Whether there is an order to query."""
        return bool(self._orders)

    async def noticed(self) -> None:
        """Wait until an order is added."""
        await self._wake.wait()
        self._wake.clear()

    def take(self) -> list[Order]:
        """Return the orders to query, and clear them."""
        waiting, self._orders = self._orders, []
        return waiting
