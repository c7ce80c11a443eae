"""What exits go by, and what of a position is compared at each change of a book."""

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
class Choices:
    """What exits go by; each is a setting.

    Attributes:
        rules: What a decision is judged by.
        by_pair: Pairs that have a rule of their own.
        rescue_limit: Dollars a contract that the second leg may lose against its plan.
        book_age: Older books are not traded on.
        beat: Between two looks at everything.
        leaving: Whether positions are left because a platform is at risk, or for good.
    """

    rules: ExitRules
    rescue_limit: Decimal
    book_age: timedelta
    beat: timedelta
    leaving: Why | None = None
    by_pair: Mapping[str, ExitRule] = field(default_factory=dict)

    def rules_of(self, pair_id: str) -> ExitRules:
        """Return what a position on a pair is judged by."""
        return replace(self.rules, rule=self.by_pair.get(pair_id, self.rules.rule))


@dataclass(slots=True)
class Watched:
    """What of a position is compared at each change of a book: whole numbers only."""

    position_id: str
    watch: PairWatch
    position: OpenPosition
    floor_e4: int
    always: bool
    last_e4: int = -1

    def stirred(self) -> bool:
        """Tell whether the books may have brought a reason to look."""
        best = most_out_e4(self.watch.books, self.position)
        changed, self.last_e4 = best != self.last_e4, best
        return changed if self.always else best > self.floor_e4
