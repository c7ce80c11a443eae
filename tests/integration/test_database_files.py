"""The file of a database: one name, one writer, whole backups, and copies that are not."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.databases import by_hand, on
from support.program import PROGRAM, bare_tape, call, call_here, ended_here, traded

from dutchbook.bootstrap import paths
from dutchbook.errors import LeaseHeld
from dutchbook.persistence.database import Database
from dutchbook.persistence.sqlite_connection import connect
from dutchbook.persistence.sqlite_file import WriterLock, mount_points, unfit
from dutchbook.persistence.tables.triggers import suspend
from dutchbook.runtime.virtual_time import turnstile

pytestmark = pytest.mark.usefixtures("home_of_one_test")
SLOW = ("--speed", "20", "--seed", "7")


@contextmanager
def engine(url: str) -> Iterator[subprocess.Popen[str]]:
    """Run an engine that has started to trade; end it at the end of the test."""
    child = subprocess.Popen(
        [*PROGRAM, "run", "--db", url, *SLOW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert any("execution.order.filled" in line for line in child.stdout), (
            child.communicate()
        )
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)


def entries(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM audit_log").fetchone()[0])


# One name ----------------------------------------------------------------------------------


def test_a_second_engine_on_the_same_file_by_another_name_is_rejected(
    paper_url: str, tmp_path: Path
) -> None:
    url, other = paper_url, f"sqlite:///{tmp_path}/same.db"
    with engine(url):
        (tmp_path / "same.db").hardlink_to(tmp_path / "paper.db")
        held = call_here("run", "--db", other, "--speed", "max", fails=4)
        (tmp_path / "same.db").unlink()
        (tmp_path / "same.db").symlink_to("paper.db")
        linked = call_here("run", "--db", other, "--speed", "max", fails=4)

    assert "another engine writes to it, and it has 2 names (hard links)" in held
    assert "paper.db: another engine writes to it" in linked
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_a_file_with_two_names_is_rejected_while_no_engine_runs(paper_url: str) -> None:
    file = Path(Database.at(paper_url).path)
    file.with_name("same.db").hardlink_to(file)

    line = call_here("run", "--db", paper_url, "--speed", "max", fails=4)

    assert "it has 2 names (hard links), each with a -wal of its own; keep one" in line
    assert "keep one" in call_here("status", "--db", paper_url, fails=4)


def test_all_files_of_a_database_are_next_to_the_file_that_a_link_names(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "paper.db").symlink_to("disk/real.db")
    url, real = f"sqlite:///{tmp_path}/paper.db", f"sqlite:///{tmp_path}/disk/real.db"
    Database.at(url).prepare("paper")

    async def files(_: object) -> set[str]:
        journal = Database.at(url).journal(turnstile(), alone=True)
        await journal.open()
        found = {each.name for each in (tmp_path / "disk").iterdir()}
        await journal.close()
        return found

    assert {"real.db", "real.db-wal", "real.db.lock"} <= on(url, files)
    (file,) = paths.halt_files(Database.at(url)).files
    assert file.path == tmp_path / "disk" / "real.db.HALT"
    assert paths.anchor_path(Database.at(url)) == paths.anchor_path(Database.at(real))


def test_a_link_that_leads_in_a_circle_is_named(tmp_path: Path) -> None:
    (tmp_path / "paper.db").symlink_to("paper.db")

    assert "lead nowhere" in call_here(
        "status", "--db", f"sqlite:///{tmp_path}/paper.db", fails=3
    )


def test_a_file_that_is_mounted_by_itself_is_unfit_and_a_mounted_folder_is_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "paper.db"
    file.touch()

    assert unfit(str(file), file.stat(), {str(tmp_path), "/"}) is None
    why = unfit(str(file), file.stat(), {str(file)})
    assert why is not None
    assert "mounted by itself" in why


@pytest.mark.parametrize("place", ["/dev/null", "/dev"])
def test_what_is_no_file_is_no_database(place: str) -> None:
    assert call_here("status", "--db", f"sqlite:///{place}", fails=3).startswith(
        f"dutchbook: {place}: it is not a file"
    )


def test_the_system_says_what_is_mounted() -> None:
    assert "/" in mount_points()


def test_a_database_that_is_mounted_as_a_file_is_rejected(paper_url: str) -> None:
    file = Path(Database.at(paper_url).path)
    there = file.with_name("a b.db")
    there.touch()
    mounted = f'mount --bind "{file}" "{there}" && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mounted, "sh"]
    can = subprocess.run([*command, "true"], capture_output=True, check=False)
    if can.returncode:
        pytest.skip("this system lets nobody mount a file")

    line = call("status", "--db", f"sqlite:///{there}", fails=4, program=[*command, *PROGRAM])

    assert "mount the folder that holds it" in line


# One writer --------------------------------------------------------------------------------


def test_the_file_itself_is_locked_whatever_becomes_of_the_lock_next_to_it(
    paper_url: str,
) -> None:
    path = Database.at(paper_url).path
    lock = WriterLock(path)
    Path(f"{path}.lock").unlink()

    with pytest.raises(LeaseHeld):
        WriterLock(path)

    lock.release()
    WriterLock(path).release()


def test_giving_a_lock_back_ends_no_lock_of_sqlite_in_the_same_process(paper_url: str) -> None:
    """The system drops a process's locks with any of its descriptors of the file."""
    path = Database.at(paper_url).path
    lock = WriterLock(path)
    connection = sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    script = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({path!r}, timeout=0)\n"
        "try: c.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError: sys.exit(7)"
    )
    before = set(Path("/proc/self/fd").iterdir())

    lock.release()

    assert subprocess.run([PROGRAM[0], "-c", script], check=False).returncode == 7
    connection.close()
    WriterLock(path).release()
    assert len(set(Path("/proc/self/fd").iterdir()) - before) == 0


