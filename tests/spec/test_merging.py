"""Merges: which pairs become cash, and what is done about a call without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from support import traded
from support.clocks import START
from support.settling import SECONDS, Desk, paired
from support.traded import KALSHI, POLYMARKET, YES, Holder, entered, order, q

from dutchbook.application.settlement.merges import TIMEOUT
from dutchbook.application.settlement.requests import AGAIN
from dutchbook.domain.events import FillSettled, OrderFilled, Stamp
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import SettlementKind, SettlementStatus
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.ports.settlement import RequestState

LOST = OutcomeUnknown(POLYMARKET, "torn")
UNSENT = NotSent(POLYMARKET, "no line")
REJECTED = PlatformRejected(POLYMARKET, "no gas")
CALL = ("merge", "polymarket-cup", q(4), "settlement 1 of held-e")
ASKED = ("merged", "settlement 1 of held-e", START)
PENDING, PAID = SettlementStatus.PENDING, SettlementStatus.PAID
ABANDONED = SettlementStatus.ABANDONED


def row(status: SettlementStatus, paid_at: Any = None, name: str = "held-e") -> tuple[Any, ...]:
    return (name, POLYMARKET, SettlementKind.MERGE, q(4), None, status, paid_at)


def run(work: Callable[[Desk], Awaitable[Any]], *kept: PairTrade) -> Any:
    async def main(holder: Holder) -> Any:
        await holder.keep(*(kept or (paired(),)))
        return await work(Desk(holder))

    return traded.run(main)


def test_a_merge_is_requested_before_it_is_called_and_then_paid() -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        merge, seen = chain.merge, []

        async def merged(*call: Any) -> None:
            seen.append((await at.requests(), at.merging.doubtful("polymarket-cup")))
            at.holder.clock.elapsed = 3
            await merge(*call)

        cast("Any", chain).merge = merged
        before = at.holder.trades.of("held-e").position.polymarket
        await at.merging.merge_all()
        await at.merging.merge_all()
        after = at.holder.trades.of("held-e").position.polymarket
        told = (await at.holder.told())[-2]
        doubts = at.merging.doubtful("polymarket-cup")
        return seen, chain.asked, before, after, await at.requests(), told, doubts

    seen, asked, before, after, rows, told, doubts = run(work)

    assert seen == [([row(PENDING)], True)]
    assert asked == [CALL]
    assert [before.pairs, after.pairs, after.cash - before.cash] == [4, 0, 4]
    assert rows == [row(PAID, START + timedelta(seconds=3))]
    assert (told, doubts) == ("execution.pairs.merged", False)


@pytest.mark.parametrize(
    ("trade", "merges"),
    [
        (paired(), True),
        (entered(), False),
        (paired(finality=Finality.PROVISIONAL), False),
        (paired().with_orders((order("s", KALSHI, execution_id="e"),)), False),
        (replace(paired(), position=replace(paired().position,
                                            status=PositionStatus.RECONCILIATION_REQUIRED)),
         False),
        (replace(paired(), position=replace(paired().position, polymarket=replace(
            paired().position.polymarket, payout=q(1)))), False),
    ],
    ids=["pairs", "no pairs", "not final", "an order is out", "in doubt", "paid"],
)  # fmt: skip
def test_only_settled_pairs_of_a_position_with_nothing_under_way_are_merged(
    trade: PairTrade, *, merges: bool
) -> None:
    async def work(at: Desk) -> Any:
        await at.merging.merge_all()
        return at.chains[POLYMARKET].asked

    assert bool(run(work, trade)) is merges


def test_while_a_merge_of_a_contract_is_in_doubt_no_other_is_made_of_it() -> None:
    async def work(at: Desk) -> Any:
        at.chains[POLYMARKET].answers = [LOST]
        await at.merging.merge_all()
        doubts = [at.merging.doubtful(f"{p}-cup") for p in Platform]
        return at.chains[POLYMARKET].asked, await at.requests(), doubts

    assert run(work, paired(), paired("f")) == ([CALL], [row(PENDING)], [False, True])


@pytest.mark.parametrize(
    ("state", "status", "paid"),
    [
        (RequestState.DONE, PAID, START + timedelta(seconds=1)),
        (RequestState.FAILED, ABANDONED, None),
        (RequestState.PENDING, PENDING, None),
        (LOST, PENDING, None),
    ],
)
def test_a_merge_without_an_answer_is_followed_by_its_id(
    state: Any, status: SettlementStatus, paid: Any
) -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        chain.answers, chain.states = [LOST, LOST], [state]
        await at.merging.merge_all()
        at.holder.clock.elapsed = 1
        await at.merging.merge_all()
        return chain.asked, await at.requests()

    asked, rows = run(work)

    again = [(*CALL[:3], "settlement 2 of held-e")] if status is ABANDONED else []
    assert asked == [CALL, ASKED, *again]
    assert rows[0] == row(status, paid)
    assert rows[1:] == [row(PENDING)] * len(again)


def test_a_call_that_takes_too_long_has_no_answer() -> None:
    async def work(at: Desk) -> Any:
        at.chains[POLYMARKET].seconds = SECONDS + 1
        await at.merging.merge_all()
        return await at.requests()

    assert run(work) == [row(PENDING)]


def test_a_merge_that_was_not_sent_is_called_again_with_the_same_id() -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        chain.answers = [UNSENT, LOST]
        for _ in range(3):
            await at.merging.merge_all()
        return chain.asked, await at.requests()

    assert run(work) == ([CALL, CALL, ASKED], [row(PENDING)])


def test_a_merge_that_is_rejected_is_tried_again_once_its_position_has_changed() -> None:
    async def work(at: Desk) -> Any:
        chain, trades = at.chains[POLYMARKET], at.holder.trades
        chain.answers = [REJECTED, LOST]
        for _ in range(2):
            await at.merging.merge_all()
        once = list(chain.asked)
        trade = trades.of("held-e")
        trades.put(replace(trade, position=replace(trade.position, version=2)))
        await at.merging.merge_all()
        return once, chain.asked[1:], await at.requests(), await at.person()

    once, later, rows, person = run(work)

    assert once == [CALL]
    assert later == [(*CALL[:3], "settlement 2 of held-e")]
    assert rows == [row(ABANDONED), row(PENDING)]
    assert len(person) == 1
    assert '"the platform rejected the merge: no gas"' in person[0]


@pytest.mark.parametrize(("seconds", "asked"), [(599, 0), (600, 1), (601, 1)])
def test_a_person_is_asked_once_about_a_merge_that_stays_without_an_answer(
    seconds: int, asked: int
) -> None:
    async def work(at: Desk) -> Any:
        at.chains[POLYMARKET].answers = [LOST]
        await at.merging.merge_all()
        at.holder.clock.elapsed = seconds
        for _ in range(2):
            await at.merging.merge_all()
        return await at.person()

    person = run(work)

    assert len(person) == asked
    assert all('"the merge got no answer; look at the holdings"' in each for each in person)


def test_a_request_that_the_database_rejects_is_not_made() -> None:
    async def work(at: Desk) -> Any:
        async def rejected(batch: Batch) -> Receipt:
            raise Conflict("settlements", "s", str(len(batch.writes)))

        commit = at.holder.journal.commit
        cast("Any", at.holder.journal).commit = rejected
        with pytest.raises(Conflict):
            await at.merging.merge_all()
        doubts = at.merging.doubtful("polymarket-cup")
        cast("Any", at.holder.journal).commit = commit
        await at.merging.merge_all()
        return doubts, len(at.chains[POLYMARKET].asked)

    assert run(work) == (False, 1)


def test_the_next_start_follows_up_the_merges_that_are_pending() -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        chain.answers = [LOST]
        await at.merging.merge_all()
        merging, _ = at.services()
        before = merging.doubtful("polymarket-cup")
        await merging.start()
        chain.states = [RequestState.DONE]
        await merging.merge_all()
        return before, chain.asked, await at.requests(), merging.doubtful("polymarket-cup")

    assert run(work) == (False, [CALL, ASKED], [row(PAID, START)], False)


def test_a_stop_waits_for_merges_without_an_answer_at_most_fifteen_minutes() -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        chain.answers, chain.states = [LOST], [RequestState.PENDING, RequestState.DONE]
        await at.merging.drained()
        paid = at.holder.clock.elapsed
        at.holder.clock.elapsed = 0
        at.chains[POLYMARKET].answers = [LOST]
        await at.holder.keep(paired("f"))
        await at.merging.drained()
        return paid, at.holder.clock.elapsed

    assert timedelta(minutes=15) == TIMEOUT
    assert run(work) == (2 * AGAIN, 900)


@pytest.mark.parametrize(
    ("event", "sequence", "wakes"),
    [
        (FillSettled(Stamp("s", START, "e"), "t", "o", POLYMARKET), 1, True),
        (FillSettled(Stamp("s", START, "e"), "t", "o", POLYMARKET), 0, False),
        (cast("Any", object()), 1, False),
    ],
)
def test_the_service_wakes_up_when_a_fill_has_settled(
    event: Any, sequence: int, *, wakes: bool
) -> None:
    async def work(at: Desk) -> Any:
        running = asyncio.ensure_future(at.merging.run())
        await asyncio.sleep(1)
        idle = list(at.chains[POLYMARKET].asked)
        at.merging(event, sequence)
        await asyncio.sleep(1)
        running.cancel()
        return idle, len(at.chains[POLYMARKET].asked)

    assert OrderFilled.durable
    assert run(work) == ([], int(wakes))


def test_the_service_begins_with_what_can_be_merged_and_asks_again_every_half_minute() -> None:
    async def work(at: Desk) -> Any:
        chain = at.chains[POLYMARKET]
        chain.answers, chain.states = [LOST], [RequestState.PENDING, RequestState.DONE]
        await at.merging.start()
        running = asyncio.ensure_future(at.merging.run())
        await asyncio.sleep(1)
        running.cancel()
        return at.holder.clock.elapsed, [each[0] for each in chain.asked], YES

    assert run(work) == (60, ["merge", "merged", "merged"], YES)
