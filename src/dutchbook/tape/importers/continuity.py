"""Whether a recording is all that a platform sent, and what was wrong with it.

Kalshi numbers the messages of a subscription without a break, from one (docs.kalshi.com,
WebSocket, 2026-10). A number that is left out is a message that is missing; one that comes
again was recorded twice; one that falls begins a new subscription if its message is a whole
book, and is out of order otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

SHOWN = 50
"""Lines that are kept at most; a recording can have thousands of contracts."""
Stream = tuple[int, int | None]
"""A session, and the platform's number of a subscription in it."""


class Verdict(Enum):
    """What a number says of its message."""

    NEXT = "next"
    AFTER_GAP = "after a gap"
    REPEATED = "repeated"
    OUT_OF_ORDER = "out of order"
    RESTARTED = "restarted"


@dataclass(slots=True)
class _Count:
    """What was wrong with the messages of one contract on one subscription."""

    gaps: int = 0
    missing: int = 0
    repeated: int = 0
    out_of_order: int = 0
    impossible: int = 0

    def take(self, verdict: Verdict, missing: int) -> None:
        if verdict is Verdict.AFTER_GAP:
            self.gaps += 1
            self.missing += missing
        self.repeated += verdict is Verdict.REPEATED
        self.out_of_order += verdict is Verdict.OUT_OF_ORDER

    def take_impossible(self) -> None:
        self.impossible += 1

    def words(self) -> Iterator[str]:
        if self.gaps:
            yield f"{self.gaps} gaps before its messages, {self.missing} messages missing"
        if self.repeated:
            yield f"{self.repeated} recorded twice, counted once"
        if self.out_of_order:
            yield f"{self.out_of_order} out of order, not counted"
        if self.impossible:
            yield f"{self.impossible} took more than there was"


@dataclass(slots=True)
class Continuity:
    """Follows the numbers of a recording's subscriptions.

    Args:
        partial: Whether the recording has only some contracts of each subscription. Then
            numbers that are left out say nothing: they may be those of other contracts.
    """

    partial: bool = False
    _last: dict[Stream, tuple[int, bytes]] = field(default_factory=dict)
    _trusted: set[Stream] = field(default_factory=set)
    _counts: dict[tuple[str, int | None], _Count] = field(default_factory=dict)

    def judge(
        self, stream: Stream, sequence: int, text: bytes, name: str, *, whole: bool
    ) -> Verdict:
        """Take the number of a message, and return what it says.

        Args:
            stream: The subscription.
            sequence: The number.
            text: The message, to recognise it when it comes again.
            name: The contract, for the counts.
            whole: Whether a subscription may begin with it: a whole book, or no book at all.
        """
        before, last = self._last.get(stream, (sequence - 1, b""))
        verdict = Verdict.NEXT
        if sequence > before + 1:
            verdict = Verdict.NEXT if self.partial else Verdict.AFTER_GAP
        elif sequence <= before:
            verdict = Verdict.RESTARTED if whole else Verdict.OUT_OF_ORDER
            if sequence == before and text == last:
                verdict = Verdict.REPEATED
        if verdict is not Verdict.OUT_OF_ORDER:
            self._last[stream] = sequence, text
        self._of(name, stream).take(verdict, sequence - before - 1)
        return verdict

    def _of(self, name: str, stream: Stream) -> _Count:
        return self._counts.setdefault((name, stream[1]), _Count())

    def impossible(self, stream: Stream, name: str) -> None:
        """Count a change that took more from a level than it held."""
        self._of(name, stream).take_impossible()

    def whole(self, stream: Stream) -> None:
        """Note a whole book on a subscription."""
        self._trusted.add(stream)

    def distrust(self, stream: Stream) -> bool:
        """Note that books of a subscription are unknown; return whether any was known."""
        known = stream in self._trusted
        self._trusted.discard(stream)
        return known

    def lines(self) -> Iterator[str]:
        """Yield what was wrong, a line for each contract and subscription."""
        for (name, stream), count in self._counts.items():
            if words := ", ".join(count.words()):
                where = name if stream is None else f"{name}, stream {stream}"
                yield f"{where}: {words}"


@dataclass(slots=True)
class Notices:
    """What was wrong with a recording's lines, in order of first appearance."""

    _counts: dict[str, int] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Note something once more."""
        self._counts[text] = self._counts.get(text, 0) + 1

    def lines(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Return a line for each text, then those of `more`; at most `SHOWN`."""
        own = (f"{text} ({n} times)" if n > 1 else text for text, n in self._counts.items())
        found = [*own, *more]
        rest = len(found) - SHOWN
        return (*found[:SHOWN], f"and {rest} more lines like these") if rest > 0 else (*found,)
