"""Carries out `operator_commands`, given through a shell or the desk, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dutchbook.application.capital.overrides import OverrideVerdict
from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.cancel_all import OrderCanceller
from dutchbook.application.market.pair_breaker import PairBreaker
from dutchbook.application.operator.command_rows import (
    COMMANDS,
    HALT,
    HALTING,
    WIND_DOWN,
    expired,
    taken,
)
from dutchbook.application.operator.position_commands import NAMES, PositionCommands
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import SystemHealthCritical, WindDownStarted
from dutchbook.domain.values.units import money
from dutchbook.errors import (
    Conflict,
    DatabaseLost,
    InvalidInput,
    InvalidPositionState,
    LeaseLost,
    StorageError,
    UnknownId,
)
from dutchbook.ports.crash_points import AFTER, BEFORE, HALT_FILE, crashpoint
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Batch, Journal, Update
from dutchbook.ports.tables.table import Row
from dutchbook.ports.time import Clock

COMPONENT = "halt"
TRIES = 20
Answer = dict[str, Any]
Answered = Callable[[Answer], Batch]
"""Makes the batch that answers a command."""
Handler = Callable[[Row, Answered], Awaitable[None]]
"""Carries out a command."""


class Commands:
    """Carries out people's commands; each answer is in one commit with its effect."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        risk: RiskManager,
        breaker: PairBreaker,
        cancelling: OrderCanceller,
        positions: PositionCommands,
        clock: Clock,
        more: Mapping[str, Handler],
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._risk = risk
        self._breaker = breaker
        self._cancelling = cancelling
        self._positions = positions
        self._clock = clock
        self._handlers: dict[str, Handler] = {
            HALT: self._halt,
            "resume": self._resume,
            "override": self._override,
            WIND_DOWN: self._wind_down,
            **dict.fromkeys(NAMES, self._position),
            **more,
        }
        self._lock = asyncio.Lock()
        self._obstacle: tuple[HaltNote, str] | None = None

    async def follow(self, seconds: float, folded: Callable[[], None] | None = None) -> None:
        """Carry out new commands every `seconds`, until cancelled.

        Commands on one position run in parallel, so that no halt waits for them.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._positions.run())
            await self._look(seconds, folded)

    async def drained(self) -> None:
        """Wait for the position commands under way."""
        await self._positions.drained()

    async def _look(self, seconds: float, folded: Callable[[], None] | None) -> None:
        """Carry out new commands every `seconds`.

        If the database does not answer, it is tried again the next time; until then nothing is
        entered, since the database may hold a halt that we have not seen.
        """
        while True:
            await self._clock.sleep(seconds)
            try:
                await self.fold()
            except (LeaseLost, DatabaseLost):
                raise
            except StorageError:
                if self._committer.fence is None:
                    raise
                self._committer.fence.unread()
                continue
            if folded is not None:
                folded()

    async def fold(self) -> None:
        """Carry out every unanswered command.

        If trading is halted again while a halt is being lifted, nothing is lifted, and all
        commands are read again.

        Raises:
            LeaseLost: Another engine has the lease.
            StorageError: The database does not answer.
        """
        async with self._lock:
            for _ in range(TRIES):
                with contextlib.suppress(Conflict):
                    await self._fold_all()
                    return
            raise StorageError(f"commands: the lease was changed {TRIES} times at once")

    async def _fold_all(self) -> None:
        waiting = await self._waiting()
        for number, row in enumerate(waiting):
            self._pending(waiting[number:])
            await self._fold(row)
        self._pending([])
        # Last: a file halts meanwhile, and no older command lifts what it says.
        await self._fold_file()

    async def _waiting(self) -> list[dict[str, Any]]:
        """Return the unanswered commands, oldest first.

        The lease is read before them: every halt that it counts is among them or was answered.
        """
        fence = self._committer.fence
        lease = await fence.look(self._journal) if fence is not None else None
        order = ("requested_at", "command_id")
        waiting = await self._journal.rows(COMMANDS, {"answered_at": None}, order)
        if fence is not None and lease is not None:
            fence.known(lease, sum(row["name"] in HALTING for row in waiting))
        return waiting

    def _pending(self, rest: list[dict[str, Any]]) -> None:
        if self._committer.fence is not None:
            self._committer.fence.await_halts(sum(row["name"] in HALTING for row in rest))

    async def _fold_file(self) -> None:
        """Make a halt durable that a person requested while the database did not answer."""
        fence = self._committer.fence
        file, note = fence.file if fence is not None else None, self._standing()
        if fence is None or file is None or note is None:
            return
        known = HaltReason.OPERATOR in self._risk.capital.state.halt_reasons
        if known and self._in_the_way(note):
            return
        detail = f"{note.requested_by}, by a HALT file: {note.rationale}"
        raised = Batch(fence.raised(note.grade))
        await self._risk.halts.halt_trading(HaltReason.OPERATOR, detail, raised)
        if note.cancel_all:
            await self._cancelling.cancel_all()
        crashpoint(BEFORE, HALT_FILE)
        left = file.clear(note)
        crashpoint(AFTER, HALT_FILE)
        await self._stays(note, left)

    async def _stays(self, note: HaltNote, why: str) -> None:
        """Take note of a HALT file that could not be removed; report it once."""
        known = self._in_the_way(note)
        self._obstacle = (note, why) if why else None
        if why and not known:
            stamp, detail = self._committer.stamp("health"), f"{why}; it halts until it is gone"
            event = SystemHealthCritical(stamp, component=COMPONENT, detail=detail)
            await self._committer.commit(Batch(events=(event,)))

    def _in_the_way(self, note: HaltNote | None) -> str:
        """Return why a HALT file still stands after its halt was recorded, if it does."""
        if note is None or self._obstacle is None or self._obstacle[0] != note:
            return ""
        return self._obstacle[1]

    def _standing(self) -> HaltNote | None:
        """Return the halt that a HALT file holds now, if any."""
        fence = self._committer.fence
        return fence.file.standing() if fence is not None and fence.file is not None else None

    async def _fold(self, row: Row) -> None:
        handler = self._handlers.get(row["name"], self._unknown)
        if row["name"] not in NAMES and (late := expired(row, self._committer.wall_time)):
            await self._let_expire(row, late)
            return
        try:
            await handler(row, lambda answer: self._answer(row, answer))
        except (InvalidInput, InvalidPositionState, UnknownId) as refused:
            await self._committer.commit(
                self._answer(row, {"done": False, "why": str(refused)})
            )

    async def _let_expire(self, row: Row, late: str) -> None:
        """Answer that a command has expired; what a wind-down has halted stays halted."""
        answer = self._answer(row, {"done": False, "why": late})
        if row["name"] != WIND_DOWN:
            await self._committer.commit(answer)
            return
        detail = f"{row['requested_by']}: a wind-down, {late}"
        await self._risk.halts.halt_trading(HaltReason.OPERATOR, detail, answer)

    async def _unknown(self, row: Row, _: Answered) -> None:
        known = ", ".join(self._handlers)
        raise InvalidInput("command", row["name"], f"one of {known}")

    async def _position(self, row: Row, _: Answered) -> None:
        """Hand over a command that is answered later."""
        self._positions.take(row)

    async def _halt(self, row: Row, answered: Answered) -> None:
        detail = f"{row['requested_by']}: {row['rationale'] or 'no rationale'}"
        answer: Answer = {"done": True, "halted": True}
        if not _argument(row, "cancel_all"):
            await self._risk.halts.halt_trading(HaltReason.OPERATOR, detail, answered(answer))
            return
        await self._risk.halts.halt_trading(HaltReason.OPERATOR, detail)
        answer["orders"] = await self._cancelling.cancel_all()
        await self._committer.commit(answered(answer))

    async def _resume(self, row: Row, answered: Answered) -> None:
        named, rationale = str(_argument(row, "reason")), row["rationale"] or ""
        if named not in {reason.value for reason in HaltReason}:
            batch = answered({"done": True, "pair": named})
            await self._breaker.enable(named, rationale, batch)
            return
        reason = HaltReason(named)
        why = self._in_the_way(self._standing())
        if reason is HaltReason.OPERATOR and why:
            raise InvalidInput("reason", named, f"cleared while {why}; remove it first")
        left = sorted(each.value for each in self._risk.capital.state.halt_reasons - {reason})
        batch = answered({"done": True, "reasons_left": left})
        await self._risk.halts.resume_trading(reason, rationale, batch)

    async def _override(self, row: Row, answered: Answered) -> None:
        amount = money(_argument(row, "amount"))

        def judged(verdict: OverrideVerdict) -> Batch:
            answer: Answer = {"done": verdict.approved, "pair": verdict.pair_id}
            if not verdict.approved:
                answer |= {"why": verdict.denial, "code": verdict.code}
            return answered(answer)

        target = str(_argument(row, "target"))
        await self._risk.overrides.process_override(
            target, amount, row["rationale"] or "", judged
        )

    async def _wind_down(self, row: Row, answered: Answered) -> None:
        """Take the command, so that nobody withdraws it any more, and begin the wind-down."""
        by, why = row["requested_by"], row["rationale"] or ""
        await self._committer.commit(Batch((taken(row, self._committer.wall_time),)))
        event = WindDownStarted(self._committer.stamp("risk"), by, why)
        batch = answered({"done": True}) + Batch(events=(event,))
        await self._risk.halts.halt_trading(HaltReason.WINDING_DOWN, f"{by}: {why}", batch)

    def _answer(self, row: Row, answer: Answer) -> Batch:
        """Return the batch that answers a command, if it is still unanswered."""
        key = {"command_id": row["command_id"]}
        put = {"answered_at": self._clock.now(), "answer": answer}
        return Batch((Update(COMMANDS, key, {"answered_at": None}, put),))


def _argument(row: Row, name: str) -> Any:
    """Return an argument of a command; None if it has none of that name."""
    arguments = row["arguments"]
    return arguments.get(name) if isinstance(arguments, dict) else None
