"""Forks an engine, kills it, lets the next one continue, and asks the oracle."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from support.shelf import Shelf

from .awaits import Awaits
from .life import WITHIN, Life, Passed, live
from .oracle import judge, quiet
from .scenario import AGAIN, FIRST, Scenario
from .truth import Truth

KILLED, BROKEN = -signal.SIGKILL, 3
PATIENCE, WAITING = 60.0, 5.0
MEMORY = Path("/dev/shm")  # noqa: S108 - a killed process loses nothing that it wrote there
POLL = 0.002
LIVES = 3
"""Most lives after the last kill: where a tape ends, open questions wait for the next start."""
ANY, TIME, TERM = "any", "time", "term"
AWAIT = "await "
SERVED = "postgresql "


@dataclass(frozen=True, slots=True)
class Kill:
    """When a life ends.

    Attributes:
        name: A crash point; `any` is the n-th of all points; `time` and `term`: real time until
            SIGKILL, or until SIGTERM, which asks the engine to drain; `await WAY SITE` does
            not kill: see `crash.awaits`.
        at: Which visit of the point, or how many milliseconds.
    """

    name: str
    at: int

    def __str__(self) -> str:
        return f"{self.name}#{self.at}"

    @classmethod
    def read(cls, text: str) -> Kill:
        """Parse the text that `str` wrote."""
        name, _, at = text.strip().rpartition("#")
        return cls(name, int(at))

    def injected(self, mark: Path) -> Awaits | None:
        """Return the injection at an await, if this is one; it creates `mark` on striking."""
        if not self.name.startswith(AWAIT):
            return None
        way, site = self.name.removeprefix(AWAIT).split(" ")
        return Awaits(way, site, self.at, mark)

    def strikes(self, name: str, visit: int, total: int) -> bool:
        """Return whether to kill at this visit of a point."""
        if self.name == ANY:
            return total == self.at
        return name == self.name and visit == self.at


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario and the kills of its lives, in order; the last life is not killed.

    `on_server`: its rows are on PostgreSQL, not in a file.
    """

    seed: int
    number: int
    kills: tuple[Kill, ...]
    on_server: bool = False

    def __str__(self) -> str:
        where = SERVED if self.on_server else ""
        return f"{where}{self.number}: " + ", ".join(map(str, self.kills))

    @classmethod
    def read(cls, seed: int, text: str) -> Case:
        """Parse the text that `str` wrote."""
        number, _, kills = text.removeprefix(SERVED).partition(":")
        read = tuple(map(Kill.read, kills.split(",")))
        return cls(seed, int(number), read, text.startswith(SERVED))

    @property
    def fresh(self) -> bool:
        """Whether the kills strike while the database is created."""
        return any("schema" in each.name or "migration" in each.name for each in self.kills)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a case: the kills that struck, and everything that was wrong."""

    case: Case
    struck: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a life passes if nothing kills it.

    Attributes:
        counts: How often it passes each point.
        within: How often it commits each event, first in its batch or not.
        awaits: How often it waits at each await of the program.
        wrong: What the oracle finds wrong.
    """

    counts: Counter[str]
    within: Counter[str]
    awaits: Counter[str]
    wrong: tuple[str, ...]


