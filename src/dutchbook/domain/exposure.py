"""What an exposed leg could be turned into now: each way on with its price, its need, its bar.

Four ways: complete the missing leg, close the held one, buy the complement on the held one's
platform (which locks the price and needs no settled shares), or hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.book import OrderBook, Walk, walk
from dutchbook.domain.contract import Contract, Outcome, Platform, Side
from dutchbook.domain.events import Scenario, TopOfBook
from dutchbook.domain.fees import FeeTerms
from dutchbook.domain.opportunity import WORST_FILLS
from dutchbook.domain.position import Holding
from dutchbook.domain.units import (
    E4,
    ZERO,
    Money,
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


def top_of_book(book: OrderBook) -> TopOfBook:
    """Return the best prices of a book, None for an empty side."""
    return TopOfBook(
        Price(from_e4(book.best_bid)) if book.best_bid > 0 else None,
        Price(from_e4(book.best_ask)) if book.best_ask < E4 else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """One platform's half of an exposure: contract, book, fees, and our leg on it."""

    contract: Contract
    book: OrderBook
    terms: FeeTerms
    leg: Holding

    @property
    def platform(self) -> Platform:
        """Which platform it is."""
        return self.contract.platform


@dataclass(frozen=True, slots=True)
class Exposure:
    """`quantity` contracts of `held`'s leg that the other does not have, as it stands at `now`.

    `sellable` are the contracts of the held outcome that their platform cannot take back.
    """

    quantity: Quantity
    held: Place
    missing: Place
    sellable: Quantity
    now: datetime
    distrust: Mapping[Platform, str | None]

    @property
    def paid(self) -> Decimal:
        """What the exposed contracts cost, with their share of the fees, in dollars."""
        leg = self.held.leg
        return (leg.cost + leg.fees) * self.quantity / leg.size if leg.size else Decimal(0)

    def scenarios(self) -> tuple[Scenario, ...]:
        """Return the four ways on, each for as much of the quantity as can be traded."""
        return (self._retry(), self._close(), self._complement(), self._hold())

    def recommended(self, scenarios: tuple[Scenario, ...]) -> tuple[str, ...]:
        """Return the ways that are open, the best result first; holding is never first."""
        open_ways = [s for s in scenarios if s.name in ACTIONS and s.blocked is None]
        ranked = sorted(open_ways, key=lambda s: (-(s.pnl or ZERO), ACTIONS.index(s.name)))
        return (*(each.name for each in ranked), HOLD)

    def _retry(self) -> Scenario:
        outcome = self.missing.leg.outcome
        size = self._tradable(self.missing, outcome, Side.BUY)
        return self._buy(RETRY, self.missing, outcome, size)

    def _complement(self) -> Scenario:
        outcome = self.held.leg.outcome.opposite
        size = self._tradable(self.held, outcome, Side.BUY)
        return self._buy(COMPLEMENT, self.held, outcome, size)

    def _close(self) -> Scenario:
        place, outcome = self.held, self.held.leg.outcome
        size = self._tradable(place, outcome, Side.SELL)
        blocked = self._barred(place, size)
        if blocked is None and size > self.sellable:
            blocked = f"only {plain(self.sellable)} of these shares are settled"
        if blocked is not None:
            return _closed_way(CLOSE, place, size, blocked)
        sale = walk(place.book.offers(outcome, Side.SELL), size)
        if sale is None:
            return _closed_way(
                CLOSE, place, size, _thin("takes", place, outcome, Side.SELL, size)
            )
        fee = owed(place.terms.model(sale.average, size))
        pnl = due(sale.cost - fee - self._cost_of(size))
        detail = f"sell {plain(size)} {outcome} down to {plain(sale.worst)}"
        return _open_way(CLOSE, place, size, sale, pnl, ZERO, fee, detail)

    def _buy(self, name: str, place: Place, outcome: Outcome, size: Quantity) -> Scenario:
        if (blocked := self._barred(place, size)) is not None:
            return _closed_way(name, place, size, blocked)
        purchase = walk(place.book.offers(outcome), size)
        if purchase is None:
            return _closed_way(
                name, place, size, _thin("offers", place, outcome, Side.BUY, size)
            )
        fee = owed(place.terms.model(purchase.average, size))
        cash = owed(purchase.cost + fee)
        detail = f"buy {plain(size)} {outcome} up to {plain(purchase.worst)}"
        pnl = due(size - cash - self._cost_of(size))
        return _open_way(name, place, size, purchase, pnl, cash, fee, detail)

    def _hold(self) -> Scenario:
        days = max((self.held.contract.cash_time - self.now).days, 0)
        detail = f"{plain(owed(self.paid))} dollars at risk, {days} days to the payout"
        return Scenario(HOLD, None, ZERO, detail)

    def _cost_of(self, size: Quantity) -> Decimal:
        return self.paid * size / self.quantity

    def _tradable(self, place: Place, outcome: Outcome, side: Side) -> Quantity:
        """Return the largest size up to the exposure that the platform takes; zero for none."""
        buys = side is Side.BUY and place.contract.sizing.cent_exact
        lot = place.contract.lot if buys else place.contract.sizing.step
        size = Quantity(floor_to(self.quantity, lot))
        best = place.book.best(outcome, side)
        smallest = place.contract.smallest(best) if best is not None else Decimal(0)
        return size if size >= smallest else Quantity(Decimal(0))

    def _barred(self, place: Place, size: Quantity) -> str | None:
        if not size:
            return "less than the platform's smallest order"
        if self.now >= place.contract.close_time:
            return "the contract is closed"
        return self.distrust.get(place.platform)


def _closed_way(name: str, place: Place, size: Quantity, blocked: str) -> Scenario:
    return Scenario(name, None, None, blocked, place.platform, size or None, None, blocked)


def _open_way(
    name: str,
    place: Place,
    size: Quantity,
    taken: Walk,
    pnl: Money,
    cash: Money,
    fees: Money,
    detail: str,
) -> Scenario:
    return Scenario(name, pnl, cash, detail, place.platform, size, taken.worst, None, fees)


def _thin(does: str, place: Place, outcome: Outcome, side: Side, size: Quantity) -> str:
    """Return why a book is not enough: what it has of what is wanted."""
    there = from_e6(sum(each for _, each in place.book.offers(outcome, side)))
    return f"the book {does} {plain(there)} of {plain(size)}"


def completed_at(
    contract: Contract, quantity: Decimal, price: Price, paid: Decimal, now: datetime
) -> Scenario | None:
    """Return what buying the missing leg at `price` comes to at worst; None without known fees.

    Args:
        contract: Of the missing leg.
        quantity: Contracts that are missing.
        price: The worst price, in dollars of that leg.
        paid: Dollars that the contracts without a counterpart have cost, fees included.
        now: When.
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
