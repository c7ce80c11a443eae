"""An order records what its platform has stated before it lists trades, and what was signed."""

from __future__ import annotations

from alembic import op

from dutchbook.persistence.migrations.parts import WHOLE, YES_NO

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: nothing was stated before, and every open order is asked about."""
    dialect = op.get_bind().dialect
    whole, flag = WHOLE.compile(dialect=dialect), YES_NO.compile(dialect=dialect)
    for name in ("stated", "stated_cost", "stated_fees"):
        op.execute(
            f"ALTER TABLE orders ADD COLUMN {name} {whole} NOT NULL DEFAULT 0"
            f" CONSTRAINT ck_orders_{name}_floor CHECK ({name} >= 0)"
        )
    none = 0 if dialect.name == "sqlite" else "false"
    op.execute(f"ALTER TABLE orders ADD COLUMN reported {flag} NOT NULL DEFAULT {none}")
    op.execute("ALTER TABLE orders ADD COLUMN signed TEXT")
