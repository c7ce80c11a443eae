"""Results of whole runs, stored as files: `make goldens` writes them, a test compares them.

A change that does not affect the engine changes no file. If only the batches of commits change,
the head of the log and the count of `system.records.changed` change too, and perhaps the order
of events that share an instant.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prove.workload import tape as dense_tape

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.events import RecordsChanged
from dutchbook.domain.market.contract import Platform
from dutchbook.persistence.database import Database
from dutchbook.persistence.log.replay import AUDITED
from dutchbook.ports.tables.catalogue import declared
from dutchbook.runtime.virtual_time import turnstile
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape, write_tape
from dutchbook.tape.importers.recording import import_recording
from support.program import call_here
from support.recordings import WORLD_CUP
from support.replay import encoded
from support.runs import AS_THEY_COME

FOLDER = Path(__file__).parents[1] / "golden"
LOG = "audit_log"
TOLD = ("name", "event_id", "occurred_at", "correlation_id", "causation_id", "payload")
"""The fields of a log entry that do not depend on how commits are batched."""
ADVICE = "`make goldens` writes them again; the commit that does it explains each difference."
Golden = dict[str, Any]
Tables = Mapping[str, Iterable[Mapping[str, Any]]]
"""All rows as stored, by table name."""
Pays = tuple[str, str]
"""The payout of a YES on Kalshi and on Polymarket."""


@dataclass(frozen=True)
class Story:
    """A run whose result is stored.

    Attributes:
        name: Its topic, and the name of its file.
        put: Writes its tape.
        seed: The seed of its ids and faults.
        settings: The settings of the engine and its platforms.
        results: How the pairs of the tape resolve at its end; if empty, they do not.
        recording: The source of the tape, where it may be missing on this machine.
    """

    name: str
    put: Callable[[Path], object]
    seed: int = 1
    settings: tuple[str, ...] = ()
    results: tuple[Pays, ...] = ()
    recording: Path | None = None

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.json"

    @property
    def kept(self) -> Golden:
        """The stored result."""
        found: Golden = json.loads(self.file.read_text(encoding="utf-8"))
        return found


def _generated(path: Path, *, seed: int, minutes: int) -> None:
    write_tape(path, generated_tape(seed, minutes=minutes))


def _dense(path: Path, *, seed: int) -> None:
    write_tape(path, dense_tape(seed, steps=150, pairs=3))


FAULTS = (
    AS_THEY_COME,
    "paper.fault_partial=150000",
    "paper.fault_failed_fill=120000",
    *(f"paper.fault_{name}=60000" for name in ("rejected", "lost_answer")),
    *(f"paper.fault_{name}=40000" for name in ("not_sent", "late_answer")),
    *(f"paper.fault_{name}=30000" for name in ("answered_twice", "timeout_408")),
    *(f"paper.fault_{name}=30000" for name in ("duplicate_409", "rate_limit_429")),
    *(f"paper.fault_{name}=30000" for name in ("server_error_500", "bad_gateway_502")),
    *(f"paper.fault_{name}=30000" for name in ("truncated", "wrong_type")),
    *(f"paper.fault_{name}=20000" for name in ("clock_skew", "paused")),
)
LEAVING = ("exits.rule=classic", "exits.time_hours=200", "exits.check_seconds=5")
HELD = ("exits.unhedged_stop=false", "exits.minimum_gain=0.9")
AWAY = (
    "paper.outages=kalshi:300-700",
    "paper.silences=polymarket:900-1200",
    "paper.latency_ms=40",
    "paper.jitter_ms=25",
    "paper.clock_offset_ms=150",
    "time.check_seconds=601",
    "reconciliation.every_seconds=307",
    "reconciliation.grace_seconds=61",
)
"""The intervals are chosen so that no two of them expire at the same instant."""
HALTED = (
    "execution.auto_policy=unwind",
    "execution.person_after_seconds=20",
    "risk.daily_loss_share=0.001",
)
LEFT = (
    "execution.auto_policy=off",
    "time.check_seconds=61",
    "paper.clock_offset_ms=700",
)
APART = (("1", "1"), ("0", "1"), ("0.5", "0"))
STORIES = (
    Story("demo", partial(shutil.copy, demo.PATH)),
    Story(
        "faults", partial(_generated, seed=11, minutes=60), 11, (*FAULTS, *LEAVING), APART[:2]
    ),
    Story("crowded", partial(_dense, seed=3), 3, (*FAULTS, *LEAVING), APART),
    Story("halted", partial(_dense, seed=17), 17, (*FAULTS, *HALTED)),
    Story("left", partial(_dense, seed=3), 3, (*FAULTS, *HELD, *LEFT)),
    Story("away", partial(_generated, seed=7, minutes=60), 7, (*AWAY, *FAULTS)),
    Story(
        "world_cup",
        partial(import_recording, WORLD_CUP),
        7,
        ("detection.minimum_net_edge=0.001", *HELD),
        recording=WORLD_CUP,
    ),
)


def run(story: Story, url: str, folder: Path) -> dict[str, Any]:
    """Run a timeline on a prepared database, and return the printed summary."""
    tape = folder / f"{story.name}.tape"
    story.put(tape)
    words = ["--tape", str(tape), "--db", url, "--seed", str(story.seed)]
    words += [word for setting in story.settings for word in ("--set", setting)]
    if story.results:
        results = folder / f"{story.name}.results.json"
        results.write_text(json.dumps(_results(tape, story.results)), encoding="utf-8")
        words += ["--results", str(results)]
    printed = call_here("run", "--speed", "max", "--summary", "json", *words)
    summary: dict[str, Any] = json.loads(printed)
    return summary


def _results(tape: Path, pays: tuple[Pays, ...]) -> dict[str, str]:
    pairs = open_tape(tape).meta.pairs
    return {
        f"{platform.value}:{pair.contract(platform).contract_id}": figure
        for pair, figures in zip(pairs, pays, strict=True)
        for platform, figure in zip(Platform, figures, strict=True)
    }


def tables(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return the log of a database and every table that it covers, as stored."""

    async def main() -> dict[str, list[dict[str, Any]]]:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            order = {LOG: ("sequence",)}
            return {
                name: [encoded(name, row) for row in await journal.rows(name, {}, by)]
                for name, by in ((name, order.get(name, ())) for name in (LOG, *AUDITED))
            }
        finally:
            await journal.close()

    return asyncio.run(main())


