"""How positions end: exited early, merged or settled; and what the next start does about it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.bench import Bench, bench
from support.memory_journal import MemoryJournal
from support.pairs import NOW
from support.runs import HELD, Finished, conserved, play, stored
from support.tapes import CHEAP, CUP, FAIR, RICH, polls

from dutchbook.application.records.log import Entry, logged
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.events import ReconciliationComplete
from dutchbook.domain.execution.order import Finality, Order, Purpose
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.settlement import Ruling
from dutchbook.errors import OutcomeUnknown
from dutchbook.persistence.log.verify import problems
from dutchbook.platforms.order_answers import NEVER_LEFT, SILENCE, Answer
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.journal import Batch, Journal, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import Tape

Row = dict[str, Any]
KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
ONCE = ("execution.cool_down_seconds=100000",)
"""One entry, and no further one."""
ENTERED = (CHEAP, CHEAP, CHEAP, FAIR, FAIR)


def told(run: Finished, name: str) -> list[Row]:
    return [json.loads(r["payload"]) for r in run.tables["audit_log"] if r["name"] == name]


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def same_on_both_sides(run: Finished) -> None:
    """Check that the platforms hold the cash and contracts that our books state, to 10⁻⁶."""
    ours: dict[tuple[Any, ...], Decimal] = {}
    for row in run.tables["open_positions"]:
        for platform in Platform:
            if row[f"{platform}_payout"] is None:
                side = row[f"{platform}_side"]
                for outcome, part in ((side, "size"), (side.opposite, "complement")):
                    key = (platform, CUP[platform], outcome)
                    ours[key] = ours.get(key, Decimal(0)) + row[f"{platform}_{part}"]
    for platform, exchange in run.paper.platforms.exchanges.items():
        balance = run.engine.risk.capital.balance(platform)
        assert exchange.wallet.cash == balance.free + balance.reserved
        theirs = {(platform, *key): size for key, size in exchange.wallet.contracts.items()}
        mine = {key: size for key, size in ours.items() if key[0] is platform}
        assert {k: v for k, v in theirs.items() if v} == {k: v for k, v in mine.items() if v}


def resolving(kalshi: str, polymarket: str) -> Callable[[PaperRun], None]:
    def prepare(paper: PaperRun) -> None:
        paper.results[KALSHI, CUP[KALSHI]] = Ruling(Decimal(kalshi))
        paper.results[POLYMARKET, CUP[POLYMARKET]] = Ruling(Decimal(polymarket))

    return prepare


# Exited early ---------------------------------------------------------------------------------


def test_a_position_that_is_worth_more_now_is_exited_leg_by_leg() -> None:
    run = play(*ONCE, tape=polls(*ENTERED, *[RICH] * 6), check=conserved)

    position = only(run.tables["open_positions"])
    exits = [row for row in run.tables["orders"] if row["purpose"] == "exit"]
    assert position["status"] == "CLOSED"
    assert only(told(run, "execution.exit.triggered"))["rule"] == "worth_more_now"
    assert [row["fill_size"] for row in exits] == [row["size"] for row in exits]
    assert exits[1]["created_at"] > exits[0]["created_at"]
    assert position["realised_pnl"] > position["expected_edge"] > 0
    assert not told(run, "execution.single_leg.exposure")
    assert not told(run, "execution.single_leg.resolved")
    same_on_both_sides(run)


def test_an_exit_in_progress_when_trading_ends_is_recorded_to_its_last_fill() -> None:
    """Otherwise the next start would have to find out what became of it and of its cash."""

    async def work(at: Bench) -> int:
        at.execute(second="100")
        await at.rest(5)
        at.show(KALSHI, {60: "500"}, {62: "500"})
        at.show(POLYMARKET, {43: "500"}, {45: "500"})
        await at.rest(0.25)
        return sum(order.purpose is Purpose.EXIT for order in at.orders())

    run = bench(work, "paper.latency_ms=100")

    fills = {(row["platform"], row["side"]): row for row in run.tables["fills"]}
    assert run.answer in (1, 2), "it is under way"
    assert run.position["status"] == "CLOSED"
    assert {row["working_size"] for row in run.tables["orders"]} == {0}
    assert fills[POLYMARKET, Side.SELL]["size"] == 100
    assert {row["finality"] for row in run.tables["fills"]} == {Finality.SETTLED}


async def _exits(
    at: Bench, thin: Platform, shown: dict[int, str], real: dict[int, str]
) -> list[tuple[Platform, Side, Decimal, Decimal]]:
    """Exit before Polymarket's shares are final; `thin` has `real` when the order arrives."""
    kalshi, polymarket = ({60: "500"}, {62: "500"}), ({43: "500"}, {45: "500"})
    at.execute(second="100")
    await at.rest(1)
    at.show(POLYMARKET, polymarket[0], shown if thin is POLYMARKET else polymarket[1])
    at.show(KALSHI, shown if thin is KALSHI else kalshi[0], kalshi[1])
    if thin is KALSHI:
        at.moved(KALSHI, real, kalshi[1])
    else:
        at.moved(POLYMARKET, polymarket[0], real)
    await at.rest(1)
    exits = [each for each in at.orders() if each.purpose is Purpose.EXIT]
    return [(each.platform, each.side, each.size, each.filled) for each in exits[:2]]


