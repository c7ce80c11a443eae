"""The gate: the final check of an order, and the only place that approves one for sending.

It is called immediately before each send, in the same step of the loop: nothing is awaited
between its answer and the gateway. It keeps its own counts of each execution.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from dutchbook.application.records.lease import Fence
from dutchbook.domain.capital.limits import Approved, Grade, RiskLimits, RiskState
from dutchbook.domain.events import Event, OrderFilled
from dutchbook.domain.execution import pre_trade_checks as checks
from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.execution.pre_trade_checks import Controls, Refused
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, Outcome, Platform, Side
from dutchbook.domain.values.units import NOTHING, Price, Quantity
from dutchbook.errors import Halted
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock


class RiskView(Protocol):
    """The part of capital that the gate reads."""

    @property
    def state(self) -> RiskState:
        """The risk state as it is now."""
        ...

    @property
    def limits(self) -> RiskLimits:
        """The limits as they are now."""
        ...


class Holdings(Protocol):
    """The part of the pair trades that the gate reads."""

    def held(self, platform: Platform, contract_id: str, outcome: Outcome) -> Quantity:
        """Return what all positions hold of an outcome."""
        ...

    def selling(self, order: Order) -> Quantity:
        """Return what other orders are selling of what this one sells."""
        ...


class Markets(Protocol):
    """The part of the watchlist that the gate reads: books and contracts as they are now."""

    @property
    def books(self) -> Mapping[tuple[Platform, str], OrderBook]:
        """Every book that is followed."""
        ...

    @property
    def contracts(self) -> Mapping[tuple[Platform, str], Contract]:
        """Every contract that is followed."""
        ...

    @property
    def resolved(self) -> AbstractSet[tuple[Platform, str]]:
        """The contracts that have a final result."""
        ...


@dataclass(slots=True)
class _Parent:
    """One execution as the gate counts it: quantities planned, sent and filled."""

    planned: Quantity
    allowance: Quantity
    sent: dict[Platform, Quantity] = field(default_factory=dict)
    filled: dict[Platform, Quantity] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def most(self, platform: Platform) -> Quantity:
        """Return what may be sent on a platform: the plan, or the other's fills if more.

        A platform may fill more than was ordered, and the excess must be hedged too.
        """
        other = self.filled.get(platform.other, NOTHING)
        return Quantity(max(self.planned, other) + self.allowance)


class Gate:
    """Approves an order for one send, or returns why it is rejected."""

    def __init__(
        self,
        capital: RiskView,
        markets: Markets,
        limits: Controls,
        book_age: timedelta,
        holdings: Holdings,
        clock: Clock,
        *,
        journal: Journal | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._capital = capital
        self._books = markets.books
        self._contracts = markets.contracts
        self._resolved = markets.resolved
        self._limits = limits
        self._book_age = book_age
        self._holdings = holdings
        self._clock = clock
        self._journal = journal
        self._fence = fence
        self._parents: dict[str, _Parent] = {}
        self._unanswered: dict[str, tuple[Order, float]] = {}
        self._sent: deque[float] = deque()
        self._execution_of: dict[str, str] = {}

    # Notifications -------------------------------------------------------------------------

    def plan(self, execution_id: str, planned: Quantity, allowance: Quantity) -> None:
        """Register an execution whose orders may add up to `planned` on each platform.

        `allowance` is what rebalancing may add to that. Without a plan nothing is bought.
        """
        assert planned >= 0, "a plan is a quantity"
        self._parents[execution_id] = _Parent(planned, allowance)

    def ended(self, execution_id: str) -> None:
        """Forget an execution that sends no more orders."""
        self._parents.pop(execution_id, None)
        for order_id in [o for o, e in self._execution_of.items() if e == execution_id]:
            del self._execution_of[order_id]

    def answered(self, order_id: str) -> None:
        """Record that the platform has answered for an order."""
        self._unanswered.pop(order_id, None)

    def on_event(self, event: Event, sequence: int) -> None:
        """Count the fills of a committed event."""
        if not isinstance(event, OrderFilled) or not sequence:
            return
        execution_id = self._execution_of.get(event.order_id)
        if execution_id is not None:
            parent = self._parents[execution_id]
            before = parent.filled.get(event.platform, NOTHING)
            parent.filled[event.platform] = Quantity(before + event.filled_size)

    # Checks --------------------------------------------------------------------------------

    async def refresh_lease(self) -> None:
        """Read the current lease, so that a halt from another process is seen before the send.

        Raises:
            LeaseLost: Another engine has the lease; this one must end.
        """
        if self._fence is not None and self._journal is not None:
            await self._fence.look(self._journal)

    def approve(self, order: Order, epoch: int) -> Approved[Order] | Refused:
        """Approve an order for one send now, and count it as sent.

        Args:
            order: Durable, and never sent before.
            epoch: The risk epoch in which it was approved.
        """
        now = self._clock.monotonic()
        refused = next(self._refusals(order, epoch, now), None)
        if refused is not None:
            return refused
        parent = self._parents.get(order.execution_id)
        if parent is not None:
            before = parent.sent.get(order.platform, NOTHING)
            parent.sent[order.platform] = Quantity(before + order.size)
            parent.keys.add(order.client_order_id)
            self._execution_of[order.order_id] = order.execution_id
        self._sent.append(now)
        self._unanswered[order.order_id] = (order, now)
        return Approved(order, self._capital.state.epoch)

    def rejection(self, purpose: Purpose) -> Refused | None:
        """Return the halt that forbids orders of a purpose now, if any."""
        return checks.halted(purpose, self._capital.state, self._grade())

    def halted_by(self, halted: Halted) -> Refused:
        """Return the gate's refusal for a commit that a halt rejected."""
        return Refused("trading_halted", str(halted), checks.HALTED)

    def worst_price(self, contract: Contract, outcome: Outcome) -> Price | None:
        """Return the highest limit of a purchase that the price collar allows, if any."""
        book = self._books[contract.platform, contract.contract_id]
        best = book.best(outcome, Side.BUY)
        if best is None:
            return None
        return contract.floor_price(best + self._limits.price_collar, outcome)

    def _refusals(self, order: Order, epoch: int, now: float) -> Iterator[Refused]:
        found = (
            self.rejection(order.purpose),
            self._leased(order.purpose),
            checks.outdated(order.purpose, epoch, self._capital.state.epoch),
            *self._contract(order),
            *self._priced(order),
            checks.too_dear(order, self._capital.limits.order),
            self._paced(order, now),
            self._again(order, now),
            self._planned(order),
            self._covered(order),
        )
        return (each for each in found if each is not None)

    def _grade(self) -> Grade:
        return self._fence.grade if self._fence is not None else Grade.TRADING

    def _leased(self, purpose: Purpose) -> Refused | None:
        fence = self._fence
        if fence is None:
            return None
        if not fence.held:
            return Refused("lease_expired", "it was not renewed in time", checks.LEASE)
        if fence.blind and purpose is Purpose.ENTRY:
            return Refused("lease_unreadable", "whether to halt is not known", checks.LEASE)
        return None

    def _contract(self, order: Order) -> Iterator[Refused | None]:
        key = (order.platform, order.contract_id)
        if order.side is Side.BUY and key in self._resolved:
            yield Refused("resolved", "the contract has a result", checks.TERMS)
        yield checks.not_orderable(order, self._contracts[key])

    def _priced(self, order: Order) -> Iterator[Refused | None]:
        book = self._books[order.platform, order.contract_id]
        if order.purpose is Purpose.ENTRY:
            reason = book.untrusted_because(self._clock.now(), self._book_age)
            yield (Refused(reason, "no entry on such a book", checks.DEPTH) if reason else None)
        best = book.best(order.outcome, order.side)
        yield checks.beyond_collar(order, best, self._limits.price_collar)

    def _paced(self, order: Order, now: float) -> Refused | None:
        while self._sent and now - self._sent[0] >= checks.MINUTE:
            self._sent.popleft()
        return checks.too_many(order.purpose, len(self._sent), self._limits.orders_per_minute)

    def _again(self, order: Order, now: float) -> Refused | None:
        parent = self._parents.get(order.execution_id)
        if order.order_id in self._unanswered or (
            parent is not None and order.client_order_id in parent.keys
        ):
            return Refused("sent_before", order.order_id, checks.DUPLICATE, broken=True)
        for other, at in self._unanswered.values():
            recent = now - at < self._limits.likeness_seconds
            if recent and checks.alike(order, other):
                detail = f"like {other.order_id}, which is unanswered"
                return Refused("duplicate", detail, checks.DUPLICATE)
        return None

    def _planned(self, order: Order) -> Refused | None:
        if order.side is Side.SELL:
            return None
        parent = self._parents.get(order.execution_id) or _Parent(NOTHING, NOTHING)
        sent = parent.sent.get(order.platform, NOTHING)
        return checks.beyond_plan(order, sent, parent.most(order.platform))

    def _covered(self, order: Order) -> Refused | None:
        if order.side is Side.BUY:
            return None
        held = self._holdings.held(order.platform, order.contract_id, order.outcome)
        return checks.beyond_held(order, self._holdings.selling(order), held)
