"""Requests to the relayer, signed: calls that a wallet makes without paying gas.

Source: polymarket-client 0.14.0. Every request is bound to a nonce of the wallet, so at most
one of several with one nonce is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.addresses import NOBODY, Address, address_word, packed
from dutchbook.platforms.polymarket.calls import WORD, Call, padded, selector
from dutchbook.platforms.polymarket.chain import (
    DEPOSIT_WALLET_FACTORY,
    MULTISEND,
    POLYGON,
    PROXY_FACTORY,
    RELAY_HUB,
)
from dutchbook.platforms.polymarket.eip712 import (
    ZERO_WORD,
    domain_separator,
    personal_digest,
    struct_hash,
    text_hash,
    typed_digest,
    uint,
    uint_word,
)
from dutchbook.platforms.polymarket.keccak import keccak
from dutchbook.platforms.polymarket.private_key import WalletKey

GAS_LIMIT = 200_000
"""For a proxy wallet, where no estimate is to be had."""
LONGEST_METADATA = 500

_CALL = "Call(address target,uint256 value,bytes data)"
_CALL_HASH = text_hash(_CALL)
_BATCH_HASH = text_hash(
    f"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls){_CALL}"
)
_SAFE_DOMAIN = text_hash("EIP712Domain(uint256 chainId,address verifyingContract)")
_SAFE_HASH = text_hash(
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
    "uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
_PROXY = selector("proxy((uint8,address,uint256,bytes)[])")
_MULTISEND = selector("multiSend(bytes)")
_PLAIN_CALL = 1
"""The code of a call, as against a delegate call, in a proxy wallet's list."""
_DELEGATED = 1
"""The operation of a Safe that runs another program's code as its own."""
_RAISED = 4
"""What a Safe adds to v where it was signed as a personal message."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A signed request to the relayer.

    Attributes:
        hash: `0x` and the 64 hexadecimal digits that identify what was signed.
        body: The bytes of `POST /submit`.
    """

    hash: str
    body: bytes


def sign_batch(
    key: WalletKey,
    wallet: Address,
    calls: Sequence[Call],
    *,
    nonce: int,
    deadline_s: int,
    metadata: str = "",
) -> SignedRequest:
    """Sign calls of a deposit wallet: all of them are carried out, or none.

    Args:
        key: The account that owns the wallet.
        wallet: The deposit wallet.
        calls: One or more, in order.
        nonce: The wallet's, as the relayer gives it.
        deadline_s: Unix seconds after which it can no longer be carried out.
        metadata: A note for the relayer, up to 500 characters.

    Raises:
        InvalidInput: There is no call, the note is too long, or a number does not fit.
    """
    _check(calls, metadata)
    digest = _batch_digest(wallet, calls, nonce, deadline_s)
    listed = [
        {"target": c.to, "value": str(c.value), "data": "0x" + c.data.hex()} for c in calls
    ]
    body = {
        "type": "WALLET",
        "from": key.address,
        "to": DEPOSIT_WALLET_FACTORY,
        "nonce": str(nonce),
        "signature": "0x" + key.sign(digest).hex(),
        "metadata": metadata,
        "depositWalletParams": {
            "depositWallet": wallet,
            "deadline": str(deadline_s),
            "calls": listed,
        },
    }
    return _request(digest, body)


def sign_proxy(
    key: WalletKey,
    wallet: Address,
    calls: Sequence[Call],
    *,
    nonce: int,
    relay: Address,
    gas_limit: int = GAS_LIMIT,
    metadata: str = "",
) -> SignedRequest:
    """Sign calls of a proxy wallet.

    Args:
        key: The account that owns the wallet.
        wallet: The proxy wallet.
        calls: One or more, in order.
        nonce: As the relayer gives it.
        relay: The relay that may carry it out, as the relayer gives it.
        gas_limit: The most gas that it may use.
        metadata: A note for the relayer, up to 500 characters.

    Raises:
        InvalidInput: There is no call, the note is too long, or a number does not fit.
    """
    _check(calls, metadata)
    data = _PROXY + _proxy_calls(calls)
    signed = _proxy_hash(key.address, relay, data, nonce, gas_limit)
    body = {
        "type": "PROXY",
        "from": key.address,
        "to": PROXY_FACTORY,
        "proxyWallet": wallet,
        "data": "0x" + data.hex(),
        "nonce": str(nonce),
        "signature": "0x" + key.sign(personal_digest(signed)).hex(),
        "metadata": metadata,
        "signatureParams": {
            "gasLimit": str(gas_limit),
            "gasPrice": "0",
            "relay": relay,
            "relayHub": RELAY_HUB,
            "relayerFee": "0",
        },
    }
    return _request(signed, body)


