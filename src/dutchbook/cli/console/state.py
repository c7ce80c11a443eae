"""What the screen of a run shows, as plain data: amounts in dollars, times in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.positions.result import Result


class Tone(StrEnum):
    """How a text is shown, as a style of the terminal."""

    PLAIN = ""
    QUIET = "dim"
    GOOD = "green"
    CAUTION = "bold yellow"
    ALARM = "bold red"
    HALTED = "bold black on yellow"
    STOPPED = "bold white on red"
    HEADING = "bold"


@dataclass(frozen=True, slots=True)
class Account:
    """The cash and the cost of what is held on a platform; `free` can be spent."""

    platform: str
    total: Decimal
    free: Decimal


@dataclass(frozen=True, slots=True)
class Alone:
    """One unhedged leg.

    Attributes:
        held: The contracts, as in "60 NO Kalshi".
        question: What its pair asks.
        at_risk: What it has cost, with fees.
        seconds: Since when, up to now.
        way: The best way out, and what it brings.
        command: What a person types for it.
    """

    held: str
    question: str
    at_risk: Decimal
    seconds: int
    way: str
    command: str


@dataclass(frozen=True, slots=True)
class Held:
    """One position.

    Attributes:
        position: How its id begins.
        question: What its pair asks.
        contracts: Hedged contracts, or those of the only leg.
        paid: Cost and fees of what is held.
        locked: Its profit once both contracts have paid alike; None if it is not hedged.
        now: Its profit if it were left at the books of now; None if they do not take it.
        state: Why it locks nothing, in a word; empty if it is hedged.
    """

    position: str
    question: str
    contracts: Decimal
    paid: Decimal
    locked: Decimal | None
    now: Decimal | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened, in words: `texts` from the longest to the shortest."""

    at: datetime
    texts: tuple[str, ...]
    amount: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices of a pair, YES in dollars, as text; `edge` is in dollars, before fees."""

    question: str
    kalshi: tuple[str, str]
    polymarket: tuple[str, str]
    edge: Decimal | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the screen shows.

    Attributes:
        mode: Whose money it is: paper.
        tape: The tape's name.
        database: The database's name, and the number of the run on it.
        at: The tape's time.
        speed: How many times as fast as it was recorded.
        percent: How much of the tape has passed.
        status: Whether it trades, or why not, in words.
        tone: How the status is shown.
        result: What all positions come to.
        accounts: One for each platform.
        alone: Unhedged legs, the most dollars at risk first.
        held: Positions, the most important first.
        notes: What happened last, the newest first.
        quotes: The best prices of each pair, the best edge first.
        seen: How many edges and opportunities were seen.
    """

    mode: str
    tape: str
    database: str
    at: datetime
    speed: str
    percent: int
    status: str
    tone: Tone
    result: Result
    accounts: tuple[Account, ...] = ()
    alone: tuple[Alone, ...] = ()
    held: tuple[Held, ...] = ()
    notes: tuple[Note, ...] = ()
    quotes: tuple[Quote, ...] = ()
    seen: tuple[int, int] = field(default=(0, 0))
