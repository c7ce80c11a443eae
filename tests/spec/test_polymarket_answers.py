"""Polymarket's answers about an order: classification, row by row, and decoding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support.answers import DIGEST, as_bytes, changed, fees, reports, said, sent
from support.laws import reached, reaches
from support.pairs import NOW
from support.recordings import DATA

from dutchbook.domain.execution.order import Finality, TimeInForce, Totals
from dutchbook.domain.market.contract import Platform, Side
from dutchbook.domain.values.units import MICRO, NOTHING, Money, Price, Quantity
from dutchbook.errors import MalformedMessage, OutcomeUnknown
from dutchbook.platforms.order_answers import (
    SILENCE,
    Answer,
    Family,
    Placed,
    Sent,
    classify,
    combined,
)
from dutchbook.platforms.polymarket.order_codec import (
    TABLE,
    decode_fills,
    decode_order,
    decode_placed,
)
from dutchbook.platforms.polymarket.order_encoder import (
    encode_delayed,
    encode_fills,
    encode_order,
    encode_placed,
    encode_refused,
)
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import OrderReport

P = Platform.POLYMARKET
RECORDED = DATA / "api_fixtures" / "nautilus_trader" / "polymarket_rs"
RECORDED_ID = "0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef12"
POSTED = {
    "success": True,
    "errorMsg": "",
    "orderID": DIGEST,
    "status": "matched",
    "makingAmount": "5.2",
    "takingAmount": "10",
    "tradeIDs": ["t-1"],
    "transactionsHashes": [],
}
ORDER = {
    "id": DIGEST,
    "status": "LIVE",
    "original_size": "10",
    "size_matched": "4",
    "price": "0.52",
    "associate_trades": ["t-1"],
}
TRADE = {
    "id": "t-1",
    "taker_order_id": DIGEST,
    "size": "10",
    "price": "0.52",
    "status": "MATCHED",
    "match_time": "1783274400",
    "fee_rate_bps": "",
    "trader_side": "TAKER",
    "maker_orders": [],
}
OURS = Placed(DIGEST, NOTHING)


def refused(status: int, text: str, reason: str) -> tuple[Any, ...]:
    return (status, {"error": text}, Family.REJECTED, reason)


CASES: list[tuple[Any, ...]] = [
    (
        200,
        {**POSTED, "status": "live", "makingAmount": "", "takingAmount": "", "tradeIDs": []},
        Family.ACCEPTED,
        "live",
    ),
    (200, POSTED, Family.ACCEPTED, "matched"),
    (200, {**POSTED, "status": "delayed", "tradeIDs": []}, Family.DELAYED, "delayed"),
    (200, {**POSTED, "status": "unmatched", "tradeIDs": []}, Family.UNKNOWN, "unmatched"),
    (
        400,
        {"error": "order match delayed due to market conditions"},
        Family.UNKNOWN,
        "delayed",
    ),
    (
        400,
        {"error": f"order {DIGEST} is invalid. Duplicated."},
        Family.UNKNOWN,
        "order_already_exists",
    ),
    refused(
        400,
        "order couldn't be fully filled. FOK orders are fully filled or killed.",
        "fill_or_kill_insufficient_resting_volume",
    ),
    refused(
        400,
        "no orders found to match with FAK order. FAK orders are partially filled or killed"
        " if no match is found.",
        "no_match",
    ),
    refused(400, "Invalid order payload", "invalid_parameters"),
    refused(
        400,
        f"order {DIGEST} is invalid. Price (0.515) breaks minimum tick size rule: 0.01",
        "invalid_price",
    ),
    refused(
        400,
        f"order {DIGEST} is invalid. Size (4) lower than the minimum: 5",
        "invalid_order_size",
    ),
    refused(
        400,
        "Size 10.123 has 3 decimal places. Maximum lot size is 2",
        "invalid_order_size",
    ),
    refused(
        400,
        "invalid amounts, the market buy orders maker amount supports a max accuracy of 2"
        " decimals, taker amount a max of 4 decimals",
        "invalid_amounts",
    ),
    refused(
        400,
        "invalid amount for a marketable BUY order ($0.99975), min size: $1",
        "below_minimum_amount",
    ),
    refused(400, "invalid post-only order: order crosses book", "post_only_crosses"),
    refused(400, f"order {DIGEST} crosses the book", "post_only_crosses"),
    refused(
        400,
        "invalid post-only order: only GTC and GTD order types are allowed",
        "invalid_parameters",
    ),
    refused(400, "invalid expiration", "invalid_expiration"),
    refused(400, "order_version_mismatch", "order_version_mismatch"),
    refused(400, "order canceled in the CTF exchange contract", "cancelled_on_chain"),
    refused(
        400,
        "not enough balance / allowance: the balance is not enough -> balance: 1, order: 2",
        "insufficient_balance",
    ),
    refused(400, "the order owner has to be the owner of the API KEY", "not_permitted"),
    refused(
        400,
        "the order signer address has to be the address of the API KEY",
        "not_permitted",
    ),
    refused(
        400,
        "maker address not allowed, please use the deposit wallet flow",
        "not_permitted",
    ),
    refused(400, "'0xf39F' address banned", "address_banned"),
    refused(400, "'0xf39F' address in closed only mode", "closed_only"),
    refused(401, "Unauthorized/Invalid api key", "unauthorized"),
    refused(401, "Invalid L1 Request headers", "unauthorized"),
    (403, b"<html>Attention Required! | Cloudflare</html>", Family.REJECTED, "region_blocked"),
    refused(400, "the market is not yet ready to process new orders", "market_inactive"),
    refused(404, "No orderbook exists for the requested token id", "market_closed"),
    refused(404, "market not found", "market_closed"),
    (425, b"", Family.REJECTED, "engine_restarting"),
    (429, b"Too Many Requests", Family.REJECTED, "rate_limited"),
    refused(
        503,
        "Trading is currently disabled. Check polymarket.com for updates",
        "trading_is_paused",
    ),
    refused(
        503,
        "Trading is currently cancel-only. New orders are not accepted, but cancels are"
        " allowed.",
        "cancel_only",
    ),
    (
        503,
        {
            "error": "post-only mode: only post-only orders and cancels are allowed",
            "code": "post_only_mode",
            "retry_after_seconds": 79,
        },
        Family.REJECTED,
        "post_only_mode",
    ),
    (
        200,
        {
            "success": True,
            "orderID": "",
            "status": "",
            "errorMsg": "post-only mode: only post-only orders and cancels are allowed",
        },
        Family.REJECTED,
        "post_only_mode",
    ),
    refused(500, "order timed out", "order_timed_out"),
]


@pytest.mark.parametrize(
    ("status", "body", "family", "reason"),
    CASES,
    ids=[f"{number}-{case[0]}-{case[3]}" for number, case in enumerate(CASES)],
)
def test_a_row_of_the_table_means_what_the_page_says(
    status: int, body: object, family: Family, reason: str
) -> None:
    verdict = classify(TABLE, said(status, body))

    assert (verdict.family, verdict.reason) == (family, reason)
    assert verdict.row is not None
    assert verdict.row.source


def test_every_row_of_the_table_is_covered_by_a_case() -> None:
    seen = [classify(TABLE, said(status, body)).row for status, body, *_ in CASES]

    assert seen == list(TABLE.rows)


@pytest.mark.parametrize(
    ("body", "family"),
    [
        ({"success": True, "orderID": "", "status": ""}, Family.REJECTED),
        ({"success": False, "orderID": "", "status": ""}, Family.REJECTED),
        ({"success": True, "orderID": DIGEST, "status": "matched"}, Family.UNKNOWN),
    ],
    ids=["an entry without an id", "without success", "an error and an id"],
)
def test_success_with_an_error_text_is_a_rejection_only_without_an_id(
    body: dict[str, Any], family: Family
) -> None:
    text = "order couldn't be fully filled. FOK orders are fully filled or killed."

    assert classify(TABLE, said(200, body | {"errorMsg": text})).family is family


@pytest.mark.parametrize(
    "answer",
    [
        SILENCE,
        said(408, b""),
        said(500, {"error": "Internal server error"}),
        said(500, {"error": "could not insert order"}),
        said(500, {"error": "could not run the execution"}),
        said(500, {"error": "there are no matching orders"}),
        said(500, {"error": "FOK orders are filled or killed"}),
        said(500, {"error": "the trade contains rounding issues"}),
        said(502, b"<html>502 Bad Gateway</html>"),
        said(503, b"<html>503 Service Unavailable</html>"),
        said(504, b""),
        said(400, {"error": "context canceled"}),
        said(400, {"error": "order timed out"}),
        said(400, {"error": "a text of tomorrow"}),
        said(400, {"error": "invalid expiration\nand more"}),
        said(400, {"error": ["invalid expiration"]}),
        said(404, {"error": "order not found"}),
        said(201, POSTED),
        said(200, b""),
        said(200, as_bytes(POSTED)[:-1]),
        said(200, changed(POSTED, success=False)),
        said(200, changed(POSTED, success="true")),
        said(200, changed(POSTED, success=...)),
        said(200, changed(POSTED, orderID="")),
        said(200, changed(POSTED, orderID=7)),
        said(200, changed(POSTED, status="resting")),
        said(200, changed(POSTED, status=...)),
        said(200, changed(POSTED, errorMsg="a text of tomorrow")),
        said(200, changed(POSTED, errorMsg="a text of tomorrow", orderID="")),
        said(200, {"error": "invalid expiration"}),
        said(400, b"{" * 100_000),
        said(400, b"\xff\xfe"),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:60]!r}",
)
def test_an_answer_that_the_page_does_not_list_leaves_the_outcome_unknown(
    answer: Answer,
) -> None:
    assert classify(TABLE, answer).family is Family.UNKNOWN


@reaches(rejected=20, unknown=20)
@given(st.one_of(st.integers(-1, 1_000), st.sampled_from([403, 425])), st.binary(max_size=200))
def test_every_status_with_any_bytes_has_a_verdict(status: int, body: bytes) -> None:
    verdict = classify(TABLE, Answer(status, body))

    reached(verdict.family.value)
    assert verdict.family in (Family.UNKNOWN, Family.REJECTED)
    assert (verdict.family is Family.REJECTED) == (status in (403, 425))


@reaches(torn=50)
@given(st.sampled_from(CASES), st.integers(0, 400), st.integers(0, 255))
def test_a_truncated_or_altered_answer_never_turns_acceptance_into_rejection(
    case: tuple[Any, ...], where: int, byte: int
) -> None:
    body = said(*case[:2]).body or b" "
    at = where % len(body)

    torn = classify(TABLE, Answer(case[0], body[:at]))
    spoilt = classify(TABLE, Answer(case[0], body[:at] + bytes([byte]) + body[at + 1 :]))

    if case[0] not in (403, 425):
        reached("torn")
        assert torn.family is Family.UNKNOWN
    assert spoilt.family in (Family.UNKNOWN, case[2])


@pytest.mark.parametrize("row", TABLE.rows[5:], ids=lambda row: row.reason)
def test_a_rejection_encoded_by_the_paper_platform_is_decoded_unchanged(row: Any) -> None:
    verdict = classify(TABLE, encode_refused(row.reason, sent(P).order))

    assert (verdict.family, verdict.reason) == (row.family, row.reason)


# Decoding
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cursor", "whole"), [("LTE=", True), ("", True), ("MTAw", False)])
def test_a_list_of_trades_is_complete_with_its_last_page(cursor: str, whole: bool) -> None:
    page = said(200, {"data": [], "next_cursor": cursor})

    assert decode_fills(page, sent(P), OURS).complete is whole


def test_a_match_states_its_totals_before_its_trades_are_listed() -> None:
    placed = decode_placed(as_bytes(POSTED), sent(P))
    fee = fees(P).at(NOW)

    assert fee is not None
    at_average = fee.fee(Price(Decimal("0.52")), Quantity(Decimal(10)))
    assert placed.stated == Totals(Quantity(Decimal(10)), Money(Decimal("5.2")), at_average)
    assert placed.trades == ("t-1",)
    report = combined(sent(P), placed, Listing())
    assert (report.fills, report.working, report.whole) == ((), NOTHING, False)


def test_a_sale_gives_shares_and_gets_dollars() -> None:
    sold = changed(POSTED, makingAmount="10", takingAmount="5.2")

    stated = decode_placed(sold, sent(P, side=Side.SELL)).stated

    assert stated is not None
    assert (stated.filled, stated.cost) == (Decimal(10), Decimal("5.2"))


@pytest.mark.parametrize(
    ("given", "got"),
    [("5200000", "10000000"), ("10", "5.2"), ("0", "10"), ("5.2", "0")],
)
def test_amounts_that_may_be_in_another_unit_leave_the_outcome_unknown(
    given: str, got: str
) -> None:
    """The specification states millionths, recorded answers whole units; some are nonsense."""
    with pytest.raises(OutcomeUnknown, match="amounts_not_clear"):
        decode_placed(changed(POSTED, makingAmount=given, takingAmount=got), sent(P))


@pytest.mark.parametrize("amount", ["", "NaN", "-1", 5])
def test_a_match_without_readable_amounts_is_malformed(amount: object) -> None:
    with pytest.raises(MalformedMessage):
        decode_placed(changed(POSTED, makingAmount=amount), sent(P))


def test_the_rest_of_a_matched_order_works_if_it_may_rest() -> None:
    part = changed(POSTED, makingAmount="2.08", takingAmount="4")

    resting = sent(P, time_in_force=TimeInForce.GTC)

    assert decode_placed(part, resting).working == Decimal(6)
    assert decode_placed(part, sent(P)).working == NOTHING


def test_an_order_that_is_held_back_is_neither_accepted_nor_unknown() -> None:
    answer = encode_delayed(DIGEST)

    assert classify(TABLE, answer).family is Family.DELAYED
    assert decode_placed(answer.body, sent(P)).platform_order_id == DIGEST


def test_the_whole_quantity_of_a_resting_order_works() -> None:
    live = changed(POSTED, status="live", tradeIDs=[])

    assert decode_placed(live, sent(P, time_in_force=TimeInForce.GTC)).working == Decimal(10)


@pytest.mark.parametrize("other", ["0x00", "", DIGEST.upper()])
def test_an_answer_about_another_order_is_not_accepted(other: str) -> None:
    with pytest.raises(OutcomeUnknown, match="another_order"):
        decode_placed(changed(POSTED, orderID=other), sent(P))
    with pytest.raises(OutcomeUnknown, match="another_order"):
        decode_order(Answer(200, changed(ORDER, id=other)), sent(P))


@pytest.mark.parametrize(
    ("status", "working"),
    [
        ("LIVE", 6),
        ("ORDER_STATUS_LIVE", 6),
        ("MATCHED", 0),
        ("CANCELED", 0),
        ("CANCELED_MARKET_RESOLVED", 0),
        ("ORDER_STATUS_INVALID", 0),
    ],
)
def test_only_a_live_order_still_works(status: str, working: int) -> None:
    found = decode_order(Answer(200, changed(ORDER, status=status)), sent(P))

    assert found is not None
    assert found.working == Decimal(working)


def test_a_delayed_order_is_queried_again() -> None:
    delayed = decode_order(Answer(200, changed(ORDER, associate_trades=None)), sent(P))

    assert delayed is not None
    with pytest.raises(OutcomeUnknown):
        combined(sent(P), delayed, Listing())


@pytest.mark.parametrize(
    "answer", [Answer(404, b'{"error":"order not found"}'), Answer(200), Answer(200, b"null")]
)
def test_an_order_unknown_to_the_platform_is_not_found(answer: Answer) -> None:
    assert decode_order(answer, sent(P)) is None


@pytest.mark.parametrize("status", [None, 400, 401, 425, 429, 500, 503])
def test_a_failed_query_leaves_the_outcome_unknown(status: int | None) -> None:
    with pytest.raises(OutcomeUnknown):
        decode_order(Answer(status), sent(P))
    with pytest.raises(OutcomeUnknown):
        decode_fills(Answer(status), sent(P), OURS)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "PENDING"},
        {"size_matched": 4},
        {"size_matched": "NaN"},
        {"original_size": "1e400"},
        {"original_size": "-1"},
        {"id": ...},
    ],
    ids=str,
)
def test_an_order_that_the_page_does_not_describe_is_malformed(fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        decode_order(Answer(200, changed(ORDER, **fields)), sent(P))


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "SETTLED"},
        {"size": "0"},
        {"size": 10},
        {"size": "Infinity"},
        {"price": "1"},
        {"price": "NaN"},
        {"price": 0.52},
        {"id": ""},
        {"match_time": "yesterday"},
        {"match_time": "2026-07-05T18:00:00"},
        {"match_time": "9" * 18},
        {"match_time": "9" * 5_000},
        {"maker_orders": None},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_a_trade_that_the_page_does_not_describe_is_malformed(fields: dict[str, Any]) -> None:
    raw = b'{"data":[' + changed(TRADE, **fields) + b"]}"

    with pytest.raises(MalformedMessage):
        decode_fills(Answer(200, raw), sent(P), OURS)


@pytest.mark.parametrize(
    ("status", "finality"),
    [
        ("MATCHED_NOT_BROADCASTED", Finality.PROVISIONAL),
        ("MATCHED", Finality.PROVISIONAL),
        ("TRADE_STATUS_MINED", Finality.PROVISIONAL),
        ("RETRYING", Finality.PROVISIONAL),
        ("CONFIRMED", Finality.SETTLED),
        ("FAILED", Finality.FAILED),
    ],
)
def test_a_trade_is_final_only_when_the_platform_cannot_reverse_it(
    status: str, finality: Finality
) -> None:
    page = said(200, {"data": [{**TRADE, "status": status}]})

    assert [f.finality for f in decode_fills(page, sent(P), OURS).items] == [finality]


def test_as_maker_our_fill_is_read_from_our_order_and_has_no_fee() -> None:
    part = {"order_id": DIGEST, "matched_amount": "2.5", "price": "0.51"}
    trade = {**TRADE, "taker_order_id": "0xabc", "maker_orders": [part]}
    page = said(200, {"data": [trade]})

    fills = decode_fills(page, sent(P), OURS).items

    assert [(f.price, f.size, f.fee) for f in fills] == [
        (Decimal("0.51"), Decimal("2.5"), Decimal(0))
    ]


def test_as_taker_the_fee_follows_the_schedule_at_the_time_of_the_match() -> None:
    july = [("1783274400", "0.07488"), ("1783904400000", "0.1248")]
    fees = []
    for at, _ in july:
        page = said(200, {"data": [{**TRADE, "match_time": at}]})
        fees.append(decode_fills(page, sent(P), OURS).items[0].fee)

    assert fees == [Decimal(fee) for _, fee in july]


def test_a_trade_from_before_any_known_fee_leaves_the_outcome_unknown() -> None:
    page = said(200, {"data": [{**TRADE, "match_time": "1700000000"}]})

    with pytest.raises(OutcomeUnknown, match="fee_not_known"):
        decode_fills(page, sent(P), OURS)


@reaches(no_match=0, stated=50)
@given(reports(P))
@example((sent(P, time_in_force=TimeInForce.IOC), OrderReport(DIGEST, (), NOTHING)))
def test_reports_encoded_by_the_paper_platform_are_decoded_exactly(
    case: tuple[Sent, OrderReport],
) -> None:
    before, report = case
    answer = encode_placed(before.order, report)
    page = encode_fills(before.order, report)
    verdict = classify(TABLE, answer)

    found = decode_order(encode_order(before.order, report), before)

    assert found is not None
    read = combined(before, found, decode_fills(page, before, found))
    assert (read.fills, read.working) == (report.fills, report.working)
    assert read.whole is (not report.working)
    if not report.fills and not report.working:
        reached("no_match")
        assert verdict.reason == "no_match"
        return
    assert verdict.family is Family.ACCEPTED
    dollars = sum((fill.price * fill.size for fill in report.fills), start=Decimal(0))
    assume(not report.fills or dollars >= MICRO)
    reached("stated")
    placed = decode_placed(answer.body, before)
    filled = sum((fill.size for fill in report.fills), start=Decimal(0))
    assert placed.stated is not None
    assert (placed.stated.filled, placed.working) == (filled, report.working)


# Recorded answers
# ---------------------------------------------------------------------------------------


def recorded(name: str) -> bytes:
    path = RECORDED / name
    if not path.is_file():
        pytest.skip(f"the recording {name} is not on this machine")
    return path.read_bytes()


def test_a_recorded_open_order_is_read() -> None:
    ours = sent(P, platform_order_id=RECORDED_ID)

    found = decode_order(Answer(200, recorded("http_open_order.json")), ours)

    least = Quantity(Decimal("24.99"))
    working, trades = Quantity(Decimal(75)), ("0xabc001",)
    assert found == Placed(RECORDED_ID, working, least=least, trades=trades)


def test_a_recorded_killed_order_is_read() -> None:
    name = "0xdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
    ours = sent(P, platform_order_id=name)

    found = decode_order(Answer(200, recorded("http_open_order_sell_fok.json")), ours)

    assert found == Placed(name, NOTHING, least=Quantity(Decimal("49.99")))


def test_a_recorded_page_of_trades_is_read() -> None:
    raw = recorded("http_trades_page.json").replace(b"2024-01-01", b"2026-07-01")

    fills = decode_fills(Answer(200, raw), sent(P), Placed(RECORDED_ID, NOTHING)).items

    assert [(f.trade_id, f.price, f.size, f.finality) for f in fills] == [
        ("trade-0x001", Decimal("0.5"), Decimal(10), Finality.PROVISIONAL)
    ]


def test_a_recorded_success_without_a_status_is_not_an_acceptance() -> None:
    answer = Answer(200, recorded("http_order_response_ok.json"))

    assert classify(TABLE, answer).family is Family.UNKNOWN


def test_a_recorded_server_error_is_not_a_rejection() -> None:
    answer = Answer(500, recorded("http_order_response_error_500.json"))

    assert classify(TABLE, answer).family is Family.UNKNOWN
