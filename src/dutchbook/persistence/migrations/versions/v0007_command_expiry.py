"""A command records when it expires, and when an engine took it."""

from __future__ import annotations

from alembic import op

from dutchbook.persistence.migrations.parts import WHOLE

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no earlier command expires or says when it was taken."""
    whole = WHOLE.compile(dialect=op.get_bind().dialect)
    op.execute(
        f"ALTER TABLE operator_commands ADD COLUMN expires_at {whole}"
        " CONSTRAINT ck_operator_commands_halt_stays"
        " CHECK (name <> 'halt' OR expires_at IS NULL)"
    )
    op.execute(f"ALTER TABLE operator_commands ADD COLUMN taken_at {whole}")
