"""One run of the engine as a person starts it.

Tape, database, speed and what is shown of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from dutchbook import home
from dutchbook.application.lease import Fence, take, turn
from dutchbook.application.lifecycle import count_run
from dutchbook.application.pairs import traded_pairs
from dutchbook.bootstrap import POLL_SECONDS, build
from dutchbook.config import Settings
from dutchbook.console.lines import EventLines
from dutchbook.console.live import LiveView, PairLine, Standing
from dutchbook.documents import read_document
from dutchbook.domain.contract import Outcome, Platform
from dutchbook.domain.settlement import Key, Ruling, read_results
from dutchbook.domain.units import plain
from dutchbook.engine import Engine
from dutchbook.errors import InvalidInput, LeaseHeld, LeaseLost
from dutchbook.persistence.anchors import AnchorFile
from dutchbook.persistence.database import Database
from dutchbook.ports import Journal
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.live import run_live
from dutchbook.runtime.process import gone, myself
from dutchbook.runtime.virtual_time import run_virtual, turnstile
from dutchbook.tape import demo
from dutchbook.tape.format import open_tape
from dutchbook.tape.message import Tape

REDRAW_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What `dutchbook run` was asked for; `speed` None is as fast as the machine can."""

    settings: Settings
    tape: str
    database: str
    speed: Decimal | None
    seed: int
    quiet: bool
    standby: bool = False
    results: Path | None = None

    @property
    def term(self) -> timedelta:
        """How long a lease lasts that is not renewed."""
        return timedelta(seconds=self.settings.execution.lease_seconds)

    @property
    def poll_seconds(self) -> float:
        """How often commands are looked for, in seconds of the tape."""
        return POLL_SECONDS if self.speed is None else REDRAW_SECONDS * float(self.speed)


@dataclass(frozen=True, slots=True)
class _Played:
    """A tape, and what its contracts resolve to at its end."""

    tape: Tape
    results: Mapping[Key, Ruling]


def speed(text: str) -> Decimal | None:
    """Read ``--speed``: a number above zero, or ``max`` (None)."""
    if text == "max":
        return None
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal(0)
    if not number.is_finite() or number <= 0:
        raise InvalidInput("--speed", text, "a number above zero, or max")
    return number


def run(options: Options, console: Console) -> dict[str, Any]:
    """Run the engine to the end of its tape, or until it is interrupted.

    Returns the summary.

    Raises:
        LeaseHeld: Another engine runs on the database, or took it over from this one.
    """
    tape = chosen_tape(options)
    played = _Played(tape, _results(options, tape))
    database = Database.at(options.database)
    database.prepare("paper")
    if not options.standby:
        return _run(options, played, database, console, taking_over=False)
    while True:
        frozen = run_live(_turn(options, database, console))
        try:
            return _run(options, played, database, console, taking_over=frozen)
        except LeaseLost:
            raise
        except LeaseHeld:  # another one was faster, or still holds its locks
            run_live(SystemClock().sleep(1))


def _run(
    options: Options,
    played: _Played,
    database: Database,
    console: Console,
    *,
    taking_over: bool,
) -> dict[str, Any]:
    trading = _trade(options, played, database, console, taking_over=taking_over)
    return run_virtual(trading) if options.speed is None else run_live(trading)


async def _turn(options: Options, database: Database, console: Console) -> bool:
    """Wait for the lease, in real time; see `dutchbook.application.lease.turn`."""
    if not options.quiet:
        _writer(console)(f"{database.shown}: standing by")
    journal = database.journal(turnstile())
    await journal.open()
    try:
        return await turn(journal, SystemClock(), options.term, gone)
    finally:
        await journal.close()


def chosen_tape(options: Options) -> Tape:
    """Return the tape that was asked for.

    Raises:
        TapeError: There is none at that path, or it is not whole.
    """
    return open_tape(demo.PATH if options.tape == "demo" else Path(options.tape))


def _results(options: Options, tape: Tape) -> dict[Key, Ruling]:
    """Return what the tape's contracts resolve to at its end."""
    if options.results is None:
        return {}
    document = read_document(options.results)
    return read_results(str(options.results), document, tape.meta.contracts)


