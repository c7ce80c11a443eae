"""Loads pair trades from their rows, in a few reads for any number of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.pair_trades.store import LATE, Loaded
from dutchbook.application.records.loading import grouped, payment_of, reservation_of
from dutchbook.application.records.log import logged
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import (
    BudgetReleased,
    Event,
    OrderFilled,
    PositionClosed,
    PositionMoved,
    SingleLegExposure,
)
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.domain.pair_trades.apply import PARTIAL_EXIT
from dutchbook.domain.pair_trades.trade import PairTrade, kalshi_outcome
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import UnknownId
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.table import Row
from dutchbook.ports.tables.trading import EXECUTIONS, FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.ports.time import Ids

LAST = 100
"""Number of pair trades that ended last and are queried at start, whatever our clock says."""
MANY = 8
"""From this many executions on, a table is read once rather than once for each."""
Rows = dict[str, list[dict[str, Any]]]


class Loader:
    """Reads pair trades: all that can still change, or one."""

    def __init__(
        self,
        journal: Journal,
        accounts: Mapping[Platform, AccountKey],
        matches: Mapping[str, ContractMatch],
        ids: Ids,
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._matches = matches
        self._ids = ids

    async def load(self) -> Loaded:
        """Return every pair trade that can still change.

        This includes those that ended within `LATE` of the last one, however long ago that was,
        so that a fill that came to light while no engine ran finds its pair trade. It includes
        the last `LAST` in the log too, since clocks may have been set in between.
        """
        every = await self._read({})
        stalled = await self._stalled()
        late = _recent(t.position.closed_at for t in every if t.opened)
        failed = _recent(
            t.ended_at for t in every if t.ended and t.execution.phase is Phase.FAILED
        )
        closed = await self._last(PositionClosed, "position_id")
        released = await self._last(BudgetReleased, "execution_id")
        found = Loaded(first_traded=_first_traded(every))
        for trade in every:
            if not trade.opened:
                recent = trade.ended_at in failed or trade.execution_id in released
                if not trade.ended or (recent and trade.pair_id in self._matches):
                    found.trades.append(trade)
                continue
            kept = trade.position.closed_at in late or trade.position_id in closed
            if not trade.over or kept:
                reported = trade.position_id in stalled
                found.trades.append(replace(trade, stall_reported=reported))
            else:
                found.over.append(trade.position)
        return found

    async def one(self, execution_id: str) -> PairTrade:
        """Return one pair trade, whether it can still change or not.

        Raises:
            UnknownId: There is none.
        """
        found = await self._read({"execution_id": execution_id})
        if not found:
            raise UnknownId("execution", execution_id)
        return found[0]

    async def _read(self, where: Row) -> list[PairTrade]:
        """Return pair trades, oldest first: every one, or that of one execution."""
        journal = self._journal
        rows = await journal.rows("executions", where)
        of = {
            "orders": grouped(await journal.rows("orders", where, ("created_at",)), _OF),
            "fills": grouped(await journal.rows("fills", where), _OF),
            "reservations": grouped(
                await journal.rows("reservations", {"status": "reserved", **where}), _OF
            ),
            "open_positions": grouped(await journal.rows("open_positions", where), _OF),
        }
        paid = grouped(await journal.rows("settlements", {"status": "paid"}), "position_id")
        chances = {
            row["match_id"]: row["divergence_probability"]
            for row in await journal.rows("contract_matches")
        }
        bare = [row for row in rows if row["execution_id"] not in of["open_positions"]]
        edges, names = await self._edges(bare), await self._names(bare)
        read = _Reading(of, paid, chances, edges, names, self._accounts, self._matches)
        found = (read.trade(row, self._ids) for row in rows if read.readable(row))
        return sorted(found, key=_opened)

    async def _edges(self, rows: list[dict[str, Any]]) -> dict[str, Money]:
        """Return the expected profit of some executions, by opportunity."""
        if len(rows) == 1:
            mine = {"opportunity_id": rows[0]["opportunity_id"]}
            seen = await self._journal.rows("opportunities", mine)
        else:
            seen = await self._journal.rows("opportunities", {"reason": None}) if rows else []
        return {each["opportunity_id"]: Money(each["expected_profit"]) for each in seen}

    async def _names(self, rows: list[dict[str, Any]]) -> dict[str, str]:
        """Return the position ids of some executions, if they are in the log.

        The log may have reported fills under an id before the position had a row.
        """
        wanted = [row["execution_id"] for row in rows if row["ended_at"] is None]
        kind = {"name": OrderFilled.wire}
        mine = [{**kind, "correlation_id": each} for each in wanted]
        named: dict[str, str] = {}
        for where in mine if len(wanted) < MANY else [kind]:
            for row in await self._journal.rows("audit_log", where):
                position_id = json.loads(row["payload"])["position_id"]
                if position_id is not None:
                    named.setdefault(row["correlation_id"], position_id)
        return named

    async def _stalled(self) -> set[str]:
        """Return the positions whose exit has stalled after one leg and was reported."""
        found: set[str] = set()
        for entry in await logged(self._journal, PositionMoved, SingleLegExposure):
            if entry.name == PositionMoved.wire:
                found.discard(entry.facts["position_id"])
            elif entry.facts["failed_leg"]["code"] == PARTIAL_EXIT:
                found.add(entry.facts["position_id"])
        return found

    async def _last(self, kind: type[Event], name: str) -> set[str]:
        """Return the subjects of the last `LAST` events of a kind, by the order of the log.

        Args:
            kind: The kind of event.
            name: The field of the event that is its subject's id.
        """
        rows = await self._journal.rows(
            "audit_log", {"name": kind.wire}, ("sequence",), descending=True, limit=LAST
        )
        return {json.loads(row["payload"])[name] for row in rows}


_OF = "execution_id"


@dataclass(frozen=True, slots=True)
class _Reading:
    """Rows by execution, and the other data that pair trades are made of."""

    of: Mapping[str, Rows]
    paid: Rows
    chances: Mapping[str, Decimal]
    edges: Mapping[str, Money]
    names: Mapping[str, str]
    accounts: Mapping[Platform, AccountKey]
    matches: Mapping[str, ContractMatch]

    def readable(self, row: Row) -> bool:
        """Return whether an execution's pair is followed, or it has a position."""
        return row["pair_id"] in self.matches or row[_OF] in self.of["open_positions"]

    def trade(self, row: Row, ids: Ids) -> PairTrade:
        """Return the pair trade of an execution."""
        orders = map(ORDERS.value, self._rows("orders", row))
        fills = map(FILLS.value, self._rows("fills", row))
        standing = self._rows("reservations", row)
        entry = [each for each in standing if each["order_id"] is None]
        single = grouped(standing, "order_id")
        positions = self._rows("open_positions", row)
        position = OPEN_POSITIONS.value(positions[0]) if positions else None
        payments = self.paid.get(position.position_id, []) if position else []
        others = {
            "plan.divergence_probability": self.chances.get(row["pair_id"], Decimal(0)),
            "position": position or self._bare(row, ids),
            "orders": {each.order_id: each for each in orders},
            "fills": {(each.platform, each.trade_id): each for each in fills},
            "payments": tuple(payment_of(each) for each in payments),
            "reservation": self._reservation(entry, row) if entry else None,
            "reservations": {
                order_id: self._reservation(each, row) for order_id, each in single.items()
            },
            "opened": position is not None,
            "shortfall": None,
        }
        return EXECUTIONS.value(row, others)

    def _reservation(self, rows: list[dict[str, Any]], row: Row) -> Reservation:
        return reservation_of(rows, row["pair_id"], self.accounts)

    def _rows(self, table: str, row: Row) -> list[dict[str, Any]]:
        return self.of[table].get(row[_OF], [])

    def _bare(self, row: Row, ids: Ids) -> OpenPosition:
        """Return the empty position of an execution."""
        kalshi = kalshi_outcome(row["direction"])
        match = self.matches[row["pair_id"]]
        name = self.names.get(row[_OF]) or ids.new("position", row[_OF])
        return OpenPosition(
            position_id=name,
            pair_id=row["pair_id"],
            execution_id=row[_OF],
            kalshi=Holding(kalshi),
            polymarket=Holding(match.hedge(kalshi)),
            expected_edge=self.edges.get(row["opportunity_id"], ZERO),
            divergence_reserve=ZERO,
            status=PositionStatus.SINGLE_LEG_EXPOSED,
            opened_at=row["started_at"],
        )


def _recent(ends: Iterable[datetime | None]) -> Collection[datetime]:
    """Return the ends within `LATE` of the last one, however long ago that is."""
    known = {end for end in ends if end is not None}
    since = max(known) - LATE if known else None
    return {end for end in known if since is not None and end >= since}


def _first_traded(trades: Iterable[PairTrade]) -> dict[str, datetime]:
    """Return when each pair was traded for the first time: its first entry had ended."""
    found: dict[str, datetime] = {}
    for trade in trades:
        if trade.traded and trade.ended_at is not None:
            known = found.get(trade.pair_id, trade.ended_at)
            found[trade.pair_id] = min(known, trade.ended_at)
    return found


def _opened(trade: PairTrade) -> tuple[datetime, str]:
    return trade.position.opened_at, trade.position_id
