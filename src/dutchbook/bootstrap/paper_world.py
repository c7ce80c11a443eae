"""What paper platforms need besides their books: our holdings at a start, results at an end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dutchbook.application.capital.capital import Capital
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.send import report_of
from dutchbook.application.records.loading import grouped
from dutchbook.application.settlement.payouts import SettlementService
from dutchbook.domain.execution.order import Finality, Order, Unlisted
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.positions.settlement import Key, Ruling
from dutchbook.domain.values.units import MICRO, Money, Price, Quantity
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.market import PaperMarket
from dutchbook.ports.journal import Journal
from dutchbook.ports.orders import FillReport
from dutchbook.ports.tables.trading import FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.ports.time import Clock

TIMEOUT = timedelta(minutes=10)
"""Maximum time that a run waits for the cash of results."""


class Funding:
    """Gives new paper platforms what they hold for us by our record."""

    def __init__(
        self,
        journal: Journal,
        capital: Capital,
        watchlist: Watchlist,
        exchanges: Mapping[Platform, PaperExchange],
        gateways: Mapping[Platform, PaperGateway],
    ) -> None:
        self._journal = journal
        self._capital = capital
        self._watchlist = watchlist
        self._exchanges = exchanges
        self._gateways = gateways

    async def fund(self) -> None:
        """Fund each paper platform with what it holds for us by our record.

        Contracts are those of positions, less what was sold, merged and paid, and those of
        orders whose execution has no position yet. Cash is what is free and reserved, less what
        unfinished executions have spent of their reservations.
        """
        orders = [ORDERS.value(row) for row in await self._journal.rows("orders")]
        live = {
            row["execution_id"]
            for row in await self._journal.rows("executions")
            if row["ended_at"] is None
        }
        held = [OPEN_POSITIONS.value(row) for row in await self._journal.rows("open_positions")]
        known = {position.execution_id for position in held}
        for position in held:
            self._hand_over(position)
        pending: dict[Platform, Decimal] = defaultdict(Decimal)
        for order in orders:
            if order.execution_id not in live:
                continue
            pending[order.platform] += order.cost + order.fees
            if order.execution_id not in known:
                wallet = self._exchanges[order.platform].wallet
                wallet.add(order.contract_id, order.outcome, order.filled)
        for platform, exchange in self._exchanges.items():
            balance = self._capital.balance(platform)
            borrowed = sum((p.holding(platform).borrowed for p in held), start=Decimal(0))
            cash = balance.free + balance.reserved - pending[platform] + borrowed
            exchange.wallet.fund(Money(cash))
            exchange.wallet.net()
        await self._remind()

    async def _remind(self) -> None:
        """Restore our unfinished orders and their fills on each paper platform.

        Those on contracts of another tape stay as they are until that is played again. What a
        platform had stated and not listed yet becomes one trade of the same totals.
        """
        made = grouped(await self._journal.rows("fills"), "order_id")
        known: dict[Platform, list[tuple[Order, list[FillReport]]]] = defaultdict(list)
        for row in await self._journal.rows("orders", order_by=("created_at", "order_id")):
            order = ORDERS.value(row)
            if order.contract_id not in self._exchanges[order.platform].contracts:
                continue
            fills = [FILLS.value(each) for each in made.get(order.order_id, [])]
            open_ended = any(fill.finality is Finality.PROVISIONAL for fill in fills)
            works = order.working_size > 0 and order.reported
            if works or open_ended or order.stated:
                reports = [report_of(order, fill) for fill in fills]
                if order.unlisted is not None:
                    reports.append(_listed(order, order.unlisted, len(reports)))
                known[order.platform].append((order, reports))
        for platform, gateway in self._gateways.items():
            gateway.restore(known[platform])

    def _hand_over(self, position: OpenPosition) -> None:
        """Give the platforms their holdings of one position."""
        match = self._watchlist.matches.get(position.pair_id)
        for platform in Platform:
            leg = position.holding(platform)
            if match is not None and leg.unpaid:
                contract_id = match.contract(platform).contract_id
                wallet = self._exchanges[platform].wallet
                other = leg.outcome.opposite
                wallet.add(contract_id, leg.outcome, Quantity(leg.size - leg.borrowed))
                wallet.add(contract_id, other, Quantity(leg.complement - leg.borrowed))


def _listed(order: Order, part: Unlisted, listed: int) -> FillReport:
    """Return the trade by which a paper platform lists what it had stated."""
    price = (part.cost / part.size).quantize(MICRO)
    return FillReport(
        platform=order.platform,
        platform_order_id=order.platform_order_id or "",
        client_order_id=order.client_order_id,
        trade_id=f"{order.client_order_id}.{listed + 1}",
        price=Price(price),
        size=part.size,
        fee=part.fee,
        finality=Finality.SETTLED if part.final else Finality.PROVISIONAL,
        matched_at=order.created_at,
    )


class Resolution:
    """Resolves the contracts of a tape when `results` say so, the others after its end.

    `delay` is how long Kalshi's cash takes on paper.
    """

    def __init__(
        self,
        results: Mapping[Key, Ruling],
        exchanges: Mapping[Platform, PaperExchange],
        market: PaperMarket,
        settlement: SettlementService,
        clock: Clock,
        delay: timedelta,
        stopping: asyncio.Event,
    ) -> None:
        self._results = results
        self._exchanges = exchanges
        self._market = market
        self._settlement = settlement
        self._clock = clock
        self._delay = delay
        self._stopping = stopping

    async def follow(self) -> None:
        """Resolve and pay contracts as they are due, until cancelled."""
        due = [(each.at, key) for key, each in self._results.items() if each.at is not None]
        async with asyncio.TaskGroup() as paying:
            for at, key in sorted(due):
                await self._clock.sleep_until(at)
                self._resolve(key)
                paying.create_task(self._pay_later(key))

    async def resolve(self) -> None:
        """Resolve the contracts that have no result yet, and wait for the cash of all."""
        if not self._results or self._stopping.is_set():
            return
        for key, ruling in sorted(self._results.items(), key=lambda each: _due(each[1])):
            if ruling.at is not None and not await self.until(ruling.at):
                return
            self._resolve(key)
        if await self.until(self._clock.now() + self._delay):
            for key in self._results:
                self._pay(key)
            await self._settlement.finish(self._results, TIMEOUT)

    async def until(self, instant: datetime) -> bool:
        """Wait until `instant`; return False if the engine was asked to stop meanwhile."""
        waiting = asyncio.ensure_future(self._clock.sleep_until(instant))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        waiting.cancel()
        return not self._stopping.is_set()

    def _resolve(self, key: Key) -> None:
        platform, contract_id = key
        if contract_id not in self._exchanges[platform].results:
            self._market.resolve(platform, contract_id, self._results[key].yes_pays)

    async def _pay_later(self, key: Key) -> None:
        await self._clock.sleep(self._delay.total_seconds())
        self._pay(key)

    def _pay(self, key: Key) -> None:
        """Let Kalshi pay, once; Polymarket pays on request."""
        platform, contract_id = key
        result = self._exchanges[platform].results[contract_id]
        if platform is Platform.KALSHI and not result.cash:
            self._exchanges[platform].settle(contract_id)


def _due(ruling: Ruling) -> tuple[bool, datetime]:
    """Sort contracts that resolve at the tape's end before those that resolve later."""
    return ruling.at is not None, ruling.at or datetime.min.replace(tzinfo=UTC)
