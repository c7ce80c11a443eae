"""Reads the databases of killed engines without the program."""

from __future__ import annotations

import sqlite3
from typing import Any

from support import postgres

from dutchbook.persistence.database import SQLITE, Database

Row = dict[str, Any]


def rows(url: str, query: str) -> list[Row]:
    """Return a query's rows as stored, without the program's own decoding."""
    where = Database.at(url)
    if where.dialect != SQLITE:
        return postgres.fetch(url, query)
    with sqlite3.connect(where.path) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(query)]
    connection.close()
    return found
