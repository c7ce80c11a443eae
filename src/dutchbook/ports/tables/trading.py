"""Tables of pair trades: executions, orders, fills, positions, settlements, discrepancies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from dutchbook.domain.events import as_json
from dutchbook.domain.execution.order import ORDER, Fill, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import POSITION, Holding, OpenPosition
from dutchbook.domain.positions.settlement import Settlement
from dutchbook.domain.reconciliation.findings import Choice, Discrepancy
from dutchbook.domain.values.units import MICRO
from dutchbook.ports.tables.column import Column, Kind, plain, stored, words
from dutchbook.ports.tables.table import Table

PAIR = {"pair_id": "contract_matches.match_id"}
EXECUTION = {"execution_id": "executions.execution_id"}

EXECUTIONS = Table(
    "executions",
    of=PairTrade,
    columns=(
        *stored(
            PairTrade, "execution.execution_id", "plan.opportunity_id", "execution.pair_id"
        ),
        *stored(PairTrade, "plan.direction"),
        *stored(
            PairTrade,
            "execution.primary.platform",
            "execution.primary.planned",
            renamed={
                "execution.primary.platform": "primary_platform",
                "execution.primary.planned": "planned_quantity",
            },
        ),
        *stored(PairTrade, "plan.started_at", "ended_at", "shortfall"),
        *stored(
            PairTrade,
            "execution.phase",
            "execution.primary",
            "execution.secondary",
            "execution.version",
            renamed={
                "execution.primary": "primary_state",
                "execution.secondary": "secondary_state",
            },
            changes_from="execution.phase",
        ),
    ),
    key=("execution_id",),
    guard=("version",),
    refers={"opportunity_id": "opportunities.opportunity_id", **PAIR},
    audited=True,
)
"""Attempts at an opportunity: the rows of pair trades."""

ORDERS = Table(
    "orders",
    of=Order,
    columns=(
        *stored(
            Order,
            renamed={"filled": "fill_size", "cost": "fill_cost"},
            changes_from="status",
            added=("stated", "stated_cost", "stated_fees", "reported"),
        ),
        *plain(Kind.TEXT, "position_id", optional=True),
    ),
    key=("order_id",),
    guard=("status", "version"),
    unique=(("client_order_id",),),
    floor=(
        "size",
        "fill_size",
        "fees",
        "working_size",
        "stated",
        "stated_cost",
        "stated_fees",
    ),
    refers=PAIR | EXECUTION,
    indexes=(("pair_id",), ("execution_id",), ("platform", "status"), ("created_at",)),
    machine=ORDER,
    audited=True,
)
"""Our orders; the status of each is a function of its facts."""

FILLS = Table(
    "fills",
    of=Fill,
    columns=(
        *stored(Fill, "platform", "trade_id", "order_id"),
        *plain(Kind.TEXT, "execution_id"),
        *stored(Fill, "outcome", "side", "price", "size", "fee"),
        *stored(Fill, "finality", changes_from="finality"),
        *stored(Fill, "matched_at"),
        *plain(Kind.INSTANT, "reported_at"),
    ),
    key=("platform", "trade_id"),
    guard=("finality",),
    refers={"order_id": "orders.order_id"},
    indexes=(("order_id",), ("execution_id",)),
    frozen=True,
    audited=True,
)
"""Trade reports of the platforms for our orders: facts, but for their finality."""


def _prices(legs: Iterable[Holding]) -> dict[str, Any]:
    """Return the average cost of each leg by platform, to the nearest millionth."""
    averages = (leg.average for leg in legs)
    return {
        platform.value: None if average is None else as_json(average.quantize(MICRO))
        for platform, average in zip(Platform, averages, strict=True)
    }


def _sizes(legs: Iterable[Holding]) -> dict[str, Any]:
    return {p.value: as_json(leg.size) for p, leg in zip(Platform, legs, strict=True)}


def _leg(platform: str) -> tuple[Column, ...]:
    """Return the columns of a leg that change."""
    names = [each.name for each in fields(Holding) if each.name not in ("order_id", "outcome")]
    return stored(Holding, *names, under=platform, changes_from=names[0], added=("borrowed",))


OPEN_POSITIONS = Table(
    "open_positions",
    of=OpenPosition,
    columns=(
        *stored(OpenPosition, "position_id", "pair_id", "execution_id"),
        *stored(Holding, "order_id", under="polymarket"),
        *stored(Holding, "order_id", under="kalshi"),
        *stored(Holding, "outcome", under="polymarket", renamed={"outcome": "side"}),
        *stored(Holding, "outcome", under="kalshi", renamed={"outcome": "side"}),
        *stored(OpenPosition, "expected_edge", "opened_at"),
        *_leg("kalshi"),
        *_leg("polymarket"),
        Column("entry_prices", Kind.JSON, path="legs", write=_prices, changes=True),
        Column("sizes", Kind.JSON, path="legs", write=_sizes, changes=True),
        *stored(
            OpenPosition,
            "divergence_reserve",
            "realised_pnl",
            "marked_pnl",
            "divergence_pnl",
            "closed_at",
            "completed_at_loss",
            "status",
            "reconciliation_context",
            "version",
            changes_from="divergence_reserve",
        ),
    ),
    key=("position_id",),
    guard=("status", "version"),
    floor=(
        "kalshi_size",
        "polymarket_size",
        "kalshi_borrowed",
        "polymarket_borrowed",
        "divergence_reserve",
    ),
    refers=PAIR
    | EXECUTION
    | {"polymarket_order_id": "orders.order_id", "kalshi_order_id": "orders.order_id"},
    indexes=(("status",), ("pair_id",)),
    machine=POSITION,
    audited=True,
)
"""Contracts held on both platforms. Costs and sizes are exact, prices derived."""

SETTLEMENTS = Table(
    "settlements",
    of=Settlement,
    columns=(
        *stored(Settlement, "settlement_id", "position_id", "platform", "contract_id", "kind"),
        *stored(Settlement, "size", "yes_pays"),
        *stored(Settlement, "status", changes_from="status"),
        *stored(Settlement, "requested_at"),
        *stored(Settlement, "paid_at", changes_from="paid_at"),
    ),
    key=("settlement_id",),
    guard=("status",),
    floor=("size",),
    refers={"position_id": "open_positions.position_id"},
    indexes=(("position_id",), ("status",)),
    audited=True,
)
"""Merges of both outcomes, and payouts of resolved contracts, each for one position."""

DISCREPANCIES = Table(
    "discrepancies",
    of=Discrepancy,
    columns=(
        *plain(Kind.TEXT, "discrepancy_id"),
        *stored(Discrepancy, "kind"),
        Column("platform", Kind.TEXT, True, words(Platform), "platform", read=Platform),
        *stored(Discrepancy, "pair_id", "position_id"),
        Column("ours", Kind.JSON, optional=True, path="ours"),
        Column("theirs", Kind.JSON, optional=True, path="theirs"),
        *stored(Discrepancy, "recommended_action"),
        *plain(Kind.INSTANT, "detected_at"),
        *plain(Kind.INSTANT, "resolved_at", optional=True),
        *plain(Kind.TEXT, "resolution", words=words(Choice), optional=True),
        *plain(Kind.TEXT, "rationale", optional=True),
    ),
    key=("discrepancy_id",),
    together=(("resolved_at", "resolution"),),
    indexes=(("resolved_at",),),
    audited=True,
)
"""Differences between our record and a platform's, resolved or not."""
