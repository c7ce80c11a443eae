"""FirstLegs: counts missed second legs, and chooses first legs accordingly."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from dutchbook.application.market.watchlist import PairWatch
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.leg_order import Tally, first_leg, missed
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.journal import Journal


class FirstLegs:
    """Tallies of each pair by the platform that went first, in step with `executions`.

    They are counted from the rows at start, and one by one as executions end.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.tallies: dict[str, dict[Platform, Tally]] = {}

    async def load(self) -> None:
        """Count every execution that has ended."""
        self.tallies = {}
        for row in await self._journal.rows("executions"):
            first, second = (
                Decimal(row[f"{leg}_state"].get("filled", 0))
                for leg in ("primary", "secondary")
            )
            platform = Platform(row["primary_platform"])
            found = missed(Phase(row["phase"]), first, second)
            self._count(row["pair_id"], platform, missed=found)

    def ended(self, execution: Execution) -> None:
        """Count an execution that has just ended."""
        first, second = execution.primary, execution.secondary
        found = missed(execution.phase, first.filled, second.filled)
        self._count(execution.pair_id, first.platform, missed=found)

    def choose(self, watch: PairWatch, now: datetime) -> Platform:
        """Return which leg of a pair goes first now; see `first_leg`."""
        tallies = self.tallies.get(watch.match.match_id, {})
        return first_leg(watch.match, watch.books, now, tallies)

    def _count(self, pair_id: str, first: Platform, *, missed: bool | None) -> None:
        if missed is None:
            return
        of_pair = self.tallies.setdefault(pair_id, {})
        of_pair[first] = of_pair.get(first, Tally()).counted(missed=missed)
