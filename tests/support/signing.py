"""Keys known to everyone, and vectors of signing: files where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dutchbook.domain.execution.order import TimeInForce
from dutchbook.domain.market.contract import Side
from dutchbook.platforms.polymarket.addresses import Address
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.signing import (
    NEG_RISK,
    Exchange,
    OrderSigner,
    OrderTerms,
    SignatureType,
    SignedOrder,
    exchange_of,
)

PLATFORMS = Path(__file__).parents[3] / "shared" / "platforms"
ORDERS = PLATFORMS / "polymarket-vectors.json"
RELAYER = PLATFORMS / "polymarket-relayer-vectors.json"

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The first test key of Hardhat and Foundry (hardhat.org, Hardhat Network reference)."""
ACCOUNT = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
WALLET = Address("0x3333333333333333333333333333333333333333")
TOKEN = 71321045679252212594626385532706912750332728571942532289631379312455583992563
HMAC_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not path.is_file(), reason=f"the vectors {path.name} are not on this machine"
    )


@cache
def vectors(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def terms(**changed: Any) -> OrderTerms:
    """Return the terms of the worked vector of Polymarket's clients, but for what is named."""
    fields: dict[str, Any] = {
        "salt": 479249096354,
        "token_id": TOKEN,
        "maker_amount": 5_000_000,
        "taker_amount": 10_000_000,
        "side": Side.BUY,
        "timestamp_ms": 1779868800000,
    }
    return OrderTerms(**fields | changed)


def signer(kind: SignatureType = SignatureType.EOA) -> OrderSigner:
    wallet = ACCOUNT if kind is SignatureType.EOA else WALLET
    return OrderSigner(WalletKey(KEY), kind, wallet)


def signed_vector(vector: Mapping[str, Any]) -> tuple[SignedOrder, Exchange, bytes]:
    """Sign the order of a vector; return it, its exchange, and the body that is sent."""
    order = vector["order"]
    kind = SignatureType(order["signatureType"])
    found = OrderTerms(
        salt=int(order["salt"]),
        token_id=int(order["tokenId"]),
        maker_amount=int(order["makerAmount"]),
        taker_amount=int(order["takerAmount"]),
        side=(Side.BUY, Side.SELL)[order["side"]],
        timestamp_ms=int(order["timestamp"]),
        metadata=raw(order["metadata"]),
        builder=raw(order["builder"]),
    )
    neg_risk = vector["verifying_contract"] == NEG_RISK.address
    exchange = exchange_of(found.token_id, neg_risk=neg_risk)
    signs = OrderSigner(WalletKey(vector["private_key"]), kind, order["maker"])
    signed = signs.sign(found, exchange)
    body = signed.body(
        "00000000-0000-0000-0000-000000000001",
        TimeInForce.GTC,
        expires_at_s=int(order["expiration_wire_only"]),
    )
    return signed, exchange, body
