"""Our state: orders with their fills, positions, and expected contracts and cash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Fill, Finality, Order, Unlisted
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.reconciliation.platform_state import FillReport, fill_of

ContractKey = tuple[Platform, str, Outcome]


def live(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return all fills that have not failed."""
    return tuple(fill for fill in fills if fill.finality is not Finality.FAILED)


def cash_effect(fill: Fill | Unlisted) -> Decimal:
    """Return the dollars a fill adds (sell) or takes (buy, negative), after its fee."""
    return (fill.cost if fill.side is Side.SELL else -fill.cost) - fill.fee


def size_effect(fill: Fill | Unlisted) -> Decimal:
    """Return the contracts of its outcome that a fill adds, negative for a sale."""
    return fill.size if fill.side is Side.BUY else -fill.size


@dataclass(frozen=True, slots=True)
class OurOrder:
    """An order with all its fills (failed ones included), its account and its position.

    An order that an execution is sending right now does not belong here: whether there is
    anything to reconcile is not known yet.
    """

    order: Order
    account: AccountKey
    fills: tuple[Fill, ...] = ()
    position_id: str | None = None

    @property
    def awaiting(self) -> bool:
        """Whether the platform has never reported the order's state: unsent or unknown.

        A fill alone does not show whether the rest still works.
        """
        order = self.order
        unanswered = not order.reported and order.working_size > 0
        return unanswered or order.outcome_unknown_since is not None

    @property
    def counted(self) -> tuple[Fill | Unlisted, ...]:
        """All that counts as filled: fills that have not failed, and what is only stated."""
        part = self.order.unlisted
        return (*live(self.fills), *((part,) if part else ()))

    @property
    def unresolved(self) -> bool:
        """Whether a report from the platform can still change the order."""
        provisional = any(fill.finality is Finality.PROVISIONAL for fill in self.fills)
        rest = self.order.working_size > 0 or self.order.stated > 0
        return self.awaiting or rest or provisional

    @property
    def ended(self) -> bool:
        """Whether nothing of it works any more and no answer is due; a fill may come late."""
        return not (self.awaiting or self.order.working_size)

    @property
    def newest(self) -> datetime:
        """The instant of the latest known change to the order."""
        order = self.order
        times = [order.created_at, *(fill.matched_at for fill in self.fills)]
        return max(
            times + ([order.outcome_unknown_since] if order.outcome_unknown_since else [])
        )

    def fill_of(self, report: FillReport) -> Fill:
        """Return the fill of a report of one of the order's trades."""
        return fill_of(self.order, report)


@dataclass(frozen=True, slots=True)
class OurState:
    """Our state in a comparison.

    Attributes:
        orders: The orders to compare, including every order of `positions`.
        positions: Positions of any status, CLOSED ones while their fills can still fail.
        contracts: Expected contracts by platform, contract and outcome, from our fills.
        cash: Expected cash by account, in dollars: free and reserved, not committed.
        booked: Platform and id of the named cash movements in our ledger.
        doubted: When each open discrepancy was first seen, by its key.
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
