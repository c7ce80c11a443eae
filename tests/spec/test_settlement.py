"""The proof of a merge, and the file in which a person records results."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.pairs import contract

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Ruling, read_results
from dutchbook.errors import FactsError
from dutchbook.tape.documents import read_document

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
CONTRACTS = [contract(platform) for platform in Platform]
TWINS = [contract(platform, contract_id="twin") for platform in Platform]


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
