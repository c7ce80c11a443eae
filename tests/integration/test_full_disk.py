"""No space left: one clear line, the right exit code, and all commits intact."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.program import PROGRAM, call, call_here
from support.recordings import both, write

pytestmark = pytest.mark.usefixtures("own_home")
Disk = Callable[[str], Path]
FULL = Path("/dev/full")
TRADING = ("run", "--speed", "max", "--summary", "json", "--db")


def _mount(folder: Path, options: str) -> None:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of a given size, in memory: `disk("1m")`; called again, it is resized."""
    folder = tmp_path / "disk"

    def sized(size: str) -> Path:
        if shutil.which("mount") is None:
            pytest.skip("no small disk can be mounted here: there is no mount")
        again = folder.exists()
        folder.mkdir(exist_ok=True)
        _mount(folder, f"remount,size={size}" if again else f"size={size}")
        return folder

    yield sized
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def capped(size: int) -> list[str]:
    """Return the program with a limit on the size of its files, in bytes."""
    start = (
        "import os, resource, sys;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", start, *PROGRAM]


def test_a_run_on_a_disk_that_fills_ends_and_continues_once_there_is_space(disk: Disk) -> None:
    url = f"sqlite:///{disk('1m')}/paper.db"

    line = call(*TRADING, url, fails=3)
    told = call_here("db", "verify", "--db", url)
    half = json.loads(call_here("status", "--json", "--db", url))
    disk("64m")
    summary = json.loads(call_here(*TRADING, url))

    assert line.endswith("paper.db: database or disk is full; make room and start again\n")
    assert told == "whole\n"
    assert half["runs"] == 1
    assert sum(half["positions"].values()) <= summary["positions"]["total"]
    assert json.loads(call_here("status", "--json", "--db", url))["runs"] == 2
    assert call_here("db", "verify", "--db", url) == "whole\n"


def test_a_disk_too_small_for_the_tables_is_left_without_any(disk: Disk) -> None:
    url = f"sqlite:///{disk('200k')}/paper.db"

    line = call(*TRADING, url, fails=3)
    told = call_here("db", "verify", "--db", url, fails=3)
    disk("64m")

    assert "database or disk is full; make room and start again" in line
    assert "it holds no Dutchbook tables" in told
    assert json.loads(call_here(*TRADING, url))["positions"]["total"] > 0
    assert call_here("db", "verify", "--db", url) == "whole\n"


@pytest.mark.parametrize("size", [400_000, 900_000])
def test_a_run_whose_files_may_not_grow_ends_with_what_it_has_committed(
    size: int, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/paper.db"

    line = call(*TRADING, url, fails=3, program=capped(size))

    assert "paper.db: disk I/O error" in line
    assert call_here("db", "verify", "--db", url) == "whole\n"
    assert json.loads(call_here(*TRADING, url))["positions"]["total"] > 0
    assert call_here("db", "verify", "--db", url) == "whole\n"


def fill(file: Path) -> None:
    """Write a file until there is no space for another page."""
    with file.open("wb", buffering=0) as other, contextlib.suppress(OSError):
        while other.write(bytes(4_096)):
            pass


def test_an_import_on_a_full_disk_leaves_only_the_older_tape(disk: Disk) -> None:
    folder = disk("64k")
    source = write(folder.parent / "both.jsonl", both(200))
    older = write(folder.parent / "older.jsonl", both(2))
    tape = folder / "a.tape"
    call("tape", "import", str(older), str(tape))
    before = tape.read_bytes()
    fill(folder / "other")

    line = call("tape", "import", str(source), str(tape), fails=2)

    assert line.startswith(f"dutchbook: {tape}: cannot be written: ")
    assert "No space left on device" in line
    assert sorted(each.name for each in folder.iterdir()) == ["a.tape", "other"]
    assert tape.read_bytes() == before


def test_an_import_whose_file_may_not_grow_leaves_no_tape(tmp_path: Path) -> None:
    source = write(tmp_path / "both.jsonl", both(200))
    words = ("tape", "import", str(source), str(tmp_path / "a.tape"))

    line = call(*words, fails=2, program=capped(2_000))

    assert "a.tape: cannot be written: " in line
    assert "File too large" in line
    assert [each.name for each in tmp_path.iterdir()] == ["both.jsonl"]


@pytest.mark.skipif(not FULL.exists(), reason="no device here that is always full")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "--speed", "max"), 0),
        (("run", "--speed", "max", "--summary", "json"), 0),
        (("pairs", "list"), 3),
        (("events", "--json"), 3),
    ],
)
def test_output_that_cannot_be_written_is_reported_and_harms_nothing(
    words: tuple[str, ...], code: int, paper_url: str
) -> None:
    url = paper_url
    if words[0] != "run":
        call_here(*TRADING, url)

    with FULL.open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *words, "--db", url],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == code
    assert done.stderr == "dutchbook: the output: No space left on device\n"
    assert call_here("db", "verify", "--db", url) == "whole\n"
    names = [row["name"] for row in json.loads(call_here("events", "--json", "--db", url))]
    assert names[-1] == "system.stopped"
    assert names.count("system.health.critical") == (words == ("run", "--speed", "max"))


def test_a_home_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_folder = tmp_path / "home"
    no_folder.write_text("a file")
    monkeypatch.setenv("HOME", str(no_folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(no_folder))

    line = call("init", fails=3)

    assert f"{no_folder}/dutchbook: cannot be written: Not a directory" in line


def test_a_home_folder_without_space_gets_no_partial_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    line = call("init", fails=3, program=capped(1_000))

    assert "cannot be written" in line
    assert list((tmp_path / "dutchbook").iterdir()) == []


def test_a_database_whose_lock_cannot_be_made_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/paper.db"
    (tmp_path / "paper.db.lock").mkdir()

    line = call(*TRADING, url, fails=3)

    assert "paper.db.lock: cannot be written: Is a directory" in line
    assert call_here("db", "verify", "--db", url) == "whole\n"
