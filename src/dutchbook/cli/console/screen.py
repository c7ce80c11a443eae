"""Terminal output of a run: lines of events, or a view that takes the whole terminal.

The engine does not depend on it: without its view or its output, it trades on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun
from dutchbook.bootstrap.paper_run import REDRAW_SECONDS
from dutchbook.cli.console.lines import EventLines
from dutchbook.cli.console.live import LiveView
from dutchbook.cli.output import lost_output
from dutchbook.domain.events import Event
from dutchbook.runtime.clock import TapeClock

COMPONENT = "output"


class TerminalScreen:
    """Shows a run on a console: as a live view on a terminal, else line by line."""

    def __init__(self, console: Console, database: str = "") -> None:
        self._console = console
        # The rest of a URL may be long, or a password.
        self._name = urlsplit(database).path.rsplit("/", 1)[-1]

    def line(self, text: str) -> None:
        """Show one line of text."""
        self._console.print(text, soft_wrap=True)

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Run the engine to its end and show what happens; return its summary."""
        name = f"{self._name}, run {number}" if self._name else f"run {number}"
        view = LiveView(paper.engine, paper.tape.meta, name)
        shown = _Shown(self._console, self.line, paper.engine, view)
        paper.engine.committer.subscribe(shown.event)
        if not (self._console.is_terminal and live):
            return await paper.trade(number)
        drawing = asyncio.ensure_future(shown.draw())
        try:
            return await paper.trade(number)
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})


class _Shown:
    """What is shown of one engine; a failure is noted once, in the engine's log."""

    def __init__(
        self, console: Console, line: Callable[[str], None], engine: Engine, view: LiveView
    ) -> None:
        self._console = console
        self._engine = engine
        self._view = view
        questions = {pair.match_id: pair.kalshi.title for pair in engine.pairs}
        self._lines = EventLines(line, questions)
        self._drawing = False
        self._noted = False

    def event(self, event: Event, sequence: int) -> None:
        """Show one event; a subscriber that failed would end all delivery."""
        try:
            self._view(event, sequence)
            if not self._drawing:
                self._lines(event, sequence)
        except Exception as error:  # noqa: BLE001 - nothing that is shown may end an engine
            self._note(f"an event cannot be shown: {type(error).__name__}")
        self._note_lost_output()

    async def draw(self) -> None:
        """Redraw the view until cancelled; if that fails, show events as lines instead.

        It has a screen of the terminal for itself: a resize leaves nothing behind.
        """
        self._drawing = True
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            with live:
                await self._redraw(live)
        except Exception as error:  # noqa: BLE001 - nothing that is shown may end an engine
            self._note(f"the view failed: {type(error).__name__}")
        self._drawing = False

    async def _redraw(self, live: Live) -> None:
        """Redraw until cancelled, and then once more."""
        clock = self._engine.clock
        speed = clock.speed if isinstance(clock, TapeClock) else 1.0
        try:
            while True:
                live.update(self._view.draw(), refresh=True)
                self._note_lost_output()
                await clock.sleep(REDRAW_SECONDS * float(speed))
        except asyncio.CancelledError:
            live.update(self._view.draw(), refresh=True)
        except Exception:
            live.update("")  # which the end of the view draws once more
            raise

    def _note_lost_output(self) -> None:
        if lost := lost_output():
            self._note(f"the output is lost: {lost}")

    def _note(self, detail: str) -> None:
        if not self._noted:
            self._noted = True
            self._engine.monitoring.system.critical(COMPONENT, f"{detail}; the engine goes on")
