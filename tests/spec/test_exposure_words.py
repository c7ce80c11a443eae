"""The sentence about an unhedged leg, word for word."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.positions.exposure_words import (
    best_way,
    command,
    dollars,
    exposed_in_words,
    exposure_told,
)

POSITION = "0123456789abcdef"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("12", "12"),
        ("1200", "1200"),
        ("12.0000", "12"),
        ("12.5", "12.5"),
        ("12.50", "12.5"),
        ("12.34567", "12.3456"),
        ("12.00009", "12"),
        ("-0.10009", "-0.1"),
        (Decimal("0.1230"), "0.123"),
        (7, "7"),
    ],
)
def test_dollars_are_cut_to_four_decimals_without_zeros_at_the_end(
    amount: Any, text: str
) -> None:
    assert dollars(amount) == text


def remedy(name: str, blocked: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "detail": f"do {name}",
        "pnl": None if blocked else "-1.23456",
        "price": None if blocked else "0.5500",
        "blocked": blocked,
    }


RETRY, CLOSE, COMPLEMENT = remedy("retry_leg"), remedy("close_leg"), remedy("complement")
HOLD = remedy("hold")
ALL = [RETRY, CLOSE, COMPLEMENT, HOLD]


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (RETRY, "dutchbook retry-leg 01234567 --price 0.55"),
        (CLOSE, "dutchbook close-leg 01234567"),
        (COMPLEMENT, "dutchbook complement 01234567"),
    ],
)
def test_the_command_of_a_remedy_has_a_price_only_where_one_may_be_given(
    choice: dict[str, Any], text: str
) -> None:
    assert command(POSITION, choice) == text


@pytest.mark.parametrize(
    ("recommended", "text"),
    [
        (
            ["retry_leg", "close_leg", "hold"],
            (
                "best: retry the missing leg, do retry_leg, result -1.2345:"
                " dutchbook retry-leg 01234567 --price 0.55"
            ),
        ),
        (
            ["close_leg", "hold"],
            (
                "best: close the unhedged leg, do close_leg, result -1.2345:"
                " dutchbook close-leg 01234567"
            ),
        ),
        (
            ["complement", "hold"],
            (
                "best: buy the complement, do complement, result -1.2345:"
                " dutchbook complement 01234567"
            ),
        ),
    ],
)
def test_the_best_remedy_is_told_with_its_result_and_its_command(
    recommended: list[str], text: str
) -> None:
    assert best_way(POSITION, ALL, recommended) == text


CLOSED, SMALL = "the contract is closed", "book_stale"


@pytest.mark.parametrize(
    ("blocked", "recommended", "why"),
    [
        ((CLOSED, CLOSED, CLOSED), ["hold"], "the contract is closed"),
        ((SMALL, None, None), [], "book stale"),
        (
            (CLOSED, SMALL, CLOSED),
            ["hold"],
            "the contract is closed (retry-leg, complement); book stale (close-leg)",
        ),
        ((CLOSED, CLOSED, SMALL), ["gone"], ("the contract is closed (retry-leg, close-leg);"
         " book stale (complement)")),
        ((None, None, None), ["hold"], ""),
    ],
)  # fmt: skip
def test_where_nothing_can_be_done_each_obstacle_is_told_once(
    blocked: tuple[str | None, ...], recommended: list[str], why: str
) -> None:
    names = ("retry_leg", "close_leg", "complement")
    scenarios = [remedy(name, each) for name, each in zip(names, blocked, strict=True)]

    told = best_way(POSITION, [*scenarios, HOLD], recommended)

    assert told == f"nothing can be done now: {why}"


def test_a_remedy_without_a_command_is_named_as_it_is() -> None:
    scenarios = [remedy("retry_leg", CLOSED), remedy("hold", SMALL)]

    assert best_way(POSITION, scenarios, []) == (
        "nothing can be done now: the contract is closed (retry-leg); book stale (hold)"
    )


def test_before_remedies_are_priced_there_is_none() -> None:
    assert best_way(POSITION, [], ["retry_leg"]) == "not priced yet"


FACTS: dict[str, Any] = {
    "position_id": POSITION,
    "exposed_quantity": "10.50",
    "platform": "kalshi",
    "outcome": "yes",
    "at_risk": "4.20009",
    "scenarios": [],
    "recommended_actions": [],
}


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            FACTS,
            (
                "Cup?: 10.5 YES on kalshi unhedged, 4.2 dollars at risk; position 01234567;"
                " not priced yet"
            ),
        ),
        (
            {key: FACTS[key] for key in FACTS if key not in ("platform", "at_risk")},
            "Cup?: 10.5 contracts unhedged; position 01234567; not priced yet",
        ),
        (
            FACTS | {"at_risk": "0", "scenarios": ALL, "recommended_actions": ["close_leg"]},
            (
                "Cup?: 10.5 YES on kalshi unhedged, 0 dollars at risk; position 01234567; best:"
                " close the unhedged leg, do close_leg, result -1.2345: dutchbook close-leg"
                " 01234567"
            ),
        ),
    ],
)
def test_an_exposure_is_what_is_unhedged_what_it_cost_and_what_can_be_done(
    facts: dict[str, Any], text: str
) -> None:
    assert exposed_in_words("Cup?", facts) == text


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("execution.single_leg.exposure", "EXPOSED"),
        ("execution.single_leg.exposure_changed", "EXPOSED, changed"),
        ("execution.single_leg.exposure_reminder", "STILL EXPOSED"),
    ],
)
def test_the_sentence_begins_with_what_has_happened(name: str, beginning: str) -> None:
    assert exposure_told(name, "Cup?", FACTS) == (
        f"{beginning}: {exposed_in_words('Cup?', FACTS)}"
    )
