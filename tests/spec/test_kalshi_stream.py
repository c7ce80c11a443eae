"""A connection to Kalshi's stream: subscriptions, numbers, doubts, silence, and the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.kalshi_stream import BANDS, SAMPLES, Engine, raw

from dutchbook.domain.market.book import Trust
from dutchbook.platforms.kalshi.stream.connection import DEGRADED_AFTER, StreamSettings
from dutchbook.platforms.kalshi.stream.outputs import (
    Announced,
    BooksUnknown,
    CommandFailed,
    Degraded,
    Missed,
    Reconnect,
    Send,
    Silent,
    Unreadable,
)
from dutchbook.ports.market_data import BookUpdate, GridChange

A, B = "KXGOLD-A", "KXGOLD-B"
BOTH = StreamSettings(tickers=True, account=False)


def ack(channel: str = "orderbook_delta", sid: int = 1, number: int = 1) -> dict[str, Any]:
    return {"type": "subscribed", "id": number, "msg": {"channel": channel, "sid": sid}}


def whole(
    seq: int,
    name: str = A,
    bids: Any = (("0.40", "10.00"),),
    asks: Any = (("0.45", "7.00"),),
    *,
    clock: int | None = 10,
    number: int | None = None,
    sid: int = 1,
) -> dict[str, Any]:
    body: dict[str, Any] = {"market_ticker": name}
    body |= {} if clock is None else {"clock": clock}
    body |= {"yes_dollars_fp": bids, "no_dollars_fp": asks}
    told = {"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": body}
    return told if number is None else told | {"id": number}


def delta(
    seq: int,
    name: str = A,
    by: str = "1.00",
    price: str = "0.40",
    side: str = "yes",
    *,
    clock: int | None = 11,
    sid: int = 1,
) -> dict[str, Any]:
    body: dict[str, Any] = {"market_ticker": name, "price_dollars": price, "delta_fp": by}
    body |= {"side": side} | ({} if clock is None else {"clock": clock})
    return {"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": body}


def ticker(bid: str, ask: str, name: str = A, sid: int = 2) -> dict[str, Any]:
    body = {"market_ticker": name, "yes_bid_dollars": bid, "yes_ask_dollars": ask}
    return {"type": "ticker", "sid": sid, "msg": body}


def life(event_type: str, name: str = A, seq: int = 1, **more: Any) -> dict[str, Any]:
    body = {"market_ticker": name, "event_type": event_type, **more}
    return {"type": "market_lifecycle_v2", "sid": 9, "seq": seq, "msg": body}


def error(code: int, **more: Any) -> dict[str, Any]:
    return {"type": "error", "msg": {"code": code, "msg": "why"}, **more}


def updates(sent: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the action and the contracts of each update of a subscription."""
    return [
        (each["params"]["action"], each["params"]["market_tickers"])
        for each in sent
        if each["cmd"] == "update_subscription"
    ]


@pytest.fixture
def engine() -> Engine:
    """Two live books: 10 at 0.40 and 7 at 0.45 each."""
    made = Engine()
    made.follow(A, B)
    made.open()
    for frame in (ack(), ack("market_lifecycle_v2", 9, 2), whole(1), whole(2, B)):
        made.receive(frame)
    made.told.clear()
    made.sent.clear()
    return made


# Subscribing ---------------------------------------------------------------------------------


def test_a_connection_subscribes_to_books_and_to_lives() -> None:
    made = Engine()
    made.follow(A, B, A)

    made.open()

    books = {"channels": ["orderbook_delta"], "market_tickers": [A, B], "use_yes_price": True}
    assert made.sent == [
        {"id": 1, "cmd": "subscribe", "params": books},
        {"id": 2, "cmd": "subscribe", "params": {"channels": ["market_lifecycle_v2"]}},
    ]


@pytest.mark.parametrize(("yes_price", "ask"), [(True, 4_500), (False, 5_500)])
def test_asks_are_read_as_the_subscription_asked_for_them(ask: int, *, yes_price: bool) -> None:
    made = Engine(StreamSettings(yes_price=yes_price, tickers=False, account=False))
    made.follow(A)
    made.open()

    made.receive(ack())
    made.receive(whole(1))
    made.receive(delta(2, price="0.45", side="no"))

    assert made.sent[0]["params"]["use_yes_price"] is yes_price
    assert made.book(A).asks == {ask: 8_000_000}


