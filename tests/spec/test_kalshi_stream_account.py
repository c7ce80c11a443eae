"""Our trades and orders on Kalshi's stream: reports, contradictions, and breaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent.kalshi_stream import slow_fill
from support.kalshi_stream import SAMPLES, T0, Engine, raw, sample
from support.orders import PLAIN, order

from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.platforms.kalshi.stream.connection import StreamSettings
from dutchbook.platforms.kalshi.stream.outputs import (
    Announced,
    FillOfUnknownOrder,
    OrderSeen,
    Output,
    Unreadable,
)
from dutchbook.ports.orders import Connected, FillReport, Gap, OrderReport

OURS = order(
    replace(PLAIN, client_order_id="my-order-1", contract_id="HIGHNY-22DEC23-B53.5"),
    size="300",
    price="0.75",
)
RESTING = order(
    replace(PLAIN, client_order_id="my-order-1", contract_id="FED-23DEC-T3.00"), size="10"
)
CHANNELS = StreamSettings(tickers=False).channels
SIDS = {name: sid for sid, name in enumerate(CHANNELS, 1)}


def engine(*orders: Order) -> Engine:
    """Return a stream whose every channel but the books is acknowledged."""
    made = Engine(StreamSettings(tickers=False), *orders)
    made.open()
    for number, channel in enumerate(CHANNELS[1:], 1):
        begun = {"channel": channel, "sid": SIDS[channel]}
        made.receive({"type": "subscribed", "id": number, "msg": begun})
    return made


def seen(made: Engine, name: str, channel: str = "fill", **changes: Any) -> list[Output]:
    message = {**SAMPLES[name], "sid": SIDS[channel]}
    message["msg"] = {**message["msg"], **changes}
    return made.receive(raw(message))


def test_the_account_has_a_subscription_to_each_of_its_channels() -> None:
    made = engine()

    begun = [each["params"]["channels"] for each in made.sent]
    assert begun == [
        ["market_lifecycle_v2"],
        ["fill"],
        ["user_orders"],
        ["market_positions"],
        ["order_group_updates"],
    ]
    assert [each for each in made.outputs if isinstance(each, Connected)] == [Connected()]


def test_a_trade_of_an_order_is_a_complete_report() -> None:
    (report,) = seen(engine(OURS), "fill")

    assert isinstance(report, FillReport)
    assert report.client_order_id == "my-order-1"
    assert report.platform_order_id == "ee587a1c-8b87-4dcf-b721-9f6f790619fa"
    assert (report.price, report.size, report.fee) == (
        Decimal("0.75"),
        Decimal(278),
        Decimal("0.01"),
    )
    assert report.finality is Finality.SETTLED
    assert report.matched_at.isoformat() == "2022-12-24T16:29:57+00:00"


@pytest.mark.parametrize(
    ("outcome", "side", "book_side", "price"),
    [
        (Outcome.YES, Side.BUY, "bid", "0.75"),
        (Outcome.YES, Side.SELL, "ask", "0.75"),
        (Outcome.NO, Side.BUY, "ask", "0.25"),
        (Outcome.NO, Side.SELL, "bid", "0.25"),
    ],
)
def test_the_price_is_that_of_the_order_s_outcome(
    outcome: Outcome, side: Side, book_side: str, price: str
) -> None:
    ours = replace(OURS, outcome=outcome, side=side)
    way = {"bid": "yes", "ask": "no"}[book_side]

    (report,) = seen(engine(ours), "fill", book_side=book_side, outcome_side=way)

    assert isinstance(report, FillReport)
    assert report.price == Decimal(price)


CENTS = st.integers(1, 9_999).map(lambda n: f"{Decimal(n) / 10_000:.4f}")
COUNTS = st.integers(1, 10**9).map(lambda n: f"{Decimal(n) / 100:.2f}")
FEES = st.integers(0, 10**9).map(lambda n: f"{Decimal(n) / 10**6:.6f}")


@given(
    price=CENTS,
    count=COUNTS,
    fee=FEES,
    ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
    outcome=st.sampled_from(Outcome),
)
def test_trades_read_as_they_do_with_json_and_decimals(
    price: str, count: str, fee: str, ms: int, outcome: Outcome
) -> None:
    side = Side.BUY if outcome is Outcome.YES else Side.SELL  # both are bids
    changes: dict[str, Any] = {
        "yes_price_dollars": price,
        "count_fp": count,
        "fee_cost": fee,
        "ts_ms": ms,
    }
    slow = slow_fill(sample("fill", **changes), outcome.value)

    (report,) = seen(engine(replace(OURS, outcome=outcome, side=side)), "fill", **changes)

    assert isinstance(report, FillReport)
    assert (report.price, report.size, report.fee) == (slow.price, slow.size, slow.fee)
    assert (report.trade_id, report.matched_at) == (slow.trade_id, slow.at)


def test_a_trade_without_our_order_id_is_known_by_the_platform_s() -> None:
    ours = replace(OURS, platform_order_id="ee587a1c-8b87-4dcf-b721-9f6f790619fa")

    (report,) = seen(engine(ours), "fill", client_order_id="")

    assert isinstance(report, FillReport)
    assert report.client_order_id == "my-order-1"


def test_a_trade_of_an_order_that_is_not_known_is_handed_on() -> None:
    (handed,) = seen(engine(), "fill")

    assert isinstance(handed, FillOfUnknownOrder)
    assert handed.fill.trade_id == "d91bc706-ee49-470d-82d8-11418bda6fed"


@pytest.mark.parametrize(
    "ours",
    [
        replace(OURS, contract_id="OTHER"),
        replace(OURS, outcome=Outcome.NO),
        replace(OURS, side=Side.SELL),
        replace(OURS, platform_order_id="another"),
    ],
)
def test_a_trade_that_contradicts_its_order_is_unreadable_and_a_break(ours: Order) -> None:
    outputs = seen(engine(ours), "fill")

    assert [type(each) for each in outputs] == [Unreadable, Gap, Connected]


def test_a_resting_order_has_its_totals_and_works() -> None:
    (handed,) = seen(
        engine(RESTING),
        "user_order",
        "user_orders",
        fill_count_fp="4.00",
        remaining_count_fp="6.00",
        taker_fill_cost_dollars="1.400000",
        taker_fees_dollars="0.070000",
    )

    assert isinstance(handed, OrderSeen)
    assert isinstance(handed.report, OrderReport)
    assert handed.report.working == 6
    assert handed.report.stated is not None
    assert (handed.report.stated.filled, handed.report.stated.cost) == (
        Decimal(4),
        Decimal("1.4"),
    )
    assert handed.report.stated.fees == Decimal("0.07")
    assert not handed.report.whole


@pytest.mark.parametrize(("filled", "whole"), [("0.00", True), ("4.00", False)])
def test_a_cancelled_order_works_no_more(filled: str, *, whole: bool) -> None:
    (handed,) = seen(
        engine(RESTING), "user_order", "user_orders", status="canceled", fill_count_fp=filled
    )

    assert isinstance(handed, OrderSeen)
    assert handed.report is not None
    assert (handed.report.working, handed.report.whole) == (Decimal(0), whole)


@pytest.mark.parametrize("known", [True, False])
def test_an_order_in_an_unknown_state_or_of_others_has_no_report(*, known: bool) -> None:
    made = engine(*([RESTING] if known else []))

    status = "unknown" if known else "resting"
    (handed,) = seen(made, "user_order", "user_orders", status=status)

    assert isinstance(handed, OrderSeen)
    assert handed.report is None


def test_an_order_that_filled_more_than_was_ordered_is_unreadable() -> None:
    outputs = seen(engine(RESTING), "user_order", "user_orders", fill_count_fp="10.01")

    assert isinstance(outputs[0], Unreadable)


def test_positions_and_groups_are_announced() -> None:
    made = engine()

    for name, channel in (
        ("market_position", "market_positions"),
        ("order_group_updates", "order_group_updates"),
        ("event_fee_update", "market_lifecycle_v2"),
    ):
        outputs = seen(made, name, channel)
        assert [type(each) for each in outputs][-1] is Announced


def test_the_end_of_a_connection_is_a_gap_since_just_before_the_last_message() -> None:
    made = engine()
    made.wait(20)
    made.receive({"type": "other"})
    made.wait(40)

    made.close()
    made.close()

    gaps = [each for each in made.outputs if isinstance(each, Gap)]
    assert gaps == [Gap(T0 + timedelta(seconds=15))]


def test_a_subscription_to_trades_that_ends_is_a_gap_until_it_begins_again() -> None:
    made = engine()

    error = {"type": "error", "sid": SIDS["fill"], "msg": {"code": 25, "msg": "overflow"}}
    ended = made.receive(error)
    begun = made.receive(
        {"type": "subscribed", "id": made.sent[-1]["id"], "msg": {"channel": "fill", "sid": 44}}
    )

    assert any(isinstance(each, Gap) for each in ended)
    assert made.sent[-1]["params"]["channels"] == ["fill"]
    assert begun == [Connected()]


def test_an_unreadable_trade_is_a_break_and_an_unreadable_position_is_not() -> None:
    made = engine(OURS)

    trade = seen(made, "fill", count_fp="many")
    position = seen(made, "market_position", "market_positions", position_fp="many")

    assert [type(each) for each in trade] == [Unreadable, Gap, Connected]
    assert [type(each) for each in position] == [Unreadable]
