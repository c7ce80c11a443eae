"""What events and their fields look like in JSON, and what is read from JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import ConversionSyntax, Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest

from dutchbook.domain.events import (
    CapitalMoved,
    Event,
    FillSettled,
    OrderNeedsPerson,
    Scenario,
    SingleLegExposureReminder,
    Stamp,
    TopOfBook,
    as_json,
    base,
    catalogue,
    decode,
    decoding,
)
from dutchbook.domain.events.decoding import from_json
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput

AT = datetime(2026, 7, 5, 18, 0, 0, 250, tzinfo=UTC)
STAMP = Stamp("e1", AT, "about", "because")


@pytest.fixture(autouse=True)
def afresh() -> None:
    """Compute in each test what the program computes once and keeps."""
    for kept in (base._form, catalogue, decoding._fields, decoding._optional):
        kept.cache_clear()


class Grade(IntEnum):
    """A number with a name."""

    SECOND = 2


class Word(StrEnum):
    """A text with a name."""

    YES = "yes"


class Text(str):
    """A text of its own class."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Nested:
    """A value within a value; the last two fields were added later."""

    price: Price
    at: datetime | None
    size: Quantity | None = None
    words: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (Word.YES, "yes"),
        (Text("own"), "own"),
        (Grade.SECOND, 2),
        (Decimal("1.50"), "1.5"),
        (AT, "2026-07-05T18:00:00.000250+00:00"),
        (
            datetime(2026, 7, 5, 20, tzinfo=timezone(timedelta(hours=2))),
            "2026-07-05T18:00:00.000000+00:00",
        ),
        ({Word.YES: Decimal("0.10"), 3: AT}, {"yes": "0.1", "3": as_json(AT)}),
        ([Decimal("0.10"), None], ["0.1", None]),
        ((Decimal("0.10"), Word.YES), ["0.1", "yes"]),
        (
            Nested(Price(Decimal("0.40")), AT, words=("a",)),
            {"price": "0.4", "at": as_json(AT), "size": None, "words": ["a"]},
        ),
    ],
)
def test_each_value_has_one_form_in_json(value: object, written: object) -> None:
    found = as_json(value)

    assert (found, type(found)) == (written, type(written))


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine be in Tokyo."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_an_instant_is_written_in_utc_wherever_the_machine_is() -> None:
    assert as_json(AT) == "2026-07-05T18:00:00.000250+00:00"


def test_the_keys_and_texts_of_a_document_are_plain() -> None:
    ((key, text),) = as_json({Text("key"): Word.YES}).items()

    assert (type(key), type(text)) == (str, str)


def test_a_value_without_a_form_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"^object has no JSON form"):
        as_json(object())


def test_a_payload_has_the_events_own_fields_and_not_its_stamp() -> None:
    event = OrderNeedsPerson(STAMP, "o", "p", Platform.KALSHI, AT, "no answer")

    assert event.payload() == {
        "order_id": "o",
        "pair_id": "p",
        "platform": "kalshi",
        "unknown_since": "2026-07-05T18:00:00.000250+00:00",
        "detail": "no answer",
    }


