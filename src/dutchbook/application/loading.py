"""Rows back into domain values: what a new run takes up from the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dutchbook.domain.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.events import Event, Stamp, decode
from dutchbook.domain.order import Fill, Finality, Order, OrderStatus, Purpose, TimeInForce
from dutchbook.domain.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.ports import Journal

Row = Mapping[str, Any]


def order_of(row: Row) -> Order:
    """Read an order."""
    return Order(
        order_id=row["order_id"],
        client_order_id=row["client_order_id"],
        platform=Platform(row["platform"]),
        contract_id=row["contract_id"],
        pair_id=row["pair_id"],
        execution_id=row["execution_id"],
        leg=Leg(row["leg"]),
        purpose=Purpose(row["purpose"]),
        outcome=Outcome(row["outcome"]),
        side=Side(row["side"]),
        price=Price(row["price"]),
        size=Quantity(row["size"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        created_at=row["created_at"],
        status=OrderStatus(row["status"]),
        filled=Quantity(row["fill_size"]),
        cost=Money(row["fill_cost"]),
        fees=Money(row["fees"]),
        working_size=Quantity(row["working_size"]),
        refusal=row["refusal"],
        platform_order_id=row["platform_order_id"],
        outcome_unknown_since=row["outcome_unknown_since"],
        version=row["version"],
    )


def fill_of(row: Row) -> Fill:
    """Read a fill."""
    return Fill(
        trade_id=row["trade_id"],
        platform=Platform(row["platform"]),
        order_id=row["order_id"],
        outcome=Outcome(row["outcome"]),
        side=Side(row["side"]),
        price=Price(row["price"]),
        size=Quantity(row["size"]),
        fee=Money(row["fee"]),
        finality=Finality(row["finality"]),
        matched_at=row["matched_at"],
    )


def position_of(row: Row) -> OpenPosition:
    """Read a position."""
    legs = {
        platform: Holding(
            outcome=Outcome(row[f"{platform}_side"]),
            order_id=row[f"{platform}_order_id"],
            size=Quantity(row[f"{platform}_size"]),
            cost=Money(row[f"{platform}_cost"]),
            fees=Money(row[f"{platform}_fees"]),
        )
        for platform in Platform
    }
    return OpenPosition(
        position_id=row["position_id"],
        pair_id=row["pair_id"],
        execution_id=row["execution_id"],
        kalshi=legs[Platform.KALSHI],
        polymarket=legs[Platform.POLYMARKET],
        expected_edge=Money(row["expected_edge"]),
        divergence_reserve=Money(row["divergence_reserve"]),
        status=PositionStatus(row["status"]),
        opened_at=row["opened_at"],
        completed_at_loss=row["completed_at_loss"],
        reconciliation_context=row["reconciliation_context"],
        version=row["version"],
    )


async def undelivered(journal: Journal) -> list[tuple[int, Event]]:
    """Return every event of the outbox with its place in the log, in order.

    Raises:
        StorageError: One that this program does not know, or a log without it.
    """
    found = []
    for waiting in await journal.rows("outbox", order_by=("sequence",)):
        sequence = waiting["sequence"]
        rows = await journal.rows("audit_log", {"sequence": sequence})
        if not rows:
            raise StorageError(f"event {sequence} waits in the outbox and is not in the log")
        try:
            found.append((sequence, event_of(rows[0])))
        except InvalidInput as error:
            raise StorageError(f"event {sequence} cannot be told again: {error}") from error
    return found


def event_of(row: Row) -> Event:
    """Read an event from its row of the log."""
    stamp = Stamp(
        row["event_id"], row["occurred_at"], row["correlation_id"], row["causation_id"]
    )
    return decode(row["name"], json.loads(row["payload"]), stamp)


async def held(journal: Journal) -> list[tuple[OpenPosition, list[Order], list[Fill]]]:
    """Return every position that is not closed, with its orders and fills, oldest first."""
    found = []
    for row in await journal.rows("open_positions", order_by=("opened_at", "position_id")):
        position = position_of(row)
        if position.status is PositionStatus.CLOSED:
            continue
        execution = {"execution_id": position.execution_id}
        orders = [order_of(each) for each in await journal.rows("orders", execution)]
        fills = [fill_of(each) for each in await journal.rows("fills", execution)]
        found.append((position, orders, fills))
    return found
