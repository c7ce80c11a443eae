"""The tape that ships: ``python -m dutchbook.tape.demo`` writes it again, byte for byte.

Two pairs for twenty minutes, made up from one seed, chosen because its first minutes show
episodes of both pairs that are worth trading.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.format import write_tape
from dutchbook.tape.generate import generate
from dutchbook.tape.message import MemoryTape

PATH = Path(__file__).with_name("demo.tape")
SEED = 405
MINUTES = 20


def demo() -> MemoryTape:
    """Make the demo tape."""
    return generate(Seeded(SEED), SEED, minutes=MINUTES)


def main(path: Path = PATH) -> None:
    """Write the demo tape."""
    write_tape(path, demo())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
