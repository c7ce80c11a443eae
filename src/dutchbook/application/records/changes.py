"""The rows that a step of a pair trade changes: the difference of two values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.records.rows import SINGLETON, reservation_row, resolution_update
from dutchbook.domain.capital.ledger import BALANCES, Movement
from dutchbook.domain.events import as_json
from dutchbook.domain.pair_trades.capital import Accounts, CapitalChange
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.ports.journal import Insert, Update, Write
from dutchbook.ports.tables.capital import LEDGER_ENTRIES
from dutchbook.ports.tables.trading import EXECUTIONS, FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.ports.time import Ids


@dataclass(frozen=True, slots=True)
class Gate:
    """What the risk state must be like for an entry to be kept; see `Update`."""

    guard: Mapping[str, Any] = field(default_factory=dict)
    at_most: Mapping[tuple[str, ...], int] = field(default_factory=dict)


ALWAYS = Gate()


def changes(
    before: PairTrade | None, after: PairTrade, at: datetime, first: datetime | None = None
) -> Iterator[Write]:
    """Yield the rows of the step from `before` to `after`, its capital left out.

    A row comes after those that it refers to.

    Args:
        before: The pair trade as its rows are; None where it has none.
        after: What it has become.
        at: When the step is booked.
        first: When the pair was traded for the first time, None if it was not before.
    """
    if before is None:
        yield Insert("executions", EXECUTIONS.row_of(after))
    if after.opened and (before is None or not before.opened):
        yield Insert("open_positions", OPEN_POSITIONS.row_of(after.position))
    elif before is not None and after.opened and after.position != before.position:
        yield OPEN_POSITIONS.update(before.position, after.position)
    yield from _orders(before, after)
    known = before.fills if before is not None else {}
    for key, fill in after.fills.items():
        if key not in known:
            row = FILLS.row_of(fill, execution_id=after.execution_id, reported_at=at)
            yield Insert("fills", row)
        elif known[key].finality is not fill.finality:
            yield FILLS.update(known[key], fill)
    if before is not None:
        yield from _execution(before, after, first)


def _orders(before: PairTrade | None, after: PairTrade) -> Iterator[Write]:
    """Yield orders that are new or changed; all of them once there is a position to name."""
    known = before.orders if before is not None else {}
    position = {"position_id": after.position_id} if after.opened else {}
    linked = before is not None and after.opened and not before.opened
    for order_id, order in after.orders.items():
        was = known.get(order_id)
        if was is None:
            yield Insert("orders", ORDERS.row_of(order, **position))
        elif linked or (was is not order and was != order):
            yield ORDERS.update(was, order, **position)


def _execution(before: PairTrade, after: PairTrade, first: datetime | None) -> Iterator[Write]:
    ends = after.ended and not before.ended
    ending = {"ended_at": after.ended_at, "shortfall": as_json(after.shortfall)}
    if ends or after.execution != before.execution:
        yield EXECUTIONS.update(before, after, **(ending if ends else {}))
    if ends and after.traded:
        yield Update(
            "contract_matches",
            key={"match_id": after.pair_id},
            add={"total_cycles_traded": 1},
            put={
                "first_traded_timestamp": first or after.ended_at,
                "last_traded_timestamp": after.ended_at,
            },
        )


def capital_writes(
    step: CapitalChange,
    accounts: Accounts,
    ids: Ids,
    at: datetime,
    gate: Gate = ALWAYS,
    halt: Mapping[str, Any] | None = None,
) -> Iterator[Write]:
    """Yield the rows of what a step moves: additions to rows that steps share, and a halt.

    Args:
        step: How capital changes.
        accounts: By platform.
        ids: For the entries of the ledger.
        at: When the step is booked.
        gate: What the risk state must be like, else nothing is kept.
        halt: Columns of the risk state, if the step's loss halts trading.
    """
    for reservation, order_id in step.placed:
        for platform in reservation.amounts:
            account = accounts[platform]
            row = reservation_row(reservation, platform, account, at, order_id=order_id)
            yield Insert("reservations", row)
    for ended in step.resolved:
        for platform in ended.reservation.amounts:
            yield resolution_update(ended, platform, accounts[platform], at)
    movements = [(movement, step.reference, None) for movement in step.movements]
    yield from ledger_writes(movements, ids, at)
    added = {name: amount for name, amount in step.state.items() if amount}
    if added or halt:
        yield Update("risk_states", SINGLETON, gate.guard, halt or {}, added, gate.at_most)


def ledger_writes(
    movements: Iterable[tuple[Movement, str, str | None]], ids: Ids, at: datetime
) -> Iterator[Write]:
    """Yield the rows of movements: their entries, and one change of each account.

    Args:
        movements: Each with what it refers to, and a note where there is one.
        ids: For the transactions and their entries.
        at: When they are booked.
    """
    sums: dict[str, dict[str, Decimal]] = {}
    for movement, reference, note in movements:
        if not movement:
            continue
        transaction = ids.new("transaction", reference)
        for posting in movement:
            entry_id = ids.new("entry", transaction)
            row = LEDGER_ENTRIES.row_of(
                posting,
                entry_id=entry_id,
                transaction_id=transaction,
                reference=reference,
                note=note,
                booked_at=at,
            )
            yield Insert("ledger_entries", row)
            if posting.bucket in BALANCES:
                account = sums.setdefault(str(posting.account), {})
                bucket = posting.bucket.value
                account[bucket] = account.get(bucket, Decimal(0)) + posting.amount
    for account_id in sorted(sums):
        if add := {bucket: amount for bucket, amount in sums[account_id].items() if amount}:
            yield Update("accounts", key={"account_id": account_id}, add=add)
