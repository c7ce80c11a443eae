"""Whether a database is whole: what `dutchbook db verify` checks, from its rows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from dutchbook.domain.contract import Platform
from dutchbook.domain.ledger import (
    AccountKey,
    Balance,
    Bucket,
    EntryKind,
    Posting,
    check_conservation,
)
from dutchbook.domain.units import Money
from dutchbook.errors import InvariantBroken
from dutchbook.persistence.chain import GENESIS, link
from dutchbook.ports import Journal

Rows = list[dict[str, Any]]
READ = (
    "audit_log",
    "ledger_entries",
    "accounts",
    "reservations",
    "risk_states",
    "orders",
    "fills",
)


async def problems(journal: Journal) -> list[str]:
    """Return everything that is wrong, one line each; nothing when the database is whole."""
    tables = {name: await journal.rows(name) for name in READ}
    tables["audit_log"].sort(key=lambda row: int(row["sequence"]))
    checks = (_chain, _ledger, _reservations, _orders)
    return [problem for check in checks for problem in check(tables)]


def _chain(tables: Mapping[str, Rows]) -> Iterator[str]:
    previous = GENESIS
    for number, row in enumerate(tables["audit_log"], start=1):
        body = {k: v for k, v in row.items() if k not in ("previous_hash", "hash")}
        if row["sequence"] != number:
            yield f"audit log: entry {number} is missing"
            return
        if row["previous_hash"] != previous or row["hash"] != link(body, previous):
            yield f"audit log: entry {number} is not what was written"
            return
        previous = row["hash"]


def _ledger(tables: Mapping[str, Rows]) -> Iterator[str]:
    keys = {
        row["account_id"]: AccountKey(
            Platform(row["platform"]), row["account"], row["currency"]
        )
        for row in tables["accounts"]
    }
    postings = [
        Posting(
            EntryKind(row["kind"]),
            keys[row["account_id"]],
            Bucket(row["bucket"]),
            Money(row["amount"]),
        )
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
    for row in tables["risk_states"]:
        if row["reserved_capital"] != total:
            yield f"risk state: {row['reserved_capital']} reserved, reservations say {total}"
        committed = sum((each["committed"] for each in tables["accounts"]), start=Decimal(0))
        if row["total_capital_deployed"] != committed:
            yield f"risk state: {row['total_capital_deployed']} deployed, accounts {committed}"


def _orders(tables: Mapping[str, Rows]) -> Iterator[str]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in tables["fills"]:
        if row["finality"] != "failed":
            sums[row["order_id"]] += row["size"]
    for row in tables["orders"]:
        if row["fill_size"] != sums[row["order_id"]]:
            fills = sums[row["order_id"]]
            yield f"order {row['order_id']}: {row['fill_size']} filled, its fills {fills}"
