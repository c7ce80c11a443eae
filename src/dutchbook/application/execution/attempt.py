"""One running execution between its commits, and its timeouts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dutchbook.application.market.pairs import still_approved
from dutchbook.application.records.rows import snapshot_row
from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import Event, FailedLeg
from dutchbook.domain.execution import decide as rules
from dutchbook.domain.execution.decide import (
    Execution,
    Intent,
    LegFilled,
    RaiseExposure,
    SubmitLeg,
)
from dutchbook.domain.execution.order import Fill, Order, TimeInForce
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Leg, Platform, Side
from dutchbook.domain.pair_trades.facts import Reported, TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.ports.journal import Insert, Write
from dutchbook.ports.tables.market import OPPORTUNITIES
from dutchbook.ports.time import Ids


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeout of an answer, and the queries about an unknown outcome.

    Attributes:
        answer_seconds: Timeout of an answer, after which the outcome is unknown.
        queries: Number of queries to the platform before the execution gives up and waits.
        first_query_seconds: Wait before the first query; it doubles each time.
    """

    answer_seconds: int = 15
    queries: int = 6
    first_query_seconds: int = 1

    @property
    def last_wait(self) -> int:
        """Wait after the last query; inquiries continue from it."""
        return self.first_query_seconds << self.queries


@dataclass(slots=True)
class Attempt:
    """State of an execution that its rows do not show yet.

    Attributes:
        opportunity: The opportunity that it takes.
        execution: Its state after the last `decide`.
        trade: The pair trade that it starts.
        notes: Events for its first commit.
        latest: The last order of each leg.
        pending: Facts since the last commit.
        listed: The trades that it has counted, by order.
    """

    opportunity: Opportunity
    execution: Execution
    trade: PairTrade
    notes: tuple[Event, ...] = ()
    latest: dict[Leg, Order] = field(default_factory=dict)
    pending: list[TradeFact] = field(default_factory=list)
    listed: dict[str, tuple[Fill, ...]] = field(default_factory=dict)

    def note(self, *events: Event) -> None:
        """Keep events for the first commit."""
        self.notes = events

    @property
    def still_approved(self) -> Write:
        """The write that rejects the first commit if the pair is no longer approved."""
        return still_approved(self.opportunity.match)

    def rows(
        self, books: Mapping[Platform, OrderBook], ids: Ids, at: datetime
    ) -> Iterable[Write]:
        """Yield the rows of the opportunity, and of the books that the decision used."""
        opportunity_id = self.opportunity.opportunity_id
        yield Insert("opportunities", OPPORTUNITIES.row_of(self.opportunity))
        for platform in Platform:
            name = ids.new("snapshot", opportunity_id)
            row = snapshot_row(name, books[platform], at, opportunity_id=opportunity_id)
            yield Insert("order_book_snapshots", row)

    def decide(self, event: rules.Event) -> tuple[Intent, ...]:
        """Advance the execution by an event, and return the intents."""
        self.execution, intents = rules.decide(self.execution, event)
        return intents

    def take(self) -> list[TradeFact]:
        """Return the facts since the last commit, and clear them."""
        pending, self.pending = self.pending, []
        return pending

    def put_back(self, facts: Iterable[TradeFact]) -> None:
        """Keep facts whose commit was rejected, since they remain true."""
        self.pending = [*facts, *self.pending]

    def order(self, leg: Leg) -> Order:
        """Return the leg's latest order."""
        return self.latest[leg]

    def reported(self, leg: Leg, fact: Reported) -> LegFilled | None:
        """Count a platform's report on a leg's order; return by how much it has filled further.

        One report is one event: all that it adds is hedged with one order.
        """
        before = after = self.order(leg)
        known = self.listed.get(before.order_id, ())
        ids = {fill.trade_id for fill in known}
        fresh = tuple(fill for fill in fact.fills if fill.trade_id not in ids)
        for fill in fresh:
            after = after.with_fill(fill)
        if fact.stated is not None:
            after = after.with_totals(fact.stated, (*known, *fresh))
        self.listed[before.order_id] = (*known, *fresh)
        self.latest[leg] = after
        self.pending.append(fact)
        if after.filled <= before.filled:
            return None
        return LegFilled(
            leg,
            Quantity(after.filled - before.filled),
            Money(after.cost - before.cost),
            Money(after.fees - before.fees),
        )

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
        """Return the missing leg, and what went wrong with it."""
        missing = self.execution.leg(raised.leg.other)
        attempted = self.latest.get(raised.leg.other)
        return FailedLeg(
            platform=missing.platform,
            reason=raised.reason,
            code=raised.code,
            attempted_price=attempted.price if attempted else None,
            attempted_size=attempted.size if attempted else missing.planned,
        )
