"""Tables of records: events, health, overrides, and metadata of the database."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from dutchbook.domain.market.contract import Platform
from dutchbook.persistence.tables.base import (
    Base,
    Count,
    Flag,
    MaybeAmount,
    MaybeCount,
    MaybeWords,
    Time,
    Words,
    ruled,
    words,
)

METADATA = Base.metadata


class SystemMetadata(Base):
    """Generic key-value store: schema, mode, number of runs."""

    __tablename__ = "system_metadata"
    key: Mapped[Words]
    value: Mapped[Words]
    __table_args__ = ruled("system_metadata")


class AuditEntry(Base):
    """One event of the audit chain."""

    __tablename__ = "audit_log"
    sequence: Mapped[Count]
    event_id: Mapped[Words]
    name: Mapped[Words]
    occurred_at: Mapped[Time]
    correlation_id: Mapped[Words]
    causation_id: Mapped[MaybeWords]
    payload: Mapped[Words]
    changes: Mapped[MaybeWords]
    previous_hash: Mapped[Words]
    hash: Mapped[Words]
    __table_args__ = (*ruled("audit_log"), Index(None, "correlation_id"))


class OutboxEntry(Base):
    """An event that is committed but not yet delivered."""

    __tablename__ = "outbox"
    sequence: Mapped[Count]
    name: Mapped[Words]
    __table_args__ = ruled("outbox")


class PlatformHealthLog(Base):
    """Health of a platform at one moment."""

    __tablename__ = "platform_health_logs"
    health_id: Mapped[Words]
    platform: Mapped[Words]
    status: Mapped[Words]
    response_time_ms: Mapped[MaybeCount]
    connection_state: Mapped[Words]
    recorded_at: Mapped[Time]
    __table_args__ = ruled(
        "platform_health_logs",
        platform=words(Platform),
        status=["healthy", "degraded", "disconnected"],
    )


class RiskOverrideLog(Base):
    """An operator's request to lift a limit, granted or not."""

    __tablename__ = "risk_override_logs"
    override_id: Mapped[Words]
    opportunity_id: Mapped[Words]
    rationale: Mapped[Words]
    approved: Mapped[Flag]
    original_rejection_reason: Mapped[Words]
    override_amount_usd: Mapped[MaybeAmount]
    denial_reason: Mapped[MaybeWords]
    recorded_at: Mapped[Time]
    __table_args__ = ruled("risk_override_logs")
