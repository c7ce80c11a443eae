"""The command `study` as a person runs it, on a made-up tape."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.program import PROGRAM, call_here, ended_here, traded
from support.runs import AS_THEY_COME

from dutchbook.bootstrap import paper_study
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.study import files, grid
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")
LAGS = ("--set", "detection.minimum_net_edge=0.001,0.008")
FIXED = ("--set", "paper.lag_ms=300", "--set", AS_THEY_COME)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tapes") / "small.tape"
    write_tape(path, generated_tape(7, minutes=3))
    return path


@pytest.fixture(scope="module")
def studied(own_home: Path, tape: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of two settings with two seeds, in this process."""
    assert own_home.exists()
    folder = tmp_path_factory.mktemp("studies")
    words = (*LAGS, *FIXED, "--seeds", "2", "--workers", "1", "--out", f"{folder}/study")
    code, printed, complained = ended_here("study", str(tape), *words)
    assert (code, complained) == (0, "10 runs, 1 at once\n")
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    assert "- Polymarket 1 min late: setting 1 makes" in printed
    return folder


@pytest.fixture
def runs(studied: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    found = pq.read_table(studied / "study.parquet").to_pylist()
    return {(row["control"], row["setting"], row["seed"]): row for row in found}


def test_there_is_a_row_for_each_run_and_its_controls(
    runs: dict[tuple[str, int, int], dict[str, Any]],
) -> None:
    late = [f"Polymarket {minutes} min late" for minutes in (1, 10)]

    assert list(runs) == [
        *(("as recorded", setting, seed) for setting in (1, 2) for seed in (1, 2)),
        *((name, 1, seed) for name in (*late, "pairs crossed") for seed in (1, 2)),
    ]
    assert {row["sessions"] for row in runs.values()} == {"all"}
    varied = "detection.minimum_net_edge"
    assert [runs["as recorded", n, 1][varied] for n in (1, 2)] == [
        Decimal("0.001"), Decimal("0.008"),
    ]  # fmt: skip


def test_a_seed_draws_what_an_order_meets_and_settings_differ(
    runs: dict[tuple[str, int, int], dict[str, Any]],
) -> None:
    kept = {key[1:]: row["kept_usd"] for key, row in runs.items() if key[0] == "as recorded"}

    assert kept[1, 1] != kept[1, 2]
    assert kept[1, 1] != kept[2, 1]


def test_a_row_is_what_run_says_of_the_same_settings_and_seed(
    runs: dict[tuple[str, int, int], dict[str, Any]], tape: Path, tmp_path: Path
) -> None:
    chosen = ("detection.minimum_net_edge=0.001", "paper.lag_ms=300", AS_THEY_COME)
    summary = traded(f"sqlite:///{tmp_path}/paper.db", tape, *chosen)

    row, result = runs["as recorded", 1, 1], summary["result"]

    assert row["entries"] == summary["positions"]["total"] > 0
    assert row["hedged"] == summary["executions"].get("hedged", 0)
    assert row["exposures"] == summary["events"].get("execution.single_leg.exposure", 0)
    for name in ("worst", "best"):
        assert row[f"{name}_usd"] == Decimal(result[name])
    assert row["unhedged_usd"] == Decimal(result["unhedged"]["at_risk"])
    capital = summary["capital"].values()
    assert row["in_use_usd"] == sum(Decimal(each["committed"]) for each in capital)
    parts = {name: row[f"{name}_usd"] for name in summary["shortfall"]}
    assert parts == {name: Decimal(value) for name, value in summary["shortfall"].items()}


def test_the_files_are_the_same_with_several_processes(
    studied: Path, tape: Path, tmp_path: Path
) -> None:
    words = (*LAGS, *FIXED, "--seeds", "2", "--workers", "2", "--out", str(tmp_path))

    call_here("study", str(tape), *words)

    for name in ("study.md", "study.parquet"):
        assert (tmp_path / name).read_bytes() == (studied / name).read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_study_is_replaced_by_the_next_and_nothing_else_is(
    studied: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.md").write_text("my notes", encoding="utf-8")
    (tmp_path / "old.md").write_bytes((studied / "study.md").read_bytes())

    line = call_here("study", "demo", "--out", f"{tmp_path}/mine", fails=2)

    assert "mine.md is there and is no study" in line
    assert "TAPE: 'demo'" in call_here(
        "study", "demo", "demo", "--out", f"{tmp_path}/old", fails=2
    )


BAD = [
    (("--set", "paper.lag=1"), "paper.lag: there is no such setting"),
    (("--set", "paper.lag_ms=1,-1"), "paper.lag_ms: '-1' is not a whole number from 0"),
    (("--set", "paper.lag_ms="), "--set: 'paper.lag_ms=' is not section.key=value,value"),
    (("--set", "paper.lag_ms=1", "--set", "paper.lag_ms=2"), "--set: 'paper.lag_ms'"),
    (("--seeds", "0"), "--seeds: 0 is not a number of seeds, at least 1"),
    (("--workers", "0"), "--workers: 0 is not a number of processes, at least 1"),
    (("--seeds", "5000"), "runs: 20000 is not at most 1,000, unless --yes is given"),
    (("--out", "nowhere/study"), "--out: 'nowhere/study' is not the name of files"),
    (("--out", "/proc/study"), "--out: '/proc/study' is not in a folder that you may write"),
    (("--out", "nowhere/"), "--out: 'nowhere/' is not the name of files"),
    (("--results", "nowhere.toml"), "nowhere.toml"),
    (("no.tape",), "no.tape: no such tape"),
    (("text.tape",), "text.tape: not a tape"),
    (("demo",), "TAPE: 'demo' is not another tape"),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.tape").write_text("no tape", encoding="utf-8")

    line = call_here("study", "demo", *words, fails=2)

    assert told in line
    assert [each.name for each in tmp_path.iterdir()] == ["text.tape"]


def test_ctrl_c_says_what_is_left_and_leaves_no_process(tape: Path, tmp_path: Path) -> None:
    words = ["study", str(tape), "--seeds", "900", "--workers", "2", "--out", str(tmp_path)]
    with subprocess.Popen(
        [*PROGRAM, *words, "--yes"], stderr=subprocess.PIPE, text=True, process_group=0
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "3,600 runs, 2 at once\n"
        deadline = time.monotonic() + 30
        while len(_group(child.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)

        os.killpg(child.pid, signal.SIGINT)

        told = child.stderr.read()
        assert child.wait(20) == 130
    while _group(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _group(child.pid) == []
    left = tmp_path / "study.unfinished.parquet"
    if list(tmp_path.iterdir()):
        done = pq.read_table(left).num_rows
        assert told.startswith(f"stopped after {done:,} of 3,600 runs: {left} has a row")
    else:
        assert told == "stopped before the first of 3,600 runs ended: nothing is written\n"


def test_ctrl_c_leaves_a_row_for_each_run_that_is_done_and_says_so(
    studied: Path, tape: Path, tmp_path: Path
) -> None:
    def stop(done: int, _all: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    target = files.files(str(tmp_path))
    found = grid.grid(grid.varied(each for each in (*LAGS, *FIXED) if each != "--set"))
    plan = paper_study.plan(paper_study.Request((str(tape),), found, 2), sure=False)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        plan.run(1, stop, lambda part: told.append(target.rescue(part)))

    left = tmp_path / "study.unfinished.parquet"
    assert told == [
        f"stopped after 3 of 10 runs: {left} has a row for each of these; there is no report"
    ]
    assert list(tmp_path.iterdir()) == [left]
    kept, whole = pq.read_table(left), pq.read_table(studied / "study.parquet")
    assert kept.to_pylist() == whole.to_pylist()[:3]
    made = json.loads(kept.schema.metadata[b"dutchbook.study"])["runs"]
    assert made == {"made": 3, "planned": 10}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_ends_the_study_with_the_name_of_the_run(
    workers: int, tape: Path, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.tape"
    lost.write_bytes(tape.read_bytes())
    request = paper_study.Request((str(lost),), grid.grid(()), 2)
    plan = paper_study.plan(request, sure=False)
    lost.unlink()

    with pytest.raises(paper_study.RunFailed, match="as recorded, setting 1, seed "):
        plan.run(workers, lambda _done, _all: None, lambda _part: None)


def test_a_study_that_is_done_removes_what_an_unfinished_one_left(
    studied: Path, tmp_path: Path
) -> None:
    table = pq.read_table(studied / "study.parquet")
    target = files.files(str(tmp_path))
    pq.write_table(table, target.unfinished)

    files.files(str(tmp_path)).write(["# Study of settings"], table)

    assert sorted(each.name for each in tmp_path.iterdir()) == ["study.md", "study.parquet"]


def _group(leader: int) -> list[str]:
    """Return the processes of a group that have not ended."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-e", "-o", "pgid="],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    split = [line.split() for line in listed]
    return [pid for pid, state, group in split if group == str(leader) and state[0] != "Z"]


def test_what_the_footer_says_can_be_read_without_the_program(studied: Path) -> None:
    found = pq.read_schema(studied / "study.parquet").metadata[b"dutchbook.study"]

    document = json.loads(found)
    given = ["detection.minimum_net_edge", "paper.lag_ms", "detection.costs_add_up"]
    assert document["varied"] == given
    assert document["seeds"] == 2
