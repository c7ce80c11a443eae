"""Every answer to an order that Polymarket documents, verbatim, with its meaning.

`{name}` marks what varies. Anything not listed is unknown: all 500s but one, 502, 504, a
`context canceled` that became a 400, and every undocumented answer. Where a page advises to
send again, Dutchbook queries the order instead.
"""

from __future__ import annotations

from dutchbook.platforms.order_answers import NO_MATCH, Family, Row

LIVE, MATCHED, DELAYED = "live", "matched", "delayed"

_CODES = "docs.polymarket.com error-codes, copy of 2026-09-27"
_PLACE = "docs.polymarket.com place-orders, copy of 2026-09-27; polymarket-client 0.14.0"
_LIFE = "docs.polymarket.com order-lifecycle, copy of 2026-06"
_ENGINE = "docs.polymarket.com matching-engine, copy of 2026-09-27"
_AUTH = "docs.polymarket.com wallets-auth, copy of 2026-09-27"
_SEEN = "live reports in public code and issues, through 2026-09"


def _text(reason: str, text: str, source: str = _CODES, status: int = 400) -> Row:
    """Return a rejection's row: with its own status, or in a 200 as an entry without an id."""
    return Row((status, 200), Family.REJECTED, reason, source, text=text)


ROWS = (
    # Accepted
    Row((200,), Family.ACCEPTED, LIVE, _PLACE, code=LIVE),
    Row((200,), Family.ACCEPTED, MATCHED, _PLACE, code=MATCHED),
    # Held back, or documentation and clients disagree on the outcome.
    Row((200,), Family.DELAYED, DELAYED, _LIFE, code=DELAYED),
    Row((200,), Family.UNKNOWN, "unmatched", f"{_LIFE}; clients differ", code="unmatched"),
    Row(
        (400, 200),
        Family.UNKNOWN,
        "delayed",
        _CODES,
        text="order match delayed due to market conditions",
    ),
    # The digest was used before, possibly by this same order, so the platform is queried.
    Row(
        (400, 200),
        Family.UNKNOWN,
        "order_already_exists",
        _CODES,
        text="order {id} is invalid. Duplicated.",
    ),
    # Nothing to match
    _text(
        "fill_or_kill_insufficient_resting_volume",
        "order couldn't be fully filled. FOK orders are fully filled or killed.",
    ),
    _text(
        NO_MATCH,
        "no orders found to match with FAK order."
        " FAK orders are partially filled or killed if no match is found.",
    ),
    # Invalid request
    _text("invalid_parameters", "Invalid order payload"),
    _text(
        "invalid_price",
        "order {id} is invalid. Price ({price}) breaks minimum tick size rule: {tick}",
    ),
    _text(
        "invalid_order_size",
        "order {id} is invalid. Size ({size}) lower than the minimum: {min}",
    ),
    _text(
        "invalid_order_size", "Size {size} has {n} decimal places. Maximum lot size is 2", _SEEN
    ),
    _text(
        "invalid_amounts",
        "invalid amounts, the market {side} orders maker amount supports a max accuracy of"
        " {n} decimals, taker amount a max of {n} decimals",
        _SEEN,
    ),
    _text(
        "below_minimum_amount",
        "invalid amount for a marketable {side} order (${dollars}), min size: $1",
        _SEEN,
    ),
    _text("post_only_crosses", "invalid post-only order: order crosses book"),
    _text("post_only_crosses", "order {id} crosses the book"),
    _text(
        "invalid_parameters",
        "invalid post-only order: only GTC and GTD order types are allowed",
    ),
    _text("invalid_expiration", "invalid expiration"),
    _text("order_version_mismatch", "order_version_mismatch"),
    _text("cancelled_on_chain", "order canceled in the CTF exchange contract"),
    # Balance and permission
    _text("insufficient_balance", "not enough balance / allowance{tail}"),
    _text("not_permitted", "the order owner has to be the owner of the API KEY"),
    _text("not_permitted", "the order signer address has to be the address of the API KEY"),
    _text(
        "not_permitted",
        "maker address not allowed, please use the deposit wallet flow",
        _SEEN,
    ),
    _text("address_banned", "'{address}' address banned"),
    _text("closed_only", "'{address}' address in closed only mode"),
    _text("unauthorized", "Unauthorized/Invalid api key", _AUTH, 401),
    _text("unauthorized", "Invalid L1 Request headers", _AUTH, 401),
    Row((403,), Family.REJECTED, "region_blocked", "docs.polymarket.com geoblock, 2026-09"),
    # Trading not open
    _text("market_inactive", "the market is not yet ready to process new orders"),
    _text("market_closed", "No orderbook exists for the requested token id", _CODES, 404),
    _text("market_closed", "market not found", _CODES, 404),
    Row((425,), Family.REJECTED, "engine_restarting", _ENGINE),
    Row((429,), Family.REJECTED, "rate_limited", _CODES, text="Too Many Requests"),
    _text(
        "trading_is_paused",
        "Trading is currently disabled. Check polymarket.com for updates",
        _ENGINE,
        503,
    ),
    _text(
        "cancel_only",
        "Trading is currently cancel-only. New orders are not accepted, but cancels are"
        " allowed.",
        _ENGINE,
        503,
    ),
    Row(
        (503,),
        Family.REJECTED,
        "post_only_mode",
        _ENGINE,
        code="post_only_mode",
        text="post-only mode: only post-only orders and cancels are allowed",
    ),
    _text(
        "post_only_mode",
        "post-only mode: only post-only orders and cancels are allowed",
        _ENGINE,
        503,
    ),
    # The only 500 documented as a rejection: the order never reached the book.
    Row((500,), Family.REJECTED, "order_timed_out", _CODES, text="order timed out"),
)
