"""An execution service by itself: its platforms and all that it reports to are scripted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from dutchbook.application.execution.attempt import Timeouts
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.orders.gate import Gate
from dutchbook.application.records.changes import Gate as Guards
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.detect import detect
from dutchbook.domain.detection.quote import Hurdles, Opportunity
from dutchbook.domain.execution.decide import Execution
from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades.facts import Advanced, Begun, Ended, TradeFact, Waits
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import Conflict, Halted
from dutchbook.ports.journal import Batch
from dutchbook.ports.orders import FillReport, OrderReport
from dutchbook.runtime.virtual_time import run_virtual
from support.clocks import Hand
from support.pairs import NOW, RICH, book, pair

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
EPOCH = 3
GUARDS = Guards({"trading_halted": False})
Answer = OrderReport | Exception | Callable[[Order], OrderReport | Refused]


class NamedIds:
    """Ids that say what they are for, with a number from the second one on."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()

    def new(self, kind: str, owner: str) -> str:
        name = f"{kind} of {owner}"
        self._made[name] += 1
        made = self._made[name]
        return name if made == 1 else f"{name}, {made}"


def opportunity(primary: Platform = KALSHI, match: ContractMatch | None = None) -> Opportunity:
    """Return one for 100 pairs: YES at 40 cents on Kalshi, NO at 53 on Polymarket."""
    books = {
        KALSHI: book(KALSHI, {38: 500}, {40: 100}),
        POLYMARKET: book(POLYMARKET, {47: 100}, {49: 500}),
    }
    hurdles = Hurdles()
    made = detect(
        match or pair(),
        books,
        Outcome.YES,
        primary=primary,
        now=NOW,
        hurdles=hurdles,
        caps=RICH,
    )
    assert isinstance(made, Opportunity)
    return replace(made, opportunity_id="q")


def filled(
    order: Order, size: str, working: str = "0", *, price: str | None = None, name: str = "t"
) -> OrderReport:
    """Return a report of an order with one trade of some contracts, with a fee of a cent."""
    trade = FillReport(
        order.platform,
        "p",
        order.client_order_id,
        f"{name} of {order.platform}",
        Price(Decimal(price)) if price else order.price,
        Quantity(Decimal(size)),
        Money(Decimal("0.01")),
        Finality.SETTLED,
        NOW,
    )
    return OrderReport("p", (trade,), Quantity(Decimal(working)))


def fills(size: str, working: str = "0", **facts: str) -> Callable[[Order], OrderReport]:
    """Return an answer that fills some contracts of the order that it answers."""
    return lambda order: filled(order, size, working, **facts)


FIRST = Order(
    order_id="order of execution of q",
    client_order_id="client_order of order of execution of q",
    platform=KALSHI,
    contract_id="kalshi-cup",
    pair_id="cup",
    execution_id="execution of q",
    leg=Leg.PRIMARY,
    purpose=Purpose.ENTRY,
    outcome=Outcome.YES,
    side=Side.BUY,
    price=Price(Decimal("0.40")),
    size=Quantity(Decimal(100)),
    time_in_force=TimeInForce.FOK,
    created_at=NOW,
    working_size=Quantity(Decimal(100)),
    signed="signed for kalshi",
)
SECOND = replace(
    FIRST,
    order_id="order of execution of q, 2",
    client_order_id="client_order of order of execution of q, 2",
    platform=POLYMARKET,
    contract_id="polymarket-cup",
    leg=Leg.SECONDARY,
    purpose=Purpose.HEDGE,
    outcome=Outcome.NO,
    price=Price(Decimal("0.53")),
    time_in_force=TimeInForce.IOC,
    signed="signed for polymarket",
)

NOTHING_FILLED = OrderReport("p", (), Quantity(Decimal(0)))
HALTED = Halted("risk_states", "all", "trading is halted")


