"""Which tries are made, and each of them."""

from __future__ import annotations

import random
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .ground import Ground
from .kinds import (
    command_lines,
    databases,
    files,
    halts,
    outputs,
    servers,
    settings,
    signals,
    texts,
)

KINDS: Mapping[str, tuple[int, Callable[[Ground], list[str]]]] = {
    "command-lines": (8, command_lines.attempt),
    "settings": (5, settings.attempt),
    "files": (5, files.attempt),
    "databases": (6, databases.attempt),
    "signals": (5, signals.attempt),
    "outputs": (4, outputs.attempt),
    "texts": (2, texts.attempt),
    "halts": (3, halts.attempt),
    "servers": (2, servers.attempt),
}
"""Each kind, and how many tries of forty are of it."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try: its kind, and the seed that all its choices come from."""

    kind: str
    seed: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.seed}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a try came to.

    Attributes:
        attempt: The try.
        calls: How many calls of the program it made.
        wrong: What must not be; empty for a try that went well.
    """

    attempt: Try
    calls: int
    wrong: tuple[str, ...]


def tries(seed: int, count: int) -> Iterator[Try]:
    """Yield the tries of a programme: each kind in its share, in an order of the seed's."""
    shares = [kind for kind, (share, _) in KINDS.items() for _ in range(share)]
    rng = random.Random(seed)  # noqa: S311 - nothing is secret
    order: list[str] = []
    for number in range(count):
        if not order:
            order = rng.sample(shares, len(shares))
        yield Try(order.pop(), f"{seed}-{number}")


def made(attempt: Try, shared: Path, *, served: bool) -> Verdict:
    """Make a try and return what it came to."""
    folder = Path(tempfile.mkdtemp(prefix=f"{attempt.seed}-", dir=shared.parent))
    rng = random.Random(str(attempt))  # noqa: S311 - nothing is secret
    ground = Ground(folder, shared, rng, served)
    try:
        wrong = KINDS[attempt.kind][1](ground)
    except Exception:  # noqa: BLE001 - the other tries are to be made
        wrong = [f"the try itself failed: {traceback.format_exc()}"]
    finally:
        ground.clear()
    return Verdict(attempt, len(ground.calls), tuple(wrong))