def test_more_than_a_hundred_contracts_wait_for_the_acknowledgement() -> None:
    made = Engine()
    names = [f"M{number}" for number in range(230)]
    made.follow(*names)
    made.open()
    assert made.sent[0]["params"]["market_tickers"] == names[:100]

    made.receive(ack())

    assert updates(made.sent) == [("add_markets", names[100:200]), ("add_markets", names[200:])]


def test_contracts_may_come_and_go_while_connected(engine: Engine) -> None:
    engine.follow("C")
    engine.take(engine.stream.leave([A, "never followed"]))
    engine.receive(delta(3))

    assert updates(engine.sent) == [("add_markets", ["C"]), ("delete_markets", [A])]
    assert engine.told == []
    assert engine.stream.live == {B}


def test_a_contract_that_went_before_the_acknowledgement_is_deleted_after_it() -> None:
    made = Engine()
    made.follow(A, B)
    made.open()
    made.take(made.stream.leave([A]))

    made.receive(ack())

    assert updates(made.sent) == [("delete_markets", [A])]


def test_the_engine_is_connected_by_the_acknowledgement_of_the_books() -> None:
    made = Engine()
    made.follow(A)
    made.open()
    assert made.told == []

    made.receive(ack())
    made.receive(whole(1))

    assert made.told == ["connected kalshi", f"book {A}"]
    assert made.book(A).trust is Trust.LIVE


def test_data_before_the_acknowledgement_do_not_count_and_are_asked_for_again() -> None:
    made = Engine()
    made.follow(A)
    made.open()

    made.receive(whole(1))
    made.receive(ack())
    made.receive(delta(2))

    assert made.stream.early == 1
    assert made.told == ["connected kalshi"]
    assert updates(made.sent) == [("get_snapshot", [A])]


def test_a_subscription_that_nobody_asked_for_is_ended(engine: Engine) -> None:
    engine.receive(ack("trade", 77, 50))

    assert [(each["cmd"], each["params"]) for each in engine.sent] == [
        ("unsubscribe", {"sids": [77]})
    ]


# Books ---------------------------------------------------------------------------------------


def test_a_change_has_its_number_its_time_and_the_new_size(engine: Engine) -> None:
    frame = delta(3, by="-2.50")
    frame["msg"]["ts_ms"] = 1_796_040_000_123

    outputs = engine.receive(frame)

    (update,) = outputs
    assert isinstance(update, BookUpdate)
    assert (update.whole, update.bids, update.asks) == (False, ((4_000, 7_500_000),), ())
    assert update.sequence == 3
    assert update.platform_time is not None
    assert update.platform_time.isoformat() == "2026-11-30T12:00:00.123000+00:00"


def test_nothing_counts_before_the_whole_book() -> None:
    made = Engine()
    made.follow(A)
    made.open()
    made.receive(ack())

    outputs = made.receive(delta(1, clock=None))

    assert outputs == []
    assert made.stream.live == frozenset()


def test_changes_up_to_the_clock_of_the_whole_book_are_in_it_and_later_ones_are_not(
    engine: Engine,
) -> None:
    engine.receive(delta(9, clock=14))
    number = engine.sent[-1]["id"]
    for seq, clock in ((10, 14), (11, 15), (12, 16)):
        engine.receive(delta(seq, clock=clock, price="0.41"))

    engine.receive(whole(13, clock=15, number=number))

    assert engine.book(A).bids == {4_000: 10_000_000, 4_100: 1_000_000}
    assert engine.book(A).sequence == 13


def test_changes_just_after_a_whole_book_that_are_in_it_are_dropped(engine: Engine) -> None:
    assert engine.receive(delta(3, clock=10)) == []
    assert engine.receive(delta(4, clock=11)) != []
    assert engine.receive(delta(5, clock=11)) != []

    assert engine.book(A).bids == {4_000: 12_000_000}


