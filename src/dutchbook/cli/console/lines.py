"""One line of text for each event worth reading, for logs and for the live view's tail."""

from __future__ import annotations

from collections.abc import Callable

from dutchbook.domain.events import Event, as_json

LONG = 20
QUIET = {
    "execution.order.placed",
    "execution.fill.settled",
    "risk.budget.reserved",
    "risk.budget.committed",
    "orderbook.updated",
    "platform.health.updated",
}


class EventLines:
    """A subscriber that writes committed events as plain lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def __call__(self, event: Event, sequence: int) -> None:
        """Write one event, unless its kind only repeats another."""
        if sequence and event.wire not in QUIET:
            self._write(line(event))


def line(event: Event) -> str:
    """Return an event as its time, its name and its plain facts."""
    facts = ", ".join(
        f"{name} {_short(value)}"
        for name, value in event.payload().items()
        if isinstance(value, str | int) and not name.endswith("_id") and value != ""
    )
    return f"{as_json(event.stamp.occurred_at)[11:23]}  {event.wire}  {facts}"


def _short(value: str | int) -> str:
    """Cut a long fraction to six digits and a long word to twenty, for reading only."""
    text = str(value)
    whole, point, fraction = text.partition(".")
    if point and fraction.isdigit() and whole.lstrip("-").isdigit():
        return f"{whole}.{fraction[:6]}"
    return text if len(text) <= LONG or " " in text else f"{text[:LONG]}…"
