"""Makes up a tape of two platforms: books that follow one price, a little apart and out of step.

The episodes in which a pair costs less than it pays follow a recording of both platforms (World
Cup winner contracts, July 2026, polled every 3.7 s for 6.5 hours): about 13 episodes an hour for each
pair, best edge after fees 0.2 cents at the median and 1 cent at the ninth decile, 3 polls long at the
median and 20 at the ninth decile, 200 contracts at the best prices at the median, with a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dutchbook.domain.contract import (
    Alignment,
    Contract,
    ContractMatch,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.fees import FeeSchedule, kalshi_terms, polymarket_schedule
from dutchbook.domain.units import E4, Money, PriceGrid, Quantity
from dutchbook.ports import Chance
from dutchbook.tape.message import Kind, MemoryTape, TapeMessage, TapeMeta

START = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
POLL = timedelta(milliseconds=3_700)
FETCH = timedelta(milliseconds=120)
QUOTES_MOVE = 20
QUESTIONS = (
    ("Northern Rovers win the cup", 3_600),
    ("Southern Albion win the cup", 800),
    ("More than 2.5 goals in the final", 5_200),
    ("The final goes to extra time", 2_400),
)


@dataclass(slots=True)
class _Book:
    """One platform's view of a price, in ten-thousandths."""

    contract: Contract
    offset: int = 0
    calm_after: int = 0
    middle: int = 0
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Question:
    match: ContractMatch
    price: int
    kalshi: _Book
    polymarket: _Book
    mean: int


def generate(
    chance: Chance, seed: int, *, minutes: int = 20, pairs: int = 2, start: datetime = START
) -> MemoryTape:
    """Return a polled tape of `minutes` minutes; `seed`, which `chance` was made of, names it."""
    end = start + timedelta(minutes=minutes)
    questions = [_question(index, end) for index in range(pairs)]
    rows: list[TapeMessage] = []
    at, step = start, 0
    while at < end:
        for index, question in enumerate(questions):
            _drift(question, chance)
            for place, book in enumerate((question.kalshi, question.polymarket)):
                fetched = at + (2 * index + place) * FETCH
                rows.append(_polled(book, question.price, chance, fetched, step))
        at += POLL
        step += 1
    contracts = tuple(
        question.match.contract(platform) for question in questions for platform in Platform
    )
    meta = TapeMeta(
        name=f"generated-{seed}",
        source="generated",
        contracts=contracts,
        pairs=tuple(question.match for question in questions),
        polled=True,
        assumed=(),
        seed=seed,
        messages=len(rows),
        first=rows[0].at,
        last=rows[-1].at,
    )
    return MemoryTape(meta, rows)


def _question(index: int, end: datetime) -> _Question:
    title, price = QUESTIONS[index % len(QUESTIONS)]
    series = index // len(QUESTIONS)
    name = f"{title} ({series + 1})" if series else title
    resolution = end + timedelta(days=6)
    rules = f"Resolves to YES if the organiser's final record says: {name}."
    kalshi = Contract(
        platform=Platform.KALSHI,
        contract_id=f"KXDEMO-26-{index:02d}",
        title=name,
        rules=rules,
        grid=PriceGrid.of_tick("0.001"),
        sizing=Sizing(Quantity(Decimal("0.01")), Quantity(Decimal("0.01")), Money(Decimal(0))),
        fees=FeeSchedule((kalshi_terms("quadratic"),)),
        close_time=resolution,
        resolution_time=resolution,
        cash_delay=timedelta(days=1),
    )
    sizing = Sizing(
        Quantity(Decimal("0.01")), Quantity(Decimal(5)), Money(Decimal(1)), cent_exact=True
    )
    polymarket = replace(
        kalshi,
        platform=Platform.POLYMARKET,
        contract_id=f"demo-token-{index:02d}",
        sizing=sizing,
        fees=polymarket_schedule("sports"),
        cash_delay=timedelta(days=2),
        tokens=(f"demo-token-{index:02d}", f"demo-token-{index:02d}-no"),
    )
    match = ContractMatch(
        match_id=f"demo-pair-{index:02d}",
        kalshi=kalshi,
        polymarket=polymarket,
        alignment=Alignment.SAME,
        divergence_class=DivergenceClass.IDENTICAL,
        divergence_probability=Decimal("0.0005"),
        operator_approved=True,
    )
    approved = replace(match, approved_digest=match.digest)
    return _Question(approved, price, _Book(kalshi), _Book(polymarket), price)


def _drift(question: _Question, chance: Chance) -> None:
    """Move the common price, and now and then push one platform off it for some polls."""
    step = chance.bell(6) + (question.mean - question.price) // 100
    question.price = min(max(question.price + step, 150), E4 - 150)
    for book in (question.kalshi, question.polymarket):
        if book.calm_after > 0:
            book.calm_after -= 1
            if not book.calm_after:
                book.offset = 0
        elif chance.one_in(120):
            size = chance.choice((120, 150, 180, 240, 330, 460))
            book.offset = size if chance.one_in(2) else -size
            book.calm_after = chance.choice((1, 2, 2, 3, 3, 4, 6, 9, 20))


def _polled(book: _Book, price: int, chance: Chance, at: datetime, step: int) -> TapeMessage:
    middle = min(max(price + book.offset, 60), E4 - 60) // 10 * 10
    # Makers move when the price has left their quotes, and now and then change them anyway.
    if abs(middle - book.middle) >= QUOTES_MOVE or chance.one_in(12):
        gap = 10 * chance.between(1, 3)
        book.middle = middle
        book.bids = _ladder(middle - gap, -10, chance)
        book.asks = _ladder(middle + gap, 10, chance)
    return TapeMessage(
        at=at,
        platform=book.contract.platform,
        contract_id=book.contract.contract_id,
        kind=Kind.SNAPSHOT,
        bids=book.bids,
        asks=book.asks,
        step=step,
        platform_time=at,
    )


def _ladder(first: int, tick: int, chance: Chance) -> tuple[tuple[int, int], ...]:
    """Return up to six levels away from the middle, sizes thin at first and with a long tail."""
    levels = []
    price = first
    for _ in range(6):
        if not 0 < price < E4:
            break
        size = chance.choice((20, 60, 120, 200, 350, 900, 4_000)) * chance.between(50, 150)
        levels.append((price, size * 10_000))
        price += tick * chance.between(1, 4)
    return tuple(levels)