@pytest.mark.parametrize(("clocks", "later"), [((15, 9), 0), ((10,), 11)])
def test_a_clock_that_fell_makes_the_book_doubtful(
    clocks: tuple[int, ...], later: int, engine: Engine
) -> None:
    engine.wait(later)
    for seq, clock in enumerate(clocks, 3):
        engine.receive(delta(seq, clock=clock))

    assert engine.told[-2:] == ["gap", f"book {B}"]
    assert updates(engine.sent) == [("get_snapshot", [A])]


def test_a_change_that_takes_more_than_there_is_makes_the_book_doubtful(
    engine: Engine,
) -> None:
    engine.receive(delta(3, by="-10.01"))

    assert engine.told == ["gap", f"book {B}"]
    assert (engine.book(A).trust, engine.book(B).trust) == (Trust.SYNCING, Trust.LIVE)
    assert engine.stream.live == {B}


def test_a_level_that_is_taken_completely_is_no_doubt(engine: Engine) -> None:
    engine.receive(delta(3, by="-10.00"))

    assert engine.book(A).bids == {}
    assert engine.stream.live == {A, B}


def test_a_book_that_stays_crossed_is_asked_for_again(engine: Engine) -> None:
    engine.receive(delta(3, price="0.45"))
    assert engine.book(A).trust is Trust.SUSPECT
    assert engine.wait(1) == []

    engine.wait(1)

    assert engine.told[-2:] == ["gap", f"book {B}"]
    assert updates(engine.sent) == [("get_snapshot", [A])]


def test_a_book_that_is_crossed_for_a_moment_is_not(engine: Engine) -> None:
    engine.receive(delta(3, price="0.45"))
    engine.wait(1)
    engine.receive(delta(4, price="0.45", by="-7.00", side="no", clock=12))
    engine.receive(delta(5, price="0.46", side="no", clock=12))

    engine.wait(5)

    assert engine.book(A).trust is Trust.LIVE
    assert engine.sent == []


# Best prices of another channel -------------------------------------------------------------


@pytest.fixture
def checked() -> Engine:
    """One live book, 0.40 to 0.45, and its best prices on another channel."""
    made = Engine(BOTH)
    made.follow(A)
    made.open()
    for frame in (ack(), ack("ticker", 2, 2), whole(1), ticker("0.4000", "0.4500")):
        made.receive(frame)
    made.told.clear()
    made.sent.clear()
    return made


def test_best_prices_that_never_agree_make_the_book_doubtful(checked: Engine) -> None:
    checked.receive(ticker("0.4100", "0.4500"))
    checked.wait(4)
    checked.receive(ticker("0.4200", "0.4500"))
    assert checked.told == []

    checked.wait(1)

    assert checked.told == ["gap"]
    assert updates(checked.sent) == [("get_snapshot", [A])]


@pytest.mark.parametrize("ahead", [True, False])
def test_best_prices_may_be_a_little_earlier_or_later(ahead: bool, checked: Engine) -> None:
    moves = [ticker("0.4100", "0.4500"), delta(2, price="0.41")]
    for frame in moves if ahead else reversed(moves):
        checked.receive(frame)
    checked.receive(delta(3, price="0.42", clock=12))
    checked.receive(ticker("0.4100", "0.4500"))
    checked.receive(ticker("0.4200", "0.4500"))

    checked.wait(60)

    assert checked.stream.live == {A}


def test_best_prices_of_long_ago_do_not_agree(checked: Engine) -> None:
    checked.receive(delta(2, price="0.41"))
    checked.wait(3)
    checked.receive(delta(3, price="0.42", clock=12))
    checked.receive(ticker("0.4000", "0.4500"))

    checked.wait(5)

    assert checked.stream.live == frozenset()


def test_a_whole_book_begins_the_comparison_anew(checked: Engine) -> None:
    checked.receive(ticker("0.4100", "0.4500"))
    checked.wait(6)
    checked.receive(whole(2, number=checked.sent[-1]["id"]))

    checked.wait(20)

    assert checked.stream.live == {A}


# Numbers -------------------------------------------------------------------------------------


