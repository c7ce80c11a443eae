"""One paper run from the command line: tape, database, speed, lease, and the engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from dutchbook.application.market.pairs import traded_pairs
from dutchbook.application.records.lease import Fence
from dutchbook.application.records.outages import Outages, ReconnectingJournal
from dutchbook.application.records.runs import Played, count_run, played_before
from dutchbook.bootstrap.holding import NotBegun, keep_lease, require_file, take_lease
from dutchbook.bootstrap.paper import POLL_SECONDS, PaperRun, build_paper
from dutchbook.bootstrap.run_start import anchor_file, first_line, registered
from dutchbook.bootstrap.standby import Standby
from dutchbook.config import Settings
from dutchbook.config.hooks import words
from dutchbook.domain.events import Event, SystemStarted
from dutchbook.domain.positions.settlement import Key, Ruling, read_results
from dutchbook.errors import (
    InvalidInput,
    LeaseHeld,
    LeaseLost,
    MarketDataBroken,
)
from dutchbook.persistence.database import Database
from dutchbook.ports.hooks import Programs
from dutchbook.ports.journal import Journal
from dutchbook.runtime.clock import SystemClock, TapeClock
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.live import run_live
from dutchbook.runtime.process import myself
from dutchbook.runtime.programs import ProgramThreads
from dutchbook.runtime.service_manager import READY, STOPPING, ServiceManager
from dutchbook.runtime.stop_signals import StopSignals
from dutchbook.runtime.virtual_time import run_virtual, turnstile
from dutchbook.tape import demo
from dutchbook.tape.documents import read_document
from dutchbook.tape.format import StoredTape, open_tape
from dutchbook.tape.message import Tape

REDRAW_SECONDS = 0.25
READER_SECONDS = 5
"""The lease is read before each send: without an answer, an entry is rejected."""
SHOWN = 5
"""Earlier runs that a repetition names."""
SLOWEST, FASTEST = Decimal("0.001"), Decimal(1_000_000)
"""Speeds: at the slowest a minute lasts 17 hours, at the fastest a year half a minute."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `dutchbook run`; a `speed` of None is as fast as possible.

    With `again`, what an earlier run bought on the tape is bought again. `signals` are heeded
    if the caller has entered them; else only while the engine trades.
    """

    settings: Settings
    tape: str
    database: str
    speed: Decimal | None
    seed: int
    standby: bool = False
    results: Path | None = None
    again: bool = False
    signals: StopSignals = field(default_factory=StopSignals)

    @property
    def term(self) -> timedelta:
        """Duration of a lease that is not renewed."""
        return timedelta(seconds=self.settings.execution.lease_seconds)

    @property
    def reconnect_seconds(self) -> int:
        """For how long an engine waits for a database that does not answer."""
        return self.settings.database.reconnect_seconds

    @property
    def poll_seconds(self) -> float:
        """Polling interval for commands, in seconds of tape time."""
        return POLL_SECONDS if self.speed is None else REDRAW_SECONDS * float(self.speed)


class Screen(Protocol):
    """Output of a run for a person."""

    def line(self, text: str) -> None:
        """Show one line of text."""
        ...

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Run the engine to its end and show what happens; return its summary.

        Args:
            paper: The engine and its platforms, not yet started.
            number: Number of this run on its database.
            live: Whether time passes at a speed that a person can follow.
        """
        ...


class NoScreen:
    """Shows nothing."""

    def line(self, text: str) -> None:
        """Ignore `text`."""

    async def trade(self, paper: PaperRun, number: int, *, live: bool) -> dict[str, Any]:
        """Run the engine and show nothing, whether `live` or not."""
        del live
        return await paper.trade(number)


@dataclass(frozen=True, slots=True)
class _Played:
    """A tape, and the results of its contracts at its end."""

    tape: StoredTape
    results: Mapping[Key, Ruling]


def speed(text: str) -> Decimal | None:
    """Parse ``--speed``: a number within bounds, or ``max`` (None).

    Raises:
        InvalidInput: It is neither.
    """
    if text == "max":
        return None
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal(0)
    if not number.is_finite() or not SLOWEST <= number <= FASTEST:
        raise InvalidInput("--speed", text, f"a number from {SLOWEST} to {FASTEST}, or max")
    return number


def run(options: Options, screen: Screen) -> dict[str, Any]:
    """Run the engine to the end of its tape, or until it is interrupted.

    Returns the summary.

    Raises:
        LeaseHeld: Another engine runs on the database, or took over from this one.
    """
    _check_programs(options.settings)
    played = _played(options)
    database = Database.at(options.database)
    database.prepare("paper")
    if not options.standby:
        return _run(options, played, database, screen, taking_over=False)
    standby = Standby(database, options.term, screen.line)
    screen.line(f"{database.shown}: standing by")
    while True:
        frozen = standby.wait()
        try:
            return _run(options, played, database, screen, taking_over=frozen)
        except LeaseLost:
            raise
        except LeaseHeld:  # another engine was faster, or still holds its locks
            run_live(SystemClock().sleep(1))
        except NotBegun as error:
            standby.failed(error)


def _run(
    options: Options,
    played: _Played,
    database: Database,
    screen: Screen,
    *,
    taking_over: bool,
) -> dict[str, Any]:
    hooks = options.settings.hooks
    programs = ProgramThreads(hooks.seconds, hooks.at_once)
    trading = _trade(options, played, database, screen, programs, taking_over=taking_over)
    try:
        return run_virtual(trading) if options.speed is None else run_live(trading)
    finally:
        programs.close()


