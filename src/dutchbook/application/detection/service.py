"""DetectionService: turns book updates into opportunities or named refusals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.market.second_legs import SecondLegs
from dutchbook.application.market.watchlist import Key, PairWatch, Watchlist
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.recorder import Recorder
from dutchbook.application.records.rows import refusal_row
from dutchbook.domain.detection.detect import detect, has_edge, possible
from dutchbook.domain.detection.quote import (
    Hurdles,
    Opportunity,
    Reason,
    Refusal,
    direction_name,
)
from dutchbook.domain.events import OpportunityFiltered, OrderbookUpdated
from dutchbook.domain.market.contract import Contract, Outcome, Platform
from dutchbook.domain.values.units import E4, from_e4
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.time import Clock, Ids

APART_AGAIN = timedelta(minutes=1)


class DetectionService:
    """Evaluates a pair whenever one of its books changes.

    The integer filter runs on every message; only what passes it is decided in decimals.
    `offered` holds the books as they would be had we taken nothing: edges are counted there. On
    a real platform it is the same watchlist.

    It takes ten parts because one pass over a message uses all of them: two sets of books, the
    thresholds and the first leg to judge an edge, the capital to size it, the queue to hand it
    to, and what records the rest.
    """

    def __init__(
        self,
        watchlist: Watchlist,
        queue: ExecutionQueueService,
        risk: RiskManager,
        recorder: Recorder,
        committer: Committer,
        clock: Clock,
        ids: Ids,
        hurdles: Hurdles,
        offered: Watchlist,
        second_legs: SecondLegs,
        *,
        costs_add_up: bool,
    ) -> None:
        self._watchlist = watchlist
        self._queue = queue
        self._risk = risk
        self._recorder = recorder
        self._committer = committer
        self._clock = clock
        self._ids = ids
        self._usual = self._hurdles = hurdles
        self._offered = offered
        self._second_legs, self._costs_add_up = second_legs, costs_add_up
        self._minimum_e4 = int(hurdles.minimum_net_edge * E4)
        self.edges_seen = 0
        self.opportunities = 0
        self.filtered: Counter[str] = Counter()
        self._apart_again: dict[str, datetime] = {}

    def raise_minimum(self, multiplier: Decimal) -> None:
        """Require `multiplier` times the usual minimum edge from now on; 1 restores it."""
        minimum = self._usual.minimum_net_edge * multiplier
        self._hurdles = replace(self._usual, minimum_net_edge=minimum)
        self._minimum_e4 = int(minimum * E4)

    def book_changed(self, key: Key) -> None:
        """Evaluate every pair that the book of `key` belongs to, after one message."""
        book = self._watchlist.books[key]
        now = self._clock.now()
        if self._committer.follows_books:
            stamp = self._committer.stamp(book.contract_id)
            best = (book.best_bid, book.best_ask)
            self._committer.publish(
                OrderbookUpdated(stamp, book.platform, book.contract_id, *best)
            )
        for watch in self._offered.of(key):
            self._count_edges(watch, now)
        for watch in self._watchlist.of(key):
            self._look(watch, now)

    def _look(self, watch: PairWatch, now: datetime) -> None:
        alignment = watch.match.alignment
        passed = possible(watch.kalshi, watch.polymarket, alignment, self._minimum_e4)
        for outcome in Outcome:
            if outcome in passed:
                self._judge(watch, outcome, now)
            else:
                watch.reasons[outcome] = None

    def _count_edges(self, watch: PairWatch, now: datetime) -> None:
        """Count each direction with an edge after unrounded fees, tradable by us or not."""
        rates = [_rate(watch.match.contract(platform), now) for platform in Platform]
        if None in rates:
            return
        for outcome in Outcome:
            ask_a = watch.kalshi.ask_e4(outcome)
            ask_b = watch.polymarket.ask_e4(watch.match.hedge(outcome))
            self.edges_seen += has_edge(ask_a, ask_b, rates[0] or 0, rates[1] or 0)

    def _judge(self, watch: PairWatch, outcome: Outcome, now: datetime) -> None:
        refused = self._queue.refusal(watch.match, outcome)
        if refused is not None:
            gross = 1 - from_e4(
                watch.kalshi.ask_e4(outcome)
                + watch.polymarket.ask_e4(watch.match.hedge(outcome))
            )
            self._refused(watch, outcome, Refusal(refused, gross), now)
            return
        order, hurdles = self._second_legs.order(watch, outcome, now), self._hurdles
        if self._costs_add_up:
            hurdles = hurdles.adding_up(order.expected)
        found = detect(
            watch.match,
            watch.books,
            outcome,
            primary=order.first,
            now=now,
            hurdles=hurdles,
            caps=self._risk.overrides.caps_for(watch.match.match_id),
        )
        match found:
            case Refusal():
                self._refused(watch, outcome, found, now)
            case Opportunity():
                self.opportunities += 1
                named = self._ids.new("opportunity", watch.match.match_id)
                found = replace(found, opportunity_id=named)
                if (full := self._queue.offer(found)) is not None:
                    refusal = Refusal(full, found.gross_edge, found.net_edge)
                    self._refused(watch, outcome, refusal, now)
                else:
                    watch.reasons[outcome] = None

    def _stands_apart(self, watch: PairWatch, now: datetime) -> bool:
        """Return whether to tell that both books are of two moments: once a minute at most.

        Between the two messages of each poll they are.
        """
        pair_id = watch.match.match_id
        stands = now >= self._apart_again.get(pair_id, now)
        if stands:
            self._apart_again[pair_id] = now + APART_AGAIN
        return stands

    def _refused(
        self, watch: PairWatch, outcome: Outcome, refusal: Refusal, now: datetime
    ) -> None:
        self.filtered[refusal.reason.value] += 1
        known = watch.reasons.get(outcome)
        if refusal.reason is Reason.BOOKS_APART and not self._stands_apart(watch, now):
            return
        watch.reasons[outcome] = refusal.reason
        if known is refusal.reason or refusal.gross_edge <= Decimal(0):
            return
        pair, direction = watch.match.match_id, direction_name(outcome)
        event = OpportunityFiltered(
            self._committer.stamp(pair),
            pair_id=pair,
            direction=direction,
            reason=refusal.reason.value,
            gross_edge=refusal.gross_edge,
            net_edge=refusal.net_edge,
            detail=refusal.detail,
        )
        row = refusal_row(self._ids.new("refusal", pair), pair, direction, refusal, now)
        self._recorder.note(Batch((Insert("opportunities", row),), (event,)))


def _rate(contract: Contract, now: datetime) -> int | None:
    terms = contract.fees.at(now) if contract.fees else None
    return terms.taker_rate_e6 if terms else None
