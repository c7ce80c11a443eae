"""Conservation of capital, judged from rows alone (I-11 to I-15).

Every dollar that an account shows came in by an entry: its entries sum to zero, those of its
own three buckets are what it shows, and those of all others are where the money came from and
went to. What it shows as reserved is what its open reservations set aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

NIL = Decimal(0)
OURS = ("free", "reserved", "committed")
ELSEWHERE = ("external", "transit", "fees", "gas", "realised", "income")
"""Where money comes from and goes to."""
Row = Mapping[str, Any]
Tables = Mapping[str, Iterable[Row]]


def conserved(tables: Tables) -> None:
    """Fail unless capital is conserved, at any moment of a run.

    Args:
        tables: `accounts`, `ledger_entries`, `reservations`, `executions`, `orders` and
            `risk_states`, amounts as decimals.
    """
    found = [*conservation(tables), *reservations(tables)]
    assert not found, found


def conservation(tables: Tables) -> Iterator[str]:
    """Compare what each account shows with the entries of the ledger (I-11, I-12)."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    booked: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in tables["ledger_entries"]:
        amount = entry["amount"]
        moved[entry["transaction_id"]] += amount
        booked[entry["account_id"], str(entry["bucket"])] += amount
    for name, total in moved.items():
        if total:
            yield f"I-11 the entries of transaction {name} sum to {total}"
    accounts = {row["account_id"]: row for row in tables["accounts"]}
    for account, bucket in booked:
        if account not in accounts or bucket not in OURS + ELSEWHERE:
            yield f"I-11 entries name {bucket} of {account}, which does not exist"
    for row in accounts.values():
        yield from _account(row, booked)


def _account(row: Row, booked: Mapping[tuple[str, str], Decimal]) -> Iterator[str]:
    """Compare what an account shows with its entries by bucket."""
    name = row["account_id"]
    came = -sum((booked.get((name, bucket), NIL) for bucket in ELSEWHERE), start=NIL)
    shown = sum((row[bucket] for bucket in OURS), start=NIL)
    if shown != came:
        yield f"I-11 {name} shows {shown}, and {came} came in"
    for bucket in OURS:
        entries = booked.get((name, bucket), NIL)
        if row[bucket] != entries:
            yield f"I-11 {name}: {bucket} is {row[bucket]}, its entries {entries}"
    if min(row["free"], row["reserved"]) < 0:
        yield f"I-12 {name} is overdrawn: {row['free']}, {row['reserved']} reserved"


def reservations(tables: Tables) -> Iterator[str]:
    """Check that reservations are whole, owned and enough, and shown as they are."""
    live = {row["execution_id"] for row in tables["executions"] if row["ended_at"] is None}
    out = {row["order_id"] for row in tables["orders"] if row["working_size"]}
    reserved: dict[str, Decimal] = defaultdict(Decimal)
    slots = set()
    for row in tables["reservations"]:
        name = f"{row['reservation_id']} of {row['account_id']}"
        parts = row["committed"] + row["fees"] + row["released"]
        if row["status"] != "reserved":
            if parts != row["amount"]:
                yield f"I-13 reservation {name}: {row['amount']} came to {parts}"
            continue
        if parts:
            yield f"I-13 reservation {name} is open, and {parts} of it is resolved"
        of_order = row["order_id"] is not None
        if row["order_id"] not in out if of_order else row["execution_id"] not in live:
            yield f"I-15 reservation {name} stands for nothing"
        worst = _worst(tables["orders"], row, live)
        if worst > row["amount"]:
            yield f"I-14 reservation {name}: {worst} can be spent of {row['amount']}"
        reserved[row["account_id"]] += row["amount"]
        if not of_order:
            slots.add(row["execution_id"])
    for row in tables["accounts"]:
        if row["reserved"] != reserved[row["account_id"]]:
            open_now = reserved[row["account_id"]]
            yield f"I-12 {row['account_id']} shows {row['reserved']} of {open_now} reserved"
    yield from _shown(tables, sum(reserved.values(), start=NIL), len(slots))


def _shown(tables: Tables, reserved: Decimal, slots: int) -> Iterator[str]:
    """Compare the risk state with the accounts and reservations."""
    committed = sum((row["committed"] for row in tables["accounts"]), start=NIL)
    for row in tables["risk_states"]:
        facts = {
            "reserved_capital": reserved,
            "reserved_position_slots": slots,
            "total_capital_deployed": committed,
        }
        for column, expected in facts.items():
            if row[column] != expected:
                yield f"I-12 the risk state: {column} is {row[column]}, not {expected}"


def _worst(orders: Iterable[Row], reservation: Row, live: set[str]) -> Decimal:
    """Return the most that orders under a reservation cost, with the fees charged so far."""
    order_id, execution_id = reservation["order_id"], reservation["execution_id"]
    platform = reservation["account_id"].split(":")[0]
    worst = NIL
    for row in orders:
        of_execution = row["execution_id"] == execution_id and execution_id in live
        mine = row["order_id"] == order_id if order_id else of_execution
        if mine and row["platform"] == platform:
            worst += row["fill_cost"] + row["fees"] + row["working_size"] * row["price"]
    return worst
