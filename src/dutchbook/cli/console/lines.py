"""One line of text for each event worth reading, for logs and where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dutchbook.domain.events import Event, as_json
from dutchbook.domain.positions.exposure_words import BEGINNINGS, exposure_told

LONG = 20
QUIET = {
    "execution.order.placed",
    "execution.fill.settled",
    "risk.budget.reserved",
    "risk.budget.committed",
    "orderbook.updated",
    "platform.health.updated",
    "system.records.changed",
}


class EventLines:
    """A subscriber that writes committed events as plain lines; `questions` are by pair."""

    def __init__(self, write: Callable[[str], None], questions: Mapping[str, str]) -> None:
        self._write = write
        self._questions = questions

    def __call__(self, event: Event, sequence: int) -> None:
        """Write one event, unless its kind only repeats another."""
        if sequence and event.wire not in QUIET:
            self._write(line(event, self._questions))


def line(event: Event, questions: Mapping[str, str]) -> str:
    """Return an event as its time, its name and its plain facts, or its sentence."""
    facts = event.payload()
    if event.wire in BEGINNINGS:
        pair = facts["pair_id"]
        text = exposure_told(event.wire, questions.get(pair, pair), facts)
    else:
        text = ", ".join(
            f"{name} {_short(value)}"
            for name, value in facts.items()
            if isinstance(value, str | int) and not name.endswith("_id") and value != ""
        )
    return f"{as_json(event.stamp.occurred_at)[11:23]}  {event.wire}  {text}"


def _short(value: str | int) -> str:
    """Cut a long fraction to six digits and a long word to twenty, for reading only."""
    text = str(value)
    whole, point, fraction = text.partition(".")
    if point and fraction.isdigit() and whole.lstrip("-").isdigit():
        return f"{whole}.{fraction[:6]}"
    return text if len(text) <= LONG or " " in text else f"{text[:LONG]}…"