def test_a_missing_message_makes_every_book_of_the_subscription_doubtful(
    engine: Engine,
) -> None:
    outputs = engine.receive(delta(4))

    assert isinstance(outputs[0], BooksUnknown)
    assert outputs[0].contract_ids == (A, B)
    assert engine.told == ["gap"]
    assert updates(engine.sent) == [("get_snapshot", [A, B])]
    assert engine.stream.live == frozenset()


@pytest.mark.parametrize("counted", [True, False])
def test_books_are_live_again_with_the_whole_books_that_were_asked_for(
    counted: bool, engine: Engine
) -> None:
    engine.receive(delta(4))
    number = engine.sent[-1]["id"]
    seq = 4

    for name in (A, B):
        seq += counted
        engine.receive(whole(seq, name, clock=20, number=number))
    engine.receive(delta(seq + 1, clock=21))

    assert engine.told == ["gap", f"book {A}", f"book {B}", f"change {A}"]
    assert engine.book(A).bids == {4_000: 11_000_000}


def test_a_reply_that_shows_the_next_number_without_using_it_costs_no_message(
    engine: Engine,
) -> None:
    engine.receive(delta(4))
    engine.receive(whole(5, clock=20, number=engine.sent[-1]["id"]))

    engine.receive(delta(5, clock=21))

    assert engine.book(A).bids == {4_000: 11_000_000}


def test_a_whole_book_that_reveals_the_gap_counts(engine: Engine) -> None:
    engine.receive(whole(5, clock=20))

    assert engine.told == ["gap", f"book {A}"]
    assert engine.stream.live == {A}


def test_a_reply_from_before_a_later_gap_does_not_count(engine: Engine) -> None:
    engine.receive(delta(4))
    first = engine.sent[-1]["id"]
    engine.wait(2)
    engine.receive(delta(7, clock=30))
    second = engine.sent[-1]["id"]

    engine.receive(whole(8, clock=15, number=first))
    assert engine.stream.live == frozenset()
    engine.receive(whole(9, clock=31, number=second))

    assert engine.stream.live == {A}


def test_books_are_not_asked_for_without_pause(engine: Engine) -> None:
    for seq in range(4, 40, 2):
        engine.receive(delta(seq, clock=seq + 20))
    assert len(updates(engine.sent)) == 1

    engine.wait(1)
    engine.wait(0.5)

    assert len(updates(engine.sent)) == 2


def test_a_message_that_comes_again_or_late_changes_nothing(engine: Engine) -> None:
    engine.receive(delta(3))
    engine.receive(delta(3))
    engine.receive(whole(2, B))

    assert engine.stream.repeated == 2
    assert engine.book(A).bids == {4_000: 11_000_000}
    assert engine.stream.live == {A, B}


def test_two_messages_of_one_number_are_a_gap(engine: Engine) -> None:
    engine.receive(delta(3))

    engine.receive(delta(3, by="2.00"))

    assert engine.told[-1] == "gap"


def test_swapped_messages_are_a_gap_and_the_late_one_is_ignored(engine: Engine) -> None:
    engine.receive(delta(4))
    engine.receive(delta(3))

    assert engine.told == ["gap"]
    assert engine.stream.repeated == 1


@pytest.mark.parametrize("kind", ["ok", "error", "cfbenchmarks_value"])
def test_answers_and_unknown_messages_of_a_subscription_use_its_numbers(
    kind: str, engine: Engine
) -> None:
    frame = {"type": kind, "sid": 1, "seq": 3, "msg": {"code": 27, "msg": "slowly"}}

    engine.receive(frame)
    engine.receive(delta(4))

    assert engine.told == [f"change {A}"]


def test_unknown_messages_are_counted_by_type(engine: Engine) -> None:
    for number in range(150):
        assert engine.receive({"type": f"t{number % 120}"}) == []

    assert engine.stream.unknown["t5"] == 2
    assert len(engine.stream.unknown) <= 101


def test_a_gap_elsewhere_says_what_must_be_read_anew(engine: Engine) -> None:
    engine.receive(life("created", "OTHER", 1))

    outputs = engine.receive(life("created", "OTHER", 3))

    assert outputs[0] == Missed("market_lifecycle_v2")
    assert engine.told == []


