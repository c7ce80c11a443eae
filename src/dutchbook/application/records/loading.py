"""Rows back into domain values: what a new run takes up from the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import Event, Stamp, decode
from dutchbook.domain.execution.decide import Execution, LegState, Phase
from dutchbook.domain.execution.order import (
    Fill,
    Finality,
    Order,
    OrderStatus,
    Purpose,
    TimeInForce,
)
from dutchbook.domain.market.contract import (
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
from dutchbook.domain.market.fees import schedule_from_json
from dutchbook.domain.pair_trades.trade import Plan
from dutchbook.domain.positions.fold import Merge, Payout
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Price, PriceGrid, Quantity
from dutchbook.errors import InvalidInput, StorageError
from dutchbook.ports.journal import Between, Journal

Row = Mapping[str, Any]
LEG_AMOUNTS = (
    "planned", "bound", "even_bound", "step", "smallest", "decided_cost", "sent", "sent_cost",
    "filled", "cost", "fees",
)  # fmt: skip


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
        taker_delay=timedelta(milliseconds=row["taker_delay_ms"]),
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
        confidence=row["confidence"],
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


def plan_of(row: Row, divergence_probability: Decimal) -> Plan:
    """Read what was decided of an execution before anything was sent."""
    return Plan(
        row["opportunity_id"], row["direction"], row["started_at"], divergence_probability
    )


def execution_of(row: Row) -> Execution:
    """Read an execution as `decide` left it."""
    return Execution(
        row["execution_id"],
        row["pair_id"],
        leg_state_of(row["primary_state"]),
        leg_state_of(row["secondary_state"]),
        phase=Phase(row["phase"]),
        version=int(row["version"]),
    )


def leg_state_of(state: Mapping[str, Any]) -> LegState:
    """Read a leg of an execution from its document; amounts are text in it."""
    money = {name: Decimal(state[name]) for name in LEG_AMOUNTS}
    return LegState(
        platform=Platform(state["platform"]),
        busy=state["busy"],
        unknown=state["unknown"],
        failure=state["failure"],
        **money,  # type: ignore[arg-type]
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
            complement=Quantity(row[f"{platform}_complement"]),
            complement_cost=Money(row[f"{platform}_complement_cost"]),
            borrowed=Quantity(row[f"{platform}_borrowed"]),
            cash=Money(row[f"{platform}_cash"]),
            payout=row[f"{platform}_payout"],
            settled=Quantity(row[f"{platform}_settled"]),
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
        marked_pnl=Money(row["marked_pnl"]),
        divergence_pnl=Money(row["divergence_pnl"]),
        closed_at=row["closed_at"],
        version=row["version"],
    )


async def undelivered(journal: Journal) -> list[tuple[int, Event]]:
    """Return every event of the outbox with its place in the log, in order.

    Raises:
        StorageError: One that this program does not know, or a log without it.
    """
    waiting = [row["sequence"] for row in await journal.rows("outbox", None, ("sequence",))]
    if not waiting:
        return []
    lot = {"sequence": Between(waiting[0], waiting[-1])}
    entries = {row["sequence"]: row for row in await journal.rows("audit_log", lot)}
    found = []
    for sequence in waiting:
        if sequence not in entries:
            raise StorageError(f"event {sequence} waits in the outbox and is not in the log")
        try:
            found.append((sequence, event_of(entries[sequence])))
        except InvalidInput as error:
            raise StorageError(f"event {sequence} cannot be told again: {error}") from error
    return found


def event_of(row: Row) -> Event:
    """Read an event from its row of the log."""
    stamp = Stamp(
        row["event_id"], row["occurred_at"], row["correlation_id"], row["causation_id"]
    )
    return decode(row["name"], json.loads(row["payload"]), stamp)


def grouped(rows: list[dict[str, Any]], column: str) -> dict[str, list[dict[str, Any]]]:
    """Return rows by what they have in a column; those with nothing there are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row[column] is not None:
            found.setdefault(row[column], []).append(row)
    return found


def payment_of(row: Row) -> Merge | Payout:
    """Read a merge or a payout whose cash has come."""
    platform = Platform(row["platform"])
    if row["kind"] == "merge":
        return Merge(platform, Quantity(row["size"]), row["paid_at"])
    return Payout(platform, row["yes_pays"], row["paid_at"])


def reservation_of(
    rows: Sequence[Row], pair_id: str, accounts: Mapping[Platform, AccountKey]
) -> Reservation:
    """Read what stands reserved for one order, on whichever platforms."""
    first = rows[0]
    platforms = {str(key): platform for platform, key in accounts.items()}
    amounts = {platforms[row["account_id"]]: Money(row["amount"]) for row in rows}
    return Reservation(first["reservation_id"], first["execution_id"], pair_id, amounts, 0)
