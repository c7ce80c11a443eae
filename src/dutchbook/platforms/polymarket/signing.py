"""Polymarket's orders, signed: typed data of the three exchanges, and the body that is sent.

Sources: py-clob-client-v2 1.2.1 and polymarket-client 0.14.0, whose signatures are equal byte
for byte, and docs.polymarket.com page wallets-auth, copy of 2026-09. An order's id is the
digest of its typed data, so it is known before the order is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import msgspec

from dutchbook.domain.execution.order import TimeInForce
from dutchbook.domain.market.contract import Side
from dutchbook.errors import InvalidInput
from dutchbook.platforms.confidential import Confidential
from dutchbook.platforms.polymarket.addresses import Address, address_word
from dutchbook.platforms.polymarket.chain import (
    NEG_RISK_EXCHANGE,
    POLYGON,
    STANDARD_EXCHANGE,
    V3_EXCHANGE,
)
from dutchbook.platforms.polymarket.eip712 import (
    ZERO_WORD,
    domain_separator,
    struct_hash,
    text_hash,
    typed_digest,
    uint,
    uint_word,
)
from dutchbook.platforms.polymarket.private_key import WalletKey

ORDER = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder)"
)
MOST_SALT = 2**53 - 1
"""A salt travels as a JSON number, which many readers hold in a double."""
LEAST_MS, MOST_MS = 10**12, 10**13
"""From 2001 to 2286: a moment given in seconds or microseconds lies outside."""
ORDER_TYPES = {
    TimeInForce.FOK: "FOK",
    TimeInForce.IOC: "FAK",
    TimeInForce.GTC: "GTC",
    TimeInForce.GTD: "GTD",
}

_ORDER_HASH = text_hash(ORDER)
_SIDES = {Side.BUY: 0, Side.SELL: 1}
_SIDE_WORDS = {side: uint_word(number) for side, number in _SIDES.items()}

_NESTED_HASH = text_hash(
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    f"address verifyingContract,bytes32 salt){ORDER}"
)
_WALLET_DOMAIN = text_hash("DepositWallet") + text_hash("1") + uint_word(POLYGON)
_TAIL = ORDER.encode() + len(ORDER).to_bytes(2, "big")


class SignatureType(IntEnum):
    """What kind of wallet an order's maker is; the numbers are Polymarket's."""

    EOA = 0
    PROXY = 1
    SAFE = 2
    DEPOSIT_WALLET = 3


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange's program on chain: its address, and the hash of its signing domain."""

    address: Address
    separator: bytes


def _exchange(address: Address, version: str) -> Exchange:
    name = "Polymarket CTF Exchange"
    return Exchange(address, domain_separator(name, version, POLYGON, address))


STANDARD = _exchange(STANDARD_EXCHANGE, "2")
NEG_RISK = _exchange(NEG_RISK_EXCHANGE, "2")
V3 = _exchange(V3_EXCHANGE, "3")


def is_protocol_v2(token_id: int) -> bool:
    """Return whether an asset is a position of protocol v2, by the zeros in its id.

    Source: polymarket-client 0.14.0; ids of other assets are hashes, which lack them.
    """
    return not token_id >> 40 & 0xFFFF_FFFF_FFFF_FFFF


