"""Addresses on Polygon: read from a person, checked, and packed for hashing.

Source of the checksum: eips.ethereum.org EIP-55.
"""

from __future__ import annotations

import re
from typing import NewType

from dutchbook.errors import InvalidInput, InvalidSecret
from dutchbook.platforms.confidential import described
from dutchbook.platforms.polymarket.keccak import keccak

Address = NewType("Address", str)
"""`0x` and 40 hexadecimal digits whose upper and lower case is the checksum of EIP-55."""

NOBODY = Address("0x" + "0" * 40)
"""The zero address."""
EXPECTED = "an address: 0x and 40 hexadecimal digits, in lower case or with their checksum"

_SHAPE = re.compile(r"0x[0-9a-fA-F]{40}")
_UPPER = 8
"""A letter is upper case where the digit of the hash is this or more."""


def address(text: str, field: str, source: str = "") -> Address:
    """Read an address that a person gives, in lower case or with its checksum.

    Raises:
        InvalidSecret: It has another shape. It is not quoted: a private key may stand there.
        InvalidInput: Its checksum is wrong.
    """
    if not _SHAPE.fullmatch(text):
        raise InvalidSecret(field, described(text), EXPECTED, source)
    right = checksummed(bytes.fromhex(text[2:]))
    if text not in (right, right.lower()):
        expected = (
            "an address with the right checksum: a digit or the case of a letter is wrong"
        )
        raise InvalidInput(field, text, expected, source)
    return right


def checksummed(raw: bytes) -> Address:
    """Return the address that consists of these 20 bytes."""
    digits = raw.hex()
    sums = keccak(digits.encode()).hex()
    pairs = zip(digits, sums, strict=False)
    return Address("0x" + "".join(d.upper() if int(s, 16) >= _UPPER else d for d, s in pairs))


def packed(known: Address) -> bytes:
    """Return the 20 bytes of an address."""
    return bytes.fromhex(known[2:])


def address_word(known: Address) -> bytes:
    """Return an address as a word of 32 bytes, zeros first."""
    return bytes(12) + bytes.fromhex(known[2:])
