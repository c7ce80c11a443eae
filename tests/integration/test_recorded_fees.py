"""Compares the fees that recordings state with our schedules, fill by fill.

The recordings state few fees: Kalshi's fills none at all, its orders amounts that were
replaced, Polymarket's trades a rate that was zero on all but one maker's order. What cannot be
reproduced is listed here with the reason; any other difference fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.recordings import DATA, needs, parsed

from dutchbook.domain.market.fees import (
    FEES_BEGAN,
    POLYMARKET_RATES,
    FeeAccumulator,
    FeeRounding,
    FeeTerms,
    Liquidity,
    kalshi_terms,
    polymarket_schedule,
    polymarket_terms,
)
from dutchbook.domain.values.units import Price, PriceGrid, price, quantity

FIXTURES = DATA / "api_fixtures"
GOLDEN = FIXTURES / "kalshi_rest_golden"
TRADES = FIXTURES / "nautilus_trader"
pytestmark = needs(FIXTURES)
MOST = Decimal("0.25")
"""p(1-p) is never greater."""


def documents(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in the files of a folder, with the name of its file."""
    for path in sorted(folder.rglob("*.json")):
        yield from ((path.name, each) for each in _objects(parsed(path.read_bytes())))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _objects(each)


# Polymarket
# -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stated:
    """A side of a recorded Polymarket trade, and the rate that it states, if any."""

    name: str
    price: Decimal
    size: Decimal
    liquidity: Liquidity
    rate: Decimal | None
    at: datetime


def polymarket_fills() -> list[Stated]:
    found = []
    for file, message in documents(TRADES):
        if not message.keys() >= {"price", "size", "side"} or "fee_rate_bps" not in message:
            continue
        at = _instant(str(message.get("match_time") or message["timestamp"]))
        found.append(_side(file, message, "size", Liquidity.TAKER, at))
        makers = message.get("maker_orders", ())
        found += [_side(file, m, "matched_amount", Liquidity.MAKER, at) for m in makers]
    return found


def _side(
    file: str, message: dict[str, Any], size: str, liquidity: Liquidity, at: datetime
) -> Stated:
    bps = message["fee_rate_bps"]
    return Stated(
        name=f"{file}: {liquidity} {message.get('order_id', message.get('id', 'public'))[:12]}",
        price=Decimal(message["price"]),
        size=Decimal(message[size]),
        liquidity=liquidity,
        rate=Decimal(bps) / 10_000 if bps else None,
        at=at,
    )


def _instant(text: str) -> datetime:
    if not text.isdigit():
        return datetime.fromisoformat(text)
    seconds = int(text) if len(text) <= 10 else int(text) // 1_000
    return datetime.fromtimestamp(seconds, UTC)


BEFORE = (
    "a made-up match of 2024, when each order carried a rate of its own that a maker could pay "
    "too; since 2026-03-31 the market's feeSchedule decides, and makers pay nothing"
)
POLYMARKET_EXCEPT = {"http_trade_report.json: maker 0xmaker02mak": BEFORE}


def test_every_recorded_polymarket_fill_costs_what_it_states() -> None:
    fills = [fill for fill in polymarket_fills() if fill.rate is not None]

    different = []
    for fill in fills:
        terms = polymarket_terms(fill.rate or Decimal(0))
        charged = terms.fee(price(fill.price), quantity(fill.size), fill.liquidity)
        if fill.rate or charged:
            different.append(fill.name)

    assert len(fills) >= 15
    assert different == list(POLYMARKET_EXCEPT)


def test_before_a_market_stated_its_schedule_no_fee_is_known_and_nothing_would_be_traded() -> (
    None
):
    early = [fill for fill in polymarket_fills() if fill.at < FEES_BEGAN]

    assert early
    for fill in early:
        assert {polymarket_schedule(name).at(fill.at) for name in POLYMARKET_RATES} == {None}


def test_recorded_polymarket_fills_are_on_our_grids() -> None:
    tick = PriceGrid.of_tick("0.001")

    for fill in polymarket_fills():
        assert price(fill.price, grid=tick) == fill.price
        assert quantity(fill.size, step=Decimal("0.01")) == fill.size


