"""Tapes made of a tape: parts of it, and controls, which must not be traded on.

A control is wrong in one way that is known. What a run "makes" of it was never there to be
made: it is the size of an artefact, of reading one platform late or of pairing two questions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dutchbook.domain.market.contract import ContractMatch, Platform
from dutchbook.tape.message import MemoryTape, Tape, TapeMessage, TapeMeta
from dutchbook.tape.metadata import approved


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a tape: its number, when it lasted (UTC), and how much it holds."""

    number: int
    first: datetime
    last: datetime
    messages: int


def sessions(tape: Tape) -> tuple[Session, ...]:
    """Return the sessions of a tape in order; reads all of it."""
    found: dict[int, Session] = {}
    for message in tape.messages():
        number, at = message.session, message.at
        known = found.get(number, Session(number, at, at, 0))
        found[number] = replace(known, last=at, messages=known.messages + 1)
    return tuple(found.values())


def part(tape: Tape, numbers: Collection[int]) -> MemoryTape:
    """Return the sessions of a tape with these numbers, as a tape; there is one at least."""
    return _of(tape.meta, [each for each in tape.messages() if each.session in numbers])


def late(tape: Tape, platform: Platform, delay: timedelta) -> MemoryTape:
    """Return a tape on which every message of one platform comes late.

    The platforms' own times stay as they are. What would come after the end of its session is
    left out, as a recording that ends does. Orders wait for the polls of the other platform; on
    a streamed tape each message stays a step of its own.
    """
    ends = {each.number: each.last for each in sessions(tape)}
    delayed = [
        replace(each, at=each.at + delay) if each.update.platform is platform else each
        for each in tape.messages()
    ]
    kept = [each for each in delayed if each.at <= ends[each.session]]
    kept.sort(key=lambda each: (each.session, each.at))
    return _of(tape.meta, list(_stepped(kept, polled=tape.meta.polled)))


def crossed(tape: Tape) -> MemoryTape | None:
    """Return a tape whose pairs are each of one question and of the next pair's.

    None if it has fewer than two pairs: there is no other question.
    """
    pairs = tape.meta.pairs
    if len(pairs) < 2:  # noqa: PLR2004 - one to cross with another
        return None
    nexts = (*pairs[1:], pairs[0])
    mixed = tuple(_joined(one, other) for one, other in zip(pairs, nexts, strict=True))
    return MemoryTape(replace(tape.meta, pairs=mixed), list(tape.messages()))


def _joined(one: ContractMatch, other: ContractMatch) -> ContractMatch:
    bare = replace(one, polymarket=other.polymarket, operator_approved=False)
    return approved(bare)


def _stepped(messages: Iterable[TapeMessage], *, polled: bool) -> Iterator[TapeMessage]:
    """Give messages in a new order steps that never fall; see `TapeMessage.step`."""
    step = 0
    for number, message in enumerate(messages):
        step = max(step, message.step) if polled else number
        yield replace(message, step=step)


def _of(meta: TapeMeta, rows: list[TapeMessage]) -> MemoryTape:
    first, last = rows[0].at, rows[-1].at
    return MemoryTape(replace(meta, first=first, last=last, messages=len(rows)), rows)
