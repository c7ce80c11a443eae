"""The paper platform's side of the connection: acts on requests, answers in the real format.

Answers are what a real platform sends: a status and a body. Faults act on that pair, on the
request before it, or on the fills after it; `hits` counts how often each has changed an answer
that the engine received.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dutchbook.domain.execution.order import Finality, Order, TimeInForce
from dutchbook.domain.market import survival
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import NOTHING, Quantity, floor_to
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.platforms.capability import CAPABILITIES
from dutchbook.platforms.kalshi.order_encoder import encode_orders
from dutchbook.platforms.order_answers import NEVER_LEFT, SILENCE, Answer
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import PARTS, Fault, FaultPlan
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.platforms.paper.wire import DECODERS, ENCODERS
from dutchbook.platforms.polymarket.order_encoder import encode_delayed, encode_order
from dutchbook.ports.account import Listing
from dutchbook.ports.crash_points import AFTER, BEFORE, REQUEST, crashpoint
from dutchbook.ports.orders import Connected, FillReport, Gap, OrderReport, TradeUpdate
from dutchbook.ports.settlement import RequestState
from dutchbook.ports.time import Clock

REFUSED = "the connection was refused"
SKEWED = {Platform.KALSHI: "signature_expired", Platform.POLYMARKET: "unauthorized"}
"""Each platform's answer to an expired signature (Polymarket has none of its own)."""
MERGE_DEADLINE = timedelta(seconds=600)
"""How long a merge can be carried out after its request (deposit wallets)."""


NOT_SHOWN = OrderReport("", (), NOTHING)
T = TypeVar("T")


