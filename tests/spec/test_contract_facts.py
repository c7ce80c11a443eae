"""The facts about a contract that a person writes in a file: what each field may be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.market.contract import Platform, Sizing
from dutchbook.domain.market.contract_file import (
    CONTRACT_KEYS,
    contract_facts,
    contract_key,
    text,
)
from dutchbook.domain.market.fees import (
    FeeSchedule,
    kalshi_terms,
)
from dutchbook.domain.values.units import Money, PriceGrid, Quantity
from dutchbook.errors import InvalidInput

KALSHI, POLYMARKET = Platform
RANGES = [
    {"start": "0", "end": "0.5", "step": "0.001"},
    {"start": "0.5", "end": "1", "step": "0.01"},
]
STEP = "above zero and a multiple of 0.000001"


def sizing(step: str, minimum: str, dollars: str, *, exact: bool) -> Sizing:
    return Sizing(
        Quantity(Decimal(step)), Quantity(Decimal(minimum)), Money(Decimal(dollars)), exact
    )


KNOWN = sizing("0.01", "5", "1", exact=True)


def refusal(
    row: dict[str, Any], platform: Platform = KALSHI, known: Sizing | None = None
) -> str:
    with pytest.raises(InvalidInput) as refused:
        contract_facts(platform, row, known)
    return str(refused.value)


# Keys -----------------------------------------------------------------------------------------


def test_a_contract_is_known_by_its_platform_and_id() -> None:
    assert contract_key({"platform": "kalshi", "contract_id": "KXCUP"}) == (KALSHI, "KXCUP")
    everything = dict.fromkeys(CONTRACT_KEYS, 1) | {
        "platform": "polymarket",
        "contract_id": "c",
    }
    assert contract_key(everything) == (POLYMARKET, "c")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"contract_id": "c"}, "platform: None is not a text that is not empty"),
        (
            {"platform": "nyse", "contract_id": "c"},
            "platform: 'nyse' is not one of kalshi, polymarket",
        ),
        ({"platform": "kalshi"}, "contract_id: None is not a text that is not empty"),
        (
            {"platform": "kalshi", "contract_id": "c", "colour": "red"},
            f"colour: 'red' is not a field of it; there are {', '.join(CONTRACT_KEYS)}",
        ),
    ],
)
def test_a_row_without_its_key_or_with_an_unknown_field_is_refused(
    row: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        contract_key(row)

    assert str(refused.value) == why


# Facts ----------------------------------------------------------------------------------------


def test_a_row_gives_the_facts_of_its_fields_and_no_others() -> None:
    row = {
        "platform": "kalshi",
        "contract_id": "KXCUP",
        "title": "The cup",
        "rules": "If they win.",
        "tick": "0.01",
        "close_time": "2026-07-11T18:00:00Z",
        "resolution_time": "2026-07-12T18:00:00Z",
        "cash_delay_hours": "1.5",
        "tokens": ["1", "2"],
        "taker_delay_seconds": "2.5",
        "size_step": "0.01",
        "size_minimum": "0.02",
        "fee_type": "quadratic",
    }

    assert contract_facts(KALSHI, row, None) == {
        "title": "The cup",
        "rules": "If they win.",
        "grid": PriceGrid.of_tick("0.01"),
        "close_time": datetime(2026, 7, 11, 18, tzinfo=UTC),
        "resolution_time": datetime(2026, 7, 12, 18, tzinfo=UTC),
        "cash_delay": timedelta(minutes=90),
        "tokens": ("1", "2"),
        "taker_delay": timedelta(milliseconds=2_500),
        "sizing": sizing("0.01", "0.02", "0", exact=False),
        "fees": FeeSchedule((kalshi_terms("quadratic"),)),
    }
    assert contract_facts(KALSHI, {}, KNOWN) == {}
    assert contract_facts(POLYMARKET, {}, None) == {}


def test_price_ranges_are_a_grid_too() -> None:
    found = contract_facts(KALSHI, {"price_ranges": RANGES}, None)

    assert found == {"grid": PriceGrid.of_ranges(RANGES)}


@pytest.mark.parametrize("ranges", [{"start": "0"}, "0 to 1", [*RANGES, "0.9 to 1"], ["0"]])
def test_price_ranges_are_a_list_of_tables(ranges: object) -> None:
    assert refusal({"price_ranges": ranges}) == (
        f"price_ranges: {ranges!r} is not a list of tables with start, end and step"
    )


@pytest.mark.parametrize(
    ("row", "second", "first"),
    [
        ({"price_ranges": 1, "tick": 2}, "price_ranges: 1", "tick"),
        ({"fees": 1, "fee_type": 2}, "fee_type: 2", "fees"),
        ({"fees": 1, "fee_category": 2}, "fee_category: 2", "fees"),
        ({"fees": 1, "fee_rate": 2}, "fee_rate: 2", "fees"),
        ({"fees": 1, "fee_multiplier": 2}, "fee_multiplier: 2", "fees"),
        ({"fee_type": 1, "fee_category": 2}, "fee_category: 2", "fee_type"),
        ({"fee_category": 1, "fee_rate": 2}, "fee_rate: 2", "fee_category"),
    ],
)
def test_of_two_fields_for_one_fact_the_second_is_refused(
    row: dict[str, Any], second: str, first: str
) -> None:
    assert refusal(row) == f"{second} is not to stand beside {first}"


@pytest.mark.parametrize(
    ("seconds", "delay"), [("0", 0), ("0.001", 1), ("2.5", 2_500), ("60", 60_000)]
)
def test_a_takers_delay_is_up_to_a_minute_in_milliseconds(seconds: str, delay: int) -> None:
    found = contract_facts(KALSHI, {"taker_delay_seconds": seconds}, None)

    assert found == {"taker_delay": timedelta(milliseconds=delay)}


@pytest.mark.parametrize("seconds", ["-0.001", "0.0005", "60.001", "61"])
def test_any_other_takers_delay_is_refused(seconds: str) -> None:
    assert refusal({"taker_delay_seconds": seconds}) == (
        f"taker_delay_seconds: '{seconds}' is not from 0 to 60, in whole milliseconds"
    )


@pytest.mark.parametrize(
    ("hours", "delay"), [("0", 0), ("0.5", 1_800), ("36", 129_600), ("8760", 31_536_000)]
)
def test_a_cash_delay_is_up_to_a_year_in_hours(hours: str, delay: int) -> None:
    found = contract_facts(KALSHI, {"cash_delay_hours": hours}, None)

    assert found == {"cash_delay": timedelta(seconds=delay)}


@pytest.mark.parametrize("hours", ["-0.1", "8760.1"])
def test_any_other_cash_delay_is_refused(hours: str) -> None:
    assert refusal({"cash_delay_hours": hours}) == (
        f"cash_delay_hours: '{hours}' is not from 0 to 8760"
    )


@pytest.mark.parametrize(
    "tokens", [["1", ""], ["", "2"], ["1", "1"], ["1"], ["1", 2], "12", None]
)
def test_tokens_are_two_different_texts(tokens: object) -> None:
    assert refusal({"tokens": tokens}) == (
        f"tokens: {tokens!r} is not the YES and the NO token, two different texts"
    )


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-07-11T18:00:00Z", datetime(2026, 7, 11, 18, tzinfo=UTC)),
        ("2026-07-11T18:00:00+02:00", datetime(2026, 7, 11, 16, tzinfo=UTC)),
        (datetime(2026, 7, 11, 18, tzinfo=UTC), datetime(2026, 7, 11, 18, tzinfo=UTC)),
        (date(2026, 7, 11), datetime(2026, 7, 11, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2099-12-31T00:00:00Z", datetime(2099, 12, 31, tzinfo=UTC)),
    ],
)
def test_an_instant_is_a_date_and_time_with_its_zone(
    written: object, instant: datetime
) -> None:
    found = contract_facts(KALSHI, {"close_time": written}, None)

    assert found == {"close_time": instant}
    assert found["close_time"].tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "2026-07-11T18:00:00",
        "2026-07-11",
        "soon",
        7,
        datetime(2026, 7, 11, 18),  # noqa: DTZ001 - that is what is refused
        "1999-12-31T00:00:00Z",
        "2100-01-01T00:00:00Z",
    ],
)
def test_any_other_instant_is_refused(written: object) -> None:
    assert refusal({"close_time": written}) == (
        f"close_time: '{written}' is not a date and time with its zone, 2000 to 2099"
    )


# Texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["a", " the cup ", "Zürich", "\ud7ff", "\ue000", "\U0001f600"]
)
def test_a_text_is_read_as_it_is(value: str) -> None:
    assert text({"title": value}, "title") == value


@pytest.mark.parametrize("value", ["", " \n", None, 7])
def test_a_text_is_not_empty(value: object) -> None:
    assert refusal({"title": value}) == f"title: {value!r} is not a text that is not empty"


@pytest.mark.parametrize("code", [0, 0xD800, 0xDABC, 0xDFFF])
def test_a_text_has_nothing_that_a_database_cannot_store(code: int) -> None:
    value = f"a{chr(code)}"

    assert refusal({"title": value}) == (
        f"title: {value!r} is not a text without NUL and half characters"
    )


# Sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "known", "found"),
    [
        ({"size_step": "0.02"}, KNOWN, ("0.02", "5", "1", True)),
        ({"size_minimum": "0.5"}, KNOWN, ("0.01", "0.5", "1", True)),
        ({"notional_minimum": "2"}, KNOWN, ("0.01", "5", "2", True)),
        ({"notional_minimum": "0.5"}, KNOWN, ("0.01", "5", "0.5", True)),
        ({"notional_minimum": "0"}, KNOWN, ("0.01", "5", "0", True)),
        ({"cent_exact": False}, KNOWN, ("0.01", "5", "1", False)),
        (
            {"size_step": "0.03"},
            sizing("0.01", "6", "1", exact=False),
            ("0.03", "6", "1", False),
        ),
        ({"size_step": "0.000001", "size_minimum": "1"}, None, ("0.000001", "1", "0", False)),
        (
            {
                "size_step": "2",
                "size_minimum": "4",
                "notional_minimum": "3",
                "cent_exact": True,
            },
            None,
            ("2", "4", "3", True),
        ),
    ],
)
def test_a_row_overrides_a_part_of_the_known_sizing(
    row: dict[str, Any], known: Sizing | None, found: tuple[str, str, str, bool]
) -> None:
    *numbers, exact = found
    wanted = sizing(*(str(each) for each in numbers), exact=exact)

    assert contract_facts(KALSHI, row, known) == {"sizing": wanted}


@pytest.mark.parametrize(
    ("row", "known", "why"),
    [
        (
            {"size_minimum": "1"},
            None,
            "size_step: None is not a decimal number written as text",
        ),
        (
            {"size_step": "1"},
            None,
            "size_minimum: None is not a decimal number written as text",
        ),
        (
            {"size_step": "0"},
            KNOWN,
            f"size_step: '0' is not {STEP}",
        ),
        (
            {"size_step": "-1"},
            KNOWN,
            f"size_step: '-1' is not {STEP}",
        ),
        (
            {"size_step": "0.0000015"},
            KNOWN,
            f"size_step: '0.0000015' is not {STEP}",
        ),
        (
            {"size_minimum": "0"},
            KNOWN,
            "size_minimum: '0' is not above zero, a multiple of 0.01",
        ),
        (
            {"size_minimum": "-5"},
            KNOWN,
            "size_minimum: '-5' is not above zero, a multiple of 0.01",
        ),
        (
            {"size_minimum": "0.015"},
            KNOWN,
            "size_minimum: '0.015' is not above zero, a multiple of 0.01",
        ),
        (
            {"notional_minimum": "-0.01"},
            KNOWN,
            "notional_minimum: '-0.01' is not zero or more dollars",
        ),
        (
            {"notional_minimum": "a"},
            KNOWN,
            "notional_minimum: 'a' is not a decimal number",
        ),
        ({"cent_exact": "yes"}, KNOWN, "cent_exact: 'yes' is not true or false"),
    ],
)
def test_an_impossible_size_is_refused(
    row: dict[str, Any], known: Sizing | None, why: str
) -> None:
    assert refusal(row, known=known) == why
