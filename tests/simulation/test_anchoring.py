"""Heads of the log are kept outside the database; failing to keep one stops nothing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.runs import AS_THEY_COME, stored
from support.tapes import FAIR, polls

from dutchbook.application.monitoring.log_anchors import PERIOD_SECONDS
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.errors import StorageError
from dutchbook.persistence.log.audit import audited
from dutchbook.ports.anchors import Anchor
from dutchbook.ports.time import Clock
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import Tape


class Notebook:
    """`Anchors` in memory; writes fail while it is `full`."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.kept: list[Anchor] = []
        self.times: list[float] = []
        self.clock: Clock | None = None

    async def last(self) -> Anchor | None:
        self._open()
        return self.kept[-1] if self.kept else None

    async def keep(self, sequence: int, head: str) -> None:
        self._open()
        assert self.clock is not None
        self.times.append(self.clock.monotonic())
        self.kept.append(Anchor(sequence, head, "in a notebook"))

    def _open(self) -> None:
        if self.full:
            raise StorageError("notebook: cannot be written: No space left on device")


def paper_on(
    journal: MemoryJournal,
    notebook: Notebook,
    *settings: str,
    run: int = 1,
    tape: Tape | None = None,
) -> PaperRun:
    tape = tape or generated_tape(6 + run, minutes=10)
    notebook.clock = clock = TapeClock(tape.meta.first)
    settled = load(None, (AS_THEY_COME, *settings))
    return build_paper(settled, tape, journal, clock, seed=7, run=run, anchors=notebook)


def traded(
    notebook: Notebook, *settings: str, runs: int = 1, tape: Tape | None = None
) -> list[dict[str, Any]]:
    """Run an engine that anchors; return its log, which agrees with every anchor."""

    async def main() -> list[dict[str, Any]]:
        journal = MemoryJournal()
        for run in range(1, runs + 1):
            await paper_on(journal, notebook, *settings, run=run, tape=tape).trade(run)
        read = await stored(journal)
        assert audited(read, notebook.kept).problems == ()
        return await journal.rows("audit_log")

    return run_virtual(main())


def critical_of(log: Iterable[Any]) -> list[dict[str, Any]]:
    return [row for row in log if row["name"] == "system.health.critical"]


def test_a_clean_stop_is_anchored_to_the_last_event() -> None:
    notebook = Notebook()

    log = traded(notebook)

    assert log[-1]["name"] == "system.stopped"
    assert (notebook.kept[-1].sequence, notebook.kept[-1].hash) == (
        log[-1]["sequence"],
        log[-1]["hash"],
    )


def test_two_heads_are_at_most_a_set_number_of_events_apart() -> None:
    notebook = Notebook()

    log = traded(notebook, "records.anchor_every=15")

    sequences = [each.sequence for each in notebook.kept]
    gaps = [after - before for before, after in pairwise(sequences)]
    assert len(log) > 100
    assert len(gaps) > 5
    # A head is taken after a commit, and a commit can bring several events.
    assert max(gaps) <= 15 + 10
    assert sequences == sorted(set(sequences))


def test_a_head_is_kept_every_hour_however_few_the_events() -> None:
    notebook, quiet = Notebook(), polls(*[FAIR] * 31, seconds=600)

    traded(notebook, "records.anchor_every=1000000", "health.heartbeat_seconds=600", tape=quiet)

    apart = [b - a for a, b in pairwise(notebook.times)]
    assert len(apart) >= 5
    assert max(apart) <= PERIOD_SECONDS


@pytest.mark.parametrize("runs", [1, 3])
def test_a_database_that_goes_on_matches_what_was_anchored(runs: int) -> None:
    assert critical_of(traded(Notebook(), runs=runs)) == []


def test_a_file_that_cannot_be_written_is_reported_once_and_stops_nothing() -> None:
    notebook = Notebook(full=True)

    log = traded(notebook, "records.anchor_every=10")

    (critical,) = critical_of(log)
    assert "No space left on device" in critical["payload"]
    assert '"component":"audit"' in critical["payload"]
    assert any(row["name"] == "execution.position.opened" for row in log)
    assert notebook.kept == []


def test_after_a_head_is_kept_the_next_failure_is_reported_again() -> None:
    notebook = Notebook(full=True)

    async def main() -> list[dict[str, Any]]:
        journal = MemoryJournal()
        paper = paper_on(journal, notebook)
        await paper.trade(1)
        engine = paper.engine
        assert engine.anchoring is not None
        notebook.full = False
        await engine.anchoring.keep()
        notebook.full = True
        await engine.lifecycle.stop("again")
        await engine.anchoring.keep()
        return critical_of(await journal.rows("audit_log"))

    assert len(run_virtual(main())) == 2
    assert len(notebook.kept) == 1


def test_an_older_copy_is_reported_at_the_next_start_and_its_anchors_stay() -> None:
    notebook = Notebook()

    async def main() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        journal, older = MemoryJournal(), MemoryJournal()
        await paper_on(journal, notebook).trade(1)
        await paper_on(older, Notebook(), "paper.fault_partial=400000").trade(1)
        await paper_on(older, notebook, run=2).trade(2)
        read = await stored(older)
        return critical_of(read("audit_log")), audited(read, notebook.kept).problems

    critical, problems = run_virtual(main())

    assert len(critical) == 1
    assert "run dutchbook audit verify" in critical[0]["payload"]
    assert len(problems) == 1
    assert "is not the one that was anchored" in problems[0]
