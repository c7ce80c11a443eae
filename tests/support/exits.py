"""A pair that is entered and left at once, and an engine that dies while it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.journal import Batch, Insert
from support.bench import Bench, When

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
UNSETTLED = "paper.settle_ms=30000"
"""Polymarket's contracts cannot be sold yet: the exit buys their opposite."""


async def leaving(at: Bench) -> None:
    """Enter a pair, and leave it at once since both legs bring more."""
    at.execute(second="100")
    await at.rest(5)
    at.show(KALSHI, {60: "500"}, {62: "500"})
    at.show(POLYMARKET, {43: "500"}, {45: "500"})
    await at.rest(60)


@dataclass
class InTheExit:
    """Lets an engine die before one commit of an exit; number 0 places its first order."""

    number: int
    seen: int = -1

    def __call__(self, batch: Batch) -> When | None:
        exits = any(
            isinstance(each, Insert)
            and each.table == "orders"
            and each.row["purpose"] is Purpose.EXIT
            for each in batch.writes
        )
        self.seen += exits or self.seen >= 0
        return When.BEFORE if self.seen == self.number else None
