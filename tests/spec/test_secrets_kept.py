"""Nothing of a key or secret is shown, logged, copied or stored, whatever goes wrong."""

from __future__ import annotations

import ast
import base64
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.signing import ACCOUNT, WALLET, terms

from dutchbook import platforms
from dutchbook.errors import DutchbookError, InvalidSecret
from dutchbook.platforms.confidential import Confidential
from dutchbook.platforms.kalshi.signing import KalshiKey
from dutchbook.platforms.polymarket.addresses import address
from dutchbook.platforms.polymarket.authentication import ApiCredentials, RelayerKey, l1_headers
from dutchbook.platforms.polymarket.calls import Call, redeem_call
from dutchbook.platforms.polymarket.private_key import WalletKey
from dutchbook.platforms.polymarket.relayer_signing import sign_batch, sign_proxy, sign_safe
from dutchbook.platforms.polymarket.signing import STANDARD, OrderSigner, SignatureType
from dutchbook.platforms.polymarket.transactions import sign_transaction

SEED = bytes.fromhex("c0ffee5eedc0ffee5eedc0ffee5eedc0ffee5eedc0ffee5eedc0ffee5eedbeef")
WORD = "canaryC4n4ryPassphrase"
PEM_BODY = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + SEED).decode()
PEM = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----\n".encode()
HMAC_KEY = base64.urlsafe_b64encode(SEED).decode()
CANARIES = (
    SEED.hex()[:16],
    SEED.hex()[-16:],
    repr(SEED)[2:20],
    PEM_BODY[24:40],
    PEM_BODY[-20:],
    HMAC_KEY[:16],
    HMAC_KEY[-18:-2],
    WORD,
    str(int.from_bytes(SEED, "big"))[:16],
)
"""Pieces of the secrets below, in each form that a careless message could have."""


def _kalshi() -> KalshiKey:
    return KalshiKey("an-id", PEM)


def _wallet() -> WalletKey:
    return WalletKey(SEED.hex())


def _credentials() -> ApiCredentials:
    return ApiCredentials("an-api-key", HMAC_KEY, WORD)


def _relayer() -> RelayerKey:
    return RelayerKey(WORD, ACCOUNT)


MADE: dict[type, Callable[[], object]] = {
    KalshiKey: _kalshi,
    WalletKey: _wallet,
    ApiCredentials: _credentials,
    RelayerKey: _relayer,
    OrderSigner: lambda: OrderSigner(_wallet(), SignatureType.SAFE, WALLET),
}
HELD = pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)


def _silent(*texts: str) -> None:
    for text in texts:
        found = [canary for canary in CANARIES if canary.lower() in text.lower()]
        assert found == []


def _all_of(error: BaseException) -> list[str]:
    """Return what an error and those behind it say, and their attributes."""
    found = ["".join(traceback.format_exception(error))]
    behind: BaseException | None = error
    while behind is not None:
        found += [repr(behind), str(behind), repr(vars(behind)), repr(behind.args)]
        behind = behind.__cause__ or behind.__context__
    return found


