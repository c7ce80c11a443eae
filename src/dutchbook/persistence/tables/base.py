"""The tables of SQLAlchemy, made from their declarations in `ports.tables`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine

from dutchbook.persistence.tables.codes import CODES
from dutchbook.ports.tables.catalogue import every_table
from dutchbook.ports.tables.column import Kind
from dutchbook.ports.tables.table import Table

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
RELATIONS = {
    "polymarket_order_id": "fk_PolymarketOrder",
    "kalshi_order_id": "fk_KalshiOrder",
}
"""Names of the relations that the requirement names, by their column."""
TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    Kind.TEXT: Text,
    Kind.MICROS: BigInteger,
    Kind.INSTANT: BigInteger,
    Kind.JSON: Text,
    Kind.WHOLE: BigInteger,
    Kind.YES_NO: Boolean,
    Kind.RAW: LargeBinary,
}


class Coded(TypeDecorator[Any]):
    """A column whose values are encoded the same way for every driver.

    Tables are STRICT on SQLite, so that no column stores a value of another kind; a strict
    table has only INTEGER for integers.
    """

    impl: Any = Text
    cache_ok = True

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.impl = TYPES[kind]()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column's type on `dialect`."""
        if dialect.name == "sqlite" and isinstance(self.impl, BigInteger | Boolean):
            return dialect.type_descriptor(Integer())
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Encode for SQLAlchemy."""
        assert dialect is not None, "a dialect binds"
        return None if value is None else CODES[self.kind].encode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decode for SQLAlchemy."""
        assert dialect is not None, "a dialect returns"
        return None if value is None else CODES[self.kind].decode(value)


def _rules(table: Table[Any]) -> Iterator[SchemaItem]:
    """Yield the constraints of a table and its indexes."""
    yield PrimaryKeyConstraint(*table.key)
    for columns in table.unique:
        yield UniqueConstraint(*columns)
    for column, target in (table.refers or {}).items():
        yield ForeignKeyConstraint([column], [target], name=RELATIONS.get(column))
    for name, condition in _checks(table):
        yield CheckConstraint(condition, name=name)
    for columns in table.indexes:
        yield Index(None, *columns)


def _checks(table: Table[Any]) -> Iterator[tuple[str, str]]:
    for column in table.floor:
        yield f"{column}_floor", f"{column} >= 0"
    for each in table.columns:
        if each.words:
            listed = ", ".join(f"'{word}'" for word in sorted(each.words))
            yield f"{each.name}_word", f"{each.name} IN ({listed})"
    for first, *rest in table.together:
        same = (f"({first} IS NULL) = ({other} IS NULL)" for other in rest)
        yield f"{first}_together", " AND ".join(same)
    yield from (table.checks or {}).items()
    if table.resolved_once:
        resolved = "status = 'reserved' OR committed + fees + released = amount"
        yield "resolved_whole", resolved


METADATA = MetaData(naming_convention=NAMES)
for each in every_table().values():
    SqlTable(
        each.name,
        METADATA,
        *(
            Column(column.name, Coded(column.kind), nullable=column.optional)
            for column in each.columns
        ),
        *_rules(each),
    )
