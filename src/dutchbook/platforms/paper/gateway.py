"""`PlatformGateway` for a paper platform: the engine's side of the connection.

It reads statuses and bodies like those of the real platform, through that platform's table, and
turns them into reports or into one of three errors.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Contract, Outcome, Platform
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import NOTHING, Money, Quantity
from dutchbook.errors import MalformedMessage, OutcomeUnknown, PlatformRejected
from dutchbook.platforms.capability import CAPABILITIES
from dutchbook.platforms.order_answers import (
    NO_MATCH,
    Answer,
    Family,
    Placed,
    Sent,
    classify,
    combined,
)
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.platforms.paper.wire import DECODERS
from dutchbook.platforms.polymarket.order_encoder import encode_request
from dutchbook.ports.account import ListedOrder, Listing, NamedCash, PlatformBalance
from dutchbook.ports.market_data import BookReport
from dutchbook.ports.orders import Delayed, FillReport, OrderReport, TradeUpdate
from dutchbook.ports.settlement import RequestState
from dutchbook.ports.time import Clock


class PaperGateway:
    """`PlatformGateway` over a `PaperExchange`."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, faults: FaultPlan
    ) -> None:
        self.platform: Platform = exchange.platform
        self._exchange = exchange
        self._decoder = DECODERS[exchange.platform]
        self._capability = CAPABILITIES[exchange.platform]
        self._server = PaperServer(exchange, clock, lag, faults)
        self._asked = 0

    @property
    def hits(self) -> Counter[Fault]:
        """How often each fault has changed an answer that the engine received."""
        return self._server.hits

    def prepare(self, order: Order) -> Order:
        """Give an order its id, where its platform knows ids before it is sent."""
        if not self._capability.knows_ids:
            return order
        name = self._exchange.order_id(order.client_order_id)
        salt = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")
        signed = encode_request(order, salt)
        return replace(order, platform_order_id=name, signed=signed)

    async def submit(self, order: Approved[Order]) -> OrderReport | Delayed:
        """Send an order; see `PlatformGateway`."""
        sent = self._sent(order.subject)
        answer = await self._server.create(sent.order)
        try:
            return self._taken(sent, answer)
        except MalformedMessage as error:
            raise OutcomeUnknown(self.platform, error.reason) from error

    def _taken(self, sent: Sent, answer: Answer) -> OrderReport | Delayed:
        """Decode the answer to an order."""
        verdict = classify(self._decoder.TABLE, answer)
        known = sent.order.platform_order_id
        if verdict.reason == NO_MATCH and sent.immediate and known is not None:
            # Kalshi reports this as an order that ended unfilled; both platforms return that.
            return OrderReport(known, (), NOTHING, whole=True)
        verdict.insist(self.platform)
        placed = self._decoder.decode_placed(answer.body, sent)
        if verdict.family is Family.DELAYED:
            contract = self._exchange.contracts[sent.order.contract_id]
            return Delayed(placed.platform_order_id, contract.taker_delay)
        if sent.immediate and placed.working:
            raise OutcomeUnknown(self.platform, "still_working")
        return OrderReport(placed.platform_order_id, (), placed.working, stated=placed.stated)

    async def find_order(self, order: Order) -> OrderReport | None:
        """Query an order; None proves nothing."""
        sent = self._sent(order)
        try:
            placed = self._decoder.decode_order(await self._server.order(order), sent)
            return self._with_fills(sent, placed) if placed else self._by_trades(sent)
        except MalformedMessage as error:
            raise OutcomeUnknown(self.platform, error.reason) from error

    def _by_trades(self, sent: Sent) -> OrderReport | None:
        """Look among our trades for an order that the platform does not show.

        Polymarket may stop showing orders that are done; its trades name the order, whose id is
        known before it is sent (docs.polymarket.com, GET /data/trades, 2026-09). Kalshi keeps
        orders for two weeks, and its trades do not contain our ids.

        Raises:
            OutcomeUnknown: The order has traded and may still work, or more pages follow.
        """
        name = sent.order.platform_order_id
        if not self._capability.knows_ids or name is None:
            return None
        placed = Placed(name, NOTHING)
        fills = self._decoder.decode_fills(self._server.fills(sent.order), sent, placed)
        if not fills.complete:
            raise OutcomeUnknown(self.platform, "trades_not_all_read")
        if fills.items and not sent.immediate:
            raise OutcomeUnknown(self.platform, "it has traded, and is not shown")
        return OrderReport(name, fills.items, NOTHING, whole=True) if fills.items else None

    def _with_fills(self, sent: Sent, placed: Placed) -> OrderReport:
        fills: Listing[FillReport] = Listing()
        if placed.least or placed.trades:
            fills = self._decoder.decode_fills(self._server.fills(sent.order), sent, placed)
        return combined(sent, placed, fills)

    def _sent(self, order: Order) -> Sent:
        """Return what is needed to decode answers about an order."""
        contract = self._exchange.contracts.get(order.contract_id)
        return Sent(order, contract.fees if contract else None)

    def arrives_until(self, order: Order) -> datetime | None:
        """Return when an order can no longer be accepted; see `PlatformGateway`."""
        ends = self._capability.accepts_for
        return None if ends is None else order.created_at + ends

    async def reads_as_of(self) -> datetime | None:
        """Return how recent the platform's reads are; see `PlatformGateway`."""
        await self._server.travel("as_of")
        return self._server.as_of()

    async def cancel(self, order: Order) -> OrderReport:
        """Cancel what still works of an order that the platform has given an id."""
        assert order.platform_order_id is not None, "without an id, an order is queried first"
        await self._server.travel(f"cancel.{order.platform_order_id}")
        if self._server.delayed(order.platform_order_id):
            raise PlatformRejected(self.platform, "delayed")
        return self._exchange.cancel(order.platform_order_id)

    async def balances(self) -> Mapping[AccountKey, PlatformBalance]:
        """Return the cash that the platform shows, of its one account."""
        self._server.reached()
        wallet = self._exchange.wallet
        shown = PlatformBalance(Money(wallet.cash - wallet.held), wallet.held)
        return {ACCOUNTS[self.platform]: shown}

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return the contracts that the platform shows, by contract and outcome."""
        self._server.reached()
        held: dict[str, dict[Outcome, Quantity]] = {}
        for (contract_id, outcome), size in sorted(self._exchange.wallet.contracts.items()):
            if size:
                held.setdefault(contract_id, {})[outcome] = size
        return held

    async def orders(self) -> Listing[ListedOrder]:
        """Return the resting orders; see `AccountGateway`."""
        self._asked += 1
        await self._server.travel(f"orders.{self._asked}")
        resting = self._exchange.resting()
        return self._server.listed(
            [_listed(self.platform, order, report) for order, report in resting]
        )

    async def trades(self, since: datetime) -> Listing[FillReport]:
        """Return our trades since an instant, as far as reads show them by now."""
        self._asked += 1
        await self._server.travel(f"trades.{self._asked}")
        return self._server.listed(self._server.trades(since))

    async def movements(self, since: datetime | None) -> Listing[NamedCash]:
        """Return no movements, whatever `since`: on paper only trades move cash."""
        self._asked += 1
        await self._server.travel(f"movements.{since}.{self._asked}")
        return self._server.listed([])

    def restore(self, known: Iterable[tuple[Order, Iterable[FillReport]]]) -> None:
        """Load orders of an earlier run; the stream reports their fills again."""
        for report in self._exchange.restore(known):
            self._server.follow(report)

    async def trade_updates(self) -> AsyncIterator[TradeUpdate]:
        """Yield trades as they are reported; see `OrderGateway`."""
        while True:
            yield await self._server.updates.get()

    async def run(self) -> None:
        """Break the stream off where the platform does, until cancelled."""
        await self._server.run()

    async def close(self) -> None:
        """Close nothing: a paper platform is in this process."""

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

    async def contracts(self, contract_ids: Sequence[str]) -> Sequence[Contract]:
        """Return contracts with the grids that they have now."""
        self._asked += 1
        await self._server.travel(f"contracts.{self._asked}")
        known = self._exchange.contracts
        return [known[each] for each in contract_ids if each in known]

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return the final results among these contracts; see `PlatformGateway`."""
        self._asked += 1
        await self._server.travel(f"results.{self._asked}")
        known = self._exchange.results
        return {each: known[each] for each in contract_ids if each in known}

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        """Merge pairs; see `PlatformGateway`."""
        await self._server.merge(contract_id, size, request_id)

    async def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        """Return what became of a merge; see `PlatformGateway`."""
        self._asked += 1
        await self._server.travel(f"merged.{self._asked}")
        return self._server.merged(request_id, requested_at)

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
