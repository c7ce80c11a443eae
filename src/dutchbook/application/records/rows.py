"""Rows that are more than the columns of one domain value; `ports.tables` has the others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Refusal
from dutchbook.domain.events import as_json
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.pair_trades.capital import Resolution
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.ports.journal import Update
from dutchbook.ports.tables.capital import RESERVATIONS
from dutchbook.ports.tables.market import CONTRACT_MATCHES, ORDER_BOOK_SNAPSHOTS

SINGLETON = {"singleton_key": "default"}


def match_row(match: ContractMatch, *, at: datetime, rationale: str | None) -> dict[str, Any]:
    """Return the row of `contract_matches` for a new pair, approved at `at` or not at all."""
    return CONTRACT_MATCHES.row_of(
        match,
        operator_approval_timestamp=at if match.operator_approved else None,
        operator_rationale=rationale,
        total_cycles_traded=0,
        version=1,
    )


def refusal_row(
    opportunity_id: str, pair_id: str, direction: str, refusal: Refusal, at: datetime
) -> dict[str, Any]:
    """Return the row of `opportunities` for a gross edge that was refused."""
    return {
        "opportunity_id": opportunity_id,
        "pair_id": pair_id,
        "direction": direction,
        "detected_at": at,
        "reason": refusal.reason.value,
        "quantity": None,
        "gross_edge": as_json(refusal.gross_edge),
        "net_edge": as_json(refusal.net_edge),
        "expected_profit": None,
        "detail": refusal.detail or None,
    }


def snapshot_row(
    snapshot_id: str, book: OrderBook, at: datetime, *, opportunity_id: str
) -> dict[str, Any]:
    """Return the row of `order_book_snapshots`: what the engine saw when it acted."""
    levels = {
        side: [{"price": price, "quantity": size} for price, size in each]
        for side, each in book.top(levels=1_000).items()
    }
    return ORDER_BOOK_SNAPSHOTS.row_of(
        book, snapshot_id=snapshot_id, captured_at=at, opportunity_id=opportunity_id, **levels
    )


def reservation_row(
    reservation: Reservation,
    platform: Platform,
    account: AccountKey,
    at: datetime,
    *,
    order_id: str | None = None,
) -> dict[str, Any]:
    """Return the row of `reservations` for one account's part; it is resolved once.

    `order_id` names the one order that it is for, where that order came after its execution.
    """
    return RESERVATIONS.row_of(
        reservation,
        account_id=str(account),
        order_id=order_id,
        amount=reservation.amounts[platform],
        committed=ZERO,
        fees=ZERO,
        released=ZERO,
        status="reserved",
        reserved_at=at,
    )


def resolution_update(
    ended: Resolution, platform: Platform, account: AccountKey, at: datetime
) -> Update:
    """Return the end of one account's part of a reservation."""
    amount, spent = ended.reservation.amounts[platform], ended.spent[platform]
    return Update(
        "reservations",
        key={
            "reservation_id": ended.reservation.reservation_id,
            "account_id": str(account),
        },
        guard={"status": "reserved"},
        put={
            "status": "committed" if platform in ended.committed else "released",
            "committed": spent.cost,
            "fees": spent.fees,
            "released": Money(amount - spent.cost - spent.fees),
            "resolved_at": at,
        },
    )