def test_a_second_leg_that_buys_is_the_whole_lots_of_what_the_first_has_filled() -> None:
    """Kalshi sold hundredths; Polymarket takes whole shares, where a price has whole cents."""

    async def work(at: Bench) -> Any:
        return await _exits(at, KALSHI, {60: "40"}, {60: "30.4"})

    assert bench(work).answer == [
        (KALSHI, Side.SELL, 40, Decimal("30.4")),
        (POLYMARKET, Side.BUY, 30, 30),
    ]


def test_a_second_leg_that_sells_is_the_hundredths_of_what_the_first_has_filled() -> None:
    """Polymarket's dollars bought millionths; Kalshi takes hundredths."""

    async def work(at: Bench) -> Any:
        return await _exits(at, POLYMARKET, {45: "40"}, {44: "500"})

    first, second = bench(work).answer

    assert first[:3] == (POLYMARKET, Side.BUY, 40)
    assert first[3] % Decimal("0.01"), "it filled a part of a hundredth"
    assert second == (KALSHI, Side.SELL, second[2], second[2])
    assert 0 < first[3] - second[2] < Decimal("0.01")


@pytest.mark.parametrize(("ask", "filled"), [(46, 100), (47, 100), (48, 0)])
def test_a_second_leg_may_lose_what_a_rescue_may(ask: int, filled: int) -> None:
    """NO sold for 55 cents was planned, and Polymarket's book moves on the order's way."""

    async def work(at: Bench) -> Any:
        at.execute(second="100")
        await at.rest(5)
        at.show(POLYMARKET, {43: "500"}, {45: "500"})
        at.moved(POLYMARKET, {43: "500"}, {ask: "500"})
        at.show(KALSHI, {60: "100"}, {62: "500"})
        await at.rest(0.5)
        exits = [each for each in at.orders() if each.purpose is Purpose.EXIT]
        return [(each.platform, each.price, each.filled) for each in exits[:2]]

    assert bench(work, "paper.latency_ms=100").answer == [
        (KALSHI, Decimal("0.60"), 100),
        (POLYMARKET, Decimal("0.53"), filled),
    ]


