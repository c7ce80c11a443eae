"""A full queue of opportunities drops the worst of them, and says so."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.bench import KALSHI, POLYMARKET, Bench, bench

from dutchbook.domain.detection.quote import Opportunity, Reason
from dutchbook.domain.values.units import Money

BOUND = "execution.queue_bound=2"
FULL = Reason.QUEUE_FULL
FILTERED = "detection.opportunity.filtered"


def show_an_edge(at: Bench) -> None:
    at.show(POLYMARKET, {47: "100"}, {49: "500"})
    at.show(KALSHI, {38: "500"}, {40: "100"})


def found(at: Bench) -> Opportunity:
    """Return the opportunity of books with an edge, which nobody has queued."""
    offered: list[Any] = []
    at.engine.queue.offer = offered.append  # type: ignore[method-assign,assignment]
    show_an_edge(at)
    del at.engine.queue.offer
    (one,) = offered
    opportunity: Opportunity = one
    return opportunity


def on(pair_id: str, like: Opportunity, rate: Decimal, profit: int = 1) -> Opportunity:
    """Return an opportunity on a pair of this name that earns `rate` a day."""
    match = replace(like.match, match_id=pair_id)
    money = Money(Decimal(profit))
    return replace(like, match=match, rate_per_day=rate, expected_profit=money)


def offered(*given: tuple[str, str, int]) -> tuple[list[Reason | None], list[str], int]:
    """Offer opportunities by pair, rate and profit to an empty queue of two.

    Returns the answers, the pairs that wait at the end, and how often the queue counted that
    it dropped one.
    """

    async def work(at: Bench) -> Any:
        queue, one = at.engine.queue, found(at)
        answers = [
            queue.offer(on(pair, one, Decimal(rate), profit)) for pair, rate, profit in given
        ]
        waiting = sorted(queue._waiting)
        queue._waiting.clear()
        return answers, waiting, queue.refused[FULL.value]

    answer: tuple[list[Reason | None], list[str], int] = bench(work, BOUND).answer
    return answer


@pytest.mark.parametrize("newcomer", [("c", "0.01", 9), ("c", "0.02", 1), ("c", "0.02", 2)])
def test_a_newcomer_that_is_no_better_than_the_worst_is_told_that_the_queue_is_full(
    newcomer: tuple[str, str, int],
) -> None:
    """The rate counts first, then the profit; of equals the one that waits stays."""
    answers, waiting, _ = offered(("a", "0.02", 2), ("b", "0.03", 1), newcomer)

    assert answers == [None, None, FULL]
    assert waiting == ["a", "b"]


@pytest.mark.parametrize("newcomer", [("c", "0.025", 1), ("c", "0.02", 3), ("c", "0.04", 1)])
def test_a_better_newcomer_takes_the_place_of_the_worst_which_is_counted(
    newcomer: tuple[str, str, int],
) -> None:
    answers, waiting, dropped = offered(("b", "0.03", 1), ("a", "0.02", 2), newcomer)

    assert answers == [None, None, None]
    assert waiting == ["b", "c"]
    assert dropped == 1


def test_in_a_full_queue_a_pair_still_replaces_its_own_opportunity() -> None:
    answers, waiting, dropped = offered(
        ("a", "0.02", 2), ("b", "0.03", 1), ("a", "0.05", 1), ("c", "0.04", 1)
    )

    assert answers == [None, None, None, None]
    assert waiting == ["a", "c"]
    assert dropped == 1


def test_that_the_queue_is_full_is_counted_each_time_and_in_the_log_once() -> None:
    """The log has a reason when it changes, not with every book update that repeats it."""

    async def work(at: Bench) -> None:
        one = found(at)
        for pair_id in ("a", "b"):
            at.engine.queue.offer(on(pair_id, one, Decimal(1)))
        for _ in range(3):
            at.show(KALSHI, {38: "500"}, {40: "100"})
        at.engine.queue._waiting.clear()

    run = bench(work, BOUND)

    reasons = [json.loads(row["payload"])["reason"] for row in run.events(FILTERED)]
    assert reasons == [FULL.value]
    assert run.left.paper.engine.detection.filtered[FULL.value] == 3


def test_the_reason_is_in_the_log_again_after_an_opportunity_was_queued() -> None:
    async def work(at: Bench) -> None:
        one = found(at)
        for _ in range(2):
            for pair_id in ("a", "b"):
                at.engine.queue.offer(on(pair_id, one, Decimal(1)))
            at.show(KALSHI, {38: "500"}, {40: "100"})
            at.engine.queue._waiting.clear()
            at.show(KALSHI, {38: "500"}, {40: "100"})
            at.engine.queue._waiting.clear()

    run = bench(work, BOUND)

    assert len(run.events(FILTERED)) == 2
