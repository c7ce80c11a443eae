"""The log tells what each decision changed, and its links are cheaper to make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dutchbook.persistence.chain import GENESIS, link_of
from dutchbook.persistence.coding import decode
from dutchbook.persistence.triggers import suspend

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and link the entries that there are anew."""
    connection = op.get_bind()
    suspend(connection)
    op.add_column("audit_log", sa.Column("changes", sa.Text(), nullable=True))
    previous = GENESIS
    rows = connection.execute(sa.text("SELECT * FROM audit_log ORDER BY sequence")).mappings()
    again = sa.text(
        "UPDATE audit_log SET previous_hash = :previous, hash = :hash WHERE sequence = :at"
    )
    for row in rows.all():
        made = link_of(decode("audit_log", dict(row)), previous)
        connection.execute(again, {"previous": previous, "hash": made, "at": row["sequence"]})
        previous = made
