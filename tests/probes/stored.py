"""Settings of what is kept: pairs, snapshots, and heads of the log."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.databases import AnyJournal, on
from support.memory_journal import MemoryJournal
from support.program import both, call_here, pair_file, rovers
from support.rows import NOW
from support.tapes import FAIR, polls

from dutchbook.bootstrap.paper import build_paper
from dutchbook.bootstrap.paper_run import NoScreen, Options, run
from dutchbook.config import load
from dutchbook.config.environment import variable
from dutchbook.domain.market.contract import DivergenceClass
from dutchbook.errors import DatabaseLost, Unanswered
from dutchbook.operations import admin, requests
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.sqlite import SqliteJournal
from dutchbook.ports.anchors import Anchor
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import VirtualTurnstile, run_virtual
from probes.row import Row

_FOLDER = TemporaryDirectory(prefix="probes-")


@cache
def _prepared() -> Path:
    path = Path(_FOLDER.name) / "paper.db"
    Database.at(f"sqlite:///{path}").prepare("paper")
    return path


@contextmanager
def database() -> Iterator[str]:
    """Yield the URL of a prepared database in a folder of its own."""
    with TemporaryDirectory(prefix="probe-") as folder:
        shutil.copy(_prepared(), folder)
        yield f"sqlite:///{folder}/paper.db"


def divergence(kind: DivergenceClass) -> Callable[..., str]:
    """Return a probe: how likely do the contracts of a new pair of a class differ?"""

    def probe(*settings: str) -> str:
        with database() as url:
            file = Path(url.removeprefix("sqlite:///")).with_name("pairs.json")
            pair_file(file, contracts=both(), pairs=[rovers(divergence_class=kind.value)])
            admin.add_pairs(url, file, load(None, settings))
            (row,) = requests.rows(url, "contract_matches", ())
            return str(row["divergence_probability"])

    return probe


class Notebook:
    """Heads of a log, kept in memory."""

    def __init__(self) -> None:
        self.kept: list[Anchor] = []

    async def last(self) -> Anchor | None:
        """Return the newest head."""
        return self.kept[-1] if self.kept else None

    async def keep(self, sequence: int, head: str) -> None:
        """Keep a head."""
        self.kept.append(Anchor(sequence, head, "in a notebook"))


def anchored(*settings: str) -> int:
    """How many events lie between two heads that are kept, at most?"""

    async def main() -> int:
        made, notebook = polls(*[FAIR] * 300), Notebook()
        clock = TapeClock(made.meta.first)
        paper = build_paper(
            load(None, ("health.heartbeat_seconds=1", "health.check_seconds=20", *settings)),
            made,
            MemoryJournal(),
            clock,
            seed=1,
            anchors=notebook,
        )
        await paper.trade(1)
        heads = [each.sequence for each in notebook.kept]
        return max(after - before for before, after in pairwise(heads))

    return run_virtual(main())


class Later:
    """A clock, eight and a half years after the rows of `support.rows`."""

    def now(self) -> datetime:
        """Return that instant."""
        return NOW + timedelta(days=3_100)


def pruned(*settings: str) -> str:
    """What becomes of a snapshot that is eight and a half years old?"""
    name, _, value = settings[0].partition("=")
    with database() as url, pytest.MonkeyPatch.context() as patch:
        on(url, _nothing)
        patch.setattr(admin, "SystemClock", Later)
        patch.setenv("XDG_CONFIG_HOME", str(Path(url.removeprefix("sqlite:///")).parent))
        patch.setenv(variable(*name.split(".")), value)
        return call_here("db", "prune", "--db", url).strip()


def waits(*settings: str) -> int:
    """How many seconds does an engine wait for a file that stays locked?"""
    waited = [0.0]

    async def pause(_: VirtualTurnstile, seconds: float) -> None:
        waited[0] += seconds

    async def locked(journal: SqliteJournal, batch: Batch) -> Receipt:
        if not batch.events:  # its lease and the number of its run
            return await commit(journal, batch)
        raise Unanswered("it is locked")

    commit = SqliteJournal.commit
    with database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(VirtualTurnstile, "pause", pause)
        patch.setattr(VirtualTurnstile, "elapsed", lambda _: waited[0])
        patch.setattr(SqliteJournal, "commit", locked)
        with pytest.raises((DatabaseLost, BaseExceptionGroup)):
            run(Options(load(None, settings), "demo", url, speed=None, seed=1), NoScreen())
    return int(waited[0])


async def _nothing(journal: AnyJournal) -> None:
    del journal


SEEN: dict[object, object] = {"0.03": "0.030000", "0.7": "0.700000"}
ROWS = (
    *(Row(f"divergence.{kind}", divergence(kind), SEEN) for kind in DivergenceClass),
    Row("records.snapshot_years", pruned, {8: "1 snapshots deleted", 9: "0 snapshots deleted"}),
    Row("database.reconnect_seconds", waits, {3: 3, 40: 40}),
    Row("records.anchor_every", anchored, {20: 21, 50: 50}),
)
