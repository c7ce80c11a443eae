"""Checks the page that maps the requirement's names to symbols and tests."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.runs import play

from dutchbook.application.records.rows import SINGLETON, match_row
from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.detection.quote import Opportunity, Reason
from dutchbook.domain.events import Event, catalogue
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import Tape

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "seed.md").read_text(encoding="utf-8")
SYMBOLS = sorted(set(re.findall(r"`(dutchbook\.[\w.]+)`", PAGE)))
TESTS = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))


def _find(symbol: str) -> Any:
    """Import the longest module of a dotted name and resolve the rest as attributes."""
    pieces = symbol.split(".")
    for cut in range(len(pieces), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(pieces[:cut]))
        except ModuleNotFoundError:
            continue
        for piece in pieces[cut:]:
            found = getattr(found, piece)
        return found
    raise AssertionError(symbol)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_symbol_of_the_page_exists(symbol: str) -> None:
    assert _find(symbol) is not None


def _defined() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_of_the_page_exists() -> None:
    assert TESTS
    assert set(TESTS) - _defined() == set()


def test_the_invariants_page_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")

    named = set(re.findall(r"`(test_\w+)`", page))

    assert named
    assert named - _defined() == set()


def test_the_thirty_event_names_are_in_the_catalogue() -> None:
    thirty = {
        "platform.health.updated", "platform.health.degraded", "platform.health.recovered",
        "platform.health.disconnected", "orderbook.updated", "time.drift.warning",
        "time.drift.critical", "time.drift.halt", "system.trading.halted",
        "system.trading.resumed", "degradation.protocol.activated",
        "degradation.protocol.deactivated", "detection.opportunity.identified",
        "detection.opportunity.filtered", "execution.order.filled", "execution.order.failed",
        "execution.single_leg.exposure", "execution.single_leg.resolved",
        "execution.single_leg.exposure_reminder", "execution.exit.triggered",
        "risk.limit.approached", "risk.limit.breached", "risk.override.applied",
        "risk.override.denied", "risk.budget.reserved", "risk.budget.committed",
        "risk.budget.released", "system.health.critical", "system.reconciliation.complete",
        "system.reconciliation.discrepancy",
    }  # fmt: skip

    assert len(thirty) == 30
    assert thirty <= catalogue().keys()


def test_every_event_of_this_stage_is_emitted() -> None:
    heard: set[str] = set()

    def listen(paper: PaperRun) -> None:
        engine = paper.engine

        def on_event(event: Event, sequence: int) -> None:
            assert sequence or not event.durable
            heard.add(type(event).__name__)

        engine.committer.subscribe(on_event, books=True)

    faults = ("paper.fault_rejected=300000", "paper.fault_partial=300000")
    for seed, most in ((4, 5), (7, 2)):
        play(*faults, f"risk.max_open_pairs={most}", seed=seed, minutes=20, prepare=listen)
    play("risk.platform_share=0.035", seed=7, minutes=20, prepare=listen)
    losing = ("risk.daily_loss_share=0.0002", "execution.auto_policy=unwind")
    play("paper.fault_rejected=400000", *losing, seed=7, minutes=20, prepare=listen)
    play("paper.fault_not_sent=500000", seed=7, minutes=20, prepare=listen)
    play("paper.fault_failed_fill=300000", seed=7, minutes=20, prepare=listen)
    outages = "paper.outages=kalshi:100-400,polymarket:100-400"
    play("paper.silences=kalshi:100-200", seed=7, minutes=5, prepare=listen)
    play(outages, "paper.clock_offset_ms=-120", seed=7, minutes=10, prepare=listen)
    play("paper.clock_offset_ms=520", seed=7, minutes=1, prepare=listen)
    play("paper.clock_offset_ms=1000", seed=7, minutes=1, prepare=listen)
    run_virtual(_halt_and_resume(listen))

    wanted = {
        symbol.rsplit(".", 1)[1]
        for symbol in SYMBOLS
        if symbol.startswith("dutchbook.domain.events")
    }
    assert wanted
    assert wanted - heard == set()


async def _halt_and_resume(listen: Any) -> None:
    tape = generated_tape(7, minutes=1)
    paper = build_paper(load(), tape, MemoryJournal(), TapeClock(tape.meta.first), seed=7)
    listen(paper)
    engine = paper.engine
    await engine.risk.capital.load()
    await engine.risk.cash.deposit(Platform.KALSHI, Money(Decimal(10_000)))
    await engine.risk.halts.halt_trading(HaltReason.OPERATOR, "by hand")
    await engine.risk.halts.resume_trading(HaltReason.OPERATOR, "looked at it")
    pair = replace(tape.meta.pairs[0], match_id="demo-pair-00")
    row = match_row(pair, at=tape.meta.first, rationale=None)
    await engine.journal.commit(Batch((Insert("contract_matches", row),)))
    for amount in (1, 1_000_000):
        await engine.risk.overrides.process_override(
            "demo-pair-00", Money(Decimal(amount)), "worth a larger size"
        )


def _offer() -> tuple[Tape, Opportunity]:
    """Return the first opportunity of a run, and its tape."""
    offered: list[tuple[Tape, Opportunity]] = []

    def collect(paper: PaperRun) -> None:
        def keep(opportunity: Opportunity) -> None:
            offered.append((paper.tape, opportunity))

        paper.engine.queue.offer = keep  # type: ignore[method-assign]

    play(minutes=5, prepare=collect)
    assert offered
    return offered[0]


async def _engine_at(tape: Tape, opportunity: Opportunity) -> Engine:
    """Return a new engine that sees the books at which an opportunity was found."""
    clock = TapeClock(opportunity.detected_at)
    paper = build_paper(load(), tape, MemoryJournal(), clock, seed=1)
    fresh, exchanges = paper.engine, paper.platforms.exchanges
    await fresh.lifecycle.start(
        tape.meta.contracts,
        tape.meta.pairs,
        {platform: each.wallet.cash for platform, each in exchanges.items()},
        mode="paper",
        run=1,
        version="x",
    )
    for message in tape.messages():
        if message.at <= opportunity.detected_at:
            update = message.update
            exchanges[update.platform].update(
                update.contract_id, update.bids, update.asks, whole=True, now=message.at
            )
            book = fresh.watchlist.books[update.platform, update.contract_id]
            book.replace(update.bids, update.asks)
            book.touch(clock.now(), 1)
    paper.platforms.lag.release()
    paper.platforms.lag._steps = 0
    return fresh


def test_given_opportunities_are_executed_best_first() -> None:
    """The requirement's own entry point: everything it is given is done when it returns."""
    tape, opportunity = _offer()

    async def main() -> list[dict[str, Any]]:
        fresh = await _engine_at(tape, opportunity)
        await fresh.queue.process_opportunities([opportunity])
        return await fresh.journal.rows("open_positions")

    rows = run_virtual(main())
    assert [row["status"] for row in rows] == ["OPEN"]