# Backups -----------------------------------------------------------------------------------


def test_a_backup_of_a_running_engine_is_one_whole_moment_of_it(
    paper_url: str, tmp_path: Path
) -> None:
    url, copy = paper_url, tmp_path / "safe" / "copy.db"
    with engine(url) as running:
        said = call_here("db", "backup", str(copy), "--db", url)
        assert running.poll() is None

    assert said.startswith(f"{copy}: {entries(copy)} entries up to ")
    assert said.endswith(f", anchors in {copy}.anchors\n")
    assert {each.name for each in copy.parent.iterdir()} == {"copy.db", "copy.db.anchors"}
    there = f"sqlite:///{copy}"
    assert call_here("db", "verify", "--db", there) == "whole\n"
    verified = call_here("audit", "verify", "--anchors", f"{copy}.anchors", "--db", there)
    assert "anchored at" in verified
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_a_backup_replaces_nothing(paper_url: str, tmp_path: Path) -> None:
    for name in ("copy.db", "other.db-wal", "third.db.anchors"):
        (tmp_path / name).write_text("mine")

    for name in ("copy.db", "other.db", "third.db"):
        line = call_here("db", "backup", str(tmp_path / name), "--db", paper_url, fails=2)
        assert "a backup replaces nothing" in line

    assert (tmp_path / "copy.db").read_text() == "mine"
    assert not list(tmp_path.glob(".*partial*"))


def test_a_backup_of_what_is_not_whole_is_kept_and_told_of(
    paper_url: str, tmp_path: Path
) -> None:
    traded(paper_url, bare_tape(tmp_path / "made.tape"))
    Database.at(paper_url)._work(suspend)
    by_hand(paper_url, "DELETE FROM audit_log")
    copy = tmp_path / "copy.db"

    code, _, complaint = ended_here("db", "backup", str(copy), "--db", paper_url)

    assert code == 1
    assert "no entry of the log is there" in complaint
    assert "it is not whole" in complaint
    assert copy.exists()


def test_a_backup_is_restored_where_no_database_is_and_traded_on(
    paper_url: str, tmp_path: Path
) -> None:
    tape = bare_tape(tmp_path / "made.tape")
    traded(paper_url, tape)
    copy, new = tmp_path / "copy.db", f"sqlite:///{tmp_path}/new/paper.db"
    call_here("db", "backup", str(copy), "--db", paper_url)

    said = call_here("db", "restore", str(copy), "--db", new)

    assert said.startswith(f"{tmp_path}/new/paper.db: {entries(copy)} entries up to ")
    assert "anchored at" in call_here("audit", "verify", "--db", new)
    traded(new, tape)
    assert call_here("db", "verify", "--db", new) == "whole\n"


def test_a_restored_older_copy_says_what_it_lacks_and_is_anchored_anew(
    paper_url: str, tmp_path: Path
) -> None:
    tape, copy = bare_tape(tmp_path / "made.tape"), tmp_path / "copy.db"
    traded(paper_url, tape)
    call_here("db", "backup", str(copy), "--db", paper_url)
    traded(paper_url, tape)
    Path(Database.at(paper_url).path).unlink()

    said = call_here("db", "restore", str(copy), "--db", paper_url)

    assert "was anchored" in said
    assert "an older copy restored" in said
    verified = call_here("audit", "verify", "--db", paper_url)
    assert f"anchored at {entries(copy)}" in verified
    assert "made anew after entry" in verified


