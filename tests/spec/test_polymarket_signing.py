"""Orders are signed as Polymarket's clients sign them; a second reader of EIP-712 agrees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import ethereum
from support.signing import ACCOUNT, KEY, TOKEN, WALLET, raw, signer, terms

from dutchbook.domain.execution.order import TimeInForce
from dutchbook.domain.market.contract import Side
from dutchbook.errors import InvalidInput, InvalidSecret
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.signing import (
    NEG_RISK,
    STANDARD,
    V3,
    Exchange,
    OrderSigner,
    OrderTerms,
    SignatureType,
    exchange_of,
    is_protocol_v2,
)

ORDER = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder)"
)
NESTED = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    "address verifyingContract,bytes32 salt)"
)
EXCHANGES = (STANDARD, NEG_RISK, V3)
VERSIONS = {STANDARD: "2", NEG_RISK: "2", V3: "3"}
OWNER = "00000000-0000-0000-0000-000000000001"

# Made with py-clob-client-v2 1.2.1 and equal to what polymarket-client 0.14.0 makes.
WORKED_ID = "0xa963e97595099990d3cf495d929b0a646d9e3eee2fdd3ef81ace7aafb74a8f0f"
WORKED_SIGNATURE = (
    "0x77bf7648bc3b916861d94662defc0faa081ba4a0c5881a2e5c5c56fbf8424210"
    "3112cb20fd65482218e807014d606b9aa63e113d10c93b7f7c9cb72affbd29981b"
)
NESTED_ID = "0x2a1f720d573b569b09a1557a1934352876288c5887b7f39eb995be2c15cc6571"
NESTED_SIGNATURE = (
    "0x8b50824c48e1b52ed12249dcba6f331f540bfc1ffea406ac47e25d93002e2384"
    "0917814a90ef0ed6b7863c3a2b5ac5507f7535b13dafd8437b53a67108b0ca781c"
    "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2"
    "7b4bfc858d15a3be9d070969789634b2470d756f49e3cd8e0e9a54efb1e04a82"
)
V3_ID = "0x228be50c863cee5057a29bcbb1c9ed7a42088a11418dcdf1bb5950f973e4e915"
V3_SIGNATURE = (
    "0x0e18e191b8d51264d1afe0ef9effccd83f3992abdd8f32cbb7298445ebc23c7e"
    "1e3138676f0abd6a5554e1ce6a796035e905d3c392cb5563fde42559e19bd0541c"
)


def _domain(exchange: Exchange) -> dict[str, Any]:
    return {
        "name": "Polymarket CTF Exchange",
        "version": VERSIONS[exchange],
        "chainId": 137,
        "verifyingContract": exchange.address,
    }


def _fields(order: OrderTerms, kind: SignatureType) -> dict[str, Any]:
    plain = kind is SignatureType.EOA
    return {
        "salt": order.salt,
        "maker": ACCOUNT if plain else WALLET,
        "signer": WALLET if kind is SignatureType.DEPOSIT_WALLET else ACCOUNT,
        "tokenId": order.token_id,
        "makerAmount": order.maker_amount,
        "takerAmount": order.taker_amount,
        "side": 0 if order.side is Side.BUY else 1,
        "signatureType": kind.value,
        "timestamp": order.timestamp_ms,
        "metadata": order.metadata.hex(),
        "builder": order.builder.hex(),
    }


def _nested(order: OrderTerms) -> dict[str, Any]:
    return {
        "contents": _fields(order, SignatureType.DEPOSIT_WALLET),
        "name": "DepositWallet",
        "version": "1",
        "chainId": 137,
        "verifyingContract": WALLET,
        "salt": "00" * 32,
    }


UINT = st.integers(1, 2**256 - 1)
WORDS = st.binary(min_size=32, max_size=32)
TERMS = st.builds(
    OrderTerms,
    salt=st.integers(0, 2**53 - 1),
    token_id=st.integers(0, 2**256 - 1),
    maker_amount=UINT,
    taker_amount=UINT,
    side=st.sampled_from(Side),
    timestamp_ms=st.integers(10**12, 10**13 - 1),
    metadata=WORDS,
    builder=WORDS,
)

# What the official clients make --------------------------------------------------------------


def test_the_worked_order_has_the_id_the_signature_and_the_body_of_the_official_client() -> (
    None
):
    signed = signer().sign(terms(), STANDARD)

    assert signed.order_id == WORKED_ID
    assert signed.signature == WORKED_SIGNATURE
    assert signed.body(OWNER, TimeInForce.GTC).decode() == (
        f'{{"order":{{"salt":479249096354,"maker":"{ACCOUNT}","signer":"{ACCOUNT}",'
        f'"tokenId":"{TOKEN}","makerAmount":"5000000","takerAmount":"10000000",'
        '"side":"BUY","expiration":"0","signatureType":0,"timestamp":"1779868800000",'
        f'"metadata":"0x{"0" * 64}","builder":"0x{"0" * 64}",'
        f'"signature":"{WORKED_SIGNATURE}"}},"owner":"{OWNER}","orderType":"GTC",'
        '"deferExec":false,"postOnly":false}'
    )


def test_a_deposit_wallet_is_signed_for_as_the_official_client_does() -> None:
    signed = signer(SignatureType.DEPOSIT_WALLET).sign(terms(), STANDARD)

    assert signed.order_id == NESTED_ID
    assert signed.signature == NESTED_SIGNATURE + ORDER.encode().hex() + "00ba"
    assert (signed.maker, signed.signer) == (WALLET, WALLET)


def test_an_asset_of_protocol_v2_is_signed_for_the_third_exchange() -> None:
    exchange = exchange_of(456, neg_risk=False)
    signed = signer().sign(terms(token_id=456), exchange)

    assert exchange.address == "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
    assert signed.order_id == V3_ID
    assert signed.signature == V3_SIGNATURE


# The second reader ---------------------------------------------------------------------------


@pytest.mark.parametrize("exchange", EXCHANGES, ids=["standard", "neg-risk", "v3"])
def test_a_domain_is_that_of_the_second_reader(exchange: Exchange) -> None:
    assert exchange.separator == ethereum.domain_hash(_domain(exchange))


@given(TERMS, st.sampled_from(SignatureType), st.sampled_from(EXCHANGES))
def test_an_id_is_the_digest_that_the_second_reader_computes(
    order: OrderTerms, kind: SignatureType, exchange: Exchange
) -> None:
    signed = signer(kind).sign(order, exchange)

    digest = ethereum.typed_hash(_domain(exchange), ORDER, "Order", _fields(order, kind))
    assert signed.order_id == "0x" + digest.hex()


@pytest.mark.parametrize("kind", list(SignatureType))
@pytest.mark.parametrize("exchange", EXCHANGES, ids=["standard", "neg-risk", "v3"])
@pytest.mark.parametrize("salt", [0, 1, 2**53 - 1])
def test_the_signature_is_of_the_key_over_what_the_wallet_checks(
    kind: SignatureType, exchange: Exchange, salt: int
) -> None:
    order = terms(salt=salt, side=Side.SELL, builder=b"\xab" * 32)
    signed = signer(kind).sign(order, exchange)

    made, checked = raw(signed.signature), raw(signed.order_id)
    if kind is SignatureType.DEPOSIT_WALLET:
        text = NESTED + ORDER
        checked = ethereum.typed_hash(_domain(exchange), text, "TypedDataSign", _nested(order))
        contents = ethereum.hash_struct("Order", _fields(order, kind), ethereum.types_of(ORDER))
        tail = exchange.separator + contents + ORDER.encode() + bytes((0, len(ORDER)))
        assert made[65:] == tail
    else:
        assert len(made) == 65
    assert ethereum.signer_of(checked, made[:65]) == ACCOUNT.lower()


CHANGES: dict[str, Any] = {
    "salt": 479249096355,
    "token_id": TOKEN + 1,
    "maker_amount": 5_000_001,
    "taker_amount": 9_999_999,
    "side": Side.SELL,
    "timestamp_ms": 1779868800001,
    "metadata": bytes(31) + b"\1",
    "builder": b"\1" + bytes(31),
}


@pytest.mark.parametrize("kind", list(SignatureType))
def test_changing_any_field_changes_the_id_and_the_signature(kind: SignatureType) -> None:
    signs = signer(kind)
    orders = [terms(), *(terms(**{name: new}) for name, new in CHANGES.items())]

    signed = [signs.sign(order, STANDARD) for order in orders]
    signed += [signs.sign(terms(), other) for other in (NEG_RISK, V3)]

    assert CHANGES.keys() == set(OrderTerms.__slots__)
    assert len({each.order_id for each in signed}) == len(CHANGES) + 3
    assert len({each.signature[:132] for each in signed}) == len(CHANGES) + 3


def test_the_kind_of_wallet_and_the_wallet_are_part_of_the_id() -> None:
    other = OrderSigner(WalletKey("0x" + "1" * 64), SignatureType.SAFE, WALLET)
    third = OrderSigner(WalletKey(KEY), SignatureType.SAFE, V3.address)
    signers = [signer(kind) for kind in SignatureType]

    ids = {each.sign(terms(), STANDARD).order_id for each in (*signers, other, third)}

    assert len(ids) == 6


@given(TERMS)
def test_an_order_that_is_signed_again_is_the_same_order(order: OrderTerms) -> None:
    assert signer().sign(order, NEG_RISK) == signer().sign(order, NEG_RISK)


# The body ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_in_force", "word"),
    [
        (TimeInForce.FOK, "FOK"),
        (TimeInForce.IOC, "FAK"),
        (TimeInForce.GTC, "GTC"),
        (TimeInForce.GTD, "GTD"),
    ],
)
def test_a_time_in_force_has_polymarkets_word(time_in_force: TimeInForce, word: str) -> None:
    body = signer().sign(terms(), STANDARD).body(OWNER, time_in_force)

    assert f'"orderType":"{word}"'.encode() in body


def test_what_is_not_signed_stands_in_the_body_alone() -> None:
    signed = signer().sign(terms(side=Side.SELL), STANDARD)
    body = signed.body(
        OWNER, TimeInForce.GTD, expires_at_s=1_800_000_600, post_only=True, defer=True
    )

    assert b'"side":"SELL","expiration":"1800000600"' in body
    assert b'"orderType":"GTD","deferExec":true,"postOnly":true}' in body


# Which exchange ------------------------------------------------------------------------------


@given(st.integers(0, 2**256 - 1))
def test_an_asset_is_of_protocol_v2_if_the_64_bits_above_the_lowest_40_are_zero(
    token: int,
) -> None:
    bits = f"{token:0256b}"

    assert is_protocol_v2(token) == (bits[-104:-40] == "0" * 64)
    cleared = int(bits[:-104] + "0" * 64 + bits[-40:], 2)
    assert is_protocol_v2(cleared)
    for place in (40, 103):
        assert not is_protocol_v2(cleared | 1 << place)


@pytest.mark.parametrize(
    ("token", "neg_risk", "exchange"),
    [
        (TOKEN, False, STANDARD),
        (TOKEN, True, NEG_RISK),
        (456, False, V3),
        (1 << 248 | 1, True, V3),
    ],
)
def test_an_asset_is_routed_by_its_id_before_the_flag_of_its_market(
    token: int, neg_risk: bool, exchange: Exchange
) -> None:
    assert exchange_of(token, neg_risk=neg_risk) is exchange


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("salt", -1),
        ("salt", 2**53),
        ("token_id", -1),
        ("token_id", 2**256),
        ("maker_amount", 0),
        ("taker_amount", 0),
        ("taker_amount", 2**256),
        ("timestamp_ms", 1779868800),
        ("timestamp_ms", 1779868800_000_000),
        ("metadata", b""),
        ("builder", bytes(33)),
    ],
)
def test_a_field_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=rf"^{field}: .* is not "):
        terms(**{field: value})


@pytest.mark.parametrize("kind", list(SignatureType))
def test_a_wallet_that_does_not_fit_its_kind_is_an_error(kind: SignatureType) -> None:
    wrong = WALLET if kind is SignatureType.EOA else ACCOUNT

    with pytest.raises(InvalidInput, match=rf"^wallet: '{wrong}' is not .*{kind.name}"):
        OrderSigner(WalletKey(KEY), kind, wrong)


# The key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY, KEY[2:], f" {KEY.upper().replace('0X', '0x')}\n"])
def test_a_private_key_is_read_with_and_without_its_prefix(text: str) -> None:
    assert WalletKey(text).address == ACCOUNT


@settings(max_examples=25)
@given(st.integers(1, ethereum.N - 1), st.binary(min_size=32, max_size=32))
def test_a_key_has_the_address_that_the_second_reader_computes(key: int, digest: bytes) -> None:
    ours = WalletKey(f"{key:064x}")

    assert ours.address.lower() == ethereum.account_of(f"{key:x}")
    assert ethereum.signer_of(digest, ours.sign(digest)) == ours.address.lower()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty text"),
        ("word " * 12, "a text of 12 words"),
        (KEY[:-1], "a text of 65 characters"),
        (KEY + "0", "a text of 67 characters"),
        (KEY[:-1] + "g", "a text of 66 characters"),
        ("0" * 64, "a number outside of the range of the curve secp256k1"),
        (f"{ethereum.N:064x}", "a number outside of the range of the curve secp256k1"),
    ],
)
def test_a_bad_private_key_is_described_and_not_quoted(text: str, found: str) -> None:
    with pytest.raises(InvalidSecret) as caught:
        WalletKey(text, "polymarket.private_key", "it.env")

    assert str(caught.value) == (
        f"it.env: polymarket.private_key: {found} is not a private key: 64 hexadecimal digits,"
        " with or without 0x before them"
    )
    assert caught.value.__context__ is None


def test_only_a_digest_is_signed() -> None:
    with pytest.raises(AssertionError, match="32 bytes"):
        WalletKey(KEY).sign(b"\x19\x01")
