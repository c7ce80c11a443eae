"""Generates a tape of two platforms: books that follow one price, one sometimes late.

While both platforms quote the same price there is no edge. Occasionally news moves the price on
one of them and the other lags: an episode. Its best edge, its length and the contracts at the
best prices are drawn to match a recording of both platforms (World Cup winner contracts, July
2026, four pairs, polled every 3.7 s for 6.5 hours: 13 pair-hours, 76 episodes). `made_up` holds
the recording's quantiles, `docs/tape-format.md` compares them with generated ones.

`pace` multiplies the probability that an episode begins, and changes neither its size nor its
length. The longest episodes are cut at 122 polls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import E4
from dutchbook.ports.time import Chance
from dutchbook.tape.made_up import Ladder, Question, question
from dutchbook.tape.message import Kind, MemoryTape, TapeMessage, TapeMeta

START = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
POLL = timedelta(milliseconds=3_700)
FETCH = timedelta(milliseconds=120)
MILLISECOND = timedelta(milliseconds=1)
PACE = 10
"""Chosen so that twenty minutes have some episodes; the recording's own pace is 1."""


@dataclass(slots=True)
class _Output:
    """The messages so far, and the last state and sequence streamed of each book."""

    streamed: bool
    rows: list[TapeMessage] = field(default_factory=list)
    last: dict[tuple[Platform, str], tuple[Ladder, Ladder]] = field(default_factory=dict)
    sequences: dict[tuple[Platform, str], int] = field(default_factory=dict)


def generate(
    chance: Chance,
    seed: int,
    *,
    minutes: int = 20,
    pairs: int = 2,
    start: datetime = START,
    pace: int = PACE,
    streamed: bool = False,
) -> MemoryTape:
    """Return a tape of `minutes` minutes.

    Args:
        chance: Source of all draws.
        seed: Seed of `chance`; it names the tape.
        minutes: Length of the tape.
        pairs: Number of pairs; their ticks and prices differ.
        start: When the tape begins.
        pace: Multiple of the recording's probability that an episode begins.
        streamed: Whether each change is a message and a step of its own, instead of polls.
    """
    end = start + timedelta(minutes=minutes)
    questions = [question(index, end, chance) for index in range(pairs)]
    output = _Output(streamed)
    at, poll = start, 0
    while at < end:
        for index, each in enumerate(questions):
            each.move(chance, pace, at)
            for place, platform in enumerate(Platform):
                fetched = at + (len(Platform) * index + place) * FETCH
                _append(output, each, platform, chance, fetched, poll)
        at += POLL
        poll += 1
    return MemoryTape(_meta(output, questions, seed), output.rows)


def _meta(output: _Output, questions: list[Question], seed: int) -> TapeMeta:
    return TapeMeta(
        name=f"generated-{seed}",
        source="generated",
        contracts=tuple(
            each.match.contract(platform) for each in questions for platform in Platform
        ),
        pairs=tuple(each.match for each in questions),
        polled=not output.streamed,
        assumed=(),
        seed=seed,
        messages=len(output.rows),
        first=output.rows[0].at,
        last=output.rows[-1].at,
    )


def _append(
    output: _Output,
    each: Question,
    platform: Platform,
    chance: Chance,
    at: datetime,
    poll: int,
) -> None:
    """Append the platform's messages about the question: its whole book, or the changes."""
    contract_id = each.match.contract(platform).contract_id
    book = each.books[platform]
    whole = TapeMessage(
        at=at,
        platform=platform,
        contract_id=contract_id,
        kind=Kind.SNAPSHOT,
        bids=book.bids,
        asks=book.asks,
        step=poll,
        platform_time=at if platform is Platform.POLYMARKET else None,
    )
    if not output.streamed:
        output.rows.append(whole)
        return
    key = (platform, contract_id)
    before = output.last.get(key)
    output.last[key] = (book.bids, book.asks)
    messages = [whole] if before is None else list(_changes(whole, *before))
    for number, message in enumerate(messages):
        output.sequences[key] = output.sequences.get(key, 0) + 1
        received = at + number * MILLISECOND
        output.rows.append(
            replace(
                message,
                at=received,
                step=len(output.rows),
                sequence=output.sequences[key],
                platform_time=received - chance.between(5, 60) * MILLISECOND,
            )
        )


def _changes(whole: TapeMessage, bids: Ladder, asks: Ladder) -> Iterator[TapeMessage]:
    """Yield one message per level, removals first, so that no book crosses itself."""
    changes: list[tuple[int, int, int]] = []
    for side, old, new in ((BID, bids, whole.bids), (ASK, asks, whole.asks)):
        gone = dict(old).keys() - dict(new).keys()
        changes += [(side, price, 0) for price, _ in old if price in gone]
    for side, old, new in ((BID, bids, whole.bids), (ASK, asks, whole.asks)):
        known = dict(old)
        changes += [(side, price, size) for price, size in new if known.get(price) != size]
    for side, price, size in changes:
        assert 0 < price < E4, "a ladder ends before the edge of its grid"
        level = ((price, size),)
        yield replace(
            whole,
            kind=Kind.DELTA,
            bids=level if side == BID else (),
            asks=level if side == ASK else (),
        )
