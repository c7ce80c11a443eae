"""Programs of the hooks as real processes: what they get, and that none can hold an engine."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest
from support.processes import SOON, runs, until
from support.program import call, call_here

from dutchbook.runtime.programs import MOST_WAITING, ProgramThreads

WRITE = (
    "import os, sys; open(sys.argv[1], 'a').write(sys.stdin.read() + repr(sorted(os.environ)))"
)


def python(code: str, *words: str) -> tuple[str, ...]:
    """Return the command that runs a program of one line."""
    return (sys.executable, "-c", code, *words)


def test_a_program_gets_the_document_and_no_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KALSHI_KEY", "a secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    programs, file = ProgramThreads(SOON, 1), tmp_path / "told"

    programs.start(python(WRITE, str(file)), "what happened")
    programs.close()

    told = file.read_text()
    assert told.startswith("what happened[")
    assert {"'HOME'", "'LANG'", "'PATH'"} <= set(told.strip("]").split("[")[1].split(", "))
    assert "KALSHI_KEY" not in told
    assert programs.failures() == []


def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    programs, file = ProgramThreads(1, 1), tmp_path / "pid"
    child = f"{sys.executable} -c 'import time; time.sleep(60)'"
    code = f"import subprocess as s; p = s.Popen({child!r}, shell=True); "
    code += f"open({str(file)!r}, 'w').write(str(p.pid)); p.wait()"

    programs.start(python(code), "")

    assert until(lambda: bool(programs._failures))
    assert programs.failures() == [f"{sys.executable}: killed: it did not end within 1 s"]
    assert until(lambda: not runs(int(file.read_text())))


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (("no-such-program",), "no-such-program: No such file or directory"),
        (python("raise SystemExit(3)"), f"{sys.executable}: it ended with 3"),
    ],
)
def test_a_program_that_fails_says_so(command: tuple[str, ...], failure: str) -> None:
    programs = ProgramThreads(SOON, 1)

    programs.start(command, "a document that nobody reads")
    programs.close()

    assert programs.failures() == [failure]


def test_starting_a_program_never_waits_and_too_many_are_not_started() -> None:
    programs = ProgramThreads(0.2, 1)
    began = time.monotonic()

    for _ in range(MOST_WAITING + 10):
        programs.start(python("import time; time.sleep(60)"), "")
    took = time.monotonic() - began
    programs.close()

    assert took < 5
    assert any("others wait to be started" in each for each in programs.failures())


def test_a_system_without_a_thread_left_fails_the_program_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    programs = ProgramThreads(SOON, 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        programs.start(("ring",), "")

    assert programs.failures() == ["ring: can't start new thread"]


@pytest.mark.usefixtures("own_home")
def test_a_run_tells_its_programs_of_exposures(tmp_path: Path) -> None:
    script, told = tmp_path / "hook.py", tmp_path / "told"
    script.write_text("import sys\nopen(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')\n")
    hook = f"{sys.executable} '{script}' '{told}'"
    faults = ("--set", "paper.fault_rejected=400000", "--set", "execution.auto_policy=off")

    call_here(
        *("run", "--speed", "max", "--seed", "4", "--summary", "json", *faults),
        *("--on-exposure", hook, "--db", f"sqlite:///{tmp_path}/x.db"),
    )

    documents = [json.loads(line) for line in told.read_text().splitlines()]
    assert "exposure opened" in {each["what"] for each in documents}


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize("option", ["--on-exposure", "--on-halt"])
def test_a_program_that_is_not_there_is_named_before_the_run(
    option: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"

    line = call("run", option, "no-such-program --loud", "--db", url, fails=2)

    name = option.removeprefix("--").replace("-", "_")
    assert line == (
        f"dutchbook: hooks.{name}: 'no-such-program --loud' is not a program that is there and"
        " may be run\n"
    )
    assert not (tmp_path / "x.db").exists()
