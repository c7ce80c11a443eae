"""RiskManager: checks the capital that an entry or an order needs, and reserves it.

Other processes are kept out by the guards of the writes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from dutchbook.application.capital.capital import POSITIONS, Capital
from dutchbook.application.capital.cash import Cash
from dutchbook.application.capital.halts import Halts
from dutchbook.application.capital.overrides import Overrides
from dutchbook.application.records.changes import Gate
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.capital.limits import RiskLimits, Validation, validate
from dutchbook.domain.capital.reservation import BudgetRequest, Reservation
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import ReservationFailed
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids

NOT_APPROVED = "pair_not_approved"
"""The approval of a pair was revoked after it was read."""


class RiskManager:
    """Checks every use of capital; its parts are capital, cash, halts and overrides."""

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        clock: Clock,
        ids: Ids,
        limits: RiskLimits,
        accounts: Mapping[Platform, AccountKey],
    ) -> None:
        self._ids = ids
        self.capital = Capital(journal, committer, clock, limits, accounts)
        self.cash = Cash(journal, self.capital, committer, clock, ids)
        self.halts = Halts(self.capital, committer, clock)
        self.overrides = Overrides(journal, committer, self.capital, clock, ids)

    def validate_position(
        self, pair_id: str, amounts: Mapping[Platform, Decimal], size: Decimal = ZERO
    ) -> Validation:
        """Check a request on a pair; see `dutchbook.domain.capital.limits.validate`."""
        caps, override = self.overrides.caps_for(pair_id), self.overrides.override(pair_id)
        with self.capital.as_claimed():
            return validate(
                self.capital.state,
                self.capital.limits,
                self.capital.at_risk.open_pairs(pair_id),
                caps,
                amounts,
                size,
                override,
            )

    def reserve_budget(self, request: BudgetRequest) -> Reservation:
        """Return the reservation for an execution: its worst case.

        It counts once it is booked with the execution, and is dropped if the database rejects
        that; see `PairTrades.book`.

        Raises:
            ReservationFailed: Trading is halted, a limit is exceeded, or too little is free.
        """
        verdict = self.validate_position(request.pair_id, request.amounts, request.size)
        if not verdict.approved:
            raise ReservationFailed(str(verdict.reason), f"for {request.execution_id}")
        return Reservation(
            self._ids.new("reservation", request.execution_id),
            request.execution_id,
            request.pair_id,
            dict(request.amounts),
            self.capital.state.epoch,
        )

    def reserve_order(self, order: Order, amount: Money) -> Reservation:
        """Return the reservation for another order of a position.

        It opens no pair, and no limit on new positions applies, since the position exists.

        Raises:
            ReservationFailed: Not enough is free.
        """
        free = self.capital.free(order.platform)
        if amount > free:
            raise ReservationFailed("insufficient_capital", f"{amount} of {free} free")
        return Reservation(
            self._ids.new("reservation", order.order_id),
            order.execution_id,
            order.pair_id,
            {order.platform: amount},
            self.capital.state.epoch,
        )

    def entry_gate(self, pair_id: str) -> Gate:
        """Return the conditions on the risk state in the commit of an entry on a pair.

        The database counts positions: one that is unknown here may be of a further pair.
        """
        most: dict[tuple[str, ...], int] = {POSITIONS: self.capital.most_positions(pair_id)}
        lifted = self.overrides.override(pair_id) is not None
        return Gate({"trading_halted": False}, {} if lifted else most)
