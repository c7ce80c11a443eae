"""``python -m bench.figures.measure BLOCK`` measures a block of `bench` and writes it.

BENCH_SHORT=1 measures little, prints the block and writes nothing.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from support.recordings import GOLD, WORLD_CUP

from bench import (
    decisions,
    halts,
    journals,
    lags,
    postgres,
    reconcile,
    status,
    survival,
    wire,
)
from bench.figures.writing import begin
from bench.sizes import chosen, is_short
from bench.study import HELD, bracket, controls, exits, trade
from dutchbook.tape.format import StoredTape, open_tape
from dutchbook.tape.importers.recording import import_recording

SEEDS = 2 if is_short() else 64
"""How many runs there are for each lag and order of the legs."""
LOAD = os.getloadavg()[0]
"""How busy the machine was before this process, in processes that run or wait."""


class NotMeasured(Exception):
    """Something that a measurement needs is not on this machine."""


def bullets(lines: Sequence[str]) -> list[str]:
    """Return a list in Markdown; lines that are indented become part of the item before."""
    return [f"- {line}" if line == line.lstrip() else f"  - {line.lstrip()}" for line in lines]


def _timed(lines: Sequence[str]) -> list[str]:
    """Return lines in which time was measured, and on what."""
    for line in lines:
        if "not measured" in line:
            raise NotMeasured(line)
    machine = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {LOAD:.1f} before"
    )
    return bullets([*lines, machine])


def _recording(folder: Path) -> Path:
    if not folder.is_dir():
        raise NotMeasured(f"the recording {folder.name} is not on this machine")
    return folder


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for tapes, which goes with the process."""
    return tempfile.TemporaryDirectory(prefix="dutchbook-figures-")


@cache
def _path(recording: Path) -> Path:
    """Return a recording as a tape."""
    path = Path(_folder().name) / f"{recording.name}.tape"
    import_recording(_recording(recording), path)
    return path


def _world_cup() -> StoredTape:
    return open_tape(_path(WORLD_CUP))


def _replay() -> list[str]:
    tape, began = _world_cup(), time.perf_counter()
    trade(tape)
    rate = tape.meta.messages / (time.perf_counter() - began)
    return _timed([f"replay with paper matching: {rate:,.0f} messages a second"])


def _tapes() -> list[str]:
    lines = ["| tape | messages | bytes a message |", "|---|---:|---:|"]
    for recording in (WORLD_CUP, GOLD):
        path = _path(recording)
        messages = open_tape(path).meta.messages
        size = path.stat().st_size / messages
        lines.append(f"| {recording.name} | {messages:,} | {size:.2f} |")
    return lines


def _wire() -> list[str]:
    size = chosen().messages
    messages = wire.recorded(_recording(GOLD), size)
    return _timed([f"recording: {GOLD.name}", *wire.compare(messages), *wire.scale(size)])


def _lag() -> list[str]:
    tape = _world_cup()
    edges = trade(tape, *HELD)["edges_seen"]
    rows = f"{edges:,} of the tape's {tape.meta.messages:,} rows show an edge"
    return [*bracket(tape), "", *bullets([rows])]


MEASURED: Mapping[str, Callable[[], list[str]]] = {
    "bench.replay": _replay,
    "bench.tapes": _tapes,
    "bench.journals": lambda: _timed(journals.compare(chosen().batches)),
    "bench.postgres": lambda: _timed(postgres.compare(chosen().batches)),
    "bench.halts": lambda: _timed(halts.compare(chosen().halts)),
    "bench.reconcile": lambda: _timed(reconcile.compare(chosen().positions)),
    "bench.status": lambda: _timed(status.compare(chosen().entries)),
    "bench.wire": _wire,
    "bench.lag": _lag,
    "bench.decisions": lambda: decisions.effects(_world_cup()),
    "bench.split": lambda: decisions.split(_world_cup()),
    "bench.unhedged": lambda: bullets(decisions.unhedged(_world_cup())),
    "bench.lags": lambda: lags.table(_path(WORLD_CUP), SEEDS),
    "bench.survival": lambda: survival.table(open_tape(_path(GOLD))),
    "bench.exits": lambda: exits(_world_cup()),
    "bench.controls": lambda: controls(_world_cup()),
}


def main() -> int:
    """Measure the block that the command line names, and return the exit code."""
    (name,) = sys.argv[1:]
    try:
        if is_short():
            told = "\n".join(MEASURED[name]())
        else:
            measurement = begin([name])[name]
            told = measurement.write(MEASURED[name]())
    except NotMeasured as reason:
        sys.stderr.write(f"{name}: {reason}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