def test_a_cheap_second_leg_is_sent_on_a_thin_book_at_what_it_is_worth_there() -> None:
    """Twenty contracts at five cents are a dollar; two cents of slack would make 60 cents."""

    async def work(at: Bench) -> Any:
        at.execute(second="100")
        await at.rest(5)
        at.show(POLYMARKET, {93: "500"}, {95: "30"})
        at.show(KALSHI, {97: "20"}, {99: "500"})
        await at.rest(0.05)
        at.show(POLYMARKET, {93: "500"}, {95: "19"})
        await at.rest(0.5)
        exits = [each for each in at.orders() if each.purpose is Purpose.EXIT]
        return [
            (each.platform, each.side, each.size, each.price, each.filled) for each in exits
        ]

    assert bench(work, "paper.latency_ms=100").answer[:2] == [
        (KALSHI, Side.SELL, 20, Decimal("0.97"), 20),
        (POLYMARKET, Side.SELL, 20, Decimal("0.05"), 19),
    ]


def test_an_exit_whose_answer_is_lost_as_trading_ends_is_queried_before_the_stop() -> None:
    async def work(at: Bench) -> tuple[int, bool]:
        async def well_again() -> None:
            await at.rest(15)
            at.fault(KALSHI)

        at.execute(second="100")
        await at.rest(5)
        at.fault(KALSHI, Fault.LOST_ANSWER)
        at.show(KALSHI, {60: "500"}, {62: "500"})
        at.show(POLYMARKET, {43: "500"}, {45: "500"})
        await at.rest(0.15)
        tasks.append(asyncio.create_task(well_again()))
        return sum(order.purpose is Purpose.EXIT for order in at.orders()), at.held.unknown

    tasks: list[asyncio.Task[None]] = []

    run = bench(work, "paper.latency_ms=100")

    (order,) = (row for row in run.tables["orders"] if row["purpose"] == Purpose.EXIT)
    assert run.answer == (1, False), "it is under way, and nobody has missed its answer yet"
    assert run.events("execution.order.outcome_unknown")
    assert (order["platform"], order["fill_size"], order["working_size"]) == (KALSHI, 100, 0)
    assert order["outcome_unknown_since"] is None
    assert run.position["status"] == "EXIT_PARTIAL"


def test_by_default_a_locked_pair_is_held_whatever_its_marks_do() -> None:
    fallen = ((5, 500, 7, 500), (90, 500, 92, 500))

    run = play(*ONCE, tape=polls(*ENTERED, *[fallen] * 12), check=conserved)

    assert only(run.tables["open_positions"])["status"] == "OPEN"
    assert not told(run, "execution.exit.triggered")
    assert not run.engine.risk.capital.state.trading_halted


def test_the_classic_rule_stops_a_locked_pair_out_relative_to_its_first_mark() -> None:
    fallen = ((30, 500, 32, 500), (50, 500, 52, 500))

    run = play(*ONCE, "exits.pairs=cup:classic", "exits.time_hours=1",
               tape=polls(*ENTERED, *[FAIR] * 10, *[fallen] * 9), check=conserved)  # fmt: skip

    assert only(told(run, "execution.exit.triggered"))["rule"] == "stop_loss"
    assert only(told(run, "execution.exit.marked"))["hedged"]
    assert only(run.tables["open_positions"])["status"] == "CLOSED"


def test_a_wind_down_exits_what_it_can_exit_cheaply() -> None:
    cheap_way_out = ((49, 500, 51, 500), (46, 500, 48, 500))

    held = play(*ONCE, tape=polls(*ENTERED, *[cheap_way_out] * 12))
    run = play(*ONCE, "exits.leave=all", tape=polls(*ENTERED, *[cheap_way_out] * 12))

    assert only(held.tables["open_positions"])["status"] == "OPEN"
    assert only(run.tables["open_positions"])["status"] == "CLOSED"
    assert {each["rule"] for each in told(run, "execution.exit.triggered")} == {"wind_down"}


