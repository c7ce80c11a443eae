"""Integrity checks of `dutchbook db verify`, computed from the rows of a database alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from dutchbook.domain.capital.ledger import (
    Balance,
    check_conservation,
)
from dutchbook.domain.events import SingleLegExposure, SystemStopped
from dutchbook.domain.execution.order import order_status
from dutchbook.domain.market.contract import Side
from dutchbook.domain.positions.exposure_counts import MONTHLY, WEEKLY, ExposureCounts
from dutchbook.domain.values.units import due, owed
from dutchbook.errors import InvariantBroken
from dutchbook.persistence.log.audit import Read, audited, unlogged
from dutchbook.persistence.log.replay import AUDITED
from dutchbook.persistence.tables.coding import decode
from dutchbook.ports.anchors import Anchor
from dutchbook.ports.tables.capital import ACCOUNTS, LEDGER_ENTRIES

Rows = list[dict[str, Any]]
READ = ("audit_log", *AUDITED)


def problems(read: Read, anchors: Iterable[Anchor] = ()) -> list[str]:
    """Return every problem, one line each; empty when the database is intact.

    First the checks of `dutchbook audit verify`, then the ledger, the sums and the reported
    crossings of exposure limits.
    """
    found = [*unlogged(read), *audited(read, anchors).problems]
    checks = (_ledger, _reservations, _orders, _exposures)
    try:
        tables = {name: [decode(name, row) for row in read(name)] for name in READ}
    except (ValueError, TypeError, ArithmeticError) as error:
        return [*found, f"a value that no column holds: {error}"]
    return [*found, *(problem for check in checks for problem in check(tables))]


def _ledger(tables: Mapping[str, Rows]) -> Iterator[str]:
    keys = {row["account_id"]: ACCOUNTS.value(row) for row in tables["accounts"]}
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for row in tables["ledger_entries"]:
        moved[row["transaction_id"]] += row["amount"]
        if row["account_id"] not in keys:
            yield f"ledger entry {row['entry_id']}: no account {row['account_id']}"
            return
    for transaction, total in moved.items():
        if total:
            yield f"transaction {transaction}: its entries sum to {total}, not zero"
    postings = [
        LEDGER_ENTRIES.value(row, {"account": keys[row["account_id"]]})
        for row in tables["ledger_entries"]
    ]
    balances = {
        keys[row["account_id"]]: Balance(row["free"], row["reserved"], row["committed"])
        for row in tables["accounts"]
    }
    try:
        check_conservation(postings, balances)
    except InvariantBroken as broken:
        yield str(broken)


def _reservations(tables: Mapping[str, Rows]) -> Iterator[str]:
    standing = [row for row in tables["reservations"] if row["status"] == "reserved"]
    total = sum((row["amount"] for row in standing), start=Decimal(0))
    held = sum((row["reserved"] for row in tables["accounts"]), start=Decimal(0))
    if total != held:
        yield f"reservations: {total} stand open, accounts show {held} reserved"
    # An order of an existing position takes no slot.
    slots = len({row["execution_id"] for row in standing if row["order_id"] is None})
    for row in tables["risk_states"]:
        if row["reserved_position_slots"] != slots:
            taken = row["reserved_position_slots"]
            yield f"risk state: {taken} slots reserved, reservations say {slots}"
        if row["reserved_capital"] != total:
            yield f"risk state: {row['reserved_capital']} reserved, reservations say {total}"
        committed = sum((each["committed"] for each in tables["accounts"]), start=Decimal(0))
        if row["total_capital_deployed"] != committed:
            yield f"risk state: {row['total_capital_deployed']} deployed, accounts {committed}"


def _orders(tables: Mapping[str, Rows]) -> Iterator[str]:
    """Compare each order's size, cost, fees and resulting status with its fills.

    What its platform has stated and not listed yet counts as well.
    """
    fills: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in tables["fills"]:
        if row["finality"] != "failed":
            fills[row["order_id"]].append(row)
    for row in tables["orders"]:
        named = f"order {row['order_id']}"
        totals = {
            "fill_size": row["stated"] + _sum(f["size"] for f in fills[row["order_id"]]),
            "fill_cost": row["stated_cost"] + _sum(_cost(f) for f in fills[row["order_id"]]),
            "fees": row["stated_fees"] + _sum(f["fee"] for f in fills[row["order_id"]]),
        }
        for column, expected in totals.items():
            if row[column] != expected:
                yield f"{named}: {column} is {row[column]}, its fills say {expected}"
        status = order_status(
            ordered=row["size"],
            filled=row["fill_size"],
            working=row["working_size"],
            refused=row["refusal"] is not None,
        )
        if row["status"] != status:
            yield f"{named}: it is {row['status']}, its facts say {status}"


def _exposures(tables: Mapping[str, Rows]) -> Iterator[str]:
    """Compare the reported crossings of single-leg limits with a new count (I-21).

    A crossing may be unreported while an engine runs or after a crash: the next start reports
    it. After an orderly stop, it may not.
    """
    counts, crossed, reported, late = ExposureCounts(), set(), set(), set()
    for row in tables["audit_log"]:
        limit = _limit(row["payload"])
        named = (limit, row["causation_id"])
        if row["name"] == SingleLegExposure.wire:
            counts, crossings = counts.counted(row["occurred_at"])
            crossed |= {(each.limit, row["event_id"]) for each in crossings}
        elif limit in (MONTHLY, WEEKLY):
            if named in reported or named not in crossed:
                again = "twice" if named in reported else "and a recount does not find it"
                yield f"audit log: entry {row['sequence']} tells of {limit} {again}"
            reported.add(named)
        elif row["name"] == SystemStopped.wire:
            late = crossed - reported
    for limit, event_id in sorted(late - reported):
        yield f"audit log: exposure {event_id} crossed {limit}, and nobody was told"


def _limit(payload: str) -> str:
    """Return the limit that an event names, or an empty text; `Chain` reports damage."""
    try:
        facts = json.loads(payload)
    except ValueError:
        return ""
    return str(facts.get("limit", "")) if isinstance(facts, dict) else ""


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, start=Decimal(0))


def _cost(fill: Mapping[str, Any]) -> Decimal:
    amount = fill["price"] * fill["size"]
    return owed(amount) if fill["side"] == Side.BUY else due(amount)
