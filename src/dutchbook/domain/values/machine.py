"""A state machine as data: one table, one check, one diagram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from dutchbook.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)


class Machine(Generic[S]):
    """A finite state machine as data: the source of diagrams, SQL triggers and tests.

    Attributes:
        name: What has these states.
        changes: All pairs of states with a transition, in the order of the table; a database
            trigger must allow these.
    """

    def __init__(self, name: str, targets: Mapping[S, Iterable[S]]) -> None:
        self.name = name
        self.changes = tuple((before, after) for before in targets for after in targets[before])

    def check(self, before: S, after: S) -> None:
        """Raise `IllegalTransition` unless the table leads from `before` to `after`."""
        if (before, after) not in self.changes:
            raise IllegalTransition(self.name, before, after)