class Ground:
    """A folder for cases, with databases that are ready to be copied."""

    def __init__(self, folder: Path, server: str | None = None) -> None:
        self._folder = folder
        self.shelf = Shelf(folder, server)

    def profile(self, case: Case, *, fresh: bool) -> Profile:
        """Run the case, then measure one more life that nothing kills."""
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as place,
            self.shelf.database(Path(place), fresh=fresh, on_server=case.on_server) as url,
        ):
            counted = Path(place) / "counts"
            for number, kill in enumerate(case.kills):
                _forked(_life(place, url, case, number, fresh=fresh), kill)
            life = _life(place, url, case, len(case.kills), fresh=fresh)
            status = _forked(life, None, counted)
            wrong = _broken(life, status)
            if not wrong and quiet(url):
                wrong = judge(url, Truth.read(life.truth), life.anchors)
            counts = _counts(counted)
            within = Counter({k: v for k, v in counts.items() if k.startswith(WITHIN)})
            awaits = Counter({k: v for k, v in counts.items() if k.startswith(AWAIT)})
            return Profile(counts - within - awaits, within, awaits, tuple(wrong))

    def seconds(self, case: Case) -> float:
        """Return the duration of a life that is neither killed nor observed."""
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as place,
            self.shelf.database(Path(place), fresh=False, on_server=case.on_server) as url,
        ):
            life = _life(place, url, case, 0, fresh=False)
            began = time.perf_counter()
            _forked(life, None)
            return time.perf_counter() - began

    def try_out(self, case: Case) -> Verdict:
        """Kill as the case says, recover, and judge."""
        fresh, struck = case.fresh, list[str]()
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as place,
            self.shelf.database(Path(place), fresh=fresh, on_server=case.on_server) as url,
        ):
            for number, kill in enumerate((*case.kills, *[None] * LIVES)):
                life = _life(place, url, case, number, fresh=fresh)
                status = _forked(life, kill)
                injected = kill is not None and life.mark.exists()
                if kill is not None and (status == KILLED or kill.name == TERM or injected):
                    struck.append(kill.name)
                life.mark.unlink(missing_ok=True)
                if wrong := _broken(life, 0 if injected and status == BROKEN else status):
                    return Verdict(case, tuple(struck), tuple(wrong))
                if kill is None and quiet(url):
                    break
            wrong = judge(url, Truth.read(life.truth), life.anchors)
            return Verdict(case, tuple(struck), tuple(wrong))


def _life(place: str, url: str, case: Case, number: int, *, fresh: bool) -> Life:
    """Return a life; its tapes are generated here, before the process for it is forked."""
    scenario = Scenario(case.seed, case.number)
    for minutes in (FIRST, AGAIN):
        scenario.tape(minutes)
    return Life(Path(place), url, scenario, number, fresh=fresh)


def _counts(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    if path.exists():
        for line in path.read_text().splitlines():
            name, _, count = line.rpartition(" ")
            counts[name] = int(count)
    return counts


def _broken(life: Life, status: int) -> list[str]:
    """Return the error of a life that ended by itself."""
    if status in (0, KILLED):
        return []
    note = life.folder / f"error.{life.number}"
    lines = note.read_text().strip().splitlines() if note.exists() else []
    return [f"life {life.number} ended with {status}", *lines[-12:]]


def _forked(life: Life, kill: Kill | None, counted: Path | None = None) -> int:
    """Run a life in a forked process; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        _child(life, kill, counted)
    if kill is not None and kill.name in (TIME, TERM):
        time.sleep(kill.at / 1000)
        os.kill(child, signal.SIGKILL if kill.name == TIME else signal.SIGTERM)
    injected = kill is not None and kill.name.startswith(AWAIT)
    timeout = WAITING if injected else PATIENCE
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL)
    if injected:  # a task may wait for ever for one that was cancelled
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return KILLED
    os.kill(child, signal.SIGABRT)
    os.waitpid(child, 0)
    (life.folder / f"error.{life.number}").write_text(f"it hung for {PATIENCE} s")
    return -signal.SIGABRT


def _child(life: Life, kill: Kill | None, counted: Path | None) -> None:
    """Run the life, record its error, and exit without touching the parent's open files."""
    code = BROKEN
    try:
        if kill is not None and kill.name == TERM:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # before the engine trades
        passed = Passed(kill.strikes) if kill is not None else Passed()
        awaits = kill.injected(life.mark) if kill is not None else None
        if counted is not None:
            awaits = Awaits()
        live(life, passed, awaits)
        if counted is not None and awaits is not None:
            waited = Counter({f"{AWAIT}{site}": n for site, n in awaits.counts.items()})
            seen = passed.counts + passed.within + waited
            lines = (f"{name} {count}" for name, count in seen.items())
            counted.write_text("\n".join(lines))
        code = 0
    except BaseException:  # noqa: BLE001 - the parent reads it
        (life.folder / f"error.{life.number}").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def home() -> Path | None:
    """Return the fastest folder for databases; None: the system's folder for such files."""
    return MEMORY if MEMORY.is_dir() else None


def drawn(seed: int, what: str) -> random.Random:
    """Return a random generator for one part of the programme."""
    return random.Random(f"{seed}.{what}")  # noqa: S311 - a test's draws
