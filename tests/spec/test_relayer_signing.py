"""Calls on chain and the requests that carry them are those of the official client."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import ethereum
from support.signing import ACCOUNT, KEY, WALLET, raw

from dutchbook.errors import InvalidInput
from dutchbook.platforms.polymarket.addresses import Address, checksummed
from dutchbook.platforms.polymarket.calls import Call, merge_call, redeem_call, split_call
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.relayer_signing import (
    SignedRequest,
    sign_batch,
    sign_proxy,
    sign_safe,
)

ONES = Address("0x" + "1" * 40)
TWOS = Address("0x" + "2" * 40)
CONDITION = "0x" + "1" * 64
STANDARD_ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
MERGE = merge_call(CONDITION, 5_000_000, neg_risk=False)
REDEEM = redeem_call(CONDITION, neg_risk=True)
DEADLINE_S = 1_779_869_400

PUSD_WORD = "000000000000000000000000c011a7e12a19f7b1f670d46f03b03f3342e82dfb"
SETS = f"{2:064x}{1:064x}{2:064x}"

# Made with polymarket-client 0.14.0 from the test key, nonce 7 and the wallet of ones.
BATCH_SIGNATURE = (
    "0xc95dd2eec73508e260c2af912d53c5622b7fb79aa7e7bdb8a2c0e54b70fa4f17"
    "6bea42ea4fb49f5206eeb646fc9e9aaa832c43986af8857719719c643d6f593a1b"
)
PROXY_HASH = "0xfb6d35de9549edabffa49f07e72e7a270401b0e20079200ca95eb45ac85b40a9"
PROXY_SIGNATURE = (
    "0x788278042362261bfa09c32bddbf1d9a3450fd74fd6609cd37c900fe252e001d"
    "0d3d69edccde70014a2f8f716770f31b6a208e682bbc76fc387e7fe3462781991c"
)
ONE_SIGNATURE = (
    "0x1bf5e833f1a9b0b5ce5be9adc5a4824e4896a4c06d26adba1191978acd1b34b5"
    "7ee2486d3fe7c8105a23086a2506e8aca6c3dffa25fcc891ffabf7bdf0c0f45b1f"
)
TWO_SIGNATURE = (
    "0xc7bee20f67217ff302c40f3a1318a6940f6b64dae8deda28550ca531acbff1e8"
    "437abbd3866d24de466d63f975134956e82f74a36a1eeee73bbbc92b8b8dcbc31f"
)
BATCH = (
    "Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)"
    "Call(address target,uint256 value,bytes data)"
)
SAFE = (
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
    "uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
Sign = Callable[..., SignedRequest]


def _batch(calls: Sequence[Call], nonce: int = 7, metadata: str = "") -> SignedRequest:
    return sign_batch(
        WalletKey(KEY), ONES, calls, nonce=nonce, deadline_s=DEADLINE_S, metadata=metadata
    )


def _proxy(calls: Sequence[Call], nonce: int = 7, metadata: str = "") -> SignedRequest:
    return sign_proxy(WalletKey(KEY), ONES, calls, nonce=nonce, relay=TWOS, metadata=metadata)


def _safe(calls: Sequence[Call], nonce: int = 7, metadata: str = "") -> SignedRequest:
    return sign_safe(WalletKey(KEY), ONES, calls, nonce=nonce, metadata=metadata)


EVERY = pytest.mark.parametrize("sign", [_batch, _proxy, _safe], ids=["batch", "proxy", "safe"])
CALLS = st.lists(
    st.builds(
        Call,
        to=st.binary(min_size=20, max_size=20).map(checksummed),
        data=st.binary(max_size=100),
        value=st.integers(0, 2**256 - 1),
    ),
    min_size=1,
    max_size=4,
)


def _body(request: SignedRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


# Calls ---------------------------------------------------------------------------------------


def test_a_merge_is_encoded_as_by_the_official_client() -> None:
    expected = f"9e7212ad{PUSD_WORD}{0:064x}{'1' * 64}{0xA0:064x}{5_000_000:064x}{SETS}"

    assert Call(Address(STANDARD_ADAPTER), raw(expected)) == MERGE


def test_a_split_differs_from_a_merge_in_the_function_alone() -> None:
    split = split_call(CONDITION, 5_000_000, neg_risk=False)

    assert split.data == raw("72ce4275") + MERGE.data[4:]
    assert split.to == MERGE.to


def test_a_redemption_is_encoded_as_by_the_official_client() -> None:
    expected = f"01b7037c{PUSD_WORD}{0:064x}{'1' * 64}{0x80:064x}{SETS}"

    assert Call(Address(NEG_RISK_ADAPTER), raw(expected)) == REDEEM


@pytest.mark.parametrize(
    ("neg_risk", "adapter"), [(False, STANDARD_ADAPTER), (True, NEG_RISK_ADAPTER)]
)
def test_the_flag_of_the_market_chooses_the_adapter(neg_risk: bool, adapter: str) -> None:
    calls = (
        split_call(CONDITION, 1, neg_risk=neg_risk),
        merge_call(CONDITION, 1, neg_risk=neg_risk),
        redeem_call(CONDITION, neg_risk=neg_risk),
    )

    assert {call.to for call in calls} == {adapter}
    assert {call.value for call in calls} == {0}


@pytest.mark.parametrize("amount", [0, -1, 2**256])
def test_an_amount_out_of_range_is_named(amount: int) -> None:
    for call in (split_call, merge_call):
        with pytest.raises(InvalidInput, match=r"^amount_e6: "):
            call(CONDITION, amount, neg_risk=False)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("0x" + "1" * 62, "protocol v2 are not supported"),
        ("0x" + "1" * 63, "0x and 64 hexadecimal digits"),
        ("1" * 64, "0x and 64 hexadecimal digits"),
        ("0x" + "g" * 64, "0x and 64 hexadecimal digits"),
    ],
)
def test_a_condition_of_another_form_is_named(condition: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f"^condition_id: '{condition}' is not .*{reason}"):
        redeem_call(condition, neg_risk=False)


def test_a_value_out_of_range_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"^value: -1 is not "):
        Call(ONES, b"", -1)


# Deposit wallets -----------------------------------------------------------------------------


def test_a_batch_is_signed_as_by_the_official_client() -> None:
    body = _body(_batch([MERGE, REDEEM], metadata="merge and redeem"))

    assert body == {
        "type": "WALLET",
        "from": ACCOUNT,
        "to": "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07",
        "nonce": "7",
        "signature": BATCH_SIGNATURE,
        "metadata": "merge and redeem",
        "depositWalletParams": {
            "depositWallet": ONES,
            "deadline": "1779869400",
            "calls": [
                {"target": STANDARD_ADAPTER, "value": "0", "data": f"0x{MERGE.data.hex()}"},
                {"target": NEG_RISK_ADAPTER, "value": "0", "data": f"0x{REDEEM.data.hex()}"},
            ],
        },
    }


@given(CALLS, st.integers(0, 2**256 - 1))
def test_a_batch_is_what_the_second_reader_computes(calls: list[Call], nonce: int) -> None:
    request = _batch(calls, nonce)

    domain = {
        "name": "DepositWallet",
        "version": "1",
        "chainId": 137,
        "verifyingContract": ONES,
    }
    told = [{"target": c.to, "value": c.value, "data": c.data.hex()} for c in calls]
    batch = {"wallet": ONES, "nonce": nonce, "deadline": DEADLINE_S, "calls": told}
    assert request.hash == "0x" + ethereum.typed_hash(domain, BATCH, "Batch", batch).hex()
    assert [
        (c["target"], int(c["value"]), raw(c["data"]))
        for c in _body(request)["depositWalletParams"]["calls"]
    ] == [(c.to, c.value, c.data) for c in calls]


# Proxy wallets -------------------------------------------------------------------------------


def test_a_request_of_a_proxy_wallet_is_signed_as_by_the_official_client() -> None:
    request = _proxy([MERGE, REDEEM], metadata="merge and redeem")
    body = _body(request)
    data = body.pop("data")

    assert request.hash == PROXY_HASH
    assert data.startswith("0x34ee9791")
    assert body == {
        "type": "PROXY",
        "from": ACCOUNT,
        "to": "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052",
        "proxyWallet": ONES,
        "nonce": "7",
        "signature": PROXY_SIGNATURE,
        "metadata": "merge and redeem",
        "signatureParams": {
            "gasLimit": "200000",
            "gasPrice": "0",
            "relay": TWOS,
            "relayHub": "0xD216153c06E857cD7f72665E0aF1d7D82172F494",
            "relayerFee": "0",
        },
    }


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 32], "big")


def _text(data: bytes, at: int) -> bytes:
    """Read bytes with their length; what fills up the last word must be zeros."""
    size, start = _number(data, at), at + 32
    assert not any(data[start + size : start + -(-size // 32) * 32])
    return data[start : start + size]


def _told(data: bytes) -> list[tuple[int, str, int, bytes]]:
    """Follow the offsets of a list of tuples: code, target, value and data of each."""
    start = _number(data, 0)
    count, heads = _number(data, start), start + 32
    found = []
    for place in range(count):
        at = heads + _number(data, heads + 32 * place)
        target = "0x" + data[at + 44 : at + 64].hex()
        found.append(
            (
                _number(data, at),
                target,
                _number(data, at + 64),
                _text(data, at + _number(data, at + 96)),
            )
        )
    return found


@settings(max_examples=25)
@given(CALLS)
def test_the_calls_of_a_proxy_wallet_are_found_by_their_offsets(calls: list[Call]) -> None:
    body = _body(_proxy(calls))

    data = raw(body["data"])
    assert len(data) % 32 == 4
    assert _told(data[4:]) == [(1, c.to.lower(), c.value, c.data) for c in calls]
    parts = (
        b"rlx:",
        raw(ACCOUNT),
        raw(body["to"]),
        data,
        bytes(64),
        *(int(n).to_bytes(32, "big") for n in (body["signatureParams"]["gasLimit"], "7")),
        raw(body["signatureParams"]["relayHub"]),
        raw(TWOS),
    )
    signed = ethereum.personal_hash(ethereum.keccak(b"".join(parts)))
    assert ethereum.signer_of(signed, raw(body["signature"])) == ACCOUNT.lower()


@pytest.mark.parametrize(("size", "filling"), [(0, 0), (31, 1), (32, 0), (33, 31), (64, 0)])
def test_data_is_filled_up_to_whole_words_and_no_further(size: int, filling: int) -> None:
    data = raw(_body(_proxy([Call(ONES, b"\1" * size)]))["data"])

    assert data.endswith(size.to_bytes(32, "big") + b"\1" * size + bytes(filling))


# Safes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "signature", "to", "operation"),
    [
        ([MERGE], ONE_SIGNATURE, STANDARD_ADAPTER, "0"),
        ([MERGE, REDEEM], TWO_SIGNATURE, MULTISEND, "1"),
    ],
)
def test_a_request_of_a_safe_is_signed_as_by_the_official_client(
    calls: list[Call], signature: str, to: str, operation: str
) -> None:
    body = _body(_safe(calls))
    data = body.pop("data")

    assert data == f"0x{MERGE.data.hex()}" or data.startswith("0x8d80ff0a")
    assert body == {
        "type": "SAFE",
        "from": ACCOUNT,
        "to": to,
        "proxyWallet": ONES,
        "nonce": "7",
        "signature": signature,
        "metadata": "",
        "signatureParams": {
            "baseGas": "0",
            "gasPrice": "0",
            "gasToken": "0x" + "0" * 40,
            "operation": operation,
            "refundReceiver": "0x" + "0" * 40,
            "safeTxnGas": "0",
        },
    }


@settings(max_examples=25)
@given(CALLS)
def test_a_safe_signs_what_the_second_reader_computes(calls: list[Call]) -> None:
    request = _safe(calls)
    body = _body(request)

    several = len(calls) > 1
    value = 0 if several else calls[0].value
    told = {
        "to": MULTISEND if several else calls[0].to,
        "value": value,
        "data": body["data"],
        "operation": int(several),
        **dict.fromkeys(("safeTxGas", "baseGas", "gasPrice"), 0),
        **dict.fromkeys(("gasToken", "refundReceiver"), "0x" + "0" * 40),
        "nonce": 7,
    }
    domain = {"chainId": 137, "verifyingContract": ONES}
    digest = ethereum.typed_hash(domain, SAFE, "SafeTx", told)
    made = raw(body["signature"])
    assert request.hash == "0x" + digest.hex()
    assert made[64] in (31, 32)
    lowered = made[:64] + bytes((made[64] - 4,))
    assert ethereum.signer_of(ethereum.personal_hash(digest), lowered) == ACCOUNT.lower()
    assert int(body.get("value", "0")) == value


@given(CALLS)
def test_several_calls_of_a_safe_are_packed_one_after_another(calls: list[Call]) -> None:
    calls = [*calls, MERGE]
    data = raw(_body(_safe(calls))["data"])[4:]

    assert len(data) % 32 == 0
    packed, found = _text(data, _number(data, 0)), []
    while packed:
        size = _number(packed, 53)
        found.append((packed[0], packed[1:21], _number(packed, 21), packed[85 : 85 + size]))
        packed = packed[85 + size :]
    assert found == [(0, raw(c.to), c.value, c.data) for c in calls]


# All of them ---------------------------------------------------------------------------------


@EVERY
def test_the_nonce_the_calls_and_their_order_are_signed(sign: Sign) -> None:
    signed = [
        sign([MERGE, REDEEM]),
        sign([REDEEM, MERGE]),
        sign([MERGE]),
        sign([MERGE, REDEEM], nonce=8),
        sign([Call(MERGE.to, MERGE.data, 1), REDEEM]),
        sign([Call(WALLET, MERGE.data), REDEEM]),
    ]

    assert len({request.hash for request in signed}) == len(signed)
    assert len({_body(request)["signature"] for request in signed}) == len(signed)


def test_the_deadline_the_relay_and_the_gas_are_signed() -> None:
    key = WalletKey(KEY)
    batches = [sign_batch(key, ONES, [MERGE], nonce=7, deadline_s=at) for at in (1, 2)]
    proxies = [
        sign_proxy(key, ONES, [MERGE], nonce=7, relay=relay, gas_limit=gas)
        for relay, gas in ((ONES, 1), (TWOS, 1), (ONES, 2))
    ]

    assert len({request.hash for request in batches}) == 2
    assert len({request.hash for request in proxies}) == 3


@EVERY
def test_no_call_a_long_note_and_a_nonce_out_of_range_are_errors(sign: Sign) -> None:
    with pytest.raises(InvalidInput, match=r"^calls: "):
        sign([])
    with pytest.raises(InvalidInput, match=r"^metadata: 'a text of 501 characters'"):
        sign([MERGE], metadata="x" * 501)
    with pytest.raises(InvalidInput, match=r"^nonce: "):
        sign([MERGE], nonce=-1)
    assert _body(sign([MERGE], metadata="x" * 500))["metadata"] == "x" * 500
