"""Reservations by themselves, as an entry makes and ends them, without the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from dutchbook.application.capital.capital import Alone
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.records.changes import ALWAYS, Gate, capital_writes
from dutchbook.application.records.committer import Committer
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import BudgetRequest, Reservation, Spent
from dutchbook.domain.events import Event, LimitApproached, LimitBreached
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades import events
from dutchbook.domain.pair_trades.capital import CapitalChange, capital_change
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import NOTHING, ZERO, Money
from dutchbook.errors import Conflict, ReservationFailed
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock, Ids
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.ids import SeededIds
from support.memory_journal import MemoryJournal

NOTHING_BOUGHT = {platform: Spent() for platform in Platform}


@dataclass
class Reserving:
    """Takes the capital steps of entries as `PairTrades.book` does, and nothing else."""

    risk: RiskManager
    committer: Committer
    clock: Clock
    ids: Ids

    async def reserve(self, request: BudgetRequest) -> Reservation:
        reservation = self.risk.reserve_budget(request)
        before, after = _trade(None), _trade(reservation)
        step = self._step(before, after)
        gate = self.risk.entry_gate(request.pair_id)
        try:
            await self._commit(step, events.reserved(reservation), gate=gate)
        except Conflict as conflict:
            raise ReservationFailed("rejected_by_database", str(conflict)) from conflict
        self.risk.overrides.consumed(request.pair_id)
        return reservation

    async def release(self, reservation: Reservation) -> None:
        step = self._step(_trade(reservation), _trade(None))
        await self._commit(step, events.released(reservation, "nothing there"))

    async def commit(self, reservation: Reservation, spent: Mapping[Platform, Spent]) -> None:
        await self._commit(self._step(_trade(reservation), _trade(None, spent)))

    def _step(self, before: Any, after: Any) -> CapitalChange:
        after.pair_id = (before.reservation or after.reservation).pair_id
        return capital_change(before, after, self.risk.capital.accounts, EntryKind.TRADE)

    async def _commit(self, step: CapitalChange, *told: Event, gate: Gate = ALWAYS) -> None:
        capital, at = self.risk.capital, self.clock.now()
        writes = tuple(capital_writes(step, capital.accounts, self.ids, at, gate))
        stamped = [_stamped(event, self.committer) for event in told]
        with capital.claimed(step):
            limits = capital.limit_events(step, step.reference)
            await self.committer.commit(Batch(writes, (*stamped, *limits)))
        capital.follow(step)


def _trade(
    reservation: Reservation | None, spent: Mapping[Platform, Spent] = NOTHING_BOUGHT
) -> Any:
    """Return as much of a pair trade as its capital is worked out from."""
    bought = any(each.cost for each in spent.values())
    position = SimpleNamespace(
        holding=lambda platform: spent[platform],
        status=PositionStatus.OPEN if bought else PositionStatus.CLOSED,
        marked_pnl=ZERO,
    )
    return SimpleNamespace(
        reservation=reservation, reservations={}, position=position, held=bought, pair_id=""
    )


def _stamped(event: Event, committer: Committer) -> Event:
    return replace(event, stamp=committer.stamp(event.stamp.correlation_id))


class Limited:
    """A risk manager with cash, pairs of one cluster, and the limits that it reported."""

    def __init__(self, limits: RiskLimits) -> None:
        clock, ids = TapeClock(generated_tape(1, minutes=1).meta.first), SeededIds(1, 1)
        journal = MemoryJournal()
        self.committer = Committer(journal, clock, ids)
        self.journal = journal
        self.risk = RiskManager(journal, self.committer, clock, ids, limits, ACCOUNTS)
        self.entries = Reserving(self.risk, self.committer, clock, ids)
        self.told: list[tuple[str, str, Decimal]] = []
        self.committer.subscribe(self.on_event)
        self._asked = 0

    def on_event(self, event: Event, sequence: int) -> None:
        assert sequence, "what is told of a limit is durable"
        if isinstance(event, LimitApproached | LimitBreached):
            self.told.append((type(event).__name__, event.limit, event.value))

    async def open(self) -> None:
        await self.risk.capital.load()
        for platform in Platform:
            await self.risk.cash.deposit(platform, Money(Decimal(5_000)))
        for name in ("one", "two", "three"):
            self.risk.capital.at_risk.know(name, "cup", Decimal(1))

    async def reserve(self, pair_id: str, dollars: int) -> Reservation:
        self._asked += 1
        half = Money(Decimal(dollars) / 2)
        request = BudgetRequest(f"e{self._asked}", pair_id, dict.fromkeys(Platform, half))
        return await self.entries.reserve(request)

    async def lose(self, dollars: str) -> None:
        """Book a loss of a position as `PairTrades.book` does."""
        risk, entries = self.risk, self.entries
        step = CapitalChange("one", "one", state={"daily_pnl": Money(-Decimal(dollars))})
        async with risk.halts.with_loss(step, Alone("one", NOTHING)) as (halt, told):
            accounts, at = risk.capital.accounts, entries.clock.now()
            writes = capital_writes(step, accounts, entries.ids, at, halt=halt)
            await self.committer.commit(Batch(tuple(writes), told))
            risk.capital.follow(step)

    async def refused(self, pair_id: str, dollars: int) -> str:
        with pytest.raises(ReservationFailed) as caught:
            await self.reserve(pair_id, dollars)
        return caught.value.reason