def sign_safe(
    key: WalletKey, safe: Address, calls: Sequence[Call], *, nonce: int, metadata: str = ""
) -> SignedRequest:
    """Sign calls of a Safe: one goes to its target, several through a program that sends all.

    Args:
        key: The account that owns the Safe.
        safe: The Safe.
        calls: One or more, in order.
        nonce: The Safe's, as the relayer gives it.
        metadata: A note for the relayer, up to 500 characters.

    Raises:
        InvalidInput: There is no call, the note is too long, or a number does not fit.
    """
    _check(calls, metadata)
    several = len(calls) > 1
    call = Call(MULTISEND, _multisend(calls)) if several else calls[0]
    operation = _DELEGATED if several else 0
    digest = typed_digest(
        struct_hash(_SAFE_DOMAIN, uint_word(POLYGON), address_word(safe)),
        _safe_hash(call, operation, uint(nonce, "nonce")),
    )
    made = key.sign(personal_digest(digest))
    body = {
        "type": "SAFE",
        "from": key.address,
        "to": call.to,
        "proxyWallet": safe,
        "data": "0x" + call.data.hex(),
        "nonce": str(nonce),
        "signature": "0x" + (made[:-1] + bytes((made[-1] + _RAISED,))).hex(),
        "metadata": metadata,
        "signatureParams": {
            "baseGas": "0",
            "gasPrice": "0",
            "gasToken": NOBODY,
            "operation": str(operation),
            "refundReceiver": NOBODY,
            "safeTxnGas": "0",
        },
        **({"value": str(call.value)} if call.value else {}),
    }
    return _request(digest, body)


def _check(calls: Sequence[Call], metadata: str) -> None:
    if not calls:
        raise InvalidInput("calls", [], "one call or more")
    if len(metadata) > LONGEST_METADATA:
        found = f"a text of {len(metadata)} characters"
        raise InvalidInput("metadata", found, f"one of up to {LONGEST_METADATA}")


def _request(signed: bytes, body: dict[str, Any]) -> SignedRequest:
    return SignedRequest("0x" + signed.hex(), msgspec.json.encode(body))


def _batch_digest(wallet: Address, calls: Sequence[Call], nonce: int, deadline_s: int) -> bytes:
    hashes = (
        struct_hash(_CALL_HASH, address_word(c.to), uint_word(c.value), keccak(c.data))
        for c in calls
    )
    batch = struct_hash(
        _BATCH_HASH,
        address_word(wallet),
        uint_word(uint(nonce, "nonce")),
        uint_word(uint(deadline_s, "deadline_s")),
        keccak(b"".join(hashes)),
    )
    return typed_digest(domain_separator("DepositWallet", "1", POLYGON, wallet), batch)


def _proxy_hash(
    account: Address, relay: Address, data: bytes, nonce: int, gas_limit: int
) -> bytes:
    parts = (
        b"rlx:",
        packed(account),
        packed(PROXY_FACTORY),
        data,
        ZERO_WORD,  # the relayer's fee
        ZERO_WORD,  # the price of gas
        uint_word(uint(gas_limit, "gas_limit")),
        uint_word(uint(nonce, "nonce")),
        packed(RELAY_HUB),
        packed(relay),
    )
    return keccak(b"".join(parts))


def _proxy_calls(calls: Sequence[Call]) -> bytes:
    """Encode a list of calls as the one argument of `proxy`.

    Each call is code, target, value and data; since data has no fixed length, its place says
    how far into the call it begins, and the list begins with how far into it each call does.
    """
    encoded = [
        uint_word(_PLAIN_CALL)
        + address_word(call.to)
        + uint_word(call.value)
        + uint_word(4 * WORD)
        + padded(call.data)
        for call in calls
    ]
    begins, at = [], len(calls) * WORD
    for each in encoded:
        begins.append(uint_word(at))
        at += len(each)
    return uint_word(WORD) + uint_word(len(calls)) + b"".join((*begins, *encoded))


def _multisend(calls: Sequence[Call]) -> bytes:
    """Encode a call of `multiSend`: its argument is one packed record for each call."""
    records = (
        b"\0" + packed(c.to) + uint_word(c.value) + uint_word(len(c.data)) + c.data
        for c in calls
    )
    return _MULTISEND + uint_word(WORD) + padded(b"".join(records))


def _safe_hash(call: Call, operation: int, nonce: int) -> bytes:
    return struct_hash(
        _SAFE_HASH,
        address_word(call.to),
        uint_word(call.value),
        keccak(call.data),
        uint_word(operation),
        *[ZERO_WORD] * 3,  # gas of the call, gas of the frame, the price of gas
        *[ZERO_WORD] * 2,  # the token that pays for gas, and who is paid
        uint_word(nonce),
    )
