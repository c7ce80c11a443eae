"""Pairs that a person adds: traded only while approved, and only as approved."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.program import (
    PROGRAM,
    ROVERS,
    bare_tape,
    both,
    call,
    call_here,
    facts,
    pair_file,
    rovers,
    traded,
)

from dutchbook.application.views.result import line as result_line
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.config import load
from dutchbook.domain.market.contract import DivergenceClass, Platform
from dutchbook.operations import admin, requests
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")
WHY = "the same rules and source"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape with contracts and without pairs."""
    return bare_tape(tmp_path_factory.mktemp("tapes") / "bare.tape")


def approve(url: str) -> None:
    admin.decide_pair(url, "rovers", WHY, approve=True)


def only_pair(url: str) -> dict[str, Any]:
    (row,) = admin.known_pairs(url)
    return row


def decisions(url: str) -> list[dict[str, Any]]:
    return [
        json.loads(row["payload"])
        for row in requests.rows(url, "audit_log", ("sequence",))
        if row["name"] == "pair.decided"
    ]


def test_a_pair_from_a_file_is_added_then_approved_then_traded(
    bare: Path, tmp_path: Path
) -> None:
    url, file = f"sqlite:///{tmp_path}/paper.db", tmp_path / "pairs.json"
    pair_file(file, contracts=both(), pairs=[rovers()])

    printed = call("pairs", "add", str(file), "--db", url)
    added, waiting = only_pair(url), traded(url, bare)
    call_here("pairs", "approve", "rovers", "--rationale", WHY, "--yes", "--db", url)
    approved, trading = only_pair(url), traded(url, bare)

    assert printed.endswith("added rovers: not traded until you approve it\n")
    assert (added["approval"], added["approved_digest"]) == ("not approved", None)
    assert added["divergence_probability"] == Decimal("0.0005")
    assert waiting["positions"]["total"] == 0
    assert set(waiting["filtered"]) == {"pair_not_approved"}
    assert approved["approval"] == "approved"
    assert trading["positions"]["total"] > 0
    assert {row["pair_id"] for row in requests.rows(url, "open_positions", ())} == {"rovers"}
    told = decisions(url)
    assert [each["decision"] for each in told] == ["added", "approved"]
    assert told[0]["digest"] == told[1]["digest"] == approved["approved_digest"]
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_contracts_that_a_run_has_seen_are_paired_by_their_ids_alone(
    bare: Path, paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, pair_file(tmp_path / "pairs.json", pairs=[rovers()])
    assert traded(url, bare)["edges_seen"] == 0

    admin.add_pairs(url, file, load())
    approve(url)

    assert traded(url, bare)["positions"]["total"] > 0


def test_a_pair_file_can_be_toml_and_takes_its_probabilities_from_the_settings(
    paper_url: str,
    tmp_path: Path,
) -> None:
    url, file, words = paper_url, tmp_path / "pairs.toml", ""
    tables = [("contracts", row) for row in both()]
    for table, row in (*tables, ("pairs", rovers(divergence_class=None, match_id=None))):
        words += f"[[{table}]]\n"
        words += "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items())
    file.write_text(words)

    admin.add_pairs(url, file, load(None, ("divergence.unclassified=0.03",)))

    row = only_pair(url)
    assert row["match_id"] == ROVERS[Platform.KALSHI].contract_id
    assert row["divergence_class"] == DivergenceClass.UNCLASSIFIED
    assert row["divergence_probability"] == Decimal("0.03")


def test_an_approval_lapses_when_its_rules_change_and_can_be_given_again(
    bare: Path, paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, tmp_path / "pairs.json"
    pair_file(file, contracts=both(), pairs=[rovers()])
    other = bare_tape(tmp_path / "other.tape", rules="If they win, by a jury's vote.")
    admin.add_pairs(url, file, load())
    approve(url)

    lapsed, shown = traded(url, other), only_pair(url)["approval"]
    approve(url)
    again = traded(url, other)

    assert set(lapsed["filtered"]) == {"pair_not_approved"}
    assert shown == "lapsed"
    assert again["positions"]["total"] > 0
    first, second = (each["digest"] for each in decisions(url)[1:])
    assert first != second
    assert traded(url, bare)["positions"]["total"] == again["positions"]["total"]


def test_a_revoked_pair_can_be_approved_again(
    bare: Path, paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, tmp_path / "pairs.json"
    pair_file(file, contracts=both(), pairs=[rovers()])
    admin.add_pairs(url, file, load())
    approve(url)
    admin.decide_pair(url, "rovers", "on second thoughts", approve=False)
    shown = only_pair(url)["approval"]

    approve(url)

    assert shown == "not approved"
    assert traded(url, bare)["positions"]["total"] > 0


def paired_tape(path: Path) -> Path:
    """Write the tape from which `bare_tape` omits the pairs."""
    write_tape(path, generated_tape(5, minutes=20))
    return path


def test_where_tape_and_database_differ_about_a_pair_the_database_counts(
    paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, tmp_path / "pairs.json"
    pair_file(file, contracts=both(), pairs=[rovers(primary_leg="polymarket")])
    admin.add_pairs(url, file, load())

    summary = traded(url, paired_tape(tmp_path / "made.tape"))

    rows = {row["match_id"]: row for row in admin.known_pairs(url)}
    assert {name: row["approval"] for name, row in rows.items()} == {
        "demo-pair-01": "approved",
        "rovers": "not approved",
    }
    assert summary["filtered"]["pair_not_approved"] > 0


def test_a_pair_that_the_tape_aligns_differently_is_not_traded(
    paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, tmp_path / "pairs.json"
    pair_file(file, contracts=both(), pairs=[rovers(alignment="inverse")])
    admin.add_pairs(url, file, load())
    approve(url)

    traded(url, paired_tape(tmp_path / "made.tape"))

    positions = {row["pair_id"] for row in requests.rows(url, "open_positions", ())}
    assert "rovers" not in positions


def test_a_pair_of_contracts_that_the_tape_does_not_contain_is_left_unchanged(
    bare: Path, paper_url: str, tmp_path: Path
) -> None:
    url, file = paper_url, tmp_path / "pairs.json"
    elsewhere = facts(Platform.KALSHI, contract_id="KXELSEWHERE")
    pair_file(
        file,
        contracts=[elsewhere, facts(Platform.POLYMARKET)],
        pairs=[rovers(kalshi="KXELSEWHERE")],
    )
    admin.add_pairs(url, file, load())
    approve(url)
    before = only_pair(url)

    summary = traded(url, bare)

    assert (summary["edges_seen"], summary["positions"]["total"]) == (0, 0)
    assert only_pair(url) == before


def test_an_added_pair_is_what_the_file_states_on_both_databases(
    database_url: str, tmp_path: Path
) -> None:
    file = pair_file(
        tmp_path / "pairs.json",
        contracts=both(price_ranges=[{"start": "0", "end": "1", "step": "0.01"}], tick=None),
        pairs=[rovers(alignment="inverse", cluster="cup", primary_leg="kalshi")],
    )

    assert admin.add_pairs(database_url, file, load()) == ["rovers"]

    (row,) = admin.known_pairs(database_url)
    assert (row["alignment"], row["cluster"], row["primary_leg"]) == (
        "inverse",
        "cup",
        "kalshi",
    )
    assert not row["operator_approved"]
    contracts = requests.rows(database_url, "contracts", ("platform",))
    assert [each["contract_id"] for each in contracts] == [
        ROVERS[platform].contract_id for platform in Platform
    ]
    assert admin.problems(database_url) == []


def test_a_whole_file_of_pairs_is_one_commit_on_both_databases(
    database_url: str, tmp_path: Path
) -> None:
    names = [f"KX{number}" for number in range(256)]
    kalshi = [facts(Platform.KALSHI, contract_id=name) for name in names]
    rows = [rovers(kalshi=name, match_id=name) for name in names]
    file = pair_file(
        tmp_path / "many.json", contracts=[*kalshi, facts(Platform.POLYMARKET)], pairs=rows
    )

    admin.add_pairs(database_url, file, load())

    assert [row["match_id"] for row in admin.known_pairs(database_url)] == sorted(names)
    assert len(decisions(database_url)) == 256
    assert admin.problems(database_url) == []


def test_both_questions_are_shown_with_what_differs_before_a_pair_is_approved(
    paper_url: str, tmp_path: Path
) -> None:
    kalshi, polymarket = both()
    polymarket = polymarket | {"title": "Albion win the cup", "rules": "As a jury says."}
    pair = rovers(divergence_class=None)
    file = pair_file(tmp_path / "pairs.json", contracts=[kalshi, polymarket], pairs=[pair])
    admin.add_pairs(paper_url, file, load())
    asked = [*PROGRAM, "pairs", "approve", "rovers", "--rationale", WHY, "--db", paper_url]

    def answered(answer: str) -> str:
        done = subprocess.run(asked, input=answer, capture_output=True, text=True, check=True)
        return " ".join(done.stdout.split())

    declined, waiting = answered("n\n"), only_pair(paper_url)["approval"]
    agreed = answered("y\n")

    for text in (
        kalshi["title"],
        "Albion win the cup",
        "As a jury says.",
        "closes",
        "resolves",
    ):
        assert text in declined
    assert "What differs: question, rules." in declined
    assert "locked only if both resolve alike" in declined
    assert ("nothing was approved" in declined, waiting) == (True, "not approved")
    assert "approved rovers" in agreed
    assert only_pair(paper_url)["approval"] == "approved"


def test_a_list_of_pairs_shows_both_questions(paper_url: str, tmp_path: Path) -> None:
    kalshi, polymarket = both()
    polymarket = polymarket | {"title": "Albion win"}
    file = pair_file(tmp_path / "p.json", contracts=[kalshi, polymarket], pairs=[rovers()])
    admin.add_pairs(paper_url, file, load())

    assert "Albion" in call_here("pairs", "list", "--db", paper_url)


def test_profit_on_a_pair_that_may_differ_is_named_with_its_condition(
    bare: Path, paper_url: str, tmp_path: Path
) -> None:
    pair = rovers(divergence_class="different_sources")
    file = pair_file(tmp_path / "p.json", contracts=both(), pairs=[pair])
    admin.add_pairs(paper_url, file, load(None, ("divergence.different_sources=0.0005",)))
    approve(paper_url)

    result = traded(paper_url, bare, "exits.minimum_gain=0.9")["result"]

    assert Decimal(result["unsure"]) == Decimal(result["locked"]) > 0
    assert "locked only if contracts that may differ resolve alike" in result_line(result)
