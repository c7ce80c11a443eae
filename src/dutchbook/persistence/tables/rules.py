"""Rules of every table as data: keys, lower bounds, state machines, what may change.

The in-memory journal enforces them in Python. The databases' constraints and triggers are
generated from the same data, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dutchbook.domain.execution.order import ORDER
from dutchbook.domain.positions.position import POSITION
from dutchbook.domain.values.machine import Machine


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one table.

    Attributes:
        key: The columns of its primary key.
        unique: Further sets of columns that no two rows share.
        floor: Columns that never go below zero.
        added: Columns that a later schema added: zero in every older row.
        machine: State machine of the `status` column.
        frozen: Rows never change, except in the columns of `mutable`.
        mutable: See `frozen`.
        resolved_once: `status` leaves "reserved" once, and the parts then add up to the amount.
        audited: The log records every change, so that replaying the log rebuilds the table.
    """

    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    floor: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    machine: Machine[Any, Any] | None = None
    frozen: bool = False
    mutable: tuple[str, ...] = ()
    resolved_once: bool = False
    audited: bool = False

    def may_change(self, column: str) -> bool:
        """Return whether an update may set `column`."""
        return not self.frozen or column in self.mutable

    def status_allowed(self, before: StrEnum | str, after: StrEnum | str) -> bool:
        """Return whether a row's status may go from `before` to `after`."""
        if before == after or self.machine is None:
            return True
        return any(
            (str(a), str(b)) == (str(before), str(after)) for a, b in self.machine.changes
        )


TABLES: dict[str, Rules] = {
    "system_metadata": Rules(("key",)),
    "contracts": Rules(("platform", "contract_id"), floor=("taker_delay_ms",)),
    "contract_matches": Rules(
        ("match_id",),
        unique=(("polymarket_contract_id", "kalshi_contract_id"),),
        audited=True,
    ),
    "risk_states": Rules(
        ("singleton_key",),
        floor=(
            "open_position_count",
            "reserved_capital",
            "reserved_position_slots",
            "total_capital_deployed",
        ),
        audited=True,
    ),
    "accounts": Rules(("account_id",), floor=("free", "reserved"), audited=True),
    "ledger_entries": Rules(("entry_id",), frozen=True, audited=True),
    "reservations": Rules(
        ("reservation_id", "account_id"),
        floor=("amount", "committed", "fees", "released"),
        resolved_once=True,
        audited=True,
    ),
    "opportunities": Rules(("opportunity_id",), frozen=True),
    "order_book_snapshots": Rules(("snapshot_id",), frozen=True),
    "executions": Rules(("execution_id",), audited=True),
    "orders": Rules(
        ("order_id",),
        unique=(("client_order_id",),),
        floor=("size", "fill_size", "fees", "working_size"),
        machine=ORDER,
        audited=True,
    ),
    "fills": Rules(("platform", "trade_id"), frozen=True, mutable=("finality",), audited=True),
    "open_positions": Rules(
        ("position_id",),
        floor=(
            "kalshi_size",
            "polymarket_size",
            "kalshi_borrowed",
            "polymarket_borrowed",
            "divergence_reserve",
        ),
        added=("kalshi_borrowed", "polymarket_borrowed"),
        machine=POSITION,
        audited=True,
    ),
    "settlements": Rules(("settlement_id",), floor=("size",), audited=True),
    "audit_log": Rules(("sequence",), unique=(("event_id",),), frozen=True),
    "outbox": Rules(("sequence",)),
    "platform_health_logs": Rules(("health_id",), frozen=True),
    "risk_override_logs": Rules(("override_id",), frozen=True, audited=True),
    "discrepancies": Rules(("discrepancy_id",), audited=True),
    "dead_letters": Rules(("dead_letter_id",)),
    "leases": Rules(("name",), floor=("epoch", "halts")),
    "operator_commands": Rules(("command_id",)),
    "api_tokens": Rules(("token_id",), unique=(("digest",),)),
    "idempotency_keys": Rules(("token_id", "key")),
    "alerts": Rules(("alert_id",)),
}
