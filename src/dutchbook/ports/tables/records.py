"""Tables of records and operations: the log, health, overrides, the lease, commands, alerts."""

from __future__ import annotations

from typing import Any

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.market.health import PlatformHealth
from dutchbook.ports.tables.column import Kind, plain, stored, words
from dutchbook.ports.tables.table import Table

PLATFORM = words(Platform)

SYSTEM_METADATA: Table[Any] = Table(
    "system_metadata", columns=plain(Kind.TEXT, "key", "value"), key=("key",)
)
"""Generic key-value store: schema, mode, number of runs."""

AUDIT_LOG: Table[Any] = Table(
    "audit_log",
    columns=(
        *plain(Kind.WHOLE, "sequence"),
        *plain(Kind.TEXT, "event_id", "name"),
        *plain(Kind.INSTANT, "occurred_at"),
        *plain(Kind.TEXT, "correlation_id"),
        *plain(Kind.TEXT, "causation_id", optional=True),
        *plain(Kind.TEXT, "payload"),
        *plain(Kind.TEXT, "changes", optional=True),
        *plain(Kind.TEXT, "previous_hash", "hash"),
    ),
    key=("sequence",),
    unique=(("event_id",),),
    indexes=(("correlation_id",),),
    frozen=True,
)
"""The chain of events."""

OUTBOX: Table[Any] = Table(
    "outbox",
    columns=(*plain(Kind.WHOLE, "sequence"), *plain(Kind.TEXT, "name")),
    key=("sequence",),
)
"""Events that are committed but not yet delivered."""

PLATFORM_HEALTH_LOGS = Table(
    "platform_health_logs",
    of=PlatformHealth,
    columns=(
        *plain(Kind.TEXT, "health_id"),
        *plain(Kind.TEXT, "platform", words=PLATFORM),
        *stored(PlatformHealth, "status", "response_time_ms", "connection_state"),
        *plain(Kind.INSTANT, "recorded_at"),
    ),
    key=("health_id",),
    frozen=True,
)
"""Health of a platform at one moment."""

RISK_OVERRIDE_LOGS: Table[Any] = Table(
    "risk_override_logs",
    columns=(
        *plain(Kind.TEXT, "override_id", "opportunity_id", "rationale"),
        *plain(Kind.YES_NO, "approved"),
        *plain(Kind.TEXT, "original_rejection_reason"),
        *plain(Kind.MICROS, "override_amount_usd", optional=True),
        *plain(Kind.TEXT, "denial_reason", optional=True),
        *plain(Kind.INSTANT, "recorded_at"),
    ),
    key=("override_id",),
    frozen=True,
    audited=True,
)
"""A person's requests to lift a limit, granted or not."""

DEAD_LETTERS: Table[Any] = Table(
    "dead_letters",
    columns=(
        *plain(Kind.TEXT, "dead_letter_id"),
        *plain(Kind.TEXT, "platform", words=PLATFORM),
        *plain(Kind.TEXT, "reason"),
        *plain(Kind.RAW, "raw"),
        *plain(Kind.INSTANT, "received_at"),
    ),
    key=("dead_letter_id",),
)
"""Bytes from a platform that could not be decoded."""

LEASES: Table[Any] = Table(
    "leases",
    columns=(
        *plain(Kind.TEXT, "name", "holder"),
        *plain(Kind.WHOLE, "epoch"),
        *plain(Kind.INSTANT, "acquired_at", "expires_at"),
        *plain(Kind.WHOLE, "halted", "halts"),
    ),
    key=("name",),
    floor=("epoch", "halts"),
    checks={"halted_grade": "halted IN (0, 1, 2)"},
)
"""The right to write: one holder, whose epoch fences off every earlier one.

`halted` is the halt that other processes request (0 trading, 1 no entries, 2 cancels only).
`halts` counts the requests, so that a halt requested while an older one is being cleared is
not cleared with it.
"""

OPERATOR_COMMANDS: Table[Any] = Table(
    "operator_commands",
    columns=(
        *plain(Kind.TEXT, "command_id", "name"),
        *plain(Kind.JSON, "arguments"),
        *plain(Kind.TEXT, "rationale", optional=True),
        *plain(Kind.TEXT, "requested_by"),
        *plain(Kind.INSTANT, "requested_at"),
        *plain(Kind.INSTANT, "expires_at", "taken_at", "answered_at", optional=True),
        *plain(Kind.JSON, "answer", optional=True),
    ),
    key=("command_id",),
    together=(("answered_at", "answer"),),
    checks={"halt_stays": "name <> 'halt' OR expires_at IS NULL"},
    indexes=(("answered_at", "requested_at"),),
)
"""Commands that a person gave at the desk or a shell; the engine answers in order.

`expires_at`: from when on it is not carried out any more; a halt never expires. `taken_at`:
when an engine last began to carry it out.
"""

API_TOKENS: Table[Any] = Table(
    "api_tokens",
    columns=(
        *plain(Kind.TEXT, "token_id", "digest", "label"),
        *plain(Kind.TEXT, "scope", words=("read", "operate")),
        *plain(Kind.INSTANT, "created_at"),
        *plain(Kind.INSTANT, "expires_at", "revoked_at", optional=True),
    ),
    key=("token_id",),
    unique=(("digest",),),
)
"""Access tokens of the desk, stored only as their SHA-256 digests."""

IDEMPOTENCY_KEYS: Table[Any] = Table(
    "idempotency_keys",
    columns=(
        *plain(Kind.TEXT, "token_id", "key", "request_digest"),
        *plain(Kind.INSTANT, "requested_at"),
        *plain(Kind.WHOLE, "status_code", optional=True),
        *plain(Kind.JSON, "response", optional=True),
    ),
    key=("token_id", "key"),
    together=(("status_code", "response"),),
    indexes=(("requested_at",),),
)
"""Requests that were answered once and get the same answer again."""

ALERTS: Table[Any] = Table(
    "alerts",
    columns=(
        *plain(Kind.TEXT, "alert_id"),
        *plain(Kind.TEXT, "severity", words=("info", "warning", "critical")),
        *plain(Kind.TEXT, "title"),
        *plain(Kind.JSON, "detail"),
        *plain(Kind.INSTANT, "raised_at"),
        *plain(Kind.INSTANT, "delivered_at", "acknowledged_at", optional=True),
        *plain(Kind.TEXT, "acknowledged_by", optional=True),
    ),
    key=("alert_id",),
    together=(("acknowledged_at", "acknowledged_by"),),
    indexes=(("acknowledged_at",),),
)
"""Notifications for a person; open until acknowledged."""
