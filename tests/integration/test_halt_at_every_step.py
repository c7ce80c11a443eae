"""A halt from another connection at every step of an execution (I-16), on both databases.

A step is each commit, and each last check before a send. From the commit of the halt on no
entry intent is committed and no entry is sent; what reduces risk goes on, unless everything is
halted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from dutchbook.application.operator.command_rows import command_row, halting
from dutchbook.application.records.lease import ENGINE, take
from dutchbook.bootstrap.paper import build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import Approved, Grade
from dutchbook.errors import Conflict
from dutchbook.persistence.database import Database
from dutchbook.ports.journal import Batch, Insert, Receipt
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile

SETTINGS = (
    "risk.max_open_pairs=1",
    "execution.cool_down_seconds=86400",
    "execution.lease_seconds=600",
)
"""One execution, unless the first buys nothing."""


@dataclass
class Trace:
    """What happened in order: `commit` and `send` with their purposes, `halt` once."""

    halt_at: int | None = None
    grade: Grade = Grade.NO_ENTRIES
    steps: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def after(self) -> list[str]:
        """What happened after the commit of the halt."""
        return self.seen[self.seen.index("halt") + 1 :] if "halt" in self.seen else []


class Stepped:
    """A journal that counts the steps of the first execution and halts before one of them."""

    def __init__(self, inner: Any, other: Any, trace: Trace) -> None:
        self._inner = inner
        self._other = other
        self._trace = trace
        self._trading = False
        self._ended = False

    async def _step(self) -> None:
        self._trace.steps += 1
        if self._trace.steps == self._trace.halt_at:
            await _halt(self._other, self._trace.grade)
            self._trace.seen.append("halt")

    async def commit(self, batch: Batch) -> Receipt:
        purposes = [
            write.row["purpose"]
            for write in batch.writes
            if isinstance(write, Insert) and write.table == "orders"
            if write.row["working_size"]
        ]
        self._trading |= bool(purposes) and not self._ended
        if self._trading:
            await self._step()
        if any(write.table == "open_positions" for write in batch.writes):
            self._trading, self._ended = False, True
        receipt: Receipt = await self._inner.commit(batch)
        self._trace.seen += [f"commit {purpose}" for purpose in purposes]
        return receipt

    async def rows(self, table: str, *arguments: Any, **more: Any) -> list[dict[str, Any]]:
        if self._trading and table == "leases":
            await self._step()
        found: list[dict[str, Any]] = await self._inner.rows(table, *arguments, **more)
        return found

    async def delivered(self, sequence: int) -> None:
        await self._inner.delivered(sequence)

    async def close(self) -> None:
        await self._inner.close()


async def _halt(journal: Any, grade: Grade) -> None:
    row = command_row("asked", "halt", {}, "at this step", "a test", SystemClock())
    while True:
        lease = (await journal.rows("leases", ENGINE))[0]
        try:
            await journal.commit(
                Batch((Insert("operator_commands", row), halting(lease, grade)))
            )
        except Conflict:
            continue
        return


def trade(url: str, trace: Trace) -> list[dict[str, Any]]:
    """Run until the first execution and the tape have ended; return the positions."""

    async def main() -> list[dict[str, Any]]:
        inner, other = (Database.at(url).journal(turnstile()) for _ in range(2))
        await inner.open()
        await other.open()
        journal: Any = Stepped(inner, other, trace)
        settings, tape = load(None, SETTINGS), generated_tape(7, minutes=3)
        term = timedelta(seconds=settings.execution.lease_seconds)
        fence = await take(inner, SystemClock(), "a", term, lambda _: False)
        paper = build_paper(
            settings, tape, journal, TapeClock(tape.meta.first), seed=7, fence=fence
        )
        for gateway in paper.platforms.gateways.values():
            _note(gateway, trace)
        try:
            await paper.trade(1)
            return await inner.rows("open_positions")
        finally:
            await inner.close()
            await other.close()

    return run_virtual(main())


def _note(gateway: Any, trace: Trace) -> None:
    submit = gateway.submit

    async def noted(order: Approved[Any]) -> Any:
        trace.seen.append(f"send {order.subject.purpose}")
        return await submit(order)

    gateway.submit = noted


def test_from_the_commit_of_a_halt_on_no_entry_is_committed_or_sent(copies: Any) -> None:
    whole = Trace()
    assert [row["status"] for row in trade(copies(), whole)] == ["OPEN"]
    assert whole.seen[:4] == ["commit entry", "send entry", "commit hedge", "send hedge"]

    ends = set()
    for step in range(1, whole.steps + 1):
        trace = Trace(halt_at=step)
        positions = trade(copies(), trace)

        assert "halt" in trace.seen
        assert {each for each in trace.after if each.endswith("entry")} == set(), step
        if "send entry" in trace.seen:
            assert "send hedge" in trace.seen, step
        ends.add((len(positions), "commit entry" in trace.seen, "send entry" in trace.seen))
    # Before the intent, between intent and send, and after the send.
    assert {(0, False, False), (0, True, False), (1, True, True)} <= ends


def test_once_everything_is_halted_nothing_at_all_is_committed_or_sent(copies: Any) -> None:
    whole = Trace()
    trade(copies(), whole)

    statuses = set()
    for step in range(1, whole.steps + 1):
        trace = Trace(halt_at=step, grade=Grade.CANCELS_ONLY)
        positions = trade(copies(), trace)

        assert trace.after == [], step
        statuses |= {row["status"] for row in positions}
    assert statuses == {"OPEN", "SINGLE_LEG_EXPOSED"}