def test_an_exit_that_fills_one_leg_only_is_an_exposure_and_is_finished_later() -> None:
    """Polymarket's bids are gone when the second leg arrives, and come back much later."""
    gone = ((60, 400, 62, 500), (2, 500, 97, 500))

    run = play(*ONCE, tape=polls(*ENTERED, RICH, gone, *[gone] * 4, *[RICH] * 16),
               check=conserved)  # fmt: skip

    exposure = told(run, "execution.single_leg.exposure")[0]
    moves = [(each["before"], each["after"]) for each in told(run, "execution.position.moved")]
    rules = [each["rule"] for each in told(run, "execution.exit.triggered")]
    assert exposure["failed_leg"]["code"] == 2008
    assert moves[0] == ("OPEN", "EXIT_PARTIAL")
    assert rules == ["worth_more_now"]
    remedies = [each["step"] for each in told(run, "execution.single_leg.policy_tried")]
    assert remedies[-1] in ("retry_leg", "close_leg", "complement")
    assert len(told(run, "execution.single_leg.exposure")) == 1
    assert len(told(run, "execution.single_leg.resolved")) == 1
    assert only(run.tables["open_positions"])["status"] in ("CLOSED", "OPEN")
    same_on_both_sides(run)


def test_three_failed_exits_pause_a_position_and_ask_a_person() -> None:
    def refuse(paper: PaperRun) -> None:
        for gateway in paper.platforms.gateways.values():
            create = gateway._server.create

            async def refusing(order: Order, create: Any = create) -> Answer:
                return NEVER_LEFT if order.purpose is Purpose.EXIT else await create(order)

            gateway._server.create = refusing  # type: ignore[method-assign]

    run = play(*ONCE, tape=polls(*ENTERED, *[RICH] * 40), check=conserved, prepare=refuse)

    paused = only(told(run, "execution.exit.paused"))
    assert paused["tries"] == 3
    assert len(told(run, "execution.exit.triggered")) == 3
    assert only(run.tables["open_positions"])["status"] == "OPEN"


def test_no_leg_is_sent_while_the_other_platform_does_not_answer() -> None:
    run = play(*ONCE, "paper.outages=polymarket:15-60",
               tape=polls(*ENTERED, *[RICH] * 8), check=conserved)  # fmt: skip

    exits = [row for row in run.tables["orders"] if row["purpose"] == "exit"]
    assert only(run.tables["open_positions"])["status"] == "OPEN"
    assert not exits


# Merged ---------------------------------------------------------------------------------------


QUICK = (*ONCE, "paper.settle_ms=30000")
"""Polymarket's shares are not final yet when the position is exited."""
LEFT_AT_ONCE = polls(CHEAP, CHEAP, CHEAP, *[RICH] * 9)


def test_unsettled_shares_are_exited_by_their_complement_and_merged_once_settled() -> None:
    run = play(*QUICK, tape=LEFT_AT_ONCE, check=conserved)

    merge = only([r for r in run.tables["settlements"] if r["kind"] == "merge"])
    settled = max(r["sequence"] for r in run.tables["audit_log"] if "fill.settled" in r["name"])
    merged = [r for r in run.tables["audit_log"] if r["name"] == "execution.pairs.merged"]
    assert merge["status"] == "paid"
    assert merged[0]["sequence"] > settled
    assert only(run.tables["open_positions"])["status"] == "CLOSED"
    kinds = {row["kind"] for row in run.tables["ledger_entries"]}
    assert "redemption" in kinds
    same_on_both_sides(run)


@pytest.mark.parametrize("acts", [True, False])
def test_a_merge_without_an_answer_is_looked_up_and_never_done_twice(acts: bool) -> None:
    calls: list[list[str]] = []

    def lose_the_first(paper: PaperRun) -> None:
        engine = paper.engine
        server = paper.platforms.gateways[POLYMARKET]._server
        merge = server.merge

        async def losing(contract_id: str, size: Any, request_id: str) -> None:
            rows = await engine.journal.rows("settlements", None, ("requested_at",))
            calls.append([row["status"] for row in rows])
            if acts or len(calls) > 1:
                await merge(contract_id, size, request_id)
            if len(calls) == 1:
                raise OutcomeUnknown(POLYMARKET, "lost on purpose")

        server.merge = losing  # type: ignore[method-assign]

    run = play(*QUICK, tape=LEFT_AT_ONCE, check=conserved, prepare=lose_the_first)

    if acts:
        assert calls == [["pending"]]
        assert only(run.tables["settlements"])["status"] == "paid"
    else:
        # Its deadline proves that it no longer can happen: only then is a new one requested.
        assert calls == [["pending"], ["abandoned", "pending"]]
        first, second = sorted(run.tables["settlements"], key=lambda row: row["requested_at"])
        assert second["requested_at"] - first["requested_at"] > timedelta(minutes=10)
        assert second["status"] == "paid"
    same_on_both_sides(run)


