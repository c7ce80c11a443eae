"""``python -m bench [TAPE]`` runs every benchmark; BENCH_SHORT=1 makes the run short."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

from bench import halts, journals, postgres, reconcile, status, wire
from bench.study import bracket, controls, exits, trade
from dutchbook.bootstrap.build import generated_tape
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape

SHORT, LONG = 200, 2_000
SHORT_HALTS, LONG_HALTS = 5, 40
SHORT_POSITIONS, LONG_POSITIONS = 200, 2_000
SHORT_LOG, LONG_LOG = 20_000, 1_000_000
SHORT_WIRE, LONG_WIRE = 20_000, 200_000
RECORDING = "DUTCHBOOK_KALSHI_RECORDING"
"""The environment variable that names a folder of recorded Kalshi messages."""


def main() -> None:
    """Run every benchmark and print the results."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else demo.PATH
    short = os.environ.get("BENCH_SHORT") == "1"
    tape = open_tape(path)
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores, tape {tape.meta.name}"
    ]
    began = time.perf_counter()
    trade(tape)
    rate = tape.meta.messages / (time.perf_counter() - began)
    size = path.stat().st_size / tape.meta.messages
    lines += ["", f"replay with paper matching: {rate:,.0f} messages a second"]
    lines += [f"tape: {size:.2f} bytes a message", ""]
    lines += journals.compare(SHORT if short else LONG)
    lines += postgres.compare(SHORT if short else LONG)
    lines += ["", *halts.compare(SHORT_HALTS if short else LONG_HALTS)]
    lines += ["", *reconcile.compare(SHORT_POSITIONS if short else LONG_POSITIONS)]
    lines += status.compare(SHORT_LOG if short else LONG_LOG)
    lines += ["", *_wire(SHORT_WIRE if short else LONG_WIRE)]
    lines += ["", "Lag and replenishment", "", *bracket(tape)]
    lines += ["", "Exits", "", *exits(tape)]
    if not short:
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
