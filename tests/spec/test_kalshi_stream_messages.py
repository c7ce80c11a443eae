"""Kalshi's stream: every message that its pages show, what it says, and malformed ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from independent.kalshi_stream import slow_fill
from support.kalshi_stream import SAMPLES, raw, sample

from dutchbook.domain.values.units import PriceGrid
from dutchbook.errors import MalformedMessage
from dutchbook.platforms.kalshi.book_codec import level_of, sides_of
from dutchbook.platforms.kalshi.stream import commands
from dutchbook.platforms.kalshi.stream.account_messages import Fill, MarketPosition, UserOrder
from dutchbook.platforms.kalshi.stream.answers import Failed, Ok, Subscribed, Unsubscribed
from dutchbook.platforms.kalshi.stream.lifecycle_messages import EventFeeUpdate, MarketLifecycle
from dutchbook.platforms.kalshi.stream.market_messages import Delta, Snapshot, Ticker, Trade
from dutchbook.platforms.kalshi.stream.messages import READ, Unknown, decode, envelope

LIVES = (
    "created", "activated", "deactivated", "close_date_updated", "determined", "settled",
    "price_level_structure_updated", "metadata_updated",
)  # fmt: skip


def refused(data: bytes) -> str:
    with pytest.raises(MalformedMessage) as caught:
        decode(data)
    assert caught.value.raw == data
    return str(caught.value)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_message_of_the_pages_is_read(name: str) -> None:
    message = decode(sample(name))

    assert not isinstance(message, Unknown)
    for field in ("sid", "seq", "sending_ts_ms"):
        assert getattr(message, field, None) == SAMPLES[name].get(field)


def test_there_is_a_sample_of_every_type_that_is_read() -> None:
    assert {each["type"] for each in SAMPLES.values()} == READ


@pytest.mark.parametrize("name", LIVES)
def test_every_kind_of_life_event_is_read(name: str) -> None:
    message = decode(sample(name))

    assert isinstance(message, MarketLifecycle)
    assert message.msg.event_type == name


def test_answers_say_which_command_and_which_subscription() -> None:
    begun, changed, ended = (decode(sample(n)) for n in ("subscribed", "ok", "unsubscribed"))
    listed, failed = decode(sample("list")), decode(sample("error"))

    assert isinstance(begun, Subscribed)
    assert (begun.id, begun.msg.channel, begun.msg.sid) == (1, "orderbook_delta", 1)
    assert isinstance(changed, Ok)
    assert (changed.id, changed.sid, changed.seq) == (123, 456, 222)
    assert isinstance(ended, Unsubscribed)
    assert isinstance(listed, Ok)
    assert isinstance(listed.msg, tuple)
    assert [(each.channel, each.sid) for each in listed.msg][1:] == [("ticker", 2), ("fill", 3)]
    assert isinstance(failed, Failed)
    assert (failed.id, failed.msg.code) == (123, 7)


@pytest.mark.parametrize(
    ("yes_price", "asks"),
    [
        (False, ((4_600, 20_000_000), (4_400, 146_000_000))),
        (True, ((5_400, 20_000_000), (5_600, 146_000_000))),
    ],
)
def test_a_whole_book_has_exact_prices_and_sizes(
    asks: tuple[tuple[int, int], ...], *, yes_price: bool
) -> None:
    message = decode(sample("orderbook_snapshot"))

    assert isinstance(message, Snapshot)
    assert message.msg.clock == 4182057
    assert sides_of(message.msg, yes_price=yes_price) == (
        ((800, 300_000_000), (2_200, 333_000_000)),
        asks,
    )


@pytest.mark.parametrize("side", [None, []])
def test_an_empty_side_is_absent_or_empty(side: list[Any] | None) -> None:
    message = decode(sample("orderbook_snapshot", yes_dollars_fp=side, no_dollars_fp=side))

    assert isinstance(message, Snapshot)
    assert sides_of(message.msg) == ((), ())


def test_a_change_has_its_level_its_clock_and_its_time() -> None:
    message = decode(sample("orderbook_delta"))

    assert isinstance(message, Delta)
    assert level_of(message.msg) == (0, 9_600, -54_000_000)
    assert message.msg.clock == 4182061
    assert message.msg.at == datetime(2022, 11, 22, 20, 44, 1, tzinfo=UTC)


def test_a_change_of_an_older_recording_has_a_time_as_text_and_no_clock() -> None:
    text = "2026-04-18T05:34:13.123456Z"
    message = decode(sample("orderbook_delta", clock=None, ts_ms=None, ts=text))

    assert isinstance(message, Delta)
    assert message.msg.clock is None
    assert message.msg.at == datetime(2026, 4, 18, 5, 34, 13, 123456, tzinfo=UTC)


def test_best_prices_include_none_at_all() -> None:
    some = decode(sample("ticker"))
    none = decode(sample("ticker", yes_bid_dollars="0.0000", yes_ask_dollars="1.0000"))

    assert isinstance(some, Ticker)
    assert some.msg.top_e4 == (4_500, 5_300)
    assert isinstance(none, Ticker)
    assert none.msg.top_e4 == (0, 10_000)


def test_a_trade_of_ours_reads_as_it_does_with_decimals() -> None:
    message, slow = decode(sample("fill")), slow_fill(sample("fill"), "yes")

    assert isinstance(message, Fill)
    assert (message.msg.trade_id, message.msg.order_id) == (slow.trade_id, slow.order_id)
    assert Decimal(message.msg.yes_price_dollars) == slow.price == Decimal("0.75")


def test_an_order_and_a_position_read() -> None:
    order, position = decode(sample("user_order")), decode(sample("market_position"))

    assert isinstance(order, UserOrder)
    assert (order.msg.status, order.msg.ticker) == ("resting", "FED-23DEC-T3.00")
    assert isinstance(position, MarketPosition)
    assert position.msg.net_e6 == -100_000_000


def test_a_result_and_a_grid_are_what_they_say() -> None:
    scalar, grid = (
        decode(sample(each)) for each in ("determined", "price_level_structure_updated")
    )
    yes = decode(sample("determined", result="yes", settlement_value=None))

    assert isinstance(scalar, MarketLifecycle)
    assert scalar.msg.yes_pays_e4 == 5_000
    assert isinstance(yes, MarketLifecycle)
    assert yes.msg.yes_pays_e4 == 10_000
    assert isinstance(grid, MarketLifecycle)
    assert grid.msg.grid == PriceGrid.of_tick("0.001")


def test_a_fee_multiplier_is_exact() -> None:
    message = decode(sample("event_fee_update"))

    assert isinstance(message, EventFeeUpdate)
    assert message.msg.fee_multiplier_override == Decimal("0.07")


def test_an_unknown_type_is_known_by_its_envelope() -> None:
    data = raw({"type": "pyth_value", "sid": 3, "seq": 9, "msg": {"x": [1]}})

    assert decode(data) == Unknown("pyth_value", 3, 9)


def test_a_message_that_cannot_be_read_may_still_name_its_contract() -> None:
    found = envelope(sample("orderbook_delta", side="maybe"))
    other = envelope(b'{"type":"ok","sid":3,"msg":[1]}')

    assert found is not None
    assert (found.sid, found.seq, found.contract_id) == (2, 3, "FED-23DEC-T3.00")
    assert other is not None
    assert (other.sid, other.contract_id) == (3, None)
    assert envelope(b'{"type":"ok"') is None


BAD: list[tuple[str, dict[str, Any]]] = [
    ("orderbook_snapshot", {"yes_dollars_fp": [["0.40", "-1.00"]]}),
    ("orderbook_snapshot", {"yes_dollars_fp": [["0.40", "1.00"], ["0.4000", "2.00"]]}),
    ("orderbook_snapshot", {"no_dollars_fp": [["1.00", "1.00"]]}),
    ("orderbook_snapshot", {"yes_dollars_fp": [[0.4, 1]]}),
    ("orderbook_snapshot", {"clock": -1}),
    ("orderbook_delta", {"side": "maybe"}),
    ("orderbook_delta", {"delta_fp": "0.00"}),
    ("orderbook_delta", {"delta_fp": -54.0}),
    ("orderbook_delta", {"delta_fp": "1_0"}),
    ("orderbook_delta", {"delta_fp": "1e2"}),
    ("orderbook_delta", {"price_dollars": "\u0660.\u0664"}),
    ("orderbook_delta", {"price_dollars": "0.40000000000000000000000000000000000001"}),
    ("orderbook_delta", {"clock": 0}),
    ("orderbook_delta", {"ts_ms": 5}),
    ("orderbook_delta", {"ts_ms": None, "ts": "yesterday"}),
    ("orderbook_delta", {"ts_ms": None, "ts": "0001-01-01T00:00:00+14:00"}),
    ("orderbook_delta", {"ts_ms": None, "ts": "2026-04-18T05:34:13"}),
    ("ticker", {"yes_bid_dollars": "NaN"}),
    ("ticker", {"yes_ask_dollars": "1.0001"}),
    ("trade", {"no_price_dollars": "0.6300"}),
    ("trade", {"count_fp": "0.00"}),
    ("trade", {"taker_outcome_side": "both"}),
    ("fill", {"count_fp": "0"}),
    ("fill", {"fee_cost": "Infinity"}),
    ("fill", {"fee_cost": None}),
    ("fill", {"outcome_side": "no"}),
    ("fill", {"book_side": "both"}),
    ("fill", {"yes_price_dollars": "1.0000"}),
    ("fill", {"trade_id": ""}),
    ("fill", {"ts_ms": 10**18}),
    ("user_order", {"status": "pending"}),
    ("user_order", {"fill_count_fp": "-1.00"}),
    ("user_order", {"taker_fees_dollars": "much"}),
    ("user_order", {"outcome_side": "no"}),
    ("market_position", {"position_fp": 5}),
    ("order_group_updates", {"event_type": "paused"}),
    ("order_group_updates", {"contracts_limit_fp": "-1.00"}),
    ("determined", {"result": "void"}),
    ("determined", {"result": None}),
    ("determined", {"settlement_value": "1.5000"}),
    ("close_date_updated", {"close_ts": None}),
    ("price_level_structure_updated", {"price_ranges": None}),
    ("price_level_structure_updated", {"price_ranges": []}),
    ("price_level_structure_updated", {"price_ranges": [{"start": "0", "end": "1"}]}),
    ("settled", {"event_type": "revived"}),
    ("event_lifecycle", {"collateral_return_type": "NET"}),
    ("event_fee_update", {"fee_type_override": "cubic"}),
    ("event_fee_update", {"fee_multiplier_override": -1}),
    ("event_fee_update", {"fee_multiplier_override": "NaN"}),
    ("event_fee_cleared", {"fee_type_override": None}),
    ("error", {"code": 6}),
    ("error", {"code": 29}),
    ("subscribed", {"sid": 0}),
]


@pytest.mark.parametrize(("name", "changes"), BAD, ids=str)
def test_what_the_pages_do_not_allow_is_refused(name: str, changes: dict[str, Any]) -> None:
    assert refused(sample(name, **changes))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff\xfe", b'{"type":1}', b"[" * 100_000, b"{}"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    assert refused(data)


@pytest.mark.parametrize("field", ["sid", "seq"])
@pytest.mark.parametrize("name", ["orderbook_snapshot", "orderbook_delta", "trade", "created"])
def test_a_message_without_its_number_is_refused(name: str, field: str) -> None:
    message = {key: value for key, value in SAMPLES[name].items() if key != field}

    assert refused(raw(message))


# Commands ------------------------------------------------------------------------------------


def test_commands_are_those_of_the_pages() -> None:
    sent = [
        json.loads(each)
        for each in (
            commands.subscribe(1, "orderbook_delta", ["A", "B"], yes_price=False),
            commands.subscribe(2, "ticker", ["A"], yes_price=True),
            commands.subscribe(3, "fill", yes_price=True),
            commands.update(4, 3, "add_markets", ["C"]),
            commands.unsubscribe(5, [3]),
            commands.list_subscriptions(6),
        )
    ]

    books = {"channels": ["orderbook_delta"], "market_tickers": ["A", "B"]}
    prices = {"channels": ["ticker"], "market_tickers": ["A"], "send_initial_snapshot": True}
    change = {"sids": [3], "action": "add_markets", "market_tickers": ["C"]}
    assert sent == [
        {"id": 1, "cmd": "subscribe", "params": books | {"use_yes_price": False}},
        {"id": 2, "cmd": "subscribe", "params": prices},
        {"id": 3, "cmd": "subscribe", "params": {"channels": ["fill"]}},
        {"id": 4, "cmd": "update_subscription", "params": change},
        {"id": 5, "cmd": "unsubscribe", "params": {"sids": [3]}},
        {"id": 6, "cmd": "list_subscriptions"},
    ]


def test_a_frame_has_at_most_a_hundred_tickers() -> None:
    names = [f"M{number}" for number in range(250)]

    pieces = list(commands.frames(names))

    assert [len(each) for each in pieces] == [100, 100, 50]
    assert list(chain.from_iterable(pieces)) == names
    with pytest.raises(AssertionError):
        commands.subscribe(1, "ticker", names, yes_price=True)


def test_a_trade_names_what_it_took() -> None:
    message = decode(sample("trade"))

    assert isinstance(message, Trade)
    assert (message.msg.taker_outcome_side, message.msg.is_block_trade) == ("no", False)
