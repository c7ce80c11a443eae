"""Run the program as a person does, and check its output and exit code."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dutchbook.bootstrap import paper_run
from dutchbook.bootstrap.paper import generated_tape
from dutchbook.cli.main import main
from dutchbook.config import load
from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.runtime.stop_signals import SIGNALS
from dutchbook.tape.format import write_tape
from dutchbook.tape.message import MemoryTape

PROGRAM = [sys.executable, "-m", "dutchbook"]


def call(*words: str, fails: int = 0, program: Sequence[str] = PROGRAM) -> str:
    """Run a command to its end and return its output.

    Where an exit code is expected in `fails`, return the one line on standard error instead.
    """
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    return _output(done.returncode, done.stdout, done.stderr, fails)


def _output(code: int, printed: str, complaint: str, fails: int) -> str:
    assert code == fails, complaint
    if fails:
        assert complaint.count("\n") == 1, complaint
        assert "Traceback" not in complaint
        return complaint
    return printed


def found(*words: str, program: Sequence[str] = PROGRAM) -> str:
    """Return the output of a command that ends with 1 since there is what it looks for."""
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    return done.stdout


def at_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Make a folder the home of the user who runs the program from now on."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        patch.setenv(name, str(home))


@contextmanager
def engine_running(url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run an engine from the moment it has started, and kill what is left of it at the end."""
    child = subprocess.Popen(
        [*PROGRAM, "run", "--db", url, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        shown(child, "system.started")
        yield child
    finally:
        child.kill()
        child.communicate()


def shown(child: subprocess.Popen[str], event: str) -> str:
    """Wait until an engine has printed an event, and return its line."""
    assert child.stdout is not None
    for line in child.stdout:
        if event in line:
            return line
    raise AssertionError(child.communicate())


@contextmanager
def signals_kept() -> Iterator[None]:
    """Undo what a command does to the signals of its process, which is to end after it."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def call_here(*words: str, fails: int = 0) -> str:
    """Do the same as `call` in this process, which saves starting an interpreter."""
    return _output(*ended_here(*words), fails)


def ended_here(*words: str, reply: str = "") -> tuple[int, str, str]:
    """Run a command in this process, and reply if it prompts.

    Returns:
        Its exit code, and what it wrote to standard output and to standard error.
    """
    out, complaints = io.StringIO(), io.StringIO()
    with (
        signals_kept(),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(complaints),
    ):
        patch.setattr(sys, "argv", ["dutchbook", *words])
        patch.setattr(sys, "stdin", io.StringIO(reply))
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), out.getvalue(), complaints.getvalue()


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code and its standard error."""
    capsys.readouterr()
    with signals_kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dutchbook", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), capsys.readouterr().err


def traded(url: str, tape: Path, *settings: str) -> dict[str, Any]:
    """Run a tape to its end as `dutchbook run` does, and return the summary."""
    options = paper_run.Options(load(None, settings), str(tape), url, speed=None, seed=1)
    return paper_run.run(options, paper_run.NoScreen())


def bare_tape(path: Path, *, rules: str | None = None, minutes: int = 20) -> Path:
    """Write a generated tape without pairs, with other rules if they are given."""
    tape = generated_tape(5, minutes=minutes)
    contracts = tuple(replace(each, rules=rules or each.rules) for each in tape.meta.contracts)
    meta = replace(tape.meta, pairs=(), contracts=contracts)
    write_tape(path, MemoryTape(meta, tape.rows))
    return path


def titled_tape(path: Path, title: str, *, minutes: int) -> Path:
    """Write a generated tape whose contracts all have this title."""
    made = generated_tape(7, minutes=minutes)
    contracts = tuple(replace(each, title=title) for each in made.meta.contracts)
    known = {(each.platform, each.contract_id): each for each in contracts}
    pairs = tuple(
        replace(
            pair,
            kalshi=known[pair.kalshi.platform, pair.kalshi.contract_id],
            polymarket=known[pair.polymarket.platform, pair.polymarket.contract_id],
        )
        for pair in made.meta.pairs
    )
    meta = replace(made.meta, contracts=contracts, pairs=pairs)
    write_tape(path, MemoryTape(meta, made.rows))
    return path


ROVERS: dict[Platform, Contract] = {
    each.platform: each for each in generated_tape(5, minutes=20).meta.contracts[:2]
}
"""The two contracts of `bare_tape` on the same question."""


def facts(platform: Platform, /, **fields: Any) -> dict[str, Any]:
    """Return a contract of `ROVERS` as a row of a pair file, with `fields` replaced.

    A field set to None is omitted.
    """
    contract = ROVERS[platform]
    row: dict[str, Any] = {
        "platform": platform.value,
        "contract_id": contract.contract_id,
        "title": contract.title,
        "rules": contract.rules,
        "tick": str(contract.grid.finest),
        "size_step": str(contract.sizing.step),
        "size_minimum": str(contract.sizing.minimum),
        "notional_minimum": str(contract.sizing.minimum_notional),
        "cent_exact": contract.sizing.cent_exact,
        "close_time": contract.close_time.isoformat(),
        "resolution_time": contract.resolution_time.isoformat(),
        "cash_delay_hours": contract.cash_delay.days * 24,
    }
    kalshi = platform is Platform.KALSHI
    row |= {"fee_type": "quadratic"} if kalshi else {"fee_category": "sports"}
    row |= fields
    return {name: value for name, value in row.items() if value is not None}


def both(**fields: Any) -> list[dict[str, Any]]:
    """Return the rows of both contracts; `fields` replace those of Kalshi's."""
    return [facts(Platform.KALSHI, **fields), facts(Platform.POLYMARKET)]


def rovers(**fields: Any) -> dict[str, Any]:
    """Return the pair of both as a row, with `fields` replaced; None omits a field."""
    kalshi, polymarket = (ROVERS[platform].contract_id for platform in Platform)
    row: dict[str, Any] = {"kalshi": kalshi, "polymarket": polymarket, "match_id": "rovers"}
    row |= {"divergence_class": "identical"} | fields
    return {name: value for name, value in row.items() if value is not None}


def pair_file(path: Path, **tables: Any) -> Path:
    """Write a pair file as JSON."""
    path.write_text(json.dumps(tables), encoding="utf-8")
    return path
