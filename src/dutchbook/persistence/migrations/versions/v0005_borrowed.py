"""A position records how many of the account's other contracts it borrowed."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column for each leg: nothing was borrowed before."""
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    for platform in ("kalshi", "polymarket"):
        name = f"{platform}_borrowed"
        op.execute(
            f"ALTER TABLE open_positions ADD COLUMN {name} {kind} NOT NULL DEFAULT 0"
            f" CONSTRAINT ck_open_positions_{name}_floor CHECK ({name} >= 0)"
        )