async def _trade(
    options: Options,
    played: _Played,
    database: Database,
    console: Console,
    *,
    taking_over: bool,
) -> dict[str, Any]:
    tape = played.tape
    clock = TapeClock(tape.meta.first, float(options.speed or 1))
    journal = database.journal(turnstile(), alone=True, taking_over=taking_over)
    await journal.open()
    fence = None
    try:
        file = home.halt_file(database)
        fence = await take(journal, SystemClock(), myself(), options.term, gone, file)
        number = await count_run(journal, fence)
        if not options.quiet:
            await _first_line(journal, database, console, _book_age(options.settings, tape))
        engine = build(
            options.settings,
            tape,
            journal,
            clock,
            seed=options.seed,
            run=number,
            pairs=await traded_pairs(journal, tape.meta.contracts, tape.meta.pairs),
            results=played.results,
            fence=fence,
            poll_seconds=options.poll_seconds,
            anchors=AnchorFile(home.anchor_path(database), SystemClock(), turnstile()),
        )
        summary = await _kept(
            engine, fence, options, _watched(engine, number, options, console)
        )
        await fence.release(journal)
        return summary
    finally:
        await journal.close(fenced_off=fence is not None and not fence.believed)


async def _kept(
    engine: Engine, fence: Fence, options: Options, trading: Coroutine[Any, Any, dict[str, Any]]
) -> dict[str, Any]:
    """Trade, and in live time keep the lease while there is nothing to commit.

    At full speed time is the tape's, and what is renewed by our clock would change its order.
    """
    if options.speed is None:
        return await trading
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(fence.keep(engine.journal))
        summary = await trading
        keeping.cancel()
    return summary


async def _watched(
    engine: Engine, number: int, options: Options, console: Console
) -> dict[str, Any]:
    """Trade, and show what happens as it was asked for."""
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(each, engine.stopping.set)
    if options.quiet:
        return await engine.trade(number)
    if console.is_terminal and options.speed is not None:
        return await _shown(engine, number, console)
    engine.bus.subscribe(EventLines(_writer(console, engine.stopping.set)))
    return await engine.trade(number)


def _book_age(settings: Settings, tape: Tape) -> str:
    """Tell how old a book may be, where that is so because of the tape."""
    if settings.detection.book_age_seconds is not None or not tape.meta.polled:
        return ""
    seconds = int(settings.book_age(polled=True).total_seconds())
    return f"; the tape was polled, so books up to {seconds} s old are traded on"


async def _first_line(
    journal: Journal, database: Database, console: Console, book_age: str
) -> None:
    """Say where this run starts from, so that nobody trades on spent capital by surprise."""
    held = await journal.rows("open_positions")
    count = sum(row["status"] != "CLOSED" for row in held)
    standing = f"goes on with {count} open positions" if count else "starts with nothing held"
    _writer(console)(f"{database.shown}: {standing}{book_age}")


def _writer(
    console: Console, closed: Callable[[], None] | None = None
) -> Callable[[str], None]:
    """Return what writes a line; when no more can be written, the engine is asked to stop.

    Nobody reads any more, or the disk is full: what is under way is brought to its end.
    """

    def write(line: str) -> None:
        try:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        except OSError:
            if closed is not None:
                closed()

    return write


async def _shown(engine: Engine, number: int, console: Console) -> dict[str, Any]:
    """Trade with the live view on the terminal."""
    pairs = [
        PairLine(
            watch.match.kalshi.title,
            watch.kalshi,
            watch.polymarket,
            {outcome: watch.match.hedge(outcome) for outcome in Outcome},
        )
        for watch in engine.watchlist.pairs.values()
    ]
    view = LiveView(pairs)
    engine.bus.subscribe(view)
    with Live(view.draw(standing(engine)), console=console, auto_refresh=False) as live:

        async def redraw() -> None:
            while True:
                await engine.clock.sleep(REDRAW_SECONDS * float(_speed(engine)))
                live.update(view.draw(standing(engine)), refresh=True)

        drawing = asyncio.ensure_future(redraw())
        try:
            summary = await engine.trade(number)
        finally:
            drawing.cancel()
        live.update(view.draw(standing(engine)), refresh=True)
    return summary


def _speed(engine: Engine) -> float:
    return engine.clock.speed if isinstance(engine.clock, TapeClock) else 1.0


def standing(engine: Engine) -> Standing:
    """Return where the engine stands, for the live view."""
    positions = Counter(p.status.value for p in engine.holdings.positions.values())
    balances = {platform: engine.risk.balance(platform) for platform in Platform}
    return Standing(
        now=engine.clock.now().isoformat(sep=" ", timespec="seconds"),
        mode="paper",
        halted=tuple(sorted(engine.risk.state.halt_reasons)),
        opportunities=engine.detection.opportunities,
        edges_seen=engine.detection.edges_seen,
        running=engine.queue.running,
        positions=dict(sorted(positions.items())),
        capital={
            platform: (plain(each.free), plain(each.reserved), plain(each.committed))
            for platform, each in balances.items()
        },
    )
