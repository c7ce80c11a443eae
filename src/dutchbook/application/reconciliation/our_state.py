"""Our side of a reconciliation: what our books say, gathered in a handful of reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.pair_trades.loading import held_one, last_told, lately
from dutchbook.application.pair_trades.store import LATE, Held, Holdings
from dutchbook.application.records.loading import position_of
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.application.recovery.unfinished import Case
from dutchbook.domain.capital.ledger import AccountKey, Balance
from dutchbook.domain.events import BudgetReleased, Event, PositionClosed
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.reconciliation import ContractKey, OurOrder, Ours
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class Own:
    """What we believe at one moment.

    Attributes:
        ours: For the comparison. Orders that somebody is sending or booking right now are left
            out, and with them the positions that they belong to.
        cases: The execution of each order whose execution has not ended, by order.
        spent: Likewise of those that have ended a short while ago, with nothing bought.
        at_rest: Nothing was being sent, booked, merged or paid out, so that totals can be
            compared.
        balances: As they were, to see whether they still are.
        held: The positions as they were, likewise.
    """

    ours: Ours
    cases: dict[str, Case]
    spent: dict[str, Case]
    at_rest: bool
    balances: dict[AccountKey, Balance]
    held: tuple[Held, ...]


class OwnSide:
    """Gathers it. Hears of positions that close: what is left of them is dust that stays."""

    def __init__(
        self,
        journal: Journal,
        risk: RiskManager,
        holdings: Holdings,
        recovery: Recovery,
        executions: ExecutionService,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._spent: dict[str, tuple[float, Case | None]] = {}
        self._journal = journal
        self._risk = risk
        self._holdings = holdings
        self._recovery = recovery
        self._executions = executions
        self._dust: dict[ContractKey, Decimal] = defaultdict(Decimal)
        self._closing: dict[str, float] = {}
        self.basis = Decimal(0)

    def __call__(self, event: Event, sequence: int) -> None:
        """Note a position that has closed, and an execution that came to nothing."""
        if isinstance(event, PositionClosed) and sequence:
            self._closing[event.position_id] = self._clock.monotonic()
        if isinstance(event, BudgetReleased) and sequence:
            self._spent[event.execution_id] = (self._clock.monotonic(), None)

    async def load(self) -> None:
        """Count what is left of the positions that were over before this start."""
        self._dust.clear()
        self._closing.clear()
        self.basis = Decimal(0)
        now = self._clock.monotonic()
        open_ended = {held.position.position_id for held in self._holdings.all()}
        closed = {"status": PositionStatus.CLOSED}
        for row in await self._journal.rows("open_positions", closed):
            if row["position_id"] in open_ended:
                self._closing[row["position_id"]] = now
            else:
                self._leave(position_of(row))
        failed = await self._journal.rows("executions", {"phase": Phase.FAILED})
        late = lately([row["ended_at"] for row in failed])
        last = await last_told(self._journal, BudgetReleased, "execution_id")
        for row in failed:
            asked = row["ended_at"] in late or row["execution_id"] in last
            if asked and row["pair_id"] in self._holdings.pairs:
                self._spent[row["execution_id"]] = (now, None)

    async def recall(self, order: Mapping[str, Any]) -> None:
        """Take up again what an order belongs to that ended long ago: a fill of it was told.

        Args:
            order: Its row.
        """
        if order["pair_id"] not in self._holdings.pairs:
            return
        now, position_id = self._clock.monotonic(), order["position_id"]
        if position_id is None:
            execution_id = order["execution_id"]
            if (await self._recovery.case(execution_id)).ended:
                self._spent.setdefault(execution_id, (now, None))
        elif self._holdings.known(position_id) is None:
            self._holdings.put(await held_one(self._journal, self._risk.accounts, position_id))
            self._closing[position_id] = now

    async def gather(self) -> Own:
        """Return our side as it is now."""
        cases = await self._recovery.cases()
        long_ago = self._clock.monotonic() - LATE.total_seconds()
        for position_id in [each for each, at in self._closing.items() if at < long_ago]:
            self._holdings.retire(position_id)
        await self._follow_closed()
        balances, held = dict(self._risk.balances), tuple(self._holdings.all())
        claims = await self._journal.rows("settlements", {"status": "pending"})
        busy = self._executions.under_way or any(map(self._busy, held))
        at_rest = not busy and not claims
        spent = await self._late()
        carried = self._executions.carries
        cases = [case for case in cases if not any(map(carried, case.orders))]
        left = {case.execution_id for case in cases}
        still = [
            each
            for each in held
            if not each.waiting
            and each.position.execution_id not in left
            and not self._busy(each)
            and not any(map(carried, each.orders))
        ]
        contracts = self._contracts(held, cases)
        ours = Ours(
            orders=(
                *self._of_positions(still),
                *self._of_cases(cases),
                *(each for each in self._of_cases(spent) if each.order.refusal is None),
            ),
            positions=tuple(each.position for each in still),
            contracts=contracts,
            cash=self._cash(held, cases, contracts),
        )
        return Own(ours, _by_order(cases), _by_order(spent), at_rest, balances, held)

    async def _late(self) -> list[Case]:
        """Return the executions of late that have ended with nothing: a fill may still come.

        Such a fill makes a position of one, which is then compared like every other.
        """
        long_ago = self._clock.monotonic() - LATE.total_seconds()
        bought = {h.position.execution_id for h in self._holdings.all()}
        for execution_id, (at, known) in list(self._spent.items()):
            if at < long_ago or execution_id in bought:
                del self._spent[execution_id]
            elif known is None:
                self._spent[execution_id] = (at, await self._recovery.case(execution_id))
        return [case for _, case in self._spent.values() if case is not None]

    def unchanged(self, before: Own) -> bool:
        """Tell whether nothing was sent or booked since, so that totals still stand."""
        held = tuple(self._holdings.all())
        return (
            before.at_rest
            and not self._executions.under_way
            and self._risk.balances == before.balances
            and len(held) == len(before.held)
            and all(here is then for here, then in zip(held, before.held, strict=True))
            and not any(map(self._busy, held))
        )

    def still(self, before: Own) -> Own:
        """Return a side without the orders of positions that have changed since."""
        changed = {
            held.position.position_id
            for held in before.held
            if self._holdings.known(held.position.position_id) is not held
        }
        if not changed:
            return before
        ours = replace(
            before.ours,
            orders=tuple(
                each
                for each in before.ours.orders
                if each.position_id not in changed or each.order.order_id in before.cases
            ),
            positions=tuple(p for p in before.ours.positions if p.position_id not in changed),
        )
        return replace(before, ours=ours)

    def _busy(self, held: Held) -> bool:
        return self._holdings.busy(held.position.position_id)

    # Orders
    # --------------------------------------------------------------------------------

    def _of_positions(self, held: Iterable[Held]) -> list[OurOrder]:
        return [
            each
            for one in held
            for each in self._orders(
                one.orders.values(), one.fills.values(), one.position.position_id
            )
        ]

    def _of_cases(self, cases: Iterable[Case]) -> list[OurOrder]:
        return [
            each
            for case in cases
            for each in self._orders(
                case.orders.values(),
                case.fills.values(),
                case.position.position_id if case.position else None,
            )
        ]

    def _orders(
        self, orders: Iterable[Order], fills: Iterable[Fill], position_id: str | None
    ) -> list[OurOrder]:
        made: dict[str, list[Fill]] = defaultdict(list)
        for fill in fills:
            made[fill.order_id].append(fill)
        return [
            own_order(
                order, made[order.order_id], self._risk.accounts[order.platform], position_id
            )
            for order in orders
        ]

    # What stands in the accounts
    # -----------------------------------------------------------

    def _contracts(
        self, held: Iterable[Held], cases: Iterable[Case]
    ) -> dict[ContractKey, Decimal]:
        found: dict[ContractKey, Decimal] = defaultdict(Decimal, self._dust)
        waiting = set()
        for case in cases:
            waiting.add(case.execution_id)
            for fill in case.fills.values():
                if fill.finality is not Finality.FAILED:
                    contract_id = case.orders[fill.order_id].contract_id
                    found[fill.platform, contract_id, fill.outcome] += fill.size
        for one in held:
            if one.position.execution_id not in waiting:
                for key, size in self._legs(one.position):
                    found[key] += size
        return found

    def _legs(self, position: OpenPosition) -> list[tuple[ContractKey, Decimal]]:
        """Return what the account has for a position: not what was borrowed of its others.

        What has been paid for is gone from its platform. Of a pair that is not followed nobody
        knows the contracts.
        """
        if position.pair_id not in self._holdings.pairs:
            return []
        match = self._holdings.match(position)
        return [
            entry
            for platform in Platform
            if (leg := position.holding(platform)).payout is None
            for contract_id in (match.contract(platform).contract_id,)
            for entry in (
                ((platform, contract_id, leg.outcome), leg.size - leg.borrowed),
                (
                    (platform, contract_id, leg.outcome.opposite),
                    leg.complement - leg.borrowed,
                ),
            )
        ]

    def _cash(
        self, held: Iterable[Held], cases: Iterable[Case], contracts: dict[ContractKey, Decimal]
    ) -> dict[AccountKey, Decimal]:
        """Return what must be there: what is free and reserved, less what is spent of it.

        Where positions hold opposite outcomes of one contract, Kalshi has turned the pairs into
        cash (docs.kalshi.com, ``GET /portfolio/positions``, 2026-10); and what a position sold
        of another's contracts has come in on Polymarket.
        """
        found: dict[AccountKey, Decimal] = {
            key: Decimal(balance.free + balance.reserved)
            for key, balance in self._risk.balances.items()
        }
        for case in cases:
            for fill in case.fills.values():
                if fill.finality is not Finality.FAILED:
                    found[self._risk.accounts[fill.platform]] -= fill.cost + fill.fee
        for (platform, contract_id, outcome), size in contracts.items():
            if platform is Platform.KALSHI and outcome is Outcome.YES:
                opposed = contracts.get((platform, contract_id, Outcome.NO), Decimal(0))
                found[self._risk.accounts[platform]] += min(size, opposed)
        for one in held:
            for platform in Platform:
                borrowed = one.position.holding(platform).borrowed
                found[self._risk.accounts[platform]] += borrowed
        return found

    async def _follow_closed(self) -> None:
        """Count what is left of positions that are over since the last time."""
        here = {held.position.position_id for held in self._holdings.all()}
        for position_id in [each for each in self._closing if each not in here]:
            del self._closing[position_id]
            rows = await self._journal.rows("open_positions", {"position_id": position_id})
            self._leave(position_of(rows[0]))

    def _leave(self, position: OpenPosition) -> None:
        for key, size in self._legs(position):
            self._dust[key] += size
        self.basis += sum((leg.basis for leg in position.legs), start=Decimal(0))


def _by_order(cases: Iterable[Case]) -> dict[str, Case]:
    return {order_id: case for case in cases for order_id in case.orders}


def own_order(
    order: Order, fills: Iterable[Fill], account: AccountKey, position_id: str | None
) -> OurOrder:
    """Return an order for the comparison, its fills in the order of their trades."""
    every = tuple(sorted(fills, key=lambda fill: fill.trade_id))
    return OurOrder(order, account, every, position_id)
