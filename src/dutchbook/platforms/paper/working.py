"""An order on a paper platform: what is left of it, its fees and its fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.domain.values.units import Money, Quantity, from_e6
from dutchbook.platforms.paper.fees import Charges
from dutchbook.ports.orders import FillReport, OrderReport


@dataclass(slots=True)
class Working:
    """An order on the platform."""

    order: Order
    platform_order_id: str
    charges: Charges
    left: int
    arrived: int
    fills: list[FillReport] = field(default_factory=list)

    def charge(self, price_e4: int, size_e6: int) -> Money:
        """Take `size_e6` of what is left at the price and return the fee."""
        self.left -= size_e6
        return self.charges.charge(price_e4, size_e6)

    def end(self) -> None:
        """Cancel what is left."""
        self.left = 0

    def report(self) -> OrderReport:
        """Return the order's id, its fills so far and what still works."""
        return OrderReport(
            self.platform_order_id, tuple(self.fills), Quantity(from_e6(max(self.left, 0)))
        )


def side_of(order: Order) -> int:
    """Return the side of the book that an order takes from."""
    buys_yes = (order.outcome is Outcome.YES) == (order.side is Side.BUY)
    return ASK if buys_yes else BID


Taken = Callable[[str, int, int, int], None]
"""Called after a trade of ours with contract, side, price and the size left there."""


def ignore(contract_id: str, side: int, price_e4: int, left_e6: int) -> None:
    """Ignore a trade."""
