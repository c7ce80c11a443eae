"""The remedies of an unhedged leg by themselves: a test says what each order comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from dutchbook.application.exposure.single_leg import SingleLegResolutionService
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.pair_trades.adjustments import Done, Plan
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import Event, Scenario
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.work_rules import WorkRules
from dutchbook.domain.values.units import ZERO, Money, Quantity
from support.answers import order
from support.clocks import Hand
from support.executing import NamedIds
from support.memory_journal import MemoryJournal
from support.pairs import NOW, book, pair

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
VERSION = 7
WORK = WorkRules()
Outcomes = Callable[["Resolving", Plan], Done]


def holding(outcome: Outcome, size: str, price: str) -> Holding:
    """Return a leg of some contracts, bought at a price with a dollar of fees."""
    held = Decimal(size)
    fees = Money(Decimal(1)) if held else ZERO
    return Holding(outcome, None, Quantity(held), Money(held * Decimal(price)), fees)


def position(
    kalshi: str = "100",
    polymarket: str = "0",
    status: PositionStatus = PositionStatus.SINGLE_LEG_EXPOSED,
) -> OpenPosition:
    """Return a position of YES at 40 cents on Kalshi, and NO at 53 on Polymarket."""
    return OpenPosition(
        position_id="held",
        pair_id="cup",
        execution_id="e",
        kalshi=holding(Outcome.YES, kalshi, "0.40"),
        polymarket=holding(Outcome.NO, polymarket, "0.53"),
        expected_edge=Money(Decimal(4)),
        divergence_reserve=ZERO,
        status=status,
        opened_at=NOW,
        version=VERSION,
    )


class Resolving:
    """The service with one position, and what it sends and tells.

    Attributes:
        outcomes: What each order comes to, in turn.
        plans: The orders that were sent, each with the events of its intent.
        told: The events that were committed.
        out: Why no order may be placed now.
        undone: What must not be bought on Kalshi.
    """

    def __init__(
        self,
        held: OpenPosition,
        *outcomes: Outcomes,
        rules: WorkRules = WORK,
        clock: Any = None,
    ) -> None:
        self.outcomes = list(outcomes)
        self.plans: list[Plan] = []
        self.notes: list[tuple[Event, ...]] = []
        self.told: list[Event] = []
        self.out: str | None = None
        self.undone: frozenset[Outcome] = frozenset()
        self.clock: Any = clock or Hand()
        self.times: list[float] = []
        self.journal = MemoryJournal()
        committer = Committer(self.journal, self.clock, NamedIds())
        committer.subscribe(lambda event, _: self.told.append(event))
        self.committer = committer
        self.watchlist = Watchlist([pair()])
        self.show(KALSHI, {41: 500}, {45: 500})
        self.show(POLYMARKET, {47: 500}, {49: 500})
        announce = Announcements(
            committer,
            self.watchlist,
            self.clock,
            timedelta(days=1),
            Decimal("0.10"),
            cast("Any", self),
        )
        self.announce = announce
        self.trade: Any = SimpleNamespace(
            position_id="held",
            execution_id="e",
            pair_id="cup",
            position=held,
            order_out=lambda: self.out,
            settled_sizes={
                (KALSHI, Outcome.YES): Quantity(Decimal(1_000)),
                (POLYMARKET, Outcome.NO): Quantity(Decimal(1_000)),
            },
        )
        self.pairs: dict[str, Any] = {"cup": self.watchlist.matches["cup"]}
        self.locked = False
        self.acted = asyncio.Event()
        self.service = SingleLegResolutionService(
            cast("Any", self),
            cast("Any", self),
            announce,
            committer,
            self.clock,
            rules=rules,
        )

    def undone_by(self, trade: Any, contract_id: str) -> frozenset[Outcome]:
        """Return what must not be bought on Kalshi, for another position's sake."""
        assert (trade, contract_id) == (self.trade, "kalshi-cup")
        return self.undone

    def show(self, platform: Platform, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Show a book."""
        shown = book(platform, bids, asks, self.clock.now())
        self.watchlist.books[platform, shown.contract_id].replace(
            shown.bids.items(), shown.asks.items()
        )
        self.watchlist.books[platform, shown.contract_id].touch(self.clock.now(), 1)

    def remedy(self, name: str) -> Scenario:
        """Return a remedy at the books of now."""
        return next(each for each in self.service.scenarios("held") if each.name == name)

    # What the service calls
    # --------------------------------------------------------------------------------

    @asynccontextmanager
    async def lock(self, position_id: str) -> AsyncIterator[None]:
        """Hold the lock."""
        self.locked = position_id == "held"
        yield
        self.locked = False

    def of(self, position_id: str) -> Any:
        """Return the trade."""
        assert position_id == "held"
        return self.trade

    def known(self, position_id: str) -> Any:
        """Return the trade if there is one of this name."""
        return self.trade if position_id == "held" else None

    def all(self) -> list[Any]:
        """Return the trade."""
        return [self.trade]

    async def carry(self, position_id: str, plan: Plan, notes: tuple[Event, ...] = ()) -> Done:
        """Note an order, and return what it comes to."""
        assert position_id == "held"
        assert self.locked
        self.plans.append(plan)
        self.times.append(self.clock.monotonic())
        self.notes.append(notes)
        self.acted.set()
        done = self.outcomes.pop(0)(self, plan)
        self.trade.position = done.position
        return done


def comes_to(
    filled: str,
    held: OpenPosition | None = None,
    reason: str | None = None,
    *,
    unknown: bool = False,
    refusal: str | None = None,
) -> Outcomes:
    """Return the result of an order: what it filled, and the position after it."""

    def done(at: Resolving, plan: Plan) -> Done:
        sent = order(
            plan.platform,
            order_id="sent",
            size=plan.size,
            filled=Quantity(Decimal(filled)),
            refusal=refusal,
        )
        return Done(held or at.trade.position, sent, reason, unknown)

    return done


def not_sent(reason: str | None) -> Outcomes:
    """Return the result of an order that was not even committed."""
    return lambda at, _: Done(at.trade.position, None, reason)


def changed(held: OpenPosition, **facts: Any) -> OpenPosition:
    """Return a position with other facts."""
    return replace(held, **facts)
