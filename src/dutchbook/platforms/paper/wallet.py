"""Our holdings on a paper platform: cash, and contracts by outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Quantity, due, owed
from dutchbook.errors import PlatformRejected
from dutchbook.ports.orders import FillReport

ACCOUNTS = {
    Platform.KALSHI: AccountKey(Platform.KALSHI, "shard-0", "USD"),
    Platform.POLYMARKET: AccountKey(Platform.POLYMARKET, "paper-wallet", "pUSD"),
}
"""Our account on each paper platform."""


@dataclass(slots=True)
class Wallet:
    """Cash and contracts on one platform; `held` is the collateral of working orders.

    If the platform `nets` (Kalshi), a YES and a NO of one contract become a dollar at once;
    elsewhere a call merges them.
    """

    cash: Money = ZERO
    nets: bool = False
    held: Money = ZERO
    contracts: dict[tuple[str, Outcome], Quantity] = field(default_factory=dict)

    def of(self, contract_id: str, outcome: Outcome) -> Quantity:
        """Return the contracts held of one outcome."""
        return self.contracts.get((contract_id, outcome), NOTHING)

    def fund(self, cash: Money) -> None:
        """Set the cash, as our record has it."""
        self.cash = cash

    def hold(self, amount: Money) -> None:
        """Set the collateral of working orders."""
        self.held = amount

    def add(self, contract_id: str, outcome: Outcome, size: Quantity) -> None:
        """Add contracts that we already own."""
        if size:
            self.contracts[contract_id, outcome] = Quantity(
                self.of(contract_id, outcome) + size
            )

    def book(self, order: Order, report: FillReport, *, sign: int) -> None:
        """Move cash and contracts for a fill (`sign` 1), or back for a failed one (-1).

        What we pay is rounded up to 10⁻⁶, what we receive is rounded down.
        """
        amount = report.price * report.size
        key = (order.contract_id, order.outcome)
        if order.side is Side.BUY:
            self.cash = Money(self.cash - sign * (owed(amount) + report.fee))
            self.contracts[key] = Quantity(self.of(*key) + sign * report.size)
        else:
            self.cash = Money(self.cash + sign * (due(amount) - report.fee))
            self.contracts[key] = Quantity(self.of(*key) - sign * report.size)
        self._net(order.contract_id)

    def net(self) -> None:
        """Turn all contracts held in both outcomes into cash, if the platform nets."""
        for contract_id in dict.fromkeys(contract_id for contract_id, _ in self.contracts):
            self._net(contract_id)

    def merge(self, contract_id: str, size: Quantity, platform: str) -> None:
        """Turn equal YES and NO back into cash, on a platform that does not net."""
        if min(self.of(contract_id, outcome) for outcome in Outcome) < size:
            raise PlatformRejected(platform, "not enough of both outcomes to merge")
        self._pay_pairs(contract_id, size)

    def settle(self, contract_id: str, yes_pays: Decimal) -> Money:
        """Pay a resolved contract: `yes_pays` dollars per YES, the rest of a dollar per NO."""
        payouts = {Outcome.YES: yes_pays, Outcome.NO: 1 - yes_pays}
        paid = Decimal(0)
        for outcome, pays in payouts.items():
            paid += self.of(contract_id, outcome) * pays
            self.contracts.pop((contract_id, outcome), None)
        self.cash = Money(self.cash + due(paid))
        return due(paid)

    def _net(self, contract_id: str) -> None:
        if self.nets:
            self._pay_pairs(contract_id, min(self.of(contract_id, each) for each in Outcome))

    def _pay_pairs(self, contract_id: str, pairs: Quantity) -> None:
        if pairs <= 0:
            return
        for outcome in Outcome:
            key = (contract_id, outcome)
            self.contracts[key] = Quantity(self.of(*key) - pairs)
        self.cash = Money(self.cash + pairs)
