from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from support.faults import FAULTS
from support.memory_journal import MemoryJournal
from support.replay import encoded
from support.runs import HELD, Finished, conserved, play

from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event, PositionOpened, as_json
from dutchbook.domain.execution import decide as rules
from dutchbook.domain.execution.decide import Execution, SubmitLeg, decide
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Leg, Outcome, Platform
from dutchbook.domain.values.units import MICRO, Quantity
from dutchbook.errors import Conflict, InvariantBroken
from dutchbook.persistence.log.chain import GENESIS, link_stored
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.market_data import BookUpdate
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape, TapeMessage


@pytest.fixture(scope="module")
def finished() -> Finished:
    return play(minutes=20)


def test_a_run_trades_and_ends_with_its_books_in_order(finished: Finished) -> None:
    summary = finished.summary

    assert summary["positions"]["total"] >= 3
    assert summary["executions"]["total"] == summary["events"]["risk.budget.reserved"]
    assert Decimal(summary["result"]["total"]) > 0
    assert all(Decimal(each["reserved"]) == 0 for each in summary["capital"].values())
    conserved(finished.tables)


def test_two_runs_of_one_seed_are_the_same_to_the_last_byte(finished: Finished) -> None:
    again = play(minutes=20)

    assert again.summary == finished.summary
    assert again.tables["audit_log"] == finished.tables["audit_log"]


def test_another_seed_is_another_run(finished: Finished) -> None:
    assert (
        play(minutes=20, seed=8).summary["event_log_sha256"]
        != (finished.summary["event_log_sha256"])
    )


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: ",".join(faults) or "none")
@pytest.mark.parametrize("seed", [4, 7])
def test_capital_is_conserved_after_every_commit_whatever_goes_wrong(
    faults: tuple[str, ...], seed: int
) -> None:
    run = play(*faults, seed=seed, minutes=20, check=conserved)

    conserved(run.tables)
    _agrees_with_platforms(run)
    _states_agree_with_fills(run)


def _agrees_with_platforms(run: Finished) -> None:
    """Check that our books and the platforms agree, to 10⁻⁶."""
    spent = defaultdict[Platform, Decimal](Decimal)
    held = defaultdict[tuple[Platform, str, Outcome], Decimal](Decimal)
    open_ended = {r["execution_id"] for r in run.tables["executions"] if r["ended_at"] is None}
    orders = {row["order_id"]: row for row in run.tables["orders"]}
    for fill in run.tables["fills"]:
        if fill["finality"] != "failed":
            order = orders[fill["order_id"]]
            sign = 1 if fill["side"] == "buy" else -1
            held[fill["platform"], order["contract_id"], fill["outcome"]] += sign * fill["size"]
            if fill["execution_id"] in open_ended:
                cost = (fill["price"] * fill["size"]).quantize(MICRO, "ROUND_CEILING")
                spent[fill["platform"]] += cost + fill["fee"]
    for row in run.tables["settlements"]:
        if row["kind"] == "merge" and row["status"] == "paid":
            for outcome in Outcome:
                held[row["platform"], row["contract_id"], outcome] -= row["size"]
    for account in run.tables["accounts"]:
        wallet = run.paper.platforms.exchanges[account["platform"]].wallet
        cash = account["free"] + account["reserved"] - spent[account["platform"]]
        if not open_ended:
            assert wallet.cash == cash
            theirs = {
                (account["platform"], *key): size for key, size in wallet.contracts.items()
            }
            ours = {key: size for key, size in held.items() if key[0] is account["platform"]}
            assert {k: v for k, v in theirs.items() if v} == _netted(ours)


def _netted(held: dict[Any, Decimal]) -> dict[Any, Decimal]:
    """Kalshi turns a YES and a NO of one contract into a dollar at once."""
    left = {}
    for (platform, contract, outcome), size in held.items():
        other = held.get((platform, contract, outcome.opposite), Decimal(0))
        nets = min(size, other) if platform is Platform.KALSHI else Decimal(0)
        left[platform, contract, outcome] = size - nets
    return {key: size for key, size in left.items() if size}


