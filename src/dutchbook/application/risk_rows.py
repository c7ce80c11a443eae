"""How accounts and the risk state become rows, and rows the risk state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dutchbook.domain.ledger import AccountKey
from dutchbook.domain.risk import HaltReason, RiskState
from dutchbook.domain.units import ZERO, Money
from dutchbook.ports import Update

SINGLETON = {"singleton_key": "default"}


def midnight(now: datetime) -> datetime:
    """Return the start of the UTC day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def account_row(key: AccountKey) -> dict[str, Any]:
    """Return the row of `accounts` for an account that holds nothing yet."""
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
    """Read the risk state from its row."""
    return RiskState(
        daily_pnl=Money(row["daily_pnl"]),
        open_position_count=row["open_position_count"],
        total_capital_deployed=Money(row["total_capital_deployed"]),
        reserved_capital=Money(row["reserved_capital"]),
        reserved_position_slots=row["reserved_position_slots"],
        halt_reasons=frozenset(HaltReason(reason) for reason in row["halt_reason"]),
        last_reset=row["last_reset_timestamp"],
        epoch=row["epoch"],
    )


def halt_update(state: RiskState) -> Update:
    """Return the change that makes a state's halts durable."""
    return Update(
        "risk_states",
        key=SINGLETON,
        put={
            "trading_halted": state.trading_halted,
            "halt_reason": sorted(reason.value for reason in state.halt_reasons),
            "epoch": state.epoch,
        },
    )
