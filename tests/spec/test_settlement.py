"""Settlements, the use of the reserve, and the file in which a person records results."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.pairs import NOW, contract

from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.settlement import (
    Ruling,
    Settlement,
    SettlementKind,
    SettlementStatus,
    read_results,
    reserve_used,
)
from dutchbook.domain.values.units import Money, Quantity
from dutchbook.errors import FactsError
from dutchbook.tape.documents import read_document

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
CONTRACTS = [contract(platform) for platform in Platform]
TWINS = [contract(platform, contract_id="twin") for platform in Platform]

MERGE = Settlement(
    settlement_id="s",
    position_id="p",
    platform=POLYMARKET,
    contract_id="polymarket-cup",
    kind=SettlementKind.MERGE,
    size=Quantity(Decimal(4)),
    yes_pays=None,
    requested_at=NOW,
)
PENDING, LATER = (SettlementStatus.PENDING, None), NOW + timedelta(hours=1)


# What becomes of a settlement, and of the reserve --------------------------------------------


def test_a_settlement_is_pending_until_it_is_paid_or_abandoned() -> None:
    paid, abandoned = MERGE.paid(LATER), MERGE.abandoned()

    assert (MERGE.status, MERGE.paid_at) == PENDING
    assert (paid.status, paid.paid_at) == (SettlementStatus.PAID, LATER)
    assert (abandoned.status, abandoned.paid_at) == (SettlementStatus.ABANDONED, None)
    assert replace(paid, status=PENDING[0], paid_at=None) == MERGE


@pytest.mark.parametrize(
    ("divergence", "used", "free"),
    [("0", "0", "0.50"), ("-0.20", "0.20", "0.30"), ("-0.50", "0.50", "0"),
     ("-9", "0.50", "0"), ("0.20", "0", "0.50")],
)  # fmt: skip
def test_a_loss_by_divergence_uses_the_reserve_as_far_as_it_goes(
    divergence: str, used: str, free: str
) -> None:
    settled = OpenPosition(
        position_id="p",
        pair_id="cup",
        execution_id="e",
        kalshi=Holding(Outcome.YES),
        polymarket=Holding(Outcome.NO),
        expected_edge=Money(Decimal(1)),
        divergence_reserve=Money(Decimal("0.50")),
        status=PositionStatus.CLOSED,
        opened_at=NOW,
        divergence_pnl=Money(Decimal(divergence)),
    )

    assert reserve_used(settled) == (Decimal(used), Decimal(free))


# The file of results --------------------------------------------------------------------------

TOML = """
kalshi-cup = "0.26"
["polymarket:polymarket-cup"]
yes_pays = "void"
void_pays = "0.4"
at = 2026-07-20T12:00:00Z
"""
JSON = """
{"kalshi-cup": "0.26",
 "polymarket-cup": {"yes_pays": "void", "void_pays": "0.4", "at": "2026-07-20T12:00:00Z"}}
