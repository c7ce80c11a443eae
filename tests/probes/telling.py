"""Settings of the hooks: what is started, and how long and how many may run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bench import Bench, bench
from support.programs import ListedPrograms
from support.tapes import FAIR, polls

from dutchbook.bootstrap import paper_run
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.runtime.programs import ProgramThreads
from dutchbook.tape.format import write_tape
from probes.row import Row
from probes.stored import database


async def _exposed_and_halted(at: Bench) -> None:
    await at.expose()
    await at.engine.risk.halts.halt_trading(HaltReason.OPERATOR, "me: looking")


def started(*settings: str) -> list[tuple[str, str]]:
    """Which programs are started by an exposure and a halt?"""
    programs = ListedPrograms()
    bench(_exposed_and_halted, *settings, programs=programs)
    return [(command[0], document["what"]) for command, document in programs.started]


def limit(number: int) -> Callable[..., float]:
    """Return a probe: with which limit are programs started, the time or the count?"""

    class Noted(ProgramThreads):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            seen.append(given[number])

    seen: list[float] = []

    def probe(*settings: str) -> float:
        with database() as url, pytest.MonkeyPatch.context() as patch:
            tape = Path(url.removeprefix("sqlite:///")).with_name("fair.tape")
            write_tape(tape, polls(FAIR))
            patch.setattr(paper_run, "ProgramThreads", Noted)
            options = paper_run.Options(load(None, settings), str(tape), url, None, 1)
            paper_run.run(options, paper_run.NoScreen())
        return seen.pop()

    return probe


OPENED, HALTED = "exposure opened", "halt begun"
ROWS = (
    Row(
        "hooks.on_exposure",
        started,
        {"tell": [("tell", OPENED)], "say": [("say", OPENED)]},
    ),
    Row("hooks.on_halt", started, {"tell": [("tell", HALTED)], "say": [("say", HALTED)]}),
    Row("hooks.seconds", limit(0), {7: 7, 11: 11}),
    Row("hooks.at_once", limit(1), {2: 2, 3: 3}),
)
