"""Kalshi's signatures: RSA-PSS or Ed25519 over the moment, the method and the path.

Sources: docs.kalshi.com pages api_keys and api_environments as of 2026-10, the OpenAPI 3.34.0
and the official SDK from version 3.31, which signs with either kind of key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dutchbook.errors import InvalidSecret
from dutchbook.platforms.confidential import Confidential, header_value

API = "/trade-api/"
"""Every signed path begins with it: a path is signed from the root of the host."""
STREAM = "/trade-api/ws/v2"
SALT_BYTES = 32
"""As long as the digest; Kalshi rejects signatures with any other salt."""
LEAST_BITS = 2_048
LEAST_MS, MOST_MS = 10**12, 10**13
"""From 2001 to 2286: a moment given in seconds or microseconds lies outside."""
EXPECTED = (
    "an RSA private key of 2048 bits or more, or an Ed25519 private key, as an unencrypted PEM"
    " (PKCS#1 or PKCS#8), as Kalshi gives it when an API key is created"
)

_MARKS = (
    (b"ENCRYPTED", "an encrypted private key"),
    (b"-----BEGIN OPENSSH", "a private key in OpenSSH's format"),
    (b"PUBLIC KEY-----", "a public key"),
    (b"-----BEGIN CERTIFICATE", "a certificate"),
    (b"\\n", r"a text with \n spelt out where line breaks should be"),
    (b"-----BEGIN", "a damaged PEM"),
)
"""What a file that cannot be read contains, and what it is, the first that fits."""


class KalshiKey(Confidential):
    """An API key of Kalshi: its id, and the private key that signs for it."""

    __slots__ = ("_sign", "key_id")

    def __init__(self, key_id: str, pem: bytes, field: str = "key", source: str = "") -> None:
        """Read the private key.

        Args:
            key_id: The id that Kalshi shows for the key.
            pem: Content of the file of the private key.
            field: What an error calls the private key.
            source: What an error calls the file.

        Raises:
            InvalidSecret: The PEM is no key that Kalshi accepts, or the id is not printable.
        """
        self.key_id = header_value(key_id, "key_id", source)
        self._sign = _signer(pem, field, source)

    def headers(self, method: str, path: str, at_ms: int) -> dict[str, str]:
        """Sign a request.

        Args:
            method: The HTTP method; signed in upper case.
            path: From the root of the host, as sent, with `/trade-api/v2`; a query is not
                signed, nor is a body.
            at_ms: Unix milliseconds; Kalshi rejects what is half a minute off.

        Returns:
            The three headers of a signed request.
        """
        assert path.startswith(API), "the path is that from the root of the host"
        assert LEAST_MS <= at_ms < MOST_MS, "the moment is in milliseconds"
        stamp = str(at_ms)
        message = f"{stamp}{method.upper()}{path.partition('?')[0]}".encode()
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(self._sign(message)).decode(),
        }

    def stream_headers(self, at_ms: int) -> dict[str, str]:
        """Sign the request that opens a WebSocket; `at_ms` as in `headers`."""
        return self.headers("GET", STREAM, at_ms)


def _signer(pem: bytes, field: str, source: str) -> Callable[[bytes], bytes]:
    """Return what signs a message with the private key of a PEM."""
    key = _parsed(pem)
    if isinstance(key, Ed25519PrivateKey):
        return key.sign
    if isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_BITS:
        digest = SHA256()
        return partial(key.sign, padding=PSS(MGF1(digest), SALT_BYTES), algorithm=digest)
    # Raised outside of any handler: the library's error could carry a piece of the key.
    raise InvalidSecret(field, _found(pem, key), EXPECTED, source)


def _parsed(pem: bytes) -> PrivateKeyTypes | None:
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _found(pem: bytes, key: PrivateKeyTypes | None) -> str:
    """Describe what is no usable key, without quoting it."""
    match key:
        case RSAPrivateKey():
            return f"an RSA key of {key.key_size} bits"
        case EllipticCurvePrivateKey():
            return f"an elliptic-curve key ({key.curve.name})"
        case None if not pem.strip():
            return "an empty file"
        case None:
            marks = (words for mark, words in _MARKS if mark in pem)
            return next(marks, f"a file of {len(pem)} bytes without a PEM")
        case _:
            return f"a key of the kind {type(key).__name__.removesuffix('PrivateKey')}"
