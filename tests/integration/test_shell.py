"""The command line as a whole: its help, the databases that it names, and errors of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from support.program import PROGRAM, call_here, called

from dutchbook.bootstrap import paths
from dutchbook.cli.grouped import GROUPS
from dutchbook.cli.main import app
from dutchbook.cli.outcome import outcome
from dutchbook.persistence.database import Database

pytestmark = pytest.mark.usefixtures("own_home")


# Help -----------------------------------------------------------------------------------------


def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a command and every command below it, with its name."""
    yield name, command
    for inner, each in getattr(command, "commands", {}).items():
        yield from below(f"{name} {inner}".strip(), each)


COMMANDS = dict(below("", typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_word_of_it_is_explained(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert [each.name for each in command.params if not each.help] == []


def test_the_usual_commands_come_first_and_every_command_has_its_group() -> None:
    program = COMMANDS[""]

    names = program.list_commands(None)

    assert names[:4] == ["run", "status", "positions", "halt"]
    assert {name: program.commands[name].rich_help_panel for name in names} == {
        name: group for group, members in GROUPS.items() for name in members
    }


@pytest.mark.parametrize("words", [("-h",), ("run", "-h"), ("pairs", "add", "-h")])
def test_h_is_help(words: tuple[str, ...]) -> None:
    assert call_here(*words) == call_here(*words[:-1], "--help")


def test_the_help_tells_the_exit_codes_and_the_formats_of_files() -> None:
    assert "130 interrupted" in " ".join(call_here("-h").split())
    assert '"KXDEMO-26-00" = 1' in call_here("run", "-h")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str) -> None:
    asked = {"_DUTCHBOOK_COMPLETE": f"complete_{shell}", "COMP_WORDS": "dutchbook pos"}
    asked |= {"COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "dutchbook pos"}
    code = "import sys; sys.argv[0] = 'dutchbook'; from dutchbook.__main__ import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    )

    assert "position" in done.stdout
    assert done.stderr == ""


# Databases ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "--db: '' is not a database; leave --db out for your own"),
        ("sqlite:///a?b.db", "'?b.db' is not an option: a file has none"),
        ("sqlite:///paper.db?mode=ro", "'?mode' is not an option: a file has none"),
        ("sqlite:///:memory:", "':memory:' is not a file"),
        ("sqlite:///~nobody-here/x.db", "there is no such user"),
        (
            "postgresql://me@127.0.0.1/x?sslmode=require",
            "'?sslmode' is not an option of a server",
        ),
        ("postgresql://me:canary@127.0.0.1:port/x", "is not sqlite:///path or postgresql://"),
    ],
)
@pytest.mark.parametrize("command", ["status", "halt", "run"])
def test_a_url_that_would_mean_another_database_is_rejected(
    command: str, url: str, told: str
) -> None:
    line = call_here(command, "--db", url, fails=2)

    assert told in line
    assert "canary" not in line


def test_a_tilde_is_the_home_folder(own_home: Path) -> None:
    assert Database.at("sqlite:///~/x.db").path == str(own_home / "x.db")


def test_an_escaped_question_mark_is_one_of_the_name() -> None:
    assert Database.at("sqlite:///a%3Fb.db").database == "a?b.db"


COMMANDS_ON_IT = (
    ("run", "--speed", "max"),
    ("status",),
    ("orders",),
    ("halt",),
    ("db", "upgrade"),
    ("db", "verify"),
    ("db", "prune"),
    ("reconcile",),
    ("resume", "limit_breached", "--rationale", "looked at it, all is well"),
    ("wind-down", "--yes", "--rationale", "enough for this week"),
)


@pytest.mark.parametrize("words", COMMANDS_ON_IT, ids=" ".join)
def test_a_file_of_another_program_is_rejected_and_left_as_it_is(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE notes (text)")
    before = path.read_bytes()

    line = call_here(*words, "--db", f"sqlite:///{path}", fails=3)

    assert "it is another program's file, with the tables notes" in line
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if "HALT" in each.name] == []


@pytest.fixture
def of_a_later_release(paper_url: str) -> str:
    with closing(sqlite3.connect(Database.at(paper_url).path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
    return paper_url


@pytest.mark.parametrize("words", [w for w in COMMANDS_ON_IT if w != ("halt",)], ids=" ".join)
def test_a_database_of_a_later_release_is_rejected(
    words: tuple[str, ...], of_a_later_release: str
) -> None:
    line = call_here(*words, "--db", of_a_later_release, fails=3)

    assert "its schema is newer than this program; use the program that wrote it" in line


def test_a_database_of_a_later_release_can_be_halted(of_a_later_release: str) -> None:
    assert "no entry from now on" in call_here("halt", "--db", of_a_later_release)


@pytest.mark.parametrize("command", ["upgrade", "prune"])
def test_no_database_is_made_by_what_looks_after_one(command: str, tmp_path: Path) -> None:
    assert "no such file" in call_here(
        "db", command, "--db", f"sqlite:///{tmp_path}/none.db", fails=3
    )
    assert list(tmp_path.iterdir()) == []


# Damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("audit_log", "payload"),
        ("orders", "status"),
        ("open_positions", "sizes"),
        ("system_metadata", "value"),
        ("alembic_version", "version_num"),
    ],
)
def test_a_stored_value_that_nobody_wrote_ends_every_command_in_a_line(
    table: str, column: str, demo: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "paper.db"
    path.write_bytes(demo)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f"DROP TRIGGER {name}")
        put = f"{column} = CAST(x'fe7b80' AS TEXT)"
        database.execute(f"UPDATE {table} SET {put}")  # noqa: S608 - names of ours

    for words in (("status",), ("positions",), ("events",), ("orders",), ("db", "verify")):
        code, complaint = called(capsys, *words, "--db", f"sqlite:///{path}")

        assert code in (0, 1, 3), words
        assert "unexpected" not in complaint
        assert "Traceback" not in complaint
        assert code == 0 or complaint.startswith("dutchbook: ") or code == 1


@pytest.fixture(scope="module")
def demo(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database that the demo was run on."""
    assert own_home.exists()
    path = tmp_path_factory.mktemp("damaged") / "paper.db"
    call_here("run", "--speed", "max", "--summary", "json", "--db", f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


# Errors of its own ----------------------------------------------------------------------------


def broken() -> None:
    raise KeyError("canary")


def test_what_nobody_foresaw_is_one_line_and_its_trace_is_kept_without_a_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = outcome(broken, debug=False)

    line = capsys.readouterr().err
    kept = paths.crash_file()
    assert code == 1
    assert line.startswith(f"dutchbook: unexpected KeyError; the trace is in {kept}; ")
    assert line.count("\n") == 1
    assert "in broken" in kept.read_text()
    assert "canary" not in line
    assert kept.stat().st_mode & 0o077 == 0


def test_debug_shows_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(broken, debug=True) == 1
    assert capsys.readouterr().err.startswith("Traceback")


def interrupted() -> None:
    raise BaseExceptionGroup("both", [KeyboardInterrupt(), KeyboardInterrupt()])


def test_an_interruption_is_130_wherever_it_comes_from() -> None:
    assert outcome(interrupted, debug=False) == 130


def test_ctrl_c_while_the_program_is_loaded_is_130_without_a_word() -> None:
    code = (
        "import dutchbook.__main__ as program, os, signal, sys\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'dutchbook.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "program.main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("after", [0.12, 0.3, 0.6])
def test_ctrl_c_shows_no_trace_at_any_instant(after: float, paper_url: str) -> None:
    words = [*PROGRAM, "status", "--db", paper_url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        time.sleep(after)
        child.send_signal(signal.SIGINT)
        complaint = child.communicate()[1]

    if b"dutchbook" in complaint or child.returncode == 130:
        assert b"Traceback" not in complaint


def test_a_name_with_a_zero_byte_is_no_name() -> None:
    assert "--db" in call_here("status", "--db", "sqlite:///%00.db", fails=2)