def _states_agree_with_fills(run: Finished) -> None:
    """I-4 and I-9: orders are the sums of their fills, positions the sums of their orders."""
    fills = defaultdict[str, Decimal](Decimal)
    for fill in run.tables["fills"]:
        if fill["finality"] != "failed":
            fills[fill["order_id"]] += fill["size"]
    for order in run.tables["orders"]:
        assert order["fill_size"] == fills[order["order_id"]]
    for position in run.tables["open_positions"]:
        legs = [position[f"{platform}_size"] for platform in Platform]
        imbalanced = abs(legs[0] - legs[1]) >= Decimal("0.01")
        expected = {"OPEN": False, "SINGLE_LEG_EXPOSED": True}
        if position["status"] in expected and not _waits(run, position):
            assert imbalanced is expected[position["status"]], position


def _waits(run: Finished, position: dict[str, Any]) -> bool:
    executions = {row["execution_id"]: row for row in run.tables["executions"]}
    return str(executions[position["execution_id"]]["phase"]) == "waiting"


def test_a_ledger_that_is_broken_on_purpose_is_caught() -> None:
    seen = []

    def tampering(tables: dict[str, list[dict[str, Any]]]) -> None:
        if len(tables["ledger_entries"]) > 8:
            tables["ledger_entries"][-1]["amount"] += MICRO
            seen.append(True)
        conserved(tables)

    with pytest.raises((InvariantBroken, ExceptionGroup)) as caught:
        play(check=tampering, minutes=10)

    assert seen
    assert "I-11" in repr(caught.value)


@pytest.fixture(scope="module")
def held() -> Finished:
    """The same run without early exits: positions are what their entries bought."""
    return play(*HELD, minutes=20)


def test_every_open_position_is_hedged_and_costs_less_than_it_pays(held: Finished) -> None:
    for row in held.tables["open_positions"]:
        if row["status"] == "OPEN" and not row["completed_at_loss"]:
            paid = sum(row[f"{p}_{part}"] for p in Platform for part in ("cost", "fees"))
            assert paid < min(row["kalshi_size"], row["polymarket_size"])


def test_the_locked_profit_can_be_recomputed_from_the_fills_alone(held: Finished) -> None:
    groups = defaultdict[str, list[dict[str, Any]]](list)
    for fill in held.tables["fills"]:
        groups[fill["execution_id"]].append(fill)
    total = Decimal(0)
    for fills in groups.values():
        sizes = [sum(f["size"] for f in fills if f["platform"] is p) for p in Platform]
        if abs(sizes[0] - sizes[1]) < Decimal("0.01"):
            cost = sum((f["price"] * f["size"]).quantize(MICRO, "ROUND_CEILING") for f in fills)
            total += min(sizes) - cost - sum(f["fee"] for f in fills)

    assert as_json(total) == held.summary["result"]["locked"]


def test_no_fill_is_larger_or_better_than_the_book_offered_and_nothing_is_taken_twice(
    finished: Finished,
) -> None:
    offered = _offers(finished)
    orders = {row["order_id"]: row for row in finished.tables["orders"]}
    taken = defaultdict[tuple[Any, ...], Decimal](Decimal)
    for fill in sorted(finished.tables["fills"], key=lambda row: row["matched_at"]):
        order = orders[fill["order_id"]]
        buys = fill["side"] == "buy"
        met = fill["outcome"] if buys else fill["outcome"].opposite
        level, size = offered(order["contract_id"], met, fill)
        taken[level] += fill["size"]
        assert taken[level] <= size, fill


def _offers(finished: Finished) -> Any:
    """Return a function that finds the level that a fill was taken from, and its size."""
    tape = finished.paper.tape
    assert isinstance(tape, MemoryTape)
    rows = tape.rows

    def find(contract_id: str, outcome: Outcome, fill: dict[str, Any]) -> tuple[Any, Decimal]:
        price = fill["price"] if fill["outcome"] is Outcome.YES else 1 - fill["price"]
        since, size = None, 0
        for row in rows:
            if row.at > fill["matched_at"]:
                break
            if row.update.contract_id == contract_id:
                now = dict(_side(row, outcome)).get(int(price * 10_000), 0)
                if now != size:
                    since, size = row.at, now
        return (contract_id, outcome, price, since), Decimal(size) / 1_000_000

    return find


def _side(row: TapeMessage, outcome: Outcome) -> tuple[tuple[int, int], ...]:
    return row.update.asks if outcome is Outcome.YES else row.update.bids


def test_the_audit_chain_links_every_event_to_the_one_before(finished: Finished) -> None:
    previous = GENESIS
    for number, row in enumerate(finished.tables["audit_log"], start=1):
        assert (row["sequence"], row["previous_hash"]) == (number, previous)
        assert row["hash"] == link_stored(encoded("audit_log", row), previous)
        previous = row["hash"]
    assert previous == finished.summary["event_log_sha256"]


