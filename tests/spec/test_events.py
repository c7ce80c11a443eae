"""Events survive encoding and decoding without loss."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dutchbook.domain.events import Event, Stamp, catalogue, decode
from dutchbook.errors import InvalidInput
from dutchbook.persistence.log.chain import canonical

STAMP = Stamp("e1", datetime(2026, 7, 5, tzinfo=UTC), "about", "because")
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12
)
DOCUMENTS = st.dictionaries(
    WORDS, WORDS | st.integers() | st.none() | st.booleans(), max_size=3
)
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: st.integers(),
    bool: st.booleans(),
    Decimal: DECIMALS,
    datetime: st.datetimes(timezones=st.just(UTC)),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a field of a type."""
    hint = getattr(hint, "__supertype__", hint)
    if hint in KNOWN:
        return KNOWN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([st.none() if each is NoneType else values(each) for each in inner])
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is dict:
        return DOCUMENTS if inner[1] is Any else st.dictionaries(WORDS, values(inner[1]))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    assert dataclasses.is_dataclass(hint), hint
    return made(hint)


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for instances of a dataclass; all events have the same stamp."""
    hints = get_type_hints(kind)
    fields = {
        f.name: st.just(STAMP) if f.name == "stamp" else values(hints[f.name])
        for f in dataclasses.fields(kind)
    }
    return st.builds(kind, **fields)


EVENTS = list(catalogue().values())


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.wire)
@settings(max_examples=15)
@given(data=st.data())
def test_every_event_is_read_again_as_it_was_written(kind: type[Event], data: Any) -> None:
    event = data.draw(made(kind))
    written = canonical(event.payload())

    again = decode(event.wire, json.loads(written), STAMP)

    assert again == event
    assert type(again) is kind
    assert canonical(again.payload()) == written


def test_an_unknown_event_name_is_rejected() -> None:
    with pytest.raises(InvalidInput, match=r"no\.such\.event"):
        decode("no.such.event", {}, STAMP)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"trade_id": "t", "order_id": "o"},
        {"trade_id": 1, "order_id": "o", "platform": "kalshi"},
        {"trade_id": "t", "order_id": "o", "platform": "elsewhere"},
    ],
)
def test_a_payload_that_does_not_match_its_event_is_rejected_with_the_events_name(
    payload: dict[str, Any],
) -> None:
    with pytest.raises(InvalidInput, match=r"execution\.fill\.settled"):
        decode("execution.fill.settled", payload, STAMP)


def test_an_amount_that_is_not_a_string_is_rejected() -> None:
    payload = {"account": "a", "kind": "deposit", "amount": 1, "note": ""}

    with pytest.raises(InvalidInput, match=r"capital\.moved"):
        decode("capital.moved", payload, STAMP)
