"""An engine hears every event in the order of the log, whoever committed it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from support.clocks import Hand
from support.databases import event
from support.memory_journal import MemoryJournal

from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import Fence, take
from dutchbook.domain.events import Event
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.virtual_time import run_virtual

Heard = list[tuple[int, str]]
Work = Callable[["Engine", Committer], Awaitable[None]]


class Engine:
    """A bus that delivers, on a journal of its own, and what its subscriber heard."""

    def __init__(self, journal: MemoryJournal, fence: Fence | None = None) -> None:
        self.heard: Heard = []
        self.journal = journal
        self.bus = Committer(journal, Hand(), RandomIds(), fence)
        self.bus.subscribe(self._on_event)

    def _on_event(self, event: Event, sequence: int) -> None:
        self.heard.append((sequence, event.stamp.event_id))

    async def in_log(self) -> Heard:
        return [
            (row["sequence"], row["event_id"]) for row in await self.journal.rows("audit_log")
        ]


async def commit(bus: Committer, *names: str) -> None:
    await bus.commit(Batch(events=tuple(map(event, names))))


async def _between_two_commits(engine: Engine, shell: Committer) -> None:
    await commit(engine.bus, "a", "b")
    await commit(shell, "command")
    await commit(shell, "another")
    await commit(engine.bus, "c")


async def _before_the_first_commit(engine: Engine, shell: Committer) -> None:
    await commit(shell, "command")
    await commit(engine.bus, "a")


async def _between_a_commit_and_its_delivery(engine: Engine, shell: Committer) -> None:
    async with engine.bus._delivery_lock:
        commits = [asyncio.ensure_future(commit(engine.bus, "a"))]
        await asyncio.sleep(1)
        await commit(shell, "command")
        commits.append(asyncio.ensure_future(commit(engine.bus, "b", "c")))
        await asyncio.sleep(1)
    await asyncio.gather(*commits)


@pytest.mark.parametrize(
    "work",
    [_between_two_commits, _before_the_first_commit, _between_a_commit_and_its_delivery],
)
def test_what_others_commit_is_heard_once_and_in_the_order_of_the_log(work: Work) -> None:
    """A shell's command next to the engine has a bus of its own, which delivers nothing."""

    async def main() -> tuple[Heard, Heard, int]:
        engine = Engine(MemoryJournal())
        await engine.bus.redeliver()
        await work(engine, Committer(engine.journal, Hand(), RandomIds()))
        return engine.heard, await engine.in_log(), len(await engine.journal.rows("outbox"))

    heard, log, waiting = run_virtual(main())

    assert heard == log
    assert "command" in dict(log).values()
    assert waiting == 0


class Stalled(MemoryJournal):
    """A journal that does not answer until the test says so, and then after a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await super().commit(batch)
        await self.answers.wait()
        await asyncio.sleep(0.1)
        return receipt


def test_a_commit_that_outlasts_the_lease_is_heard_once_and_before_what_follows_it() -> None:
    """It is renewed before its orders may be sent; a later commit has its answer meanwhile."""

    async def main() -> tuple[Heard, Heard]:
        journal, clock = Stalled(), Hand()
        fence = await take(journal, clock, "a", timedelta(seconds=10), lambda _: False)
        engine = Engine(journal, fence)
        await engine.bus.redeliver()
        await commit(engine.bus, "a")
        journal.answers.clear()
        slow = asyncio.ensure_future(commit(engine.bus, "slow"))
        await asyncio.sleep(1)
        clock.elapsed = 8
        later = asyncio.ensure_future(commit(engine.bus, "later"))
        await asyncio.sleep(1)
        clock.elapsed = 12
        journal.answers.set()
        await asyncio.gather(slow, later)
        await commit(engine.bus, "last")
        return engine.heard, await engine.in_log()

    heard, log = run_virtual(main())

    assert heard == log
    assert [name for _, name in heard] == ["a", "slow", "later", "last"]
