"""Columns for the choice of the first leg and the size of a position."""

from __future__ import annotations

from alembic import op

from dutchbook.persistence.migrations.parts import WHOLE

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns whose defaults are what existing rows have meant so far."""
    whole = WHOLE.compile(dialect=op.get_bind().dialect)
    for table, name, default, check in COLUMNS:
        # As text: SQLite can add a column together with its check only in one statement.
        label, condition = check
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {name} {whole} NOT NULL DEFAULT {default}"
            f" CONSTRAINT ck_{table}_{name}_{label} CHECK ({condition})"
        )


WHOLLY = 1_000_000
"""One, in millionths."""
COLUMNS = (
    ("contracts", "taker_delay_ms", 0, ("floor", "taker_delay_ms >= 0")),
    (
        "contract_matches",
        "confidence",
        WHOLLY,
        ("share", f"confidence > 0 AND confidence <= {WHOLLY}"),
    ),
)
