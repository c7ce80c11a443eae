"""The blocks of measured figures in the pages, and what is told of their age."""

from __future__ import annotations

import subprocess
from argparse import Namespace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from crash import figures as killed
from crash.awaits import CANCEL
from crash.kills import AWAIT, Case, Verdict
from prove import figures as simulated
from prove.catalogue import FAULTS
from prove.report import Sum

from bench.figures.blocks import BadPage, Stamp, blocks, replaced
from bench.figures.check import Report, check
from bench.figures.declared import DECLARED, ROOT, Figures
from bench.figures.history import ELSEWHERE
from bench.figures.measure import MEASURED
from bench.figures.writing import Measurement

PAGE = "docs/speed.md"
FIGURES = {"bench.exits": Figures(PAGE, ("src/exits", "src/fees.py"))}
TABLE = "| hedged | exposed |\n|---|---|\n| 10 | 0 |\n"
DAY = date(2026, 11, 30)


class Tree:
    """A small repository with a page and the code that its figures depend on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")
        for name in ("src/exits/hold.py", "src/exits/stop.py", "src/fees.py", "src/other.py"):
            self.write(name, "before\n")
        self.commit()
        self.measured = self.git("rev-parse", "--short", "HEAD")

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=no")
        words = ("git", *who, *words)
        return subprocess.run(
            words, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")

    def page(self, *, commit: str = "", name: str = "bench.exits", more: str = "") -> None:
        start = f"<!-- figures: {name} · commit {commit or self.measured} · {DAY} -->"
        self.write(PAGE, f"# Speed\n\n{start}\n\n{TABLE}\n<!-- end figures -->\n{more}")

    def check(self) -> Report:
        return check(self.root, FIGURES, (PAGE,))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    for name in ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    return Tree(tmp_path)


def test_unchanged_code_is_told_of(tree: Tree) -> None:
    tree.page()
    tree.write("src/other.py", "after\n")

    report = tree.check()

    assert report.told == [
        f"{PAGE}: bench.exits was measured at {tree.measured}; no change since"
    ]
    assert report.wrong == []


def test_changed_code_is_told_of_and_is_no_error(tree: Tree) -> None:
    tree.page()
    tree.write("src/exits/hold.py", "after\n")
    (tree.root / "src/exits/stop.py").unlink()
    tree.commit()
    tree.write("src/exits/new.py", "not even added\n")
    tree.write("src/fees.py", "not committed\n")

    report = tree.check()

    changed = "src/exits (3 files), src/fees.py"
    assert report.told == [
        f"{PAGE}: bench.exits was measured at {tree.measured}; changed since: {changed}"
    ]
    assert report.wrong == []


def test_figures_of_a_changed_tree_are_told_apart(tree: Tree) -> None:
    tree.page(commit=f"{tree.measured}+changes")

    (line,) = tree.check().told

    assert f"measured at {tree.measured} with changes that were not committed;" in line


@pytest.mark.parametrize(
    "table", [TABLE, f"```\n{TABLE}```\n", "a | b\n--- | ---\n1 | 2\n", "<table></table>\n"]
)
def test_a_table_outside_of_a_block_is_an_error(tree: Tree, table: str) -> None:
    tree.page(more=f"\nBy hand:\n\n{table}")

    (line,) = tree.check().wrong

    assert line.startswith(f"{PAGE}: line 1")
    assert line.endswith("a table outside of a block of figures")


def test_a_block_that_no_programme_writes_is_an_error(tree: Tree) -> None:
    tree.page(name="bench.exists")

    assert tree.check().wrong == [
        f"{PAGE}: no programme writes the block bench.exists",
        f"{PAGE}: the block bench.exits is missing",
    ]


@pytest.mark.parametrize("aside", [False, True])
def test_a_commit_that_is_not_in_the_history_is_an_error(tree: Tree, *, aside: bool) -> None:
    commit = "abcdef0"
    if aside:  # on a branch that was never joined
        tree.git("checkout", "--quiet", "--detach")
        tree.write("src/fees.py", "aside\n")
        tree.commit()
        commit = tree.git("rev-parse", "--short", "HEAD")
        tree.git("checkout", "--quiet", tree.measured)
    tree.page(commit=commit)

    assert tree.check().wrong == [
        f"{PAGE}: bench.exits was measured at {commit}, which is not in the history"
    ]


def test_a_shallow_clone_is_told_of_and_is_no_error(tree: Tree, tmp_path: Path) -> None:
    tree.page()
    tree.commit()
    clone = tmp_path / "clone"
    tree.git("clone", "--quiet", "--depth=1", tmp_path.as_uri(), str(clone))

    report = check(clone, FIGURES, (PAGE,))

    assert report.wrong == []
    measured = f"{PAGE}: bench.exits was measured at {tree.measured}"
    assert report.told == [f"{measured}, which this shallow clone does not reach"]


@pytest.mark.parametrize("git", [False, True])
def test_without_a_history_the_tables_are_still_checked(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, git: bool
) -> None:
    tree.page(more=f"\n{TABLE}")
    if git:
        (tmp_path / ".git").rename(tmp_path / "moved")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    else:
        monkeypatch.setenv("PATH", "")

    report = tree.check()

    assert "a table outside" in report.wrong[0]
    assert len(report.wrong) == 1
    assert report.told[0].startswith("figures: commits and changes are not checked,")


def test_a_block_without_figures_is_an_error(tree: Tree) -> None:
    tree.write(PAGE, "<!-- figures: bench.exits -->\n<!-- end figures -->\n")

    assert tree.check().wrong == [
        f"{PAGE}: bench.exits was never measured; run make figures ONLY=bench.exits"
    ]


def test_a_path_that_no_longer_exists_is_an_error(tree: Tree) -> None:
    tree.page()
    (tree.root / "src/fees.py").unlink()

    assert tree.check().wrong == ["bench.exits depends on src/fees.py, which does not exist"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<!-- figures: a -->\n", "line 1: a does not end"),
        ("<!-- end figures -->\n", "line 1: a block ends that has not begun"),
        ("<!-- figures: a -->\n<!-- figures: b -->\n", "line 2: a has not ended"),
        ("<!-- figures: a -->\n<!-- end figures -->\n" * 2, "line 3: a second a"),
        ("<!-- figures: a · 2026-11-30 -->\n", "line 1: not the comment of a block"),
        ("<!--figures: a -->\n", "line 1: not the comment of a block"),
        ("<!-- end figures-->\n", "line 1: not the comment of a block"),
        ("<!-- figures: a · commit abcdef0 · 2026-02-30 -->\n", "there is no day 2026-02-30"),
    ],
)
def test_a_misspelt_page_is_rejected(text: str, error: str) -> None:
    with pytest.raises(BadPage, match=error):
        blocks(text)


def test_a_measurement_replaces_its_block_alone(tree: Tree) -> None:
    tree.page(more="\nSee the table above.\n")
    tree.commit()
    tree.write("src/other.py", "not what the figures depend on\n")

    told = Measurement("bench.exits", tree.root, FIGURES).write(["- 1 ms"])

    head, today = tree.git("rev-parse", "--short", "HEAD"), datetime.now(UTC).date()
    assert told == f"{PAGE}: bench.exits written, commit {head} · {today}"
    assert (tree.root / PAGE).read_text(encoding="utf-8") == (
        f"# Speed\n\n<!-- figures: bench.exits · commit {head} · {today} -->\n\n- 1 ms\n\n"
        "<!-- end figures -->\n\nSee the table above.\n"
    )


@pytest.mark.parametrize("late", [False, True])
def test_a_change_before_or_during_a_measurement_is_noted(tree: Tree, *, late: bool) -> None:
    tree.page()
    if not late:
        tree.write("src/fees.py", "changed before\n")
    measurement = Measurement("bench.exits", tree.root, FIGURES)
    if late:
        tree.write("src/fees.py", "changed during the measurement\n")
        tree.commit()

    measurement.write(["- 1 ms"])

    (block,) = blocks((tree.root / PAGE).read_text(encoding="utf-8"))
    assert block.stamp is not None
    assert block.stamp.commit == tree.measured
    assert block.stamp.changes


def test_a_page_that_was_broken_meanwhile_does_not_lose_the_figures(tree: Tree) -> None:
    tree.page()
    measurement = Measurement("bench.exits", tree.root, FIGURES)
    tree.write(PAGE, "# Speed\n")

    told = measurement.write(["- 1 ms"])

    assert told.endswith("\n- 1 ms")
    assert (tree.root / PAGE).read_text(encoding="utf-8") == "# Speed\n"


def test_a_measurement_of_a_block_that_the_page_lacks_does_not_begin(tree: Tree) -> None:
    tree.write(PAGE, "# Speed\n")

    with pytest.raises(BadPage, match=r"no block bench\.exits"):
        Measurement("bench.exits", tree.root, FIGURES)


def test_writing_the_same_figures_again_changes_nothing() -> None:
    stamp = Stamp("abcdef0", changes=True, day=DAY)
    empty = "<!-- figures: a -->\n<!-- end figures -->\n"

    once = replaced(empty, "a", stamp, ["- 1 ms"])

    assert replaced(once, "a", stamp, ["- 1 ms"]) == once


def test_every_declared_block_has_one_programme() -> None:
    measured = {name for name, figures in DECLARED.items() if not figures.words}

    assert measured == set(MEASURED)
    assert all((ROOT / figures.page).is_file() for figures in DECLARED.values())


def test_the_blocks_of_this_tree_have_no_error() -> None:
    assert check().wrong == []


def test_a_simulation_writes_its_totals_and_a_row_for_each_fault() -> None:
    total = Sum(first=7, seeds=2, executions=900, both=540, lives=30, checks=9_999, twice=1)
    total.reached["OPEN"] = 180
    total.limits.update({"pair": 1_200, "daily_loss": 3})
    total.tally.hits.update({(number, "commit"): 1_000 + number for number in FAULTS})
    given = Namespace(executions=900, seed=7, on="sqlite")

    totals, coverage = simulated.totals(total, 61.4, given), simulated.coverage(total.tally)

    assert totals[2:] == [
        "| `make simulate EXECUTIONS=900 SEED=7 ON=sqlite` | 900 | 30 | 52,326 | 9,999 | 0 |",
        "",
        "- seeds 7 to 8 in 61 s, 1 of them again in another process, to compare the last hash",
        "- 60.0 % opened both legs; positions: OPEN 20.0 %",
        "- the rarest of 51 faults: X01 never sent, 1,001",
        (
            "- times that a limit cut or refused an entry: bankroll 0, position 0, pair 1,200,"
            " platform 0, cluster 0, daily loss 3, slots 0"
        ),
    ]
    assert coverage[2] == "| X01 never sent |  |  |  |  |  |  | 1,001 | 1,001 |"
    assert len(coverage) == 2 + len(FAULTS)
    assert {line.count("|") for line in coverage} == {10}


def test_a_simulation_that_is_void_or_ended_early_is_not_written() -> None:
    ended = Sum(first=1)
    ended.differs(1)
    given = Namespace(keep_going=False)
    measurements: dict[str, Any] = {"simulate.memory": None}

    assert simulated.written(measurements, Sum(first=1), 1, given) == [
        "simulate.memory is not written: the run is void"
    ]
    assert simulated.written(measurements, ended, 1, given) == [
        "simulate.memory is not written: the run ended at a violation"
    ]


def test_a_run_of_kills_writes_its_totals_and_a_row_for_each_point() -> None:
    cancelled = f"{AWAIT}{CANCEL} send.py:1#1"
    verdicts = [
        Verdict(Case(1, 0, (), on_server=True), ("before request", "any"), ()),
        Verdict(Case(1, 1, ()), ("before request", cancelled), ("lost a fill",)),
    ]

    totals = killed.totals(verdicts, "make crash SEED=1", 1, 1_890.2)
    points = killed.table(verdicts)

    assert totals[2:] == [
        "| `make crash SEED=1` | 3 | 2 | 1 | 0 | 2 | 1 |",
        "",
        "- in 1,890 s; awaits: 1 cancelled, 0 failed",
    ]
    assert "| `request` | 2 | 0 | 1 |" in points
    assert "| during recovery, at any point |  | 1 | - |" in points
