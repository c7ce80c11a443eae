"""Platforms, clocks, reconciliation and the engine itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from dutchbook.domain.events.base import Event
from dutchbook.domain.market.contract import Platform


@dataclass(frozen=True, slots=True)
class _PlatformHealth(Event):
    platform: Platform
    status: str
    response_time_ms: int | None
    connection_state: str
    detail: str


@dataclass(frozen=True, slots=True)
class PlatformHealthUpdated(_PlatformHealth):
    """Regular heartbeat of a platform's health."""

    wire: ClassVar[str] = "platform.health.updated"


@dataclass(frozen=True, slots=True)
class PlatformHealthDegraded(_PlatformHealth):
    """A platform answers slowly or its books are stale."""

    wire: ClassVar[str] = "platform.health.degraded"


@dataclass(frozen=True, slots=True)
class PlatformHealthRecovered(_PlatformHealth):
    """A platform is healthy again."""

    wire: ClassVar[str] = "platform.health.recovered"


@dataclass(frozen=True, slots=True)
class PlatformHealthDisconnected(_PlatformHealth):
    """A platform cannot be reached."""

    wire: ClassVar[str] = "platform.health.disconnected"


@dataclass(frozen=True, slots=True)
class _TimeDrift(Event):
    drift_ms: Decimal
    bound_ms: int


@dataclass(frozen=True, slots=True)
class TimeDriftWarning(_TimeDrift):
    """Our clock drift reached the warning bound."""

    wire: ClassVar[str] = "time.drift.warning"


@dataclass(frozen=True, slots=True)
class TimeDriftCritical(_TimeDrift):
    """Our clock drift reached the critical bound."""

    wire: ClassVar[str] = "time.drift.critical"


@dataclass(frozen=True, slots=True)
class TimeDriftHalt(_TimeDrift):
    """Our clock is off by too much to sign requests or judge ages."""

    wire: ClassVar[str] = "time.drift.halt"


@dataclass(frozen=True, slots=True)
class DegradationProtocolActivated(Event):
    """A platform's stream is silent: no new execution there, higher edges elsewhere."""

    wire: ClassVar[str] = "degradation.protocol.activated"
    platform: Platform
    reason: str
    edge_multiplier: Decimal


@dataclass(frozen=True, slots=True)
class DegradationProtocolDeactivated(Event):
    """Fresh data is back."""

    wire: ClassVar[str] = "degradation.protocol.deactivated"
    platform: Platform
    silent_seconds: int


@dataclass(frozen=True, slots=True)
class SystemHealthCritical(Event):
    """The engine can no longer be trusted to run unattended."""

    wire: ClassVar[str] = "system.health.critical"
    component: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReconciliationComplete(Event):
    """Our records were compared with the platforms'.

    Attributes:
        positions_checked: Positions that can still change.
        orders_verified: Orders about which their platform answered.
        pending_resolved: Orders whose unknown outcome is known now.
        discrepancies: Differences, repaired ones included.
        platforms_unavailable: Platforms that did not answer every query.
        duration_ms: Duration of the comparison, in milliseconds, rounded down.
        repairs: Facts that were booked.
        not_reached: Orders without an answer, or that changed during the comparison.
    """

    wire: ClassVar[str] = "system.reconciliation.complete"
    positions_checked: int
    orders_verified: int
    pending_resolved: int
    discrepancies: int
    platforms_unavailable: tuple[Platform, ...]
    duration_ms: int
    repairs: int = 0
    not_reached: int = 0


@dataclass(frozen=True, slots=True)
class ReconciliationResolved(Event):
    """A discrepancy was resolved by a person, or has disappeared."""

    wire: ClassVar[str] = "system.reconciliation.resolved"
    discrepancy_id: str
    position_id: str | None
    pair_id: str | None
    resolution: str
    rationale: str


@dataclass(frozen=True, slots=True)
class ReconciliationDiscrepancy(Event):
    """Our record and a platform's differ."""

    wire: ClassVar[str] = "system.reconciliation.discrepancy"
    discrepancy_id: str
    discrepancy_type: str
    position_id: str | None
    pair_id: str | None
    ours: dict[str, Any]
    theirs: dict[str, Any]
    recommended_action: str


@dataclass(frozen=True, slots=True)
class SystemStarted(Event):
    """An engine opened the database and recovered its state.

    `unclean`: the previous engine did not record that it stopped.
    """

    wire: ClassVar[str] = "system.started"
    mode: str
    run: int
    version: str
    open_positions: int
    unclean: bool = False


@dataclass(frozen=True, slots=True)
class WindDownStarted(Event):
    """A person asked the engine to exit every position and then stop."""

    wire: ClassVar[str] = "system.wind_down.started"
    requested_by: str
    rationale: str


@dataclass(frozen=True, slots=True)
class SystemStopped(Event):
    """An engine drained its work and closed."""

    wire: ClassVar[str] = "system.stopped"
    reason: str


@dataclass(frozen=True, slots=True)
class PairDecided(Event):
    """A person added, approved or revoked a pair."""

    wire: ClassVar[str] = "pair.decided"
    pair_id: str
    decision: str
    rationale: str
    digest: str


@dataclass(frozen=True, slots=True)
class ContractChanged(Event):
    """A platform changed facts of a contract while the engine ran.

    `facts` are the columns of the contract's row that changed, with their values as text.
    Changed rules or dates lapse an approval.
    """

    wire: ClassVar[str] = "contract.changed"
    platform: Platform
    contract_id: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class RecordsChanged(Event):
    """Rows changed for a reason that no other event covers; the log keeps their new values."""

    wire: ClassVar[str] = "system.records.changed"
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Command(Event):
    command_id: str
    name: str
    position_id: str
    requested_by: str
    requested_at: datetime
    rationale: str | None


@dataclass(frozen=True, slots=True)
class CommandBegun(_Command):
    """A person's command for a position led to an order, whose id is the command's id."""

    wire: ClassVar[str] = "operator.command.begun"
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommandAnswered(_Command):
    """The result of a person's command for a position was reported."""

    wire: ClassVar[str] = "operator.command.answered"
    done: bool
    detail: str
