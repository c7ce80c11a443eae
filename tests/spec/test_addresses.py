"""Addresses that a person gives: lower case, or the checksum of EIP-55; else an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent import ethereum
from support.signing import ACCOUNT, KEY

from dutchbook.errors import InvalidInput, InvalidSecret
from dutchbook.platforms.polymarket import chain
from dutchbook.platforms.polymarket.addresses import (
    address,
    address_word,
    checksummed,
    packed,
)

# eips.ethereum.org EIP-55, test cases.
PUBLISHED = (
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


def _by_the_letter(raw: bytes) -> str:
    """Return the checksum by the sentence of EIP-55: upper case where the bit 4i is 1."""
    bits = "".join(f"{byte:08b}" for byte in ethereum.keccak(raw.hex().encode()))
    return "0x" + "".join(
        digit.upper() if bits[4 * place] == "1" else digit
        for place, digit in enumerate(raw.hex())
    )


@pytest.mark.parametrize("text", PUBLISHED)
def test_a_published_address_is_read_in_both_spellings(text: str) -> None:
    assert address(text, "wallet") == text
    assert address(text.lower(), "wallet") == text


@given(st.binary(min_size=20, max_size=20))
def test_the_checksum_is_that_of_the_standard(raw: bytes) -> None:
    known = checksummed(raw)

    assert known == _by_the_letter(raw)
    assert packed(known) == raw
    assert address_word(known) == bytes(12) + raw


@given(st.integers(2, 41))
def test_a_letter_in_the_wrong_case_is_an_error_that_quotes_the_address(place: int) -> None:
    swapped = ACCOUNT[:place] + ACCOUNT[place].swapcase() + ACCOUNT[place + 1 :]

    if swapped == ACCOUNT:
        assert address(swapped, "wallet") == ACCOUNT
        return
    with pytest.raises(InvalidInput, match=f"^it.toml: wallet: '{swapped}' is not an address"):
        address(swapped, "wallet", "it.toml")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (KEY, "a text of 66 characters"),
        (KEY[2:], "a text of 64 characters"),
        ("legal winner thank year wave sausage", "a text of 6 words"),
        ("", "an empty text"),
        ("7", "a single character"),
        (ACCOUNT[2:], "a text of 40 characters"),
        (ACCOUNT.replace("0x", "0X"), "a text of 42 characters"),
        (ACCOUNT[:-1], "a text of 41 characters"),
        (ACCOUNT + "\n", "a text of 43 characters"),
        (ACCOUNT[:-1] + "g", "a text of 42 characters"),
    ],
)
def test_what_may_be_a_key_in_the_wrong_place_is_described_and_not_quoted(
    text: str, found: str
) -> None:
    with pytest.raises(InvalidSecret) as caught:
        address(text, "polymarket.wallet", "it.toml")

    assert str(caught.value) == (
        f"it.toml: polymarket.wallet: {found} is not an address: 0x and 40 hexadecimal"
        " digits, in lower case or with their checksum"
    )


def test_an_address_all_in_upper_case_is_checked_like_any_other() -> None:
    with pytest.raises(InvalidInput, match="right checksum"):
        address("0x" + ACCOUNT[2:].upper(), "wallet")


def test_every_address_that_the_program_knows_has_its_checksum() -> None:
    known = {k: v for k, v in vars(chain).items() if str(v).startswith("0x")}

    assert len(known) == 10
    for name, each in known.items():
        assert address(each, name) == each
    assert len(set(known.values())) == len(known)
