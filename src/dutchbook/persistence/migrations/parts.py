"""Building blocks of migrations, the same on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.elements import conv

WHOLE = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
YES_NO = sa.Boolean().with_variant(sqlite.INTEGER(), "sqlite")


class Table:
    """A table to create: its columns, then its constraints, then its indexes.

    Names are separated by spaces; a column whose name ends in a question mark is nullable.

    Args:
        name: Its name.
        key: The columns of its primary key.
        text: Columns of text: ids, words, JSON.
        numbers: Columns of integers: counts, millionths, microseconds.
        flags: Columns that are true or false.
        raw: Columns of bytes.
    """

    def __init__(
        self,
        name: str,
        *,
        key: str,
        text: str = "",
        numbers: str = "",
        flags: str = "",
        raw: str = "",
    ) -> None:
        self.name = name
        self._key = key.split()
        self._columns = ((sa.Text(), text), (WHOLE, numbers), (YES_NO, flags))
        self._raw = raw
        self._rules: list[Callable[[], SchemaItem]] = []
        self._indexes: list[str] = []

    def unique(self, names: str) -> Table:
        """Require that no two rows share the values of these columns."""
        label = f"uq_{self.name}_{'_'.join(names.split())}"
        self._rules.append(lambda: sa.UniqueConstraint(*names.split(), name=conv(label)))
        return self

    def floor(self, names: str) -> Table:
        """Require that none of these columns is below zero."""
        for name in names.split():
            self.check(f"{name}_floor", f"{name} >= 0")
        return self

    def one_of(self, name: str, words: str) -> Table:
        """Require that a column holds one of `words`."""
        listed = ", ".join(f"'{word}'" for word in words.split())
        return self.check(f"{name}_word", f"{name} IN ({listed})")

    def check(self, label: str, condition: str) -> Table:
        """Require a condition of every row."""
        name = f"ck_{self.name}_{label}"
        self._rules.append(lambda: sa.CheckConstraint(condition, name=conv(name)))
        return self

    def refers(self, name: str, target: str, label: str = "") -> Table:
        """Make a column a foreign key to ``table.column``."""
        named = f"fk_{label or f'{self.name}_{name}'}"
        self._rules.append(lambda: sa.ForeignKeyConstraint([name], [target], name=conv(named)))
        return self

    def index(self, *sets: str) -> Table:
        """Add an index on each of these sets of columns."""
        self._indexes += sets
        return self

    def create(self) -> None:
        """Create the table and its indexes."""
        key = sa.PrimaryKeyConstraint(*self._key, name=conv(f"pk_{self.name}"))
        rules = (rule() for rule in self._rules)
        op.create_table(self.name, *self._made(), key, *rules, sqlite_strict=True)
        for names in self._indexes:
            label = f"ix_{self.name}_{'_'.join(names.split())}"
            op.create_index(conv(label), self.name, names.split())

    def _made(self) -> Iterator[sa.Column[Any]]:
        for kind, names in (*self._columns, (sa.LargeBinary(), self._raw)):
            for name in names.split():
                yield sa.Column(name.removesuffix("?"), kind, nullable=name.endswith("?"))
