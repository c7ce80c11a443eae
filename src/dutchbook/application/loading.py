"""Rows back into domain values: what a new run takes up from the one before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.contract import (
    Alignment,
    Contract,
    ContractMatch,
    DivergenceClass,
    Leg,
    Outcome,
    Platform,
    Side,
    Sizing,
)
from dutchbook.domain.fees import schedule_from_json
from dutchbook.domain.order import Fill, Finality, Order, OrderStatus, Purpose, TimeInForce
from dutchbook.domain.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.units import Money, Price, PriceGrid, Quantity
from dutchbook.ports import Journal

Row = Mapping[str, Any]


def contract_of(row: Row) -> Contract:
    """Read a contract."""
    sizing = row["sizing"]
    return Contract(
        platform=Platform(row["platform"]),
        contract_id=row["contract_id"],
        title=row["title"],
        rules=row["rules"],
        grid=PriceGrid.of_ranges(row["price_bands"]),
        sizing=Sizing(
            Quantity(Decimal(sizing["step"])),
            Quantity(Decimal(sizing["minimum"])),
            Money(Decimal(sizing["minimum_notional"])),
            sizing["cent_exact"],
        ),
        fees=schedule_from_json(row["fees"]) if row["fees"] else None,
        close_time=row["close_time"],
        resolution_time=row["resolution_time"],
        cash_delay=timedelta(seconds=row["cash_delay_seconds"]),
        tokens=tuple(row["tokens"]) if row["tokens"] else None,
        assumed=tuple(row["assumed"]),
    )


def match_of(row: Row, kalshi: Contract, polymarket: Contract) -> ContractMatch:
    """Read a pair, given its two contracts as they are now."""
    leg = row["primary_leg"]
    return ContractMatch(
        match_id=row["match_id"],
        kalshi=kalshi,
        polymarket=polymarket,
        alignment=Alignment(row["alignment"]),
        divergence_class=DivergenceClass(row["divergence_class"]),
        divergence_probability=row["divergence_probability"],
        primary_leg=Platform(leg) if leg else None,
        cluster=row["cluster"],
        operator_approved=row["operator_approved"],
        approved_digest=row["approved_digest"],
    )


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
