"""Who asks is proven as Polymarket's clients prove it: L1, L2, builder and relayer headers."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent import ethereum
from support.signing import ACCOUNT, HMAC_KEY, KEY, raw

from dutchbook.errors import InvalidInput, InvalidSecret
from dutchbook.platforms.polymarket.authentication import (
    ApiCredentials,
    RelayerKey,
    l1_headers,
)
from dutchbook.platforms.polymarket.private_key import WalletKey

AT_S = 1_779_868_800
API_KEY = "00000000-0000-0000-0000-000000000001"
URL_SAFE = "_-7dzLuqmYh3ZlVEMyIRAP_u3cy7qpmId2ZVRDMiEQA="


def _credentials(secret: str = HMAC_KEY) -> ApiCredentials:
    return ApiCredentials(API_KEY, secret, "c0ffee")


def _code(message: bytes, secret: str = HMAC_KEY) -> str:
    code = hmac.new(base64.urlsafe_b64decode(secret), message, hashlib.sha256)
    return base64.urlsafe_b64encode(code.digest()).decode()


# L1 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain_id", "signature"),
    [
        (
            137,
            (
                "0x96788a52150c5d620b4c547a07834955e1d82879930c69ca6609d00f5d68bea7"
                "268cfdab8ae43c7009d50ddfa4015c5770b14707a528fe6931e0dda0b1a7b58b1b"
            ),
        ),
        (
            80_002,
            (
                "0x26d6684988d3bee452789bcf86c7c9f36934bd585fe10bed551691791d22493c"
                "63cbbbf4c01e361514ed2b6ac8ec3fbdb9e7e627147ef885a29696c384e0f5821c"
            ),
        ),
    ],
)
def test_a_wallet_proves_itself_as_with_the_official_client(
    chain_id: int, signature: str
) -> None:
    # Made with py-clob-client-v2 1.2.1.
    assert l1_headers(WalletKey(KEY), AT_S, chain_id=chain_id) == {
        "POLY_ADDRESS": ACCOUNT,
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": str(AT_S),
        "POLY_NONCE": "0",
    }


@pytest.mark.parametrize(
    ("at_s", "nonce"), [(AT_S, 0), (AT_S + 1, 7), (10**10 - 1, 2**256 - 1)]
)
def test_the_claim_of_a_wallet_is_what_the_second_reader_computes(
    at_s: int, nonce: int
) -> None:
    headers = l1_headers(WalletKey(KEY), at_s, nonce)

    digest = ethereum.typed_hash(
        {"name": "ClobAuthDomain", "version": "1", "chainId": 137},
        "ClobAuth(address address,string timestamp,uint256 nonce,string message)",
        "ClobAuth",
        {
            "address": ACCOUNT,
            "timestamp": str(at_s),
            "nonce": nonce,
            "message": "This message attests that I control the given wallet",
        },
    )
    assert ethereum.signer_of(digest, raw(headers["POLY_SIGNATURE"])) == ACCOUNT.lower()
    assert (headers["POLY_TIMESTAMP"], headers["POLY_NONCE"]) == (str(at_s), str(nonce))


@pytest.mark.parametrize("nonce", [-1, 2**256])
def test_a_nonce_out_of_range_is_named(nonce: int) -> None:
    with pytest.raises(InvalidInput, match=r"^nonce: "):
        l1_headers(WalletKey(KEY), AT_S, nonce)


# L2 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "method", "path", "after", "body", "signature"),
    [
        (
            HMAC_KEY,
            "GET",
            "/data/orders",
            0,
            b"",
            "4lTDUzf4AMgRPEy_bCGVeE-Z7qjtl_kHwF3rfp1DAoM=",
        ),
        (
            HMAC_KEY,
            "POST",
            "/v1/heartbeats",
            5,
            b'{"heartbeat_id":""}',
            "NhL5Y0UvCMMkAgxjH7plUlhCJ2mYnHumaQ7XcXOj-_Q=",
        ),
        (
            URL_SAFE,
            "DELETE",
            "/order",
            2,
            b'{"orderID":"0xabc"}',
            "obEp-DB_NXSuBgzHwUdxbZCq0GJ54vFtswinJW-a_8A=",
        ),
    ],
)
def test_a_request_is_signed_as_with_the_official_client(
    secret: str, method: str, path: str, after: int, body: bytes, signature: str
) -> None:
    # Made with py-clob-client-v2 1.2.1.
    headers = _credentials(secret).l2_headers(ACCOUNT, method, path, AT_S + after, body)

    assert headers == {
        "POLY_ADDRESS": ACCOUNT,
        "POLY_API_KEY": API_KEY,
        "POLY_PASSPHRASE": "c0ffee",
        "POLY_TIMESTAMP": str(AT_S + after),
        "POLY_SIGNATURE": signature,
    }


@given(st.binary(max_size=300))
def test_the_very_bytes_of_the_body_are_signed(body: bytes) -> None:
    headers = _credentials().l2_headers(ACCOUNT, "POST", "/order", AT_S, body)

    assert headers["POLY_SIGNATURE"] == _code(f"{AT_S}POST/order".encode() + body)


def test_a_query_is_not_signed_and_the_method_is_signed_in_upper_case() -> None:
    signed = _credentials().l2_headers(ACCOUNT, "get", "/data/orders?id=0x1&next=M?=", AT_S)

    assert signed == _credentials().l2_headers(ACCOUNT, "GET", "/data/orders", AT_S)


@given(st.binary(min_size=1, max_size=64))
def test_a_secret_is_read_with_and_without_its_padding(secret: bytes) -> None:
    text = base64.urlsafe_b64encode(secret).decode()
    expected = _code(f"{AT_S}GET/x".encode(), text)

    for given_as in (text, text.rstrip("="), f"  {text}\n"):
        signed = _credentials(given_as).l2_headers(ACCOUNT, "GET", "/x", AT_S)
        assert signed["POLY_SIGNATURE"] == expected


@pytest.mark.parametrize("secret", ["", "  ", "=", "A", "AAEC AwQF", "AAEC!wQF", "ключ"])
def test_a_secret_that_is_not_base64_is_described_and_not_quoted(secret: str) -> None:
    with pytest.raises(InvalidSecret, match=r"^a.env: secret: an? .* is not the secret") as bad:
        ApiCredentials(API_KEY, secret, "c0ffee", "a.env")

    assert len(secret) < 4 or secret not in str(bad.value)
    assert bad.value.__context__ is None


@pytest.mark.parametrize("field", ["api_key", "passphrase"])
@pytest.mark.parametrize("text", ["", "two words", "a\r\nb", "ключ"])
def test_a_part_that_could_break_a_header_is_described_and_not_quoted(
    field: str, text: str
) -> None:
    parts = {"api_key": API_KEY, "secret": HMAC_KEY, "passphrase": "c0ffee", field: text}

    with pytest.raises(InvalidSecret, match=rf"^{field}: .* is not printable") as bad:
        ApiCredentials(**parts)

    assert not text or text not in str(bad.value)


@pytest.mark.parametrize("at_s", [AT_S * 1000, 0])
def test_a_moment_in_another_unit_is_a_mistake_of_the_caller(at_s: int) -> None:
    with pytest.raises(AssertionError, match="seconds"):
        _credentials().l2_headers(ACCOUNT, "GET", "/x", at_s)
    with pytest.raises(AssertionError, match="seconds"):
        _credentials().builder_headers("GET", "/x", at_s)
    with pytest.raises(AssertionError, match="seconds"):
        l1_headers(WalletKey(KEY), at_s)


def test_a_path_with_its_host_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="root of the host"):
        _credentials().l2_headers(ACCOUNT, "GET", "https://clob.polymarket.com/x", AT_S)


# The relayer ---------------------------------------------------------------------------------


def test_a_builder_is_proven_by_the_same_code_under_other_names() -> None:
    # Made with polymarket-client 0.14.0.
    assert _credentials().builder_headers("post", "/submit", AT_S, b'{"a":1}') == {
        "POLY_BUILDER_API_KEY": API_KEY,
        "POLY_BUILDER_PASSPHRASE": "c0ffee",
        "POLY_BUILDER_TIMESTAMP": str(AT_S),
        "POLY_BUILDER_SIGNATURE": "4Gvs-hzV0exLUS1nh1V2qVIPkzIxmVzLFZT9wNsHuvA=",
    }


def test_a_relayer_key_is_sent_as_it_is_with_its_address() -> None:
    assert RelayerKey(" a-key\n", ACCOUNT).headers() == {
        "RELAYER_API_KEY": "a-key",
        "RELAYER_API_KEY_ADDRESS": ACCOUNT,
    }


def test_a_relayer_key_that_could_break_a_header_is_an_error() -> None:
    with pytest.raises(InvalidSecret, match=r"^a.env: relayer_key: a text of 2 words is not"):
        RelayerKey("a b", ACCOUNT, "a.env")
