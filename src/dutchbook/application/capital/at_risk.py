"""Capital at risk and positions by pair, and capital at risk on clusters of related pairs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from dutchbook.domain.capital.limits import OpenPairs, RiskLimits
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.ports.journal import Journal

Terms = tuple[str | None, Decimal]
"""The cluster of a pair, and the confidence in its match."""
COSTS = ("cost", "complement_cost")
ALONE: Terms = (None, Decimal(1))


class CapitalAtRisk:
    """Reserved and committed dollars by pair, updated with reservations and positions.

    Committed dollars are the cost of held contracts without fees, including contracts that
    still await a merge after their position was closed.

    Attributes:
        dollars: The capital at risk on each pair that has some.
        positions: How many positions each pair has open or about to be opened, if any.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._terms: dict[str, Terms] = {}
        self.dollars: dict[str, Money] = {}
        self.positions: dict[str, int] = {}

    async def load(self) -> None:
        """Recompute from the rows.

        An entry's open reservation counts for its whole execution: it already covers what was
        bought.
        """
        self.dollars, self.positions = {}, {}
        for row in await self._journal.rows("contract_matches"):
            self.know(row["match_id"], row["cluster"], row["confidence"])
        pairs = {
            row["execution_id"]: row["pair_id"]
            for row in await self._journal.rows("executions")
        }
        reserved = set()
        for row in await self._journal.rows("reservations", {"status": "reserved"}):
            execution_id, pair_id = row["execution_id"], pairs.get(row["execution_id"])
            begins = row["order_id"] is None and execution_id not in reserved
            if row["order_id"] is None:
                reserved.add(execution_id)
            if pair_id is not None:
                self.move(pair_id, Money(row["amount"]), int(begins))
        for row in await self._journal.rows("open_positions"):
            if row["execution_id"] not in reserved:
                parts = (f"{p.value}_{name}" for p in Platform for name in COSTS)
                cost = sum((row[part] for part in parts), start=Decimal(0))
                is_open = row["status"] != PositionStatus.CLOSED
                self.move(row["pair_id"], Money(cost), int(is_open))

    def know(self, pair_id: str, cluster: str | None, confidence: Decimal) -> None:
        """Record a pair's cluster and the confidence in its match."""
        self._terms[pair_id] = (cluster, confidence)

    def confidence(self, pair_id: str) -> Decimal:
        """Return the confidence in a pair's match, above 0 and at most 1."""
        return self._terms.get(pair_id, ALONE)[1]

    def move(self, pair_id: str, change: Money, positions: int = 0) -> None:
        """Add `change` to the capital at risk on a pair, and `positions` to its number."""
        after, count = Money(self.on(pair_id) + change), self.positions_on(pair_id) + positions
        if after:
            self.dollars[pair_id] = after
        else:
            self.dollars.pop(pair_id, None)
        if count:
            self.positions[pair_id] = count
        else:
            self.positions.pop(pair_id, None)

    def checkpoint(self) -> Callable[[], None]:
        """Return a function that undoes every move made after this call."""
        dollars, positions = dict(self.dollars), dict(self.positions)

        def restore() -> None:
            self.dollars, self.positions = dollars, positions

        return restore

    def on(self, pair_id: str) -> Money:
        """Return the capital at risk on a pair."""
        return self.dollars.get(pair_id, ZERO)

    def positions_on(self, pair_id: str) -> int:
        """Return how many positions a pair has open or about to be opened."""
        return self.positions.get(pair_id, 0)

    def open_pairs(self, pair_id: str) -> OpenPairs:
        """Return the pairs with a position, as an entry on one sees them."""
        return OpenPairs(len(self.positions), pair_id in self.positions)

    def on_cluster_of(self, pair_id: str) -> Money | None:
        """Return the capital at risk on a pair's cluster; None if the pair has none."""
        cluster = self._cluster(pair_id)
        return None if cluster is None else self._clusters().get(cluster, ZERO)

    def measures(self) -> dict[str, Decimal]:
        """Return every amount at risk by the name of its limit."""
        pairs = {f"pair_capital:{name}": Decimal(each) for name, each in self.dollars.items()}
        found = {f"cluster_capital:{name}": Decimal(v) for name, v in self._clusters().items()}
        return pairs | found

    def bounds(self, limits: RiskLimits) -> dict[str, Decimal]:
        """Return the limit of each amount that `measures` returns."""
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
