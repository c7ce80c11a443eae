"""One message of a tape, and a tape's metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.ports.market_data import BookUpdate, GridChange


@dataclass(frozen=True, slots=True)
class TapeMessage:
    """One update of one book, and its place on the tape.

    Attributes:
        at: When it was received, UTC: the time it is replayed at.
        update: What was received.
        step: The tape step. All messages of one poll share it; on a streamed tape each message
            is a step of its own. It never decreases.
        session: Number of the session; books start empty when it changes.
        gaps: Platforms of which messages may be missing before it.
        grids: Contracts that are quoted on another grid from it on.
    """

    at: datetime
    update: BookUpdate
    step: int
    session: int = 0
    gaps: tuple[Platform, ...] = ()
    grids: tuple[GridChange, ...] = ()


@dataclass(frozen=True, slots=True)
class TapeMeta:
    """Metadata of a tape. The tape approves its own pairs, in paper mode only.

    `top_only`: its books are the best prices alone. `messages` counts what was received;
    `noticed` says what was wrong with it, a line each.
    """

    name: str
    source: str
    contracts: tuple[Contract, ...]
    pairs: tuple[ContractMatch, ...]
    polled: bool
    assumed: tuple[str, ...]
    seed: int | None
    messages: int
    first: datetime
    last: datetime
    format: int = 1
    noticed: tuple[str, ...] = ()
    top_only: bool = False


class Tape(Protocol):
    """Metadata, and messages in order of receipt."""

    @property
    def meta(self) -> TapeMeta:
        """The tape's metadata."""
        ...

    def messages(self) -> Iterator[TapeMessage]:
        """Iterate over the messages, from the first."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryTape:
    """A tape held in memory."""

    meta: TapeMeta
    rows: Sequence[TapeMessage]

    def messages(self) -> Iterator[TapeMessage]:
        """Iterate over the messages."""
        return iter(self.rows)