def test_an_order_is_durable_before_it_is_sent() -> None:
    """I-2, from outside: when the platform receives an order, the journal has it already."""
    unknown_to_us = []

    def listen(paper: PaperRun) -> None:
        for exchange in paper.platforms.exchanges.values():
            submit = exchange.submit

            def heard(order: Order, now: datetime, submit: Any = submit) -> Any:
                journal = paper.engine.journal
                assert isinstance(journal, MemoryJournal)
                if (order.order_id,) not in journal._tables["orders"]:
                    unknown_to_us.append(order)
                return submit(order, now)

            exchange.submit = heard  # type: ignore[method-assign]

    run = play(minutes=10, prepare=listen)

    assert run.summary["orders"]["total"] > 0
    assert unknown_to_us == []


def test_an_inverted_outcome_is_rejected_as_suspicious_and_not_traded() -> None:
    tape = generated_tape(7, minutes=10)
    flipped = [
        replace(row, update=_inverted(row.update))
        if row.update.platform is Platform.POLYMARKET
        else row
        for row in tape.rows
    ]

    run = play(tape=MemoryTape(tape.meta, flipped))

    assert run.summary["filtered"]["suspicious_edge"] > 0
    assert run.summary["fills"]["total"] == 0


def _inverted(update: BookUpdate) -> BookUpdate:
    return replace(
        update,
        bids=tuple((10_000 - price, size) for price, size in update.asks),
        asks=tuple((10_000 - price, size) for price, size in update.bids),
    )


def test_an_unanswered_query_leaves_the_order_pending_and_the_money_reserved() -> None:
    run = play(
        "paper.latency_ms=20000",
        "execution.answer_seconds=1",
        "execution.queries=1",
        minutes=10,
    )

    pending = [row for row in run.tables["orders"] if row["status"] == "PENDING"]
    assert pending
    assert all(row["outcome_unknown_since"] is not None for row in pending)
    reserved = sum(row["reserved"] for row in run.tables["accounts"])
    assert reserved > 0
    ids = [row["client_order_id"] for row in run.tables["orders"]]
    assert len(ids) == len(set(ids))
    conserved(run.tables)


