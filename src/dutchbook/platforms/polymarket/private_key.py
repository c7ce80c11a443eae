"""The private key of an Ethereum account: it signs digests, and shows nothing of itself.

Signatures are those of RFC 6979, so that one digest always has one signature.
"""

from __future__ import annotations

import re

from coincurve import PrivateKey

from dutchbook.errors import InvalidSecret
from dutchbook.platforms.confidential import Confidential, described
from dutchbook.platforms.polymarket.addresses import Address, checksummed
from dutchbook.platforms.polymarket.keccak import keccak

EXPECTED = "a private key: 64 hexadecimal digits, with or without 0x before them"

_SHAPE = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_RECOVERY = 64
"""Where the byte stands that tells which of two public keys signed."""
_V = 27


class WalletKey(Confidential):
    """The key of an Ethereum account (EOA) and the account's address."""

    __slots__ = ("_key", "address")

    address: Address

    def __init__(self, text: str, field: str = "private_key", source: str = "") -> None:
        """Read the key.

        Args:
            text: 64 hexadecimal digits, with or without `0x`; white space around is ignored.
            field: What an error calls the key.
            source: What an error calls the file that it stands in.

        Raises:
            InvalidSecret: The text is no private key.
        """
        self._key = _read(text, field, source)
        point = self._key.public_key.format(compressed=False)
        self.address = checksummed(keccak(point[1:])[-20:])

    def sign(self, digest: bytes) -> bytes:
        """Sign a digest of 32 bytes.

        Returns:
            65 bytes: r, s, and v, which is 27 or 28; s is the lower of its two values.
        """
        assert len(digest) == 32, "a digest has 32 bytes"  # noqa: PLR2004
        made = self._key.sign_recoverable(digest, hasher=None)
        return made[:_RECOVERY] + bytes((made[_RECOVERY] + _V,))


def _read(text: str, field: str, source: str) -> PrivateKey:
    shaped = _SHAPE.fullmatch(text.strip())
    if shaped is None:
        raise InvalidSecret(field, described(text), EXPECTED, source)
    try:
        return PrivateKey(bytes.fromhex(shaped[1]))
    except ValueError:
        pass
    # Raised outside of any handler: the library's error could carry a piece of the key.
    found = "a number outside of the range of the curve secp256k1"
    raise InvalidSecret(field, found, EXPECTED, source)
