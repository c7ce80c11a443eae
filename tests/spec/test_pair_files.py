"""A pair file: its wishes, its contracts, and the pairs that both make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.market.contract import (
    DIVERGENCE,
    Alignment,
    Contract,
    ContractMatch,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import FeeSchedule, kalshi_terms, polymarket_schedule
from dutchbook.domain.market.pair_file import MOST, Key, PairFile, Wish
from dutchbook.domain.values.units import Money, PriceGrid, Quantity
from dutchbook.errors import FactsError, InvalidInput

KALSHI, POLYMARKET = Platform
Row = dict[str, Any]
K: Row = {
    "platform": "kalshi",
    "contract_id": "KXCUP",
    "title": "The cup",
    "rules": "If they win.",
    "tick": "0.01",
    "size_step": "0.01",
    "size_minimum": "0.01",
    "fee_type": "quadratic",
    "close_time": "2026-07-11T18:00:00Z",
    "resolution_time": "2026-07-12T18:00:00Z",
    "cash_delay_hours": "1",
}
P: Row = {
    **{name: value for name, value in K.items() if name != "fee_type"},
    "platform": "polymarket",
    "contract_id": "0xcup",
    "fee_category": "sports",
    "tokens": ["1", "2"],
}
PAIR: Row = {"kalshi": "KXCUP", "polymarket": "0xcup"}
STEP = Quantity(Decimal("0.01"))
CUP = Contract(
    platform=KALSHI,
    contract_id="KXCUP",
    title="The cup",
    rules="If they win.",
    grid=PriceGrid.of_tick("0.01"),
    sizing=Sizing(STEP, STEP, Money(Decimal(0))),
    fees=FeeSchedule((kalshi_terms("quadratic"),)),
    close_time=datetime(2026, 7, 11, 18, tzinfo=UTC),
    resolution_time=datetime(2026, 7, 12, 18, tzinfo=UTC),
    cash_delay=timedelta(hours=1),
)
SAME = replace(
    CUP,
    platform=POLYMARKET,
    contract_id="0xcup",
    fees=polymarket_schedule("sports"),
    tokens=("1", "2"),
)
BOTH: Mapping[Key, Contract] = {(KALSHI, "KXCUP"): CUP, (POLYMARKET, "0xcup"): SAME}
UNCLASSIFIED = {
    "divergence_class": DivergenceClass.UNCLASSIFIED,
    "divergence_probability": Decimal("0.01"),
}
TICK = "a tick that divides 1 and is a multiple of 0.0001"
UNKNOWN = "that the database knows; give its facts in [[contracts]]"


def read(contracts: list[Row], pairs: list[Row]) -> PairFile:
    return PairFile.read("f.toml", contracts, pairs, DIVERGENCE)


def refusal(contracts: list[Row], pairs: list[Row]) -> str:
    with pytest.raises(FactsError) as refused:
        read(contracts, pairs)
    return str(refused.value)


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


# Reading --------------------------------------------------------------------------------------


def test_a_file_has_its_contracts_and_its_wishes() -> None:
    assert read([K, P], [PAIR]) == PairFile(
        "f.toml", BOTH, (Wish("KXCUP", "0xcup", UNCLASSIFIED),)
    )


def test_a_wish_has_the_facts_of_its_row() -> None:
    row = PAIR | {"match_id": "cup", "alignment": "inverse", "divergence_class": "identical"}

    file = PairFile.read("f", [], [row], {DivergenceClass.IDENTICAL: Decimal("0.2")})

    assert file.wishes == (
        Wish(
            "KXCUP",
            "0xcup",
            {
                "match_id": "cup",
                "alignment": Alignment.INVERSE,
                "divergence_class": DivergenceClass.IDENTICAL,
                "divergence_probability": Decimal("0.2"),
            },
        ),
    )


def test_a_wish_is_named_by_its_contracts_and_known_by_its_id_or_that_of_kalshi() -> None:
    bare, named = Wish("k", "p", {}), Wish("k", "p", {"match_id": "cup"})

    assert (bare.name, named.name) == ("k with p", "k with p")
    assert (bare.match_id, named.match_id) == ("k", "cup")


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (("title",), "title"),
        (("rules",), "rules"),
        (("tick",), "tick or price_ranges"),
        (("size_step", "size_minimum"), "size_step and size_minimum"),
        (("fee_type",), "its fees"),
        (("close_time",), "close_time"),
        (("resolution_time",), "resolution_time"),
        (("cash_delay_hours",), "cash_delay_hours"),
        (("title", "tick"), "title, tick or price_ranges"),
    ],
)
def test_a_contract_needs_all_its_facts(missing: tuple[str, ...], told: str) -> None:
    assert refusal([without(K, *missing)], [PAIR]) == (
        f"f.toml: contract KXCUP: it does not say {told}"
    )


@pytest.mark.parametrize(
    ("contracts", "why"),
    [
        ([K, P, K], "contract KXCUP: it is there twice"),
        (
            [K | {"tick": "2"}],
            f"contract KXCUP: tick: '2' is not {TICK}",
        ),
        (
            [K | {"contract_id": "KX*"}],
            "contract KX*: contract_id is that of one contract, without * and ?",
        ),
        (
            [K | {"contract_id": "KX?"}],
            "contract KX?: contract_id is that of one contract, without * and ?",
        ),
        (
            [without(K, "contract_id")],
            "contract 1: contract_id: None is not a text that is not empty",
        ),
        (
            [K, without(P, "contract_id")],
            "contract 2: contract_id: None is not a text that is not empty",
        ),
    ],
)
def test_an_impossible_contract_is_refused_with_its_place(
    contracts: list[Row], why: str
) -> None:
    assert refusal(contracts, [PAIR]) == f"f.toml: {why}"


def test_the_cause_of_a_refusal_is_kept() -> None:
    with pytest.raises(FactsError) as refused:
        read([K | {"tick": "2"}], [PAIR])

    assert isinstance(refused.value.__cause__, InvalidInput)


def test_the_same_id_on_both_platforms_is_two_contracts() -> None:
    file = read([K, P | {"contract_id": "KXCUP"}], [PAIR | {"polymarket": "KXCUP"}])

    assert list(file.contracts) == [(KALSHI, "KXCUP"), (POLYMARKET, "KXCUP")]


OTHER = {"kalshi": "KXRACE", "polymarket": "0xrace"}


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([], "it names no pair ([[pairs]])"),
        ([without(PAIR, "kalshi")], "pair 1: kalshi: None is not a text that is not empty"),
        (
            [PAIR, OTHER | {"alignment": "odd"}],
            "pair 2: alignment: 'odd' is not one of same, inverse",
        ),
        ([PAIR, OTHER, PAIR], "pair KXCUP with 0xcup: it is there twice"),
        (
            [PAIR | {"match_id": "a"}, OTHER, PAIR | {"match_id": "b"}],
            "pair KXCUP with 0xcup: it is there twice",
        ),
        (
            [PAIR | {"match_id": "a"}, OTHER | {"match_id": "a"}],
            "pair KXRACE with 0xrace: match_id 'a' is there twice",
        ),
        (
            [PAIR, OTHER | {"kalshi": "KXCUP"}],
            "pair KXCUP with 0xrace: match_id 'KXCUP' is there twice",
        ),
    ],
)
def test_an_impossible_pair_is_refused_with_its_place(pairs: list[Row], why: str) -> None:
    assert refusal([], pairs) == f"f.toml: {why}"


def test_a_file_has_at_most_256_pairs() -> None:
    pairs = [{"kalshi": f"k{number}", "polymarket": "p"} for number in range(MOST + 1)]

    assert len(read([], pairs[:-1]).wishes) == 256
    assert refusal([], pairs) == "f.toml: 257 pairs; split it into files of 256"


# Matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contracts", "known"),
    [
        ([K, P], {}),
        ([], BOTH),
        ([K], {(POLYMARKET, "0xcup"): SAME}),
        ([P], {(KALSHI, "KXCUP"): CUP}),
        ([K, P], BOTH),
    ],
)
def test_a_pair_is_made_of_contracts_of_the_file_and_known_ones(
    contracts: list[Row], known: Mapping[Key, Contract]
) -> None:
    (made,) = read(contracts, [PAIR | {"cluster": "final"}]).matched(known)

    assert made == ContractMatch(
        match_id="KXCUP",
        kalshi=CUP,
        polymarket=SAME,
        cluster="final",
        divergence_class=DivergenceClass.UNCLASSIFIED,
        divergence_probability=Decimal("0.01"),
    )
    assert not made.operator_approved


def test_a_file_need_not_repeat_the_tokens_that_the_database_knows() -> None:
    (made,) = read([without(P, "tokens")], [PAIR]).matched(BOTH)

    assert made.polymarket == replace(SAME, tokens=None)


def test_pairs_are_made_in_the_order_of_the_file() -> None:
    race = replace(CUP, contract_id="KXRACE")

    made = read([K], [PAIR | {"match_id": "b"}, {"kalshi": "KXRACE", "polymarket": "0xcup"}])
    found = made.matched({(POLYMARKET, "0xcup"): SAME, (KALSHI, "KXRACE"): race})

    assert [(each.match_id, each.kalshi) for each in found] == [("b", CUP), ("KXRACE", race)]


@pytest.mark.parametrize(
    ("fact", "value", "told"),
    [
        ("title", "Another", "title"),
        ("rules", "By a jury's vote.", "rules"),
        ("grid", PriceGrid.of_tick("0.1"), "tick or price_ranges"),
        ("sizing", Sizing(STEP, STEP, Money(Decimal(1))), "size_step and size_minimum"),
        ("fees", None, "its fees"),
        ("close_time", CUP.close_time + timedelta(1), "close_time"),
        ("resolution_time", CUP.resolution_time + timedelta(1), "resolution_time"),
        ("cash_delay", timedelta(2), "cash_delay_hours"),
        ("tokens", ("1", "3"), "tokens"),
    ],
)
def test_a_contract_that_the_database_knows_otherwise_is_refused(
    fact: str, value: object, told: str
) -> None:
    theirs = replace(SAME, **{fact: value})  # type: ignore[arg-type]

    with pytest.raises(FactsError) as refused:
        read([K, P], [PAIR]).matched({(POLYMARKET, "0xcup"): theirs})

    assert str(refused.value) == (
        f"f.toml: contract 0xcup: {told}: the database has another; name it by its id alone"
    )


@pytest.mark.parametrize(
    ("contracts", "pairs", "why"),
    [
        (
            [K],
            [PAIR],
            f"pair KXCUP with 0xcup: 0xcup is no polymarket contract {UNKNOWN}",
        ),
        (
            [P],
            [PAIR],
            f"pair KXCUP with 0xcup: KXCUP is no kalshi contract {UNKNOWN}",
        ),
        (
            [K, P],
            [{"kalshi": "KXCUP", "polymarket": "KXCUP"}],
            "pair KXCUP with KXCUP: KXCUP is of kalshi; a pair has one of each platform",
        ),
        (
            [K, P],
            [{"kalshi": "0xcup", "polymarket": "0xcup"}],
            "pair 0xcup with 0xcup: 0xcup is of polymarket; a pair has one of each platform",
        ),
        (
            [K, P, K | {"contract_id": "KXRACE"}],
            [PAIR],
            "no pair of it names its kalshi contract KXRACE",
        ),
        (
            [K, P, P | {"contract_id": "KXCUP"}],
            [PAIR],
            "no pair of it names its polymarket contract KXCUP",
        ),
    ],
)
def test_a_pair_that_cannot_be_made_is_refused(
    contracts: list[Row], pairs: list[Row], why: str
) -> None:
    with pytest.raises(FactsError) as refused:
        read(contracts, pairs).matched({})

    assert str(refused.value) == f"f.toml: {why}"
