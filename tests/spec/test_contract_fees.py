"""The fees of a contract, and the facts of a pair, that a person writes in a file."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.market.contract import (
    DIVERGENCE,
    Alignment,
    DivergenceClass,
    Platform,
)
from dutchbook.domain.market.contract_file import (
    PAIR_KEYS,
    contract_facts,
    pair_facts,
    pair_key,
)
from dutchbook.domain.market.fees import (
    FeeRounding,
    FeeSchedule,
    FeeTerms,
    kalshi_terms,
    polymarket_schedule,
    polymarket_terms,
)
from dutchbook.errors import InvalidInput, UnknownFee

KALSHI, POLYMARKET = Platform
CATEGORIES = (
    "crypto, sports, finance, politics, mentions, tech, economics, culture, weather, other,"
    " geopolitics"
)
TERMS = {
    "effective_from": "2026-07-10T00:00:00+00:00",
    "taker_rate": "0.05",
    "maker_rate": "0.01",
    "rounding": "kalshi_cent",
    "source": "a page",
}
READ = FeeTerms(
    datetime(2026, 7, 10, tzinfo=UTC),
    Decimal("0.05"),
    Decimal("0.01"),
    FeeRounding.KALSHI_CENT,
    "a page",
)
MAKERS = "quadratic_with_maker_fees"


# Fees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "row", "fees"),
    [
        (KALSHI, {"fee_type": MAKERS}, FeeSchedule((kalshi_terms(MAKERS),))),
        (
            KALSHI,
            {"fee_type": MAKERS, "fee_multiplier": "0.5"},
            FeeSchedule((kalshi_terms(MAKERS, Decimal("0.5")),)),
        ),
        (
            KALSHI,
            {"fee_multiplier": "0.5"},
            FeeSchedule((kalshi_terms("quadratic", Decimal("0.5")),)),
        ),
        (
            KALSHI,
            {"fee_multiplier": "0"},
            FeeSchedule((kalshi_terms("quadratic", Decimal(0)),)),
        ),
        (
            KALSHI,
            {"fee_multiplier": "1"},
            FeeSchedule((kalshi_terms("quadratic"),)),
        ),
        (POLYMARKET, {"fee_rate": "0"}, FeeSchedule((polymarket_terms(Decimal(0)),))),
        (
            POLYMARKET,
            {"fee_rate": "0.999999"},
            FeeSchedule((polymarket_terms(Decimal("0.999999")),)),
        ),
        (POLYMARKET, {"fee_category": "sports"}, polymarket_schedule("sports")),
        (KALSHI, {"fees": [TERMS]}, FeeSchedule((READ,))),
        (POLYMARKET, {"fees": [TERMS]}, FeeSchedule((READ,))),
    ],
)
def test_fees_are_given_by_type_by_category_by_rate_or_term_by_term(
    platform: Platform, row: dict[str, Any], fees: FeeSchedule
) -> None:
    assert contract_facts(platform, row, None) == {"fees": fees}


RATE = "from 0 to below 1, exact to 0.000001"
TABLES = "a list of tables whose values are texts"
EXACT = "a multiplier that leaves rates exact to 0.000001"


@pytest.mark.parametrize(
    ("platform", "row", "why"),
    [
        (KALSHI, {"fee_category": "a"}, "fee_category: 'a' is not a field of kalshi contracts"),
        (KALSHI, {"fee_rate": "0.1"}, "fee_rate: '0.1' is not a field of kalshi contracts"),
        (POLYMARKET, {"fee_type": "a"}, "fee_type: 'a' is not a field of polymarket contracts"),
        (
            POLYMARKET,
            {"fee_multiplier": "1"},
            "fee_multiplier: '1' is not a field of polymarket contracts",
        ),
        (KALSHI, {"fee_type": 5}, "fee_type: 5 is not a text that is not empty"),
        (KALSHI, {"fee_multiplier": "a"}, "fee_multiplier: 'a' is not a decimal number"),
        (KALSHI, {"fee_multiplier": "-0.1"}, "fee_multiplier: '-0.1' is not from 0 to 1"),
        (KALSHI, {"fee_multiplier": "1.1"}, "fee_multiplier: '1.1' is not from 0 to 1"),
        (
            KALSHI,
            {"fee_multiplier": "0.0015151"},
            f"fee_multiplier: '0.0015151' is not {EXACT}",
        ),
        (
            KALSHI,
            {"fee_multiplier": "0.0001", "fee_type": MAKERS},
            f"fee_multiplier: '0.0001' is not {EXACT}",
        ),
        (POLYMARKET, {"fee_rate": "a"}, "fee_rate: 'a' is not a decimal number"),
        (POLYMARKET, {"fee_rate": "-0.1"}, f"fee_rate: '-0.1' is not {RATE}"),
        (POLYMARKET, {"fee_rate": "1"}, f"fee_rate: '1' is not {RATE}"),
        (POLYMARKET, {"fee_rate": "0.0000015"}, f"fee_rate: '0.0000015' is not {RATE}"),
        (POLYMARKET, {"fee_category": ""}, "fee_category: '' is not a text that is not empty"),
        (
            POLYMARKET,
            {"fee_category": "chess"},
            f"fee_category: 'chess' is not one of {CATEGORIES}",
        ),
        (KALSHI, {"fees": TERMS}, f"fees: {TERMS!r} is not {TABLES}"),
        (KALSHI, {"fees": [TERMS, 5]}, f"fees: {[TERMS, 5]!r} is not {TABLES}"),
        (KALSHI, {"fees": [{"taker_rate": 0}]}, f"fees: [{{'taker_rate': 0}}] is not {TABLES}"),
        (
            KALSHI,
            {"fees": [TERMS | {"rate": "1"}]},
            f"rate: '1' is not a field of it; there are {', '.join(TERMS)}",
        ),
    ],
)
def test_impossible_fees_are_refused(platform: Platform, row: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        contract_facts(platform, row, None)

    assert str(refused.value) == why


def test_a_fee_type_without_a_published_formula_is_unknown() -> None:
    with pytest.raises(UnknownFee) as refused:
        contract_facts(KALSHI, {"fee_type": "flat"}, None)

    assert str(refused.value) == "kalshi: no published formula for the fee 'flat'"


# Pairs ----------------------------------------------------------------------------------------


def test_a_pair_is_known_by_its_two_contracts() -> None:
    everything = dict.fromkeys(PAIR_KEYS, 1) | {"kalshi": "k", "polymarket": "p"}

    assert pair_key(everything) == ("k", "p")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"polymarket": "p"}, "kalshi: None is not a text that is not empty"),
        ({"kalshi": "k"}, "polymarket: None is not a text that is not empty"),
        (
            {"kalshi": "k", "polymarket": "p", "tick": "1"},
            f"tick: '1' is not a field of it; there are {', '.join(PAIR_KEYS)}",
        ),
    ],
)
def test_a_pair_without_its_contracts_or_with_an_unknown_field_is_refused(
    row: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        pair_key(row)

    assert str(refused.value) == why


@pytest.mark.parametrize(
    ("row", "facts"),
    [
        ({}, {}),
        ({"match_id": "cup"}, {"match_id": "cup"}),
        ({"cluster": "final"}, {"cluster": "final"}),
        ({"alignment": "inverse"}, {"alignment": Alignment.INVERSE}),
        ({"primary_leg": "polymarket"}, {"primary_leg": POLYMARKET}),
        ({"confidence": "0.9"}, {"confidence": Decimal("0.9")}),
        ({"divergence_probability": "0"}, {"divergence_probability": Decimal(0)}),
        (
            {"divergence_probability": "0.999999"},
            {"divergence_probability": Decimal("0.999999")},
        ),
        (
            {"divergence_class": "identical", "divergence_probability": "0.25"},
            {
                "divergence_class": DivergenceClass.IDENTICAL,
                "divergence_probability": Decimal("0.25"),
            },
        ),
        (
            {"divergence_class": "identical", "match_id": "cup", "cluster": "final"},
            {
                "match_id": "cup",
                "cluster": "final",
                "divergence_class": DivergenceClass.IDENTICAL,
                "divergence_probability": Decimal("0.0005"),
            },
        ),
    ],
)
def test_a_row_gives_the_facts_of_a_pair(row: dict[str, Any], facts: dict[str, Any]) -> None:
    assert pair_facts(row) == facts


def test_a_class_without_a_probability_has_that_of_the_settings() -> None:
    of_ours = dict(DIVERGENCE) | {DivergenceClass.SAME_SOURCE: Decimal("0.03")}

    assert pair_facts({"divergence_class": "same_source"}, of_ours) == {
        "divergence_class": DivergenceClass.SAME_SOURCE,
        "divergence_probability": Decimal("0.03"),
    }


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"match_id": ""}, "match_id: '' is not a text that is not empty"),
        ({"cluster": 5}, "cluster: 5 is not a text that is not empty"),
        ({"alignment": "same "}, "alignment: 'same ' is not one of same, inverse"),
        ({"primary_leg": None}, "primary_leg: None is not one of kalshi, polymarket"),
        ({"confidence": "sure"}, "confidence: 'sure' is not a decimal number"),
        (
            {"divergence_probability": "often"},
            "divergence_probability: 'often' is not a decimal number",
        ),
        ({"divergence_probability": "-0.1"}, f"divergence_probability: '-0.1' is not {RATE}"),
        ({"divergence_probability": "1"}, f"divergence_probability: '1' is not {RATE}"),
        (
            {"divergence_probability": "0.0000015"},
            f"divergence_probability: '0.0000015' is not {RATE}",
        ),
    ],
)
def test_an_impossible_fact_of_a_pair_is_refused(row: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pair_facts(row)

    assert str(refused.value) == why
