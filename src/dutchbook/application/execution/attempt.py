"""One execution under way, between its commits, and how long its answers may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dutchbook.application.market.pairs import still_approved
from dutchbook.application.records.rows import opportunity_row, snapshot_row
from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution import decide as rules
from dutchbook.domain.execution.decide import Execution, Intent, RaiseExposure, SubmitLeg
from dutchbook.domain.execution.order import Order, TimeInForce
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Leg, Platform, Side
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.ports.journal import Insert, Write
from dutchbook.ports.time import Ids


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an answer is waited for, and how an unknown outcome is asked about.

    Attributes:
        answer_seconds: After this long without an answer the outcome is unknown.
        queries: How often the platform is asked before the execution waits for a person.
        first_query_seconds: The wait before the first question; it doubles each time.
    """

    answer_seconds: int = 15
    queries: int = 6
    first_query_seconds: int = 1

    @property
    def last_wait(self) -> int:
        """The wait after the last question: inquiries go on from there."""
        return self.first_query_seconds << self.queries


@dataclass(slots=True)
class Attempt:
    """What the service knows of an execution and its rows do not show yet.

    Attributes:
        opportunity: The opportunity that it takes.
        execution: As `decide` left it.
        trade: The pair trade that it begins.
        notes: The events of its beginning.
        latest: The last order of each leg.
        pending: What has happened since the last commit.
        known_fills: Trades that it has counted.
    """

    opportunity: Opportunity
    execution: Execution
    trade: PairTrade
    notes: tuple[Event, ...] = ()
    latest: dict[Leg, Order] = field(default_factory=dict)
    pending: list[TradeFact] = field(default_factory=list)
    known_fills: set[str] = field(default_factory=set)

    def note(self, *events: Event) -> None:
        """Keep the events of its beginning for its first commit."""
        self.notes = events

    @property
    def still_approved(self) -> Write:
        """What rejects its first commit once its pair is no longer approved."""
        return still_approved(self.opportunity.match)

    def rows(
        self, books: Mapping[Platform, OrderBook], ids: Ids, at: datetime
    ) -> Iterable[Write]:
        """Yield the rows of the opportunity, and of the books that the decision saw."""
        opportunity_id = self.opportunity.opportunity_id
        yield Insert("opportunities", opportunity_row(self.opportunity))
        for platform in Platform:
            name = ids.new("snapshot", opportunity_id)
            row = snapshot_row(name, books[platform], at, opportunity_id=opportunity_id)
            yield Insert("order_book_snapshots", row)

    def decide(self, event: rules.Event) -> tuple[Intent, ...]:
        """Take the execution further, and return what must be done."""
        self.execution, intents = rules.decide(self.execution, event)
        return intents

    def take(self) -> list[TradeFact]:
        """Return what has happened since the last commit, and forget it."""
        pending, self.pending = self.pending, []
        return pending

    def put_back(self, facts: Iterable[TradeFact]) -> None:
        """Keep facts whose commit was rejected: they have happened all the same."""
        self.pending = [*facts, *self.pending]

    def order(self, leg: Leg) -> Order:
        """Return the leg's latest order."""
        return self.latest[leg]

    def placed(self, order: Order) -> None:
        """Note the latest order of a leg."""
        self.latest[order.leg] = order

    def new_order(
        self, intent: SubmitLeg, time_in_force: TimeInForce, ids: Ids, at: datetime
    ) -> Order:
        """Return a new order for a leg of the execution."""
        platform = self.execution.leg(intent.leg).platform
        quote = self.opportunity.leg(platform)
        order_id = ids.new("order", self.execution.execution_id)
        return Order(
            order_id=order_id,
            client_order_id=ids.new("client_order", order_id),
            platform=platform,
            contract_id=quote.contract_id,
            pair_id=self.execution.pair_id,
            execution_id=self.execution.execution_id,
            leg=intent.leg,
            purpose=intent.purpose,
            outcome=quote.outcome,
            side=Side.BUY,
            price=intent.limit,
            size=intent.quantity,
            time_in_force=time_in_force,
            created_at=at,
            working_size=intent.quantity,
        )

    def failed_leg(self, raised: RaiseExposure) -> FailedLeg:
        """Return what went wrong with the leg that is missing."""
        missing = self.execution.leg(raised.leg.other)
        attempted = self.latest.get(raised.leg.other)
        return FailedLeg(
            platform=missing.platform,
            reason=raised.reason,
            code=raised.code,
            attempted_price=attempted.price if attempted else None,
            attempted_size=attempted.size if attempted else missing.planned,
        )