# Settled --------------------------------------------------------------------------------------


@pytest.mark.parametrize("yes_pays", ["0", "1", "0.5", "0.26"])
def test_a_pair_that_resolves_alike_realises_what_it_locked(yes_pays: str) -> None:
    run = play(*ONCE, tape=polls(*ENTERED), check=conserved,
               prepare=resolving(yes_pays, yes_pays))  # fmt: skip

    position = only(run.tables["open_positions"])
    locked = only(told(run, "execution.position.opened"))["locked_profit"]
    assert position["status"] == "CLOSED"
    assert position["realised_pnl"] == Decimal(locked)
    assert run.summary["realised"]["total"] == locked
    assert run.summary["realised"]["divergence"] == "0"
    assert only(told(run, "execution.position.settled"))["reserve_used"] == "0"
    assert {"settlement", "redemption"} <= {r["kind"] for r in run.tables["ledger_entries"]}
    same_on_both_sides(run)


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "a_contract"),
    [("0", "1", "-1"), ("1", "0", "1"), ("0.5", "1", "-0.5"), ("0.26", "0", "0.26")],
)
def test_a_pair_that_resolves_differently_is_booked_separately_and_uses_the_reserve(
    kalshi: str, polymarket: str, a_contract: str
) -> None:
    run = play(*ONCE, tape=polls(*ENTERED), check=conserved,
               prepare=resolving(kalshi, polymarket))  # fmt: skip

    position = only(run.tables["open_positions"])
    opened = only(told(run, "execution.position.opened"))
    settled = only(told(run, "execution.position.settled"))
    apart = Decimal(opened["quantity"]) * Decimal(a_contract)
    reserve = position["divergence_reserve"]
    used = reserve if apart < 0 else Decimal(0)
    assert position["divergence_pnl"] == apart
    assert position["realised_pnl"] == Decimal(opened["locked_profit"]) + apart
    assert Decimal(settled["reserve_used"]) == used
    assert Decimal(settled["reserve_released"]) == reserve - used
    assert Decimal(run.summary["realised"]["divergence"]) == apart
    same_on_both_sides(run)


def test_a_contract_that_has_paid_still_counts_until_the_other_has() -> None:
    def kalshi_only(paper: PaperRun) -> None:
        paper.results[KALSHI, CUP[KALSHI]] = Ruling(Decimal(1))

    run = play(*ONCE, tape=polls(*ENTERED), check=conserved, prepare=kalshi_only)

    position = only(run.tables["open_positions"])
    assert position["status"] == "OPEN"
    assert position["kalshi_size"] == position["polymarket_size"] == position["kalshi_settled"]
    assert position["kalshi_payout"] == 1
    assert (
        run.summary["expected_profit"]
        == only(told(run, "execution.position.opened"))["locked_profit"]
    )
    same_on_both_sides(run)


