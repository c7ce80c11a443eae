"""Budgets, limits, halts and cash."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from dutchbook.domain.events.base import Event
from dutchbook.domain.values.units import Money


@dataclass(frozen=True, slots=True)
class BudgetReserved(Event):
    """Capital was reserved for an execution on both platforms."""

    wire: ClassVar[str] = "risk.budget.reserved"
    reservation_id: str
    execution_id: str
    pair_id: str
    kalshi_amount: Money
    polymarket_amount: Money


@dataclass(frozen=True, slots=True)
class BudgetCommitted(Event):
    """A reservation ended after a purchase; the unused rest was released."""

    wire: ClassVar[str] = "risk.budget.committed"
    reservation_id: str
    execution_id: str
    committed: Money
    fees: Money
    released: Money


@dataclass(frozen=True, slots=True)
class BudgetReleased(Event):
    """A reservation ended without a purchase; all of it was released."""

    wire: ClassVar[str] = "risk.budget.released"
    reservation_id: str
    execution_id: str
    released: Money
    reason: str


@dataclass(frozen=True, slots=True)
class LimitApproached(Event):
    """A value crossed the warning share of its limit; raised once per crossing."""

    wire: ClassVar[str] = "risk.limit.approached"
    limit: str
    value: Decimal
    bound: Decimal


@dataclass(frozen=True, slots=True)
class LimitBreached(Event):
    """A value reached its limit."""

    wire: ClassVar[str] = "risk.limit.breached"
    limit: str
    value: Decimal
    bound: Decimal


@dataclass(frozen=True, slots=True)
class OverrideApplied(Event):
    """An operator lifted a limit for one opportunity."""

    wire: ClassVar[str] = "risk.override.applied"
    opportunity_id: str
    rationale: str
    original_reason: str
    amount: Money


@dataclass(frozen=True, slots=True)
class OverrideDenied(Event):
    """An operator's request to lift a limit was rejected."""

    wire: ClassVar[str] = "risk.override.denied"
    opportunity_id: str
    rationale: str
    denial_reason: str


@dataclass(frozen=True, slots=True)
class TradingHalted(Event):
    """Trading was halted; `reasons` are all halt reasons now set."""

    wire: ClassVar[str] = "system.trading.halted"
    reason: str
    reasons: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class TradingResumed(Event):
    """A halt reason was cleared; trading resumes if `reasons` is empty."""

    wire: ClassVar[str] = "system.trading.resumed"
    reason: str
    reasons: tuple[str, ...]
    rationale: str


@dataclass(frozen=True, slots=True)
class CapitalMoved(Event):
    """Cash came in or went out for a reason other than a trade."""

    wire: ClassVar[str] = "capital.moved"
    account: str
    kind: str
    amount: Money
    note: str
