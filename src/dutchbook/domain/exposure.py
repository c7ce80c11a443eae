"""What an exposed leg could be turned into now, and at what price."""

from __future__ import annotations

from decimal import Decimal

from dutchbook.domain.book import OrderBook, walk
from dutchbook.domain.contract import Outcome, Side
from dutchbook.domain.events import Scenario, TopOfBook
from dutchbook.domain.fees import FeeTerms
from dutchbook.domain.units import E4, Money, Price, Quantity, due, from_e4, owed, plain


def top_of_book(book: OrderBook) -> TopOfBook:
    """Return the best prices of a book, None for an empty side."""
    return TopOfBook(
        Price(from_e4(book.best_bid)) if book.best_bid > 0 else None,
        Price(from_e4(book.best_ask)) if book.best_ask < E4 else None,
    )


def scenarios(
    *,
    quantity: Quantity,
    paid: Decimal,
    held: tuple[OrderBook, Outcome, FeeTerms],
    missing: tuple[OrderBook, Outcome, FeeTerms],
) -> tuple[Scenario, ...]:
    """Price the three ways on from `quantity` contracts of one leg: close, retry, hold.

    Args:
        quantity: Contracts held without their opposite.
        paid: What they cost, with their fees, in dollars.
        held: Book, outcome and fees of the leg that we hold.
        missing: The same of the leg that is missing.
    """
    return (
        _close(quantity, paid, *held),
        _retry(quantity, paid, *missing),
        Scenario(
            "hold",
            None,
            Money(Decimal(0)),
            f"{plain(owed(paid))} dollars at risk until resolution",
        ),
    )


def _close(
    quantity: Quantity, paid: Decimal, book: OrderBook, outcome: Outcome, terms: FeeTerms
) -> Scenario:
    sale = walk(book.offers(outcome, Side.SELL), quantity)
    if sale is None:
        return Scenario("close_now", None, None, "the book cannot take the whole quantity")
    fee = owed(terms.model(sale.average, quantity))
    detail = f"sell {plain(quantity)} {outcome} down to {plain(sale.worst)}"
    return Scenario("close_now", due(sale.cost - fee - paid), Money(Decimal(0)), detail)


def _retry(
    quantity: Quantity, paid: Decimal, book: OrderBook, outcome: Outcome, terms: FeeTerms
) -> Scenario:
    purchase = walk(book.offers(outcome), quantity)
    if purchase is None:
        return Scenario("retry_now", None, None, "the book does not offer the whole quantity")
    cash = owed(purchase.cost + owed(terms.model(purchase.average, quantity)))
    detail = f"buy {plain(quantity)} {outcome} up to {plain(purchase.worst)}"
    return Scenario("retry_now", due(quantity - cash - paid), cash, detail)
