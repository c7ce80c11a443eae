"""Every table, with its constraints and triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dutchbook.persistence.triggers import statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    for make in TABLES:
        make()
    for statement in statements(op.get_bind().dialect.name):
        op.execute(sa.text(statement.replace(":", "\\:")))


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')", name=op.f("ck_accounts_platform_word")
        ),
        sa.CheckConstraint("free >= 0", name=op.f("ck_accounts_free_floor")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_accounts_reserved_floor")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("causation_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("event_id", name=op.f("uq_audit_log_event_id")),
    )
    op.create_index(
        op.f("ix_audit_log_correlation_id"), "audit_log", ["correlation_id"], unique=False
    )


def _contract_matches() -> None:
    op.create_table(
        "contract_matches",
        sa.Column("match_id", sa.Text(), nullable=False),
        sa.Column("polymarket_contract_id", sa.Text(), nullable=False),
        sa.Column("kalshi_contract_id", sa.Text(), nullable=False),
        sa.Column("polymarket_description", sa.Text(), nullable=False),
        sa.Column("kalshi_description", sa.Text(), nullable=False),
        sa.Column("alignment", sa.Text(), nullable=False),
        sa.Column("divergence_class", sa.Text(), nullable=False),
        sa.Column("divergence_probability", sa.BigInteger(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=True),
        sa.Column("primary_leg", sa.Text(), nullable=True),
        sa.Column("resolution_date", sa.BigInteger(), nullable=False),
        sa.Column("operator_approved", sa.Boolean(), nullable=False),
        sa.Column("operator_approval_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("operator_rationale", sa.Text(), nullable=True),
        sa.Column("approved_digest", sa.Text(), nullable=True),
        sa.Column("first_traded_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("last_traded_timestamp", sa.BigInteger(), nullable=True),
        sa.Column("total_cycles_traded", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "alignment IN ('inverse', 'same')", name=op.f("ck_contract_matches_alignment_word")
        ),
        sa.CheckConstraint(
            "divergence_class IN ('different_sources', 'identical', 'same_source', 'short_crypto', 'unclassified')",
            name=op.f("ck_contract_matches_divergence_class_word"),
        ),
        sa.CheckConstraint(
            "primary_leg IN ('kalshi', 'polymarket')",
            name=op.f("ck_contract_matches_primary_leg_word"),
        ),
        sa.PrimaryKeyConstraint("match_id", name=op.f("pk_contract_matches")),
        sa.UniqueConstraint(
            "polymarket_contract_id",
            "kalshi_contract_id",
            name=op.f("uq_contract_matches_polymarket_contract_id_kalshi_contract_id"),
        ),
    )


def _contracts() -> None:
    op.create_table(
        "contracts",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("price_bands", sa.Text(), nullable=False),
        sa.Column("sizing", sa.Text(), nullable=False),
        sa.Column("fees", sa.Text(), nullable=True),
        sa.Column("close_time", sa.BigInteger(), nullable=False),
        sa.Column("resolution_time", sa.BigInteger(), nullable=False),
        sa.Column("cash_delay_seconds", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.Text(), nullable=True),
        sa.Column("assumed", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')", name=op.f("ck_contracts_platform_word")
        ),
        sa.PrimaryKeyConstraint("platform", "contract_id", name=op.f("pk_contracts")),
    )


def _order_book_snapshots() -> None:
    op.create_table(
        "order_book_snapshots",
        sa.Column("snapshot_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("bids", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("book_time", sa.BigInteger(), nullable=True),
        sa.Column("captured_at", sa.BigInteger(), nullable=False),
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')",
            name=op.f("ck_order_book_snapshots_platform_word"),
        ),
        sa.PrimaryKeyConstraint("snapshot_id", name=op.f("pk_order_book_snapshots")),
    )
    op.create_index(
        op.f("ix_order_book_snapshots_captured_at"),
        "order_book_snapshots",
        ["captured_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_order_book_snapshots_platform_contract_id_captured_at"),
        "order_book_snapshots",
        ["platform", "contract_id", "captured_at"],
        unique=False,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
    )


def _platform_health_logs() -> None:
    op.create_table(
        "platform_health_logs",
        sa.Column("health_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("response_time_ms", sa.BigInteger(), nullable=True),
        sa.Column("connection_state", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')",
            name=op.f("ck_platform_health_logs_platform_word"),
        ),
        sa.CheckConstraint(
            "status IN ('degraded', 'disconnected', 'healthy')",
            name=op.f("ck_platform_health_logs_status_word"),
        ),
        sa.PrimaryKeyConstraint("health_id", name=op.f("pk_platform_health_logs")),
    )


def _risk_override_logs() -> None:
    op.create_table(
        "risk_override_logs",
        sa.Column("override_id", sa.Text(), nullable=False),
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("original_rejection_reason", sa.Text(), nullable=False),
        sa.Column("override_amount_usd", sa.BigInteger(), nullable=True),
        sa.Column("denial_reason", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("override_id", name=op.f("pk_risk_override_logs")),
    )


def _risk_states() -> None:
    op.create_table(
        "risk_states",
        sa.Column("singleton_key", sa.Text(), nullable=False),
        sa.Column("daily_pnl", sa.BigInteger(), nullable=False),
        sa.Column("open_position_count", sa.BigInteger(), nullable=False),
        sa.Column("last_reset_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("total_capital_deployed", sa.BigInteger(), nullable=False),
        sa.Column("trading_halted", sa.Boolean(), nullable=False),
        sa.Column("halt_reason", sa.Text(), nullable=False),
        sa.Column("reserved_capital", sa.BigInteger(), nullable=False),
        sa.Column("reserved_position_slots", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "singleton_key IN ('default')", name=op.f("ck_risk_states_singleton_key_word")
        ),
        sa.CheckConstraint(
            "open_position_count >= 0", name=op.f("ck_risk_states_open_position_count_floor")
        ),
        sa.CheckConstraint(
            "reserved_capital >= 0", name=op.f("ck_risk_states_reserved_capital_floor")
        ),
        sa.CheckConstraint(
            "reserved_position_slots >= 0",
            name=op.f("ck_risk_states_reserved_position_slots_floor"),
        ),
        sa.CheckConstraint(
            "total_capital_deployed >= 0",
            name=op.f("ck_risk_states_total_capital_deployed_floor"),
        ),
        sa.PrimaryKeyConstraint("singleton_key", name=op.f("pk_risk_states")),
    )


def _system_metadata() -> None:
    op.create_table(
        "system_metadata",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_system_metadata")),
    )


def _ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("booked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "bucket IN ('committed', 'external', 'fees', 'free', 'gas', 'income', 'realised', 'reserved', 'transit')",
            name=op.f("ck_ledger_entries_bucket_word"),
        ),
        sa.CheckConstraint(
            "kind IN ('adjustment', 'commit', 'deposit', 'fee', 'gas', 'in_transit', 'interest', 'rebate', 'redemption', 'release', 'reserve', 'reward', 'settlement', 'trade', 'withdrawal')",
            name=op.f("ck_ledger_entries_kind_word"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_ledger_entries_account_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        op.f("ix_ledger_entries_account_id_booked_at"),
        "ledger_entries",
        ["account_id", "booked_at"],
        unique=False,
    )


def _opportunities() -> None:
    op.create_table(
        "opportunities",
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("gross_edge", sa.Text(), nullable=False),
        sa.Column("net_edge", sa.Text(), nullable=True),
        sa.Column("expected_profit", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["contract_matches.match_id"], name=op.f("fk_opportunities_pair_id")
        ),
        sa.PrimaryKeyConstraint("opportunity_id", name=op.f("pk_opportunities")),
    )
    op.create_index(
        op.f("ix_opportunities_pair_id_detected_at"),
        "opportunities",
        ["pair_id", "detected_at"],
        unique=False,
    )


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.Column("fees", sa.BigInteger(), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status = 'reserved' OR committed + fees + released = amount",
            name=op.f("ck_reservations_resolved_whole"),
        ),
        sa.CheckConstraint(
            "status IN ('committed', 'released', 'reserved')",
            name=op.f("ck_reservations_status_word"),
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_reservations_amount_floor")),
        sa.CheckConstraint("committed >= 0", name=op.f("ck_reservations_committed_floor")),
        sa.CheckConstraint("fees >= 0", name=op.f("ck_reservations_fees_floor")),
        sa.CheckConstraint("released >= 0", name=op.f("ck_reservations_released_floor")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_reservations_account_id")
        ),
        sa.PrimaryKeyConstraint("reservation_id", "account_id", name=op.f("pk_reservations")),
    )


def _executions() -> None:
    op.create_table(
        "executions",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("primary_platform", sa.Text(), nullable=False),
        sa.Column("planned_quantity", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("shortfall", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("primary_state", sa.Text(), nullable=False),
        sa.Column("secondary_state", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "phase IN ('decided', 'evening', 'exposed', 'failed', 'hedged', 'primary_sent', 'secondary_sent', 'waiting')",
            name=op.f("ck_executions_phase_word"),
        ),
        sa.CheckConstraint(
            "primary_platform IN ('kalshi', 'polymarket')",
            name=op.f("ck_executions_primary_platform_word"),
        ),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.opportunity_id"],
            name=op.f("fk_executions_opportunity_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["contract_matches.match_id"], name=op.f("fk_executions_pair_id")
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("pk_executions")),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("fill_size", sa.BigInteger(), nullable=False),
        sa.Column("fill_cost", sa.BigInteger(), nullable=False),
        sa.Column("fees", sa.BigInteger(), nullable=False),
        sa.Column("working_size", sa.BigInteger(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("platform_order_id", sa.Text(), nullable=True),
        sa.Column("outcome_unknown_since", sa.BigInteger(), nullable=True),
        sa.Column("position_id", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("leg IN ('primary', 'secondary')", name=op.f("ck_orders_leg_word")),
        sa.CheckConstraint("outcome IN ('no', 'yes')", name=op.f("ck_orders_outcome_word")),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')", name=op.f("ck_orders_platform_word")
        ),
        sa.CheckConstraint(
            "purpose IN ('entry', 'exit', 'hedge', 'unwind')",
            name=op.f("ck_orders_purpose_word"),
        ),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side_word")),
        sa.CheckConstraint(
            "status IN ('CANCELLED', 'FILLED', 'PARTIAL', 'PENDING', 'REJECTED')",
            name=op.f("ck_orders_status_word"),
        ),
        sa.CheckConstraint(
            "time_in_force IN ('fok', 'gtc', 'gtd', 'ioc')",
            name=op.f("ck_orders_time_in_force_word"),
        ),
        sa.CheckConstraint("fees >= 0", name=op.f("ck_orders_fees_floor")),
        sa.CheckConstraint("fill_size >= 0", name=op.f("ck_orders_fill_size_floor")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_orders_size_floor")),
        sa.CheckConstraint("working_size >= 0", name=op.f("ck_orders_working_size_floor")),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.execution_id"], name=op.f("fk_orders_execution_id")
        ),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["contract_matches.match_id"], name=op.f("fk_orders_pair_id")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
        sa.UniqueConstraint("client_order_id", name=op.f("uq_orders_client_order_id")),
    )
    op.create_index(op.f("ix_orders_created_at"), "orders", ["created_at"], unique=False)
    op.create_index(op.f("ix_orders_pair_id"), "orders", ["pair_id"], unique=False)
    op.create_index(
        op.f("ix_orders_platform_status"), "orders", ["platform", "status"], unique=False
    )


def _fills() -> None:
    op.create_table(
        "fills",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("finality", sa.Text(), nullable=False),
        sa.Column("matched_at", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "finality IN ('failed', 'provisional', 'settled')",
            name=op.f("ck_fills_finality_word"),
        ),
        sa.CheckConstraint("outcome IN ('no', 'yes')", name=op.f("ck_fills_outcome_word")),
        sa.CheckConstraint(
            "platform IN ('kalshi', 'polymarket')", name=op.f("ck_fills_platform_word")
        ),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_fills_side_word")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_fills_order_id")
        ),
        sa.PrimaryKeyConstraint("platform", "trade_id", name=op.f("pk_fills")),
    )
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)


def _open_positions() -> None:
    op.create_table(
        "open_positions",
        sa.Column("position_id", sa.Text(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("polymarket_order_id", sa.Text(), nullable=True),
        sa.Column("kalshi_order_id", sa.Text(), nullable=True),
        sa.Column("polymarket_side", sa.Text(), nullable=False),
        sa.Column("kalshi_side", sa.Text(), nullable=False),
        sa.Column("entry_prices", sa.Text(), nullable=False),
        sa.Column("sizes", sa.Text(), nullable=False),
        sa.Column("expected_edge", sa.BigInteger(), nullable=False),
        sa.Column("divergence_reserve", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at_loss", sa.Boolean(), nullable=False),
        sa.Column("kalshi_size", sa.BigInteger(), nullable=False),
        sa.Column("kalshi_cost", sa.BigInteger(), nullable=False),
        sa.Column("kalshi_fees", sa.BigInteger(), nullable=False),
        sa.Column("polymarket_size", sa.BigInteger(), nullable=False),
        sa.Column("polymarket_cost", sa.BigInteger(), nullable=False),
        sa.Column("polymarket_fees", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reconciliation_context", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kalshi_side IN ('no', 'yes')", name=op.f("ck_open_positions_kalshi_side_word")
        ),
        sa.CheckConstraint(
            "polymarket_side IN ('no', 'yes')",
            name=op.f("ck_open_positions_polymarket_side_word"),
        ),
        sa.CheckConstraint(
            "status IN ('CLOSED', 'EXIT_PARTIAL', 'OPEN', 'RECONCILIATION_REQUIRED', 'SINGLE_LEG_EXPOSED')",
            name=op.f("ck_open_positions_status_word"),
        ),
        sa.CheckConstraint(
            "divergence_reserve >= 0", name=op.f("ck_open_positions_divergence_reserve_floor")
        ),
        sa.CheckConstraint(
            "kalshi_size >= 0", name=op.f("ck_open_positions_kalshi_size_floor")
        ),
        sa.CheckConstraint(
            "polymarket_size >= 0", name=op.f("ck_open_positions_polymarket_size_floor")
        ),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["executions.execution_id"],
            name=op.f("fk_open_positions_execution_id"),
        ),
        sa.ForeignKeyConstraint(
            ["kalshi_order_id"], ["orders.order_id"], name="fk_KalshiOrder"
        ),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["contract_matches.match_id"], name=op.f("fk_open_positions_pair_id")
        ),
        sa.ForeignKeyConstraint(
            ["polymarket_order_id"], ["orders.order_id"], name="fk_PolymarketOrder"
        ),
        sa.PrimaryKeyConstraint("position_id", name=op.f("pk_open_positions")),
    )
    op.create_index(
        op.f("ix_open_positions_pair_id"), "open_positions", ["pair_id"], unique=False
    )
    op.create_index(
        op.f("ix_open_positions_status"), "open_positions", ["status"], unique=False
    )


TABLES = (
    _accounts,
    _audit_log,
    _contract_matches,
    _contracts,
    _order_book_snapshots,
    _outbox,
    _platform_health_logs,
    _risk_override_logs,
    _risk_states,
    _system_metadata,
    _ledger_entries,
    _opportunities,
    _reservations,
    _executions,
    _orders,
    _fills,
    _open_positions,
)
