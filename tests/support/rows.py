"""One row for every table, for tests of the tables themselves; made from the declarations."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.events import as_json
from dutchbook.domain.execution.decide import LegState
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import NOTHING, Price, Quantity
from dutchbook.ports.journal import Insert
from dutchbook.ports.tables.catalogue import declared
from dutchbook.ports.tables.column import Column, Kind

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
ACCOUNT = AccountKey(Platform.KALSHI, "shard-0", "USD")
ONE = Decimal(1)
IDS = {
    "account_id": str(ACCOUNT),
    "account": "shard-0",
    "contract_id": "K",
    "direction": "kalshi_yes",
    "execution_id": "e",
    "match_id": "p",
    "opportunity_id": "q",
    "order_id": "o",
    "pair_id": "p",
    "payload": "{}",
    "position_id": "held",
    "reservation_id": "r",
    "trade_id": "t",
}
VALUES: dict[Kind, Any] = {
    Kind.MICROS: Decimal(0),
    Kind.INSTANT: NOW,
    Kind.JSON: {},
    Kind.WHOLE: 1,
    Kind.YES_NO: False,
    Kind.RAW: b"",
}


def sample(table: str, **facts: Any) -> dict[str, Any]:
    """Return a row with `facts`: otherwise the first word, a common id, zero, or nothing."""
    return {each.name: _value(each) for each in declared(table).columns} | facts


def _value(column: Column) -> Any:
    if column.optional:
        return None
    if column.kind is Kind.TEXT:
        return (*column.words, IDS.get(column.name, column.name))[0]
    return VALUES[column.kind]


def order_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of an order with unique ids."""
    ids = {"order_id": name, "client_order_id": f"c-{name}"}
    return sample("orders", **ids, price=Decimal("0.4"), size=ONE, working_size=ONE) | facts


def position_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of a position with a unique id."""
    sizes = {f"{p}_{part}": ONE for p in Platform for part in ("size", "cost", "fees")}
    return (
        sample(
            "open_positions",
            position_id=name,
            polymarket_order_id="o",
            kalshi_order_id="o",
            polymarket_side="no",
            entry_prices={"kalshi": "0.4", "polymarket": "0.5"},
            sizes={"kalshi": "1", "polymarket": "1"},
            expected_edge=ONE,
            divergence_reserve=ONE,
        )
        | sizes
        | facts
    )


def leg_state(platform: Platform, failure: str | None = None) -> dict[str, Any]:
    """Return the stored state of a leg of an execution of which nothing was filled."""
    state = LegState(
        platform=platform,
        planned=Quantity(ONE),
        bound=Price(NOTHING),
        even_bound=Price(NOTHING),
        step=NOTHING,
        smallest=NOTHING,
        decided_cost=NOTHING,
        failure=failure,
    )
    stored: dict[str, Any] = as_json(state)
    return stored


def execution_row(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of an execution of which nothing was filled."""
    states = {
        "primary_state": leg_state(Platform.KALSHI),
        "secondary_state": leg_state(Platform.POLYMARKET),
    }
    return sample("executions", execution_id=name, planned_quantity=ONE, **states) | facts


def everything() -> tuple[Insert, ...]:
    """Return one row for every table, in an order that satisfies their references."""
    rows: dict[str, dict[str, Any]] = {
        "accounts": {"currency": "USD", "free": Decimal(100), "reserved": Decimal(10)},
        "risk_states": {
            "halt_reason": [],
            "open_position_count": 0,
            "reserved_position_slots": 0,
        },
        "ledger_entries": {"amount": ONE},
        "reservations": {"amount": Decimal(10)},
        "contract_matches": {
            "polymarket_contract_id": "P",
            "kalshi_contract_id": "K",
            "confidence": ONE,
            "operator_approved": True,
            "operator_approval_timestamp": NOW,
            "total_cycles_traded": 0,
        },
        "opportunities": {
            "quantity": ONE,
            "gross_edge": "0.1",
            "net_edge": "0.05",
            "expected_profit": ONE,
        },
        "order_book_snapshots": {"bids": [], "asks": [], "book_time": NOW},
        "executions": execution_row("e"),
        "orders": order_row("o"),
        "fills": {
            "platform": "polymarket",
            "outcome": "no",
            "price": Decimal("0.5"),
            "size": ONE,
        },
        "open_positions": position_row("held"),
        "settlements": {
            "platform": Platform.KALSHI,
            "kind": "payout",
            "size": ONE,
            "yes_pays": ONE,
        },
        "audit_log": {},
        "platform_health_logs": {"response_time_ms": 3},
        "risk_override_logs": {"denial_reason": "halted"},
    }
    return tuple(Insert(table, sample(table, **facts)) for table, facts in rows.items())
