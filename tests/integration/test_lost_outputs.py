"""The program on terminals, pipes and disks that fail: an engine trades on without them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.program import PROGRAM, call, call_here, titled_tape

from dutchbook.cli.output import CONTROLS

pytestmark = pytest.mark.usefixtures("own_home")
TITLE = "Map 3 [/OT] \x1b[2J[total] :smile: winner"
SHOWN = r"Map 3 [/OT] \x1b[2J[total] :smile: winner"
CODES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
"""What a console draws with; a terminal acts on nothing else."""


class Terminal:
    """A terminal with the program on it, as after a login: at its end it hangs up."""

    def __init__(self, *words: str, nohup: bool = False) -> None:
        self.ours, theirs = os.openpty()

        def login() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if nohup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.program = subprocess.Popen(
            [*PROGRAM, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=login,  # noqa: PLW1509 - no thread of the tests holds a lock
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "60"},
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until the terminal has shown this."""
        while text not in self.seen and self._read():
            pass
        assert text in self.seen, self.seen

    def rest(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        self.hang_up()
        return self.program.wait()

    def hang_up(self) -> None:
        """Close the terminal."""
        if self.ours >= 0:
            os.close(self.ours)
        self.ours = -1

    def _read(self) -> bool:
        with suppress(OSError):  # Linux: the other side is closed
            read = os.read(self.ours, 65536)
            self.seen += read.decode(errors="replace")
            return bool(read)
        return False

    @property
    def shown(self) -> str:
        """What was shown, after proving that nothing but the console's own codes was sent."""
        text = CODES.sub("", self.seen).replace("\r\n", "\n").replace("\r", "")
        assert set(CONTROLS.findall(text)) <= {"\n"}, repr(text)
        return text


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tape of ten minutes whose titles try to command a terminal."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.tape"
    return str(titled_tape(path, TITLE, minutes=10))


def end_of(url: str) -> tuple[str, list[str]]:
    """Return why an engine stopped, and its notes about what it shows.

    It left nothing behind: no order without an answer, and no lease.
    """
    rows = json.loads(call_here("events", "--json", "--db", url))
    facts = [(row["name"], json.loads(row["payload"])) for row in rows]
    orders = json.loads(call_here("orders", "--json", "--db", url))
    assert {order["status"] for order in orders} <= {"FILLED", "CANCELLED", "REJECTED"}
    assert json.loads(call_here("status", "--json", "--db", url))["engine"] is None
    assert facts[-1][0] == "system.stopped"
    notes = [told for name, told in facts if name == "system.health.critical"]
    assert {note["component"] for note in notes} <= {"output"}
    return facts[-1][1]["reason"], [note["detail"] for note in notes]


def lost(why: str) -> list[str]:
    return [f"the output is lost: {why}; the engine goes on"]


# A terminal -----------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Makes terminals, whose programs do not outlive the test."""
    made: list[Terminal] = []

    def making(*words: str, nohup: bool = False) -> Terminal:
        made.append(Terminal(*words, nohup=nohup))
        return made[-1]

    yield making
    for each in made:
        each.program.kill()
        each.program.wait()
        each.hang_up()


On = Callable[..., Terminal]


def test_a_title_is_shown_literally_while_an_engine_runs(
    tape: str, paper_url: str, terminal: On
) -> None:
    screen = terminal("run", "--tape", tape, "--speed", "20", "--db", paper_url)
    screen.until("bought ")

    screen.program.send_signal(signal.SIGINT)

    assert screen.rest() == 0
    assert SHOWN in screen.shown
    assert end_of(paper_url) == ("asked to stop", [])


@pytest.mark.parametrize("command", ["positions", "tape info", "pairs list", "events"])
def test_every_list_shows_it_literally(
    tape: str, paper_url: str, command: str, terminal: On
) -> None:
    call_here("run", "--tape", tape, "--speed", "max", "--db", paper_url)
    words = [*command.split(), *([tape] if "tape" in command else ["--db", paper_url])]

    screen = terminal(*words)

    assert screen.rest() == 0
    assert screen.shown
    if command == "positions":
        assert "[/OT]" in screen.shown
        assert "[total]" in screen.shown


def test_a_reason_of_a_halt_leaves_the_view_alive(
    tape: str, paper_url: str, terminal: On
) -> None:
    screen = terminal("run", "--tape", tape, "--speed", "5", "--db", paper_url)
    screen.until("trading")

    call("halt", "--rationale", "see [/urgent]\x1b[31m now", "--db", paper_url)
    screen.until("HALTED, no entries: operator")
    screen.program.send_signal(signal.SIGINT)

    assert screen.rest() == 0
    assert r"see [/urgent]\x1b[31m now" in screen.shown
    assert "stopped: asked to stop" in screen.shown
    assert end_of(paper_url) == ("asked to stop", [])


def test_an_engine_drains_when_its_terminal_is_closed(
    tape: str, paper_url: str, terminal: On
) -> None:
    screen = terminal("run", "--tape", tape, "--speed", "20", "--db", paper_url)
    screen.until("bought ")

    screen.hang_up()

    assert screen.program.wait() == 0
    reason, notes = end_of(paper_url)
    assert reason == "asked to stop"
    assert notes in ([], lost("Input/output error"))


def test_an_engine_that_ignores_hangups_outlives_its_terminal(
    tape: str, paper_url: str, terminal: On
) -> None:
    words = ("run", "--tape", tape, "--speed", "20", "--db", paper_url)
    screen = terminal(*words, nohup=True)
    screen.until("bought ")

    screen.hang_up()
    while "the engine goes on" not in call_here("events", "--json", "--db", paper_url):
        assert screen.program.poll() is None
    screen.program.send_signal(signal.SIGTERM)

    assert screen.program.wait() == 0
    assert end_of(paper_url) == ("asked to stop", lost("Input/output error"))


# A pipe ---------------------------------------------------------------------------------------

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the program with its output in a pipe."""
    started: list[subprocess.Popen[str]] = []

    def starting(*words: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [*PROGRAM, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield starting
    for program in started:
        program.kill()
        program.communicate()


def until(program: subprocess.Popen[str], text: str) -> None:
    assert program.stdout is not None
    for line in program.stdout:
        if text in line:
            return
    raise AssertionError(program.communicate())


@pytest.mark.parametrize("when", ["starts without", "execution.order.filled"])
def test_an_engine_trades_on_when_nobody_reads_on(
    tape: str, paper_url: str, start: Start, when: str
) -> None:
    engine = start("run", "--tape", tape, "--speed", "max", "--db", paper_url)
    until(engine, when)

    assert engine.stdout is not None
    engine.stdout.close()

    assert engine.wait() == 0
    assert engine.stderr is not None
    assert engine.stderr.read() == ""
    assert end_of(paper_url) == ("the tape ended", lost("Broken pipe"))


@pytest.mark.parametrize("asked", [signal.SIGHUP, signal.SIGTERM])
def test_an_engine_without_a_reader_drains_when_it_is_asked(
    tape: str, paper_url: str, start: Start, asked: signal.Signals
) -> None:
    engine = start("run", "--tape", tape, "--speed", "20", "--db", paper_url)
    until(engine, "execution.order.filled")

    assert engine.stdout is not None
    engine.stdout.close()
    engine.send_signal(asked)

    assert engine.wait() == 0
    assert end_of(paper_url)[0] == "asked to stop"


def test_a_reader_that_has_had_enough_of_a_list_ends_it_quietly(
    tape: str, paper_url: str, start: Start
) -> None:
    call_here("run", "--tape", tape, "--speed", "max", "--db", paper_url)
    listing = start("events", "--db", paper_url)
    assert listing.stdout is not None
    listing.stdout.close()

    assert listing.wait() == 0
    assert listing.stderr is not None
    assert listing.stderr.read() == ""


# An encoding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252:strict"])
def test_an_engine_shows_what_its_encoding_has(
    tape: str, paper_url: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)

    with Path(os.devnull).open("rb") as nothing:
        done = subprocess.run(
            [*PROGRAM, "run", "--tape", tape, "--speed", "max", "--db", paper_url],
            stdin=nothing,
            capture_output=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert b"execution.position.opened" in done.stdout
    assert b"Capital, dollars" in done.stdout
    assert end_of(paper_url) == ("the tape ended", [])