def golden(summary: Mapping[str, Any], found: Tables) -> Golden:
    """Return the result of a run as it is stored.

    The summary is stored without the parts that repeat the log: the count of each event, and
    the head. The log is digested twice: in its own order, and grouped by correlation id,
    because the order of two timelines within an instant depends on how long commits take.
    """
    log = list(found[LOG])
    told = [row for row in log if row["name"] != RecordsChanged.wire]
    stories = sorted(told, key=lambda row: (row["correlation_id"], row["occurred_at"]))
    repeated = ("events", "event_log_sha256")
    return {
        "summary": {name: value for name, value in summary.items() if name not in repeated},
        "events": dict(Counter(row["name"] for row in log)),
        "log_head": {name: log[-1][name] for name in ("sequence", "hash")},
        "log_digest": _digest([row[name] for name in TOLD] for row in told),
        "stories_digest": _digest([row[name] for name in TOLD] for row in stories),
        "tables": {name: _digest(_sorted(name, found[name])) for name in AUDITED},
    }


def _sorted(table: str, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda row: [row[name] for name in declared(table).key])


def _digest(rows: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return total.hexdigest()


def differences(kept: Golden, found: Golden) -> list[str]:
    """Return how a result differs from the stored one, a line for each part."""
    was, now = dict(_parts(kept)), dict(_parts(found))
    return [
        f"{part}: {now.get(part, 'nothing')}, kept is {was.get(part, 'nothing')}"
        for part in sorted(was.keys() | now.keys())
        if was.get(part) != now.get(part)
    ]


def _parts(of: Mapping[str, Any], within: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in of.items():
        if isinstance(value, Mapping):
            yield from _parts(value, f"{within}{name} ")
        else:
            yield f"{within}{name}", value


def main() -> None:
    """Write every file whose tape can be made on this machine."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            os.environ[name] = home
        for story in STORIES:
            if story.recording is not None and not story.recording.is_dir():
                sys.stdout.write(f"{story.name}: left as it is, its recording is not here\n")
                continue
            url = f"sqlite:///{home}/{story.name}.db"
            found = golden(run(story, url, Path(home)), tables(url))
            text = json.dumps(found, indent=1, sort_keys=True)
            story.file.write_text(f"{text}\n", encoding="utf-8")
            sys.stdout.write(f"{story.name}: {found['log_head']['sequence']} events\n")


if __name__ == "__main__":
    main()
