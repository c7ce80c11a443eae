"""Tables as declared: values become rows and come back, and updates are guarded."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import pair
from support.rows import order_row, position_row, sample

from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Quantity
from dutchbook.errors import Damaged
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.journal import Update
from dutchbook.ports.tables.catalogue import declared, every_table
from dutchbook.ports.tables.column import Column, Kind, plain, stored
from dutchbook.ports.tables.market import CONTRACT_MATCHES, CONTRACTS
from dutchbook.ports.tables.table import Table
from dutchbook.ports.tables.trading import FILLS, OPEN_POSITIONS, ORDERS

NOW = datetime(2026, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (ORDERS, order_row("o", platform_order_id="x", refusal="no depth")),
        (FILLS, sample("fills", price=Decimal("0.4"), size=Decimal(3))),
        (OPEN_POSITIONS, position_row("p", kalshi_payout=Decimal(1), closed_at=NOW)),
    ],
    ids=lambda each: each.name if isinstance(each, Table) else "",
)
def test_a_value_read_from_a_row_has_that_row_again(table: Table[Any], row: Any) -> None:
    value = table.value(row)
    others = {each.name for each in table.columns if not each.path}

    again = table.row_of(value, **{name: row[name] for name in others})

    derived = {"entry_prices", "realised_pnl"}
    assert {n: v for n, v in again.items() if n not in derived} == {
        n: v for n, v in row.items() if n not in derived
    }
    assert table.value(again) == value


def test_a_contract_and_its_pair_come_back_from_their_rows() -> None:
    match = replace(pair(), cluster="cup", primary_leg=Platform.POLYMARKET)
    facts = {"total_cycles_traded": 0, "version": 1}

    legs = {
        each.platform.value: CONTRACTS.value(CONTRACTS.row_of(each))
        for each in (match.kalshi, match.polymarket)
    }

    assert CONTRACT_MATCHES.value(CONTRACT_MATCHES.row_of(match, **facts), legs) == match


def test_every_field_of_an_order_is_a_column_and_those_after_its_placing_change() -> None:
    paths = [each.path for each in ORDERS.columns if each.path]

    assert paths == [each.name for each in fields(Order)]
    assert [each.path for each in ORDERS.columns if not each.changes and each.path] == (
        paths[: paths.index("status")]
    )


def test_an_update_names_its_row_guards_what_was_and_sets_what_changes() -> None:
    before = ORDERS.value(order_row("o", working_size=Decimal(1)))
    after = before.ended()

    update = ORDERS.update(before, after, position_id="p")

    assert update == Update(
        "orders",
        {"order_id": "o"},
        {"status": OrderStatus.PENDING, "version": 1},
        ORDERS.changing(after) | {"position_id": "p"},
    )
    assert (update.put["status"], update.put["version"]) == (OrderStatus.CANCELLED, 2)
    assert "price" not in update.put


def test_what_a_row_does_not_have_is_given_or_keeps_its_default() -> None:
    row = {"name": "n", "part_size": Decimal(2)}

    assert WHOLES.value(row) == Whole("n", Part(Quantity(Decimal(2))))
    assert WHOLES.value(row, {"part.fee": Money(Decimal(1))}) == Whole(
        "n", Part(Quantity(Decimal(2)), Money(Decimal(1)))
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value."""

    size: Quantity
    fee: Money = ZERO


@dataclass(frozen=True, slots=True)
class Whole:
    """A value with a part."""

    name: str
    part: Part


WHOLES = Table(
    "wholes",
    of=Whole,
    columns=(
        *stored(Whole, "name"),
        *stored(Part, "size", under="part"),
        *plain(Kind.INSTANT, "seen_at"),
    ),
    key=("name",),
)


def test_a_column_that_is_no_ones_must_be_stated_and_an_unknown_one_must_not() -> None:
    whole = Whole("n", Part(Quantity(Decimal(2))))

    assert list(WHOLES.row_of(whole, seen_at=NOW)) == ["name", "part_size", "seen_at"]
    with pytest.raises(AssertionError, match="seen_at must be stated"):
        WHOLES.row_of(whole)
    with pytest.raises(AssertionError, match="wholes has no"):
        WHOLES.row_of(whole, seen_at=NOW, other=1)


def test_the_kind_of_a_column_follows_from_the_type_of_its_field() -> None:
    found = {each.name: each for each in OPEN_POSITIONS.columns}

    assert found["kalshi_size"].kind is Kind.MICROS
    assert found["closed_at"] == replace(
        found["opened_at"], name="closed_at", path="closed_at", optional=True, changes=True
    )
    assert found["status"].words == tuple(PositionStatus)
    assert found["reconciliation_context"].kind is Kind.JSON
    assert found["completed_at_loss"].kind is Kind.YES_NO


def test_a_type_that_no_column_stores_is_rejected() -> None:
    with pytest.raises(AssertionError, match="has no column"):
        stored(_Odd)


@dataclass(frozen=True, slots=True)
class _Odd:
    """A value with a binary fraction."""

    share: float


def test_a_table_is_found_by_its_name() -> None:
    assert all(declared(name) is table for name, table in every_table().items())
    with pytest.raises(LookupError, match="no table nothing"):
        declared("nothing")


def test_columns_of_a_table_have_names_of_their_own() -> None:
    for table in every_table().values():
        assert len(set(table.names)) == len(table.columns), table.name
        named = {*table.key, *table.guard, *table.floor, *(table.refers or {})}
        assert named <= set(table.names), table.name
        assert all(isinstance(each, Column) for each in table.columns)


def test_a_row_without_a_value_that_every_row_has_is_damaged() -> None:
    row: dict[str, Any] = dict.fromkeys(column.name for column in declared("fills").columns)

    with pytest.raises(Damaged, match="fills: what is stored there cannot be read"):
        decode("fills", row)
