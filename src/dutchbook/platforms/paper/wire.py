"""How a platform writes its answers and how we read them: one module a platform, both ways."""

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
    """One platform's answers to an order, written by paper and read by the engine."""

    TABLE: Table
    RELIED_ON: tuple[str, ...]

    def encode_placed(self, order: Order, report: OrderReport) -> Answer:
        """Write the answer to an order that was taken."""

    def encode_refused(self, reason: str, order: Order) -> Answer:
        """Write the refusal that we know by `reason`."""

    def encode_order(self, order: Order, report: OrderReport | None) -> Answer:
        """Write the answer to a question about an order; None: there is none."""

    def encode_fills(self, order: Order, report: OrderReport) -> Answer:
        """Write the trades of an order."""

    def decode_placed(self, raw: bytes, sent: Sent) -> Placed:
        """Read the answer to an order that was taken."""

    def decode_order(self, answer: Answer, sent: Sent) -> Placed | None:
        """Read the answer to a question about an order; None: not seen."""

    def decode_fills(
        self, answer: Answer, sent: Sent, placed: Placed
    ) -> tuple[FillReport, ...]:
        """Read the trades of an order."""


WIRES: Mapping[Platform, Wire] = {
    Platform.KALSHI: kalshi,
    Platform.POLYMARKET: polymarket,
}
