"""Figures of a tape, as `dutchbook tape info` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dutchbook.tape.format import open_tape
from dutchbook.tape.message import TapeMeta


@dataclass(frozen=True, slots=True)
class TapeInfo:
    """A tape in figures.

    Attributes:
        size: Size of the file in bytes.
        meta: Its metadata.
        sessions: Number of sessions.
        steps: Number of steps.
    """

    size: int
    meta: TapeMeta
    sessions: int
    steps: int

    @property
    def bytes_per_message(self) -> Decimal:
        """Size of the whole file per message, to two decimals."""
        return (Decimal(self.size) / self.meta.messages).quantize(Decimal("0.01"))


def describe(path: Path) -> TapeInfo:
    """Read a whole tape, which also checks it, and return its figures.

    Raises:
        TapeError: Missing, not a tape, damaged, or of an unknown version.
    """
    tape = open_tape(path)
    sessions = steps = 0
    session = step = None
    for message in tape.stored():
        if (message.session, message.step) != (session, step):
            sessions += message.session != session
            steps += 1
            session, step = message.session, message.step
    return TapeInfo(path.stat().st_size, tape.meta, sessions, steps)
