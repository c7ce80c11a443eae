"""Transactions of a plain account (EOA), signed; their hash is known before they are sent.

Source: eips.ethereum.org EIP-155, and the Ethereum yellow paper, appendix B, on RLP. The
official client sends these legacy transactions (polymarket-client 0.14.0).
"""

from __future__ import annotations

from dataclasses import dataclass

from dutchbook.platforms.polymarket.addresses import packed
from dutchbook.platforms.polymarket.calls import Call
from dutchbook.platforms.polymarket.chain import POLYGON
from dutchbook.platforms.polymarket.eip712 import uint
from dutchbook.platforms.polymarket.keccak import keccak
from dutchbook.platforms.polymarket.private_key import WalletKey

SHORT = 55
"""The most bytes whose length stands in the first byte."""
_TEXT, _LIST = 0x80, 0xC0
_SINGLE = 0x80
"""A single byte below it stands for itself."""
_V = 27
_CHAIN_V = 35


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed transaction.

    Attributes:
        raw: `0x` and the bytes that `eth_sendRawTransaction` sends.
        hash: `0x` and the 64 hexadecimal digits under which it will be found.
    """

    raw: str
    hash: str


def sign_transaction(
    key: WalletKey,
    call: Call,
    *,
    nonce: int,
    gas: int,
    gas_price_wei: int,
    chain_id: int = POLYGON,
) -> SignedTransaction:
    """Sign a legacy transaction that is valid on one chain alone.

    Args:
        key: The account that sends and pays.
        call: Whom it calls, with what.
        nonce: How many transactions the account has sent before.
        gas: The most gas that it may use.
        gas_price_wei: Price of a unit of gas in 10**-18 POL.
        chain_id: Polygon, unless it is a test chain.

    Raises:
        InvalidInput: A number does not fit in 256 bits.
    """
    fields = [
        _number(uint(nonce, "nonce")),
        _number(uint(gas_price_wei, "gas_price_wei")),
        _number(uint(gas, "gas")),
        packed(call.to),
        _number(call.value),
        call.data,
    ]
    signed = keccak(rlp([*fields, _number(chain_id), b"", b""]))
    made = key.sign(signed)
    v = made[64] - _V + _CHAIN_V + 2 * chain_id
    halves = (int.from_bytes(half, "big") for half in (made[:32], made[32:64]))
    raw = rlp([*fields, _number(v), *map(_number, halves)])
    return SignedTransaction("0x" + raw.hex(), "0x" + keccak(raw).hex())


def rlp(fields: list[bytes]) -> bytes:
    """Encode a list of texts in recursive length prefix."""
    body = b"".join(map(_text, fields))
    return _length(len(body), _LIST) + body


def _text(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < _SINGLE:
        return data
    return _length(len(data), _TEXT) + data


def _length(length: int, base: int) -> bytes:
    if length <= SHORT:
        return bytes((base + length,))
    digits = _number(length)
    return bytes((base + SHORT + len(digits),)) + digits


def _number(number: int) -> bytes:
    """Return a number without leading zeros; zero is no byte."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