def test_recorded_markets_state_the_rate_that_our_schedule_has_for_their_day() -> None:
    stated = [
        market
        for _, market in documents(TRADES)
        if isinstance(market.get("feeSchedule"), dict) and "feeType" in market
    ]

    assert stated
    for market in stated:
        schedule, created = market["feeSchedule"], datetime.fromisoformat(market["createdAt"])
        assert market["feeType"] == "sports_fees_v2"
        terms = polymarket_schedule("sports").at(created)
        assert terms is not None
        assert schedule["exponent"] == 1
        assert terms.taker_rate == schedule["rate"]
        assert (terms.maker_rate == 0) == schedule["takerOnly"]


# Kalshi
# ---------------------------------------------------------------------------------------------


def golden(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata of a recorded response, and the response."""
    found = parsed((GOLDEN / name).read_bytes())
    return found["_metadata"], found["response"]


REPLACED = "the amounts were replaced: more than the formula can charge for so many contracts"


def _kalshi_fee(order: dict[str, Any], fills: list[dict[str, Any]]) -> Decimal:
    """Return our schedule's fee for an order, or for its fills where they are recorded."""
    accumulator = FeeAccumulator(kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT))
    total = Decimal(0)
    for row in fills or [order | {"count": order["fill_count"]}]:
        dollars = Price(Decimal(row[f"{order['side']}_price"]) / 100)
        accumulator, fee = accumulator.charge(dollars, quantity(row["count"]))
        total += fee
    return total


def test_no_recorded_kalshi_order_states_a_fee_that_was_charged() -> None:
    about, response = golden("portfolio_orders_response.json")
    fills = golden("portfolio_fills_response.json")[1]["fills"]

    reasons = {}
    for order in response["orders"]:
        ours = [fill for fill in fills if fill["order_id"] == order["order_id"]]
        whole = sum(fill["count"] for fill in ours) == order["fill_count"]
        stated = Decimal(order["taker_fees_dollars"])
        if _kalshi_fee(order, ours if whole else []) != stated:
            most = kalshi_terms("quadratic").taker_rate * order["fill_count"] * MOST
            reasons[order["order_id"]] = REPLACED if stated > most + 1 else "unknown"

    assert "replaced with example values" in about["note"]
    assert list(reasons) == [order["order_id"] for order in response["orders"]]
    assert set(reasons.values()) == {REPLACED}


def test_recorded_kalshi_fills_state_no_fee_and_are_on_our_grids() -> None:
    fills = golden("portfolio_fills_response.json")[1]["fills"]
    cent = PriceGrid.of_tick("0.01")

    assert fills
    for fill in fills:
        assert not [name for name in fill if "fee" in name]
        yes, no = (price(fill[f"{side}_price_fixed"], grid=cent) for side in ("yes", "no"))
        assert yes + no == 1
        assert quantity(fill["count"], step=Decimal("0.01")) == fill["count"]


def test_the_fills_of_a_recorded_order_pay_their_models_fee_and_at_most_a_cent_more() -> None:
    fills = golden("portfolio_fills_response.json")[1]["fills"]
    orders = golden("portfolio_orders_response.json")[1]["orders"]
    terms: FeeTerms = kalshi_terms("quadratic", rounding=FeeRounding.KALSHI_CENT)

    checked = 0
    for order in orders:
        ours = [fill for fill in fills if fill["order_id"] == order["order_id"]]
        if sum(fill["count"] for fill in ours) != order["fill_count"]:
            continue
        model = sum(
            (terms.model(Decimal(f["yes_price_fixed"]), Decimal(f["count"])) for f in ours),
            start=Decimal(0),
        )
        assert 0 <= _kalshi_fee(order, ours) - model <= terms.rounding.quantum
        checked += 1

    assert checked == 2


def test_every_recorded_series_states_a_fee_that_we_know() -> None:
    series = [each for _, each in documents(FIXTURES) if "fee_multiplier" in each]

    assert len(series) >= 200
    for each in series:
        terms = kalshi_terms(each["fee_type"], Decimal(each["fee_multiplier"]))
        assert terms.taker_rate == Decimal("0.07") * each["fee_multiplier"]
        assert (terms.maker_rate > 0) == (each["fee_type"] != "quadratic")
