"""`PlatformGateway` for a paper platform: the engine's side of the connection.

It reads statuses and bodies like those of the real platform, through that platform's table, and
turns them into reports or into one of three errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.errors import MalformedMessage, OutcomeUnknown
from dutchbook.platforms.order_answers import NO_MATCH, Answer, Placed, Sent, classify, complete
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan
from dutchbook.platforms.paper.server import SIGNATURE, PaperServer, StepLag
from dutchbook.platforms.paper.wire import WIRES
from dutchbook.ports.gateway import (
    BookReport,
    FillReport,
    ListedOrder,
    NamedCash,
    OrderReport,
    PlatformBalance,
)
from dutchbook.ports.time import Clock


class PaperGateway:
    """`PlatformGateway` over a `PaperExchange`."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, faults: FaultPlan
    ) -> None:
        self.platform: Platform = exchange.platform
        self._exchange = exchange
        self._wire = WIRES[exchange.platform]
        self._server = PaperServer(exchange, clock, lag, faults)
        self._sent: dict[str, Sent] = {}
        self._asked = 0

    @property
    def hits(self) -> Counter[Fault]:
        """How often each fault has changed an answer that the engine received."""
        return self._server.hits

    async def submit(self, order: Approved[Order]) -> OrderReport:
        """Send an order; see `PlatformGateway`."""
        sent = self._remembered(order.subject)
        answer = await self._server.create(sent.order)
        try:
            return await self._taken(sent, answer)
        except MalformedMessage as error:
            raise OutcomeUnknown(self.platform, error.reason) from error

    async def _taken(self, sent: Sent, answer: Answer) -> OrderReport:
        """Decode the answer to an order, and read its trades if it has any."""
        verdict = classify(self._wire.TABLE, answer)
        known = sent.platform_order_id
        if verdict.reason == NO_MATCH and sent.immediate and known is not None:
            # Kalshi reports this as an order that ended unfilled; both platforms return that.
            return OrderReport(known, (), NOTHING)
        verdict.insist(self.platform)
        placed: Placed | None = self._wire.decode_placed(answer.body, sent)
        if placed is not None and placed.working is None:
            placed = self._wire.decode_order(await self._server.order(sent.order), sent)
        if placed is None:
            raise OutcomeUnknown(self.platform, "taken, and not found when asked about")
        return self._with_fills(sent, placed)

    async def find_order(self, order: Order) -> OrderReport | None:
        """Query an order; None proves nothing."""
        sent = self._sent.get(order.client_order_id)
        if sent is None:
            known = self._exchange.known(order.client_order_id)
            if known is None:
                return None
            sent = self._remembered(known)
        try:
            placed = self._wire.decode_order(await self._server.order(sent.order), sent)
            return self._with_fills(sent, placed) if placed else self._by_trades(sent)
        except MalformedMessage as error:
            raise OutcomeUnknown(self.platform, error.reason) from error

    def _by_trades(self, sent: Sent) -> OrderReport | None:
        """Look among our trades for an order that the platform does not show.

        Polymarket may stop showing orders that are done; its trades name the order, whose id is
        known before it is sent (docs.polymarket.com, GET /data/trades, 2026-09). Kalshi keeps
        orders for two weeks, and its trades do not contain our ids.

        Raises:
            OutcomeUnknown: The order has traded and may still work.
        """
        if sent.platform_order_id is None:
            return None
        placed = Placed(sent.platform_order_id, NOTHING)
        fills = self._wire.decode_fills(self._server.fills(sent.order), sent, placed)
        if fills and not sent.immediate:
            raise OutcomeUnknown(self.platform, "it has traded, and is not shown")
        return OrderReport(placed.platform_order_id, fills, NOTHING) if fills else None

    def _with_fills(self, sent: Sent, placed: Placed) -> OrderReport:
        fills: tuple[FillReport, ...] = ()
        if placed.least or placed.trades:
            fills = self._wire.decode_fills(self._server.fills(sent.order), sent, placed)
        return complete(sent, placed, fills)

    def _remembered(self, order: Order) -> Sent:
        """Store and return what is needed to decode answers about an order."""
        key = order.client_order_id
        contract = self._exchange.contracts.get(order.contract_id)
        digest = self._exchange.order_id(key) if self.platform is Platform.POLYMARKET else None
        self._sent[key] = Sent(order, contract.fees if contract else None, digest)
        return self._sent[key]

    def arrives_until(self, order: Order) -> datetime:
        """Return when an order's signature expires; see `PlatformGateway`."""
        return order.created_at + SIGNATURE

    async def reads_as_of(self) -> datetime:
        """Return the present: a paper platform answers from its current state."""
        await self._server.travel("as_of")
        return self._server.now()

    async def cancel(self, order: Order) -> OrderReport:
        """Cancel what still works of an order that the platform has given an id."""
        assert order.platform_order_id is not None, "without an id, an order is queried first"
        await self._server.travel(f"cancel.{order.platform_order_id}")
        return self._exchange.cancel(order.platform_order_id)

    async def balance(self) -> PlatformBalance:
        """Return the cash that the platform shows."""
        self._server.reached()
        wallet = self._exchange.wallet
        return PlatformBalance(type(wallet.cash)(wallet.cash - wallet.held), wallet.held)

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the contracts that the platform shows, by contract and outcome."""
        self._server.reached()
        held: dict[str, dict[Outcome, Quantity]] = {}
        for (contract_id, outcome), size in sorted(self._exchange.wallet.contracts.items()):
            if size:
                held.setdefault(contract_id, {})[outcome] = size
        return held

    async def orders(self) -> Sequence[ListedOrder]:
        """Return the resting orders; see `PlatformGateway`."""
        self._asked += 1
        await self._server.travel(f"orders.{self._asked}")
        return [_listed(self.platform, order, at) for order, at in self._exchange.resting()]

    async def movements(self) -> Sequence[NamedCash]:
        """Return no movements: on paper only trades move cash."""
        self._asked += 1
        await self._server.travel(f"movements.{self._asked}")
        return ()

    def restore(self, known: Iterable[tuple[Order, Iterable[FillReport]]]) -> None:
        """Load orders of an earlier run; their provisional fills can still fail."""
        for report in self._exchange.restore(known):
            self._server.follow(report)

    async def reports(self) -> AsyncIterator[FillReport]:
        """Yield fills as their settlement becomes known."""
        while True:
            yield await self._server.reports.get()

    async def settled(self) -> None:
        """Wait until no fill is provisional and every report was consumed."""
        await self._server.settled()

    async def books(self, contract_ids: Sequence[str]) -> Sequence[BookReport]:
        """Return books as the platform shows them: without what we took."""
        self._asked += 1
        await self._server.travel(f"books.{self._asked}")
        offered = self._exchange.liquidity
        return [
            BookReport(each, offered[each].available(BID), offered[each].available(ASK))
            for each in contract_ids
        ]

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return the final results among these contracts; see `PlatformGateway`."""
        self._asked += 1
        await self._server.travel(f"results.{self._asked}")
        known = self._exchange.results
        return {each: known[each] for each in contract_ids if each in known}

    async def merge(self, contract_id: str, size: Quantity) -> None:
        """Merge pairs; see `PlatformGateway`."""
        await self._server.merge(contract_id, size)

    async def redeem(self, contract_id: str) -> None:
        """Collect a payout; see `PlatformGateway`."""
        await self._server.redeem(contract_id)

    async def ping(self) -> None:
        """Make a round trip; see `PlatformGateway`."""
        self._asked += 1
        await self._server.travel(f"ping.{self._asked}")

    @property
    def silent(self) -> bool:
        """Whether this platform's stream is silent now."""
        return self._server.silent


def _listed(platform: Platform, order: Order, report: OrderReport) -> ListedOrder:
    filled = sum((fill.size for fill in report.fills), start=NOTHING)
    return ListedOrder(
        platform=platform,
        platform_order_id=report.platform_order_id,
        client_order_id=order.client_order_id,
        contract_id=order.contract_id,
        outcome=order.outcome,
        side=order.side,
        size=order.size,
        filled=Quantity(filled),
        working=report.working,
        ours_by_pattern=True,
    )
