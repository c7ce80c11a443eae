"""What exits go by, and what of a position is looked at: settings, marks of books, facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from dutchbook.application.holdings import Held
from dutchbook.application.watch import PairWatch
from dutchbook.domain.contract import Leg, Platform, Side
from dutchbook.domain.exit_case import ExitRule, ExitRules, Why
from dutchbook.domain.exits import most_out_e4
from dutchbook.domain.order import Fill, Finality, Purpose
from dutchbook.domain.position import OpenPosition
from dutchbook.domain.units import Quantity


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


def sellable(held: Held, platform: Platform) -> Quantity:
    """Return how many contracts of a leg are there for good: settled, and not merged away."""
    leg = held.position.holding(platform)
    fills = [f for f in held.fills.values() if f.platform is platform]
    counted = [f for f in fills if f.finality is not Finality.FAILED and _own(f, leg.outcome)]
    gone = sum((_signed(fill) for fill in counted), start=Decimal(0)) - leg.size
    settled = held.settled_sizes.get((platform, leg.outcome), Quantity(Decimal(0)))
    return Quantity(max(min(settled - gone, leg.net), Decimal(0)))


def _own(fill: Fill, outcome: object) -> bool:
    return fill.outcome is outcome


def _signed(fill: Fill) -> Decimal:
    return fill.size if fill.side is Side.BUY else -fill.size


def edge_of(held: Held) -> Decimal:
    """Return the dollars a contract that the entry expected to lock."""
    entries = [
        order.size
        for order in held.orders.values()
        if order.purpose is Purpose.ENTRY and order.leg is Leg.PRIMARY
    ]
    planned = max(entries, default=Quantity(Decimal(0)))
    return held.position.expected_edge / planned if planned else Decimal(0)
