"""Where tries happen: folders and homes of their own, and the real program called in them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.tape.format import write_tape

PROGRAM = (sys.executable, "-m", "dutchbook")
PATIENCE = 240.0
"""Seconds after which a command hangs: every one ends within a few on an idle machine."""
MINUTES = 6
"""Length of the tape that engines trade on."""
DONE, FOUND, MISUSED, STORAGE, HELD, PLATFORM, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
ANSWERS = {DONE, FOUND, MISUSED, STORAGE, HELD, PLATFORM, INTERRUPTED}
"""Every exit code that the program documents."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call of the program ended.

    Attributes:
        words: Its arguments.
        code: Its exit code; negative for a signal that killed it; None if it hung.
        out: Its standard output.
        err: Its standard error.
    """

    words: tuple[str, ...]
    code: int | None
    out: str
    err: str

    def __str__(self) -> str:
        tail = (self.err.strip() or self.out.strip()).splitlines()[-1:] or ["nothing said"]
        return f"{' '.join(map(repr, self.words))} ended with {self.code}: {tail[0][:200]}"


@dataclass(slots=True)
class Ground:
    """The place of one try.

    Args:
        folder: An empty folder of its own.
        shared: Files that all tries read: tapes, and a database of an engine that ran.
        rng: Where the try's choices come from.
        served: Whether a PostgreSQL can be started here.
    """

    folder: Path
    shared: Path
    rng: random.Random
    served: bool = False
    calls: list[Ended] = field(default_factory=list)
    ours: list[subprocess.Popen[Any]] = field(default_factory=list)

    @property
    def tape(self) -> Path:
        """A tape of `MINUTES` with pairs."""
        return self.shared / "short.tape"

    @property
    def database(self) -> Path:
        """Where the try's database is, or would be."""
        return self.folder / "paper.db"

    @property
    def url(self) -> str:
        """The URL of the try's database."""
        return f"sqlite:///{self.database}"

    def traded(self) -> Path:
        """Put a database here in which an engine has traded and ended; return its file."""
        shutil.copy(self.shared / "traded.db", self.database)
        return self.database

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a user with an empty home in this folder."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        kept = {"PATH": os.environ["PATH"]}
        kept |= {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, places)))}
        kept |= {"HOME": str(home), "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
        return kept | dict(extra or {})

    def call(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        typed: str | None = None,
        out: int | IO[Any] = subprocess.PIPE,
        patience: float = PATIENCE,
    ) -> Ended:
        """Call the program and wait for its end.

        Args:
            words: Its arguments.
            env: Variables beside those of `environment`.
            typed: What comes from its standard input; None for nothing.
            out: Its standard output; else it is read.
            patience: After so many seconds it hangs, and is killed.
        """
        program = self.start(*words, env=env, out=out, stdin=subprocess.PIPE)
        return self.end(program, words, typed=typed, patience=patience)

    def start(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        out: int | IO[Any] = subprocess.PIPE,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        before: Callable[[], None] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the program in a session of its own, and return it."""
        program = subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=self.environment(env),
            stdin=stdin,
            stdout=out,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509 - this process has one thread
        )
        self.ours.append(program)
        return program

    def end(
        self,
        program: subprocess.Popen[bytes],
        words: Sequence[str],
        *,
        typed: str | None = None,
        patience: float = PATIENCE,
    ) -> Ended:
        """Wait for the end of a program that was started, and note how it ended."""
        hung = False
        sent = None if typed is None else typed.encode()
        try:
            out, err = program.communicate(sent, timeout=patience)
        except subprocess.TimeoutExpired:
            hung = True
            os.killpg(program.pid, signal.SIGKILL)
            out, err = program.communicate()
        ended = Ended(
            tuple(words),
            None if hung else program.returncode,
            (out or b"").decode(errors="replace"),
            (err or b"").decode(errors="replace"),
        )
        self.calls.append(ended)
        return ended

    def clear(self) -> None:
        """Kill what still runs, and remove the folder."""
        for program in self.ours:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            for stream in (program.stdin, program.stdout, program.stderr):
                if stream is not None:
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def untouched(path: Path, wrong: list[str], what: str) -> Iterator[None]:
    """Note it in `wrong` if a file has come, gone or changed by the end."""
    before = path.read_bytes() if path.is_file() else None
    yield
    after = path.read_bytes() if path.is_file() else None
    if before != after:
        wrong.append(f"{what} changed {path.name}")


def prepare(shared: Path) -> None:
    """Write what all tries read.

    Raises:
        RuntimeError: An engine does not even trade on a sound tape.
    """
    write_tape(shared / "short.tape", generated_tape(7, minutes=MINUTES))
    ground = Ground(shared, shared, random.Random(0))  # noqa: S311 - nothing is secret
    words = ("run", "--speed", "max", "--tape", str(ground.tape), "--summary", "json")
    ended = ground.call(*words, "--db", f"sqlite:///{shared / 'traded.db'}")
    if ended.code != DONE:
        raise RuntimeError(f"an undisturbed run failed: {ended}")
    (shared / "summary.json").write_text(ended.out, encoding="utf-8")
