"""One message of a tape, and a tape's metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.ports.market_data import BookUpdate


class Kind(IntEnum):
    """A whole book, or the new size of some of its levels (zero removes one)."""

    SNAPSHOT = 0
    DELTA = 1


@dataclass(frozen=True, slots=True)
class TapeMessage:
    """One update of one book, in YES terms.

    Attributes:
        at: When it was received, UTC: the time it is replayed at.
        platform: The book's platform.
        contract_id: The book's contract.
        kind: Whether the levels replace the book or change it.
        bids: Prices in 10⁻⁴ dollars and sizes in 10⁻⁶ contracts, in any order.
        asks: The same for the other side.
        step: The tape step. All messages of one poll share it; on a streamed tape each message
            is a step of its own. It never decreases.
        session: Number of the session; books start empty when it changes.
        sequence: The platform's own number of the message, 0 if it has none.
        platform_time: The platform's own time of the message, if it gives one.
    """

    at: datetime
    platform: Platform
    contract_id: str
    kind: Kind
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    step: int
    session: int = 0
    sequence: int = 0
    platform_time: datetime | None = None

    @property
    def update(self) -> BookUpdate:
        """The message without its place on the tape."""
        return BookUpdate(
            self.platform,
            self.contract_id,
            self.kind is Kind.SNAPSHOT,
            self.bids,
            self.asks,
            self.sequence,
            self.platform_time,
        )


@dataclass(frozen=True, slots=True)
class TapeMeta:
    """Metadata of a tape. The tape approves its own pairs, in paper mode only."""

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
