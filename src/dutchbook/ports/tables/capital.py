"""Tables of capital: the risk state, accounts, the ledger and reservations."""

from __future__ import annotations

from dutchbook.domain.capital.ledger import AccountKey, Posting
from dutchbook.domain.capital.limits import RiskState
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.ports.tables.column import Column, Kind, plain, stored
from dutchbook.ports.tables.table import Table

RISK_STATES = Table(
    "risk_states",
    of=RiskState,
    columns=(
        *plain(Kind.TEXT, "singleton_key", words=("default",)),
        *stored(RiskState, "daily_pnl", "open_position_count"),
        *stored(RiskState, "last_reset", renamed={"last_reset": "last_reset_timestamp"}),
        *stored(RiskState, "total_capital_deployed"),
        *stored(RiskState, "trading_halted", changes_from="trading_halted"),
        Column(
            "halt_reason",
            Kind.JSON,
            path="halt_reasons",
            write=lambda reasons: sorted(reason.value for reason in reasons),
            changes=True,
        ),
        *stored(RiskState, "reserved_capital", "reserved_position_slots"),
        *stored(RiskState, "epoch", changes_from="epoch"),
    ),
    key=("singleton_key",),
    floor=(
        "open_position_count",
        "reserved_capital",
        "reserved_position_slots",
        "total_capital_deployed",
    ),
    audited=True,
)
"""The risk state, one row."""

ACCOUNTS = Table(
    "accounts",
    of=AccountKey,
    columns=(
        *plain(Kind.TEXT, "account_id"),
        *stored(AccountKey, "platform", "account", "currency"),
        *plain(Kind.MICROS, "free", "reserved", "committed"),
    ),
    key=("account_id",),
    floor=("free", "reserved"),
    audited=True,
)
"""Balances by platform, account and currency."""

LEDGER_ENTRIES = Table(
    "ledger_entries",
    of=Posting,
    columns=(
        *plain(Kind.TEXT, "entry_id", "transaction_id"),
        Column("account_id", Kind.TEXT, path="account", write=str),
        *stored(Posting, "kind", "bucket", "amount"),
        *plain(Kind.TEXT, "reference"),
        *plain(Kind.TEXT, "note", optional=True),
        *plain(Kind.INSTANT, "booked_at"),
    ),
    key=("entry_id",),
    refers={"account_id": "accounts.account_id"},
    indexes=(("account_id", "booked_at"),),
    frozen=True,
    audited=True,
)
"""Postings; those of a transaction sum to zero."""

RESERVATIONS = Table(
    "reservations",
    of=Reservation,
    columns=(
        *stored(Reservation, "reservation_id"),
        *plain(Kind.TEXT, "account_id"),
        *stored(Reservation, "execution_id"),
        *plain(Kind.TEXT, "order_id", optional=True),
        *plain(Kind.MICROS, "amount", "committed", "fees", "released"),
        *plain(Kind.TEXT, "status", words=("reserved", "committed", "released")),
        *plain(Kind.INSTANT, "reserved_at"),
        *plain(Kind.INSTANT, "resolved_at", optional=True),
    ),
    key=("reservation_id", "account_id"),
    floor=("amount", "committed", "fees", "released"),
    refers={"account_id": "accounts.account_id"},
    resolved_once=True,
    audited=True,
)
"""Capital set aside for an execution: one row for each account."""