# Lives ---------------------------------------------------------------------------------------


def test_another_grid_is_another_book(engine: Engine) -> None:
    frame = life("price_level_structure_updated", price_ranges=BANDS)

    outputs = engine.receive(frame)

    assert isinstance(outputs[0], GridChange)
    assert engine.told == [f"grid {A}", "gap", f"book {B}"]
    assert updates(engine.sent) == [("get_snapshot", [A])]
    assert engine.receive(delta(3)) == []


def test_a_result_is_reported_once(engine: Engine) -> None:
    outputs = engine.receive(life("determined", result="yes"))
    engine.receive(life("settled", seq=2, settled_ts=1_796_040_000))

    assert engine.told == [f"resolved {A}"]
    assert isinstance(outputs[-1], Announced)


def test_lives_of_other_contracts_are_announced_and_change_nothing(engine: Engine) -> None:
    engine.receive(life("determined", "OTHER", result="no"))
    outputs = engine.receive(
        life("price_level_structure_updated", "OTHER", 2, price_ranges=BANDS)
    )

    assert engine.told == []
    assert [type(each) for each in outputs] == [Announced]


# Silence -------------------------------------------------------------------------------------


def test_a_contract_without_a_first_book_is_subscribed_anew_then_the_connection_is() -> None:
    made = Engine()
    made.follow(A, B)
    made.open()
    made.receive(ack())
    made.receive(whole(1, B))
    assert made.wait(29) == []

    made.wait(1)
    assert updates(made.sent) == [("delete_markets", [A]), ("add_markets", [A])]
    outputs = made.wait(30)

    assert [type(each) for each in outputs if not isinstance(each, Send)] == [Reconnect]


def test_a_contract_that_is_silent_on_the_next_connection_too_costs_no_other_one() -> None:
    made = Engine()
    made.follow(A, B)
    for _ in range(2):
        made.open()
        made.receive(ack())
        made.receive(whole(1, B))
        made.wait(30)
        made.wait(30)
        made.wait(1)
        made.close()

    assert [each for each in made.outputs if isinstance(each, Silent)] == [Silent(A)]
    assert sum(isinstance(each, Reconnect) for each in made.outputs) == 1


def test_a_subscription_without_an_answer_is_asked_for_anew() -> None:
    made = Engine()
    made.follow(A, B)
    made.open()

    made.wait(30)
    made.receive(ack(number=made.sent[-1]["id"]))

    asked = [each["params"] for each in made.sent if "market_tickers" in each.get("params", {})]
    assert [each["market_tickers"] for each in asked] == [[A, B], [A, B]]
    assert made.told == ["connected kalshi"]


def test_books_that_were_asked_for_and_do_not_come_are_subscribed_anew(engine: Engine) -> None:
    engine.receive(delta(4))

    engine.wait(30)

    assert updates(engine.sent)[-2:] == [("delete_markets", [A, B]), ("add_markets", [A, B])]


def test_the_server_is_asked_which_subscriptions_it_knows(engine: Engine) -> None:
    engine.wait(60)
    (asked,) = engine.sent

    listed = [{"channel": "market_lifecycle_v2", "sid": 9}, {"channel": "trade", "sid": 4}]
    engine.receive({"type": "ok", "id": asked["id"], "msg": listed})

    assert asked["cmd"] == "list_subscriptions"
    ended, begun = engine.sent[1:]
    assert (ended["cmd"], ended["params"]) == ("unsubscribe", {"sids": [4]})
    assert begun["params"]["channels"] == ["orderbook_delta"]
    assert engine.told == ["gap"]


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [7, 10, 25])
def test_an_error_that_ends_the_subscription_begins_it_anew(code: int, engine: Engine) -> None:
    engine.receive(error(code, sid=1, seq=3))
    engine.receive(delta(4))
    engine.receive(ack(sid=5, number=engine.sent[-1]["id"]))
    engine.receive(whole(1, sid=5))

    assert engine.told == ["gap", "connected kalshi", f"book {A}"]
    assert engine.sent[0]["params"]["market_tickers"] == [A, B]


