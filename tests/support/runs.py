"""A whole run in memory, with a check after every commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from independent import capital, verify
from independent.stored import as_stored

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.persistence.log.audit import Read
from dutchbook.persistence.log.replay import AUDITED
from dutchbook.ports.journal import Batch, Journal, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual, turnstile
from dutchbook.tape.message import Tape
from support.attributed import unattributed
from support.memory_journal import MemoryJournal
from support.replay import encoded

Check = Callable[[dict[str, list[dict[str, Any]]]], None]


AS_THEY_COME = "detection.costs_add_up=false"
"""The setting of runs that are about something else: edges need to bring the minimum alone."""
HELD = ("exits.unhedged_stop=false", "exits.minimum_gain=0.9")
"""Settings under which no position is exited early."""
MONEY = frozenset(
    {
        "accounts",
        "executions",
        "fills",
        "ledger_entries",
        "open_positions",
        "orders",
        "reservations",
        "risk_states",
    }
)
"""Tables that `conserved` reads; other commits cannot change its verdict."""


class WatchedJournal(MemoryJournal):
    """A journal that calls `check` after each commit that changes a table in `MONEY`.

    Its commits and reads take turns as those of a database do, so that a run is the same.
    """

    def __init__(self, check: Check | None = None) -> None:
        super().__init__()
        self._check = check
        self.checked = 0

    async def commit(self, batch: Batch) -> Receipt:
        receipt = await turnstile().drive(partial(super().commit, batch))
        if self._check and any(write.table in MONEY for write in batch.writes):
            self.checked += 1
            self._check({name: list(self._tables[name].values()) for name in MONEY})
        return receipt

    async def rows(self, *asked: Any, **how: Any) -> list[dict[str, Any]]:
        return await turnstile().drive(partial(super().rows, *asked, **how))


@dataclass(repr=False)  # `asyncio.Runner` would write it out whole at the end of every run
class Finished:
    """A run that has ended: its summary, its engine and all rows of its database."""

    summary: dict[str, Any]
    paper: PaperRun
    tables: dict[str, list[dict[str, Any]]]
    checked: int

    @property
    def engine(self) -> Engine:
        """The engine of the run."""
        return self.paper.engine


def play(
    *settings: str,
    seed: int = 7,
    minutes: int = 30,
    tape: Tape | None = None,
    check: Check | None = None,
    prepare: Callable[[PaperRun], None] | None = None,
) -> Finished:
    """Run an engine on a tape to its end, by default a generated one."""

    async def main() -> Finished:
        journal = WatchedJournal(check)
        chosen = tape or generated_tape(seed, minutes=minutes)
        clock = TapeClock(chosen.meta.first)
        paper = build_paper(
            load(None, (AS_THEY_COME, *settings)), chosen, journal, clock, seed=seed
        )
        if prepare:
            prepare(paper)
        summary = await paper.trade(1)
        tables = {name: await journal.rows(name) for name in journal._tables}
        assert not (wrong := unattributed(tables)), wrong
        return Finished(summary, paper, tables, journal.checked)

    return run_virtual(main())


def conserved(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Check I-11 to I-15 on the rows of a database at any moment of a run."""
    capital.conserved(tables)


async def stored(journal: Journal) -> Read:
    """Return a function that reads the tables of a journal as a database stores them."""
    tables = {
        name: [encoded(name, row) for row in await journal.rows(name)]
        for name in ("audit_log", "system_metadata", *AUDITED)
    }
    return tables.__getitem__


async def verified(journal: Journal) -> list[str]:
    """Return what a second verification, which shares no code with the program, finds wrong."""
    tables = {name: as_stored(await journal.rows(name)) for name in verify.TABLES}
    return list(verify.problems(tables))
