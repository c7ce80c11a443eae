"""The hash that Polymarket gives with a book, computed from what the book says.

Source: py-clob-client-v2 1.2.1, which says that the server computes the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

FIELDS = (
    "market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size",
    "neg_risk", "last_trade_price",
)  # fmt: skip
"""The fields that are hashed, in this order; `hash` as an empty text."""


def book_hash(book: Mapping[str, Any]) -> str:
    """Return the hash of a book of the REST interface: 40 hexadecimal digits.

    Args:
        book: The decoded answer; texts and the order of the levels are as received.
    """
    hashed: dict[str, Any] = {name: book[name] for name in FIELDS} | {"hash": ""}
    for side in ("bids", "asks"):
        hashed[side] = [{"price": each["price"], "size": each["size"]} for each in book[side]]
    # SHA-1 is what Polymarket chose; it protects nothing, but shows a book that is torn.
    return hashlib.sha1(msgspec.json.encode(hashed), usedforsecurity=False).hexdigest()