def test_a_subscription_that_ends_again_and_again_costs_the_connection(engine: Engine) -> None:
    sid = 1
    for _ in range(3):
        engine.receive(error(10, sid=sid))
        sid += 1
        engine.receive(ack(sid=sid, number=engine.sent[-1]["id"]))

    outputs = engine.receive(error(10, sid=sid))

    assert isinstance(outputs[-1], Reconnect)


def test_a_late_error_about_the_old_subscription_does_not_end_the_new_one(
    engine: Engine,
) -> None:
    engine.receive(delta(4))
    old = engine.sent[-1]["id"]
    engine.receive(error(25, sid=1, seq=5))

    engine.receive(error(7, id=old))

    assert [each["cmd"] for each in engine.sent] == ["update_subscription", "subscribe"]


def test_a_refused_command_names_its_contracts(engine: Engine) -> None:
    engine.follow("C")

    outputs = engine.receive(error(26, id=engine.sent[-1]["id"], sid=1, seq=3))
    engine.wait(40)

    assert outputs == [CommandFailed(26, "why", ("C",))]
    assert updates(engine.sent) == [("add_markets", ["C"])]


def test_the_end_of_a_subscription_that_nobody_asked_for_begins_it_anew(
    engine: Engine,
) -> None:
    engine.receive({"type": "unsubscribed", "sid": 1, "seq": 3})

    assert engine.told == ["gap"]
    assert engine.sent[-1]["params"]["channels"] == ["orderbook_delta"]


# Malformed messages --------------------------------------------------------------------------


def test_a_malformed_message_is_handed_out_and_costs_the_book_that_it_names(
    engine: Engine,
) -> None:
    data = raw(delta(3, side="maybe"))

    outputs = engine.receive(data)

    assert isinstance(outputs[0], Unreadable)
    assert outputs[0].error.raw == data
    assert engine.told == ["gap", f"book {B}"]
    engine.receive(delta(4, B))
    assert engine.told[-1] == f"change {B}"


@pytest.mark.parametrize("data", [b"", b'{"type":"orderbook_delta","sid":1,"seq":3}', b"\xff"])
def test_a_malformed_message_that_names_no_contract_costs_every_book(
    data: bytes, engine: Engine
) -> None:
    engine.receive(data)

    assert engine.told == ["gap"]
    assert updates(engine.sent) == [("get_snapshot", [A, B])]


def test_ten_malformed_messages_in_a_row_degrade_the_stream(engine: Engine) -> None:
    for _ in range(DEGRADED_AFTER - 1):
        engine.receive(b"x")
    engine.receive({"type": "other"})
    outputs = [each for _ in range(DEGRADED_AFTER) for each in engine.receive(b"x")]

    assert [each for each in outputs if isinstance(each, Degraded)] == [Degraded(10)]
    assert isinstance(outputs[-1], Degraded)


def test_a_gap_before_a_contradiction_is_told(engine: Engine) -> None:
    outputs = engine.receive(delta(4, sid=9))

    assert isinstance(outputs[0], Missed)
    assert isinstance(outputs[1], Unreadable)


# The end -------------------------------------------------------------------------------------


def test_the_end_of_a_connection_is_a_gap_and_the_next_one_begins_afresh(
    engine: Engine,
) -> None:
    engine.close()
    assert engine.stream.live == frozenset()
    assert engine.wait(100) == []

    engine.open()
    engine.receive(ack(sid=1))
    engine.receive(whole(1, clock=3))

    assert engine.told == ["gap", "connected kalshi", f"book {A}"]
    assert engine.sent[0]["id"] == 1


def test_outputs_depend_on_messages_and_instants_alone() -> None:
    first, second = Engine(BOTH), Engine(BOTH)
    for made in (first, second):
        made.follow(A, B)
        made.open()
        for frame in (ack(), whole(1), delta(3), ticker("0.1", "0.2"), *SAMPLES.values()):
            made.receive(frame)
            made.wait(7)

    assert [replace(each) for each in first.outputs if not isinstance(each, Unreadable)] == [
        replace(each) for each in second.outputs if not isinstance(each, Unreadable)
    ]