@pytest.mark.parametrize("purpose", ["hedge", "exit"])
def test_a_payout_is_booked_although_an_order_on_the_other_platform_has_no_answer(
    purpose: str,
) -> None:
    """A person may need a day to look for it; missing cash of Kalshi would halt trading."""

    async def work(at: Bench) -> None:
        server: Any = at.paper.platforms.gateways[POLYMARKET]._server
        create = server.create

        async def losing(order: Order) -> Answer:
            return SILENCE if order.purpose == purpose else await create(order)

        server.create = losing
        at.execute(second="100")
        await at.rest(5)
        if purpose == "exit":
            at.show(KALSHI, {60: "50"}, {62: "500"})
            at.show(POLYMARKET, {43: "500"}, {45: "500"})
        await at.rest(200)
        exchange = at.paper.platforms.exchanges[KALSHI]
        exchange.resolve(CUP[KALSHI], Decimal(1), at.engine.clock.now())
        exchange.settle(CUP[KALSHI])
        await at.engine.exiting.settlement.poll(whole=True)
        await at.engine.reconciling.service.reconcile()

    run = bench(work)

    unanswered = [row for row in run.tables["orders"] if row["outcome_unknown_since"]]
    assert [(row["platform"], row["purpose"]) for row in unanswered] == [(POLYMARKET, purpose)]
    assert run.position["kalshi_payout"] == 1
    kinds = {row["kind"] for row in run.tables["discrepancies"]}
    assert kinds <= {"order_not_found"}
    assert not run.events("system.trading.halted")


def test_a_poll_that_is_cancelled_while_its_payout_is_committed_leaves_one_payout() -> None:
    """The booking goes on without its caller; the next poll decides on what it came to."""

    async def work(at: Bench) -> None:
        at.execute(second="100")
        await at.rest(200)
        exchange = at.paper.platforms.exchanges[KALSHI]
        exchange.resolve(CUP[KALSHI], Decimal(1), at.engine.clock.now())
        exchange.settle(CUP[KALSHI])
        commit, begun, done = at.journal.commit, asyncio.Event(), asyncio.Event()

        async def held_back(batch: Batch) -> Receipt:
            paid = any(write.table == "settlements" for write in batch.writes)
            if paid and not begun.is_set():
                begun.set()
                await done.wait()
            return await commit(batch)

        at.journal.commit = held_back  # type: ignore[method-assign]
        poll = at.engine.exiting.settlement.poll
        first = asyncio.ensure_future(poll(whole=True))
        await begun.wait()
        first.cancel()
        await asyncio.wait({first})
        second = asyncio.ensure_future(poll(whole=True))
        await at.rest(1)
        done.set()
        await second

    run = bench(work)

    exchange = run.left.paper.platforms.exchanges[KALSHI]
    balance = run.left.paper.engine.risk.capital.balance(KALSHI)
    (row,) = run.tables["settlements"]
    assert (row["platform"], row["status"], row["size"]) == (KALSHI, "paid", 100)
    assert len(run.events("execution.leg.settled")) == 1
    assert run.position["kalshi_payout"] == 1
    assert exchange.wallet.cash == balance.free + balance.reserved


@pytest.mark.parametrize("acts", [True, False])
def test_a_redemption_without_an_answer_is_booked_or_repeated_on_proof(acts: bool) -> None:
    calls: list[str] = []

    def lose_the_first(paper: PaperRun) -> None:
        engine = paper.engine
        resolving("0", "0")(paper)
        server = paper.platforms.gateways[POLYMARKET]._server
        redeem = server.redeem

        async def losing(contract_id: str) -> None:
            rows = await engine.journal.rows("settlements", {"platform": POLYMARKET})
            calls.append(only(rows)["status"])
            if acts or len(calls) > 1:
                await redeem(contract_id)
            if len(calls) == 1:
                raise OutcomeUnknown(POLYMARKET, "lost on purpose")

        server.redeem = losing  # type: ignore[method-assign]

    run = play(*ONCE, tape=polls(*ENTERED), check=conserved, prepare=lose_the_first)

    assert calls == ["pending"] * (1 if acts else 2)
    assert {row["status"] for row in run.tables["settlements"]} == {"paid"}
    assert only(run.tables["open_positions"])["status"] == "CLOSED"
    same_on_both_sides(run)


FAULTS = [
    ("paper.fault_partial=400000",),
    ("paper.fault_failed_fill=300000",),
    ("paper.fault_lost_answer=200000", "paper.fault_not_sent=200000"),
    ("paper.fault_rejected=300000", "paper.jitter_ms=2000"),
]


