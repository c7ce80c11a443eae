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

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dutchbook.domain.market.contract import Platform
from dutchbook.ports.market_data import BookUpdate
from dutchbook.ports.time import Chance
from dutchbook.tape.made_up import Question, question
from dutchbook.tape.message import MemoryTape, TapeMessage, TapeMeta

START = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
POLL = timedelta(milliseconds=3_700)
FETCH = timedelta(milliseconds=120)
PACE = 10
"""Chosen so that twenty minutes have some episodes; the recording's own pace is 1."""


def generate(
    chance: Chance, seed: int, *, minutes: int = 20, pairs: int = 2, pace: int = PACE
) -> MemoryTape:
    """Return a tape of `minutes` minutes.

    Args:
        chance: Source of all draws.
        seed: Seed of `chance`; it names the tape.
        minutes: Length of the tape.
        pairs: Number of pairs; their ticks and prices differ.
        pace: Multiple of the recording's probability that an episode begins.
    """
    end = START + timedelta(minutes=minutes)
    questions = [question(index, end, chance) for index in range(pairs)]
    rows: list[TapeMessage] = []
    # However many there are, a poll has fetched them all before the next one begins.
    fetch = min(FETCH, POLL / (len(Platform) * pairs))
    at, poll = START, 0
    while at < end:
        for index, each in enumerate(questions):
            each.move(chance, pace, at)
            for place, platform in enumerate(Platform):
                fetched = at + (len(Platform) * index + place) * fetch
                rows.append(_message(each, platform, fetched, poll))
        at += POLL
        poll += 1
    return MemoryTape(_meta(rows, questions, seed), rows)


def _meta(rows: Sequence[TapeMessage], questions: list[Question], seed: int) -> TapeMeta:
    return TapeMeta(
        name=f"generated-{seed}",
        source="generated",
        contracts=tuple(
            each.match.contract(platform) for each in questions for platform in Platform
        ),
        pairs=tuple(each.match for each in questions),
        polled=True,
        assumed=(),
        seed=seed,
        messages=len(rows),
        first=rows[0].at,
        last=rows[-1].at,
    )


def _message(each: Question, platform: Platform, at: datetime, poll: int) -> TapeMessage:
    """Return what the platform answers about the question: its whole book."""
    book = each.books[platform]
    update = BookUpdate(
        platform=platform,
        contract_id=each.match.contract(platform).contract_id,
        whole=True,
        bids=book.bids,
        asks=book.asks,
        platform_time=at if platform is Platform.POLYMARKET else None,
    )
    return TapeMessage(at, update, poll)
