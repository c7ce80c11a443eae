"""Each platform's answers to an order: encoded by the paper platform, decoded by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.kalshi import order_codec as kalshi
from dutchbook.platforms.kalshi import order_encoder as kalshi_encoder
from dutchbook.platforms.order_answers import Answer, Placed, Sent, Table
from dutchbook.platforms.polymarket import order_codec as polymarket
from dutchbook.platforms.polymarket import order_encoder as polymarket_encoder
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import FillReport, OrderReport


class Decoder(Protocol):
    """Decodes one platform's answers."""

    TABLE: Table
    RELIED_ON: tuple[str, ...]

    def decode_placed(self, raw: bytes, sent: Sent) -> Placed:
        """Decode the answer to an accepted order."""

    def decode_order(self, answer: Answer, sent: Sent) -> Placed | None:
        """Decode the answer to an order query; None if the order is not shown."""

    def decode_fills(self, answer: Answer, sent: Sent, placed: Placed) -> Listing[FillReport]:
        """Decode a page of an order's trades."""


class Encoder(Protocol):
    """Encodes one platform's answers to a request."""

    def encode_placed(self, order: Order, report: OrderReport) -> Answer:
        """Encode the answer to an accepted order."""

    def encode_refused(self, reason: str, order: Order) -> Answer:
        """Encode the rejection with our `reason`."""

    def encode_fills(self, order: Order, report: OrderReport, *, last: bool = True) -> Answer:
        """Encode a page of an order's trades."""


DECODERS: Mapping[Platform, Decoder] = {
    Platform.KALSHI: kalshi,
    Platform.POLYMARKET: polymarket,
}
ENCODERS: Mapping[Platform, Encoder] = {
    Platform.KALSHI: kalshi_encoder,
    Platform.POLYMARKET: polymarket_encoder,
}