@pytest.mark.parametrize("rule", ["hold", "classic"])
@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: faults[0])
def test_whatever_goes_wrong_every_position_ends_in_cash_and_capital_is_conserved(
    faults: tuple[str, ...], rule: str
) -> None:
    def resolve(paper: PaperRun) -> None:
        for number, match in enumerate(paper.tape.meta.pairs):
            for platform in Platform:
                key = (platform, match.contract(platform).contract_id)
                paper.results[key] = Ruling(Decimal(number % 2))

    run = play(*faults, f"exits.rule={rule}", seed=4, minutes=20, check=conserved,
               prepare=resolve)  # fmt: skip

    statuses = {row["status"].value for row in run.tables["open_positions"]}
    assert statuses <= {"CLOSED", "RECONCILIATION_REQUIRED"}
    for platform, exchange in run.paper.platforms.exchanges.items():
        balance = run.engine.risk.capital.balance(platform)
        assert not any(exchange.wallet.contracts.values())
        assert exchange.wallet.cash == balance.free + balance.reserved
        assert not balance.committed


def test_a_run_ends_once_the_trades_of_what_it_sent_last_are_listed() -> None:
    """The last fill fails when all else has ended, and its remedy is sent while it drains."""
    run = play("paper.fault_failed_fill=300000", seed=27, minutes=4)

    listed: dict[str, Decimal] = defaultdict(Decimal)
    for fill in run.tables["fills"]:
        if fill["finality"] is not Finality.FAILED:
            listed[fill["order_id"]] += fill["size"]
    last = max(run.tables["orders"], key=lambda row: row["created_at"])
    assert last["purpose"] is not Purpose.ENTRY
    for order in run.tables["orders"]:
        assert order["fill_size"] == listed[order["order_id"]]


# After a restart ------------------------------------------------------------------------------


async def _life(
    journal: Journal,
    tape: Tape,
    run: int,
    *chosen: str,
    results: dict[Any, Ruling] | None = None,
) -> PaperRun:
    settings = load(None, (*ONCE, *chosen))
    clock = TapeClock(tape.meta.first)
    paper = build_paper(settings, tape, journal, clock, seed=7, run=run, results=results)
    await paper.trade(run)
    return paper


QUIET = polls(FAIR, FAIR)


@pytest.mark.parametrize(
    ("first", "chosen", "results"),
    [
        (polls(*ENTERED, *[RICH] * 6), (), {}),
        (LEFT_AT_ONCE, ("paper.settle_ms=30000",), {}),
        (polls(*ENTERED), HELD, {(KALSHI, CUP[KALSHI]): Ruling(Decimal(1))}),
        (polls(*ENTERED), HELD, {(POLYMARKET, CUP[POLYMARKET]): Ruling(Decimal("0.5"))}),
    ],
    ids=["left", "merged", "kalshi paid", "polymarket redeemed"],
)
def test_in_the_next_run_the_platforms_hold_what_is_left(
    first: Tape, chosen: tuple[str, ...], results: dict[Any, Ruling]
) -> None:
    async def main() -> tuple[list[Any], list[Any], list[str]]:
        journal = MemoryJournal()
        before = await _life(journal, first, 1, *chosen, results=results)
        after = await _life(journal, QUIET, 2, *HELD)
        wallets = [
            [
                (e.wallet.cash, {k: v for k, v in e.wallet.contracts.items() if v})
                for e in paper.platforms.exchanges.values()
            ]
            for paper in (before, after)
        ]
        return wallets[0], wallets[1], problems(await stored(journal))

    before, after, wrong = run_virtual(main())

    assert before == after
    assert wrong == []


