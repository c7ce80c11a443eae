"""Plays a tape: each message at its time, and the start and end of each step and session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dutchbook.ports.time import Clock
from dutchbook.tape.message import Tape, TapeMessage


@dataclass(frozen=True, slots=True)
class Listener:
    """Callbacks of a tape's player; each is synchronous and must not block."""

    session_began: Callable[[], None]
    step_began: Callable[[int], None]
    message: Callable[[TapeMessage], None]
    step_ended: Callable[[int], None]
    session_ended: Callable[[], None]


async def play(tape: Tape, clock: Clock, listener: Listener) -> None:
    """Play every message of `tape`.

    A step ends when the first message of the next one is due, before that message is applied.
    An order that waited for the end of the step meets the books as of that end.
    """
    session = step = None
    for message in tape.messages():
        if step is not None and (message.step != step or message.session != session):
            listener.step_ended(step)
            step = None
        if message.session != session:
            if session is not None:
                listener.session_ended()
                await clock.sleep(0)
            await clock.sleep_until(message.at)
            listener.session_began()
            session = message.session
        await clock.sleep_until(message.at)
        if step is None:
            step = message.step
            listener.step_began(step)
        listener.message(message)
    if step is not None:
        listener.step_ended(step)
        listener.session_ended()
