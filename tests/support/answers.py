"""Orders, reports and raw answers for tests of the platform codecs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.market.fees import FeeSchedule
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity
from dutchbook.platforms.order_answers import Answer, Sent
from dutchbook.ports.orders import FillReport, OrderReport
from support.pairs import NOW, contract

CLIENT_ID = "7f0c6d1e-3a52-4c1b-9d8e-0a1b2c3d4e5f"
DIGEST = "0xa963e97595099990d3cf495d929b0a646d9e3eee2fdd3ef81ace7aafb74a8f0f"


def order(platform: Platform, **facts: object) -> Order:
    made = Order(
        order_id="o1",
        client_order_id=CLIENT_ID,
        platform=platform,
        contract_id=f"{platform}-cup",
        pair_id="cup",
        execution_id="e1",
        leg=Leg.PRIMARY,
        purpose=Purpose.ENTRY,
        outcome=Outcome.YES,
        side=Side.BUY,
        price=Price(Decimal("0.52")),
        size=Quantity(Decimal(10)),
        time_in_force=TimeInForce.IOC,
        created_at=NOW,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def fees(platform: Platform) -> FeeSchedule:
    found = contract(platform).fees
    assert found is not None
    return found


def sent(platform: Platform, **facts: object) -> Sent:
    if platform is Platform.POLYMARKET:
        facts = {"platform_order_id": DIGEST, **facts}
    return Sent(order(platform, **facts), fees(platform))


def as_bytes(body: object) -> bytes:
    return json.dumps(body).encode()


def said(status: int, body: object) -> Answer:
    return Answer(status, body if isinstance(body, bytes) else as_bytes(body))


def changed(body: dict[str, Any], **fields: Any) -> bytes:
    """Return a body with some fields replaced, or removed where the value is `...`."""
    merged = {**body, **fields}
    return as_bytes({key: value for key, value in merged.items() if value is not ...})


@st.composite
def reports(draw: st.DrawFn, platform: Platform) -> tuple[Sent, OrderReport]:
    """Draw an order and a possible report of it, on the finest price grid, of 0.01 or more."""
    resting = draw(st.booleans())
    before = sent(
        platform,
        outcome=draw(st.sampled_from(list(Outcome))),
        side=draw(st.sampled_from(list(Side))),
        time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
    )
    count = draw(st.integers(0, 4))
    sizes = [draw(st.integers(1_000, 250_000)) * 10 for _ in range(count)]
    finalities = [Finality.SETTLED] if platform is Platform.KALSHI else list(Finality)
    name = DIGEST if platform is Platform.POLYMARKET else "6c170f2d-31ac-5a52"
    fills = tuple(
        _fill(draw, before, name, number, size, finalities) for number, size in enumerate(sizes)
    )
    filled = sum((fill.size for fill in fills), start=Decimal(0))
    working = Quantity(before.order.size - filled) if resting else NOTHING
    return before, OrderReport(name, fills, working)


def _fill(
    draw: st.DrawFn,
    before: Sent,
    name: str,
    number: int,
    size_e6: int,
    finalities: list[Finality],
) -> FillReport:
    platform = before.order.platform
    at = NOW + timedelta(microseconds=draw(st.integers(0, 10**9)))
    paid = Price(Decimal(draw(st.integers(1, 9_999))) / 10_000)
    size = Quantity(Decimal(size_e6) / 1_000_000)
    terms = fees(platform).at(at)
    assert terms is not None
    stated = Money(Decimal(draw(st.integers(0, 10**7))) / 1_000_000)
    return FillReport(
        platform=platform,
        platform_order_id=name,
        client_order_id=CLIENT_ID,
        trade_id=f"t{number}",
        price=paid,
        size=size,
        fee=stated if platform is Platform.KALSHI else terms.fee(paid, size),
        finality=draw(st.sampled_from(finalities)),
        matched_at=at,
    )
