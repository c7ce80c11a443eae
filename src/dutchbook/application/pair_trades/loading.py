"""Positions with all that they follow from, read from their rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime

from dutchbook.application.pair_trades.store import LATE, Held
from dutchbook.application.records.loading import (
    Row,
    fill_of,
    grouped,
    order_of,
    payment_of,
    position_of,
    reservation_of,
)
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.events import Event, PositionClosed
from dutchbook.domain.market.contract import (
    Platform,
)
from dutchbook.ports.journal import Journal

LAST = 100
"""So many that ended last are asked about at a start, whenever that was by our clock."""


async def held(journal: Journal, accounts: Mapping[Platform, AccountKey]) -> list[Held]:
    """Return every position that is not over, with all that it follows from, oldest first.

    Those are among them that were closed within `LATE` of the last one that was, however long
    ago that is: what came to light of them while no engine ran is to find them. So are the last
    `LAST` that the log tells of, since clocks may have been set in between.

    A handful of reads, however many positions there are.
    """
    every = await _all_held(journal, accounts, {}, {})
    ends = [each.position.closed_at for each in every if each.position.closed_at is not None]
    late = lately(ends)
    last = await last_told(journal, PositionClosed, "position_id")
    return [
        each
        for each in every
        if not each.over or each.position.closed_at in late or each.position.position_id in last
    ]


def lately(ends: Collection[datetime]) -> set[datetime]:
    """Return the ends within `LATE` of the last one, however long ago that is."""
    since = max(ends) - LATE if ends else None
    return {end for end in ends if since is not None and end >= since}


async def last_told(journal: Journal, kind: type[Event], name: str) -> set[str]:
    """Return what the last `LAST` events of a kind are about, by the order of the log.

    Args:
        journal: Where the log is.
        kind: Of event.
        name: Of the fact that tells what it is about.
    """
    rows = await journal.rows("audit_log", {"name": kind.wire}, ("sequence",))
    return {json.loads(row["payload"])[name] for row in rows[-LAST:]}


async def held_one(
    journal: Journal, accounts: Mapping[Platform, AccountKey], position_id: str
) -> Held:
    """Return one position, over or not, with all that it follows from."""
    position = {"position_id": position_id}
    rows = await journal.rows("open_positions", position)
    execution = {"execution_id": rows[0]["execution_id"]}
    return (await _all_held(journal, accounts, position, execution))[0]


async def _all_held(
    journal: Journal, accounts: Mapping[Platform, AccountKey], where: Row, of: Row
) -> list[Held]:
    """Return positions, over or not, oldest first.

    Args:
        journal: Where they are.
        accounts: By platform.
        where: Which positions.
        of: The same, as which executions.
    """
    orders = grouped(await journal.rows("orders", where, ("created_at",)), "position_id")
    fills = grouped(await journal.rows("fills", of), "execution_id")
    paid = {"status": "paid", **where}
    payments = grouped(await journal.rows("settlements", paid), "position_id")
    reserved = {"status": "reserved", **of}
    standing = grouped(await journal.rows("reservations", reserved), "order_id")
    running = await journal.rows("executions", {"ended_at": None, **of})
    waiting = {row["execution_id"] for row in running}
    found = []
    for row in await journal.rows("open_positions", where, ("opened_at", "position_id")):
        position = position_of(row)
        own = [order_of(each) for each in orders.get(position.position_id, [])]
        mine = {order.order_id for order in own}
        made = [fill_of(each) for each in fills.get(position.execution_id, [])]
        one = Held(
            position,
            payments=tuple(payment_of(p) for p in payments.get(position.position_id, [])),
            reservations={
                order.order_id: reservation_of(
                    standing[order.order_id], position.pair_id, accounts
                )
                for order in own
                if order.order_id in standing
            },
            waiting=position.execution_id in waiting,
        )
        found.append(one.with_orders(own).with_fills(f for f in made if f.order_id in mine))
    return found