@pytest.mark.parametrize(
    ("first", "chosen", "status"),
    [
        (polls(*ENTERED, *[RICH] * 6), (), "CLOSED"),
        (polls(*ENTERED), HELD, "OPEN"),
        (LEFT_AT_ONCE, ("paper.settle_ms=30000",), "CLOSED"),
    ],
    ids=["left", "open", "merged"],
)
def test_the_next_run_may_trade_other_pairs_whatever_earlier_pairs_left(
    first: Tape, chosen: tuple[str, ...], status: str
) -> None:
    """The contracts of a pair on no tape are unknown, so its position stays as it is."""

    async def main() -> tuple[Entry, Row, Row, list[str]]:
        journal = MemoryJournal()
        await _life(journal, first, 1, *chosen)
        before = only(await journal.rows("open_positions"))
        await _life(journal, generated_tape(7, minutes=1), 2, *HELD)
        after = await journal.rows("open_positions", {"position_id": before["position_id"]})
        compared = await logged(journal, ReconciliationComplete)
        return compared[-1], before, only(after), problems(await stored(journal))

    compared, before, after, wrong = run_virtual(main())

    assert before == after
    assert before["status"] == status
    assert compared.facts["discrepancies"] == 0
    assert wrong == []


def test_a_pair_that_resolved_on_one_platform_is_settled_on_the_other_in_the_next_run() -> None:
    async def main() -> list[Row]:
        journal = MemoryJournal()
        one = {(KALSHI, CUP[KALSHI]): Ruling(Decimal(0))}
        two = {(POLYMARKET, CUP[POLYMARKET]): Ruling(Decimal(0))}
        await _life(journal, polls(*ENTERED), 1, *HELD, results=one)
        await _life(journal, QUIET, 2, *HELD, results=two)
        return await journal.rows("open_positions")

    position = only(run_virtual(main()))

    assert position["status"] == "CLOSED"
    assert position["divergence_pnl"] == 0
    assert position["realised_pnl"] > 0
    assert position["polymarket_side"] is Outcome.NO


AGAIN = ("execution.cool_down_seconds=20", "risk.position_share=0.005")


def _both(yes_pays: int, at: datetime | None) -> dict[Any, Ruling]:
    """Return results of both contracts of the cup."""
    return {each: Ruling(Decimal(yes_pays), at) for each in CUP.items()}


def test_results_apply_when_they_are_due_and_nothing_is_bought_after_them() -> None:
    """The tape goes on with an edge as good as before."""
    due = NOW + timedelta(seconds=30)

    async def main() -> tuple[list[Row], Row, list[Row]]:
        journal = MemoryJournal()
        tape = polls(*[CHEAP] * 60)
        await _life(journal, tape, 1, *HELD, *AGAIN, results=_both(0, due))
        refused = await journal.rows("opportunities", {"reason": "resolved"})
        return await journal.rows("fills"), (await journal.rows("open_positions"))[0], refused

    fills, position, refused = run_virtual(main())

    assert fills
    assert all(fill["matched_at"] < due for fill in fills)
    assert position["status"] == "CLOSED"
    assert position["closed_at"] < NOW + timedelta(seconds=240), "paid while the tape runs"
    assert refused


def test_a_contract_that_our_record_shows_as_paid_is_never_entered_again() -> None:
    async def main() -> tuple[int, int, list[Row]]:
        journal = MemoryJournal()
        await _life(journal, polls(*ENTERED), 1, *HELD, results=_both(1, None))
        before = len(await journal.rows("orders"))
        await _life(journal, polls(*ENTERED), 2, *HELD, *AGAIN)
        refused = await journal.rows("opportunities", {"reason": "resolved"})
        return before, len(await journal.rows("orders")), refused

    before, after, refused = run_virtual(main())

    assert before == after > 0
    assert refused


def test_a_result_that_is_due_before_the_tape_begins_lets_nothing_be_bought() -> None:
    early = NOW - timedelta(hours=1)

    async def main() -> list[Row]:
        journal = MemoryJournal()
        await _life(journal, polls(*ENTERED), 1, *HELD, results=_both(0, early))
        return await journal.rows("orders")

    assert run_virtual(main()) == []
