"""A state machine as data: one table, one lookup, one diagram."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from dutchbook.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, T]):
    """One row: in `source`, `trigger` leads to `target`."""

    source: S
    trigger: T
    target: S


class Machine(Generic[S, T]):
    """A finite state machine as data: the source of diagrams, SQL triggers and tests."""

    def __init__(self, name: str, transitions: Iterable[Transition[S, T]]) -> None:
        self.name = name
        self.transitions = tuple(transitions)
        self._targets = {(row.source, row.trigger): row.target for row in self.transitions}
        assert len(self._targets) == len(self.transitions), "ambiguous transition"

    def next(self, state: S, trigger: T) -> S:
        """Return the next state, or raise `IllegalTransition`."""
        try:
            return self._targets[state, trigger]
        except KeyError:
            raise IllegalTransition(self.name, state, trigger) from None

    def allows(self, source: S, target: S) -> bool:
        """Return whether some trigger leads from `source` to `target`."""
        return (source, target) in self.changes

    @property
    def changes(self) -> frozenset[tuple[S, S]]:
        """All pairs of states with a transition; a database trigger must allow these."""
        return frozenset((row.source, row.target) for row in self.transitions)
