"""Every vector of the official clients is made byte for byte: signatures, bodies, amounts.

Skipped where the files of vectors are not at hand; some vectors of every kind are typed into
the other specifications of signing, which always run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from independent import ethereum
from support.signing import ORDERS, RELAYER, needs, raw, signed_vector, vectors

from dutchbook.domain.market.contract import Side
from dutchbook.domain.market.fees import polymarket_terms
from dutchbook.domain.values.units import Price, Quantity
from dutchbook.platforms.polymarket.addresses import address
from dutchbook.platforms.polymarket.authentication import ApiCredentials, l1_headers
from dutchbook.platforms.polymarket.book_hash import book_hash
from dutchbook.platforms.polymarket.calls import Call, merge_call, redeem_call, split_call
from dutchbook.platforms.polymarket.eip712 import text_hash
from dutchbook.platforms.polymarket.order_amounts import limit_amounts, market_amounts
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.relayer_signing import (
    SignedRequest,
    sign_batch,
    sign_proxy,
    sign_safe,
)
from dutchbook.platforms.polymarket.signing import ORDER

Check = Callable[[Any], None]

# Orders --------------------------------------------------------------------------------------


def _order(vector: Mapping[str, Any]) -> None:
    order = vector["order"]
    signed, exchange, body = signed_vector(vector)
    fields = {k: v for k, v in order.items() if k != "expiration_wire_only"}

    assert vector["chain_id"] == 137
    assert (signed.maker, signed.signer) == (order["maker"], order["signer"])
    assert exchange.address == vector["verifying_contract"]
    assert exchange.separator == raw(vector["domain_separator"])
    assert signed.order_id == vector["order_hash"]
    assert signed.signature == vector["signature"]
    assert body.decode() == vector["wire_body_compact"]
    hashed = ethereum.hash_struct("Order", fields, ethereum.types_of(ORDER))
    assert hashed == raw(vector["struct_hash"])


def _l2(vector: Mapping[str, Any]) -> None:
    credentials = ApiCredentials("key", vector["secret"], "words")
    method, path, body = vector["method"], vector["path"], vector["body"] or ""

    assert f"{vector['timestamp']}{method}{path}{body}" == vector["string_to_sign"]
    headers = credentials.l2_headers(
        address("0x" + "1" * 40, "address"),
        method,
        path,
        int(vector["timestamp"]),
        body.encode(),
    )

    assert headers["POLY_SIGNATURE"] == vector["POLY_SIGNATURE"]


def _l1(vector: Mapping[str, Any]) -> None:
    key, expected = WalletKey(vector["private_key"]), vector["headers"]
    at, nonce = int(expected["POLY_TIMESTAMP"]), int(expected["POLY_NONCE"])

    assert l1_headers(key, at, nonce, vector["chain_id"]) == expected


def _each(check: Check) -> Check:
    def every(found: list[Any]) -> None:
        assert found
        for vector in found:
            check(vector)

    return every


def _type_of_orders(found: str) -> None:
    assert text_hash(ORDER) == raw(found)


def _type_of_domains(found: str) -> None:
    fields = "string name,string version,uint256 chainId,address verifyingContract"
    assert text_hash(f"EIP712Domain({fields})") == raw(found)


def _amounts(vector: Mapping[str, Any]) -> None:
    side, tick = Side[vector["side"]], Decimal(vector["tick"])
    price, size = Decimal(str(vector["price"])), Decimal(str(vector["size_or_amount"]))

    assert [*limit_amounts(side, price, size, tick)] == vector["limit"]
    assert [*market_amounts(side, price, size, tick)] == vector["market"]


def _book(vector: Mapping[str, Any]) -> None:
    assert book_hash(vector) == vector["hash"]


def _fee_adjusted(vector: Mapping[str, Any]) -> None:
    """Check our fee: what is left of a balance that the client takes its fee from."""
    assert vector["exponent"] == 1 or not vector["rate"]
    assert not vector["builder_rate"]
    amount, price, balance, rate, adjusted = (
        Decimal(str(vector[name]))
        for name in ("amount", "price", "balance", "rate", "adjusted_amount")
    )
    fee = polymarket_terms(rate).fee(Price(price), Quantity(amount / price))

    assert min(amount, balance - fee) == adjusted


def _about(found: str) -> None:
    assert found


OF_ORDERS: dict[str, Check] = {
    "_about": _about,
    "order_type_hash": _type_of_orders,
    "domain_type_hash": _type_of_domains,
    "orders": _each(_order),
    "l2_hmac": _each(_l2),
    "l1_headers": _each(_l1),
    "amounts": _each(_amounts),
    "book_hashes": _each(_book),
    "fee_adjusted_buy": _each(_fee_adjusted),
}

# The relayer ---------------------------------------------------------------------------------


class _Relayer:
    """The inputs that all vectors of the relayer were made from."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        given = found["inputs"]
        self.key = WalletKey(given["private_key"])
        self.wallet = address(given["wallet"], "wallet")
        self.relay = address(given["relay"], "relay")
        self.nonce, self.deadline = int(given["nonce"]), int(given["deadline"])
        condition = given["condition_id"]
        self.merge = merge_call(condition, 5_000_000, neg_risk=False)
        self.redeem = redeem_call(condition, neg_risk=True)
        self.split = split_call(condition, 5_000_000, neg_risk=False)
        assert given["signer"] == self.key.address
        assert given["chain_id"] == 137