"""


@pytest.mark.parametrize(("name", "text"), [("r.toml", TOML), ("r.json", JSON)])
def test_results_are_read_from_toml_and_json_with_or_without_the_platform(
    name: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    found = read_results(name, read_document(path), CONTRACTS)

    assert found == {
        (KALSHI, "kalshi-cup"): Ruling(Decimal("0.26")),
        (POLYMARKET, "polymarket-cup"): Ruling(
            Decimal("0.4"), datetime(2026, 7, 20, 12, tzinfo=UTC)
        ),
    }


@pytest.mark.parametrize(
    ("value", "pays"), [("1", "1"), ("0", "0"), (1, "1"), ("void", "0.5"), ("0.26", "0.26")]
)
def test_a_result_is_the_payout_of_a_yes(value: Any, pays: str) -> None:
    found = read_results("r", {"kalshi-cup": value}, CONTRACTS)

    assert found == {(KALSHI, "kalshi-cup"): Ruling(Decimal(pays))}


@pytest.mark.parametrize(
    ("document", "contracts", "message"),
    [
        ({"nobody": "1"}, CONTRACTS, "'nobody' is no contract of the tape"),
        ({"kalshi-cup": "1.01"}, CONTRACTS, "kalshi-cup: yes_pays: '1.01' is not from 0 to 1"),
        ({"kalshi-cup": "-0.1"}, CONTRACTS, "yes_pays: '-0.1' is not from 0 to 1"),
        ({"kalshi-cup": "0.0000001"}, CONTRACTS, "exact to 0.000001"),
        ({"kalshi-cup": "yes"}, CONTRACTS, "yes_pays: 'yes' is not from 0 to 1"),
        ({"kalshi-cup": True}, CONTRACTS, "yes_pays: True is not from 0 to 1"),
        ({"kalshi-cup": {}}, CONTRACTS, "yes_pays: None is not from 0 to 1"),
        (
            {"kalshi-cup": "1", "kalshi:kalshi-cup": "1"},
            CONTRACTS,
            "'kalshi-cup' and 'kalshi:kalshi-cup' are the same contract: give it once",
        ),
        ({"twin": "1"}, TWINS, "'twin' is a contract of both platforms: write kalshi:twin or"),
        ({"kalshi-cup": {"pays": "1"}}, CONTRACTS, "pays: '1' is not a field of it; there are"),
        (
            {"kalshi-cup": {"yes_pays": "1", "void_pays": "0.5"}},
            CONTRACTS,
            "void_pays: '0.5' is not to stand beside yes_pays = \"void\"",
        ),
        (
            {"kalshi-cup": {"yes_pays": "1", "at": "soon"}},
            CONTRACTS,
            "at: 'soon' is not an instant with its zone",
        ),
        (
            {"kalshi-cup": {"yes_pays": "1", "at": "2026-07-20T12:00:00"}},
            CONTRACTS,
            "is not an instant with its zone",
        ),
    ],
)
def test_invalid_results_are_rejected_in_one_line(
    document: dict[str, Any], contracts: list[Any], message: str
) -> None:
    with pytest.raises(FactsError) as caught:
        read_results("r.toml", document, contracts)

    assert message in str(caught.value)
    assert str(caught.value).startswith("r.toml: ")


KNOWN = [contract(KALSHI, contract_id=name) for name in ("d", "b", "a", "c")]


@pytest.mark.parametrize(
    ("contracts", "some"),
    [([], "none"), (KNOWN[:1], "d"), (KNOWN[:3], "a, b, d"), (KNOWN, "a, b, c, …")],
)
def test_an_unknown_contract_is_answered_with_the_first_of_those_on_the_tape(
    contracts: list[Any], some: str
) -> None:
    with pytest.raises(FactsError) as caught:
        read_results("r", {"nobody": "1"}, contracts)

    assert str(caught.value) == f"r: 'nobody' is no contract of the tape; it has {some}"


IN_RANGE = 'from 0 to 1, exact to 0.000001, or "void": 1 if YES pays, 0 if NO does'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"yes_pays": "void", "void_pays": "2"}, f"void_pays: '2' is not {IN_RANGE}"),
        ({"yes_pays": "void", "void_pays": "x"}, f"void_pays: 'x' is not {IN_RANGE}"),
        (
            {"yes_pays": "1", "at": date(2026, 7, 20)},
            "at: '2026-07-20' is not an instant with its zone",
        ),
        ({"yes_pays": "1", "at": 20}, "at: '20' is not an instant with its zone"),
        (
            {"yes_pays": "1", "at": "2026-07-20T12:00:00"},
            "at: '2026-07-20 12:00:00' is not an instant with its zone",
        ),
        (
            {"pays": "1"},
            "pays: '1' is not a field of it; there are yes_pays, void_pays, at",
        ),
    ],
)
def test_a_table_of_a_result_names_the_field_that_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(FactsError) as caught:
        read_results("r", {"kalshi-cup": value}, CONTRACTS)

    assert str(caught.value) == f"r: kalshi-cup: {message}"


@pytest.mark.parametrize(("void_pays", "pays"), [(None, "0.5"), ("void", "0.5"), ("0", "0")])
def test_a_void_contract_pays_half_a_dollar_unless_it_is_said_what(
    void_pays: str | None, pays: str
) -> None:
    value = {"yes_pays": "void"} | ({} if void_pays is None else {"void_pays": void_pays})

    assert read_results("r", {"kalshi-cup": value}, CONTRACTS) == {
        (KALSHI, "kalshi-cup"): Ruling(Decimal(pays))
    }
