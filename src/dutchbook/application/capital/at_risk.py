"""What is at stake on each pair, and on pairs that stand or fall together."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.ports.journal import Journal

Terms = tuple[str | None, Decimal]
"""The cluster of a pair, and how sure its match is."""
COSTS = ("cost", "complement_cost")
ALONE: Terms = (None, Decimal(1))


class CapitalAtRisk:
    """Reserved and committed dollars by pair, in step with reservations and positions.

    Committed is what the contracts that are held have cost, without fees: those too that wait
    to be merged after their position was closed.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._terms: dict[str, Terms] = {}
        self.dollars: dict[str, Money] = {}

    async def load(self) -> None:
        """Count again from the rows.

        An execution whose reservation stands counts with it alone: what of it was bought
        already is within.
        """
        self.dollars = {}
        for row in await self._journal.rows("contract_matches"):
            self.know(row["match_id"], row["cluster"], row["confidence"])
        pairs = {
            row["execution_id"]: row["pair_id"]
            for row in await self._journal.rows("executions")
        }
        reserved = set()
        for row in await self._journal.rows("reservations", {"status": "reserved"}):
            if row["order_id"] is None:
                reserved.add(row["execution_id"])
            if (pair_id := pairs.get(row["execution_id"])) is not None:
                self.move(pair_id, Money(row["amount"]))
        for row in await self._journal.rows("open_positions"):
            if row["execution_id"] not in reserved:
                parts = (f"{p.value}_{name}" for p in Platform for name in COSTS)
                cost = sum((row[part] for part in parts), start=Decimal(0))
                self.move(row["pair_id"], Money(cost))

    def know(self, pair_id: str, cluster: str | None, confidence: Decimal) -> None:
        """Take up what a pair belongs to and how sure its match is."""
        self._terms[pair_id] = (cluster, confidence)

    def confidence(self, pair_id: str) -> Decimal:
        """Return how sure the match of a pair is, above 0 to 1."""
        return self._terms.get(pair_id, ALONE)[1]

    def move(self, pair_id: str, change: Money) -> None:
        """Change what is at stake on a pair."""
        after = Money(self.on(pair_id) + change)
        if after:
            self.dollars[pair_id] = after
        else:
            self.dollars.pop(pair_id, None)

    def checkpoint(self) -> Callable[[], None]:
        """Return what takes back every move from now on."""
        kept = dict(self.dollars)

        def back() -> None:
            self.dollars = kept

        return back

    def on(self, pair_id: str) -> Money:
        """Return what is at stake on a pair."""
        return self.dollars.get(pair_id, ZERO)

    def on_cluster_of(self, pair_id: str) -> Money | None:
        """Return what is at stake on all pairs of a pair's cluster; None where it has none."""
        cluster = self._cluster(pair_id)
        return None if cluster is None else self._clusters().get(cluster, ZERO)

    def measures(self) -> dict[str, Decimal]:
        """Return every stake by the name of its limit."""
        pairs = {f"pair_capital:{name}": Decimal(each) for name, each in self.dollars.items()}
        found = {f"cluster_capital:{name}": Decimal(v) for name, v in self._clusters().items()}
        return pairs | found

    def bounds(self, limits: RiskLimits) -> dict[str, Decimal]:
        """Return the limit of everything that has a measure now."""
        return {
            name: Decimal(limits.pair if name.startswith("pair_") else limits.cluster)
            for name in self.measures()
        }

    def _cluster(self, pair_id: str) -> str | None:
        return self._terms.get(pair_id, ALONE)[0]

    def _clusters(self) -> dict[str, Money]:
        found: dict[str, Money] = {}
        for pair_id, dollars in self.dollars.items():
            if (cluster := self._cluster(pair_id)) is not None:
                found[cluster] = Money(found.get(cluster, ZERO) + dollars)
        return found
