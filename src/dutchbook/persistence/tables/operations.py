"""Operational tables: discrepancies, commands, tokens, alerts, the lease."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from dutchbook.domain.market.contract import Platform
from dutchbook.persistence.tables.base import (
    Base,
    Count,
    Document,
    MaybeCount,
    MaybeTime,
    MaybeWords,
    Time,
    Words,
    ruled,
    words,
)

METADATA = Base.metadata
DISCREPANCIES = (
    "order_status_mismatch",
    "order_not_found",
    "order_unknown",
    "pending_filled",
    "platform_unavailable",
    "fill_missing",
    "fill_unknown",
    "fill_failed",
    "position_mismatch",
    "balance_mismatch",
)
RESOLUTIONS = ("acknowledge", "force_close", "adopt_platform")


def _together(*columns: str) -> CheckConstraint:
    """Return the constraint that all of `columns` are NULL or none is."""
    first, *rest = (f"({column} IS NULL)" for column in columns)
    return CheckConstraint(
        " AND ".join(f"{first} = {other}" for other in rest), name=f"{columns[0]}_together"
    )


class Discrepancy(Base):
    """A difference between our record and a platform's, resolved or not."""

    __tablename__ = "discrepancies"
    discrepancy_id: Mapped[Words]
    kind: Mapped[Words]
    platform: Mapped[MaybeWords]
    pair_id: Mapped[MaybeWords]
    position_id: Mapped[MaybeWords]
    ours: Mapped[Document | None]
    theirs: Mapped[Document | None]
    recommended_action: Mapped[Words]
    detected_at: Mapped[Time]
    resolved_at: Mapped[MaybeTime]
    resolution: Mapped[MaybeWords]
    rationale: Mapped[MaybeWords]
    __table_args__ = (
        *ruled(
            "discrepancies",
            kind=DISCREPANCIES,
            platform=words(Platform),
            resolution=RESOLUTIONS,
        ),
        _together("resolved_at", "resolution"),
        Index(None, "resolved_at"),
    )


class DeadLetter(Base):
    """Bytes from a platform that could not be decoded."""

    __tablename__ = "dead_letters"
    dead_letter_id: Mapped[Words]
    platform: Mapped[Words]
    reason: Mapped[Words]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[Time]
    __table_args__ = ruled("dead_letters", platform=words(Platform))


class Lease(Base):
    """The right to write: one holder, whose epoch fences off every earlier one.

    `halted` is the halt that other processes request (0 trading, 1 no entries, 2 cancels only).
    `halts` counts the requests, so that a halt requested while an older one is being cleared is
    not cleared with it.
    """

    __tablename__ = "leases"
    name: Mapped[Words]
    holder: Mapped[Words]
    epoch: Mapped[Count]
    acquired_at: Mapped[Time]
    expires_at: Mapped[Time]
    halted: Mapped[Count]
    halts: Mapped[Count]
    __table_args__ = (
        *ruled("leases"),
        CheckConstraint("halted IN (0, 1, 2)", name="halted_grade"),
    )


class OperatorCommand(Base):
    """A command that a person gave at the desk or a shell; the engine answers in order."""

    __tablename__ = "operator_commands"
    command_id: Mapped[Words]
    name: Mapped[Words]
    arguments: Mapped[Document]
    rationale: Mapped[MaybeWords]
    requested_by: Mapped[Words]
    requested_at: Mapped[Time]
    answered_at: Mapped[MaybeTime]
    answer: Mapped[Document | None]
    __table_args__ = (
        *ruled("operator_commands"),
        _together("answered_at", "answer"),
        Index(None, "answered_at", "requested_at"),
    )


class ApiToken(Base):
    """An access token of the desk, stored only as its SHA-256 digest."""

    __tablename__ = "api_tokens"
    token_id: Mapped[Words]
    digest: Mapped[Words]
    label: Mapped[Words]
    scope: Mapped[Words]
    created_at: Mapped[Time]
    expires_at: Mapped[MaybeTime]
    revoked_at: Mapped[MaybeTime]
    __table_args__ = ruled("api_tokens", scope=["read", "operate"])


class IdempotencyKey(Base):
    """A request that was answered once and gets the same answer again."""

    __tablename__ = "idempotency_keys"
    token_id: Mapped[Words]
    key: Mapped[Words]
    request_digest: Mapped[Words]
    requested_at: Mapped[Time]
    status_code: Mapped[MaybeCount]
    response: Mapped[Document | None]
    __table_args__ = (
        *ruled("idempotency_keys"),
        _together("status_code", "response"),
        Index(None, "requested_at"),
    )


class Alert(Base):
    """A notification for a person; open until acknowledged."""

    __tablename__ = "alerts"
    alert_id: Mapped[Words]
    severity: Mapped[Words]
    title: Mapped[Words]
    detail: Mapped[Document]
    raised_at: Mapped[Time]
    delivered_at: Mapped[MaybeTime]
    acknowledged_at: Mapped[MaybeTime]
    acknowledged_by: Mapped[MaybeWords]
    __table_args__ = (
        *ruled("alerts", severity=["info", "warning", "critical"]),
        _together("acknowledged_at", "acknowledged_by"),
        Index(None, "acknowledged_at"),
    )
