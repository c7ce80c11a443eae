"""Hooks: programs of the user that hear of exposures and halts.

They are told after the commit, in the order of the log. The engine waits for none of them, and
none of them can make it fail: that one failed is told once in the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.monitoring.platform_health import SystemHealth
from dutchbook.domain.events import (
    Event,
    PositionMoved,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
    TradingHalted,
    TradingResumed,
    as_json,
)
from dutchbook.domain.positions.exposure_words import exposure_told
from dutchbook.domain.positions.position import UNHEDGED
from dutchbook.ports.hooks import Programs
from dutchbook.ports.time import Clock

COMPONENT = "hooks"
LOOK_SECONDS = 5
Command = tuple[str, ...]
EXPOSURES: dict[type[Event], str] = {
    SingleLegExposure: "exposure opened",
    SingleLegExposureChanged: "exposure changed",
    SingleLegExposureReminder: "exposure reminder",
}
ENDED, HALTED, LIFTED = "exposure ended", "halt begun", "halt lifted"


@dataclass(frozen=True, slots=True)
class HookCommands:
    """The words of the program for each kind; empty where there is none."""

    on_exposure: Command = ()
    on_halt: Command = ()


class Hooks:
    """Starts the programs, as a subscriber, and reports the first failure of each run."""

    def __init__(
        self,
        programs: Programs,
        commands: HookCommands,
        watchlist: Watchlist,
        system: SystemHealth,
        clock: Clock,
    ) -> None:
        self._programs = programs
        self._commands = commands
        self._watchlist = watchlist
        self._system = system
        self._clock = clock
        self._reported = False

    def __call__(self, event: Event, sequence: int) -> None:
        """Start the program of an event that was committed, if it has one."""
        if not sequence:
            return
        match event:
            case SingleLegExposure() | SingleLegExposureChanged() | SingleLegExposureReminder():
                self._start(self._commands.on_exposure, event, EXPOSURES[type(event)])
            case PositionMoved() if event.before in UNHEDGED and event.after not in UNHEDGED:
                self._start(self._commands.on_exposure, event, ENDED)
            case TradingHalted():
                self._start(self._commands.on_halt, event, HALTED)
            case TradingResumed():
                self._start(self._commands.on_halt, event, LIFTED)
            case _:
                pass

    def _start(self, command: Command, event: Event, what: str) -> None:
        if not command:
            return
        facts = event.payload()
        question = self._question(facts.get("pair_id"))
        document = {
            "what": what,
            "at": as_json(event.stamp.occurred_at),
            "text": _text(event, what, question, facts),
            "event": event.wire,
            "event_id": event.stamp.event_id,
            "question": question,
            "facts": facts,
        }
        self._programs.start(command, json.dumps(document))

    def _question(self, pair_id: str | None) -> str | None:
        match = self._watchlist.matches.get(pair_id) if pair_id else None
        return match.kalshi.title if match else pair_id

    async def start(self) -> None:
        """Load nothing: what no program was told of yet is in the outbox."""

    async def run(self) -> None:
        """Look for failures until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self._look()

    async def drained(self) -> None:
        """Look for failures a last time."""
        self._look()

    def _look(self) -> None:
        failures = self._programs.failures()
        if failures and not self._reported:
            self._reported = True
            detail = f"{failures[0]}; the engine goes on, and reports no further failure"
            self._system.critical(COMPONENT, detail)


def _text(event: Event, what: str, question: str | None, facts: Mapping[str, Any]) -> str:
    """Return what happened, in a sentence."""
    if type(event) in EXPOSURES:
        return exposure_told(event.wire, question or "", facts)
    if what == ENDED:
        position, after = facts["position_id"][:8], facts["after"].lower().replace("_", " ")
        return f"No longer exposed: {question}, position {position} is {after}"
    others = ", ".join(each for each in facts["reasons"] if each != facts["reason"])
    if what == HALTED:
        beside = f"; also halted: {others}" if others else ""
        return f"Trading is halted: {facts['reason']}, {facts['detail']}{beside}"
    still = f"still halted: {others}" if others else "trading goes on"
    return f"A halt is lifted: {facts['reason']}, {facts['rationale']}; {still}"
