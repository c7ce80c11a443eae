"""Kalshi's answers about an order: classification, row by row, and decoding."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import CLIENT_ID, as_bytes, changed, reports, said, sent
from support.laws import reached, reaches
from support.recordings import DATA

from dutchbook.domain.execution.order import Order, Totals
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import MICRO, NOTHING, Money, Quantity
from dutchbook.errors import MalformedMessage, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.platforms.kalshi.order_codec import (
    TABLE,
    decode_fills,
    decode_order,
    decode_placed,
)
from dutchbook.platforms.kalshi.order_encoder import (
    encode_fills,
    encode_orders,
    encode_placed,
    encode_refused,
)
from dutchbook.platforms.order_answers import (
    LONGEST_TEXT,
    NEVER_LEFT,
    SILENCE,
    Answer,
    Family,
    Sent,
    classify,
    combined,
)
from dutchbook.ports.account import Listing
from dutchbook.ports.orders import OrderReport

K = Platform.KALSHI
RECORDED = DATA / "api_fixtures" / "kalshi_rest_golden"
CREATED = {
    "order_id": "6c170f2d-31ac-5a52-aa49-396c7be13455",
    "client_order_id": CLIENT_ID,
    "fill_count": "4.00",
    "remaining_count": "0.00",
    "average_fill_price": "0.5200",
    "average_fee_paid": "0.0175",
    "ts_ms": 1781159370164,
}
FILL = {
    "fill_id": "43db2a6b",
    "trade_id": "43db2a6b",
    "order_id": CREATED["order_id"],
    "ticker": "KXTEST-26DEC01-A",
    "outcome_side": "yes",
    "book_side": "bid",
    "count_fp": "4.00",
    "yes_price_dollars": "0.5200",
    "no_price_dollars": "0.4800",
    "is_taker": True,
    "fee_cost": "0.017500",
    "created_time": "2026-06-11T06:29:30.164000Z",
}
ORDER = {
    "order_id": CREATED["order_id"],
    "client_order_id": CLIENT_ID,
    "status": "canceled",
    "fill_count_fp": "4.00",
    "remaining_count_fp": "0.00",
    "initial_count_fp": "10.00",
}


def nested(code: str, **more: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": code.replace("_", " "), **more}}


def rejected(status: int, code: str, reason: str = "", **more: str) -> tuple[Any, ...]:
    return (status, nested(code, **more), Family.REJECTED, reason or code)


CASES: list[tuple[Any, ...]] = [
    (201, CREATED, Family.ACCEPTED, "created"),
    rejected(400, "insufficient_balance"),
    rejected(400, "available_balance_too_low"),
    rejected(400, "invalid_price"),
    rejected(400, "invalid_order", details="post only cross"),
    rejected(400, "invalid_order_size"),
    rejected(400, "invalid_parameters"),
    (
        400,
        {
            "code": "bad_request",
            "message": "bad request",
            "details": "json: cannot unmarshal number into Go struct field",
        },
        Family.REJECTED,
        "bad_request",
    ),
    (
        401,
        {
            "error": {
                "code": "authentication_error",
                "message": "authentication_error",
                "details": "INCORRECT_API_KEY_SIGNATURE",
            }
        },
        Family.REJECTED,
        "authentication_error",
    ),
    rejected(401, "signature_is_missing_from_headers"),
    rejected(401, "header_timestamp_expired", "signature_expired"),
    (403, nested("forbidden"), Family.REJECTED, "not_permitted"),
    rejected(404, "not_found"),
    (409, nested("order_already_exists"), Family.UNKNOWN, "order_already_exists"),
    rejected(409, "fill_or_kill_insufficient_resting_volume"),
    rejected(409, "trading_is_paused"),
    rejected(409, "exchange_is_paused"),
    rejected(409, "market_inactive"),
    rejected(400, "market_closed"),
    rejected(409, "market_already_closed"),
    rejected(410, "deprecated_v1_order_endpoint", details="https://docs.kalshi.com"),
    (429, {"error": "too many requests"}, Family.REJECTED, "rate_limited"),
]


@pytest.mark.parametrize(
    ("status", "body", "family", "reason"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES]
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
    "answer",
    [
        SILENCE,
        said(408, nested("request_timeout")),
        said(409, nested("order_already_exists")),
        said(500, nested("internal_server_error")),
        said(500, nested("insufficient_balance")),
        said(502, b"<html>502 Bad Gateway</html>"),
        said(503, {"exchange_active": False, "trading_active": False}),
        said(504, b""),
        said(200, CREATED),
        said(202, b""),
        said(204, b""),
        said(201, b""),
        said(201, as_bytes(CREATED)[:-1]),
        said(201, changed(CREATED, fill_count=4)),
        said(201, changed(CREATED, fill_count="NaN")),
        said(201, changed(CREATED, fill_count="Infinity")),
        said(201, changed(CREATED, remaining_count="1e400")),
        said(201, changed(CREATED, remaining_count="-1.00")),
        said(201, changed(CREATED, order_id=...)),
        said(201, changed(CREATED, order_id="")),
        said(201, nested("insufficient_balance")),
        said(400, nested("a_code_of_tomorrow")),
        said(400, {"msg": "Parameter validation failed"}),
        said(400, {"error": {"code": 7}}),
        said(400, nested("insufficient_balance") | {"error": ["insufficient_balance"]}),
        said(429, {"error": "too many requests, or not"}),
        said(429, {"error": "too many requests" + " " * LONGEST_TEXT}),
        said(301, b""),
        said(404, b"<html>not found</html>"),
        said(400, b"[" * 100_000),
        said(400, b"\xff\xfe"),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:40]!r}",
)
def test_an_answer_that_the_page_does_not_list_leaves_the_outcome_unknown(
    answer: Answer,
) -> None:
    assert classify(TABLE, answer).family is Family.UNKNOWN


@reaches(rejected=20, unknown=20)
@given(st.one_of(st.integers(-1, 1_000), st.sampled_from([403])), st.binary(max_size=200))
def test_every_status_with_any_bytes_has_a_verdict(status: int, body: bytes) -> None:
    verdict = classify(TABLE, Answer(status, body))

    reached(verdict.family.value)
    assert verdict.row is not None or verdict.family is Family.UNKNOWN
    assert verdict.family in (Family.UNKNOWN, Family.REJECTED)
    assert (verdict.family is Family.REJECTED) == (status == 403)


@reaches(torn=50)
@given(st.sampled_from(CASES), st.integers(0, 400), st.integers(0, 255))
def test_a_truncated_or_altered_answer_never_turns_acceptance_into_rejection(
    case: tuple[Any, ...], where: int, byte: int
) -> None:
    body = as_bytes(case[1])
    at = where % len(body)

    torn = classify(TABLE, Answer(case[0], body[:at]))
    spoilt = classify(TABLE, Answer(case[0], body[:at] + bytes([byte]) + body[at + 1 :]))

    if case[0] != 403:
        reached("torn")
        assert torn.family is Family.UNKNOWN
    assert spoilt.family in (Family.UNKNOWN, case[2])


def test_only_a_request_that_never_left_counts_as_not_sent() -> None:
    with pytest.raises(NotSent):
        classify(TABLE, NEVER_LEFT).insist(K)
    with pytest.raises(OutcomeUnknown):
        classify(TABLE, SILENCE).insist(K)
    with pytest.raises(PlatformRejected, match="invalid_price"):
        classify(TABLE, said(400, nested("invalid_price"))).insist(K)


@pytest.mark.parametrize("row", TABLE.rows[1:], ids=lambda row: row.reason)
def test_a_rejection_encoded_by_the_paper_platform_is_decoded_unchanged(row: Any) -> None:
    verdict = classify(TABLE, encode_refused(row.reason, sent(K).order))

    assert (verdict.family, verdict.reason) == (row.family, row.reason)


# Decoding
# ---------------------------------------------------------------------------------------


def test_an_accepted_order_gives_its_id_and_its_working_and_filled_quantities() -> None:
    placed = decode_placed(as_bytes(CREATED), sent(K))

    assert placed.platform_order_id == CREATED["order_id"]
    assert (placed.working, placed.least) == (NOTHING, Decimal(4))


def test_a_stated_fee_is_no_more_than_the_schedule_allows() -> None:
    """An average of four decimals was 0.006 dollars more than what was reserved for 215."""
    ours = sent(K, size=Quantity(Decimal(215)), outcome=Outcome.NO)
    answer = {"fill_count": "215.00", "average_fill_price": "0.5200"}

    dear = decode_placed(changed(CREATED, **answer, average_fee_paid="0.0175"), ours)
    cheap = decode_placed(changed(CREATED, **answer, average_fee_paid="0.0087"), ours)

    assert dear.stated is not None
    assert cheap.stated is not None
    assert (dear.stated.cost, dear.stated.fees) == (Decimal("103.2"), Decimal("3.7565"))
    assert cheap.stated.fees == Decimal("1.8705")


def test_an_answer_about_another_order_is_not_accepted() -> None:
    with pytest.raises(OutcomeUnknown, match="another_order"):
        decode_placed(changed(CREATED, client_order_id="someone-else"), sent(K))


@pytest.mark.parametrize(
    "fields",
    [
        {"fill_count": 4},
        {"fill_count": None},
        {"fill_count": "NaN"},
        {"fill_count": "-Infinity"},
        {"remaining_count": "1e400"},
        {"remaining_count": "0.0000001"},
        {"remaining_count": "6.01"},
        {"order_id": ...},
        {"order_id": ["6c17"]},
        {"client_order_id": ...},
    ],
    ids=str,
)
def test_a_created_order_that_the_page_does_not_describe_is_malformed(
    fields: dict[str, Any],
) -> None:
    raw = changed(CREATED, **fields)

    with pytest.raises(MalformedMessage) as caught:
        decode_placed(raw, sent(K))

    assert caught.value.raw == raw


@pytest.mark.parametrize(
    "fields",
    [
        {"count_fp": 4},
        {"count_fp": "0.00"},
        {"yes_price_dollars": "NaN"},
        {"yes_price_dollars": "0.5300"},
        {"yes_price_dollars": "1.0000", "no_price_dollars": "0.0000"},
        {"fee_cost": "-0.01"},
        {"fee_cost": "1e400"},
        {"fee_cost": 0.0175},
        {"created_time": "yesterday"},
        {"created_time": "2026-06-11T06:29:30"},
        {"created_time": ...},
        {"created_time": ..., "ts": 10**15},
        {"trade_id": ...},
    ],
    ids=str,
)
def test_a_fill_that_the_page_does_not_describe_is_malformed(fields: dict[str, Any]) -> None:
    placed = decode_placed(as_bytes(CREATED), sent(K))
    raw = b'{"fills":[' + changed(FILL, **fields) + b'],"cursor":""}'

    with pytest.raises(MalformedMessage):
        decode_fills(Answer(200, raw), sent(K), placed)


@pytest.mark.parametrize(("outcome", "paid"), [(Outcome.YES, "0.52"), (Outcome.NO, "0.48")])
def test_a_fill_has_the_price_of_our_outcome_and_is_final(outcome: Outcome, paid: str) -> None:
    ours = sent(K, outcome=outcome)
    placed = decode_placed(as_bytes(CREATED), ours)
    theirs = {**FILL, "order_id": "of somebody else"}
    page = said(200, {"fills": [theirs, FILL], "cursor": ""})

    report = combined(ours, placed, decode_fills(page, ours, placed))

    assert [(f.price, f.size, f.fee) for f in report.fills] == [
        (Decimal(paid), Decimal(4), Decimal("0.0175"))
    ]


def test_a_fill_without_its_exact_time_is_dated_to_its_second() -> None:
    placed = decode_placed(as_bytes(CREATED), sent(K))
    row = {**FILL, "ts": 1_781_159_370}
    del row["created_time"]

    fills = decode_fills(said(200, {"fills": [row]}), sent(K), placed).items

    assert fills[0].matched_at.isoformat() == "2026-06-11T06:29:30+00:00"


def test_a_list_of_trades_that_was_read_in_part_is_not_whole() -> None:
    ours = sent(K)
    placed = decode_placed(as_bytes(CREATED), ours)

    whole = decode_fills(said(200, {"fills": [FILL], "cursor": ""}), ours, placed)
    part = decode_fills(said(200, {"fills": [FILL], "cursor": "CgwI"}), ours, placed)

    assert (whole.complete, part.complete) == (True, False)
    assert combined(ours, placed, whole).whole
    assert not combined(ours, placed, part).whole


def test_an_order_is_not_missing_while_pages_of_orders_are_unread() -> None:
    assert decode_order(said(200, {"orders": [], "cursor": ""}), sent(K)) is None

    with pytest.raises(OutcomeUnknown, match="orders_not_all_read"):
        decode_order(said(200, {"orders": [], "cursor": "CgwI"}), sent(K))


def test_an_acknowledgement_states_its_totals_before_its_trades_are_listed() -> None:
    placed = decode_placed(as_bytes(CREATED), sent(K))

    report = combined(sent(K), placed, Listing())

    assert report.stated == Totals(
        Quantity(Decimal(4)), Money(Decimal("2.08")), Money(Decimal("0.0699"))
    )
    assert (report.fills, report.working, report.whole) == ((), NOTHING, False)


def test_missing_trades_whose_cost_is_not_stated_leave_the_outcome_unknown() -> None:
    placed = decode_placed(changed(CREATED, average_fill_price=...), sent(K))

    with pytest.raises(OutcomeUnknown, match="trades_not_all_read"):
        combined(sent(K), placed, Listing())


def test_an_order_that_may_not_rest_but_still_works_is_queried_again() -> None:
    resting = changed(CREATED, fill_count="0.00", remaining_count="10.00")

    with pytest.raises(OutcomeUnknown, match="still_working"):
        combined(sent(K), decode_placed(resting, sent(K)), Listing())


def test_an_order_is_found_by_client_order_id_and_its_absence_is_not_an_answer() -> None:
    other = {**ORDER, "client_order_id": ""}
    page = {"orders": [other, ORDER], "cursor": ""}

    found = decode_order(said(200, page), sent(K))

    assert found is not None
    assert (found.platform_order_id, found.working, found.least) == (
        ORDER["order_id"],
        NOTHING,
        Decimal(4),
    )
    assert decode_order(said(200, {"orders": [other], "cursor": ""}), sent(K)) is None


@pytest.mark.parametrize("status", [None, 401, 404, 429, 500, 502])
def test_a_failed_query_leaves_the_outcome_unknown(status: int | None) -> None:
    with pytest.raises(OutcomeUnknown):
        decode_order(Answer(status, as_bytes({"orders": []})), sent(K))


@pytest.mark.parametrize(
    "fields",
    [{"status": "pending"}, {"fill_count_fp": 4}, {"fill_count_fp": ...}, {"status": 1}],
    ids=str,
)
def test_an_order_of_an_unknown_status_is_malformed(fields: dict[str, Any]) -> None:
    raw = b'{"orders":[' + changed(ORDER, **fields) + b"]}"

    with pytest.raises(MalformedMessage):
        decode_order(Answer(200, raw), sent(K))


@given(reports(K))
def test_reports_encoded_by_the_paper_platform_are_decoded_exactly(
    case: tuple[Sent, OrderReport],
) -> None:
    before, report = case
    answer = encode_placed(before.order, report)
    page = encode_fills(before.order, report)

    # Made-up fees follow no schedule, to which stated ones would be cut.
    placed = decode_placed(answer.body, replace(before, fees=None))
    found = decode_order(encode_orders([(before.order, report)]), before)

    assert classify(TABLE, answer).family is Family.ACCEPTED
    assert found is not None
    for each in (placed, found):
        read = combined(before, each, decode_fills(page, before, each))
        assert (read.fills, read.working) == (report.fills, report.working)
        assert read.whole is (not report.working)
        assert_stated(before.order, each.stated, report)
    assert decode_order(encode_orders([]), before) is None


def assert_stated(order: Order, stated: Totals | None, report: OrderReport) -> None:
    """Totals agree with the trades to a millionth, averages to 0.00005 a contract."""
    assert stated is not None
    assert stated.filled == sum((fill.size for fill in report.fills), start=Decimal(0))
    for figure, exact in (
        (stated.cost, sum((f.price * f.size for f in report.fills), start=Decimal(0))),
        (stated.fees, sum((fill.fee for fill in report.fills), start=Decimal(0))),
    ):
        assert figure is not None
        assert abs(figure - exact) <= stated.filled * Decimal("0.00005") + MICRO, order


# Recorded answers
# ---------------------------------------------------------------------------------------


def recorded(name: str) -> bytes:
    path = RECORDED / name
    if not path.is_file():
        pytest.skip(f"the recording {name} is not on this machine")
    return as_bytes(json.loads(path.read_text(encoding="utf-8"))["response"])


def test_a_recorded_answer_of_the_retired_interface_is_malformed_today() -> None:
    """It was recorded in January 2026, before prices and counts became strings."""
    raw = recorded("create_order_response.json")

    assert classify(TABLE, Answer(201, raw)).family is Family.UNKNOWN
    with pytest.raises(MalformedMessage):
        decode_placed(raw, sent(K))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("portfolio_orders_response.json", lambda a: decode_order(a, sent(K))),
        (
            "portfolio_fills_response.json",
            lambda a: decode_fills(a, sent(K), decode_placed(as_bytes(CREATED), sent(K))),
        ),
    ],
)
def test_recorded_pages_with_prices_in_whole_cents_are_rejected(name: str, read: Any) -> None:
    raw = recorded(name)

    with pytest.raises(MalformedMessage):
        read(Answer(200, raw))