def exchange_of(token_id: int, *, neg_risk: bool) -> Exchange:
    """Return the exchange that trades an asset; `neg_risk` is the flag of its market."""
    if is_protocol_v2(token_id):
        return V3
    return NEG_RISK if neg_risk else STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """What is signed of an order, but for who signs it.

    Attributes:
        salt: Makes two orders of the same millisecond different; below 2**53.
        token_id: The asset that is bought or sold.
        maker_amount: What we give, in millionths of a dollar or share.
        taker_amount: What we get, in millionths of a share or dollar.
        side: Buy gives dollars and gets shares.
        timestamp_ms: Unix milliseconds of its creation; no expiry follows from it.
        metadata: 32 bytes; zeros unless something is to be noted on chain.
        builder: 32 bytes that name the builder; zeros for none.

    Raises:
        InvalidInput: A number is out of range, or `metadata` or `builder` has other bytes.
    """

    salt: int
    token_id: int
    maker_amount: int
    taker_amount: int
    side: Side
    timestamp_ms: int
    metadata: bytes = ZERO_WORD
    builder: bytes = ZERO_WORD

    def __post_init__(self) -> None:
        uint(self.salt, "salt", MOST_SALT)
        uint(self.token_id, "token_id")
        uint(self.maker_amount, "maker_amount", least=1)
        uint(self.taker_amount, "taker_amount", least=1)
        uint(self.timestamp_ms, "timestamp_ms", MOST_MS - 1, LEAST_MS)
        if len(self.metadata) != len(ZERO_WORD):
            raise InvalidInput("metadata", self.metadata, "32 bytes")
        if len(self.builder) != len(ZERO_WORD):
            raise InvalidInput("builder", self.builder, "32 bytes")


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A signed order.

    Attributes:
        order_id: The id that Polymarket will give it: `0x` and 64 hexadecimal digits.
        signature: `0x` and 130 hexadecimal digits, or more for a deposit wallet.
        maker: The wallet that pays.
        signer: The account that signs, or the deposit wallet that it signs for.
    """

    terms: OrderTerms
    maker: Address
    signer: Address
    signature_type: SignatureType
    order_id: str
    signature: str

    def body(
        self,
        owner: str,
        time_in_force: TimeInForce,
        *,
        expires_at_s: int = 0,
        post_only: bool = False,
        defer: bool = False,
    ) -> bytes:
        """Encode the body of `POST /order`.

        What is given here is not signed: orders that differ only in it have one id.

        Args:
            owner: The API key that the order is sent with.
            time_in_force: How long the order rests.
            expires_at_s: Unix seconds of the end of a GTD order, else 0.
            post_only: Whether it is rejected where it would match at once.
            defer: Whether the platform may answer before it is matched (`deferExec`).
        """
        terms = self.terms
        order = {
            "salt": terms.salt,
            "maker": self.maker,
            "signer": self.signer,
            "tokenId": str(terms.token_id),
            "makerAmount": str(terms.maker_amount),
            "takerAmount": str(terms.taker_amount),
            "side": terms.side.name,
            "expiration": str(expires_at_s),
            "signatureType": int(self.signature_type),
            "timestamp": str(terms.timestamp_ms),
            "metadata": "0x" + terms.metadata.hex(),
            "builder": "0x" + terms.builder.hex(),
            "signature": self.signature,
        }
        body = {
            "order": order,
            "owner": owner,
            "orderType": ORDER_TYPES[time_in_force],
            "deferExec": defer,
            "postOnly": post_only,
        }
        return msgspec.json.encode(body)


class OrderSigner(Confidential):
    """Signs orders of one wallet with one key."""

    __slots__ = (
        "_key", "_kind", "_kind_word", "_maker", "_nested", "_parties", "_signer",
        "_wallet_domain",
    )  # fmt: skip

    def __init__(self, key: WalletKey, kind: SignatureType, wallet: Address) -> None:
        """Prepare what all orders of the wallet have in common.

        Args:
            key: The account (EOA) that signs.
            kind: What kind of wallet it signs for.
            wallet: The wallet that pays; of the kind `EOA`, the account's own address.

        Raises:
            InvalidInput: The wallet is the account's own address and should not be, or is
                not and should be.
        """
        if (kind is SignatureType.EOA) != (wallet == key.address):
            own = "the key's own address" if kind is SignatureType.EOA else "another wallet"
            raise InvalidInput("wallet", wallet, f"{own}, as the kind {kind.name} requires")
        nested = kind is SignatureType.DEPOSIT_WALLET
        self._key, self._kind, self._nested = key, kind, nested
        self._maker, self._signer = wallet, wallet if nested else key.address
        self._parties = address_word(self._maker) + address_word(self._signer)
        self._kind_word = uint_word(kind)
        self._wallet_domain = _WALLET_DOMAIN + address_word(wallet) + ZERO_WORD

    def sign(self, terms: OrderTerms, exchange: Exchange) -> SignedOrder:
        """Sign an order for an exchange; the same order always has the same signature."""
        order = struct_hash(
            _ORDER_HASH,
            uint_word(terms.salt),
            self._parties,
            uint_word(terms.token_id),
            uint_word(terms.maker_amount),
            uint_word(terms.taker_amount),
            _SIDE_WORDS[terms.side],
            self._kind_word,
            uint_word(terms.timestamp_ms),
            terms.metadata,
            terms.builder,
        )
        digest = typed_digest(exchange.separator, order)
        if self._nested:
            signature = self._sign_nested(order, exchange)
        else:
            signature = self._key.sign(digest)
        return SignedOrder(
            terms,
            self._maker,
            self._signer,
            self._kind,
            "0x" + digest.hex(),
            "0x" + signature.hex(),
        )

    def _sign_nested(self, order: bytes, exchange: Exchange) -> bytes:
        """Sign for a deposit wallet, which checks the order in its own domain (ERC-7739).

        Returns:
            The signature of 65 bytes, and what the wallet needs to rebuild the digest: the
            exchange's domain, the order's hash, the order's type and the type's length.
        """
        nested = struct_hash(_NESTED_HASH, order, self._wallet_domain)
        made = self._key.sign(typed_digest(exchange.separator, nested))
        return made + exchange.separator + order + _TAIL
