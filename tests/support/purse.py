"""Capital over a journal in memory, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.application.capital.capital import Capital
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.ledger import Balance
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.errors import Conflict
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Batch, Insert, Receipt, Update
from dutchbook.runtime.ids import SeededIds
from support.memory_journal import MemoryJournal
from support.pairs import NOW
from support.rows import sample

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET


def usd(amount: object) -> Money:
    return Money(Decimal(str(amount)))


def balance(free: object = 0, reserved: object = 0, committed: object = 0) -> Balance:
    return Balance(usd(free), usd(reserved), usd(committed))


def reservation(
    name: str, kalshi: object, polymarket: object, pair_id: str = "one"
) -> Reservation:
    amounts = {KALSHI: usd(kalshi), POLYMARKET: usd(polymarket)}
    return Reservation(name, f"execution of {name}", pair_id, amounts, 1)


@dataclass
class Hand:
    """A clock that only the test and sleepers move; the last sleeper is cancelled."""

    instant: datetime = NOW
    slept: list[float] = field(default_factory=list)
    sleeps: int = 100

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return (self.instant - NOW).total_seconds()

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self.sleeps:
            raise asyncio.CancelledError
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)

    async def sleep_until(self, instant: datetime) -> None:
        await self.sleep((instant - self.instant).total_seconds())


class Journal(MemoryJournal):
    """A journal that keeps its batches.

    It rejects the next one if asked to, and answers late while `late` is not set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.rejects = False
        self.late: asyncio.Event | None = None

    async def commit(self, batch: Batch) -> Receipt:
        if self.late is not None:
            await self.late.wait()
        if self.rejects:
            self.rejects = False
            raise Conflict("risk_states", "default", "changed")
        receipt = await super().commit(batch)
        self.batches.append(batch)
        return receipt

    async def insert(self, table: str, **facts: Any) -> None:
        await super().commit(Batch((Insert(table, sample(table, **facts)),)))


class Fence:
    """A lease that lets every batch through, and whose halt a resumption lifts."""

    LIFTED = Update("leases", {"name": "engine"}, put={"halted": 0})

    async def commit(self, journal: Journal, batch: Batch) -> Receipt:
        return await journal.commit(batch)

    def lifted(self) -> tuple[Update, ...]:
        return (self.LIFTED,)


class Purse:
    """A risk manager with 6,000 dollars on Kalshi and 4,000 on Polymarket."""

    def __init__(self, limits: RiskLimits | None = None, fence: Any = None) -> None:
        self.clock, self.ids, self.journal = Hand(), SeededIds(1, 1), Journal()
        self.committer = Committer(self.journal, self.clock, self.ids, fence)
        self.risk = RiskManager(
            self.journal,
            self.committer,
            self.clock,
            self.ids,
            limits or RiskLimits(),
            ACCOUNTS,
        )
        self.capital: Capital = self.risk.capital
        self.hold(balance(6_000), balance(4_000))
        self.events: list[Event] = []
        self.committer.subscribe(self.on_event)

    def on_event(self, event: Event, sequence: int) -> None:
        assert sequence, "what is told of capital is durable"
        self.events.append(event)

    def hold(self, kalshi: Balance, polymarket: Balance) -> None:
        self.capital.balances = {ACCOUNTS[KALSHI]: kalshi, ACCOUNTS[POLYMARKET]: polymarket}

    async def opened(self) -> Purse:
        """Create the rows of the accounts and of the risk state, with the cash that is held."""
        balances = self.capital.balances
        for account, held in balances.items():
            row = {
                "account_id": str(account),
                "platform": account.platform,
                "account": account.account,
                "currency": account.currency,
                "free": held.free,
                "reserved": held.reserved,
                "committed": held.committed,
            }
            await self.journal.insert("accounts", **row)
        await self.capital.load()
        self.journal.batches.clear()
        self.events.clear()
        return self

    async def state_row(self) -> dict[str, Any]:
        (row,) = await self.journal.rows("risk_states")
        return row
