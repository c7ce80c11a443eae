"""``python -m dutchbook.bench [TAPE]`` prints what is measured; BENCH_SHORT=1 prints less."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

from dutchbook.bench.journals import compare
from dutchbook.bench.study import bracket, controls, trade
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape

SHORT, LONG = 200, 2_000


def main() -> None:
    """Print every measurement."""
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
    lines += compare(SHORT if short else LONG)
    lines += ["", "Lag and replenishment", "", *bracket(tape)]
    if not short:
        lines += ["", "Controls", "", *controls(tape)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
