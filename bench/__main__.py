"""``python -m bench [TAPE]`` runs every benchmark; BENCH_SHORT=1 makes the run short."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

from bench import halts, journals, postgres, reconcile, sizes, status, wire
from bench.study import bracket, controls, exits, trade
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape

RECORDING = "DUTCHBOOK_KALSHI_RECORDING"
"""The environment variable that names a folder of recorded Kalshi messages."""


def main() -> None:
    """Run every benchmark and print the results."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else demo.PATH
    size = sizes.chosen()
    tape = open_tape(path)
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, tape {tape.meta.name}"
    ]
    began = time.perf_counter()
    trade(tape)
    rate = tape.meta.messages / (time.perf_counter() - began)
    stored = path.stat().st_size / tape.meta.messages
    lines += ["", f"replay with paper matching: {rate:,.0f} messages a second"]
    lines += [f"tape: {stored:.2f} bytes a message", ""]
    lines += journals.compare(size.batches)
    lines += postgres.compare(size.batches)
    lines += ["", *halts.compare(size.halts)]
    lines += ["", *reconcile.compare(size.positions)]
    lines += status.compare(size.entries)
    lines += ["", *_wire(size.messages)]
    lines += ["", "Lag and replenishment", "", *bracket(tape)]
    lines += ["", "Exits", "", *exits(tape)]
    if not sizes.is_short():
        lines += ["", "Controls", "", *controls(tape)]
    sys.stdout.write("\n".join(lines) + "\n")


def _wire(messages: int) -> list[str]:
    """Measure on a recording if one is named, else on a generated tape in Kalshi's format."""
    folder = os.environ.get(RECORDING, "")
    if folder and Path(folder).is_dir():
        source, found = Path(folder).name, wire.recorded(Path(folder), messages)
    else:
        source, found = "a made-up tape", wire.told(generated_tape(1, minutes=120), messages)
    return [f"wire: {source}", *wire.compare(found), *wire.scale(messages)]


if __name__ == "__main__":
    main()
