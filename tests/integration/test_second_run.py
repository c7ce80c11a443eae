"""A tape that was played on a database before: what was bought there is not bought twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dutchbook.application.records.runs import Played, played_before
from dutchbook.bootstrap import paper_run
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.config import load
from dutchbook.operations import requests
from dutchbook.tape.format import open_tape, write_tape

pytestmark = pytest.mark.usefixtures("own_home")


class Heard(paper_run.NoScreen):
    """Keeps the lines that a run prints."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


@dataclass(frozen=True)
class Run:
    """One run: what it said first, what it bought, and its summary."""

    lines: list[str]
    bought: set[tuple[str, Any]]
    summary: dict[str, Any]


def entries(url: str) -> list[dict[str, Any]]:
    return requests.rows(url, "executions", ("started_at",))


def played(url: str, tape: Path, *, again: bool = False) -> Run:
    before = {row["execution_id"] for row in entries(url)} if exists(url) else set()
    heard = Heard()
    options = paper_run.Options(load(), str(tape), url, speed=None, seed=1, again=again)
    summary = paper_run.run(options, heard)
    new = [row for row in entries(url) if row["execution_id"] not in before]
    return Run(heard.lines, {(row["pair_id"], row["started_at"]) for row in new}, summary)


def exists(url: str) -> bool:
    return Path(url.removeprefix("sqlite:///")).exists()


@dataclass(frozen=True)
class Story:
    """Runs on one database: a tape, another one, the first under a new name, and again."""

    url: str
    tape: Path
    other: Path
    runs: Sequence[Run]


@pytest.fixture(scope="module")
def story(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    assert own_home.exists()
    folder = tmp_path_factory.mktemp("story")
    url, tape, other = f"sqlite:///{folder}/paper.db", folder / "a.tape", folder / "b.tape"
    write_tape(tape, generated_tape(5, minutes=12))
    write_tape(other, generated_tape(6, minutes=12))
    renamed = folder / "renamed.tape"
    shutil.copy(tape, renamed)
    runs = [played(url, tape), played(url, other), played(url, renamed)]
    return Story(url, tape, other, [*runs, played(url, tape, again=True)])


def before(url: str, tape: Path) -> Played:
    digest = open_tape(tape).digest()
    return requests.reading(url, lambda journal: played_before(journal, digest))


def test_nothing_is_bought_twice_on_the_same_tape(story: Story) -> None:
    first, _, second, _ = story.runs

    last = {pair: max(at for p, at in first.bought if p == pair) for pair, _ in first.bought}
    assert first.bought
    assert all(at > last[pair] for pair, at in second.bought if pair in last)
    assert second.summary["filtered"]["traded_before"] > 0


def test_the_second_run_says_so_in_one_line_and_the_first_does_not(story: Story) -> None:
    first, other, second, _ = story.runs

    assert len(first.lines) == len(other.lines) == 1
    (line,) = second.lines[1:]
    assert line.startswith("this tape was played here before (run 1): no edge is bought twice")


def test_a_tape_is_the_same_under_another_name_and_another_one_is_not(story: Story) -> None:
    assert before(story.url, story.tape).runs == (1, 3, 4)
    assert before(story.url, story.other).runs == (2,)


def test_what_was_bought_on_another_tape_is_not_counted_as_bought_on_this_one(
    story: Story,
) -> None:
    bought = story.runs[1].bought

    until = before(story.url, story.other).until

    assert until == {pair: max(at for p, at in bought if p == pair) for pair, _ in bought}


def test_a_person_can_have_it_all_once_more(story: Story) -> None:
    *_, again = story.runs

    assert "--again: what was bought there is bought, and counts, once more" in again.lines[1]
    assert "traded_before" not in again.summary["filtered"]
