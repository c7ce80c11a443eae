"""Conversion of accounts and the risk state to rows, and of rows to the risk state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.records.rows import SINGLETON
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.limits import HaltReason, RiskState
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.ports.journal import Update


def day_of(now: datetime, hour: int) -> datetime:
    """Return the start of the trading day that contains `now`; days start at `hour` UTC."""
    began = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return began if began <= now else began - timedelta(days=1)


def account_row(key: AccountKey) -> dict[str, Any]:
    """Return the row of `accounts` for an empty account."""
    return {
        "account_id": str(key),
        "platform": key.platform,
        "account": key.account,
        "currency": key.currency,
        "free": ZERO,
        "reserved": ZERO,
        "committed": ZERO,
    }


def state_row(state: RiskState) -> dict[str, Any]:
    """Return the row of `risk_states`."""
    return SINGLETON | {
        "daily_pnl": state.daily_pnl,
        "open_position_count": state.open_position_count,
        "last_reset_timestamp": state.last_reset,
        "total_capital_deployed": state.total_capital_deployed,
        "trading_halted": state.trading_halted,
        "halt_reason": sorted(reason.value for reason in state.halt_reasons),
        "reserved_capital": state.reserved_capital,
        "reserved_position_slots": state.reserved_position_slots,
        "epoch": state.epoch,
    }


def state_of(row: Mapping[str, Any]) -> RiskState:
    """Read the risk state from its row; a halt that cannot be read is a halt (I-18)."""
    return RiskState(
        daily_pnl=Money(row["daily_pnl"]),
        open_position_count=row["open_position_count"],
        total_capital_deployed=Money(row["total_capital_deployed"]),
        reserved_capital=Money(row["reserved_capital"]),
        reserved_position_slots=row["reserved_position_slots"],
        halt_reasons=_reasons(row["halt_reason"], halted=row["trading_halted"]),
        last_reset=row["last_reset_timestamp"],
        epoch=row["epoch"],
    )


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
    return Update(
        "risk_states",
        key=SINGLETON,
        put={
            "trading_halted": state.trading_halted,
            "halt_reason": sorted(reason.value for reason in state.halt_reasons),
            "epoch": state.epoch,
        },
    )