def test_an_execution_that_has_waited_is_checked_again_before_it_begins() -> None:
    """By then its pair may have a discrepancy (I-23), or a platform may be unhealthy."""
    tape, opportunity = _offer()

    async def main() -> tuple[list[dict[str, Any]], dict[str, int]]:
        fresh = await _engine_at(tape, opportunity)
        fresh.queue._slots = asyncio.Semaphore(0)
        waits = asyncio.ensure_future(fresh.queue.process_opportunities([opportunity]))
        await asyncio.sleep(1)
        assert not waits.done()
        disputes, mine = fresh.trading.disputes, opportunity.match.match_id
        disputes.on = lambda pair_id: pair_id == mine  # type: ignore[method-assign]
        fresh.queue._slots.release()
        await waits
        return await fresh.journal.rows("executions"), dict(fresh.queue.refused)

    assert run_virtual(main()) == ([], {Reason.DISCREPANCY_OPEN.value: 1})


@pytest.mark.parametrize("by", ["the limits", "the database"])
def test_a_pair_whose_reservation_was_refused_cools_down(by: str) -> None:
    """What refused it is there a moment later too; else each book would try the pair again."""
    tape, opportunity = _offer()
    match, outcome = opportunity.match, opportunity.kalshi.outcome

    async def main() -> list[Any]:
        fresh = await _engine_at(tape, opportunity)
        if by == "the limits":
            free = fresh.risk.capital.free(Platform.KALSHI)
            await fresh.risk.cash.withdraw(Platform.KALSHI, free)
        else:
            put = {"trading_halted": True}
            await fresh.journal.commit(Batch((Update("risk_states", SINGLETON, put=put),)))
        seen: list[Any] = []
        for pause in (0, 29, 2):
            await fresh.clock.sleep(pause)
            seen.append(fresh.queue.refusal(match, outcome))
            if not pause:
                await fresh.queue.process_opportunities([opportunity])
                await fresh.queue.process_opportunities([opportunity])
        return [*seen, dict(fresh.queue.refused)]

    reason = {"the limits": "insufficient_capital", "the database": "rejected_by_database"}[by]
    cooling = Reason.COOLING_DOWN
    assert run_virtual(main()) == [None, cooling, None, {reason: 1, cooling.value: 1}]