def _same(request: SignedRequest, expected: object) -> None:
    assert request.body.decode() == json.dumps(expected, separators=(",", ":"))


def _calls(given: _Relayer, found: Mapping[str, Any]) -> None:
    made: dict[str, Call] = {
        "merge_5": given.merge,
        "split_5": given.split,
        "redeem_negrisk": given.redeem,
    }
    assert found.keys() == made.keys()
    for name, call in made.items():
        shown = {"to": call.to, "data": "0x" + call.data.hex(), "value": call.value}
        assert shown == found[name]


def _batch(given: _Relayer, found: Mapping[str, Any]) -> None:
    calls = [given.merge, given.redeem]
    made = sign_batch(
        given.key,
        given.wallet,
        calls,
        nonce=given.nonce,
        deadline_s=given.deadline,
        metadata="merge and redeem",
    )
    _same(made, found)


def _proxy(given: _Relayer, found: Mapping[str, Any]) -> None:
    calls = [given.merge, given.redeem]
    made = sign_proxy(
        given.key,
        given.wallet,
        calls,
        nonce=given.nonce,
        relay=given.relay,
        metadata="merge and redeem",
    )
    assert made.hash == found["hash"]
    _same(made, found["payload"])


def _safe_one(given: _Relayer, found: Mapping[str, Any]) -> None:
    _same(sign_safe(given.key, given.wallet, [given.merge], nonce=given.nonce), found)


def _safe_two(given: _Relayer, found: Mapping[str, Any]) -> None:
    calls = [given.merge, given.redeem]
    _same(sign_safe(given.key, given.wallet, calls, nonce=given.nonce), found)


def _builder(given: _Relayer, found: Mapping[str, Any]) -> None:
    del given
    stamp, method, path, body = "1779868800", "POST", "/submit", '{"a":1}'
    assert stamp + method + path + body == found["message"]

    credentials = ApiCredentials("key", found["secret"], "words")
    headers = credentials.builder_headers(method, path, int(stamp), body.encode())

    assert headers["POLY_BUILDER_SIGNATURE"] == found["signature"]


def _inputs(given: _Relayer, found: Mapping[str, Any]) -> None:
    del given
    assert found


OF_RELAYER: dict[str, Callable[[_Relayer, Any], None]] = {
    "calls": _calls,
    "deposit_wallet": _batch,
    "proxy": _proxy,
    "safe_one": _safe_one,
    "safe_two": _safe_two,
    "builder_hmac": _builder,
    "inputs": _inputs,
}


@needs(ORDERS)
def test_every_vector_of_orders_and_headers_is_made_byte_for_byte() -> None:
    found = vectors(ORDERS)

    assert found.keys() == OF_ORDERS.keys(), "each kind of vector has its check"
    for kind, check in OF_ORDERS.items():
        check(found[kind])


@needs(RELAYER)
def test_every_vector_of_the_relayer_is_made_byte_for_byte() -> None:
    found = vectors(RELAYER)
    given = _Relayer(found)

    assert found.keys() == OF_RELAYER.keys(), "each kind of vector has its check"
    for kind, check in OF_RELAYER.items():
        check(given, found[kind])


@needs(ORDERS)
def test_a_vector_that_is_wrong_in_one_digit_would_be_found() -> None:
    vector = vectors(ORDERS)["orders"][0]

    with pytest.raises(AssertionError):
        _order({**vector, "signature": vector["signature"][:-3] + "01b"})
