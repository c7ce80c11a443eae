"""Terminal output of a run: lines of events, or a view that is redrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun
from dutchbook.bootstrap.paper_run import REDRAW_SECONDS
from dutchbook.cli.console.lines import EventLines
from dutchbook.cli.console.live import LiveView
from dutchbook.runtime.clock import TapeClock


class TerminalScreen:
    """Shows a run on a console: as a live view on a terminal, else line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str) -> None:
        """Show one line of text."""
        _writer(self._console)(text)

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Run the engine to its end and show what happens; return its summary."""
        engine = paper.engine
        if self._console.is_terminal and live:
            return await _shown(paper, number, self._console)
        engine.committer.subscribe(EventLines(_writer(self._console, engine.stopping.set)))
        return await paper.trade(number)


def _writer(
    console: Console, closed: Callable[[], None] | None = None
) -> Callable[[str], None]:
    """Return a function that writes a line, and calls `closed` if nothing can be written.

    Then the reader is gone or the disk is full; the engine stops after finishing open work.
    """

    def write(line: str) -> None:
        try:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        except OSError:
            if closed is not None:
                closed()

    return write


async def _shown(paper: PaperRun, number: int, console: Console) -> dict[str, Any]:
    """Trade with the live view on the terminal."""
    engine = paper.engine
    view = LiveView(engine)
    engine.committer.subscribe(EventLines(view.tail.append))
    with Live(view.draw(), console=console, auto_refresh=False) as live:

        async def redraw() -> None:
            while True:
                await engine.clock.sleep(REDRAW_SECONDS * float(_speed(engine)))
                live.update(view.draw(), refresh=True)

        drawing = asyncio.ensure_future(redraw())
        try:
            summary = await paper.trade(number)
        finally:
            drawing.cancel()
        live.update(view.draw(), refresh=True)
    return summary


def _speed(engine: Engine) -> float:
    return engine.clock.speed if isinstance(engine.clock, TapeClock) else 1.0
