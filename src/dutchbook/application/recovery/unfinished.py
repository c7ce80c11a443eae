"""Cases: executions that have not ended, with everything that their rows say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dutchbook.application.records.loading import (
    Row,
    fill_of,
    grouped,
    leg_state_of,
    order_of,
    position_of,
    reservation_of,
)
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import direction_name
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Quantity
from dutchbook.ports.journal import Journal

MANY = 8
"""From so many on, whole tables are read once rather than a few rows of each many times."""


@dataclass(frozen=True, slots=True)
class Case:
    """One such execution with everything that its rows say."""

    row: Mapping[str, Any]
    match: ContractMatch
    orders: Mapping[str, Order]
    fills: Mapping[str, Fill]
    reservation: Reservation | None
    position: OpenPosition | None
    expected_edge: Money

    @property
    def execution_id(self) -> str:
        """Whose case it is."""
        return str(self.row["execution_id"])

    @property
    def ended(self) -> bool:
        """Whether it has ended after all."""
        return self.row["ended_at"] is not None

    @property
    def open_orders(self) -> list[Order]:
        """Orders that the platform has not answered for."""
        return [order for order in self.orders.values() if order.working_size > 0]

    def execution(self) -> Execution:
        """Return the execution as its fills make it."""
        legs = {}
        for leg, name in ((Leg.PRIMARY, "primary_state"), (Leg.SECONDARY, "secondary_state")):
            state = leg_state_of(self.row[name])
            mine = [
                fill
                for fill in self.fills.values()
                if fill.platform is state.platform and fill.finality is not Finality.FAILED
            ]
            legs[leg] = replace(
                state,
                filled=Quantity(sum((f.size for f in mine), start=Decimal(0))),
                cost=Money(sum((f.cost for f in mine), start=Decimal(0))),
                fees=Money(sum((f.fee for f in mine), start=Decimal(0))),
                busy=False,
                unknown=False,
            )
        return Execution(
            self.execution_id,
            self.match.match_id,
            legs[Leg.PRIMARY],
            legs[Leg.SECONDARY],
            phase=Phase(self.row["phase"]),
            version=int(self.row["version"]),
        )

    def bare(self, position_id: str, at: Any) -> OpenPosition:
        """Return the position that it stands for, with nothing in it."""
        yes = self.row["direction"] == direction_name(Outcome.YES)
        kalshi = Outcome.YES if yes else Outcome.NO
        outcomes = {Platform.KALSHI: kalshi, Platform.POLYMARKET: self.match.hedge(kalshi)}
        legs = {p: Holding(outcomes[p], self._first(p)) for p in Platform}
        return OpenPosition(
            position_id=position_id,
            pair_id=self.match.match_id,
            execution_id=self.execution_id,
            kalshi=legs[Platform.KALSHI],
            polymarket=legs[Platform.POLYMARKET],
            expected_edge=self.expected_edge,
            divergence_reserve=ZERO,
            status=PositionStatus.SINGLE_LEG_EXPOSED,
            opened_at=at,
        )

    def _first(self, platform: Platform) -> str | None:
        placed = sorted(self.orders.values(), key=lambda order: order.created_at)
        return next((o.order_id for o in placed if o.platform is platform), None)


class Cases:
    """Reads them, one or all."""

    def __init__(
        self,
        journal: Journal,
        matches: Mapping[str, ContractMatch],
        accounts: Mapping[Platform, AccountKey],
    ) -> None:
        self._journal = journal
        self._matches = matches
        self._accounts = accounts

    async def one(self, execution_id: str) -> Case:
        """Return one execution, whether it has ended or not."""
        mine = {"execution_id": execution_id}
        row = (await self._journal.rows("executions", mine))[0]
        return (await self._read([row], lambda table: self._journal.rows(table, mine)))[0]

    async def unended(self) -> list[Case]:
        """Return every execution that has not ended, oldest first."""
        rows = await self._journal.rows("executions", {"ended_at": None}, ("started_at",))
        rows = [row for row in rows if row["pair_id"] in self._matches]
        if len(rows) < MANY:
            return [await self.one(row["execution_id"]) for row in rows]
        return await self._read(rows, self._journal.rows)

    async def _read(
        self, rows: list[dict[str, Any]], read: Callable[[str], Awaitable[list[dict[str, Any]]]]
    ) -> list[Case]:
        found = {
            table: grouped(await read(table), "execution_id")
            for table in ("orders", "fills", "reservations", "open_positions")
        }
        edges = await self._edges(rows)
        return [self._case(row, found, edges) for row in rows]

    async def _edges(self, rows: list[dict[str, Any]]) -> dict[str, Money]:
        """Return what each expected to bring, by its opportunity."""
        if len(rows) < MANY:
            seen = [
                (await self._journal.rows("opportunities", {"opportunity_id": name}))[0]
                for name in (row["opportunity_id"] for row in rows)
            ]
        else:
            seen = await self._journal.rows("opportunities", {"reason": None})
        return {each["opportunity_id"]: Money(each["expected_profit"]) for each in seen}

    def _case(
        self,
        row: Row,
        found: Mapping[str, Mapping[str, list[dict[str, Any]]]],
        edges: Mapping[str, Money],
    ) -> Case:
        mine = {table: rows.get(row["execution_id"], []) for table, rows in found.items()}
        orders, fills = map(order_of, mine["orders"]), map(fill_of, mine["fills"])
        standing = [
            each
            for each in mine["reservations"]
            if each["status"] == "reserved" and each["order_id"] is None
        ]
        positions = mine["open_positions"]
        return Case(
            row,
            self._matches[row["pair_id"]],
            {order.order_id: order for order in orders},
            {fill.trade_id: fill for fill in fills},
            reservation_of(standing, row["pair_id"], self._accounts) if standing else None,
            position_of(positions[0]) if positions else None,
            edges[row["opportunity_id"]],
        )
