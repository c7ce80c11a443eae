"""Calls on chain that split, merge and redeem our own shares.

Source: polymarket-client 0.14.0. Both kinds of markets are called through a collateral adapter
that takes and gives pUSD.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.addresses import Address, address_word
from dutchbook.platforms.polymarket.chain import NEG_RISK_ADAPTER, PUSD, STANDARD_ADAPTER
from dutchbook.platforms.polymarket.eip712 import ZERO_WORD, text_hash, uint, uint_word

SELECTOR = 4
"""Bytes of a function's hash that name it in a call."""
WORD = 32
BOTH = (1, 2)
"""The sets of outcomes that split and merge: the first outcome and the second, in bits."""

_CONDITION = re.compile(r"0x[0-9a-fA-F]{64}")
_V2_CONDITION = re.compile(r"0x[0-9a-fA-F]{62}")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a program on chain.

    Attributes:
        to: Whom it calls.
        data: The function and its arguments.
        value: POL that it sends along, in 10**-18.

    Raises:
        InvalidInput: The value does not fit in 256 bits.
    """

    to: Address
    data: bytes
    value: int = 0

    def __post_init__(self) -> None:
        uint(self.value, "value")


def selector(function: str) -> bytes:
    """Return the four bytes that name a function in a call."""
    return text_hash(function)[:SELECTOR]


def padded(data: bytes) -> bytes:
    """Return bytes as an argument: their length, then they, filled up to whole words."""
    return uint_word(len(data)) + data + bytes(-len(data) % WORD)


_SPLIT = selector("splitPosition(address,bytes32,bytes32,uint256[],uint256)")
_MERGE = selector("mergePositions(address,bytes32,bytes32,uint256[],uint256)")
_REDEEM = selector("redeemPositions(address,bytes32,bytes32,uint256[])")


def split_call(condition_id: str, amount_e6: int, *, neg_risk: bool) -> Call:
    """Turn dollars into as many shares of both outcomes.

    Args:
        condition_id: The market's, `0x` and 64 hexadecimal digits.
        amount_e6: Millionths of a share.
        neg_risk: The flag of the market.

    Raises:
        InvalidInput: The condition id has another form, or the amount is not positive.
    """
    return _call(_SPLIT, condition_id, (amount_e6,), neg_risk=neg_risk)


def merge_call(condition_id: str, amount_e6: int, *, neg_risk: bool) -> Call:
    """Turn as many shares of both outcomes into dollars; arguments as in `split_call`."""
    return _call(_MERGE, condition_id, (amount_e6,), neg_risk=neg_risk)


def redeem_call(condition_id: str, *, neg_risk: bool) -> Call:
    """Turn all shares of a resolved market into dollars; arguments as in `split_call`."""
    return _call(_REDEEM, condition_id, (), neg_risk=neg_risk)


def _call(
    function: bytes, condition_id: str, amounts: Sequence[int], *, neg_risk: bool
) -> Call:
    """Encode collateral, no parent, condition, sets of outcomes, and an amount if there is one.

    The sets are an array: where they would stand is how far into the arguments they begin.
    """
    checked = (uint(each, "amount_e6", least=1) for each in amounts)
    begins = (4 + len(amounts)) * WORD
    data = b"".join(
        (
            function,
            address_word(PUSD),
            ZERO_WORD,
            _condition(condition_id),
            uint_word(begins),
            *map(uint_word, checked),
            *map(uint_word, (len(BOTH), *BOTH)),
        )
    )
    return Call(NEG_RISK_ADAPTER if neg_risk else STANDARD_ADAPTER, data)


def _condition(condition_id: str) -> bytes:
    if _V2_CONDITION.fullmatch(condition_id):
        expected = "of a market that can be merged: markets of protocol v2 are not supported"
        raise InvalidInput("condition_id", condition_id, expected)
    if not _CONDITION.fullmatch(condition_id):
        raise InvalidInput("condition_id", condition_id, "0x and 64 hexadecimal digits")
    return bytes.fromhex(condition_id[2:])
