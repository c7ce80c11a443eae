"""The platform state of a reconciliation: queries with a timeout for each and for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from dutchbook.application.recovery.reported_fills import ReportedFills, booked, orders_of
from dutchbook.domain.capital.ledger import AccountKey, EntryKind
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    ListedCash,
    ListedContracts,
    ListedOrder,
    NamedCash,
    NotFound,
    OrderReport,
    PlatformState,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import Money
from dutchbook.errors import NotSent, OutcomeUnknown
from dutchbook.ports.crash_points import AFTER, BEFORE, QUESTION, crashpoint
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Journal
from dutchbook.ports.orders import FillReport
from dutchbook.ports.time import Clock

T = TypeVar("T")
AT_ONCE = 32
LISTED_LATE = timedelta(days=7)
"""How long after its time a movement of cash may be listed for the first time."""
EARLIER = timedelta(days=1)
"""How far back the first list of trades reaches, or one that must hold those of old orders."""
TRADED_LATE = timedelta(minutes=10)
"""How long after its match a trade may be listed for the first time."""
IN_PART = "not every page was read"
LATE = "not reached within the time that a reconciliation may take"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeout of one query, and of all of them together, in seconds."""

    call: int = 10
    whole: int = 60


@dataclass(slots=True)
class _Query:
    """The queries to one platform in one pass.

    `every` asks for all trades since `oldest`; otherwise they continue the last list.
    """

    gateway: PlatformGateway
    account: AccountKey
    until: float
    oldest: datetime
    every: bool
    known: frozenset[str] = frozenset()
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class PlatformStateReader:
    """Queries the platforms: health first, then unanswered orders, other orders, and totals."""

    def __init__(
        self,
        gateways: Mapping[Platform, PlatformGateway],
        accounts: Mapping[Platform, AccountKey],
        journal: Journal,
        reported: ReportedFills,
        clock: Clock,
        timeouts: Timeouts,
    ) -> None:
        self._gateways = gateways
        self._accounts = accounts
        self._journal = journal
        self._reported = reported
        self._clock = clock
        self._timeouts = timeouts
        self._listed: dict[Platform, datetime] = {}
        self._traded: dict[Platform, datetime] = {}

    async def ask(self, orders: Iterable[OurOrder], *, every: bool = False) -> PlatformState:
        """Query both platforms at the same time.

        Filled and final orders are left out, unless `every` is set: then all trades since the
        oldest order are read too. An order that ended short of what it could fill is included,
        since a fill may come to light after its end.
        """
        at, until = self._clock.now(), self._clock.monotonic() + self._timeouts.whole
        ours = tuple(orders)
        known = frozenset(
            name
            for each in ours
            for name in (each.order.client_order_id, each.order.platform_order_id)
            if name is not None
        )
        oldest = min((each.order.created_at for each in ours if every), default=at) - EARLIER
        wanted = sorted(
            (each for each in ours if every or each.unresolved or each.order.short),
            key=lambda each: (not each.awaiting, each.order.created_at, each.order.order_id),
        )
        queries = [
            _Query(gateway, self._accounts[platform], until, oldest, every, known)
            for platform, gateway in self._gateways.items()
        ]
        replies = await asyncio.gather(*(self._statement(query, wanted) for query in queries))
        statements = dict(zip(self._gateways, replies, strict=True))
        return PlatformState(at, statements)

    def may_arrive(self, order: Order) -> bool:
        """Return whether an order that its platform does not show may still arrive there.

        Where nothing ends that time, a person must decide.
        """
        until = self._gateways[order.platform].arrives_until(order)
        return until is not None and self._clock.now() <= until

    async def _statement(self, query: _Query, wanted: Sequence[OurOrder]) -> Statement:
        mine = [each for each in wanted if each.order.platform is query.gateway.platform]
        health = await self._with_timeout(query, query.gateway.ping)
        if isinstance(health, Unavailable):
            answers: dict[str, Answer] = {each.order.order_id: health for each in mine}
            return Statement(answers, health, health, health, {query.account: health})
        trades, strange = await self._trades(query)
        as_of = await self._as_of(query)
        replies = await asyncio.gather(*(self._answer(query, each, as_of) for each in mine))
        answers = {each.order.order_id: one for each, one in zip(mine, replies, strict=True)}
        listed = await self._unknown_orders(query)
        named_cash, unread = await self._movements(query)
        as_of = await self._as_of(query)
        positions = await self._contracts(query, as_of)
        cash = unread or await self._cash(query, as_of)
        balances = {query.account: cash}
        return Statement(answers, trades, listed, positions, balances, named_cash, strange)

    async def _trades(
        self, query: _Query
    ) -> tuple[tuple[FillReport, ...] | Unavailable, tuple[FillReport, ...]]:
        """Query the account's trades, from a while before the newest one of the last list on.

        They are read before the answers, which then show no less. All times are the platform's,
        since our clock may be set.

        Returns:
            Those of the orders that are asked about, and those that no order of ours explains.
        """
        platform = query.gateway.platform
        since = self._traded.get(platform, query.oldest)
        since = min(since, query.oldest) if query.every else since
        reply = await self._with_timeout(query, lambda: query.gateway.trades(since))
        if isinstance(reply, Unavailable):
            return reply, ()
        ours: list[FillReport] = []
        others: list[FillReport] = []
        for each in reply.items:
            names = {each.client_order_id, each.platform_order_id}
            (ours if names & query.known else others).append(each)
        strange = tuple([each for each in others if await self._is_strange(each)])
        if not reply.complete:
            return Unavailable(IN_PART), strange
        newest = max((each.matched_at for each in reply.items), default=None)
        self._traded[platform] = newest - TRADED_LATE if newest else since
        return tuple(ours), strange

    async def _is_strange(self, trade: FillReport) -> bool:
        """Return whether no order of ours explains a trade.

        Orders that are not asked about are being executed, or ended long ago. A trade of those
        that is not booked is noted, as if the stream had reported it.
        """
        if await booked(self._journal, trade):
            return False
        rows = await orders_of(self._journal, trade)
        if rows:
            self._reported.note(trade)
        return not rows

    async def _movements(
        self, query: _Query
    ) -> tuple[tuple[NamedCash, ...], Unavailable | None]:
        """Query the cash movements; return those that were read, and why not all were.

        Those before the last complete list were booked after it; some are listed late.
        """
        platform, at = query.gateway.platform, self._clock.now()
        since = self._listed.get(platform)
        reply = await self._with_timeout(
            query, lambda: query.gateway.movements(since and since - LISTED_LATE)
        )
        if isinstance(reply, Unavailable):
            return (), reply
        if not reply.complete:
            return _without_redemptions(reply.items), Unavailable(IN_PART)
        self._listed[platform] = at
        return _without_redemptions(reply.items), None

    async def _contracts(
        self, query: _Query, as_of: datetime | None
    ) -> ListedContracts | Unavailable:
        reply = await self._with_timeout(query, query.gateway.positions)
        if isinstance(reply, Unavailable):
            return reply
        sizes = {(c, o): size for c, held in reply.items() for o, size in held.items()}
        return ListedContracts(as_of, sizes)

    async def _cash(self, query: _Query, as_of: datetime | None) -> ListedCash | Unavailable:
        """Query the cash; without the listed movements, it would prove nothing."""
        replies = await self._with_timeout(query, query.gateway.balances)
        if isinstance(replies, Unavailable):
            return replies
        reply = replies.get(query.account)
        if reply is None:
            return Unavailable(f"{query.account} is not among its accounts")
        return ListedCash(as_of, Money(reply.available + reply.held))

    async def _as_of(self, query: _Query) -> datetime | None:
        """Query how recent the reads are, before the reads, so that they are no older."""
        reply = await self._with_timeout(query, query.gateway.reads_as_of)
        return None if isinstance(reply, Unavailable) else reply

    async def _answer(self, query: _Query, ours: OurOrder, as_of: datetime | None) -> Answer:
        async with query.slots:
            crashpoint(BEFORE, QUESTION)
            reply = await self._with_timeout(
                query, lambda: query.gateway.find_order(ours.order)
            )
            crashpoint(AFTER, QUESTION)
        match reply:
            case Unavailable():
                return reply
            case None:
                return NotFound(as_of, query.gateway.arrives_until(ours.order))
            case OrderReport():
                return reply

    async def _unknown_orders(self, query: _Query) -> tuple[ListedOrder, ...] | Unavailable:
        """Return orders that work in the account and not in our record.

        Every order that we send is recorded first. An incomplete list has some of them.
        """
        listed = await self._with_timeout(query, query.gateway.orders)
        if isinstance(listed, Unavailable):
            return listed
        unknown = []
        for each in listed.items:
            if each.client_order_id in query.known:
                continue
            rows = await self._journal.rows("orders", {"client_order_id": each.client_order_id})
            if not any(row["working_size"] for row in rows):
                unknown.append(each)
        return tuple(unknown)

    async def _with_timeout(
        self, query: _Query, question: Callable[[], Awaitable[T]]
    ) -> T | Unavailable:
        """Send one query, within its own timeout and that of the whole pass."""
        left = query.until - self._clock.monotonic()
        if left <= 0:
            return Unavailable(LATE)
        try:
            async with asyncio.timeout(min(left, self._timeouts.call)):
                return await question()
        except (OutcomeUnknown, NotSent) as error:
            return Unavailable(error.reason)
        except TimeoutError:
            return Unavailable(f"no answer within {self._timeouts.call} s")


def _without_redemptions(movements: Iterable[NamedCash]) -> tuple[NamedCash, ...]:
    """Leave out redemptions, which the service that follows settlements books."""
    return tuple(each for each in movements if each.kind is not EntryKind.REDEMPTION)


def judgeable(ours: OurState, theirs: PlatformState) -> tuple[Platform, ...]:
    """Return the platforms whose contracts and cash can be compared.

    Those are the platforms that answered for every order that may still fill: a fill that was
    not reported to us would look like an unexplained difference.
    """
    open_ended = {
        each.order.platform
        for each in ours.orders
        if (each.awaiting or each.order.working_size > 0)
        and not isinstance(
            theirs.of(each.order.platform).answers.get(each.order.order_id),
            OrderReport | NotFound,
        )
    }
    return tuple(platform for platform in theirs.statements if platform not in open_ended)


def without_totals(theirs: PlatformState, but: Collection[Platform] = ()) -> PlatformState:
    """Return the platform state without contracts and cash, so that these are not compared.

    Platforms in `but` keep theirs.
    """
    return replace(
        theirs,
        statements={
            platform: each if platform in but else replace(each, positions=None, balances={})
            for platform, each in theirs.statements.items()
        },
    )