@pytest.mark.parametrize(
    ("hint", "value", "read"),
    [
        (Any, {"x": 1}, {"x": 1}),
        (str, "text", "text"),
        (int, 7, 7),
        (bool, True, True),
        (Decimal, "1.50", Decimal("1.50")),
        (Money, "1.50", Decimal("1.50")),
        (Platform, "kalshi", Platform.KALSHI),
        (datetime, "2026-07-05T18:00:00.000250+00:00", AT),
        (Money | None, None, None),
        (Money | None, "1.5", Decimal("1.5")),
        (tuple[Platform, ...], ["kalshi", "polymarket"], tuple(Platform)),
        (dict[str, Money], {"a": "1", "b": "2"}, {"a": Decimal(1), "b": Decimal(2)}),
        (dict[str, Any], {"a": "1", "b": None}, {"a": "1", "b": None}),
        (Nested, {"price": "0.4", "at": None}, Nested(Price(Decimal("0.4")), None)),
        (
            Nested,
            {"price": "0.4", "at": as_json(AT), "size": "5", "words": ["a"], "more": 1},
            Nested(Price(Decimal("0.4")), AT, Quantity(Decimal(5)), ("a",)),
        ),
    ],
)
def test_each_type_is_read_from_its_form_in_json(hint: Any, value: Any, read: object) -> None:
    found = from_json(hint, value)

    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Decimal, 1, "1 is not a text"),
        (Platform, 1, "1 is not a text"),
        (str, 1, "1 is not str"),
        (int, "1", "'1' is not int"),
        (int, True, "True is not int"),
    ],
)
def test_a_value_of_another_type_is_rejected(hint: Any, value: object, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        from_json(hint, value)

    assert str(caught.value) == message


def test_an_event_is_read_with_the_stamp_that_is_given() -> None:
    payload = {"trade_id": "t", "order_id": "o", "platform": "kalshi"}

    read = decode("execution.fill.settled", payload, STAMP)

    assert read == FillSettled(STAMP, "t", "o", Platform.KALSHI)


def test_an_event_of_an_earlier_version_lacks_what_was_added_later() -> None:
    payload = {
        "position_id": "x",
        "pair_id": "p",
        "exposed_quantity": "4",
        "exposed_since": as_json(AT),
    }

    assert decode("execution.single_leg.exposure_reminder", payload, STAMP) == (
        SingleLegExposureReminder(STAMP, "x", "p", Decimal(4), AT)
    )


SETTLED = "execution.fill.settled"


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("no.such.event", {}, "a name of this program's catalogue"),
        (
            SETTLED,
            {"trade_id": "t", "platform": "kalshi"},
            f"the payload of {SETTLED} (KeyError: 'order_id')",
        ),
        (
            SETTLED,
            {"trade_id": 1, "order_id": "o", "platform": "kalshi"},
            f"the payload of {SETTLED} (TypeError: 1 is not str)",
        ),
        (
            SETTLED,
            {"trade_id": "t", "order_id": "o", "platform": "elsewhere"},
            f"the payload of {SETTLED} (ValueError: 'elsewhere' is not a valid Platform)",
        ),
        (
            "capital.moved",
            {"account": "a", "kind": "deposit", "amount": "x", "note": ""},
            f"the payload of capital.moved (InvalidOperation: {[ConversionSyntax]})",
        ),
    ],
)
def test_the_rejection_of_an_event_says_what_is_wrong_with_it(
    name: str, payload: Mapping[str, Any], expected: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(name, payload, STAMP)

    rejection = caught.value
    assert (rejection.field, rejection.value, rejection.expected) == ("event", name, expected)


def test_the_catalogue_is_sorted_and_has_every_event_under_its_wire_name() -> None:
    found = catalogue()

    assert list(found) == sorted(found)
    assert all(kind.wire == name for name, kind in found.items())
    assert (found[SETTLED], found["capital.moved"]) == (FillSettled, CapitalMoved)
    assert not {Event, TopOfBook, Scenario} & set(found.values())


@pytest.mark.parametrize(
    ("pnl", "size", "each"),
    [
        ("-3", "4", Decimal("-0.75")),
        ("0", "4", Decimal(0)),
        (None, "4", None),
        ("-3", None, None),
        ("-3", "0", None),
    ],
)
def test_the_profit_of_a_remedy_per_contract_is_known_if_both_parts_are(
    pnl: str | None, size: str | None, each: Decimal | None
) -> None:
    scenario = Scenario(
        "hold",
        None if pnl is None else Money(Decimal(pnl)),
        None,
        "",
        size=None if size is None else Quantity(Decimal(size)),
    )

    assert scenario.each == each