def _check_programs(settings: Settings) -> None:
    """Require that the programs of the hooks are there.

    Raises:
        InvalidInput: One is not.
    """
    for name in ("on_exposure", "on_halt"):
        text = getattr(settings.hooks, name)
        command = words(text)
        if command and shutil.which(command[0]) is None:
            raise InvalidInput(f"hooks.{name}", text, "a program that is there and may be run")


def chosen_tape(options: Options) -> StoredTape:
    """Return the requested tape.

    Raises:
        TapeError: There is no tape at that path, or it is incomplete.
    """
    return open_tape(demo.PATH if options.tape == "demo" else Path(options.tape))


def check(options: Options) -> None:
    """Reject a tape or results that a run could not begin with.

    Raises:
        TapeError: There is no such tape, or it is incomplete.
        InvalidInput: The results do not fit it.
    """
    _played(options)


def _played(options: Options) -> _Played:
    """Return what is played; a tape that cannot even be begun is refused before anything."""
    tape = chosen_tape(options)
    next(iter(tape.messages()), None)
    return _Played(tape, _results(options, tape))


def _results(options: Options, tape: Tape) -> dict[Key, Ruling]:
    """Return the results of the tape's contracts at its end."""
    if options.results is None:
        return {}
    document = read_document(options.results)
    return read_results(str(options.results), document, tape.meta.contracts)


async def _trade(
    options: Options,
    played: _Played,
    database: Database,
    screen: Screen,
    programs: Programs,
    *,
    taking_over: bool,
) -> dict[str, Any]:
    tape, outages = played.tape, Outages()
    clock = TapeClock(tape.meta.first, float(options.speed or 1))
    plain = database.journal(turnstile(), alone=True, taking_over=taking_over)
    journal = ReconnectingJournal(plain, turnstile(), options.reconnect_seconds, outages)
    reader, fence = database.journal(turnstile(), timeout=READER_SECONDS), None
    try:
        fence, files = await take_lease(database, options.term, journal, reader)
        before = await played_before(journal, tape.digest())
        number = await _counted(journal, fence, options, tape)
        age = _book_age(options.settings, tape)
        screen.line(await first_line(journal, database, files, age))
        _tell_repetition(screen, before, again=options.again)
        paper = build_paper(
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
            anchors=await anchor_file(journal, database),
            lease_reader=reader,
            programs=programs,
            outages=outages,
            bought_until={} if options.again else before.until,
        )
        trading = _stop_on_signal(paper, number, options, screen)
        with registered(database, files, screen.line):
            # At full speed, time is the tape's: renewals by another would change its order.
            if options.speed is not None:
                trading = keep_lease(journal, fence, options.term, paper.engine, trading)
            summary = await _released(trading, fence, journal)
        require_file(journal, database)
        return summary
    finally:
        await reader.close(fenced_off=True)
        await journal.close(fenced_off=fence is not None and not fence.held)


async def _released(
    trading: Awaitable[dict[str, Any]], fence: Fence, journal: Journal
) -> dict[str, Any]:
    """Trade, and give the lease back, also after market data that broke."""
    try:
        summary = await trading
    except MarketDataBroken:
        await fence.release(journal)
        raise
    await fence.release(journal)
    return summary


async def _counted(journal: Journal, fence: Fence, options: Options, tape: StoredTape) -> int:
    """Count a run on a tape and return its number; the first gives the database an identity."""
    identity = RandomIds().new("database", myself())
    return await count_run(journal, fence, options.settings.limits(), tape.digest(), identity)


async def _stop_on_signal(
    paper: PaperRun, number: int, options: Options, screen: Screen
) -> dict[str, Any]:
    """Trade, and drain on the signals that ask to stop; the service manager hears of it."""
    manager = ServiceManager(os.environ)

    def stop() -> None:
        manager.tell(STOPPING)
        paper.engine.stopping.set()

    def started(event: Event, sequence: int) -> None:
        if sequence and isinstance(event, SystemStarted):
            manager.tell(READY, "STATUS=trades on paper")

    paper.engine.committer.subscribe(started)
    with options.signals.stopping(stop):
        summary = await screen.trade(paper, number, live=options.speed is not None)
    manager.tell(STOPPING)
    return summary


def _book_age(settings: Settings, tape: Tape) -> str:
    """Return a note on the maximum age of a book, if the tape determines it."""
    if settings.detection.book_age_seconds is not None or not tape.meta.polled:
        return ""
    seconds = int(settings.book_age(polled=True).total_seconds())
    return f"; the tape was polled, so books up to {seconds} s old are traded on"


def _tell_repetition(screen: Screen, before: Played, *, again: bool) -> None:
    """Say that a tape was played on this database before, if it was, and what that means."""
    if before.runs:
        screen.line(_repetition(before, again=again))


def _repetition(before: Played, *, again: bool) -> str:
    runs = ", ".join(map(str, before.runs[-SHOWN:]))
    played = f"this tape was played here before (run {runs})"
    if again:
        return f"{played}; --again: what was bought there is bought, and counts, once more"
    if not before.until:
        return f"{played}, and nothing was bought there"
    latest = f"{max(before.until.values()):%Y-%m-%d %H:%M:%S}"
    return (
        f"{played}: no edge is bought twice, so a pair is entered only after its last purchase"
        f" there ({latest} at the latest); --again enters all of them once more"
    )
