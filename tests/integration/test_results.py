"""`dutchbook run --results`: the contracts of a tape resolve at its end."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.program import call_here, called
from support.recordings import WORLD_CUP, needs
from support.runs import HELD, Finished, conserved, play

from dutchbook.bootstrap.paper import PaperRun, generated_tape
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Ruling
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.format import open_tape, write_tape
from dutchbook.tape.message import Tape

MADE = generated_tape(7, minutes=10)
RUN = ["run", "--speed", "max", "--seed", "7", "--summary", "json"]


@pytest.fixture(autouse=True)
def _default_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "made.tape"
    write_tape(path, MADE)
    return path


def test_a_run_with_results_ends_with_everything_in_cash(
    tape: Path, paper_url: str, tmp_path: Path
) -> None:
    results, url = tmp_path / "results.json", paper_url
    yes = {each.contract_id: "1" for each in MADE.meta.contracts}
    results.write_text(json.dumps(yes), encoding="utf-8")

    words = [*RUN, "--tape", str(tape), "--db", url, "--results", str(results)]
    summary = json.loads(call_here(*words))

    assert summary["positions"]["CLOSED"] == summary["positions"]["total"] > 0
    assert Decimal(summary["realised"]["total"]) > 0
    assert summary["realised"]["by_status"] == {"CLOSED": summary["realised"]["total"]}
    assert all(Decimal(each["committed"]) == 0 for each in summary["capital"].values())
    put_in = sum(Decimal(each["deposited"]) for each in summary["capital"].values())
    left = sum(Decimal(each["free"]) for each in summary["capital"].values())
    assert left - put_in == Decimal(summary["realised"]["total"])
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_an_invalid_file_of_results_ends_in_one_line_and_creates_nothing(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.toml"
    results.write_text('nobody = "1"\n', encoding="utf-8")
    database = tmp_path / "paper.db"

    words = [*RUN, "--tape", str(tape), "--db", f"sqlite:///{database}"]
    code, said = called(capsys, *words, "--results", str(results))
    missing, line = called(capsys, *words, "--results", str(tmp_path / "none.toml"))

    assert (code, missing) == (2, 2)
    assert "'nobody' is no contract of the tape" in said
    assert (
        line == f"dutchbook: {tmp_path}/none.toml: cannot be read: No such file or directory\n"
    )
    assert not database.exists()


# The recording of both platforms --------------------------------------------------------------

SETTINGS = ("detection.minimum_net_edge=0.001", *HELD)
"""No position is exited before its contracts pay."""
ROUNDED = Decimal("0.05")
"""What is locked is known when both legs are acknowledged, from averages of four decimals."""


@pytest.fixture(scope="module")
def recorded(world_cup_tape: Path) -> Tape:
    return open_tape(world_cup_tape)


def resolved(tape: Tape, seed: int, *, alike: bool = True) -> Finished:
    """Trade the recording and resolve each pair at random, alike on both platforms or not."""
    chance = Seeded(seed)

    def prepare(paper: PaperRun) -> None:
        for match in paper.tape.meta.pairs:
            yes = Decimal(chance.between(0, 1))
            other = yes if alike else 1 - yes
            paper.results[Platform.KALSHI, match.kalshi.contract_id] = Ruling(yes)
            paper.results[Platform.POLYMARKET, match.polymarket.contract_id] = Ruling(other)

    return play(*SETTINGS, tape=tape, check=conserved, prepare=prepare)


def hedged(run: Finished) -> list[tuple[dict[str, Any], Decimal]]:
    """Return each hedged entry: its row, and what it locked."""
    locked = {
        facts["position_id"]: Decimal(facts["locked_profit"])
        for row in run.tables["audit_log"]
        if row["name"] == "execution.position.opened"
        for facts in (json.loads(row["payload"]),)
    }
    return [
        (row, locked[row["position_id"]])
        for row in run.tables["open_positions"]
        if row["position_id"] in locked
    ]


@needs(WORLD_CUP)
def test_however_the_recording_resolves_every_hedged_entry_realises_what_it_locked(
    recorded: Tape,
) -> None:
    run = resolved(recorded, 3)

    entries = hedged(run)
    assert {each.yes_pays for each in run.paper.results.values()} == {0, 1}
    assert len(entries) == 14
    assert {row["status"].value for row in run.tables["open_positions"]} == {"CLOSED"}
    for row, locked in entries:
        assert abs(row["realised_pnl"] - locked) <= ROUNDED
        assert row["divergence_pnl"] == 0


@needs(WORLD_CUP)
def test_where_the_recording_resolves_differently_the_loss_is_booked_separately(
    recorded: Tape,
) -> None:
    run = resolved(recorded, 1, alike=False)

    entries = hedged(run)
    apart = [row for row, _ in entries if row["divergence_pnl"] < 0]
    assert apart
    for row, locked in entries:
        same = row["realised_pnl"] - row["divergence_pnl"]
        assert abs(same - locked) <= ROUNDED
    summary, rows = run.summary["realised"], run.tables["open_positions"]
    lost = [row for row in rows if row["divergence_pnl"] < 0]
    assert Decimal(summary["divergence"]) == sum(row["divergence_pnl"] for row in rows)
    assert Decimal(summary["reserve_used"]) == sum(row["divergence_reserve"] for row in lost)
