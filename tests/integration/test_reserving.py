"""No number of workers can spend the same dollar twice."""

from __future__ import annotations

import asyncio
import multiprocessing
from decimal import Decimal
from typing import Any

from support.reserving import Reserving

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import BudgetRequest
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.errors import ReservationFailed
from dutchbook.persistence.database import Database
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.virtual_time import turnstile

WORKERS, EACH = 2, 50
AFFORDABLE = 7
PRICE = Money(Decimal("10.000001"))
FREE = Money(PRICE * AFFORDABLE + Decimal("9.999999"))
ALL = Decimal(1)
LIMITS = RiskLimits(
    max_open_pairs=1_000, position_share=ALL, platform_share=ALL, pair_share=ALL
)


async def _manager(url: str) -> tuple[Any, Reserving]:
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    clock, ids = SystemClock(), RandomIds()
    committer = Committer(journal, clock, ids)
    risk = RiskManager(journal, committer, clock, ids, LIMITS, ACCOUNTS)
    await risk.capital.load()
    return journal, Reserving(risk, committer, clock, ids)


async def _fund(url: str) -> None:
    journal, reserving = await _manager(url)
    for platform in Platform:
        await reserving.risk.cash.deposit(platform, FREE)
    await journal.close()


async def _reserve(url: str, name: str) -> int:
    journal, reserving = await _manager(url)

    async def one(number: int) -> bool:
        request = BudgetRequest(f"{name}-{number}", "pair", dict.fromkeys(Platform, PRICE))
        try:
            await reserving.reserve(request)
        except ReservationFailed:
            return False
        return True

    won = await asyncio.gather(*(one(number) for number in range(EACH)))
    await journal.close()
    return sum(won)


def _worker(url: str, name: str, start: Any, results: Any) -> None:
    start.wait()
    results.put(asyncio.run(_reserve(url, name)))


def test_a_hundred_requests_from_two_processes_get_what_is_affordable(
    database_url: str,
) -> None:
    Database.at(database_url).prepare("paper")
    asyncio.run(_fund(database_url))
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(WORKERS), context.Queue()
    workers = [
        context.Process(target=_worker, args=(database_url, f"w{number}", start, results))
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()

    won = [results.get(timeout=60) for _ in workers]

    for worker in workers:
        worker.join()
    assert sum(won) == AFFORDABLE
    assert asyncio.run(_standing(database_url)) == (
        FREE - AFFORDABLE * PRICE,
        AFFORDABLE * PRICE,
    )


async def _standing(url: str) -> tuple[Decimal, Decimal]:
    journal, reserving = await _manager(url)
    await journal.close()
    capital = reserving.risk.capital
    balances = {(capital.balance(p).free, capital.balance(p).reserved) for p in Platform}
    assert len(balances) == 1
    assert capital.state.reserved_capital == 2 * next(iter(balances))[1]
    return balances.pop()