def test_after_a_halt_no_entry_is_placed_until_it_is_cleared() -> None:
    def halt_at_the_first_position(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            if (
                isinstance(event, PositionOpened)
                and not engine.risk.capital.state.trading_halted
            ):
                halting.append(
                    asyncio.ensure_future(
                        engine.risk.halts.halt_trading(HaltReason.OPERATOR, f"after {sequence}")
                    )
                )

        engine.committer.subscribe(on_event)

    halting: list[asyncio.Future[None]] = []
    run = play(minutes=20, prepare=halt_at_the_first_position)

    names = [row["name"] for row in run.tables["audit_log"]]
    halted = run.tables["audit_log"][names.index("system.trading.halted")]["occurred_at"]
    after = [row for row in run.tables["orders"] if row["created_at"] > halted]
    assert {row["purpose"] for row in after} <= {"exit"}
    assert run.summary["filtered"]["trading_halted"] > 0
    assert run.summary["positions"]["total"] == 1


def test_orders_that_the_gate_rejects_are_not_sent_and_are_recorded() -> None:
    run = play(
        "risk.orders_per_minute=1",
        "execution.cool_down_seconds=0",
        minutes=10,
        check=conserved,
    )

    refused = [
        json.loads(row["payload"])
        for row in run.tables["audit_log"]
        if row["name"] == "execution.order.failed" and "order_rate" in row["payload"]
    ]
    orders = {row["order_id"]: row for row in run.tables["orders"]}
    assert refused
    assert {each["code"] for each in refused} == {3008}
    ended = [orders[each["order_id"]] for each in refused]
    assert {(row["status"], row["platform_order_id"]) for row in ended} == {("CANCELLED", None)}
    _agrees_with_platforms(run)


def test_a_planner_that_hedges_twice_is_stopped_by_the_gate_and_halts_trading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The egress check counts by itself: an execution sends no child order beyond its plan."""

    def broken(execution: Execution, event: Any) -> Any:
        after, intents = decide(execution, event)
        doubled = tuple(
            replace(each, quantity=Quantity(each.quantity * 2))
            if isinstance(each, SubmitLeg) and each.leg is Leg.SECONDARY
            else each
            for each in intents
        )
        return after, doubled

    monkeypatch.setattr(rules, "decide", broken)
    run = play("execution.auto_policy=off", *HELD, minutes=10)

    state = run.tables["risk_states"][0]
    sent = [row for row in run.tables["orders"] if row["purpose"] == "hedge"]
    assert state["halt_reason"] == ["invariant_broken"]
    assert not any(row["reported"] for row in sent)
    assert run.summary["positions"]["SINGLE_LEG_EXPOSED"] == run.summary["positions"]["total"]
    assert run.summary["positions"]["total"] > 0


def test_a_hedge_is_limited_to_what_the_collar_allows() -> None:
    """Its bound is what the first leg leaves of the payout: far beyond the best price."""
    tape = generated_tape(7, minutes=20)
    pairs = tuple(replace(each, primary_leg=Platform.POLYMARKET) for each in tape.meta.pairs)
    meta = replace(tape.meta, pairs=pairs)

    chosen = ("risk.price_collar=0.01", "execution.auto_policy=off")
    run = play(*chosen, *HELD, tape=MemoryTape(meta, list(tape.rows)))

    reasons = {
        row["payload"] for row in run.tables["audit_log"] if "price_collar" in row["payload"]
    }
    orders = run.tables["orders"]
    hedges = [o for o in orders if o["purpose"] == "hedge" and o["leg"] == "secondary"]
    assert {row["platform"] for row in hedges} == {Platform.KALSHI}
    assert reasons == set()


def test_trading_resumes_when_the_last_reason_is_cleared() -> None:
    async def main() -> tuple[bool, bool]:
        journal = MemoryJournal()
        tape = generated_tape(7, minutes=1)
        clock = TapeClock(tape.meta.first)
        engine = build_paper(load(), tape, journal, clock, seed=7).engine
        await engine.risk.capital.load()
        await engine.risk.halts.halt_trading(HaltReason.OPERATOR, "by hand")
        await engine.risk.halts.halt_trading(HaltReason.TIME_DRIFT, "1,200 ms")
        first = await engine.risk.halts.resume_trading(HaltReason.OPERATOR, "looked at it")
        return first, await engine.risk.halts.resume_trading(HaltReason.TIME_DRIFT, "clock set")

    assert run_virtual(main()) == (False, True)


def test_the_journal_rejects_a_batch_as_a_whole() -> None:
    async def main() -> list[dict[str, Any]]:
        journal = MemoryJournal()
        metadata = Insert("system_metadata", {"key": "mode", "value": "paper"})
        absent = Update("accounts", {"account_id": "nobody"}, add={"free": Decimal(1)})
        with pytest.raises(Conflict):
            await journal.commit(Batch((metadata, absent)))
        return await journal.rows("system_metadata")

    assert run_virtual(main()) == []


def test_an_acknowledgement_is_hedged_before_its_trades_can_be_read() -> None:
    """I-32: between a first leg's acknowledgement and its hedge, nothing is read."""
    seen: list[tuple[str, str]] = []

    def watch(paper: PaperRun) -> None:
        for gateway in paper.platforms.gateways.values():
            server = gateway._server
            create, find = server.create, server.order

            async def sent(order: Order, create: Any = create) -> Any:
                seen.append((order.execution_id, str(order.purpose)))
                answer = await create(order)
                seen.append((order.execution_id, "answered"))
                return answer

            async def read(order: Order, find: Any = find) -> Any:
                seen.append((order.execution_id, "read"))
                return await find(order)

            server.create, server.order = sent, read  # type: ignore[method-assign]

    run = play(*HELD, minutes=20, prepare=watch)

    hedged = 0
    for row in run.tables["executions"]:
        steps = [what for execution, what in seen if execution == row["execution_id"]]
        if "hedge" in steps:
            hedged += 1
            assert steps[:3] == ["entry", "answered", "hedge"], steps
    assert hedged >= 3
    names = [entry["name"] for entry in run.tables["audit_log"]]
    assert names.index("execution.fill.listed") > names.index("execution.order.filled")


def test_books_of_two_moments_are_counted_each_time_and_told_once_a_minute() -> None:
    """Between the two messages of each poll both books are of two moments."""
    run = play(*HELD, minutes=20)

    told = [
        row["occurred_at"]
        for row in run.tables["audit_log"]
        if row["name"] == "detection.opportunity.filtered" and "books_apart" in row["payload"]
    ]
    assert run.summary["filtered"]["books_apart"] > 2 * len(told) > 0
    assert len(told) <= 21 * len(run.paper.tape.meta.pairs)
