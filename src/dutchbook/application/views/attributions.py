"""Read model of where the edge of every execution went."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dutchbook.application.records.loading import grouped, payment_of
from dutchbook.domain.events import as_json
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome
from dutchbook.domain.pair_trades.attribution import Attribution, attribution
from dutchbook.domain.pair_trades.trade import PairTrade, kalshi_outcome
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import EXECUTIONS, FILLS, OPEN_POSITIONS, ORDERS

Row = dict[str, Any]
_OF = "execution_id"


TABLES = ("executions", "orders", "fills", "open_positions", "settlements")
"""The tables that an attribution is made of."""


async def attributions(
    journal: Journal, execution_id: str | None = None
) -> dict[str, Attribution]:
    """Return where the edge of each execution that has ended went, by its id.

    Args:
        journal: Where they are.
        execution_id: The only one that is wanted; None: all.
    """
    where = {_OF: execution_id} if execution_id is not None else {}
    tables = {name: await journal.rows(name, where) for name in TABLES[:-1]}
    tables["settlements"] = await journal.rows("settlements", {"status": "paid"})
    return by_execution(tables)


async def of_one(journal: Journal, execution_id: str) -> dict[str, str] | None:
    """Return where the edge of one execution went, as JSON; None until it has ended."""
    found = (await attributions(journal, execution_id)).get(execution_id)
    return document(found) if found is not None else None


def by_execution(tables: Mapping[str, list[Row]]) -> dict[str, Attribution]:
    """Return the same from rows of `TABLES`."""
    of = {name: grouped(tables[name], _OF) for name in ("orders", "fills", "open_positions")}
    paid = grouped([r for r in tables["settlements"] if r["status"] == "paid"], "position_id")
    return {
        row[_OF]: attribution(
            _trade(row, {name: each.get(row[_OF], []) for name, each in of.items()}, paid)
        )
        for row in tables["executions"]
        if row["ended_at"] is not None
    }


def total(found: dict[str, Attribution]) -> Attribution:
    """Return the parts of some attributions together."""
    return sum(found.values(), start=Attribution())


def document(found: Attribution) -> dict[str, str]:
    """Return an attribution as JSON values."""
    return {name: as_json(getattr(found, name)) for name in Attribution.__slots__}


def line(found: Mapping[str, str]) -> str:
    """Return an attribution, as `document` gives it, in one line, parts of nothing left out."""
    lost = {name: Decimal(value) for name, value in found.items() if Decimal(value)}
    edge, kept = (lost.pop(name, Decimal(0)) for name in ("edge", "kept"))
    parts = ", ".join(f"{name} {value:.4f}" for name, value in lost.items())
    return f"Of an edge of {edge:.4f} dollars it keeps {kept:.4f}; the rest: {parts or 'none'}."


def _trade(row: Row, of: dict[str, list[Row]], paid: dict[str, list[Row]]) -> PairTrade:
    orders: list[Order] = [ORDERS.value(each) for each in of["orders"]]
    fills = [FILLS.value(each) for each in of["fills"]]
    opened = bool(of["open_positions"])
    position = OPEN_POSITIONS.value(of["open_positions"][0]) if opened else _bare(row)
    others = {
        "plan.divergence_probability": ZERO,
        "position": position,
        "orders": {each.order_id: each for each in orders},
        "fills": {(each.platform, each.trade_id): each for each in fills},
        "payments": tuple(map(payment_of, paid.get(position.position_id, []))),
        "reservation": None,
        "reservations": {},
        "opened": opened,
        "shortfall": None,
    }
    return EXECUTIONS.value(row, others)


def _bare(row: Row) -> OpenPosition:
    """Return the empty position of an execution that bought nothing."""
    outcome = kalshi_outcome(row["direction"])
    return OpenPosition(
        position_id="",
        pair_id=row["pair_id"],
        execution_id=row[_OF],
        kalshi=Holding(outcome),
        polymarket=Holding(Outcome(outcome.opposite)),
        expected_edge=ZERO,
        divergence_reserve=ZERO,
        status=PositionStatus.SINGLE_LEG_EXPOSED,
        opened_at=row["started_at"],
    )
