"""What `dutchbook tape info` tells of a tape."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.tape.episodes import Episode, episodes, quantile
from dutchbook.tape.format import open_tape
from dutchbook.tape.message import TapeMeta


@dataclass(frozen=True, slots=True)
class TapeInfo:
    """A tape in figures.

    Attributes:
        path: Where it is.
        size: Its bytes.
        meta: What it says of itself.
        kinds: How many messages of each kind, most frequent first.
        platforms: How many messages of each platform.
        sessions: How many sessions.
        steps: How many steps.
        episodes: The stretches in which a pair costs less than it pays, fees included.
    """

    path: Path
    size: int
    meta: TapeMeta
    kinds: dict[str, int]
    platforms: dict[Platform, int]
    sessions: int
    steps: int
    episodes: tuple[Episode, ...]

    @property
    def messages(self) -> int:
        """How many messages it keeps."""
        return self.meta.messages

    @property
    def bytes_per_message(self) -> Decimal:
        """What a message costs, its share of everything in the file included; two decimals."""
        return (Decimal(self.size) / self.messages).quantize(Decimal("0.01"))

    def edge(self, share: str) -> Decimal | None:
        """The best edge that `share` of the episodes do not exceed, in dollars a contract."""
        edges = [each.peak for each in self.episodes]
        return quantile(edges, Decimal(share)) if edges else None

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """The contracts in it."""
        return self.meta.contracts

    @property
    def pairs(self) -> tuple[ContractMatch, ...]:
        """The pairs in it, approved by the tape itself in paper mode only."""
        return self.meta.pairs

    @property
    def first(self) -> datetime:
        """When its first message was received."""
        return self.meta.first

    @property
    def last(self) -> datetime:
        """When its last message was received."""
        return self.meta.last

    @property
    def span(self) -> timedelta:
        """The time from its first message to its last."""
        return self.last - self.first

    @property
    def assumed(self) -> tuple[str, ...]:
        """What it supposes of its contracts."""
        return self.meta.assumed


def describe(path: Path) -> TapeInfo:
    """Read a whole tape, and so check it, and return what it holds.

    Raises:
        TapeError: Missing, not a tape, damaged, or of an unknown version.
    """
    tape = open_tape(path)
    kinds = Counter[str]()
    platforms = Counter[Platform]()
    sessions = steps = 0
    session = step = None
    for message in tape.stored():
        kinds[message.kind.name.lower()] += 1
        platforms[message.platform] += 1
        if (message.session, message.step) != (session, step):
            sessions += message.session != session
            steps += 1
            session, step = message.session, message.step
    return TapeInfo(
        path=path,
        size=path.stat().st_size,
        meta=tape.meta,
        kinds=dict(kinds.most_common()),
        platforms=dict(sorted(platforms.items())),
        sessions=sessions,
        steps=steps,
        episodes=tuple(episodes(tape)) if tape.meta.pairs else (),
    )
