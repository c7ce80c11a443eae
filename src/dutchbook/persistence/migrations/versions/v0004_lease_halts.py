"""The lease records whether trading is halted, so that every batch can test it."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the grade of the halt and the count of halts."""
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    for name, rule, condition in (
        ("halted", "halted_grade", "halted IN (0, 1, 2)"),
        ("halts", "halts_floor", "halts >= 0"),
    ):
        op.execute(
            f"ALTER TABLE leases ADD COLUMN {name} {kind} NOT NULL DEFAULT 0"
            f" CONSTRAINT ck_leases_{rule} CHECK ({condition})"
        )
