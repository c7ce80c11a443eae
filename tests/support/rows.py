"""One row for every table, for tests of the tables themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.records.loading import LEG_AMOUNTS
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.journal import Insert

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
ACCOUNT = AccountKey(Platform.KALSHI, "shard-0", "USD")
ONE = Decimal(1)


def order_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of an order with unique ids."""
    return {
        "order_id": name,
        "client_order_id": f"c-{name}",
        "platform": "kalshi",
        "contract_id": "K",
        "pair_id": "p",
        "execution_id": "e",
        "leg": "primary",
        "purpose": "entry",
        "outcome": "yes",
        "side": "buy",
        "price": Decimal("0.4"),
        "size": ONE,
        "time_in_force": "fok",
        "created_at": NOW,
        "status": "PENDING",
        "fill_size": Decimal(0),
        "fill_cost": Decimal(0),
        "fees": Decimal(0),
        "working_size": ONE,
        "refusal": None,
        "platform_order_id": None,
        "outcome_unknown_since": None,
        "position_id": None,
        "version": 1,
    } | facts


def position_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of a position with a unique id."""
    sizes = {f"{p}_{part}": ONE for p in Platform for part in ("size", "cost", "fees")}
    others = ("complement", "complement_cost", "borrowed", "cash", "settled")
    sizes |= {f"{p}_{part}": Decimal(0) for p in Platform for part in others}
    return (
        {
            "position_id": name,
            "pair_id": "p",
            "execution_id": "e",
            "polymarket_order_id": "o",
            "kalshi_order_id": "o",
            "polymarket_side": "no",
            "kalshi_side": "yes",
            "entry_prices": {"kalshi": "0.4", "polymarket": "0.5"},
            "sizes": {"kalshi": "1", "polymarket": "1"},
            "expected_edge": ONE,
            "divergence_reserve": ONE,
            "opened_at": NOW,
            "completed_at_loss": False,
            "kalshi_payout": None,
            "polymarket_payout": None,
            "realised_pnl": Decimal(0),
            "marked_pnl": Decimal(0),
            "divergence_pnl": Decimal(0),
            "closed_at": None,
            "status": "OPEN",
            "reconciliation_context": None,
            "version": 1,
        }
        | sizes
        | facts
    )


def leg_state(platform: Platform, failure: str | None = None) -> dict[str, Any]:
    """Return the stored state of a leg of an execution of which nothing was filled."""
    about = {"platform": platform.value, "busy": False, "unknown": False, "failure": failure}
    return about | dict.fromkeys(LEG_AMOUNTS, "0") | {"planned": "1"}


def execution_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of an execution of which nothing was filled."""
    return {
        "execution_id": name,
        "opportunity_id": "q",
        "pair_id": "p",
        "direction": "kalshi_yes",
        "primary_platform": "kalshi",
        "planned_quantity": ONE,
        "started_at": NOW,
        "ended_at": None,
        "shortfall": None,
        "phase": "decided",
        "primary_state": leg_state(Platform.KALSHI),
        "secondary_state": leg_state(Platform.POLYMARKET),
        "version": 1,
    } | facts


def everything() -> tuple[Insert, ...]:
    """Return one row for every table, in an order that satisfies their references."""
    zero = Decimal(0)
    rows: list[tuple[str, dict[str, Any]]] = [
        (
            "accounts",
            {
                "account_id": str(ACCOUNT),
                "platform": "kalshi",
                "account": "shard-0",
                "currency": "USD",
                "free": Decimal(100),
                "reserved": Decimal(10),
                "committed": zero,
            },
        ),
        (
            "risk_states",
            {
                "singleton_key": "default",
                "daily_pnl": zero,
                "open_position_count": 0,
                "last_reset_timestamp": NOW,
                "total_capital_deployed": zero,
                "trading_halted": False,
                "halt_reason": [],
                "reserved_capital": zero,
                "reserved_position_slots": 0,
                "epoch": 1,
            },
        ),
        (
            "ledger_entries",
            {
                "entry_id": "l",
                "transaction_id": "x",
                "account_id": str(ACCOUNT),
                "kind": "deposit",
                "bucket": "free",
                "amount": ONE,
                "reference": "r",
                "note": None,
                "booked_at": NOW,
            },
        ),
        (
            "reservations",
            {
                "reservation_id": "r",
                "account_id": str(ACCOUNT),
                "execution_id": "e",
                "order_id": None,
                "amount": Decimal(10),
                "committed": zero,
                "fees": zero,
                "released": zero,
                "status": "reserved",
                "reserved_at": NOW,
                "resolved_at": None,
            },
        ),
        (
            "contract_matches",
            {
                "match_id": "p",
                "polymarket_contract_id": "P",
                "kalshi_contract_id": "K",
                "polymarket_description": "",
                "kalshi_description": "",
                "alignment": "same",
                "divergence_class": "identical",
                "divergence_probability": zero,
                "cluster": None,
                "confidence": ONE,
                "primary_leg": None,
                "resolution_date": NOW,
                "operator_approved": True,
                "operator_approval_timestamp": NOW,
                "operator_rationale": None,
                "approved_digest": None,
                "first_traded_timestamp": None,
                "last_traded_timestamp": None,
                "total_cycles_traded": 0,
                "version": 1,
            },
        ),
        (
            "opportunities",
            {
                "opportunity_id": "q",
                "pair_id": "p",
                "direction": "kalshi_yes",
                "detected_at": NOW,
                "reason": None,
                "quantity": ONE,
                "gross_edge": "0.1",
                "net_edge": "0.05",
                "expected_profit": ONE,
                "detail": None,
            },
        ),
        (
            "order_book_snapshots",
            {
                "snapshot_id": "s",
                "platform": "kalshi",
                "contract_id": "K",
                "bids": [],
                "asks": [],
                "sequence_number": 1,
                "book_time": NOW,
                "captured_at": NOW,
                "opportunity_id": "q",
            },
        ),
        ("executions", execution_row("e")),
        ("orders", order_row("o")),
        (
            "fills",
            {
                "platform": "polymarket",
                "trade_id": "t",
                "order_id": "o",
                "execution_id": "e",
                "outcome": "no",
                "side": "buy",
                "price": Decimal("0.5"),
                "size": ONE,
                "fee": zero,
                "finality": "provisional",
                "matched_at": NOW,
                "reported_at": NOW,
            },
        ),
        ("open_positions", position_row("held")),
        (
            "settlements",
            {
                "settlement_id": "s",
                "position_id": "held",
                "platform": Platform.KALSHI,
                "contract_id": "K",
                "kind": "payout",
                "size": ONE,
                "yes_pays": ONE,
                "status": "pending",
                "requested_at": NOW,
                "paid_at": None,
            },
        ),
        (
            "audit_log",
            {
                "sequence": 1,
                "event_id": "v",
                "name": "n",
                "occurred_at": NOW,
                "correlation_id": "k",
                "causation_id": None,
                "payload": "{}",
                "previous_hash": "0",
                "hash": "1",
            },
        ),
        (
            "platform_health_logs",
            {
                "health_id": "h",
                "platform": "kalshi",
                "status": "healthy",
                "response_time_ms": 3,
                "connection_state": "connected",
                "recorded_at": NOW,
            },
        ),
        (
            "risk_override_logs",
            {
                "override_id": "w",
                "opportunity_id": "q",
                "rationale": "because",
                "approved": False,
                "original_rejection_reason": "size",
                "override_amount_usd": None,
                "denial_reason": "halted",
                "recorded_at": NOW,
            },
        ),
    ]
    return tuple(Insert(table, row) for table, row in rows)
