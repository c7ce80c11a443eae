"""Headers that prove who asks: L1 of a wallet, L2 and builder of an API key, relayer key.

Sources: py-clob-client-v2 1.2.1, polymarket-client 0.14.0 and docs.polymarket.com page
wallets-auth, copy of 2026-09.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import suppress

from dutchbook.errors import InvalidSecret
from dutchbook.platforms.confidential import Confidential, described, header_value
from dutchbook.platforms.polymarket.addresses import Address, address_word
from dutchbook.platforms.polymarket.chain import POLYGON
from dutchbook.platforms.polymarket.eip712 import (
    struct_hash,
    text_hash,
    typed_digest,
    uint,
    uint_word,
)
from dutchbook.platforms.polymarket.private_key import WalletKey

LEAST_S, MOST_S = 10**9, 10**10
"""From 2001 to 2286: a moment given in milliseconds lies outside."""
EXPECTED = (
    "the secret of an API key: base64 with the characters - and _, as Polymarket gives it"
)

_AUTH_HASH = text_hash(
    "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
)
_AUTH_DOMAIN = text_hash("EIP712Domain(string name,string version,uint256 chainId)")
_MESSAGE_HASH = text_hash("This message attests that I control the given wallet")


def l1_headers(
    key: WalletKey, at_s: int, nonce: int = 0, chain_id: int = POLYGON
) -> dict[str, str]:
    """Sign the request that creates or derives an API key.

    Args:
        key: The account that the API key will belong to.
        at_s: Unix seconds.
        nonce: Tells several API keys of one account apart.
        chain_id: Polygon, unless it is a test chain.

    Raises:
        InvalidInput: The nonce does not fit in 256 bits.
    """
    stamp = _stamp(at_s)
    domain = struct_hash(
        _AUTH_DOMAIN, text_hash("ClobAuthDomain"), text_hash("1"), uint_word(chain_id)
    )
    claim = struct_hash(
        _AUTH_HASH,
        address_word(key.address),
        text_hash(stamp),
        uint_word(uint(nonce, "nonce")),
        _MESSAGE_HASH,
    )
    return {
        "POLY_ADDRESS": key.address,
        "POLY_SIGNATURE": "0x" + key.sign(typed_digest(domain, claim)).hex(),
        "POLY_TIMESTAMP": stamp,
        "POLY_NONCE": str(nonce),
    }


class ApiCredentials(Confidential):
    """An API key of Polymarket with its secret and passphrase, of an account or a builder.

    The key itself is no secret: every order carries it as its `owner`.
    """

    __slots__ = ("_passphrase", "_secret", "api_key")

    def __init__(self, api_key: str, secret: str, passphrase: str, source: str = "") -> None:
        """Check the three parts.

        Raises:
            InvalidSecret: One is not printable, or the secret is not base64.
        """
        self.api_key = header_value(api_key, "api_key", source)
        self._secret = _decoded(secret.strip(), source)
        self._passphrase = header_value(passphrase, "passphrase", source)

    def l2_headers(
        self, address: Address, method: str, path: str, at_s: int, body: bytes = b""
    ) -> dict[str, str]:
        """Sign a private request to the order book.

        Args:
            address: The account (EOA) that the API key belongs to.
            method: The HTTP method; signed in upper case.
            path: Without the host; a query is not signed.
            at_s: Unix seconds.
            body: The very bytes that are sent.
        """
        stamp = _stamp(at_s)
        return {
            "POLY_ADDRESS": address,
            "POLY_API_KEY": self.api_key,
            "POLY_PASSPHRASE": self._passphrase,
            "POLY_TIMESTAMP": stamp,
            "POLY_SIGNATURE": self._code(stamp, method, path, body),
        }

    def builder_headers(
        self, method: str, path: str, at_s: int, body: bytes = b""
    ) -> dict[str, str]:
        """Sign a request to the relayer with a builder's key; arguments as in `l2_headers`."""
        stamp = _stamp(at_s)
        return {
            "POLY_BUILDER_API_KEY": self.api_key,
            "POLY_BUILDER_PASSPHRASE": self._passphrase,
            "POLY_BUILDER_TIMESTAMP": stamp,
            "POLY_BUILDER_SIGNATURE": self._code(stamp, method, path, body),
        }

    def _code(self, stamp: str, method: str, path: str, body: bytes) -> str:
        """Return the HMAC of a request in base64, with its padding."""
        assert path.startswith("/"), "the path is that from the root of the host"
        message = f"{stamp}{method.upper()}{path.partition('?')[0]}".encode() + body
        code = hmac.digest(self._secret, message, hashlib.sha256)
        return base64.urlsafe_b64encode(code).decode()


class RelayerKey(Confidential):
    """A key of the relayer: two headers that are the same for every request."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: str, address: Address, source: str = "") -> None:
        """Check the key.

        Raises:
            InvalidSecret: It is not printable.
        """
        self._key = header_value(key, "relayer_key", source)
        self._address = address

    def headers(self) -> dict[str, str]:
        """Return the two headers."""
        return {"RELAYER_API_KEY": self._key, "RELAYER_API_KEY_ADDRESS": self._address}


def _stamp(at_s: int) -> str:
    assert LEAST_S <= at_s < MOST_S, "the moment is in seconds"
    return str(at_s)


def _decoded(secret: str, source: str) -> bytes:
    """Decode a secret; padding that it lacks is added, other characters are an error."""
    missing = "=" * (-len(secret) % 4)
    raw = b""
    with suppress(ValueError):
        raw = base64.b64decode(secret + missing, altchars=b"-_", validate=True)
    if not raw:
        raise InvalidSecret("secret", described(secret), EXPECTED, source)
    return raw
