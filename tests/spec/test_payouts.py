"""Payouts: which results are asked for, what they pay, and how a redemption is requested."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from support import traded
from support.clocks import START
from support.pairs import NOW, contract, pair
from support.settling import SECONDS, Desk, paired
from support.traded import CUP, KALSHI, NO, POLYMARKET, Holder, entered, order, q

from dutchbook.application.settlement.payouts import CHECK_SECONDS
from dutchbook.application.settlement.requests import pending
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import FailedLeg, LegSettled, ReconciliationComplete, Stamp
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Payout
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import (
    Result,
    Settlement,
    SettlementKind,
    SettlementStatus,
)
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.journal import Batch, Insert, Receipt
from dutchbook.ports.tables.trading import SETTLEMENTS

LOST = OutcomeUnknown(POLYMARKET, "torn")
UNSENT = NotSent(POLYMARKET, "no line")
REJECTED = PlatformRejected(POLYMARKET, "no gas")
PENDING, PAID = SettlementStatus.PENDING, SettlementStatus.PAID
REDEEM = ("redeem", "polymarket-cup")
KEY = (POLYMARKET, "polymarket-cup")


def ruled(yes_pays: str, *, cash: bool) -> Result:
    return Result(Decimal(yes_pays), NOW, cash)


def row(
    platform: Platform, pays: str, paid_at: Any = START, size: str = "10", name: str = "held-e"
) -> tuple[Any, ...]:
    status = PENDING if paid_at is None else PAID
    return (name, platform, SettlementKind.PAYOUT, q(size), Decimal(pays), status, paid_at)


def run(work: Callable[[Desk], Awaitable[Any]], *kept: PairTrade) -> Any:
    async def main(holder: Holder) -> Any:
        await holder.keep(*(kept or (entered(),)))
        return await work(Desk(holder))

    return traded.run(main)


def calls(at: Desk, platform: Platform = POLYMARKET) -> list[tuple[Any, ...]]:
    """Return the calls of a platform but for its results."""
    return [each for each in at.chains[platform].asked if each[0] != "results"]


# What is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "days", "known", "asks"),
    [
        (True, 0, False, True),
        (False, 0, False, False),
        (False, 6, False, True),
        (False, 0, True, True),
    ],
    ids=["all", "open", "closing now", "resolved"],
)
def test_the_results_of_contracts_past_their_close_are_asked_for_or_of_all(
    days: int, *, whole: bool, known: bool, asks: bool
) -> None:
    async def work(at: Desk) -> Any:
        at.holder.clock.elapsed = days * 86_400
        if known:
            for platform in Platform:
                at.holder.watchlist.resolve((platform, f"{platform}-cup"))
        await at.payouts.poll(whole=whole)
        resolved = at.payouts.resolved(KEY)
        return [chain.asked for chain in at.chains.values()], resolved

    expected = [[("results", f"{platform}-cup")] if asks else [] for platform in Platform]
    assert run(work) == (expected, known)


def test_what_was_paid_or_is_not_held_is_not_asked_for() -> None:
    async def work(at: Desk) -> Any:
        await at.payouts.poll(whole=True)
        return [chain.asked for chain in at.chains.values()]

    stranger = entered("s", "stranger", prefix="s-")
    assert run(work, entered(sizes=("10", "0")), stranger) == [[("results", "kalshi-cup")], []]


# Cash that arrives without a request ----------------------------------------------------------


def test_a_final_result_with_cash_pays_each_position_once() -> None:
    async def work(at: Desk) -> Any:
        at.holder.clock.elapsed = 4
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        for _ in range(2):
            await at.payouts.poll(whole=True)
        trades = [at.holder.trades.trade(name) for name in "ef"]
        first, *_ = await at.holder.journal.rows("settlements")
        assert first["settlement_id"] == "settlement 1 of held-e"
        log = await at.holder.journal.rows("audit_log", {"name": LegSettled.wire})
        told = [json.loads(each["payload"])["contract_id"] for each in log]
        assert told == ["kalshi-cup", "kalshi-cup"]
        kinds = await at.holder.journal.rows("ledger_entries", {"reference": "held-e"})
        return trades, await at.requests(), at.payouts.resolved((KALSHI, "kalshi-cup")), kinds

    trades, rows, resolved, kinds = run(
        work, entered(), entered("f", prefix="f-", sizes=("3", "0"))
    )

    at = START + timedelta(seconds=4)
    assert [each.position.kalshi.payout for each in trades] == [1, 1]
    assert [each.position.kalshi.cash for each in trades] == [Decimal("5.98"), Decimal("1.78")]
    assert rows == [row(KALSHI, "1", at), row(KALSHI, "1", at, "3", "held-f")]
    assert resolved
    assert "settlement" in {each["kind"] for each in kinds}


def test_what_was_paid_while_a_look_waited_for_the_position_is_not_paid_again() -> None:
    async def work(at: Desk) -> Any:
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        async with at.holder.trades.lock("held-e"):
            looking = asyncio.ensure_future(at.payouts.poll(whole=True))
            await asyncio.sleep(0.01)
            payout = Payout(KALSHI, Decimal(1), NOW)
            paid = facts.Paid(NOW, (payout,), Cause.SETTLED, EntryKind.SETTLEMENT, "kalshi-cup")
            await at.holder.trades.book("e", paid)
        await looking
        return await at.requests(), at.holder.trades.trade("e").position.kalshi.payout

    assert run(work) == ([], 1)


def test_a_position_is_closed_once_both_contracts_have_paid() -> None:
    async def work(at: Desk) -> Any:
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        at.chains[POLYMARKET].rulings = {"polymarket-cup": ruled("1", cash=True)}
        await at.payouts.poll(whole=True)
        return at.holder.trades.trade("e").position, await at.requests()

    position, rows = run(work)

    assert position.status is PositionStatus.CLOSED
    assert [leg.payout for leg in position.legs] == [1, 0]
    assert rows == [row(KALSHI, "1"), row(POLYMARKET, "1")]


def test_a_result_without_cash_on_kalshi_pays_nothing_yet() -> None:
    async def work(at: Desk) -> Any:
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=False)}
        await at.payouts.poll(whole=True)
        return (
            calls(at, KALSHI),
            await at.requests(),
            at.payouts.resolved((KALSHI, "kalshi-cup")),
        )

    assert run(work) == ([], [], True)


@pytest.mark.parametrize(
    ("platform", "working", "paid"),
    [(KALSHI, "1", False), (KALSHI, "0", True), (POLYMARKET, "1", True)],
)
def test_nothing_is_paid_while_an_order_there_is_open_and_the_order_is_asked_about(
    platform: Platform, working: str, *, paid: bool
) -> None:
    out = order("s", platform, working_size=q(working))

    async def work(at: Desk) -> Any:
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        await at.payouts.poll(whole=True)
        return bool(await at.requests()), at.questions.count

    assert run(work, entered().with_orders((out,))) == (paid, int(q(working)))


@pytest.mark.parametrize("opened", [True, False])
def test_an_execution_that_waits_ends_with_a_payout_and_one_that_runs_is_not_paid(
    *, opened: bool
) -> None:
    """Only what waits for an answer, here on the other platform, has a position."""

    async def work(at: Desk) -> Any:
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        await at.payouts.poll(whole=True)
        return at.holder.trades.trade("e").ended, len(await at.requests())

    failed = FailedLeg(POLYMARKET, "no answer", 2003, None, q(10))
    unanswered = order("u", POLYMARKET, outcome_unknown_since=NOW)
    running = entered(ends=False).with_orders((unanswered,))
    waits = facts.Waits(NOW, running.execution, failed)
    waiting = traded.played(waits, start=running)
    assert run(work, waiting if opened else running) == ((True, 1) if opened else (False, 0))


# Redemptions ----------------------------------------------------------------------------------


def redeeming(at: Desk, *answers: Exception | None, yes_pays: str = "0") -> None:
    at.chains[POLYMARKET].answers = list(answers)
    at.chains[POLYMARKET].rulings = {"polymarket-cup": ruled(yes_pays, cash=False)}


def test_a_redemption_is_requested_for_every_position_before_it_is_called() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, None)
        chain, seen = at.chains[POLYMARKET], []
        redeem = chain.redeem

        async def redeemed(contract_id: str) -> None:
            seen.append(await at.requests())
            at.holder.clock.elapsed = 2
            await redeem(contract_id)

        cast("Any", chain).redeem = redeemed
        for _ in range(2):
            await at.payouts.poll(whole=True)
        trades = [at.holder.trades.trade(name).position.polymarket for name in "ef"]
        kinds = await at.holder.journal.rows("ledger_entries", {"reference": "held-e"})
        return seen, calls(at), await at.requests(), trades, {each["kind"] for each in kinds}

    seen, asked, rows, legs, kinds = run(
        work, entered(), entered("f", prefix="f-", sizes=("3", "3"))
    )

    later = START + timedelta(seconds=2)
    assert seen == [[row(POLYMARKET, "0", None), row(POLYMARKET, "0", None, "3", "held-f")]]
    assert asked == [REDEEM]
    assert rows == [row(POLYMARKET, "0", later), row(POLYMARKET, "0", later, "3", "held-f")]
    assert [leg.payout for leg in legs] == [1, 1]
    assert "redemption" in kinds


@pytest.mark.parametrize("blocked", ["a merge", "an order"])
def test_nothing_is_redeemed_while_a_merge_is_in_doubt_or_an_order_is_out(
    blocked: str,
) -> None:
    trade = paired() if blocked == "a merge" else entered()
    if blocked == "an order":
        trade = trade.with_orders((order("s"),))

    async def work(at: Desk) -> Any:
        if blocked == "a merge":
            at.chains[POLYMARKET].answers = [LOST]
            await at.merging.merge_all()
        redeeming(at)
        await at.payouts.poll(whole=True)
        return REDEEM in calls(at)

    assert run(work, trade) is False


def test_a_redemption_that_was_not_sent_is_called_again() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, UNSENT, LOST, None)
        for _ in range(3):
            await at.payouts.poll(whole=True)
        return calls(at), await at.requests(), await at.person()

    assert run(work) == ([REDEEM, REDEEM], [row(POLYMARKET, "0", None)], [])


OTHER = pair(
    match_id="other",
    kalshi=contract(KALSHI, contract_id="k"),
    polymarket=contract(POLYMARKET, contract_id="p"),
)


@pytest.mark.parametrize("error", [UNSENT, REJECTED])
def test_each_redemption_that_was_not_made_is_called_again(error: Exception) -> None:
    async def main(holder: Holder) -> Any:
        await holder.keep(entered(), entered("f", "other", prefix="f-"))
        at = Desk(holder)
        redeeming(at, error, error)
        at.chains[POLYMARKET].rulings["p"] = ruled("0", cash=False)
        for _ in range(2):
            await at.payouts.poll(whole=True)
        return [each[1] for each in calls(at)], at.payouts._unsent

    assert traded.run(main, CUP, OTHER) == (["p", "polymarket-cup"] * 2, set())


def test_a_redemption_that_was_rejected_is_called_again_and_a_person_is_told_once() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, REJECTED, REJECTED)
        for _ in range(3):
            await at.payouts.poll(whole=True)
        return calls(at), await at.requests(), await at.person()

    asked, rows, person = run(work)

    assert (asked, rows) == ([REDEEM] * 3, [row(POLYMARKET, "0")])
    assert len(person) == 1
    assert '"the platform rejected the redemption: no gas"' in person[0]


@pytest.mark.parametrize(
    ("seconds", "listed", "again"),
    [(120, "10", False), (121, "10", True), (121, "0", False), (121, None, False)],
)
def test_a_redemption_without_an_answer_is_repeated_only_if_the_holdings_are_still_listed(
    seconds: int, listed: str | None, *, again: bool
) -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, LOST, LOST)
        chain = at.chains[POLYMARKET]
        chain.shown = {"polymarket-cup": {NO: q(listed)}} if listed else {"x": {NO: q(1)}}
        await at.payouts.poll(whole=True)
        at.holder.clock.elapsed = seconds
        await at.payouts.poll(whole=True)
        return calls(at).count(REDEEM), await at.person()

    assert run(work) == (1 + again, [])


def test_a_call_that_takes_too_long_has_no_answer() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at)
        at.chains[POLYMARKET].seconds = SECONDS + 1
        for _ in range(2):
            await at.payouts.poll(whole=True)
        return calls(at), await at.requests()

    assert run(work) == ([REDEEM], [row(POLYMARKET, "0", None)])


@pytest.mark.parametrize(("seconds", "asked"), [(599, 0), (600, 1), (700, 1)])
def test_a_person_is_asked_about_a_redemption_that_stays_without_an_answer(
    seconds: int, asked: int
) -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, LOST)
        await at.payouts.poll(whole=True)
        at.holder.clock.elapsed = seconds
        for _ in range(2):
            await at.payouts.poll(whole=True)
        return await at.person()

    person = run(work)

    assert len(person) == asked
    assert all(
        '"the redemption got no answer; look at the holdings"' in each for each in person
    )


def test_a_request_that_the_database_rejects_is_made_again_later() -> None:
    async def work(at: Desk) -> Any:
        async def rejected(batch: Batch) -> Receipt:
            raise Conflict("settlements", "s", str(len(batch.writes)))

        redeeming(at)
        commit = at.holder.journal.commit
        cast("Any", at.holder.journal).commit = rejected
        with pytest.raises(Conflict):
            await at.payouts.poll(whole=True)
        cast("Any", at.holder.journal).commit = commit
        await at.payouts.poll(whole=True)
        return calls(at), await at.requests()

    assert run(work) == ([REDEEM], [row(POLYMARKET, "0")])


def test_a_payout_of_another_result_than_was_requested_is_for_a_person() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, LOST)
        await at.payouts.poll(whole=True)
        at.chains[POLYMARKET].rulings = {"polymarket-cup": ruled("0.5", cash=True)}
        await at.payouts.poll(whole=True)
        return await at.requests(), await at.person()

    rows, person = run(work)

    assert rows == [row(POLYMARKET, "0", None)]
    assert '"it was requested at 0 and resolved to 0.5"' in person[0]


def test_the_next_start_knows_what_was_requested_and_what_has_resolved() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at, LOST)
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("0", cash=True)}
        await at.payouts.poll(whole=True)
        at.holder.watchlist.resolved.clear()
        _, payouts = at.services()
        await payouts.start()
        seen = [payouts.resolved((platform, f"{platform}-cup")) for platform in Platform]
        at.chains[POLYMARKET].rulings = {"polymarket-cup": ruled("0", cash=True)}
        await payouts.poll(whole=True)
        return seen, calls(at), await at.requests()

    rows = [row(KALSHI, "0"), row(POLYMARKET, "0")]
    assert run(work) == ([True, True], [REDEEM], rows)


def test_the_next_start_takes_no_contract_for_resolved_whose_pairs_were_merged() -> None:
    async def work(at: Desk) -> Any:
        await at.merging.merge_all()
        _, payouts = at.services()
        await payouts.start()
        return len(await at.requests()), payouts.resolved(KEY)

    assert run(work, paired()) == (1, False)


def test_the_pending_settlements_of_a_kind_are_read_oldest_first() -> None:
    def settlement(name: str, kind: SettlementKind, seconds: int) -> Settlement:
        when = NOW + timedelta(seconds=seconds)
        return Settlement(name, "held-e", POLYMARKET, "c", kind, q(1), None, when)

    merge, payout = SettlementKind.MERGE, SettlementKind.PAYOUT
    late, early = settlement("late", payout, 2), settlement("early", payout, 1)
    others = (
        settlement("paid", payout, 0).paid(NOW),
        settlement("abandoned", payout, 0).abandoned(),
        settlement("merge", merge, 0),
    )

    async def work(at: Desk) -> Any:
        rows = (SETTLEMENTS.row_of(each) for each in (late, *others, early))
        await at.holder.journal.commit(Batch(tuple(Insert("settlements", r) for r in rows)))
        return [await pending(at.holder.journal, kind) for kind in (payout, merge)]

    assert run(work) == [[early, late], [others[2]]]


# When it asks ---------------------------------------------------------------------------------


def test_closed_contracts_are_polled_every_minute_and_all_every_five() -> None:
    async def work(at: Desk) -> Any:
        seen: list[tuple[float, bool]] = []

        async def poll(*, whole: bool) -> None:
            if whole:
                at.payouts._polled_all = at.holder.clock.now()
            seen.append((at.holder.clock.elapsed, whole))
            if len(seen) == 8:
                raise ConnectionError

        cast("Any", at.payouts).poll = poll
        with pytest.raises(ConnectionError):
            await at.payouts.run()
        return seen

    assert CHECK_SECONDS == 60
    assert run(work) == [
        (60, True), (120, False), (180, False), (240, False), (300, False), (360, True),
        (420, False), (480, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0, 60), (239, 60), (241, 59), (298.5, 1.5), (299.5, 1), (400, 1)]
)
def test_the_next_poll_of_all_is_waited_for_a_second_at_least(
    elapsed: float, wait: float
) -> None:
    async def work(at: Desk) -> Any:
        first = at.payouts._seconds_to_wait()
        await at.payouts.poll(whole=True)
        at.holder.clock.elapsed = elapsed
        await at.payouts.poll(whole=False)
        return first, at.payouts._seconds_to_wait()

    assert run(work) == (60, wait)


@pytest.mark.parametrize(
    ("sequence", "discrepancies", "wakes"), [(1, 1, True), (1, 0, False), (0, 1, False)]
)
def test_a_comparison_with_a_difference_polls_all_at_once(
    sequence: int, discrepancies: int, *, wakes: bool
) -> None:
    event = ReconciliationComplete(
        Stamp("s", START, "r"), discrepancies=discrepancies, **COMPLETE
    )

    async def work(at: Desk) -> Any:
        at.payouts(event, sequence)
        return at.payouts._wake.is_set()

    assert run(work) is wakes


COMPLETE: dict[str, Any] = {
    "positions_checked": 1,
    "orders_verified": 1,
    "pending_resolved": 0,
    "platforms_unavailable": (),
    "duration_ms": 1,
}


def test_a_run_that_ends_polls_until_its_contracts_have_paid_or_the_time_is_over() -> None:
    async def work(at: Desk) -> Any:
        keys = [(KALSHI, "kalshi-cup")]
        await at.payouts.finish(keys, timedelta(seconds=20))
        late = at.holder.clock.elapsed, len(at.chains[KALSHI].asked)
        at.chains[KALSHI].rulings = {"kalshi-cup": ruled("1", cash=True)}
        await at.payouts.finish(keys, timedelta(seconds=20))
        await at.payouts.drained()
        return late, at.holder.clock.elapsed

    assert run(work) == ((20, 5), 20)


def test_draining_waits_for_the_poll_in_progress() -> None:
    async def work(at: Desk) -> Any:
        redeeming(at)
        at.chains[POLYMARKET].seconds = 3
        polling = asyncio.ensure_future(at.payouts.poll(whole=True))
        await asyncio.sleep(1)
        await at.payouts.drained()
        await asyncio.sleep(0)
        return polling.done(), Finality.SETTLED

    assert run(work)[0]
