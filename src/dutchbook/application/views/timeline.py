"""Read models of positions: exposures, one position in full, and its timeline.

They read rows and the audit log and change nothing, so they work next to a running engine and
without one. An id may be given by its first characters, if these are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from dutchbook.application.records.log import Entry, logged_about
from dutchbook.application.views import attributions
from dutchbook.application.views.unanswered import unanswered
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.events import (
    OrderPlaced,
    Scenario,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
    SingleLegResolved,
)
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.exposure import completed_at
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.positions.reminding import Reminding
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.reconciliation.findings import DiscrepancyType
from dutchbook.domain.values.units import Money, Price, plain
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.ports.journal import Journal, Prefix
from dutchbook.ports.tables.market import CONTRACTS
from dutchbook.ports.tables.trading import OPEN_POSITIONS

Row = dict[str, Any]
LEAST = 4
"""Minimum number of characters of an id."""
KINDS = {
    "position": ("open_positions", "position_id"),
    "order": ("orders", "order_id"),
    "execution": ("executions", "execution_id"),
    "discrepancy": ("discrepancies", "discrepancy_id"),
}
WITH_TIMELINE = ("position", "order", "execution")
"""Kinds that have a timeline."""

SAID = (
    SingleLegExposure.wire,
    SingleLegExposureChanged.wire,
    SingleLegExposureReminder.wire,
)


async def find(journal: Journal, beginning: str, kinds: Iterable[str]) -> tuple[str, Row]:
    """Return the kind and the row of the one id that starts with `beginning`.

    Raises:
        InvalidInput: `beginning` is too short, or matches no id or more than one.
    """
    wanted = tuple(kinds)
    if len(beginning) < LEAST:
        raise InvalidInput("ID", beginning, f"at least {LEAST} characters of an id")
    found = [
        (kind, row)
        for kind in wanted
        for row in await journal.rows(KINDS[kind][0], {KINDS[kind][1]: Prefix(beginning)})
    ]
    exact = [each for each in found if each[1][KINDS[each[0]][1]] == beginning]
    if len(found) != 1 and len(exact) != 1:
        named = " and ".join(f"{kind} {row[KINDS[kind][1]]}" for kind, row in found[:3])
        of = f"the beginning of the id of {_any_of(wanted)}"
        raise InvalidInput("ID", beginning, f"one id: {named} begin so" if found else of)
    return (exact or found)[0]


def _any_of(kinds: Iterable[str]) -> str:
    return " or ".join(f"an {kind}" if kind[0] in "aeo" else f"a {kind}" for kind in kinds)


async def exposures(journal: Journal, reminding: Reminding) -> list[Row]:
    """Return every position with an unhedged leg, oldest first.

    Args:
        journal: Where they are.
        reminding: How often they are reported again.
    """
    asked, bankroll = await questions(journal), await _bankroll(journal)
    rows = await journal.rows("open_positions", order_by=("opened_at", "position_id"))
    found, unknown = [], await unanswered(journal)
    for row in rows:
        if row["status"] in UNHEDGED:
            log = await logged_about(journal, row["execution_id"])
            after = partial(reminding.after, bankroll=bankroll)
            waits = unknown.get(row["execution_id"], [])
            found.append(_exposure(row, log, asked, after) | {"unanswered": waits})
    return found


async def _bankroll(journal: Journal) -> Money:
    """Return the bankroll in dollars: what the accounts hold, as the last run limits it."""
    kept = await journal.rows("system_metadata", {"key": "limits"})
    limits = RiskLimits.of_text(kept[0]["value"]) if kept else RiskLimits()
    names = ("free", "reserved", "committed")
    held = (row[name] for row in await journal.rows("accounts") for name in names)
    return limits.holding(Money(sum(held, start=Decimal(0)))).bankroll


def _exposure(
    row: Row,
    log: list[Entry],
    questions: Mapping[str, str],
    after: Callable[[Mapping[str, Any]], timedelta],
) -> Row:
    position = OPEN_POSITIONS.value(row)
    report = _last_report(log, position)
    actions = report.facts["recommended_actions"] if report else []
    scenarios = {each["name"]: each for each in report.facts["scenarios"]} if report else {}
    best = scenarios.get(actions[0]) if actions else None
    return {
        "position_id": position.position_id,
        "status": position.status.value,
        "pair_id": position.pair_id,
        "question": questions.get(position.pair_id, position.pair_id),
        **unhedged_leg(position),
        "since": _since(log) or position.opened_at,
        "recommended": actions[0] if actions else None,
        "result": best["pnl"] if best else None,
        "choices": list(scenarios.values()),
        "actions": list(actions),
        "next_reminder": report.at + after(report.facts) if report else None,
    }


def unhedged_leg(position: OpenPosition) -> Row:
    """Return which leg is longer, by how much, and what that excess cost with its fees."""
    leg = position.holding(position.longer)
    return {
        "platform": position.longer.value,
        "outcome": leg.outcome.value,
        "quantity": abs(position.imbalance),
        "at_risk": unhedged_cost(position),
    }


def _last_report(log: Iterable[Entry], position: OpenPosition) -> Entry | None:
    """Return the latest report of an exposure, if it is of the present imbalance."""
    report = next((e for e in reversed(list(log)) if e.name in SAID), None)
    if report is None or Decimal(report.facts["exposed_quantity"]) != abs(position.imbalance):
        return None
    return report


def _since(log: Iterable[Entry]) -> datetime | None:
    since = None
    for entry in log:
        if entry.name == SingleLegResolved.wire:
            since = None
        elif entry.name in SAID:
            since = since or entry.at
    return since


async def position(journal: Journal, beginning: str) -> Row:
    """Return one position in full: legs, orders with their fills, results, and its choices.

    Raises:
        InvalidInput: `beginning` does not match exactly one id.
    """
    _, row = await find(journal, beginning, ("position",))
    return await whole(journal, row)


async def whole(journal: Journal, row: Row) -> Row:
    """Return the position of a row in full."""
    found = OPEN_POSITIONS.value(row)
    log = await logged_about(journal, found.execution_id)
    unhedged = found.status in UNHEDGED
    report = _last_report(log, found) if unhedged else None
    return {
        "position_id": found.position_id,
        "execution_id": found.execution_id,
        "pair_id": found.pair_id,
        "question": (await questions(journal)).get(found.pair_id, found.pair_id),
        "status": found.status.value,
        "version": found.version,
        "opened_at": found.opened_at,
        "closed_at": found.closed_at,
        "legs": [_leg(found, platform) for platform in Platform],
        **{name: getattr(found, name) for name in RESULTS},
        "edge": await attributions.of_one(journal, found.execution_id),
        "discrepancies": await discrepancies(journal, found.position_id),
        "orders": await _orders(journal, found.execution_id, log),
        "unhedged": unhedged_leg(found) if unhedged else None,
        "since": _since(log) if unhedged else None,
        "choices": list(report.facts["scenarios"]) if report else [],
        "recommended": list(report.facts["recommended_actions"]) if report else [],
        "priced_at": report.at if report else None,
    }


async def discrepancies(journal: Journal, position_id: str | None = None) -> list[Row]:
    """Return the open differences between our record and the platforms', oldest first.

    Args:
        journal: Where they are.
        position_id: Only those of this position; None: all.
    """
    mine = {} if position_id is None else {"position_id": position_id}
    order = ("detected_at", "discrepancy_id")
    return await journal.rows("discrepancies", {"resolved_at": None, **mine}, order)


async def disputed(journal: Journal, beginning: str) -> tuple[Row | None, Row | None]:
    """Return a position in doubt in full, or a discrepancy that is decided by itself.

    That is one of no position, or of an order without an answer, whose position is in no doubt.
    Such an order is found by its own id and by its position's too, if there is only one.

    Raises:
        InvalidInput: `beginning` does not match exactly one id, or the discrepancy is resolved.
        InvalidPositionState: Nothing of the position is in doubt.
    """
    kind, row = await find(journal, beginning, ("position", "discrepancy", "order"))
    if kind == "discrepancy" and row["resolved_at"] is not None:
        over = f"a discrepancy that is open: it was resolved ({row['resolution']})"
        raise InvalidInput("ID", beginning, over)
    if kind == "discrepancy" and row["position_id"] is None:
        return None, row
    found = await position(journal, row["position_id"]) if row["position_id"] else None
    if found is not None and found["status"] == PositionStatus.RECONCILIATION_REQUIRED:
        return found, None
    missing = [each for each in await discrepancies(journal) if _concerns(each, kind, row)]
    if len(missing) == 1:
        return None, missing[0]
    if missing:
        ids = " or ".join(_about(each)["order_id"] for each in missing)
        raise InvalidInput("ID", beginning, f"the id of one order: {ids}")
    if found is None or kind == "order":
        later = "an order that the platform does not show; `dutchbook reconcile` looks again"
        raise InvalidInput("ID", beginning, later)
    doubt = "nothing of it is in doubt"
    raise InvalidPositionState(found["position_id"], found["status"], doubt)


def _concerns(discrepancy: Row, kind: str, row: Row) -> bool:
    """Return whether a discrepancy is about a missing order that `row` is, or is part of."""
    if discrepancy["kind"] != DiscrepancyType.ORDER_NOT_FOUND:
        return False
    match kind:
        case "order":
            return bool(_about(discrepancy)["order_id"] == row["order_id"])
        case "discrepancy":
            return bool(discrepancy["discrepancy_id"] == row["discrepancy_id"])
        case _:
            return bool(discrepancy["position_id"] == row["position_id"])


def _about(discrepancy: Row) -> Row:
    about: Row = discrepancy["ours"]["about"]
    return about


async def at_price(journal: Journal, row: Row, price: Price) -> Scenario | None:
    """Return the worst result of buying the missing leg of a position at a price.

    The fees are those of when it was last priced; None where they are not known.

    Raises:
        InvalidInput: The price is not on the contract's grid.
    """
    missing = Platform(row["unhedged"]["platform"]).other
    (pair,) = await journal.rows("contract_matches", {"match_id": row["pair_id"]})
    key = {"platform": missing, "contract_id": pair[f"{missing}_contract_id"]}
    contract = CONTRACTS.value((await journal.rows("contracts", key))[0])
    (leg,) = (each for each in row["legs"] if each["platform"] == missing)
    if not contract.on_grid(price, Outcome(leg["outcome"])):
        grid = f"on the contract's price grid ({contract.grid})"
        raise InvalidInput("--price", plain(price), grid)
    leg, at = row["unhedged"], row["priced_at"] or row["opened_at"]
    return completed_at(contract, leg["quantity"], price, leg["at_risk"], at)


def _leg(found: OpenPosition, platform: Platform) -> Row:
    leg = found.holding(platform)
    shown = {name: getattr(leg, name) for name in LEG}
    return {"platform": platform.value, "outcome": leg.outcome.value, **shown}


RESULTS = (
    "hedged", "paid", "locked_profit", "expected_edge", "marked_pnl", "realised_pnl",
    "divergence_pnl", "divergence_reserve", "completed_at_loss", "reconciliation_context",
)  # fmt: skip
LEG = ("size", "complement", "cost", "complement_cost", "fees", "cash", "payout")
ORDER = (
    "order_id", "created_at", "platform", "purpose", "side", "outcome", "size", "price",
    "status", "fill_size", "fill_cost", "fees", "working_size", "stated", "refusal",
    "outcome_unknown_since",
)  # fmt: skip


async def _orders(journal: Journal, execution_id: str, log: Iterable[Entry]) -> list[Row]:
    """Return the orders of an execution in the order in which they were placed."""
    mine = {"execution_id": execution_id}
    fills = await journal.rows("fills", mine, ("matched_at", "trade_id"))
    placed = [e.facts["order_id"] for e in log if e.name == OrderPlaced.wire]
    rows = {row["order_id"]: row for row in await journal.rows("orders", mine)}
    found = []
    for row in (rows[order_id] for order_id in placed):
        trades = [
            {name: fill[name] for name in ("trade_id", "size", "price", "fee", "finality")}
            for fill in fills
            if fill["order_id"] == row["order_id"]
        ]
        found.append({name: row[name] for name in ORDER} | {"fills": trades})
    return found


async def explain(
    journal: Journal, beginning: str
) -> tuple[list[Entry], Row | None, list[Row]]:
    """Return the timeline of a position, order or execution.

    Returns:
        Its log entries, the position that it opened, if any, and its orders.

    Raises:
        InvalidInput: `beginning` does not match exactly one id.
    """
    _, row = await find(journal, beginning, WITH_TIMELINE)
    mine = {"execution_id": row["execution_id"]}
    positions = await journal.rows("open_positions", mine)
    log = await logged_about(journal, row["execution_id"])
    found = await whole(journal, positions[0]) if positions else None
    return log, found, await _orders(journal, row["execution_id"], log)


async def questions(journal: Journal) -> dict[str, str]:
    """Return the question of each pair."""
    rows = await journal.rows("contract_matches")
    return {row["match_id"]: row["kalshi_description"] for row in rows}
