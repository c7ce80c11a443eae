"""Codecs of platform answers: one module per platform, with encoders and decoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.platforms.kalshi import order_codec as kalshi
from dutchbook.platforms.order_answers import Answer, Placed, Sent, Table
from dutchbook.platforms.polymarket import order_codec as polymarket
from dutchbook.ports.gateway import FillReport, OrderReport


class Wire(Protocol):
    """One platform's answers to an order, encoded by paper and decoded by the engine."""

    TABLE: Table
    RELIED_ON: tuple[str, ...]

    def encode_placed(self, order: Order, report: OrderReport) -> Answer:
        """Encode the answer to an accepted order."""

    def encode_refused(self, reason: str, order: Order) -> Answer:
        """Encode the rejection with our `reason`."""

    def encode_order(self, order: Order, report: OrderReport | None) -> Answer:
        """Encode the answer to an order query; a `report` of None means no such order."""

    def encode_fills(self, order: Order, report: OrderReport) -> Answer:
        """Encode the trades of an order."""

    def decode_placed(self, raw: bytes, sent: Sent) -> Placed:
        """Decode the answer to an accepted order."""

    def decode_order(self, answer: Answer, sent: Sent) -> Placed | None:
        """Decode the answer to an order query; None if the order is not shown."""

    def decode_fills(
        self, answer: Answer, sent: Sent, placed: Placed
    ) -> tuple[FillReport, ...]:
        """Decode the trades of an order."""


WIRES: Mapping[Platform, Wire] = {
    Platform.KALSHI: kalshi,
    Platform.POLYMARKET: polymarket,
}
