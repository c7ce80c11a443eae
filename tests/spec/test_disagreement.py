"""Edges that stand for longer than one question would let them, and suspended pairs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.clocks import Hand
from support.pairs import NOW, book, contract, pair

from dutchbook.application.market.disagreements import Disagreements, Persistence
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.domain.detection.disagreement import Disagreement, looked, margin
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Alignment, Outcome, Platform

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO


def after(*edges: str) -> Disagreement | None:
    found = None
    for edge in edges:
        found = looked(found, Decimal(edge))
    return found


@pytest.mark.parametrize(
    ("edges", "widest", "looks"),
    [
        (("0.02",), "0.02", 1),
        (("0.02", "0.02", "0.02"), "0.02", 3),
        (("0.02", "0.03", "0.025"), "0.03", 3),
        (("0.02", "0.0101"), "0.02", 2),
        (("0.02", "0.01"), "0.01", 1),
        (("0.02", "0", "0.02"), "0.02", 1),
        (("0.02", "-0.01", "0.02", "0.02"), "0.02", 2),
    ],
)
def test_an_edge_stands_until_it_is_gone_or_half_of_it_is(
    edges: tuple[str, ...], widest: str, looks: int
) -> None:
    assert after(*edges) == Disagreement(Decimal(widest), looks)


@pytest.mark.parametrize("edges", [("0",), ("-0.01",), ("0.02", "0")])
def test_without_an_edge_nothing_stands(edges: tuple[str, ...]) -> None:
    assert after(*edges) is None


def cheap() -> dict[Platform, OrderBook]:
    """YES for 40 cents on Kalshi and NO for 53 on Polymarket: 7 cents before fees."""
    return {
        KALSHI: book(KALSHI, {38: 5}, {40: 5}),
        POLYMARKET: book(POLYMARKET, {47: 5}, {49: 5}),
    }


def test_a_margin_is_what_remains_of_a_dollar_after_both_asks_and_their_fees() -> None:
    """Fees of 7 % and 3 %: 1.68 and 0.7473 cents."""
    assert margin(pair(), cheap(), YES, NOW) == Decimal("0.045727")
    assert margin(pair(), cheap(), NO, NOW) < 0


def test_a_margin_follows_the_alignment_of_the_pair() -> None:
    opposed = pair(alignment=Alignment.INVERSE)

    assert margin(opposed, cheap(), YES, NOW) == Decimal("0.085703")


@pytest.mark.parametrize("platform", list(Platform))
def test_there_is_no_margin_without_a_price_or_a_known_fee(platform: Platform) -> None:
    empty = {platform: book(platform, {38: 5} if platform is KALSHI else {}, {})}
    free = pair(**{str(platform): contract(platform, fees=None)})

    assert margin(pair(), cheap() | empty, YES, NOW) == 0
    assert margin(free, cheap(), YES, NOW) == 0


# The service ----------------------------------------------------------------------------------


class Looking:
    """The service with one pair, and the pairs that it suspends."""

    def __init__(self, *, looks: int = 3, edge: str = "0.008", match: Any = None) -> None:
        self.match = match or pair()
        self.clock = Hand()
        self.watchlist = Watchlist([self.match])
        self.suspended: list[tuple[str, str]] = []
        self.service = Disagreements(
            self.watchlist,
            self,  # type: ignore[arg-type]
            self.clock,
            Hurdles(),
            Persistence(Decimal(edge), looks),
        )

    async def disable(self, pair_id: str, reason: str) -> None:
        """Suspend a pair."""
        self.suspended.append((pair_id, reason))

    def show(self, ask: int = 40, *, late: float = 0, after: float = 1.0) -> None:
        """Show both books, Kalshi's `late` seconds old, and look some time after the last."""
        self.clock.elapsed += after
        now = self.clock.now()
        for platform, (bid, offer) in ((KALSHI, (ask - 2, ask)), (POLYMARKET, (47, 49))):
            shown = self.watchlist.books[platform, f"{platform}-cup"]
            shown.replace(((bid * 100, 5_000_000),), ((offer * 100, 5_000_000),))
            old = timedelta(seconds=late if platform is KALSHI else 0)
            shown.touch(now - old, 1)
        self.service.book_changed((POLYMARKET, "polymarket-cup"))

    def told(self) -> list[tuple[str, str]]:
        """Return what was suspended, with why."""
        asyncio.run(self.service.drained())
        return self.suspended


def test_a_pair_whose_edge_stands_is_suspended_with_the_reason() -> None:
    at = Looking()
    for ask in (40, 39):
        at.show(ask)
    before = list(at.told())
    at.show(40)

    why = (
        "its prices disagree: up to 0.055874 dollars a contract at 3 looks in a row, and"
        " neither book moved towards the other; is it one question?"
    )
    assert before == []
    assert at.told() == [("cup", why)]


def test_it_is_suspended_once_and_counted_anew_afterwards() -> None:
    at = Looking()
    for _ in range(5):
        at.show()
    first = list(at.told())
    for _ in range(2):
        at.show()

    assert len(first) == 1
    assert len(at.told()) == 2


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param([{}, {"ask": 45}, {}, {}], id="the edge was gone"),
        pytest.param([{}, {}, {"after": 0.999}], id="less than a second"),
        pytest.param([{}, {}, {"late": 1.501}], id="books of two moments"),
        pytest.param([{}, {}, {"late": 6}], id="a stale book"),
    ],
)
def test_what_does_not_count_as_a_look(shown: list[dict[str, Any]]) -> None:
    at = Looking()
    for each in shown:
        at.show(**each)

    assert at.told() == []


def test_looks_that_do_not_count_do_not_end_what_stands_either() -> None:
    at = Looking()
    at.show()
    at.show(late=6)
    at.show(after=0.5)
    at.show()

    assert len(at.told()) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"looks": 0},
        {"edge": "0.0458"},
        {"match": pair(operator_approved=False)},
    ],
    ids=["never", "a small edge", "not approved"],
)
def test_what_is_not_looked_at(facts: dict[str, Any]) -> None:
    at = Looking(**facts)
    for _ in range(5):
        at.show()

    assert at.told() == []


def test_the_running_service_suspends_by_itself() -> None:
    async def main() -> list[tuple[str, str]]:
        at = Looking(looks=1)
        await at.service.start()
        running = asyncio.ensure_future(at.service.run())
        await asyncio.sleep(0)
        at.show()
        await asyncio.sleep(0.01)
        running.cancel()
        return at.suspended

    assert [pair_id for pair_id, _ in asyncio.run(main())] == ["cup"]


def test_another_pair_of_the_same_contract_is_looked_at_too() -> None:
    at = Looking(looks=1)
    other = replace(at.match, match_id="other")
    at.watchlist.add(other)
    at.show()

    assert sorted(pair_id for pair_id, _ in at.told()) == ["cup", "other"]
