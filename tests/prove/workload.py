"""Books dense with edges, so that executions come quickly, and the faults of their streams."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dutchbook.domain.market.contract import Platform
from dutchbook.ports.market_data import BookUpdate
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.made_up import Question, question
from dutchbook.tape.message import MemoryTape, TapeMessage, TapeMeta

START = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
STEP = timedelta(seconds=4)
CONTRACT = 1_000_000
LASTS = (2, 4, 8, 16)
"""Polls that an edge lasts; the last of them no longer has it."""
EDGES = (200, 300, 500, 800)
"""In 10⁻⁴ dollars per contract, before fees."""
HOLD = timedelta(seconds=3)
CLUSTERS = ("league", "league", "cup", "league", "cup", "cup", None, None)
PAIR_IN_PLAY = 3
"""Which of every four pairs is in play."""
Ladder = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Quote:
    """The best prices and the tick of one book, all in 10⁻⁴ dollars."""

    bid: int
    ask: int
    tick: int

    def ladders(self, chance: random.Random) -> tuple[Ladder, Ladder]:
        """Return bids and asks, a few levels each."""
        return (
            tuple((self.bid - n * self.tick, _size(chance)) for n in range(4)),
            tuple((self.ask + n * self.tick, _size(chance)) for n in range(4)),
        )


def _size(chance: random.Random) -> int:
    return chance.choice((4, 12, 30, 80, 250)) * chance.randint(70, 130) * CONTRACT // 100


def tape(seed: int, *, steps: int, pairs: int, related: bool = False) -> MemoryTape:
    """Return a polled tape on which each pair has an edge in most steps, always the same way.

    Kalshi's YES is cheap on pairs with an even number, Polymarket's on the others, so holdings
    never block the next entry. A price drifts now and then, and an edge ends after some polls:
    most second legs find the price that the first leg was bought for, and some do not. If pairs
    are `related`, most of them stand or fall together.
    """
    chance = random.Random(f"books {seed}")  # noqa: S311
    end = START + STEP * steps
    questions = [question(index, end, Seeded(seed)) for index in range(pairs)]
    questions = [_held_back(index, each) for index, each in enumerate(questions)]
    if related:
        questions = [_related(index, each) for index, each in enumerate(questions)]
    rows: list[TapeMessage] = []
    left = [chance.choice(LASTS) for _ in questions]
    edges = [chance.choice(EDGES) for _ in questions]
    drifts = [0] * pairs
    for step in range(steps):
        for index, each in enumerate(questions):
            left[index] -= 1
            if left[index] < 0:
                left[index], edges[index] = chance.choice(LASTS), chance.choice(EDGES)
            edge = edges[index] if left[index] else -100
            if not chance.randrange(6):
                drifts[index] = chance.choice((-200, 0, 200))
            for platform, quote in _quotes(index, each.price + drifts[index], edge).items():
                bids, asks = quote.ladders(chance)
                contract = each.match.contract(platform)
                at = START + STEP * step + timedelta(milliseconds=len(rows) % 64)
                update = BookUpdate(platform, contract.contract_id, True, bids, asks)
                rows.append(TapeMessage(at, update, step))
    rows.sort(key=lambda row: row.at)
    contracts = tuple(q.match.contract(p) for q in questions for p in Platform)
    matches = tuple(q.match for q in questions)
    meta = TapeMeta(
        f"prove-{seed}", "generated", contracts, matches, True, (), seed, len(rows),
        rows[0].at, rows[-1].at,
    )  # fmt: skip
    return MemoryTape(meta, rows)


def _related(index: int, asked: Question) -> Question:
    """Let some pairs stand or fall together: three, three, and two that do so with none."""
    cluster = CLUSTERS[index % len(CLUSTERS)]
    return replace(asked, match=replace(asked.match, cluster=cluster))


def _held_back(index: int, asked: Question) -> Question:
    """Let Polymarket hold back takers' orders on every fourth pair, as it does in play."""
    if index % 4 != PAIR_IN_PLAY:
        return asked
    polymarket = replace(asked.match.polymarket, taker_delay=HOLD)
    return replace(asked, match=replace(asked.match, polymarket=polymarket))


def _quotes(index: int, price: int, edge: int) -> dict[Platform, _Quote]:
    """Quote a pair so that YES on one and NO on the other cost a dollar less `edge`."""
    middle = price // 100 * 100
    cheap, dear = (Platform.KALSHI, Platform.POLYMARKET)[:: 1 if index % 2 == 0 else -1]
    return {
        cheap: _Quote(middle - 200, middle, 100),
        dear: _Quote(middle + edge, middle + edge + 200, 100),
    }


def spoiled(
    messages: list[TapeMessage], strikes: dict[int, bool], old: TapeMessage | None
) -> Iterator[tuple[int, TapeMessage]]:
    """Yield one book's messages after the stream's faults, each with its fault (0: none)."""
    for message in messages:
        if strikes.get(21):
            continue
        if strikes.get(26) and old is not None:
            yield 26, _as_before(message, old)
            continue
        yield 0, message
        if strikes.get(22):
            yield 22, message
        if strikes.get(23) and old is not None:
            yield 23, _as_before(message, old)


def _as_before(message: TapeMessage, old: TapeMessage) -> TapeMessage:
    """Return a message with the levels of an older one."""
    bids, asks = old.update.bids, old.update.asks
    return replace(message, update=replace(message.update, bids=bids, asks=asks))