def test_nothing_is_restored_over_a_database_or_its_wal(paper_url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    call_here("db", "backup", str(copy), "--db", paper_url)

    line = call_here("db", "restore", str(copy), "--db", paper_url, fails=2)
    file = Path(Database.at(paper_url).path)
    file.rename(tmp_path / "away.db")
    Path(f"{file}-wal").touch()
    beside = call_here("db", "restore", str(copy), "--db", paper_url, fails=2)

    assert "move it and what is next to it away first" in line
    assert f"{file}-wal" in beside
    assert not file.exists()


def test_nothing_is_restored_while_an_engine_runs(paper_url: str, tmp_path: Path) -> None:
    copy, file = tmp_path / "copy.db", Path(Database.at(paper_url).path)
    call_here("db", "backup", str(copy), "--db", paper_url)
    lock = WriterLock(str(file))

    running = call("db", "restore", str(copy), "--db", paper_url, fails=4)
    file.unlink()
    gone = call("db", "restore", str(copy), "--db", paper_url, fails=4)
    lock.release()

    assert "an engine runs on it" in running
    assert "another engine writes to it" in gone
    assert not file.exists()


def test_a_backup_that_does_not_verify_is_not_restored(paper_url: str, tmp_path: Path) -> None:
    traded(paper_url, bare_tape(tmp_path / "made.tape"))
    copy, new = tmp_path / "copy.db", tmp_path / "new.db"
    call_here("db", "backup", str(copy), "--db", paper_url)
    by_hand(f"sqlite:///{copy}", "UPDATE accounts SET free = free + 1")

    code, _, complaint = ended_here("db", "restore", str(copy), "--db", f"sqlite:///{new}")

    assert code == 1
    assert "nothing was restored" in complaint
    assert not new.exists()


@pytest.mark.parametrize("word", ["nothing", "text"])
def test_what_is_no_backup_is_named(word: str, tmp_path: Path) -> None:
    source, new = tmp_path / word, f"sqlite:///{tmp_path}/n.db"
    if word == "text":
        source.write_text("not a database")

    line = call_here("db", "restore", str(source), "--db", new, fails=3)

    assert str(source) in line
    assert not (tmp_path / "n.db").exists()


def test_the_programs_that_back_postgresql_up_are_named_without_a_password() -> None:
    url = "postgresql://me:canary-secret@127.0.0.1:1/none"

    out = call_here("db", "backup", "a b.dump", "--db", url, fails=2)
    back = call_here("db", "restore", "a b.dump", "--db", url, fails=2)

    bare = "postgresql://me@127.0.0.1:1/none"
    assert f"pg_dump --format=custom --file='a b.dump' --dbname={bare}" in out
    assert f"pg_restore 'a b.dump' --dbname={bare}" in back
    assert "canary" not in out + back


# Copies that are not whole -----------------------------------------------------------------


def test_a_file_copied_under_a_running_engine_without_its_wal_is_not_whole(
    paper_url: str, tmp_path: Path
) -> None:
    url, copy = paper_url, tmp_path / "copy.db"
    with engine(url):
        shutil.copy(tmp_path / "paper.db", copy)
        both = tmp_path / "both.db"
        shutil.copy(tmp_path / "paper.db", both)
        shutil.copy(tmp_path / "paper.db-wal", f"{both}-wal")

    for words in (("db", "verify"), ("audit", "verify")):
        line = call_here(*words, "--db", f"sqlite:///{copy}", fails=1)
        assert "copied while an engine had it open, without its -wal" in line
        for _ in range(2):
            said = call_here(*words, "--db", f"sqlite:///{both}")
            assert said.startswith("whole")


@pytest.mark.usefixtures("paper_url")
def test_a_copy_is_recognised_although_a_command_read_the_file_as_the_engine_opened_it(
    tmp_path: Path,
) -> None:
    path, copy, begun = tmp_path / "paper.db", tmp_path / "copy.db", threading.Event()
    connect(str(path), timeout=20, marked=False).close()  # its first engine has run

    def read() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM system_metadata").fetchall()
            begun.set()
            time.sleep(0.3)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(read)
        begun.wait()
        with closing(connect(str(path), timeout=20, marked=True)) as opened:
            opened.execute("INSERT INTO system_metadata (key, value) VALUES ('later', '1')")
            shutil.copy(path, copy)

    assert "copied while" in call_here("db", "verify", "--db", f"sqlite:///{copy}", fails=1)


def test_a_killed_engine_leaves_a_whole_database(paper_url: str) -> None:
    with engine(paper_url) as running:
        running.kill()
        running.wait()
        call_here("status", "--db", paper_url)

    assert call_here("db", "verify", "--db", paper_url) == "whole\n"


def test_a_log_without_an_entry_is_not_whole_once_a_run_began(database_url: str) -> None:
    assert call_here("audit", "verify", "--db", database_url).startswith("whole: 0 entries")
    by_hand(database_url, "INSERT INTO system_metadata (key, value) VALUES ('runs', '2')")

    for words in (("db", "verify"), ("audit", "verify")):
        line = call_here(*words, "--db", database_url, fails=1)
        assert "2 runs began on this database, and no entry of the log is there" in line
