"""`run --fresh`: the old database is moved aside whole, and nothing alarms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.program import bare_tape, call_here, traded

from dutchbook.bootstrap import paths
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.errors import InvalidInput, LeaseHeld
from dutchbook.operations import audit, requests
from dutchbook.operations.fresh import set_aside
from dutchbook.persistence.database import Database
from dutchbook.persistence.sqlite_file import WriterLock
from dutchbook.tape.format import write_tape

pytestmark = pytest.mark.usefixtures("own_home")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if not each.name.endswith(".tape")}


def test_a_fresh_run_moves_everything_of_the_old_database_aside_and_says_what_it_held(
    paper_url: str, tmp_path: Path
) -> None:
    made, bare = tmp_path / "made.tape", bare_tape(tmp_path / "bare.tape", minutes=2)
    write_tape(made, generated_tape(7, minutes=6))
    traded(paper_url, made)
    last, _ = audit.head(paper_url)
    (tmp_path / "paper.db.HALT").touch()

    lines = call_here(
        "run", "--fresh", "--speed", "max", "--tape", str(bare), "--db", paper_url
    ).splitlines()

    moved = re.fullmatch(r"(\S+)/paper.db is now (\S+/paper\.[\dT-]+\.db)", lines[0])
    assert moved, lines[0]
    aside = f"sqlite:///{moved[2]}"
    assert re.match(r"it left positions on paper: \d+ OPEN", lines[1])
    assert lines[2] == f"to look at it: --db {aside}"
    assert "starts without positions" in lines[3]
    assert "HALTED" not in lines[3]
    name = Path(moved[2]).name
    assert names(tmp_path) == {"paper.db", "paper.db.lock", name, f"{name}.HALT"}
    assert f"anchored at {last}" in call_here("audit", "verify", "--db", aside)
    assert "made anew" not in call_here("audit", "verify", "--db", paper_url)
    assert call_here("db", "verify", "--db", paper_url) == "whole\n"
    assert requests.rows(paper_url, "open_positions", ("position_id",)) == []


def test_a_fresh_run_where_there_is_nothing_moves_nothing(tmp_path: Path) -> None:
    assert set_aside(f"sqlite:///{tmp_path}/paper.db") == []
    assert names(tmp_path) == set()


def test_a_database_that_cannot_be_read_is_moved_aside_too(tmp_path: Path) -> None:
    (tmp_path / "paper.db").write_text("not a database, and long enough to be none")

    lines = set_aside(f"sqlite:///{tmp_path}/paper.db")

    assert "what it left cannot be read" in lines[1]
    assert not (tmp_path / "paper.db").exists()


def test_two_in_one_second_have_two_names(paper_url: str, tmp_path: Path) -> None:
    url, kept = paper_url, (tmp_path / "paper.db").read_bytes()
    for _ in range(3):
        (tmp_path / "paper.db").write_bytes(kept)
        set_aside(url)

    assert len([each for each in names(tmp_path) if each.endswith(".db")]) == 3


def test_no_database_is_moved_from_under_an_engine(paper_url: str, tmp_path: Path) -> None:
    lock = WriterLock(Database.at(paper_url).path)
    before = names(tmp_path)

    with pytest.raises(LeaseHeld):
        set_aside(paper_url)
    lock.release()

    assert names(tmp_path) == before


def test_a_servers_database_is_not_moved() -> None:
    with pytest.raises(InvalidInput, match=r"--fresh: .* is not a file") as told:
        set_aside("postgresql://me:canary-secret@h/book")

    assert "secret" not in str(told.value)


def test_a_standby_does_not_begin_afresh(paper_url: str, tmp_path: Path) -> None:
    before = names(tmp_path)

    with pytest.raises(AssertionError, match="a standby takes over what is there"):
        call_here("run", "--fresh", "--standby", "--db", paper_url)

    assert names(tmp_path) == before


def test_nothing_is_moved_for_a_run_that_cannot_begin(paper_url: str, tmp_path: Path) -> None:
    before = names(tmp_path)

    call_here("run", "--fresh", "--tape", "nowhere.tape", "--db", paper_url, fails=2)

    assert names(tmp_path) == before


def test_the_heads_of_a_database_stay_with_it(paper_url: str, tmp_path: Path) -> None:
    traded(paper_url, bare_tape(tmp_path / "bare.tape", minutes=2))
    heads = paths.anchor_path(Database.at(paper_url))

    (line, *_) = set_aside(paper_url)

    assert not heads.exists()
    assert paths.anchor_path(Database.at(f"sqlite:///{line.rsplit(' ', 1)[1]}")).exists()