class PaperServer:
    """The answering side of a paper platform: the exchange, its latency and its faults."""

    def __init__(
        self, exchange: PaperExchange, clock: Clock, lag: StepLag, faults: FaultPlan
    ) -> None:
        self.exchange = exchange
        self.hits: Counter[Fault] = Counter()
        self.updates: asyncio.Queue[TradeUpdate] = asyncio.Queue(maxsize=10_000)
        self._encoder = ENCODERS[exchange.platform]
        self._relied_on = DECODERS[exchange.platform].RELIED_ON
        self._capability = CAPABILITIES[exchange.platform]
        self._held: set[str] = set()
        self._accepted: dict[str, datetime] = {}
        self._merged: set[str] = set()
        self._clock = clock
        self._lag = lag
        self._faults = faults
        self._asked: Counter[str] = Counter()
        self._again: Answer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # Queries and answers
    # ----------------------------------------------------------------------------------

    async def create(self, order: Order) -> Answer:
        """Answer the submission of an order."""
        key = order.client_order_id
        if self._strikes(Fault.NOT_SENT, key):
            return NEVER_LEFT
        crashpoint(BEFORE, REQUEST)
        await self.travel(key)
        crashpoint(AFTER, REQUEST)
        await self._reach_the_book(order)
        hold, shortest = self._hold(order), self._capability.holds_back_from
        delayed = shortest is not None and hold >= shortest
        if hold and not delayed:
            await self._clock.sleep(hold.total_seconds())
        rejection = self._rejected_early(order)
        if rejection is not None:
            return self._arriving(rejection)
        taken = self._held_back(order, hold) if delayed else self._matched(order)
        answer = self._spoiled(self._duplicated(order, taken), key)
        if self._strikes(Fault.LATE_ANSWER, key):
            await self._clock.sleep(self._faults.late_ms / 1000)
        if self._down:
            return SILENCE
        seen = self._arriving(answer)
        if seen.status in (200, 201) and self._faults.strikes(Fault.ANSWERED_TWICE, key):
            self._again = seen
        return seen

    async def _reach_the_book(self, order: Order) -> None:
        """Wait from the send to the match: for milliseconds if there are some, else for steps.

        Between two polls of a tape nobody knows what became of the quote: it is there with the
        probability that was recorded for its age, else the order meets the next poll.
        """
        plan, lag = self._faults, self._lag
        if not plan.match_ms:
            await lag.wait()
            return
        took, step, now = timedelta(milliseconds=plan.match_ms), lag.step, self._clock.now()
        age = now - self.exchange.quoted_since(order, now)
        await self._clock.sleep(took.total_seconds())
        chance = survival.gone(took, age)
        if plan.polled and lag.step == step and not plan.survives(order.order_id, chance):
            await lag.wait(1)

    async def order(self, order: Order) -> Answer:
        """Answer a query about an order: Kalshi's by contract and time, else by its id."""
        key = order.client_order_id
        await self.travel(f"find.{key}")
        self._asked[key] += 1
        answer = self._looked_up(order)
        return self._arriving(self._spoiled(answer, f"find.{self._asked[key]}.{key}"))

    def _looked_up(self, order: Order) -> Answer:
        if self._capability.knows_ids:
            known = self.exchange.known(order.client_order_id) or order
            return encode_order(known, self.shown(order.client_order_id))
        rows = self.exchange.since(order.contract_id, order.created_at)
        shown = ((each, self.shown(each.client_order_id)) for each in rows)
        return encode_orders((each, report) for each, report in shown if report)

    def fills(self, order: Order) -> Answer:
        """Answer with an order's trades, as far as reads show them by now."""
        report = self.shown(order.client_order_id) or NOT_SHOWN
        now, lag = self._clock.now(), self._faults.lag
        fills = (f for f in report.fills if now >= f.matched_at + lag(f.trade_id))
        return self._page(order, replace(report, fills=tuple(fills)))

    def _page(self, order: Order, report: OrderReport) -> Answer:
        return self._encoder.encode_fills(order, report)

    def trades(self, since: datetime) -> list[FillReport]:
        """Return all trades matched since an instant, as far as reads show them by now.

        They name the platform's order alone (Kalshi: docs.kalshi.com get-fills, 2026-10).
        """
        now, lag = self._clock.now(), self._faults.lag
        return [
            replace(fill, client_order_id=None)
            for order in self.exchange.orders
            for fill in (self.shown(order.client_order_id) or NOT_SHOWN).fills
            if since <= fill.matched_at <= now - lag(fill.trade_id)
        ]

    def listed(self, items: Sequence[T]) -> Listing[T]:
        """Return a list as the platform shows it."""
        return Listing(tuple(items))

    def shown(self, client_order_id: str) -> OrderReport | None:
        """Return the report from which queries about an order are answered."""
        at = self._accepted.get(client_order_id)
        if at is not None and self._clock.now() < at + self._faults.lag(client_order_id):
            return None
        return self.exchange.find(client_order_id)

    def delayed(self, platform_order_id: str) -> bool:
        """Return whether an order is held back; it cannot be cancelled then."""
        return platform_order_id in self._held

    @property
    def silent(self) -> bool:
        """Whether the stream is silent now."""
        windows = self._faults.windows
        return bool(windows) and self._faults.silent(self.exchange.platform, self._clock.now())

    @property
    def _down(self) -> bool:
        windows = self._faults.windows
        return bool(windows) and self._faults.unreachable(
            self.exchange.platform, self._clock.now()
        )

    def reached(self) -> None:
        """Check that the platform can be reached.

        Raises:
            NotSent: It is unreachable now.
        """
        if self._down:
            raise NotSent(self.exchange.platform, REFUSED)

    def as_of(self) -> datetime | None:
        """Return how recent its reads are, None if the platform does not say."""
        if not self._capability.dates_reads:
            return None
        return self._clock.now() - timedelta(milliseconds=self._faults.lag_ms[1])

    async def travel(self, key: str) -> None:
        """Wait for the latency of a request.

        Raises:
            NotSent: The platform is unreachable now.
        """
        self.reached()
        if delay := self._faults.delay_ms(key):
            await self._clock.sleep(delay / 1000)

    def _rejected_early(self, order: Order) -> Answer | None:
        """Return the answer to an order that does not reach the book; None if it does."""
        key, platform = order.client_order_id, self.exchange.platform
        ends = self._capability.accepts_for
        if ends is not None and self._clock.now() > order.created_at + ends:
            return self._encoder.encode_refused(SKEWED[platform], order)
        reasons = {
            Fault.REJECTED: "insufficient_balance",
            Fault.PAUSED: "trading_is_paused",
            Fault.RATE_LIMIT_429: "rate_limited",
            Fault.CLOCK_SKEW: SKEWED[platform],
        }
        for fault, reason in reasons.items():
            if self._strikes(fault, key):
                return self._encoder.encode_refused(reason, order)
        late = Fault.TIMEOUT_408
        if self._faults.coin(late, key) and self._strikes(late, key):
            return Answer(408)
        return None

    def _hold(self, order: Order) -> timedelta:
        contract = self.exchange.contracts.get(order.contract_id)
        return contract.taker_delay if contract is not None else timedelta(0)

    def _held_back(self, order: Order, hold: timedelta) -> Answer:
        """Hold an order back, and match it afterwards."""
        name = self.exchange.order_id(order.client_order_id)
        self._held.add(name)
        self._begin(self._match_later(order, hold))
        return encode_delayed(name)

    async def _match_later(self, order: Order, hold: timedelta) -> None:
        await self._clock.sleep(hold.total_seconds())
        self._held.discard(self.exchange.order_id(order.client_order_id))
        self._matched(order)
        if self.exchange.find(order.client_order_id) is None:
            self.exchange.kill(order, self._clock.now())

    def _matched(self, order: Order) -> Answer:
        cut = self._cut(order)
        try:
            report = self.exchange.submit(cut, self._clock.now())
        except (PlatformRejected, OutcomeUnknown) as refusal:
            return self._encoder.encode_refused(refusal.reason, order)
        self._accepted[order.client_order_id] = self._clock.now()
        if cut is not order and sum(fill.size for fill in report.fills) >= cut.size:
            self.hits[Fault.PARTIAL] += 1
        self.follow(report)
        return self._encoder.encode_placed(order, report)

    def _cut(self, order: Order) -> Order:
        """Reduce an order that may fill in part, if a partial-fill fault strikes it."""
        whole = order.time_in_force is TimeInForce.FOK
        if whole or not self._faults.strikes(Fault.PARTIAL, order.client_order_id):
            return order
        contract = self.exchange.contracts[order.contract_id]
        share = order.size * self._faults.share(order.client_order_id) / PARTS
        size = floor_to(share, contract.lot)
        size = min(max(size, contract.smallest(order.price)), order.size)
        return order if size == order.size else replace(order, size=Quantity(size))

    def _duplicated(self, order: Order, answer: Answer) -> Answer:
        """Replace the answer with that to a second copy, if a fault duplicated the order."""
        key = order.client_order_id
        taken = self.exchange.find(key) is not None
        if taken and self._strikes(Fault.DUPLICATE_409, key):
            return self._encoder.encode_refused("order_already_exists", order)
        return answer

    def _spoiled(self, answer: Answer, key: str) -> Answer:
        seen, fault = self._faults.spoiled(answer, key, self._relied_on)
        if fault is not None and seen != answer:
            self.hits[fault] += 1
        return seen

    def _arriving(self, answer: Answer) -> Answer:
        """Return the answer that the engine reads next: an earlier one repeated comes first."""
        stale = self._again
        if stale is None or answer.status is None:
            return answer
        self._again = None
        self.hits[Fault.ANSWERED_TWICE] += 1
        return stale

    def _strikes(self, fault: Fault, key: str) -> bool:
        """Return whether a fault strikes, and count it; it always changes the answer."""
        struck = self._faults.strikes(fault, key)
        if struck:
            self.hits[fault] += 1
        return struck

    # Merges and redemptions
    # ---------------------------------------------------------------------------------

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        """Merge pairs of both outcomes, unless the request's deadline has passed.

        Raises:
            PlatformRejected: There are fewer pairs.
            NotSent, OutcomeUnknown: A fault before or after the merge.
        """
        await self._called(
            f"merge.{contract_id}",
            lambda: self._merge(contract_id, size, request_id),
        )

    def _merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        self.exchange.wallet.merge(contract_id, size, self.exchange.platform)
        self._merged.add(request_id)

    def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        """Return what became of a merge: it fails at its deadline if it has not arrived."""
        if request_id in self._merged:
            return RequestState.DONE
        over = self._clock.now() > requested_at + MERGE_DEADLINE
        return RequestState.FAILED if over else RequestState.PENDING

    async def redeem(self, contract_id: str) -> None:
        """Pay a resolved contract.

        Raises:
            PlatformRejected: It has not resolved.
            NotSent, OutcomeUnknown: A fault before or after the payment.
        """
        await self._called(f"redeem.{contract_id}", lambda: self._redeemed(contract_id))

    def _redeemed(self, contract_id: str) -> None:
        if contract_id not in self.exchange.results:
            raise PlatformRejected(self.exchange.platform, "not_resolved")
        self.exchange.settle(contract_id)

    async def _called(self, name: str, act: Callable[[], None]) -> None:
        """Execute a call, subject to some of the faults that orders meet."""
        self._asked[name] += 1
        key = f"{name}.{self._asked[name]}"
        if self._strikes(Fault.NOT_SENT, key):
            raise NotSent(self.exchange.platform, REFUSED)
        await self.travel(key)
        act()
        if self._down or self._strikes(Fault.LOST_ANSWER, key):
            raise OutcomeUnknown(self.exchange.platform, "no answer")

    # Finality
    # ----------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until no fill is provisional and every report was consumed."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        while not self.updates.empty():
            await self._clock.sleep(0.001)

    def follow(self, report: OrderReport) -> None:
        """Report each fill on the stream, and later that it is final, or has failed."""
        for fill in report.fills:
            self._begin(self._stream(fill))

    async def _stream(self, fill: FillReport) -> None:
        await self._clock.sleep(self._faults.lag(fill.trade_id).total_seconds())
        await self._report(fill)
        if fill.finality is Finality.PROVISIONAL:
            await self._finalise(fill)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finalise(self, fill: FillReport) -> None:
        await self._clock.sleep(self._faults.settle_ms / 1000)
        failed = self._strikes(Fault.FAILED_FILL, fill.trade_id)
        after = self.exchange.finalise(fill.platform_order_id, fill.trade_id, failed=failed)
        await self._report(after)

    async def _report(self, fill: FillReport) -> None:
        """Report a fill on the stream; while it is broken, the report is lost."""
        if not self._down:
            await self.updates.put(fill)

    async def run(self) -> None:
        """Break the stream of trades off during each outage, until cancelled."""
        await self.updates.put(Connected())
        mine = (each for each in self._faults.windows if each.outage)
        for each in sorted(mine, key=lambda window: window.begins):
            if each.platform is self.exchange.platform:
                await self._clock.sleep_until(each.begins)
                await self.updates.put(Gap(self._clock.now()))
                await self._clock.sleep_until(each.ends)
                await self.updates.put(Connected())
        await asyncio.Event().wait()
