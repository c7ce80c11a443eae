"""Requests to Kalshi are signed as its pages say; a bad key is explained and never quoted."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from dutchbook.errors import InvalidSecret
from dutchbook.platforms.kalshi.signing import KalshiKey

AT_MS = 1_795_420_800_000
ORDERS = "/trade-api/v2/portfolio/orders"
# The seed is the bytes 00 to 1f; signatures made with OpenSSL.
ED25519 = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""
BALANCE = (
    "66cc71Zs8QECjMYyEAwQcCWl77zJJCcHT0A+4m2rnEv2dD8dcnzsqZvUJJciFMqwiNX5tp2SsAdZGtB01Dj6Cg=="
)
CREATE = (
    "mh3eSlCHNy1TmBlMa9i8aPaP6O91bWCBZoohYXRB8Ml9On6ZSzfekfvLe11mpnmueNOJHXaWCu8/3cgv38r+Dg=="
)
STREAM = (
    "34XYTrM5MZZz1KzmR2FtoDnGHIDSZ6jYI9XMmnxoliGlx65F7VWYjwimaKPKaoMmhei8/tANu7zKnHZN/gLXBw=="
)


@cache
def _rsa(bits: int = 2_048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def _pem(key: PrivateKeyTypes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


def _public(key: PrivateKeyTypes) -> bytes:
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form)


def _encrypted() -> bytes:
    locked = BestAvailableEncryption(b"word")
    return _rsa().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def _verify(signature: str, message: str, salt: int = 32) -> None:
    _rsa().public_key().verify(
        base64.b64decode(signature, validate=True),
        message.encode(),
        padding.PSS(padding.MGF1(SHA256()), salt),
        SHA256(),
    )


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/trade-api/v2/portfolio/balance", BALANCE),
        ("POST", "/trade-api/v2/portfolio/events/orders", CREATE),
        ("GET", "/trade-api/ws/v2", STREAM),
    ],
)
def test_an_ed25519_key_signs_as_openssl_does(method: str, path: str, expected: str) -> None:
    headers = KalshiKey("an-id", ED25519).headers(method, path, AT_MS)

    assert headers == {
        "KALSHI-ACCESS-KEY": "an-id",
        "KALSHI-ACCESS-TIMESTAMP": "1795420800000",
        "KALSHI-ACCESS-SIGNATURE": expected,
    }


def test_opening_a_stream_is_signed_like_a_get_of_its_path() -> None:
    headers = KalshiKey("an-id", ED25519).stream_headers(AT_MS)

    assert headers["KALSHI-ACCESS-SIGNATURE"] == STREAM
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == str(AT_MS)


def test_a_query_is_not_signed_and_the_method_is_signed_in_upper_case() -> None:
    key = KalshiKey("an-id", ED25519)

    headers = key.headers("get", "/trade-api/v2/portfolio/balance?subaccount=1?x", AT_MS)

    assert headers["KALSHI-ACCESS-SIGNATURE"] == BALANCE


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_rsa_signature_is_that_of_the_pages_and_no_other(form: PrivateFormat) -> None:
    key = KalshiKey("an-id", _pem(_rsa(), form))
    headers = key.headers("GET", f"{ORDERS}?limit=5&status=resting", AT_MS)
    made = headers["KALSHI-ACCESS-SIGNATURE"]

    _verify(made, f"{AT_MS}GET{ORDERS}")

    for message in (
        f"{AT_MS}GET{ORDERS}?limit=5&status=resting",
        f"{AT_MS}get{ORDERS}",
        f"{AT_MS}POST{ORDERS}",
        f"{AT_MS + 1}GET{ORDERS}",
    ):
        with pytest.raises(InvalidSignature):
            _verify(made, message)
    for salt in (20, 222):
        with pytest.raises(InvalidSignature):
            _verify(made, f"{AT_MS}GET{ORDERS}", salt)


def test_two_rsa_signatures_of_one_request_differ_and_both_are_right() -> None:
    key = KalshiKey("an-id", _pem(_rsa()))

    made = {key.headers("GET", ORDERS, AT_MS)["KALSHI-ACCESS-SIGNATURE"] for _ in range(3)}

    assert len(made) == 3
    for each in made:
        _verify(each, f"{AT_MS}GET{ORDERS}")


@pytest.mark.parametrize("pem", [ED25519.replace(b"\n", b"\r\n"), b"\n\n" + ED25519.strip()])
def test_line_breaks_of_windows_and_white_space_around_are_accepted(pem: bytes) -> None:
    headers = KalshiKey(" an-id\n", pem).stream_headers(AT_MS)

    assert headers["KALSHI-ACCESS-SIGNATURE"] == STREAM
    assert headers["KALSHI-ACCESS-KEY"] == "an-id"


def _openssh(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _der() -> bytes:
    return _rsa().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


BAD: list[tuple[str, Callable[[], bytes]]] = [
    ("an empty file", lambda: b" \n"),
    ("a file of 7 bytes without a PEM", lambda: b"garbage"),
    ("a file of 12", _der),  # in the binary form
    ("a public key", lambda: _public(_rsa())),
    ("an encrypted private key", _encrypted),
    ("an RSA key of 1024 bits", lambda: _pem(_rsa(1_024))),
    (
        "an elliptic-curve key (secp256r1)",
        lambda: _pem(ec.generate_private_key(ec.SECP256R1())),
    ),
    ("a key of the kind X25519", lambda: _pem(x25519.X25519PrivateKey.generate())),
    ("a private key in OpenSSH's format", lambda: _openssh(_rsa())),
    (
        "a private key in OpenSSH's format",
        lambda: _openssh(ed25519.Ed25519PrivateKey.generate()),
    ),
    (
        r"a text with \n spelt out where line breaks should be",
        lambda: _pem(_rsa()).replace(b"\n", b"\\n"),
    ),
    ("a damaged PEM", lambda: _pem(_rsa())[:300] + _pem(_rsa())[400:]),
    ("a damaged PEM", lambda: _pem(_rsa())[:900]),
    ("a certificate", lambda: _pem(_rsa()).replace(b"PRIVATE KEY", b"CERTIFICATE")),
]


@pytest.mark.parametrize(("found", "make"), BAD)
def test_a_bad_key_file_is_described_and_nothing_of_it_is_quoted(
    found: str, make: Callable[[], bytes]
) -> None:
    pem = make()

    with pytest.raises(InvalidSecret) as caught:
        KalshiKey("an-id", pem, "kalshi.private_key", "keys/kalshi.pem")

    text = str(caught.value)
    assert text.startswith(f"keys/kalshi.pem: kalshi.private_key: {found}")
    assert "is not an RSA private key of 2048 bits or more, or an Ed25519 private key" in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    for line in pem.splitlines():
        assert len(line) < 20 or line.decode(errors="replace") not in text


@pytest.mark.parametrize("key_id", ["", " ", "two words", "a\r\nKALSHI-ACCESS-KEY: b", "ключ"])
def test_a_key_id_that_could_break_a_header_is_an_error(key_id: str) -> None:
    with pytest.raises(InvalidSecret, match=r"^key_id: a") as caught:
        KalshiKey(key_id, ED25519)

    assert not key_id.strip() or key_id not in str(caught.value)


@pytest.mark.parametrize("path", ["/portfolio/orders", "https://x.example/trade-api/v2", ""])
def test_a_path_that_does_not_start_at_the_root_is_a_mistake_of_the_caller(path: str) -> None:
    with pytest.raises(AssertionError, match="root of the host"):
        KalshiKey("an-id", ED25519).headers("GET", path, AT_MS)


@pytest.mark.parametrize("at_ms", [AT_MS // 1000, AT_MS * 1000, 0])
def test_a_moment_in_another_unit_is_a_mistake_of_the_caller(at_ms: int) -> None:
    with pytest.raises(AssertionError, match="milliseconds"):
        KalshiKey("an-id", ED25519).headers("GET", ORDERS, at_ms)
