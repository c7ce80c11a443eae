"""Remedies for an exposed leg: price, cash need and obstacle of each, now.

Four remedies: complete the missing leg, close the held leg, buy the complement on the held
leg's platform (which locks the price and needs no settled shares), or hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.detection.detect import WORST_FILLS
from dutchbook.domain.events import Scenario, TopOfBook
from dutchbook.domain.market.book import OrderBook, Walk, walk
from dutchbook.domain.market.contract import Contract, Outcome, Platform, Side
from dutchbook.domain.market.fees import FeeTerms
from dutchbook.domain.positions.position import Holding
from dutchbook.domain.values.units import (
    E4,
    ZERO,
    Price,
    Quantity,
    due,
    floor_to,
    from_e4,
    from_e6,
    owed,
    plain,
)

RETRY, CLOSE, COMPLEMENT, HOLD = "retry_leg", "close_leg", "complement", "hold"
ACTIONS = (RETRY, CLOSE, COMPLEMENT)
OPPOSITE = "another position holds the opposite outcome on Kalshi, which would net the two"
NO_PRICE = "the contract has no valid price there"
ENDING = (CLOSE, COMPLEMENT)
"""The remedies that end an exposure without the missing leg."""
TOO_SMALL = "less than the platform's smallest order"
"""Why a remedy is blocked that no platform would take, whatever its book shows."""


def top_of_book(book: OrderBook) -> TopOfBook:
    """Return the best prices of a book, None for an empty side."""
    return TopOfBook(
        Price(from_e4(book.best_bid)) if book.best_bid > 0 else None,
        Price(from_e4(book.best_ask)) if book.best_ask < E4 else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """One platform's half of an exposure: contract, book, fees and our leg."""

    contract: Contract
    book: OrderBook
    terms: FeeTerms
    leg: Holding

    @property
    def platform(self) -> Platform:
        """The platform of the contract."""
        return self.contract.platform

    def bears(self, outcome: Outcome, side: Side, collar: Decimal) -> Quantity:
        """Return the book's depth for an order with a limit `collar` beyond the best price."""
        best = self.book.best(outcome, side)
        if best is None:
            return Quantity(Decimal(0))
        beyond = collar if side is Side.BUY else -collar
        return self.book.depth(outcome, Price(best + beyond), side)


@dataclass(frozen=True, slots=True)
class Exposure:
    """`quantity` contracts of the `held` leg without a counterpart, at `now`.

    `sellable` are the contracts of the held outcome that the platform cannot take back.
    `collar` is how far beyond the best price an order may go, in dollars: the book's depth up
    to there limits a remedy to all of the quantity or a part of it. `order_out` is why no
    order may be placed: one that is out may fill what is missing. `undone` are the outcomes
    on Kalshi of which no more may be bought than the position holds of the opposite.
    """

    quantity: Quantity
    held: Place
    missing: Place
    sellable: Quantity
    now: datetime
    untrusted_because: Mapping[Platform, str | None]
    collar: Decimal
    order_out: str | None = None
    undone: frozenset[Outcome] = frozenset()

    @property
    def paid(self) -> Decimal:
        """Cost of the exposed contracts, with their share of the fees, in dollars."""
        leg = self.held.leg
        return (leg.cost + leg.fees) * self.quantity / leg.size if leg.size else Decimal(0)

    def scenarios(self) -> tuple[Scenario, ...]:
        """Return the four remedies, each for as much of the quantity as its book allows."""
        return (*(self._remedy(name) for name in ACTIONS), self._hold())

    def recommended(self, scenarios: tuple[Scenario, ...]) -> tuple[str, ...]:
        """Return the available remedies, the best result first and holding last."""
        available = [s for s in scenarios if s.name in ACTIONS and s.blocked is None]
        ranked = sorted(available, key=lambda s: (-(s.each or ZERO), ACTIONS.index(s.name)))
        return (*(each.name for each in ranked), HOLD)

    def trade(self, name: str) -> tuple[Place, Outcome, Side]:
        """Return the place, outcome and side that a remedy trades."""
        if name == RETRY:
            return self.missing, self.missing.leg.outcome, Side.BUY
        outcome = self.held.leg.outcome
        if name == COMPLEMENT:
            return self.held, outcome.opposite, Side.BUY
        return self.held, outcome, Side.SELL

    def _remedy(self, name: str) -> Scenario:
        place, outcome, side = self.trade(name)
        buys = side is Side.BUY
        wanted = self._tradable(place, outcome, side)
        size = self._available(place, outcome, side, wanted)
        blocked = self._obstacle(place, wanted)
        if blocked is None and not buys and (size or wanted) > self.sellable:
            blocked = f"only {plain(self.sellable)} of these shares are settled"
        if blocked is None and buys and self._undoes(place, outcome, size or wanted):
            blocked = OPPOSITE
        if blocked is None and not size:
            there = place.bears(outcome, side, self.collar)
            does = "offers" if buys else "takes"
            blocked = f"the book {does} {plain(there)} of {plain(wanted)}"
        taken, limit = _within_minimum(place, outcome, side, size)
        if blocked is not None or taken is None or limit is None:
            why = blocked or (TOO_SMALL if taken is None else NO_PRICE)
            return _blocked_remedy(name, place, wanted, why)
        size = taken.size
        fee = owed(place.terms.model(taken.average, size))
        cash = owed(taken.cost + fee) if buys else ZERO
        brought = size - cash if buys else taken.cost - fee
        detail = f"{side} {plain(size)} {outcome} {'up' if buys else 'down'} to {plain(limit)}"
        if size < wanted:
            detail += f", as far as the book goes; {plain(self.quantity - size)} stay unhedged"
        pnl = due(brought - self._cost_of(size))
        return Scenario(name, pnl, cash, detail, place.platform, size, limit, None, fee)

    def _undoes(self, place: Place, outcome: Outcome, size: Quantity) -> bool:
        """Return whether Kalshi would net a purchase with the leg of another position."""
        if place.platform is not Platform.KALSHI or outcome not in self.undone:
            return False
        return size > opposite_of(place.leg, outcome)

    def _hold(self) -> Scenario:
        days = max((self.held.contract.cash_time - self.now).days, 0)
        detail = f"{plain(owed(self.paid))} dollars at risk, {days} days to the payout"
        return Scenario(HOLD, None, ZERO, detail)

    def _cost_of(self, size: Quantity) -> Decimal:
        return self.paid * size / self.quantity

    def _tradable(self, place: Place, outcome: Outcome, side: Side) -> Quantity:
        """Return the largest size up to the exposure that the platform accepts, or zero."""
        size = Quantity(floor_to(self.quantity, _lot(place, side)))
        return size if size >= _smallest(place, outcome, side) else Quantity(Decimal(0))

    def _available(
        self, place: Place, outcome: Outcome, side: Side, wanted: Quantity
    ) -> Quantity:
        """Return how much of `wanted` the book can fill, or zero.

        A partial size leaves a rest large enough for an order on each platform that accepts an
        order for the whole.
        """
        there = place.bears(outcome, side, self.collar)
        if there >= wanted:
            return wanted
        orders = (_smallest(*self.trade(other)) for other in (RETRY, CLOSE))
        rest = max((each for each in orders if each <= self.quantity), default=Decimal(0))
        size = floor_to(min(there, self.quantity - rest), _lot(place, side))
        least = max(_smallest(place, outcome, side), place.contract.sizing.step)
        return Quantity(size if size >= least else Decimal(0))

    def _obstacle(self, place: Place, wanted: Quantity) -> str | None:
        if not wanted:
            return TOO_SMALL
        if self.now >= place.contract.close_time:
            return "the contract is closed"
        return self.order_out or self.untrusted_because.get(place.platform)


