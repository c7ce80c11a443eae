"""Episodes: stretches of a tape in which a pair costs less than it pays, fees included.

The figures of the World Cup recording, the generator modelled on them and the tests that
compare the two share this definition: at the best prices, ``1 - ask YES - ask NO`` minus both
unrounded taker fees is above zero in every step, without a break.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.values.units import E4, from_e6
from dutchbook.tape.made_up import RATE_TO_EDGE, fee_e14
from dutchbook.tape.message import Tape, TapeMessage

EDGE_SCALE = 14
"""Edges are counted in 10⁻¹⁴ dollars: a rate in 10⁻⁶ times two prices in 10⁻⁴."""


@dataclass(slots=True)
class Episode:
    """One episode.

    Attributes:
        match_id: The pair.
        outcome: The outcome to buy on Kalshi.
        began: When its first step ended.
        ended: When its last step ended.
        steps: Its length in steps.
        peak: Its best edge, in dollars per contract.
        size: Contracts at both best prices when it began.
    """

    match_id: str
    outcome: Outcome
    began: datetime
    ended: datetime
    steps: int
    peak: Decimal
    size: Decimal

    def extend(self, at: datetime, edge: Decimal) -> None:
        """Add a step that ended at `at` with an edge of `edge` dollars."""
        self.ended = at
        self.steps += 1
        self.peak = max(self.peak, edge)


@dataclass(slots=True)
class _Pair:
    match: ContractMatch
    kalshi: OrderBook
    polymarket: OrderBook
    running: dict[Outcome, Episode] = field(default_factory=dict)

    def judge(self, at: datetime) -> Iterator[Episode]:
        """Process one step and yield the episodes that ended in it."""
        for outcome in Outcome:
            edge = edge_e14(self.match, self.kalshi, self.polymarket, outcome, at)
            running = self.running.get(outcome)
            if edge <= 0:
                if running:
                    yield self.running.pop(outcome)
                continue
            dollars = Decimal(edge).scaleb(-EDGE_SCALE)
            if running is None:
                size = self._size(outcome)
                self.running[outcome] = Episode(
                    self.match.match_id, outcome, at, at, 1, dollars, size
                )
            else:
                running.extend(at, dollars)

    def end(self) -> Iterator[Episode]:
        """Yield the episodes that are still running."""
        yield from self.running.values()
        self.running = {}

    def _size(self, outcome: Outcome) -> Decimal:
        sizes = (
            self.kalshi.offers(outcome)[0][1],
            self.polymarket.offers(self.match.hedge(outcome))[0][1],
        )
        return from_e6(min(sizes))


def edge_e14(
    match: ContractMatch,
    kalshi: OrderBook,
    polymarket: OrderBook,
    outcome: Outcome,
    at: datetime,
) -> int:
    """Return the edge of buying `outcome` on Kalshi and its hedge at the best prices.

    In 10⁻¹⁴ dollars per contract.
    """
    first = kalshi.ask_e4(outcome)
    second = polymarket.ask_e4(match.hedge(outcome))
    if first >= E4 or second >= E4:
        return -RATE_TO_EDGE * E4
    fees = fee_e14(match.kalshi, first, at) + fee_e14(match.polymarket, second, at)
    return (E4 - first - second) * RATE_TO_EDGE - fees


def episodes(tape: Tape) -> list[Episode]:
    """Return all episodes of a tape, in the order in which they ended.

    A pair with an unknown fee has none, because it would not be traded.
    """
    books: dict[tuple[Platform, str], OrderBook] = {
        (each.platform, each.contract_id): OrderBook(each.platform, each.contract_id)
        for each in tape.meta.contracts
    }
    pairs = [
        _Pair(
            match,
            books[Platform.KALSHI, match.kalshi.contract_id],
            books[Platform.POLYMARKET, match.polymarket.contract_id],
        )
        for match in tape.meta.pairs
        if match.kalshi.fees and match.polymarket.fees
    ]
    found: list[Episode] = []
    session: int | None = None
    for step in _steps(tape.messages()):
        if step[0].session != session:
            session = step[0].session
            found += [episode for pair in pairs for episode in pair.end()]
            for book in books.values():
                book.clear()
        for message in step:
            update = message.update
            update.apply_to(books[update.platform, update.contract_id])
        found += [episode for pair in pairs for episode in pair.judge(step[-1].at)]
    return found + [episode for pair in pairs for episode in pair.end()]


def _steps(messages: Iterable[TapeMessage]) -> Iterator[list[TapeMessage]]:
    step: list[TapeMessage] = []
    for message in messages:
        if step and (message.step, message.session) != (step[0].step, step[0].session):
            yield step
            step = []
        step.append(message)
    if step:
        yield step


def quantile(values: Sequence[Decimal], share: Decimal) -> Decimal:
    """Return the value that `share` of `values` do not exceed; there must be at least one."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
