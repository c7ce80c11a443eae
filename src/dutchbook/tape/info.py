"""Figures of a tape, as `dutchbook tape info` shows them."""

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
        path: The file.
        size: Its size in bytes.
        meta: Its metadata.
        kinds: Number of messages of each kind, most frequent first.
        platforms: Number of messages of each platform.
        sessions: Number of sessions.
        steps: Number of steps.
        episodes: Stretches in which a pair costs less than it pays, fees included.
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
        """Number of messages that the tape stores."""
        return self.meta.messages

    @property
    def bytes_per_message(self) -> Decimal:
        """Size of the whole file per message, to two decimals."""
        return (Decimal(self.size) / self.messages).quantize(Decimal("0.01"))

    def edge(self, share: str) -> Decimal | None:
        """Return the edge that `share` of the episodes do not exceed, in dollars a contract."""
        edges = [each.peak for each in self.episodes]
        return quantile(edges, Decimal(share)) if edges else None

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """The tape's contracts."""
        return self.meta.contracts

    @property
    def pairs(self) -> tuple[ContractMatch, ...]:
        """The tape's pairs, which it approves itself, in paper mode only."""
        return self.meta.pairs

    @property
    def first(self) -> datetime:
        """When the first message was received."""
        return self.meta.first

    @property
    def last(self) -> datetime:
        """When the last message was received."""
        return self.meta.last

    @property
    def span(self) -> timedelta:
        """Time from the first message to the last."""
        return self.last - self.first

    @property
    def assumed(self) -> tuple[str, ...]:
        """Assumptions about the contracts."""
        return self.meta.assumed


def describe(path: Path) -> TapeInfo:
    """Read a whole tape, which also checks it, and return its figures.

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
