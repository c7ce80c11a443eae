"""Settings of exits, and the values that are compared at each change of a book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from dutchbook.application.market.watchlist import PairWatch
from dutchbook.domain.positions.exit_case import ExitRule, ExitRules, Why
from dutchbook.domain.positions.exits import most_out_e4
from dutchbook.domain.positions.position import OpenPosition


@dataclass(frozen=True, slots=True)
class ExitSettings:
    """Settings of exits.

    Attributes:
        rules: The rules of a decision.
        by_pair: Pairs that have a rule of their own.
        rescue_limit: Dollars per contract that the second leg may lose against its plan.
        book_age: Maximum age of a book that is traded on.
        interval: Interval between two checks of all positions.
        worked: Whether the engine works on every unhedged leg until it is gone, so that none is
            exited here.
        exiting: Why all positions are exited: platform risk, or a wind-down; None if they are
            not.
    """

    rules: ExitRules
    rescue_limit: Decimal
    book_age: timedelta
    interval: timedelta
    worked: bool = False
    exiting: Why | None = None
    by_pair: Mapping[str, ExitRule] = field(default_factory=dict)

    def rules_of(self, pair_id: str) -> ExitRules:
        """Return the rules for positions on a pair."""
        return replace(self.rules, rule=self.by_pair.get(pair_id, self.rules.rule))


@dataclass(slots=True)
class Watched:
    """The values of a position that are compared at each change of a book: integers only."""

    position_id: str
    watch: PairWatch
    position: OpenPosition
    floor_e4: int
    always: bool
    last_e4: int = -1

    def needs_check(self) -> bool:
        """Return whether the books may give a reason to check the position."""
        best = most_out_e4(self.watch.books, self.position)
        changed, self.last_e4 = best != self.last_e4, best
        return changed if self.always else best > self.floor_e4
