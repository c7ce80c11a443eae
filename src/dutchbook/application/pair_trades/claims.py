"""Claims: what pair trades hold of each contract, and what running executions enter."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import ContractMatch, Outcome, Platform, Side
from dutchbook.domain.pair_trades.trade import LegKey, PairTrade
from dutchbook.domain.positions.position import UNHEDGED
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.values.units import Money, Quantity


class Claims:
    """Contracts in use by pair trades, whichever pair they belong to.

    Kalshi nets both outcomes of a contract over the whole account, so that a purchase for one
    pair trade can undo the leg of another.
    """

    def __init__(self, matches: Mapping[str, ContractMatch]) -> None:
        self.matches = matches
        self._prepared: dict[str, PairTrade] = {}
        self._entering: dict[str, PairTrade] = {}
        self._holding: dict[LegKey, dict[str, PairTrade]] = {}
        self._unhedged: dict[str, PairTrade] = {}

    def prepare(self, trade: PairTrade) -> None:
        """Count what a pair trade is about to buy, before its first commit."""
        self._prepared[trade.execution_id] = trade

    def forget(self, execution_id: str) -> None:
        """Stop counting a prepared pair trade: it is committed, or bought nothing."""
        self._prepared.pop(execution_id, None)

    def put(self, before: PairTrade | None, trade: PairTrade) -> None:
        """Count a pair trade as it was committed, in place of `before`."""
        if before is not None:
            self.drop(before)
        if not trade.ended and not trade.opened:
            self._entering[trade.execution_id] = trade
        if trade.position.status in UNHEDGED:
            self._unhedged[trade.execution_id] = trade
        if trade.opened:
            for leg in trade.legs:
                self._holding.setdefault(leg, {})[trade.execution_id] = trade

    def drop(self, trade: PairTrade) -> None:
        """Stop counting a pair trade."""
        self._entering.pop(trade.execution_id, None)
        self._unhedged.pop(trade.execution_id, None)
        for leg in trade.legs:
            self._holding.get(leg, {}).pop(trade.execution_id, None)

    def unhedged(self, pair_id: str, dust: Money) -> bool:
        """Return whether a position on a pair has a leg without a counterpart.

        One that has cost less than `dust` does not count: it may be too small for any order.
        """
        return any(
            unhedged_cost(trade.position) >= dust
            for trade in self._unhedged.values()
            if trade.pair_id == pair_id and trade.position.imbalanced()
        )

    def opposes(self, match: ContractMatch, kalshi_outcome: Outcome) -> bool:
        """Return whether we hold, of either contract, the opposite of what an entry would buy.

        A position of a pair that is not followed counts too: buying against a position is an
        exit from it, not an entry.
        """
        others = (
            (Platform.KALSHI, match.kalshi.contract_id, kalshi_outcome.opposite),
            (
                Platform.POLYMARKET,
                match.polymarket.contract_id,
                match.hedge(kalshi_outcome).opposite,
            ),
        )
        return any(self._holding.get(key) for key in others)

    def in_use(self, match: ContractMatch) -> bool:
        """Return whether an execution or order under way uses either contract of a pair.

        What it takes of the books is not gone from them yet, and Kalshi would net an entry of
        the opposite outcome against it.
        """
        keys = [(p, match.contract(p).contract_id) for p in Platform]
        for trade in (*self._prepared.values(), *self._entering.values()):
            other = self.matches.get(trade.pair_id)
            if other is not None and any(
                (p, other.contract(p).contract_id) in keys for p in Platform
            ):
                return True
        return any(
            order.working_size > 0 and (order.platform, order.contract_id) == key
            for key in keys
            for outcome in Outcome
            for trade in self._holding.get((*key, outcome), {}).values()
            for order in trade.orders.values()
        )

    def enters(self, contract_id: str, outcome: Outcome) -> bool:
        """Return whether a running execution buys an outcome of a contract on Kalshi."""
        return any(
            trade.position.kalshi.outcome is outcome
            and trade.pair_id in self.matches
            and self.matches[trade.pair_id].kalshi.contract_id == contract_id
            for trade in (*self._prepared.values(), *self._entering.values())
        )

    def against(self, trade: PairTrade, outcome: Outcome) -> bool:
        """Return whether buying an outcome on Kalshi for one position would undo another's leg.

        Netting is intended for the position's own contracts of the opposite outcome, but not
        for another position's.
        """
        mine = trade.contracts.get(Platform.KALSHI)
        if mine is None:
            return False
        opposed = self._holding.get((Platform.KALSHI, mine, outcome.opposite), {})
        return bool(opposed.keys() - {trade.execution_id})

    def undone_by(self, trade: PairTrade, contract_id: str) -> frozenset[Outcome]:
        """Return the outcomes of a contract on Kalshi that one position must not buy.

        Kalshi would net them with the leg of another position, or with what a running execution
        buys. Contracts of the position's own opposite may be bought all the same.
        """
        return frozenset(
            outcome
            for outcome in Outcome
            if self.enters(contract_id, outcome.opposite) or self.against(trade, outcome)
        )

    def held(self, platform: Platform, contract_id: str, outcome: Outcome) -> Quantity:
        """Return how many contracts of an outcome our positions hold on a platform.

        Those of pairs that are not followed are left out.
        """
        total = Decimal(0)
        for of in Outcome:
            for trade in self._holding.get((platform, contract_id, of), {}).values():
                if trade.pair_id in self.matches:
                    leg = trade.position.holding(platform)
                    total += leg.size if of is outcome else leg.complement
        return Quantity(total)

    def selling(self, order: Order) -> Quantity:
        """Return what other orders of our positions may still sell of what `order` sells."""
        total = Decimal(0)
        for of in Outcome:
            key = (order.platform, order.contract_id, of)
            for trade in self._holding.get(key, {}).values():
                for each in trade.orders.values():
                    sale = (each.platform, each.outcome, each.side)
                    if sale == (order.platform, order.outcome, Side.SELL):
                        total += each.working_size * (each.order_id != order.order_id)
        return Quantity(total)
