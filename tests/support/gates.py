"""A gate in front of two books, and orders that it is asked about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.application.orders.gate import Gate
from dutchbook.domain.capital.limits import Approved, Grade, RiskLimits, RiskState
from dutchbook.domain.events import OrderFilled, Stamp
from dutchbook.domain.execution.order import Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Controls
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.ports.journal import Journal
from support.pairs import NOW, book, pair

CONTROLS = Controls(orders_per_minute=3)
LIMITS = RiskLimits(bankroll=Money(Decimal(800)))
"""Of which an order may be worth a twentieth: 40 dollars."""
PLANNED, SPARE = Quantity(Decimal(100)), Quantity(Decimal(10))


@dataclass
class At:
    """A clock that the test sets."""

    instant: datetime = NOW
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.elapsed


@dataclass
class Lease:
    """The part of a lease that the gate reads."""

    grade: Grade = Grade.TRADING
    blind: bool = False
    held: bool = True
    looked: list[Any] = field(default_factory=list)

    async def look(self, journal: Journal) -> None:
        self.looked.append(journal)


@dataclass
class Scene:
    """A gate with a book of 38 to 40 cents on Kalshi, and orders to check."""

    state: RiskState = field(default_factory=RiskState)
    limits: RiskLimits = LIMITS
    size: Quantity = field(default=Quantity(Decimal(50)))
    sold: Quantity = field(default=Quantity(Decimal(0)))
    clock: Any = field(default_factory=At)
    lease: Any = field(default_factory=Lease)
    journal: Any = None
    made: int = 0

    def __post_init__(self) -> None:
        shown = book(Platform.KALSHI, {38: 500}, {40: 200})
        self.books = {(Platform.KALSHI, shown.contract_id): shown}
        other = book(Platform.POLYMARKET, {47: 400}, {49: 500})
        self.books[Platform.POLYMARKET, other.contract_id] = other
        whole = pair()
        self.resolved: set[tuple[Platform, str]] = set()
        self.contracts = {
            (p, whole.contract(p).contract_id): whole.contract(p) for p in Platform
        }
        self.gate = Gate(
            self,
            self,
            CONTROLS,
            timedelta(seconds=5),
            self,
            self.clock,
            journal=self.journal,
            fence=self.lease,
        )
        self.gate.plan("e", PLANNED, SPARE)

    def held(self, platform: Platform, contract_id: str, outcome: Outcome) -> Quantity:
        assert (platform, contract_id) in self.books, outcome
        return self.size

    def selling(self, order: Order) -> Quantity:
        assert order.side is Side.SELL
        return self.sold

    def order(self, **facts: Any) -> Order:
        self.made += 1
        made = Order(
            order_id=f"o{self.made}",
            client_order_id=f"c{self.made}",
            platform=Platform.KALSHI,
            contract_id="kalshi-cup",
            pair_id="cup",
            execution_id="e",
            leg=Leg.PRIMARY,
            purpose=Purpose.ENTRY,
            outcome=Outcome.YES,
            side=Side.BUY,
            price=Price(Decimal("0.40")),
            size=Quantity(Decimal(self.made)),
            time_in_force=TimeInForce.IOC,
            created_at=NOW,
            working_size=Quantity(Decimal(1)),
        )
        return replace(made, **facts)

    def ask(self, epoch: int | None = None, **facts: Any) -> str | None:
        """Return the reason for which the gate rejects an order, None if it approves."""
        verdict = self.gate.approve(
            self.order(**facts), self.state.epoch if epoch is None else epoch
        )
        if isinstance(verdict, Approved):
            return None
        return verdict.reason


def cents(number: int) -> Price:
    return Price(Decimal(number).scaleb(-2))


def of(number: object) -> Quantity:
    return Quantity(Decimal(str(number)))


def filled(order: Order) -> OrderFilled:
    return OrderFilled(
        Stamp("e", NOW, "x"),
        order_id=order.order_id,
        pair_id=order.pair_id,
        platform=order.platform,
        side=order.side,
        outcome=order.outcome,
        requested_price=order.price,
        requested_size=order.size,
        filled_price=order.price,
        filled_size=order.filled,
        fee=Money(Decimal(0)),
        position_id="p",
    )
