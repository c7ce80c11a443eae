"""Transactions of a plain account are signed by the standard; their hash is known before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import ethereum
from support.signing import ACCOUNT, KEY, raw

from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.addresses import Address, checksummed
from dutchbook.platforms.polymarket.calls import Call
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.transactions import SignedTransaction, sign_transaction

# eips.ethereum.org EIP-155, example.
EXAMPLE = (
    "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
    "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
    "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
)
FIVES = Address("0x" + "35" * 20)


def _sign(call: Call, nonce: int = 9, gas: int = 21_000, **named: int) -> SignedTransaction:
    price = named.get("price", 20 * 10**9)
    return sign_transaction(
        WalletKey(KEY), call, nonce=nonce, gas=gas, gas_price_wei=price, chain_id=137
    )


def _integer(number: int) -> bytes:
    digits = f"{number:x}" if number else ""
    return bytes.fromhex("0" * (len(digits) % 2) + digits)


def _listed(fields: list[bytes]) -> bytes:
    """Encode short and long texts by the yellow paper's cases, for a list of any length."""
    body = b""
    for text in fields:
        if len(text) == 1 and text[0] <= 127:
            body += text
        elif len(text) < 56:
            body += bytes((128 + len(text),)) + text
        else:
            size = _integer(len(text))
            body += bytes((183 + len(size),)) + size + text
    if len(body) < 56:
        return bytes((192 + len(body),)) + body
    size = _integer(len(body))
    return bytes((247 + len(size),)) + size + body


def test_the_example_of_the_standard_is_signed_byte_for_byte() -> None:
    signed = sign_transaction(
        WalletKey("46" * 32),
        Call(FIVES, b"", 10**18),
        nonce=9,
        gas=21_000,
        gas_price_wei=20 * 10**9,
        chain_id=1,
    )

    assert signed.raw == EXAMPLE
    assert signed.hash == "0x" + ethereum.keccak(raw(EXAMPLE)).hex()


@settings(max_examples=25)
@given(
    st.binary(min_size=20, max_size=20).map(checksummed),
    st.binary(max_size=400),
    st.tuples(*[st.integers(0, 2**64)] * 4),
)
def test_a_transaction_is_read_back_and_recovered_by_the_second_reader(
    to: Address, data: bytes, numbers: tuple[int, ...]
) -> None:
    nonce, price, gas, value = numbers
    signed = _sign(Call(to, data, value), nonce, gas, price=price)

    *fields, v, r, s = ethereum.fields_of(raw(signed.raw))
    assert fields == [*map(_integer, (nonce, price, gas)), raw(to), _integer(value), data]
    hashed = ethereum.keccak(_listed([*fields, _integer(137), b"", b""]))
    parity = int.from_bytes(v, "big") - 35 - 2 * 137
    made = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes((27 + parity,))
    assert ethereum.signer_of(hashed, made) == ACCOUNT.lower()
    assert signed.raw == "0x" + _listed([*fields, v, r, s]).hex()
    assert signed.hash == "0x" + ethereum.keccak(raw(signed.raw)).hex()


def test_a_number_of_a_signature_that_begins_with_zeros_loses_them() -> None:
    lengths = {
        len(field)
        for nonce in range(300)
        for field in ethereum.fields_of(raw(_sign(Call(FIVES, b""), nonce).raw))[-2:]
    }

    assert lengths >= {31, 32}


def test_polygon_is_the_chain_unless_another_is_named() -> None:
    call = Call(FIVES, b"")
    named = sign_transaction(WalletKey(KEY), call, nonce=9, gas=21_000, gas_price_wei=1)

    assert named == _sign(call, price=1)


@pytest.mark.parametrize("field", ["nonce", "gas", "gas_price_wei"])
def test_a_number_out_of_range_is_named(field: str) -> None:
    numbers = {"nonce": 0, "gas": 0, "gas_price_wei": 0, field: -1}

    with pytest.raises(InvalidInput, match=rf"^{field}: -1 is not "):
        sign_transaction(WalletKey(KEY), Call(FIVES, b""), **numbers)
