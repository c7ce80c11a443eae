"""Read model of what a run amounts to. Nothing here changes anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from dutchbook.application.detection.service import DetectionService
from dutchbook.application.execution.queue import ExecutionQueueService
from dutchbook.application.records.recorder import Recorder
from dutchbook.application.views import attributions
from dutchbook.application.views.result import in_total
from dutchbook.domain.events import (
    Event,
    OpportunityIdentified,
    OrderPlaced,
    PositionClosed,
    SystemStarted,
    as_json,
)
from dutchbook.domain.execution.order import OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.positions.settlement import reserve_used
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import OPEN_POSITIONS

Rows = list[dict[str, Any]]


async def summary(
    journal: Journal,
    detection: DetectionService,
    queue: ExecutionQueueService,
    recorder: Recorder,
    head: str,
    run: int,
) -> dict[str, Any]:
    """Return what a run did, from the database where the database has it.

    Most of it is of all runs on the database; edges, opportunities, what was `filtered` and
    `this_run` are of this one alone. Amounts are text. `expected_profit` is what all entries
    expected when they were decided, gas and fees off; `shortfall` is where their edge went, to
    what they have kept, see `Attribution`. `dropped` is there only if the recorder dropped
    notes.
    """
    executions = await journal.rows("executions")
    positions = await journal.rows("open_positions")
    fills, orders = await journal.rows("fills"), await journal.rows("orders")
    log = await journal.rows("audit_log")
    events = Counter(row["name"] for row in log)
    dropped = {"dropped": recorder.dropped} if recorder.dropped else {}
    result = await in_total(journal, positions)
    edges = await attributions.attributions(journal)
    return dropped | {
        "result": result,
        "edges_seen": detection.edges_seen,
        "opportunities": detection.opportunities,
        "filtered": dict(sorted((detection.filtered + queue.refused).items())),
        "executions": _by(executions, "phase"),
        "orders": _by(orders, "status", [str(s) for s in OrderStatus]),
        "positions": _by(positions, "status", [str(s) for s in PositionStatus]),
        "completed_at_loss": sum(bool(row["completed_at_loss"]) for row in positions),
        "fills": _by(fills, "finality"),
        "fees": _fees(fills),
        "capital": _capital(
            await journal.rows("accounts"), await journal.rows("ledger_entries")
        ),
        "expected_profit": await _expected(journal, executions),
        "realised": _realised(positions),
        "shortfall": attributions.document(attributions.total(edges)),
        "events": dict(sorted(events.items())),
        "event_log_sha256": head,
        "this_run": {"run": run, **_this_run(log, executions, orders, fills, positions)},
    }


def _this_run(
    log: Rows, executions: Rows, orders: Rows, fills: Rows, positions: Rows
) -> dict[str, Any]:
    """Return what the run that started last in the log has done, by the log.

    A fill belongs to the run that placed its order. `closed_pnl` is the result of the positions
    that it closed, whichever run opened them, in dollars.
    """
    start = max(
        (row["sequence"] for row in log if row["name"] == SystemStarted.wire), default=0
    )
    since = [row for row in log if row["sequence"] >= start]
    begun = {row["correlation_id"] for row in _named(since, OpportunityIdentified)}
    placed = {_facts(row)["order_id"] for row in _named(since, OrderPlaced)}
    closed = {_facts(row)["position_id"] for row in _named(since, PositionClosed)}
    gained = (row["realised_pnl"] for row in positions if row["position_id"] in closed)
    mine = [row for row in fills if row["order_id"] in placed]
    return {
        "executions": _by([r for r in executions if r["execution_id"] in begun], "phase"),
        "orders": _by([r for r in orders if r["order_id"] in placed], "status"),
        "fills": _by(mine, "finality"),
        "fees": _fees(mine),
        "opened": sum(row["execution_id"] in begun for row in positions),
        "closed": len(closed),
        "closed_pnl": as_json(sum(gained, start=Decimal(0))),
    }


def _named(log: Rows, kind: type[Event]) -> Rows:
    return [row for row in log if row["name"] == kind.wire]


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(row["payload"])
    return facts


def _by(rows: Rows, column: str, names: Iterable[str] = ()) -> dict[str, int]:
    counted = Counter(str(row[column]) for row in rows)
    return {"total": len(rows)} | dict.fromkeys(names, 0) | dict(sorted(counted.items()))


def _fees(fills: Rows) -> dict[str, str]:
    totals = {
        platform.value: sum(
            (
                row["fee"]
                for row in fills
                if row["platform"] == platform and row["finality"] != "failed"
            ),
            start=Decimal(0),
        )
        for platform in Platform
    }
    shown = {name: as_json(amount) for name, amount in totals.items()}
    return shown | {"total": as_json(sum(totals.values(), start=Decimal(0)))}


def _capital(accounts: Rows, entries: Rows) -> dict[str, dict[str, str]]:
    capital = {}
    for row in sorted(accounts, key=lambda each: str(each["account_id"])):
        put_in = -sum(
            (
                entry["amount"]
                for entry in entries
                if entry["account_id"] == row["account_id"] and entry["bucket"] == "external"
            ),
            start=Decimal(0),
        )
        capital[str(row["platform"])] = {
            "deposited": as_json(put_in),
            **{name: as_json(row[name]) for name in ("free", "reserved", "committed")},
        }
    return capital


def _realised(positions: Rows) -> dict[str, Any]:
    """Return what positions have earned so far, after all fees, in dollars.

    What is still held counts at cost. `divergence` is the part of `total` that comes from
    contracts of a pair that resolved differently; `reserve_used` is how much of the reserve for
    that was used.
    """
    held = [OPEN_POSITIONS.value(row) for row in positions]
    by_status: dict[str, Decimal] = {}
    for each in held:
        name = each.status.value
        by_status[name] = by_status.get(name, Decimal(0)) + each.realised_pnl
    used = (reserve_used(p)[0] for p in held if p.status is PositionStatus.CLOSED)
    return {
        "total": as_json(sum(by_status.values(), start=Decimal(0))),
        "divergence": as_json(sum((p.divergence_pnl for p in held), start=Decimal(0))),
        "reserve_used": as_json(sum(used, start=Decimal(0))),
        "fees": as_json(sum((leg.fees for p in held for leg in p.legs), start=Decimal(0))),
        "by_status": {name: as_json(amount) for name, amount in sorted(by_status.items())},
    }


async def _expected(journal: Journal, executions: Rows) -> str:
    """Return the profit in dollars that all executions expected at their decisions."""
    seen = await journal.rows("opportunities", {"reason": None})
    profits = {row["opportunity_id"]: row["expected_profit"] for row in seen}
    expected = (profits[row["opportunity_id"]] for row in executions)
    return str(as_json(sum(expected, start=Decimal(0))))
