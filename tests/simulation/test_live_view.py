"""What a person sees while an engine runs, on a terminal and elsewhere."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from support.bench import Bench, bench
from support.memory_journal import MemoryJournal
from support.runs import HELD, Finished, play

from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.cli.console.lines import EventLines
from dutchbook.cli.console.literal import LiteralConsole
from dutchbook.cli.console.live import LiveView
from dutchbook.cli.console.screen import TerminalScreen
from dutchbook.cli.console.state import Alone
from dutchbook.config import load
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import Event
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

BEFORE = (
    "DUTCHBOOK paper, tape generated-7 at 2026-07-05 18:00:00, 1x, 0 % Ctrl-C stops",
    "trading paper.db, run 1",
    "Result +0.00 0.00 closed, 0.00 locked in 0 worst +0.00 best +0.00 fees in it 0.00",
)
AFTER_TWO_MINUTES = (
    "tape generated-7 at 2026-07-05 18:02:00, 1x, 50 %",
    "Capital Kalshi 4,997.31 (4,849.31 free) Polymarket 4,998.95 (4,953.55 free)",
    "BOOKS 67 edges seen, 2 opportunities",
    "Northern Rovers win the cup 0.25 0.28 0.225 0.23 +2.0c",
    "Southern Albion win the cup 0.105 0.11 0.103 0.11 -0.5c",
    "18:00:48 bought 200 Northern Rovers win the cup, 0.986 a pair +2.85 locked",
)
"""Lines of the second frame, each run of spaces as one."""
CRITICAL = "system.health.critical"
OWN_SCREEN, SHARED_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


MINUTES = 4
FAULTS = (
    "paper.fault_partial=150000",
    "paper.fault_rejected=200000",
    "paper.lag_steps=0",
)


def printed(view: LiveView, width: int = 96, height: int = 24) -> str:
    paper = io.StringIO()
    LiteralConsole(paper, width=width, height=height).print(view.draw())
    return paper.getvalue()


def seen(
    *moments: float, settings: tuple[str, ...] = (), **how: Any
) -> tuple[list[str], Finished]:
    """Return the view at some seconds of a run, and the run."""
    frames: list[str] = []

    def look(paper: PaperRun) -> None:
        view = LiveView(paper.engine, paper.tape.meta, "paper.db, run 1")
        paper.engine.committer.subscribe(view)

        async def at_the_moments() -> None:
            for moment in moments:
                await paper.engine.clock.sleep(moment - paper.engine.clock.monotonic())
                frames.append(printed(view))

        looking.append(asyncio.ensure_future(at_the_moments()))

    looking: list[asyncio.Future[None]] = []
    return frames, play(*HELD, *settings, minutes=MINUTES, prepare=look, **how)


def test_the_view_shows_books_capital_positions_and_what_happened() -> None:
    frames, _ = seen(0, 120.5, settings=FAULTS)

    before = [" ".join(line.split()) for line in frames[0].splitlines()]
    assert tuple(before[:3]) == BEFORE
    later = " ".join(frames[1].split())
    assert [line for line in AFTER_TWO_MINUTES if line not in later] == []
    assert "system.records.changed" not in later


def test_what_closing_now_brings_is_what_an_exit_at_the_books_would() -> None:
    """Next to it stands what the position locks, which no book changes."""
    frames, run = seen(120.5, settings=FAULTS)

    position = min(run.tables["open_positions"], key=lambda each: each["opened_at"])
    short = position["position_id"][:8]
    (row,) = (line for line in frames[0].splitlines() if line.startswith(f" {short}"))
    *_, contracts, paid, locked, now = row.split()
    assert Decimal(contracts) == position["kalshi_size"]
    assert (paid, locked, now) == ("197.15", "+2.85", "-12.02")


async def left_alone(at: Bench, seconds: float, **books: Any) -> Alone:
    """Return what the view shows of an unhedged leg after some seconds."""
    view = LiveView(at.engine, generated_tape(7, minutes=1).meta)
    at.engine.committer.subscribe(view)
    await at.expose(**books)
    await at.rest(seconds)
    (alone,) = view.state().alone
    return alone


@pytest.mark.parametrize(
    ("bid", "way", "command"),
    [
        (47, "complete at 0.53: +4.57", "dutchbook retry-leg {} --price 0.53"),
        (20, "close at 0.41: -2.37", "dutchbook close-leg {}"),
    ],
)
def test_an_unhedged_leg_is_shown_with_its_risk_its_age_and_the_command_to_type(
    bid: int, way: str, command: str
) -> None:
    run = bench(partial(left_alone, seconds=2, bids={bid: "500"}))

    alone, name = run.answer, run.position["position_id"][:8]
    assert alone.held == "100 YES Kalshi"
    assert (alone.at_risk, alone.seconds) == (Decimal("41.68"), 2)
    assert (alone.way, alone.command) == (way, command.format(name))


def test_a_leg_about_which_nothing_can_be_done_says_why() -> None:
    run = bench(partial(left_alone, seconds=70))

    alone, name = run.answer, run.position["position_id"][:8]
    assert alone.way.startswith("nothing to do now: ")
    assert alone.command == f"dutchbook position {name}"


def test_a_halt_is_shown_with_its_reason_and_the_summary_has_the_terminal_after_it() -> None:
    output = io.StringIO()
    console = LiteralConsole(output, width=96, height=24, force_terminal=True)

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
    last = shown[shown.rindex("DUTCHBOOK") :]
    assert "trading" in shown
    assert "HALTED, no entries: operator (looked at by hand)" in last
    assert "stopped: the tape ended" in last
    assert shown.rindex(OWN_SCREEN) < shown.rindex("DUTCHBOOK") < shown.rindex(SHARED_SCREEN)


def test_a_resized_terminal_gets_a_screen_of_its_new_size() -> None:
    frames: list[list[str]] = []

    def look(paper: PaperRun) -> None:
        view = LiveView(paper.engine, paper.tape.meta)
        for width, height in ((96, 24), (60, 12)):
            frames.append(printed(view, width, height).splitlines())

    play(minutes=1, prepare=look)

    assert [max(map(len, rows)) for rows in frames] == [96, 60]


def test_the_name_of_a_database_is_shown_and_never_its_password() -> None:
    output = io.StringIO()
    console = LiteralConsole(output, width=96, height=24, force_terminal=True)
    url = "postgresql://bob:swordfish@127.0.0.1:5432/paper"

    async def main() -> None:
        tape = generated_tape(7, minutes=1)
        paper = build_paper(load(), tape, MemoryJournal(), TapeClock(tape.meta.first), seed=7)
        await TerminalScreen(console, url).trade(paper, 3, live=True)

    run_virtual(main())

    assert "paper, run 3" in output.getvalue()
    assert "swordfish" not in output.getvalue()


class Undrawn(LiveView):
    """Cannot be drawn."""

    def draw(self) -> Any:
        raise KeyError("a secret")


class Torn:
    """Cannot be printed."""

    def __rich_console__(self, *_: object) -> Iterator[str]:
        yield "half a view"
        raise ValueError("a secret")


class Unprinted(LiveView):
    """Can be printed for a while."""

    frames = 0

    def draw(self) -> Any:
        self.frames += 1
        return super().draw() if self.frames < 20 else Torn()


class Deaf(LiveView):
    """Takes no event."""

    def __call__(self, event: Event, sequence: int) -> None:
        raise TypeError(f"a secret: {event}, {sequence}")


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


def test_the_lines_of_a_run_leave_out_records_that_changed() -> None:
    lines: list[str] = []

    run = play(
        minutes=2,
        prepare=lambda paper: paper.engine.committer.subscribe(EventLines(lines.append, {})),
    )

    assert run.summary["events"]["system.records.changed"] > 0
    assert lines
    assert not [line for line in lines if "system.records.changed" in line]