def opposite_of(leg: Holding, outcome: Outcome) -> Quantity:
    """Return how many contracts of the opposite of an outcome a leg holds."""
    return leg.size if leg.outcome is not outcome else leg.complement


def _lot(place: Place, side: Side) -> Decimal:
    """Return the step of order sizes; a cent-exact buy must cost whole cents."""
    if side is Side.BUY and place.contract.sizing.cent_exact:
        return place.contract.lot
    return place.contract.sizing.step


def _smallest(place: Place, outcome: Outcome, side: Side) -> Quantity:
    """Return the smallest size accepted at the best price, or zero without a price."""
    best = place.book.best(outcome, side)
    return Quantity(place.contract.smallest(best) if best is not None else Decimal(0))


def _within_minimum(
    place: Place, outcome: Outcome, side: Side, size: Quantity
) -> tuple[Walk | None, Price | None]:
    """Return what the book takes of `size` in an order that is accepted, and its limit.

    A minimum in dollars counts at the limit: the last levels of a sale may be worth too little.
    None if nothing is worth enough, or no price there can be quoted.
    """
    contract, levels = place.contract, place.book.offers(outcome, side)
    while size and (taken := walk(levels, size)) is not None:
        limit = contract.next_price(taken.worst, outcome, side)
        if limit is None or size >= contract.smallest(limit):
            return taken, limit
        better = sum(there for price, there in levels if from_e4(price) > taken.worst)
        size = Quantity(floor_to(min(size, from_e6(better)), _lot(place, side)))
    return None, None


def _blocked_remedy(name: str, place: Place, size: Quantity, blocked: str) -> Scenario:
    return Scenario(name, None, None, blocked, place.platform, size or None, None, blocked)


def completed_at(
    contract: Contract, quantity: Decimal, price: Price, paid: Decimal, now: datetime
) -> Scenario | None:
    """Return the worst case of buying the missing leg at `price`; None if fees are unknown.

    Args:
        contract: Contract of the missing leg.
        quantity: Contracts that are missing.
        price: The worst price, in dollars of that leg.
        paid: Cost of the unhedged contracts in dollars, fees included.
        now: The moment, which decides the fee terms.
    """
    terms = contract.fees.at(now) if contract.fees else None
    if terms is None:
        return None
    size = Quantity(floor_to(quantity, contract.lot))
    fees = owed(terms.worst(price, size, fills=WORST_FILLS))
    cash = owed(price * size + fees)
    share = paid * size / quantity
    detail = f"buy {plain(size)} at {plain(price)}"
    platform, pnl = contract.platform, due(size - cash - share)
    return Scenario(RETRY, pnl, cash, detail, platform, size, price, None, fees)


def mark_of_remedies(remedies: Iterable[Scenario]) -> Decimal | None:
    """Return the mark of an exposure: profit per contract of the best remedy that ends it.

    None if the books allow none.
    """
    results = (
        each.each
        for each in remedies
        if each.name in ENDING and each.blocked is None and each.pnl is not None
    )
    return max((each for each in results if each is not None), default=None)
