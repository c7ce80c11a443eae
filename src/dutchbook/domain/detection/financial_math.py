"""`FinancialMath`: edges, thresholds and input checks, all on exact decimals."""

from __future__ import annotations

from decimal import Decimal

from dutchbook.domain.values.units import PAYOUT, decimal
from dutchbook.errors import InvalidInput


class FinancialMath:
    """The arithmetic of an edge, in dollars per contract.

    Exactly one leg of a pair pays `PAYOUT` per contract, so the edge is `PAYOUT` less costs. It
    holds only if both contracts resolve alike, which the pair's approval asserts.
    """

    @staticmethod
    def calculate_gross_edge(price_a: Decimal, price_b: Decimal) -> Decimal:
        """Return ``1 - price_a - price_b``, signed.

        Args:
            price_a: Price of YES on one platform.
            price_b: Price of NO on the other, in NO dollars.
        """
        price_a = FinancialMath.validate_decimal_input(price_a, "price_a")
        price_b = FinancialMath.validate_decimal_input(price_b, "price_b")
        return PAYOUT - price_a - price_b

    @staticmethod
    def calculate_net_edge(
        price_a: Decimal,
        price_b: Decimal,
        fee_a: Decimal,
        fee_b: Decimal,
        gas_estimate: Decimal,
        position_size: Decimal,
    ) -> Decimal:
        """Return the gross edge less fees and gas, per contract.

        Args:
            price_a: Average price of YES over the whole size.
            price_b: Average price of NO over the whole size.
            fee_a: Fee per contract of the first leg.
            fee_b: Fee per contract of the second leg.
            gas_estimate: Dollars for the whole order; shared by `position_size` contracts.
            position_size: Contracts, above zero.

        Raises:
            InvalidInput: A value is not finite, or the size is not above zero.
        """
        size = FinancialMath.validate_decimal_input(position_size, "position_size")
        if size <= 0:
            raise InvalidInput("position_size", position_size, "above zero")
        fee_a = FinancialMath.validate_decimal_input(fee_a, "fee_a")
        fee_b = FinancialMath.validate_decimal_input(fee_b, "fee_b")
        gas = FinancialMath.validate_decimal_input(gas_estimate, "gas_estimate")
        return FinancialMath.calculate_gross_edge(price_a, price_b) - fee_a - fee_b - gas / size

    @staticmethod
    def is_above_threshold(edge: Decimal, threshold: Decimal) -> bool:
        """Return whether `edge` is at least `threshold`."""
        edge = FinancialMath.validate_decimal_input(edge, "edge")
        return edge >= FinancialMath.validate_decimal_input(threshold, "threshold")

    @staticmethod
    def validate_decimal_input(value: object, name: str) -> Decimal:
        """Return `value` if it is a finite decimal.

        Raises:
            InvalidInput: It is anything else; names the argument.
        """
        if not isinstance(value, Decimal):
            raise InvalidInput(name, value, "a decimal")
        return decimal(value, name)

    @staticmethod
    def validate_number_input(value: object, name: str) -> Decimal:
        """Return an integer, decimal or numeric text as a finite decimal.

        Raises:
            InvalidInput: It is anything else; names the argument.
        """
        return decimal(value, name)
