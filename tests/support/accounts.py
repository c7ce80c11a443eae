"""Lists of an account, and orders that explain what is in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.reconciliation.accounts import Accounts
from dutchbook.domain.reconciliation.findings import (
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    FillReport,
    NamedCash,
    PlatformState,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Quantity
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    GRACE,
    POSITION,
    account,
    order,
    report,
)

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
YES, NO = Outcome.YES, Outcome.NO
KIND, PERSON = DiscrepancyType, Involvement
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
SILENT = Unavailable("timed out")
CUP = "polymarket-cup"


def size(text: str) -> Quantity:
    return Quantity(Decimal(text))


def lists(ours: OurState, platform: Platform = POLY, **facts: object) -> Accounts:
    statement = replace(Statement(), **facts)  # type: ignore[arg-type]
    return Accounts(ours, PlatformState(NOW, {platform: statement}), GRACE, platform)


def settled(placed: Order, *reports: FillReport, position: str | None = POSITION) -> OurOrder:
    """Return an acknowledged order without a rest, with the fills of some reports."""
    placed = placed.acknowledged(placed.platform_order_id or f"{placed.platform}-7", NOTHING)
    ours = OurOrder(placed, account(placed.platform), position_id=position)
    return replace(ours, fills=tuple(ours.fill_of(each) for each in reports))


def traded(*parts: tuple[Side, str], platform: Platform = POLY) -> tuple[OurOrder, ...]:
    """Return an order with a provisional fill for each side and size."""
    return tuple(
        settled(
            order(platform, order_id=f"o{n}", side=side),
            report(f"t{n}", size(many), platform=platform),
        )
        for n, (side, many) in enumerate(parts)
    )


def paid(movement_id: str, at: datetime, platform: Platform = POLY) -> NamedCash:
    return NamedCash(movement_id, EntryKind.INTEREST, account(platform), CENT, at)
