"""What we believe: our orders with their fills, our positions, and what must stand where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.reconciliation.platform_state import FillReport

ContractKey = tuple[Platform, str, Outcome]
SYNTHETIC = "synthetic:"
"""How the trade id of a fill begins that a platform stated as a total, without its trade."""


def is_synthetic(fill: Fill) -> bool:
    """Tell whether a fill stands for a stated total and not for a trade."""
    return fill.trade_id.startswith(SYNTHETIC)


def live(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return the fills that count: all but failed ones."""
    return tuple(fill for fill in fills if fill.finality is not Finality.FAILED)


def cash_effect(fill: Fill) -> Decimal:
    """Return the dollars that a fill brings (sell) or takes (buy, negative), its fee paid."""
    return (fill.cost if fill.side is Side.SELL else -fill.cost) - fill.fee


def size_effect(fill: Fill) -> Decimal:
    """Return the contracts of its outcome that a fill brings, negative for a sale."""
    return fill.size if fill.side is Side.BUY else -fill.size


@dataclass(frozen=True, slots=True)
class OurOrder:
    """An order with all its fills, failed ones included, and what it belongs to.

    An order that an execution is sending at this moment does not belong here: it is not yet
    known whether there is anything to reconcile.
    """

    order: Order
    account: AccountKey
    fills: tuple[Fill, ...] = ()
    position_id: str | None = None

    @property
    def awaiting(self) -> bool:
        """Whether the platform has never said what became of it: an intent or an unknown.

        A fill alone does not tell whether the rest still works.
        """
        order = self.order
        unanswered = order.platform_order_id is None and order.working_size > 0
        return unanswered or order.outcome_unknown_since is not None

    @property
    def unresolved(self) -> bool:
        """Whether the platform can still tell something that changes it."""
        provisional = any(fill.finality is Finality.PROVISIONAL for fill in self.fills)
        return self.awaiting or self.order.working_size > 0 or provisional

    @property
    def newest(self) -> datetime:
        """The last instant at which something happened to it that we know of."""
        order = self.order
        times = [order.created_at, *(fill.matched_at for fill in self.fills)]
        return max(
            times + ([order.outcome_unknown_since] if order.outcome_unknown_since else [])
        )

    def fill_of(self, report: FillReport) -> Fill:
        """Return a report of one of its trades as a fill."""
        order = self.order
        return Fill(
            trade_id=report.trade_id,
            platform=order.platform,
            order_id=order.order_id,
            outcome=order.outcome,
            side=order.side,
            price=report.price,
            size=report.size,
            fee=report.fee,
            finality=report.finality,
            matched_at=report.matched_at,
        )


@dataclass(frozen=True, slots=True)
class Ours:
    """Our side of a comparison.

    Attributes:
        orders: Those to compare, with every order of the positions given.
        positions: Of any status; CLOSED ones too while their fills can still fail.
        contracts: Expected by platform, contract and outcome, as our fills amount to.
        cash: Expected by account, in dollars: free and reserved, not committed.
        booked: Platform and id of the named cash movements that are in our ledger.
        doubted: Since when each open discrepancy, by its key, has been known.
    """

    orders: tuple[OurOrder, ...] = ()
    positions: tuple[OpenPosition, ...] = ()
    contracts: Mapping[ContractKey, Decimal] = field(default_factory=dict)
    cash: Mapping[AccountKey, Decimal] = field(default_factory=dict)
    booked: frozenset[tuple[Platform, str]] = frozenset()
    doubted: Mapping[str, datetime] = field(default_factory=dict)

    def on(self, platform: Platform) -> tuple[OurOrder, ...]:
        """Return the orders on a platform."""
        return tuple(each for each in self.orders if each.order.platform is platform)
