"""Orders with fills that may still change: provisional ones, and stated ones without trades."""

from __future__ import annotations

from dutchbook.application.orders.schedule import Schedule
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.ports.time import Clock

STREAM_SECONDS = 5
"""How long the trades of an order may take to arrive on the stream before they are read."""


class Unsettled:
    """Orders that are queried, since a platform's stream may not have reported all of them.

    It may have reported to an engine that has crashed, or before there was a position, and it
    reports only once.
    """

    def __init__(self, clock: Clock) -> None:
        self._schedule = Schedule(clock)
        self._missed: set[str] = set()

    def notice(self, trade: PairTrade, platform: Platform | None = None) -> None:
        """Query at once the orders of a pair trade of which a report may have been missed.

        `platform`: only those that are there.
        """
        for order in trade.orders.values():
            here = platform in (None, order.platform)
            if here and (order.stated or _provisional(trade, order)):
                self._missed.add(order.order_id)
                self._schedule.add(order.order_id, 0)

    def expect(self, order_id: str) -> None:
        """Query an order that has filled, unless the stream lists its trades soon."""
        self._schedule.add(order_id, STREAM_SECONDS)

    async def due(self) -> list[str]:
        """Wait until an order is to be queried, and return the ids of those that are."""
        return await self._schedule.due()

    def open(self, trade: PairTrade, order: Order) -> bool:
        """Return whether something of an order is still to be learnt by a query."""
        missed = order.order_id in self._missed and _provisional(trade, order)
        return order.stated > 0 or missed

    def answered(self, order_id: str, *, whole: bool) -> None:
        """Query an order no longer, or again later if the answer left something open."""
        if whole:
            self._missed.discard(order_id)
            self._schedule.drop(order_id)
        else:
            self._schedule.put_off(order_id)


def _provisional(trade: PairTrade, order: Order) -> bool:
    fills = trade.fills_of(order.order_id)
    return any(fill.finality is Finality.PROVISIONAL for fill in fills)
