"""Commands that a person in another process gives an engine while it trades."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dutchbook.application.operator.command_rows import HALTING, command_row, halting
from dutchbook.application.operator.position_commands import NAMES
from dutchbook.application.records.lease import ENGINE
from dutchbook.bootstrap.engine import Engine
from dutchbook.domain.capital.limits import Grade
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.findings import Choice, DiscrepancyType
from dutchbook.errors import Conflict
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Batch, Insert, Write
from dutchbook.runtime.halt_file import FileOfHalt

WHY = "a test of crashes"
LOOK = 7
"""Seconds between two looks at what waits for a person."""
LOOKS, ROUNDS = 3, 20
"""Final looks after the tape has ended, and the most waits for answers to the last commands."""
RESTS = 30
"""Most seconds that a person waits for an order that they can cancel."""
CHOICES = (Choice.ADOPT_PLATFORM, Choice.ACKNOWLEDGE)
"""Choices that they try in turn; they never write off a position that still has value."""


class Person:
    """One person and one engine.

    `halts`: halts and resumes, asks to lift limits. `legs`: retries, closes and completes
    single legs. `resolves`: decides about discrepancies. `leaves`: halts by a command and by a
    file, cancels everything while an order works, and winds down twice. Everyone looks on
    Polymarket's page for an order that no list can prove to be absent, with `may_have`, and
    tells the engine that it is not there.
    """

    def __init__(
        self,
        engine: Engine,
        asks: frozenset[str],
        name: str,
        file: Path,
        may_have: Callable[[str], bool],
        works: Callable[[str], bool],
    ) -> None:
        self._engine = engine
        self._asks = asks
        self._name = name
        self._file = FileOfHalt(file)
        self._may_have = may_have
        self._works = works
        self._turn = 0
        self._tried: dict[str, int] = {}
        habits = {
            "halts": (self._halts,),
            "legs": (self._looks,),
            "resolves": (self._looks, self._compares),
            "leaves": (self._leaves,),
            "searches": (self._searches,),
        }
        self._tasks = [
            asyncio.ensure_future(work())
            for ask in sorted(asks | {"searches"})
            for work in habits[ask]
        ]

    async def rests(self) -> None:
        """Look a last time, and wait until every command was answered."""
        for task in self._tasks:
            task.cancel()
        for number in range(ROUNDS):
            if number < LOOKS:
                await self._look()
                await self._search()
            if not await self._unanswered():
                return
            await self._engine.clock.sleep(LOOK)

    async def _ask(self, name: str, arguments: dict[str, Any]) -> None:
        """Write a command, together with the halt that it causes."""
        engine, self._turn = self._engine, self._turn + 1
        command = f"{self._name}.{self._turn}.{engine.clock.now().isoformat()}"
        row = command_row(command, name, arguments, WHY, "tester", engine.clock, expiry=None)
        while True:
            writes: tuple[Write, ...] = (Insert("operator_commands", row),)
            if name in HALTING:
                lease = (await engine.journal.rows("leases", ENGINE))[0]
                writes = (halting(lease, Grade.NO_ENTRIES), *writes)
            try:
                await engine.journal.commit(Batch(writes))
            except Conflict:
                continue
            return

    async def _unanswered(self) -> list[dict[str, Any]]:
        return await self._engine.journal.rows("operator_commands", {"answered_at": None})

    # Commands at fixed times
    # ------------------------------------------------------------------------------------

    async def _in_turn(self, *wishes: tuple[str, int, dict[str, Any]]) -> None:
        for name, seconds, arguments in wishes:
            await self._engine.clock.sleep(seconds)
            await self._ask(name, arguments)

    async def _halts(self) -> None:
        pair = self._engine.pairs[0].match_id
        await self._in_turn(
            ("override", 20, {"target": pair, "amount": "50"}),
            ("halt", 15, {"all": False}),
            ("resume", 20, {"reason": "operator"}),
            ("override", 20, {"target": pair, "amount": "90000"}),
            ("halt", 40, {"all": False}),
            ("resume", 15, {"reason": "operator"}),
        )

    async def _compares(self) -> None:
        while True:
            await self._in_turn(("reconcile", 40, {}))

    async def _leaves(self) -> None:
        await self._until_an_order_rests()
        await self._in_turn(
            ("halt", 0, {"all": False, "cancel_all": True}),
            ("resume", 10, {"reason": "operator"}),
        )
        await self._engine.clock.sleep(15)
        await self._until_an_order_rests()
        self._file.write(
            HaltNote(Grade.NO_ENTRIES, cancel_all=True, rationale=WHY, requested_by="tester")
        )
        await self._in_turn(
            ("resume", 10, {"reason": "operator"}),
            ("wind_down", 60, {}),
            ("wind_down", 10, {}),
        )

    # Commands in response to the engine's state
    # ------------------------------------------------------------------------------------

    async def _until_an_order_rests(self) -> None:
        """Wait for an order that works and that the engine can cancel, or in vain."""
        for _ in range(RESTS):
            for order in self._engine.trades.open_orders:
                known = order.platform_order_id is not None
                if known and self._works(order.client_order_id):
                    return
            await self._engine.clock.sleep(1)

    async def _looks(self) -> None:
        while True:
            await self._engine.clock.sleep(LOOK)
            await self._look()

    async def _searches(self) -> None:
        while True:
            await self._engine.clock.sleep(LOOK)
            await self._search()

    async def _search(self) -> None:
        """Tell the engine of orders that the platform's page does not have, once each."""
        for dispute in list(self._engine.trading.disputes.open.values()):
            about = dispute.found
            if dispute.halts or about.kind is not DiscrepancyType.ORDER_NOT_FOUND:
                continue
            order_id, subject = about.order_id or "", dispute.dispute_id
            trade = self._engine.trades.find_order(order_id)
            if trade is None or self._may_have(trade.orders[order_id].client_order_id):
                continue
            if not {subject, about.position_id} & await self._asked():
                choice = Choice.ADOPT_PLATFORM.value
                await self._ask("resolve", {"subject": subject, "choice": choice})

    async def _asked(self) -> set[str]:
        return {
            str(row["arguments"].get("position") or row["arguments"].get("subject"))
            for row in await self._unanswered()
        }

    async def _look(self) -> None:
        """Give one command for each single leg and each discrepancy that has none pending."""
        asked = await self._asked()
        if "legs" in self._asks:
            for position in self._engine.trades.positions.values():
                exposed = position.status is PositionStatus.SINGLE_LEG_EXPOSED
                if exposed and position.position_id not in asked:
                    tried = self._try(position.position_id)
                    more = {"price": "0.97"} if NAMES[tried % 3] == NAMES[0] else {}
                    arguments = {"position": position.position_id, "version": position.version}
                    await self._ask(NAMES[tried % 3], arguments | more)
        if "resolves" in self._asks:
            await self._decide(asked)

    async def _decide(self, asked: set[str]) -> None:
        for dispute in list(self._engine.trading.disputes.open.values()):
            subject = dispute.found.position_id or dispute.dispute_id
            if not dispute.halts or asked & {subject, dispute.dispute_id}:
                continue
            choice = Choice.ADOPT_PLATFORM
            if dispute.found.kind is not DiscrepancyType.BALANCE_MISMATCH:
                choice = CHOICES[self._try(subject) % len(CHOICES)]
            await self._ask("resolve", {"subject": subject, "choice": choice.value})

    def _try(self, subject: str) -> int:
        self._tried[subject] = self._tried.get(subject, -1) + 1
        return self._tried[subject]
