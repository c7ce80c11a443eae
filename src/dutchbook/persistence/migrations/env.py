"""Runs migrations on the connection in the configuration."""

from __future__ import annotations

from alembic import context

from dutchbook.persistence.tables.base import METADATA
from dutchbook.ports.crash_points import AFTER, BEFORE, MIGRATION, crashpoint

connection = context.config.attributes["connection"]


def _applied(*_: object, **__: object) -> None:
    crashpoint(AFTER, MIGRATION)


context.configure(connection=connection, target_metadata=METADATA, on_version_apply=_applied)
with context.begin_transaction():
    crashpoint(BEFORE, MIGRATION)
    context.run_migrations()