@HELD
def test_what_holds_a_secret_shows_none_of_it(
    kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    held = MADE[kind]()

    logging.getLogger("any").warning("%s %r %s", held, held, {"held": [held]})

    shown = (repr(held), str(held), f"{held}", ascii(held), repr([held]), caplog.text)
    _silent(*shown, repr(dir(held)), repr(getattr(held, "__dict__", "")))
    assert kind.__name__ in repr(held)


@HELD
@pytest.mark.parametrize(
    "store",
    [
        *(lambda held, p=p: pickle.dumps(held, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy,
        copy.deepcopy,
        json.dumps,
        msgspec.json.encode,
        lambda held: held.__getstate__(),
        vars,
    ],
)
def test_what_holds_a_secret_is_neither_copied_nor_stored(
    kind: type, store: Callable[[object], object]
) -> None:
    held = MADE[kind]()

    with pytest.raises((TypeError, AttributeError)) as caught:
        store(held)

    _silent(*_all_of(caught.value))


def test_every_class_of_a_secret_is_held_to_it() -> None:
    every = set(Confidential.__subclasses__())

    assert every == MADE.keys()
    for kind in every:
        assert "__dict__" not in dir(kind), "its fields are slots, which nothing lists"


BAD: list[tuple[str, Callable[[], object]]] = [
    ("a damaged key file", lambda: KalshiKey("an-id", PEM.replace(b"MC4C", b"MC5C"))),
    ("a key file without its end", lambda: KalshiKey("an-id", PEM[:-10])),
    ("a key file in one line", lambda: KalshiKey("an-id", PEM.replace(b"\n", b"\\n"))),
    ("a bare key", lambda: KalshiKey("an-id", PEM_BODY.encode())),
    ("a wallet's key as Kalshi's", lambda: KalshiKey("an-id", SEED.hex().encode())),
    ("a key in the place of its id", lambda: KalshiKey(PEM.decode(), PEM)),
    ("a private key with a digit too many", lambda: WalletKey(SEED.hex() + "0")),
    ("a private key with a bad digit", lambda: WalletKey("g" + SEED.hex()[1:])),
    ("a private key above the curve's order", lambda: WalletKey("f" * 48 + SEED.hex()[:16])),
    ("a PEM as a private key", lambda: WalletKey(PEM.decode())),
    ("a private key as an address", lambda: address(SEED.hex(), "wallet")),
    ("a private key of 40 digits", lambda: address(SEED.hex()[:40], "wallet")),
    ("a secret with a bad character", lambda: ApiCredentials("a", f"{HMAC_KEY[:20]}!", WORD)),
    ("a secret of two words", lambda: ApiCredentials("a", f"{HMAC_KEY} {HMAC_KEY}", WORD)),
    ("a passphrase of two words", lambda: ApiCredentials("a", HMAC_KEY, f"{WORD} {WORD}")),
    ("a secret as the API key", lambda: ApiCredentials(f"{HMAC_KEY}\n{WORD}", HMAC_KEY, WORD)),
    ("a relayer's key of two words", lambda: RelayerKey(f"{WORD} {WORD}", ACCOUNT)),
]


@pytest.mark.parametrize(("what", "make"), BAD)
def test_an_error_about_a_secret_says_nothing_of_it(
    what: str, make: Callable[[], object]
) -> None:
    with pytest.raises(InvalidSecret) as caught:
        make()

    # Without the source lines of this test, which name the secret.
    error = caught.value.with_traceback(None)
    assert error.__context__ is None, what
    _silent(*_all_of(error))


WRONG: list[tuple[str, Callable[[], object]]] = [
    ("path", lambda: _kalshi().headers("GET", "portfolio", 10**12)),
    ("moment", lambda: _kalshi().stream_headers(0)),
    ("digest", lambda: _wallet().sign(b"short")),
    ("L1 moment", lambda: l1_headers(_wallet(), 0)),
    ("L1 nonce", lambda: l1_headers(_wallet(), 10**9, -1)),
    ("L2 moment", lambda: _credentials().l2_headers(ACCOUNT, "GET", "/x", 0)),
    ("L2 path", lambda: _credentials().l2_headers(ACCOUNT, "GET", "x", 10**9)),
    ("builder path", lambda: _credentials().builder_headers("GET", "x", 10**9)),
    ("wallet", lambda: OrderSigner(_wallet(), SignatureType.EOA, WALLET)),
    ("batch", lambda: sign_batch(_wallet(), WALLET, [], nonce=0, deadline_s=0)),
    ("proxy", lambda: sign_proxy(_wallet(), WALLET, [], nonce=0, relay=WALLET)),
    ("safe", lambda: sign_safe(_wallet(), WALLET, [], nonce=0)),
    (
        "transaction",
        lambda: sign_transaction(
            _wallet(), Call(WALLET, b""), nonce=-1, gas=0, gas_price_wei=0
        ),
    ),
]


@pytest.mark.parametrize(("what", "make"), WRONG)
def test_an_error_of_whoever_signs_says_nothing_of_the_key(
    what: str, make: Callable[[], object]
) -> None:
    with pytest.raises((DutchbookError, AssertionError)) as caught:
        make()

    assert str(caught.value), what
    _silent(*_all_of(caught.value))


def test_what_is_signed_carries_no_secret() -> None:
    call = redeem_call("0x" + "1" * 64, neg_risk=False)
    key = _wallet()

    signed: list[Any] = [
        OrderSigner(key, SignatureType.SAFE, WALLET).sign(terms(), STANDARD),
        sign_batch(key, WALLET, [call], nonce=0, deadline_s=0),
        sign_proxy(key, WALLET, [call], nonce=0, relay=WALLET),
        sign_safe(key, WALLET, [call], nonce=0),
        sign_transaction(key, call, nonce=0, gas=0, gas_price_wei=0),
        l1_headers(key, 10**9),
        _kalshi().stream_headers(10**12),
    ]

    _silent(*map(repr, signed))
    headers = _credentials().l2_headers(ACCOUNT, "GET", "/x", 10**9)
    assert headers.pop("POLY_PASSPHRASE") == WORD, "Polymarket asks for it, and it alone"
    _silent(repr(headers))


def test_no_module_of_signing_writes_a_log() -> None:
    home = Path(next(iter(platforms.__path__)))
    names = [home / "confidential.py", home / "kalshi" / "signing.py"]
    names += [p for p in (home / "polymarket").glob("*.py") if "order_codec" not in p.name]

    for path in names:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or node.names[0].name
                assert module.split(".")[0] not in ("logging", "structlog"), path
