"""Every table of the first schema."""

from __future__ import annotations

from dutchbook.persistence.migrations.parts import Table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PLATFORMS = "kalshi polymarket"
OUTCOMES = "no yes"


def upgrade() -> None:
    """Create everything, in an order that references allow."""
    for table in TABLES:
        table.create()


TABLES = (
    Table(
        "accounts",
        key="account_id",
        text="account_id platform account currency",
        numbers="free reserved committed",
    )
    .floor("free reserved")
    .one_of("platform", PLATFORMS),
    Table(
        "alerts",
        key="alert_id",
        text="alert_id severity title detail acknowledged_by?",
        numbers="raised_at delivered_at? acknowledged_at?",
    )
    .check("acknowledged_at_together", "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)")
    .one_of("severity", "critical info warning")
    .index("acknowledged_at"),
    Table(
        "api_tokens",
        key="token_id",
        text="token_id digest label scope",
        numbers="created_at expires_at? revoked_at?",
    )
    .unique("digest")
    .one_of("scope", "operate read"),
    Table(
        "audit_log",
        key="sequence",
        text="event_id name correlation_id causation_id? payload previous_hash hash",
        numbers="sequence occurred_at",
    )
    .unique("event_id")
    .index("correlation_id"),
    Table(
        "contract_matches",
        key="match_id",
        text=(
            "match_id polymarket_contract_id kalshi_contract_id polymarket_description "
            "kalshi_description alignment divergence_class cluster? primary_leg? "
            "operator_rationale? approved_digest?"
        ),
        numbers=(
            "divergence_probability resolution_date operator_approval_timestamp? "
            "first_traded_timestamp? last_traded_timestamp? total_cycles_traded version"
        ),
        flags="operator_approved",
    )
    .unique("polymarket_contract_id kalshi_contract_id")
    .one_of("alignment", "inverse same")
    .one_of(
        "divergence_class", "different_sources identical same_source short_crypto unclassified"
    )
    .one_of("primary_leg", PLATFORMS),
    Table(
        "contracts",
        key="platform contract_id",
        text="platform contract_id title rules price_bands sizing fees? tokens? assumed",
        numbers="close_time resolution_time cash_delay_seconds",
    ).one_of("platform", PLATFORMS),
    Table(
        "dead_letters",
        key="dead_letter_id",
        text="dead_letter_id platform reason",
        numbers="received_at",
        raw="raw",
    ).one_of("platform", PLATFORMS),
    Table(
        "discrepancies",
        key="discrepancy_id",
        text=(
            "discrepancy_id kind platform? pair_id? position_id? ours? theirs? "
            "recommended_action resolution? rationale?"
        ),
        numbers="detected_at resolved_at?",
    )
    .one_of(
        "kind",
        "balance_mismatch fill_failed fill_missing fill_unknown order_not_found order_status_mismatch order_unknown pending_filled platform_unavailable position_mismatch",
    )
    .one_of("platform", PLATFORMS)
    .one_of("resolution", "acknowledge adopt_platform force_close")
    .check("resolved_at_together", "(resolved_at IS NULL) = (resolution IS NULL)")
    .index("resolved_at"),
    Table(
        "idempotency_keys",
        key="token_id key",
        text="token_id key request_digest response?",
        numbers="requested_at status_code?",
    )
    .check("status_code_together", "(status_code IS NULL) = (response IS NULL)")
    .index("requested_at"),
    Table(
        "leases",
        key="name",
        text="name holder",
        numbers="epoch acquired_at expires_at",
    ).floor("epoch"),
    Table(
        "operator_commands",
        key="command_id",
        text="command_id name arguments rationale? requested_by answer?",
        numbers="requested_at answered_at?",
    )
    .check("answered_at_together", "(answered_at IS NULL) = (answer IS NULL)")
    .index("answered_at requested_at"),
    Table(
        "order_book_snapshots",
        key="snapshot_id",
        text="snapshot_id platform contract_id bids asks opportunity_id",
        numbers="sequence_number book_time? captured_at",
    )
    .one_of("platform", PLATFORMS)
    .index("captured_at", "platform contract_id captured_at"),
    Table(
        "outbox",
        key="sequence",
        text="name",
        numbers="sequence",
    ),
    Table(
        "platform_health_logs",
        key="health_id",
        text="health_id platform status connection_state",
        numbers="response_time_ms? recorded_at",
    )
    .one_of("platform", PLATFORMS)
    .one_of("status", "degraded disconnected healthy"),
    Table(
        "risk_override_logs",
        key="override_id",
        text="override_id opportunity_id rationale original_rejection_reason denial_reason?",
        numbers="override_amount_usd? recorded_at",
        flags="approved",
    ),
    Table(
        "risk_states",
        key="singleton_key",
        text="singleton_key halt_reason",
        numbers=(
            "daily_pnl open_position_count last_reset_timestamp total_capital_deployed "
            "reserved_capital reserved_position_slots epoch"
        ),
        flags="trading_halted",
    )
    .floor(
        "open_position_count reserved_capital reserved_position_slots total_capital_deployed"
    )
    .one_of("singleton_key", "default"),
    Table(
        "system_metadata",
        key="key",
        text="key value",
    ),
    Table(
        "ledger_entries",
        key="entry_id",
        text="entry_id transaction_id account_id kind bucket reference note?",
        numbers="amount booked_at",
    )
    .one_of("bucket", "committed external fees free gas income realised reserved transit")
    .one_of(
        "kind",
        "adjustment commit deposit fee gas in_transit interest rebate redemption release reserve reward settlement trade withdrawal",
    )
    .refers("account_id", "accounts.account_id")
    .index("account_id booked_at"),
    Table(
        "opportunities",
        key="opportunity_id",
        text="opportunity_id pair_id direction reason? gross_edge net_edge? detail?",
        numbers="detected_at quantity? expected_profit?",
    )
    .refers("pair_id", "contract_matches.match_id")
    .index("pair_id detected_at"),
    Table(
        "reservations",
        key="reservation_id account_id",
        text="reservation_id account_id execution_id status",
        numbers="amount committed fees released reserved_at resolved_at?",
    )
    .floor("amount committed fees released")
    .check("resolved_whole", "status = 'reserved' OR committed + fees + released = amount")
    .one_of("status", "committed released reserved")
    .refers("account_id", "accounts.account_id"),
    Table(
        "executions",
        key="execution_id",
        text=(
            "execution_id opportunity_id pair_id direction primary_platform shortfall? "
            "phase primary_state secondary_state"
        ),
        numbers="planned_quantity started_at ended_at? version",
    )
    .one_of(
        "phase", "decided evening exposed failed hedged primary_sent secondary_sent waiting"
    )
    .one_of("primary_platform", PLATFORMS)
    .refers("opportunity_id", "opportunities.opportunity_id")
    .refers("pair_id", "contract_matches.match_id"),
    Table(
        "orders",
        key="order_id",
        text=(
            "order_id client_order_id platform contract_id pair_id execution_id leg purpose "
            "outcome side time_in_force status refusal? platform_order_id? position_id?"
        ),
        numbers=(
            "price size created_at fill_size fill_cost fees working_size "
            "outcome_unknown_since? version"
        ),
    )
    .unique("client_order_id")
    .floor("fees fill_size size working_size")
    .one_of("leg", "primary secondary")
    .one_of("outcome", OUTCOMES)
    .one_of("platform", PLATFORMS)
    .one_of("purpose", "entry exit hedge unwind")
    .one_of("side", "buy sell")
    .one_of("status", "CANCELLED FILLED PARTIAL PENDING REJECTED")
    .one_of("time_in_force", "fok gtc gtd ioc")
    .refers("execution_id", "executions.execution_id")
    .refers("pair_id", "contract_matches.match_id")
    .index("created_at", "execution_id", "pair_id", "platform status"),
    Table(
        "fills",
        key="platform trade_id",
        text="platform trade_id order_id execution_id outcome side finality",
        numbers="price size fee matched_at reported_at",
    )
    .one_of("finality", "failed provisional settled")
    .one_of("outcome", OUTCOMES)
    .one_of("platform", PLATFORMS)
    .one_of("side", "buy sell")
    .refers("order_id", "orders.order_id")
    .index("execution_id", "order_id"),
    Table(
        "open_positions",
        key="position_id",
        text=(
            "position_id pair_id execution_id polymarket_order_id? kalshi_order_id? "
            "polymarket_side kalshi_side entry_prices sizes status reconciliation_context?"
        ),
        numbers=(
            "expected_edge divergence_reserve opened_at kalshi_size kalshi_cost kalshi_fees "
            "polymarket_size polymarket_cost polymarket_fees version"
        ),
        flags="completed_at_loss",
    )
    .floor("divergence_reserve kalshi_size polymarket_size")
    .one_of("kalshi_side", OUTCOMES)
    .one_of("polymarket_side", OUTCOMES)
    .one_of("status", "CLOSED EXIT_PARTIAL OPEN RECONCILIATION_REQUIRED SINGLE_LEG_EXPOSED")
    .refers("kalshi_order_id", "orders.order_id", "KalshiOrder")
    .refers("polymarket_order_id", "orders.order_id", "PolymarketOrder")
    .refers("execution_id", "executions.execution_id")
    .refers("pair_id", "contract_matches.match_id")
    .index("pair_id", "status"),
)
