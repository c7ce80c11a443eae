"""HALT files and the register of engines: who halts, who reads, and what is left alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from dutchbook.bootstrap import paths
from dutchbook.domain.capital.limits import Grade
from dutchbook.persistence import endpoints
from dutchbook.persistence.database import Database
from dutchbook.ports.halt_file import HaltNote
from dutchbook.runtime.engine_register import EngineRegister
from dutchbook.runtime.halt_file import FileOfHalt, HaltFiles

NOTE = HaltNote(Grade.NO_ENTRIES, False, "why", "me")
STRONG = HaltNote(Grade.CANCELS_ONLY, True, "now", "you")


# One file ----------------------------------------------------------------------------------


def test_a_folder_in_the_place_of_a_halt_file_halts_and_stays(tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    file.path.mkdir()

    note = file.standing()

    assert note is not None
    assert note.grade is Grade.NO_ENTRIES
    assert f"{file.path} is in the way: it cannot be removed" in file.clear(note)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_neither_a_link_nor_a_pipe_leads_a_reader_elsewhere(kind: str, tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    if kind == "link":
        file.path.symlink_to("nowhere")
    else:
        os.mkfifo(file.path)

    note = file.standing()

    assert note is not None
    assert note.grade is Grade.NO_ENTRIES
    assert file.clear(note) == ""
    assert not os.path.lexists(file.path)


def test_a_file_written_for_another_database_halts_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.HALT"
    FileOfHalt(path, ["theirs"]).write(NOTE)
    ours = FileOfHalt(path, ["ours", "also ours"])

    assert ours.standing() == NOTE
    assert ours.clear(NOTE) == f"{path} is in the way: it was written for theirs"
    assert FileOfHalt(path, ["other", "theirs"]).clear(NOTE) == ""
    assert not path.exists()


def test_a_file_that_a_person_touched_is_anybodys_and_is_removed(tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT", ["ours"])
    file.path.touch()
    note = file.standing()

    assert note is not None
    assert file.clear(note) == ""
    assert not file.path.exists()


def test_every_user_may_read_a_halt_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        FileOfHalt(tmp_path / "x.HALT").write(STRONG)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x.HALT").stat().st_mode) == 0o644
    assert {each.name for each in tmp_path.iterdir()} == {"x.HALT"}


def test_what_cannot_be_replaced_is_a_halt_if_it_halts_as_much(tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    file.path.mkdir()

    file.write(NOTE)

    with pytest.raises(OSError, match="directory"):
        file.write(STRONG)
    assert {each.name for each in tmp_path.iterdir()} == {"x.HALT"}


# Several files -----------------------------------------------------------------------------


def test_the_strongest_of_several_files_counts_and_each_is_removed_once_recorded(
    tmp_path: Path,
) -> None:
    one, two, three = (FileOfHalt(tmp_path / name, [name]) for name in "abc")
    files = HaltFiles([one, two, three])
    assert files.standing() is None
    for file, note in ((one, NOTE), (two, STRONG), (three, STRONG)):
        file.write(note)

    assert files.standing() == STRONG
    assert files.clear(STRONG) == ""
    assert files.standing() == NOTE
    assert files.clear(NOTE) == ""
    assert files.standing() is None


# Names -------------------------------------------------------------------------------------


def files_of(url: str) -> set[Path]:
    return {file.path for file in paths.halt_files(Database.at(url)).files}


def test_servers_on_two_ports_and_databases_of_two_names_share_no_file() -> None:
    places = ("127.0.0.1:1/book", "127.0.0.1:2/book", "127.0.0.1:1/other", "[::1]:1/book")
    urls = [f"postgresql://me:canary-secret@{place}" for place in places]

    found = [files_of(url) for url in urls]

    assert sum(map(len, found)) == len(set().union(*found)) == len(urls)
    assert "secret" not in str(found)


def test_a_server_has_the_same_file_by_its_name_its_address_and_its_users() -> None:
    one = files_of("postgresql://me@127.0.0.1:5432/book")

    assert one <= files_of("postgresql://you:x@localhost/book")
    assert one == files_of("postgresql://me@/book?host=127.0.0.1&port=5432")
    assert files_of("postgresql:///book?host=/tmp/../tmp") == files_of(
        "postgresql:///book?host=/tmp"
    )


def test_a_name_that_cannot_be_resolved_is_still_a_name() -> None:
    (file,) = files_of("postgresql://db.invalid/book")

    assert file.name.startswith("db.invalid_5432_book-")


def test_a_server_of_this_machine_says_where_else_it_listens() -> None:
    database = Database.at("postgresql:///book?host=/run/a")

    def says(address: str | None, listens: str, sockets: str | None = None) -> set[str]:
        return set(endpoints._served(database, address, listens, "5432", sockets))

    assert {"127.0.0.1:5432/book", "[::1]:5432/book"} <= says(None, "*")
    assert "[::1]:5432/book" not in says(None, "0.0.0.0")  # noqa: S104
    assert says("127.0.0.1", "127.0.0.1", "/run/b, /run/c") == {
        "127.0.0.1:5432/book", "/run/b:5432/book", "/run/c:5432/book",
    }  # fmt: skip
    assert says(None, "") == set()
    assert says("192.0.2.7", "*", "/run/b") == set()


def test_a_file_is_known_by_its_path_and_its_number(paper_url: str) -> None:
    path = Path(Database.at(paper_url).path)

    names = endpoints.names_of(Database.at(paper_url))

    assert names == (str(path), f"file {path.stat().st_dev}:{path.stat().st_ino}")


# The register ------------------------------------------------------------------------------


def test_an_engine_is_found_under_each_of_its_names_until_it_ends(tmp_path: Path) -> None:
    register = EngineRegister(tmp_path / "m")
    before = register.reading(["a"])

    with register.entered(["a", "b"], "host:7") as failed:
        during = register.reading(["b", "c"])
        again = register.reading(["a"])

    assert (failed, before) == ("", {})
    assert (during, again) == ({"b": "host:7"}, {"a": "host:7"})
    assert register.reading(["a"]) == {}
    assert list((tmp_path / "m").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o1777


def test_what_a_killed_engine_left_says_nothing_and_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "x.engine"
    left.write_text(json.dumps({"who": "host:7", "names": ["a"]}))

    assert EngineRegister(tmp_path).reading(["a"]) == {}
    assert not left.exists()


def test_an_engine_that_cannot_register_is_told_why_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file")

    with EngineRegister(tmp_path / "m").entered(["a"], "host:7") as failed:
        pass

    assert failed.startswith(f"{tmp_path}/m: cannot be written")
