"""What a person sees while an engine runs, on a terminal and elsewhere."""

from __future__ import annotations

import asyncio
import io
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import RenderableType
from support.memory_journal import MemoryJournal
from support.runs import HELD, play

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.cli.console.lines import EventLines
from dutchbook.cli.console.literal import LiteralConsole
from dutchbook.cli.console.live import LiveView
from dutchbook.cli.console.screen import TerminalScreen
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

BEFORE = """\
╭─ Dutchbook ──────────────────────────────────────────────────────────────────────────────────╮
│ Result +0.00 dollars: 0.00 closed and 0.00 locked in 0 open positions, 0.00 of fees in it;   │
│ at worst +0.00, at best +0.00                                                                │
│ 2026-07-05 18:00:00+00:00   paper, trading                                                   │
│ edges seen 0   opportunities 0   executions under way 0   positions: none                    │
╰──────────────────────────────────────────────────────────────────────────────────────────────╯
Books, YES in dollars
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━━┓
┃ pair                           ┃  Kalshi bid ┃  ask ┃  Polymarket bid ┃  ask ┃ cheapest pair ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━━┩
│ Northern Rovers win the cup    │           - │    - │               - │    - │             - │
│ Southern Albion win the cup    │           - │    - │               - │    - │             - │
└────────────────────────────────┴─────────────┴──────┴─────────────────┴──────┴───────────────┘
Capital in dollars
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ platform                   ┃         free ┃               reserved ┃               committed ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ kalshi                     │            0 │                      0 │                       0 │
│ polymarket                 │            0 │                      0 │                       0 │
└────────────────────────────┴──────────────┴────────────────────────┴─────────────────────────┘
╭─ Events ─────────────────────────────────────────────────────────────────────────────────────╮
│ no events yet                                                                                │
╰──────────────────────────────────────────────────────────────────────────────────────────────╯
"""
AFTER_TWO_MINUTES = (
    "2026-07-05 18:02:00+00:00 paper, trading",
    "edges seen 67 opportunities 2 executions under way 0 positions: 1 OPEN",
    "Northern Rovers win the cup │ 0.26 │ 0.28 │ 0.225 │ 0.227 │ 0.967",
    "Southern Albion win the cup │ 0.105 │ 0.11 │ 0.103 │ 0.11 │ 1.005",
    "kalshi │ 4849.3064 │ 0 │ 148",
    "polymarket │ 4953.54717 │ 0 │ 45.4",
    "18:00:52.160 execution.position.opened quantity 200, paid 197.14643, locked_profit",
)
"""Lines of the second frame, each run of spaces as one."""
CRITICAL = "system.health.critical"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def printed(view: LiveView) -> str:
    paper = io.StringIO()
    LiteralConsole(paper, width=96).print(view.draw())
    return "".join(f"{line.rstrip()}\n" for line in paper.getvalue().splitlines())


def test_the_view_shows_books_capital_positions_and_the_latest_events() -> None:
    frames: list[str] = []

    def look(paper: PaperRun) -> None:
        view = LiveView(paper.engine)
        paper.engine.committer.subscribe(EventLines(view.tail.append, {}))

        async def at_both_moments() -> None:
            frames.append(printed(view))
            await paper.engine.clock.sleep(120.5)
            frames.append(printed(view))

        looking.append(asyncio.ensure_future(at_both_moments()))

    looking: list[asyncio.Future[None]] = []
    faults = ("paper.fault_partial=150000", "paper.fault_rejected=200000")
    play(*HELD, *faults, minutes=4, prepare=look)

    assert frames[0] == BEFORE
    later = " ".join(frames[1].split())
    assert [line for line in AFTER_TWO_MINUTES if line not in later] == []
    assert "execution.order.placed" not in later


def test_a_halt_and_the_last_state_stay_on_the_terminal() -> None:
    output = io.StringIO()
    console = LiteralConsole(output, width=96, force_terminal=True)

    async def main() -> None:
        tape = generated_tape(7, minutes=1)
        clock = TapeClock(tape.meta.first)
        paper = build_paper(load(None), tape, MemoryJournal(), clock, seed=7)
        trading = asyncio.ensure_future(TerminalScreen(console).trade(paper, 1, live=True))
        await clock.sleep(30)
        await paper.engine.risk.halts.halt_trading(HaltReason.OPERATOR, "looked at by hand")
        await trading

    run_virtual(main())

    shown = output.getvalue()
    last = shown[shown.rindex("Dutchbook") :]
    assert "paper, trading" in shown
    assert "paper, halted: " in last
    assert "system.stopped" in last


class Undrawn(LiveView):
    """Cannot be drawn."""

    def draw(self) -> RenderableType:
        raise KeyError("a secret")


class Torn:
    """Cannot be printed."""

    def __rich_console__(self, *_: object) -> Iterator[str]:
        yield "half a view"
        raise ValueError("a secret")


class Unprinted(LiveView):
    """Can be printed for a while."""

    frames = 0

    def draw(self) -> RenderableType:
        self.frames += 1
        return super().draw() if self.frames < 20 else Torn()


class Tail(deque[str]):
    """Takes no line."""

    def append(self, text: str, /) -> None:
        raise TypeError(text)


class Deaf(LiveView):
    """Takes no event."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.tail = Tail()


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (Undrawn, "the view failed: KeyError"),
        (Unprinted, "the view failed: ValueError"),
        (Deaf, "an event cannot be shown: TypeError"),
    ],
)
def test_an_engine_goes_on_without_its_view(
    view: type[LiveView], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, journal = io.StringIO(), MemoryJournal()
    console = LiteralConsole(output, width=96, force_terminal=True)
    monkeypatch.setattr("dutchbook.cli.console.screen.LiveView", view)

    async def main() -> list[dict[str, Any]]:
        tape = generated_tape(7, minutes=2)
        paper = build_paper(load(None), tape, journal, TapeClock(tape.meta.first), seed=7)
        await TerminalScreen(console).trade(paper, 1, live=True)
        return await journal.rows("audit_log", None, ("sequence",))

    log = run_virtual(main())

    noted = [json.loads(row["payload"]) for row in log if row["name"] == CRITICAL]
    assert noted == [{"component": "output", "detail": f"{why}; the engine goes on"}]
    assert log[-1]["name"] == "system.stopped"
    assert "secret" not in output.getvalue()
    assert output.getvalue().rindex(SHOW_CURSOR) > output.getvalue().rindex(HIDE_CURSOR)
