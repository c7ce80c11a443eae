"""The log records what each decision changed; positions record their results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dutchbook.persistence.log.chain import GENESIS, link_stored
from dutchbook.persistence.migrations.parts import WHOLE, Table
from dutchbook.persistence.tables.triggers import suspend

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SETTLEMENTS = (
    Table(
        "settlements",
        key="settlement_id",
        text="settlement_id position_id platform contract_id kind status",
        numbers="size yes_pays? requested_at paid_at?",
    )
    .floor("size")
    .one_of("platform", "kalshi polymarket")
    .one_of("kind", "merge payout")
    .one_of("status", "abandoned paid pending")
    .refers("position_id", "open_positions.position_id")
    .index("position_id", "status")
)
PLATFORMS = ("kalshi", "polymarket")


def upgrade() -> None:
    """Add the columns, fill them from known values, and relink the log."""
    suspend(op.get_bind())
    SETTLEMENTS.create()
    op.add_column("reservations", sa.Column("order_id", sa.Text(), nullable=True))
    for name in ("complement", "complement_cost", "cash", "settled"):
        for platform in PLATFORMS:
            _amount(f"{platform}_{name}")
    for platform in PLATFORMS:
        op.add_column("open_positions", sa.Column(f"{platform}_payout", WHOLE, nullable=True))
    for name in ("realised_pnl", "marked_pnl", "divergence_pnl"):
        _amount(name)
    op.add_column("open_positions", sa.Column("closed_at", WHOLE, nullable=True))
    op.execute(
        "UPDATE open_positions SET kalshi_cash = -(kalshi_cost + kalshi_fees),"
        " polymarket_cash = -(polymarket_cost + polymarket_fees),"
        " realised_pnl = -(kalshi_fees + polymarket_fees)"
    )
    _linked()


def _amount(name: str) -> None:
    op.add_column("open_positions", sa.Column(name, WHOLE, nullable=False, server_default="0"))


def _linked() -> None:
    connection = op.get_bind()
    op.add_column("audit_log", sa.Column("changes", sa.Text(), nullable=True))
    previous = GENESIS
    rows = connection.execute(sa.text("SELECT * FROM audit_log ORDER BY sequence")).mappings()
    again = sa.text(
        "UPDATE audit_log SET previous_hash = :previous, hash = :hash WHERE sequence = :at"
    )
    for row in rows.all():
        made = link_stored(dict(row), previous)
        connection.execute(again, {"previous": previous, "hash": made, "at": row["sequence"]})
        previous = made
