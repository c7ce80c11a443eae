from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
from support.runs import AS_THEY_COME, conserved, play

from dutchbook.application.records.runs import count_run
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.persistence.database import Database
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile

TABLES = ("ledger_entries", "accounts", "executions", "reservations", "orders", "risk_states")
FAULTS = ("paper.fault_lost_answer=200000", "paper.fault_failed_fill=300000")


def trade(
    url: str, *settings: str, seed: int = 7, minutes: int = 20
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Run on a database as `dutchbook run --speed max` does; return the summary and rows."""
    database = Database.at(url)
    database.prepare("paper")

    async def main() -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            tape = generated_tape(seed, minutes=minutes)
            clock = TapeClock(tape.meta.first)
            number = await count_run(journal)
            paper = build_paper(
                load(None, (AS_THEY_COME, *settings)),
                tape,
                journal,
                clock,
                seed=seed,
                run=number,
            )
            summary = await paper.trade(number)
            return summary, {name: await journal.rows(name) for name in TABLES}
        finally:
            await journal.close()

    return run_virtual(main())


@cache
def in_memory(*settings: str, seed: int = 7, minutes: int = 20) -> dict[str, Any]:
    """Return the summary of the same run in memory."""
    return play(*settings, seed=seed, minutes=minutes).summary


def test_a_database_gives_the_same_summary_as_memory_to_the_last_byte(
    database_url: str,
) -> None:
    summary, _ = trade(database_url)

    assert summary == in_memory()


@pytest.mark.parametrize("seed", [3, 8])
def test_a_database_agrees_with_memory_when_things_go_wrong(
    database_url: str, seed: int
) -> None:
    """Several tasks commit in one instant here, and must go on in the same order everywhere."""
    summary, tables = trade(database_url, *FAULTS, seed=seed, minutes=60)

    assert summary == in_memory(*FAULTS, seed=seed, minutes=60)
    conserved(_typed(tables))


def test_a_database_agrees_with_memory_when_platforms_are_away(database_url: str) -> None:
    away = ("paper.outages=kalshi:300-700", "paper.silences=polymarket:900-1200", *FAULTS)
    # Events at the very instant of a comparison may come before it or after it.
    chosen = (*away, "reconciliation.every_seconds=307", "reconciliation.grace_seconds=61")

    summary, _ = trade(database_url, *chosen, minutes=25)

    assert summary == in_memory(*chosen, minutes=25)
    assert summary["events"]["degradation.protocol.activated"] == 2
    assert summary["events"]["platform.health.recovered"] == 2


def _typed(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Convert the platforms of orders to text, as databases return them."""
    for row in tables["orders"]:
        row["platform"] = str(row["platform"])
    return tables


def test_a_second_run_continues_after_the_first_and_never_reuses_an_id(
    database_url: str,
) -> None:
    first, _ = trade(database_url)

    second, tables = trade(database_url)

    assert second["positions"]["total"] >= first["positions"]["total"]
    assert second["capital"]["kalshi"]["deposited"] == first["capital"]["kalshi"]["deposited"]
    assert second["events"]["system.started"] == 2
    ids = [row["order_id"] for row in tables["orders"]]
    assert len(ids) == len(set(ids))
    conserved(_typed(tables))


def test_the_outbox_is_empty_once_everything_was_delivered(database_url: str) -> None:
    trade(database_url)

    async def waiting() -> list[dict[str, Any]]:
        journal = Database.at(database_url).journal(turnstile())
        await journal.open()
        try:
            return await journal.rows("outbox")
        finally:
            await journal.close()

    assert asyncio.run(waiting()) == []
