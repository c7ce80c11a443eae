"""Conversion of accounts and the risk state to rows, and of rows to the risk state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.records.rows import SINGLETON
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.limits import HaltReason, RiskState
from dutchbook.domain.values.units import ZERO
from dutchbook.ports.journal import Update
from dutchbook.ports.tables.capital import ACCOUNTS, RISK_STATES
from dutchbook.ports.tables.table import Row


def day_of(now: datetime, hour: int) -> datetime:
    """Return the start of the trading day that contains `now`; days start at `hour` UTC."""
    began = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return began if began <= now else began - timedelta(days=1)


def account_row(key: AccountKey) -> dict[str, Any]:
    """Return the row of `accounts` for an empty account."""
    balance = dict.fromkeys(("free", "reserved", "committed"), ZERO)
    return ACCOUNTS.row_of(key, account_id=str(key), **balance)


def state_of(row: Row) -> RiskState:
    """Read the risk state from its row; a halt that cannot be read is a halt (I-18)."""
    reasons = _reasons(row["halt_reason"], halted=row["trading_halted"])
    return RISK_STATES.value(row, {"halt_reasons": reasons})


def _reasons(stored: object, *, halted: bool) -> frozenset[HaltReason]:
    """Read halt reasons; an unknown reason, or a contradiction, becomes `UNREADABLE`."""
    listed = stored if isinstance(stored, list) else [None]
    known = {reason.value for reason in HaltReason}
    found = {HaltReason(str(r)) if str(r) in known else HaltReason.UNREADABLE for r in listed}
    if halted is not bool(found):
        found.add(HaltReason.UNREADABLE)
    return frozenset(found)


def halt_update(state: RiskState) -> Update:
    """Return the update that stores a state's halt reasons."""
    return Update("risk_states", SINGLETON, put=RISK_STATES.changing(state))
