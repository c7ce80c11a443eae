"""Our state for a reconciliation, from the cache of pair trades and capital."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dutchbook.application.capital.capital import Capital
from dutchbook.application.execution.service import ExecutionService
from dutchbook.application.pair_trades.loading import Loader
from dutchbook.application.pair_trades.store import LATE, PairTrades
from dutchbook.domain.capital.ledger import AccountKey, Balance
from dutchbook.domain.events import BudgetReleased, Event, PositionClosed
from dutchbook.domain.execution.order import Fill, Finality, Order, Unlisted
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.reconciliation.our_state import ContractKey, OurOrder, OurState
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class OurReading:
    """Our state at one moment.

    Attributes:
        ours: The state to compare. Orders that are being sent or booked right now are left out,
            and so are their positions; not the orders of these that have ended.
        at_rest: Whether nothing was being sent, booked, merged or paid out, so that totals can
            be compared.
        balances: The balances at that moment, to detect changes.
        trades: The pair trades at that moment, likewise.
    """

    ours: OurState
    at_rest: bool
    balances: dict[AccountKey, Balance]
    trades: tuple[PairTrade, ...]


class OurStateReader:
    """Gathers our state from the cache of pair trades, and retires finished ones.

    The remainder of a finished position is dust that stays in its account.
    """

    def __init__(
        self,
        journal: Journal,
        capital: Capital,
        trades: PairTrades,
        loader: Loader,
        executions: ExecutionService,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._capital = capital
        self._trades = trades
        self._loader = loader
        self._executions = executions
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._dust: dict[ContractKey, Decimal] = defaultdict(Decimal)
        self.basis = Decimal(0)

    def __call__(self, event: Event, sequence: int) -> None:
        """Note a position that has closed, or an execution that bought nothing."""
        if isinstance(event, PositionClosed | BudgetReleased) and sequence:
            self._ended[event.stamp.correlation_id] = self._clock.monotonic()

    def load(self) -> None:
        """Count the dust of positions that were finished before this start."""
        self._dust.clear()
        self.basis = Decimal(0)
        now = self._clock.monotonic()
        self._ended = {
            trade.execution_id: now
            for trade in self._trades.trades
            if trade.ended and (not trade.opened or _closed(trade))
        }
        for position in self._trades.over:
            self._count_dust(position)

    async def recall(self, order: Mapping[str, Any]) -> None:
        """Load again the pair trade of an order that ended long ago: a fill was reported.

        Args:
            order: Its row.
        """
        execution_id = order["execution_id"]
        if order["pair_id"] in self._trades.pairs and self._trades.find(execution_id) is None:
            trade = await self._loader.one(execution_id)
            self._trades.put(trade)
            self._ended[execution_id] = self._clock.monotonic()
            if trade.opened:
                self._count_dust(trade.position, -1)

    async def gather(self) -> OurReading:
        """Return our current state."""
        self._retire()
        trades = tuple(self._trades.trades)
        pending = await self._journal.rows("settlements", {"status": "pending"})
        busy = {t.execution_id for t in trades if self._busy(t)}
        executing = {
            t.execution_id for t in trades if self._executions.is_executing(t.execution_id)
        }
        held = [t for t in trades if t.held]
        still = [t for t in held if t.execution_id not in busy]
        # A leg that is worked on has an order out most of the time.
        worked = [t for t in held if t.execution_id in busy and not _closed(t)]
        unfinished = [t for t in trades if _followed(t, self._trades) and not t.ended]
        unfinished = [t for t in unfinished if t.execution_id not in executing]
        late = [t for t in trades if t.ended and not t.opened]
        contracts = self._contracts(trades, executing)
        ours = OurState(
            orders=(
                *self._orders_of(still),
                *(each for each in self._orders_of(worked) if each.ended),
                *self._orders_of(unfinished),
                *(each for each in self._orders_of(late) if each.order.refusal is None),
            ),
            positions=tuple(each.position for each in still),
            contracts=contracts,
            cash=self._cash(trades, executing, contracts),
        )
        at_rest = not (self._executions.under_way or busy or pending)
        return OurReading(ours, at_rest, dict(self._capital.balances), trades)

    def _retire(self) -> None:
        """Drop pair trades that ended long enough ago, and count their dust."""
        long_ago = self._clock.monotonic() - LATE.total_seconds()
        for execution_id in [each for each, at in self._ended.items() if at < long_ago]:
            retired = self._trades.retire(execution_id)
            if retired is not None and retired.opened:
                self._count_dust(retired.position)
            if self._trades.find(execution_id) is None:
                del self._ended[execution_id]

    def unchanged(self, before: OurReading) -> bool:
        """Return whether nothing was sent or booked since, so that totals are still valid."""
        trades = tuple(self._trades.trades)
        return (
            before.at_rest
            and not self._executions.under_way
            and self._capital.balances == before.balances
            and len(trades) == len(before.trades)
            and all(here is then for here, then in zip(trades, before.trades, strict=True))
            and not any(map(self._busy, trades))
        )

    def still(self, before: OurReading) -> OurReading:
        """Return `before` without the positions that have changed since.

        Their orders stay if they have not changed themselves, or a leg whose next order is sent
        sooner than the platforms answer would never be compared. What its position is by now
        decides about a fill that came late: those of closed ones wait.
        """
        changed = {
            trade.position_id: now
            for trade in before.trades
            if trade.held and (now := self._trades.find(trade.execution_id)) is not trade
        }
        if not changed:
            return before
        same = {
            position_id: self.orders_of(trade)
            for position_id, trade in changed.items()
            if trade is not None and not _closed(trade)
        }
        orders = tuple(
            each
            for each in before.ours.orders
            if each.position_id not in changed or each in same.get(each.position_id, ())
        )
        positions = tuple(p for p in before.ours.positions if p.position_id not in changed)
        return replace(before, ours=replace(before.ours, orders=orders, positions=positions))

    def _busy(self, trade: PairTrade) -> bool:
        return trade.opened and self._trades.busy(trade.position_id)

    # Orders
    # --------------------------------------------------------------------------------

    def _orders_of(self, trades: Iterable[PairTrade]) -> list[OurOrder]:
        return [each for trade in trades for each in self.orders_of(trade)]

    def orders_of(self, trade: PairTrade) -> list[OurOrder]:
        """Return the orders of a pair trade for the comparison."""
        made: dict[str, list[Fill]] = defaultdict(list)
        for fill in trade.fills.values():
            made[fill.order_id].append(fill)
        position_id = trade.position_id if trade.opened else None
        return [
            own_order(
                order, made[order.order_id], self._capital.accounts[order.platform], position_id
            )
            for order in trade.orders.values()
        ]

    # Holdings in the accounts
    # -----------------------------------------------------------

    def _contracts(
        self, trades: Iterable[PairTrade], executing: Collection[str]
    ) -> dict[ContractKey, Decimal]:
        found: dict[ContractKey, Decimal] = defaultdict(Decimal, self._dust)
        for trade in trades:
            if trade.held:
                for key, size in self._legs(trade.position):
                    found[key] += size
            elif trade.execution_id not in executing and _followed(trade, self._trades):
                for fill in _counted(trade):
                    contract_id = trade.orders[fill.order_id].contract_id
                    found[fill.platform, contract_id, fill.outcome] += fill.size
        return found

    def _legs(self, position: OpenPosition) -> list[tuple[ContractKey, Decimal]]:
        """Return the account's contracts for a position, less those borrowed from others.

        Legs that have paid are gone from their platform. The contracts of a pair that is not
        followed are unknown.
        """
        if position.pair_id not in self._trades.pairs:
            return []
        match = self._trades.match(position)
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
        self,
        trades: Iterable[PairTrade],
        executing: Collection[str],
        contracts: dict[ContractKey, Decimal],
    ) -> dict[AccountKey, Decimal]:
        """Return the expected cash: free and reserved capital, less what is spent of it.

        Where positions hold opposite outcomes of one contract, Kalshi has netted the pairs into
        cash (docs.kalshi.com, ``GET /portfolio/positions``, 2026-10). On Polymarket, the cash
        for contracts that a position has sold of another one's has arrived.
        """
        accounts = self._capital.accounts
        found: dict[AccountKey, Decimal] = {
            key: Decimal(balance.free + balance.reserved)
            for key, balance in self._capital.balances.items()
        }
        for trade in trades:
            if trade.held:
                for platform in Platform:
                    found[accounts[platform]] += trade.position.holding(platform).borrowed
            elif trade.execution_id not in executing and _followed(trade, self._trades):
                for fill in _counted(trade):
                    found[accounts[fill.platform]] -= fill.cost + fill.fee
        for (platform, contract_id, outcome), size in contracts.items():
            if platform is Platform.KALSHI and outcome is Outcome.YES:
                opposed = contracts.get((platform, contract_id, Outcome.NO), Decimal(0))
                found[accounts[platform]] += min(size, opposed)
        return found

    def _count_dust(self, position: OpenPosition, times: int = 1) -> None:
        for key, size in self._legs(position):
            self._dust[key] += size * times
        self.basis += times * sum((leg.basis for leg in position.legs), start=Decimal(0))


def _closed(trade: PairTrade) -> bool:
    return trade.position.status is PositionStatus.CLOSED


def _followed(trade: PairTrade, trades: PairTrades) -> bool:
    return trade.pair_id in trades.pairs


def _counted(trade: PairTrade) -> list[Fill | Unlisted]:
    """Return all that counts as filled: fills that have not failed, and what is only stated."""
    live = [fill for fill in trade.fills.values() if fill.finality is not Finality.FAILED]
    return [*live, *trade.unlisted]


def own_order(
    order: Order, fills: Iterable[Fill], account: AccountKey, position_id: str | None
) -> OurOrder:
    """Return an order for the comparison, its fills sorted by trade id."""
    every = tuple(sorted(fills, key=lambda fill: fill.trade_id))
    return OurOrder(order, account, every, position_id)