@dataclass
class Executing:
    """A service, what its platforms answer to each order, and what it has told its parts.

    Attributes:
        primary: The platform of the first leg.
        answers: To each order, in turn; a refusal is the gate's.
        found: To each question about an order, in turn.
        errors: Of each booking, in turn; None lets it pass.
        sent: Each order that reached the gate.
        booked: The facts of each commit.
        told: What other parts were told, in words.
    """

    primary: Platform = KALSHI
    match: ContractMatch = field(default_factory=pair)
    answers: list[Answer] = field(default_factory=list)
    found: list[OrderReport | Exception | None] = field(default_factory=list)
    errors: list[Conflict | None] = field(default_factory=list)
    collar: Price | None = None
    hurdles: Hurdles = field(default_factory=Hurdles)
    timeouts: Timeouts = field(default_factory=Timeouts)
    before_send: Callable[[Executing], None] = lambda _: None
    sent: list[Order] = field(default_factory=list)
    booked: list[tuple[TradeFact, ...]] = field(default_factory=list)
    beside: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opportunity = opportunity(self.primary, self.match)
        self.clock, self.ids = Hand(), NamedIds()
        self.watchlist = Watchlist([self.match])
        self.show(KALSHI, {38: 500}, {40: 100})
        self.show(POLYMARKET, {47: 100}, {49: 500})
        self.claims = SimpleNamespace(
            prepare=lambda trade: self.told.append(("claimed", trade)),
            forget=lambda name: self.told.append(("unclaimed", name)),
        )
        self.service = ExecutionService(
            cast("Any", self),
            cast("Any", self._risk()),
            cast("Any", dict.fromkeys(Platform, self)),
            self.watchlist,
            cast("Any", self),
            cast("Gate", self),
            self._follow_up,
            self.clock,
            self.ids,
            self.hurdles,
            self.timeouts,
        )

    # What a test does
    # ------------------------------------------------------------------------------------

    def show(self, platform: Platform, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Show a book to the service."""
        shown = book(platform, bids, asks, self.clock.now())
        self.watchlist.books[platform, shown.contract_id] = shown

    @property
    def reservation(self) -> Reservation:
        """That of the execution."""
        amounts = {p: self.opportunity.leg(p).budget for p in Platform}
        return Reservation("r", "execution of q", "cup", amounts, EPOCH)

    def run(self) -> Execution:
        """Plan the execution and run it to its end."""
        self.service.prepare(self.opportunity)
        return self.executed()

    def executed(self) -> Execution:
        """Run the planned execution to its end."""
        return run_virtual(self.service.execute(self.opportunity, self.reservation))

    @property
    def kinds(self) -> list[list[str]]:
        """The names of the facts of each commit."""
        return [[type(fact).__name__ for fact in facts] for facts in self.booked]

    @property
    def last(self) -> TradeFact:
        """The last fact of the last commit."""
        return self.booked[-1][-1]

    # What the service calls
    # ------------------------------------------------------------------------------------

    async def book(
        self,
        trade: PairTrade | str,
        *facts: TradeFact,
        alongside: Batch | None = None,
        gate: Guards | None = None,
    ) -> None:
        """Note a commit."""
        if self.errors and (error := self.errors.pop(0)) is not None:
            self.told.append(("rejected", facts))
            raise error
        self.booked.append(facts)
        self.beside.append((trade, alongside, gate))

    def trade(self, execution_id: str) -> Any:
        """Return the trade with the last execution that was booked."""
        assert execution_id == "execution of q"
        found = [
            fact.execution
            for facts in self.booked
            for fact in facts
            if isinstance(fact, Advanced | Ended | Waits)
        ]
        return SimpleNamespace(execution=found[-1] if found else self.planned.execution)

    @property
    def planned(self) -> PairTrade:
        """The trade as it was claimed."""
        (trade,) = [each[1] for each in self.told if each[0] == "claimed"]
        assert isinstance(trade, PairTrade)
        return trade

    def _risk(self) -> Any:
        @contextmanager
        def approved(reservation: Reservation) -> Iterator[None]:
            self.told.append(("counted", reservation))
            yield

        async def halt(reason: Any, detail: str) -> None:
            self.told.append(("halted", reason, detail))

        def guards(pair_id: str) -> Guards:
            assert pair_id == "cup"
            return GUARDS

        return SimpleNamespace(
            entry_gate=guards,
            capital=SimpleNamespace(approved=approved),
            overrides=SimpleNamespace(
                consumed=lambda pair_id: self.told.append(("used up", pair_id))
            ),
            halts=SimpleNamespace(halt_trading=halt),
        )

    async def _follow_up(self, trade: Any, wait: int) -> None:
        self.told.append(("follow up", trade.execution.phase, wait))

    def identified(self, opportunity: Opportunity, execution_id: str) -> Any:
        """Return words in place of an event."""
        return ("identified", opportunity.opportunity_id, execution_id)

    def event(self, notice: Any, trade: PairTrade) -> Any:
        """Return words in place of an event."""
        return (type(notice).__name__, notice.order_id, trade.position_id)

    def plan(self, execution_id: str, planned: Quantity, allowance: Quantity) -> None:
        """Note a plan that the gate was told."""
        self.told.append(("planned", execution_id, planned, allowance))

    def ended(self, execution_id: str) -> None:
        """Note that the gate was told of an end."""
        self.told.append(("ended", execution_id))

    def answered(self, order_id: str) -> None:
        """Note that the gate was told of an answer."""
        self.told.append(("answered", order_id))

    def worst_price(self, contract: Any, outcome: Outcome) -> Price | None:
        """Return the end of the collar."""
        assert contract in (self.match.kalshi, self.match.polymarket)
        assert outcome is self.opportunity.leg(contract.platform).outcome
        return self.collar

    def halted_by(self, halted: Halted) -> Refused:
        """Return the gate's words for a halt."""
        return Refused("trading_halted", str(halted), 4001)

    async def refresh_lease(self) -> None:
        """Do nothing: the lease is held."""

    def approve(self, order: Order, epoch: int) -> Approved[Order] | Refused:
        """Note an order, and refuse it if that is what comes next."""
        assert epoch == EPOCH
        self.sent.append(order)
        self.before_send(self)
        answer = self.answers[0]
        if callable(answer) and isinstance(refused := answer(order), Refused):
            self.answers.pop(0)
            return refused
        return Approved(order, epoch)

    def prepare(self, order: Order) -> Order:
        """Return an order as it would be signed."""
        return replace(order, signed=f"signed for {order.platform}")

    async def submit(self, approved: Approved[Order]) -> OrderReport:
        """Answer an order."""
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        report = answer(approved.subject) if callable(answer) else answer
        assert isinstance(report, OrderReport)
        return report

    async def find_order(self, order: Order) -> OrderReport | None:
        """Answer a question about an order."""
        assert order.order_id == self.sent[-1].order_id
        self.asked_at.append(self.clock.monotonic())
        answer = self.found.pop(0) if self.found else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def first_facts(at: Executing) -> Begun:
    """Return the fact of the first commit."""
    (begun,) = at.booked[0]
    assert isinstance(begun, Begun)
    return begun


def ended(at: Executing) -> Ended:
    """Return the fact of the end, which is the last of its commit and follows `Advanced`."""
    *_, advanced, end = at.booked[-1]
    assert isinstance(end, Ended)
    assert advanced == Advanced(at.clock.now(), end.execution)
    assert end.at == at.clock.now()
    return end
