"""What an order gives and gets, in millionths, as precise as its market's tick allows.

Sources: py-clob-client-v2 1.2.1 and polymarket-client 0.14.0, which round alike. An order for
shares is a limit order; an order for dollars, or one that sells at once, is a market order.
They round up first, at four decimals more: no quotient of whole cents and a price on the grid
comes so close below a step, so it is left out here.
"""

from __future__ import annotations

from decimal import Decimal

from dutchbook.domain.market.contract import Side
from dutchbook.domain.values.units import floor_to, to_e6
from dutchbook.errors import InvalidInput

CENT = Decimal("0.01")
"""The step of what an order is given in: shares, or dollars of a buy at once."""
STEPS = {
    Decimal("0.1"): Decimal("0.001"),
    Decimal("0.01"): Decimal("0.0001"),
    Decimal("0.005"): Decimal("0.00001"),
    Decimal("0.0025"): Decimal("0.000001"),
    Decimal("0.001"): Decimal("0.00001"),
    Decimal("0.0001"): Decimal("0.000001"),
}
"""The step of the other amount, by the tick of the market."""


def limit_amounts(side: Side, price: Decimal, size: Decimal, tick: Decimal) -> tuple[int, int]:
    """Return what an order for shares gives and gets.

    Args:
        side: A buy gives dollars, a sale gives shares.
        price: Dollars per share, on the grid of the tick.
        size: Shares; what is finer than a hundredth is cut off.
        tick: Of the market, in dollars.

    Returns:
        `maker_amount` and `taker_amount`: millionths of a dollar or share.

    Raises:
        InvalidInput: The tick is unknown, the price is off its grid, or nothing is left.
    """
    step = _step(price, tick)
    shares = _cut(size, "size")
    dollars = to_e6(floor_to(shares * price, step))
    return (dollars, to_e6(shares)) if side is Side.BUY else (to_e6(shares), dollars)


def market_amounts(
    side: Side, price: Decimal, amount: Decimal, tick: Decimal
) -> tuple[int, int]:
    """Return what an order gives and gets that is filled at once (FOK or FAK).

    Args:
        side: A buy gives dollars, a sale gives shares.
        price: The worst price, in dollars per share, on the grid of the tick.
        amount: Dollars of a buy, shares of a sale; what is finer than a hundredth is cut off.
        tick: Of the market, in dollars.

    Returns:
        `maker_amount` and `taker_amount`: millionths of a dollar or share.

    Raises:
        InvalidInput: The tick is unknown, the price is off its grid, or nothing is left.
    """
    step = _step(price, tick)
    given = _cut(amount, "amount")
    got = given / price if side is Side.BUY else given * price
    return to_e6(given), to_e6(floor_to(got, step))


def _step(price: Decimal, tick: Decimal) -> Decimal:
    step = STEPS.get(tick)
    if step is None:
        expected = f"one of {', '.join(map(str, sorted(STEPS)))}"
        raise InvalidInput("tick", tick, expected)
    if not tick <= price <= 1 - tick or price % tick:
        raise InvalidInput("price", price, f"a multiple of {tick} from {tick} to {1 - tick}")
    return step


def _cut(number: Decimal, field: str) -> Decimal:
    cut = floor_to(number, CENT)
    if cut <= 0:
        raise InvalidInput(field, number, f"at least {CENT}")
    return cut
