"""Crash points: a name on each side of everything that a dying process may leave half done.

Each commit, each message to a platform, each delivery and each step of a migration has one on
either side. In production nobody listens, and a point costs one look at a variable. A crash
test listens, and kills the process at the point and the visit that it has chosen; see
`docs/crash-points.md`.
"""

from __future__ import annotations

from collections.abc import Callable

from dutchbook.domain.events import catalogue
from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.ports.journal import Batch

BEFORE, AFTER = "before", "after"
REQUEST, QUESTION, CANCEL = "request", "question", "cancel"
MERGING, REDEEM, ANCHOR = "merge", "redeem", "audit anchor"
HALT_FILE = "HALT file"
DELIVERY, OUTBOX = "delivery", "clearing the outbox"
SCHEMA, MIGRATION, UNIT = "schema", "migration step", "unit of work"
ALONE = ("leases", "operator_commands", "system_metadata")
"""Tables that are written without an event: the log tells of trading, not of who may trade."""
Hook = Callable[[str], None]
_hook: Hook | None = None


def crashpoint(side: str, what: Batch | Order | str) -> None:
    """Pass a point: `side` of a commit, of the sending of an order, or of what a word names."""
    if _hook is not None:
        _hook(f"{side} {what if isinstance(what, str) else subject(what)}")


def subject(what: Batch | Order) -> str:
    """Return what a commit or a sending is called: by its first event, or by its purpose.

    A batch without an event is called by the last table that it writes.
    """
    if isinstance(what, Order):
        return f"send {what.purpose}"
    if what.events:
        return f"commit {what.events[0].wire}"
    return f"commit of {what.writes[-1].table}"


def points() -> tuple[str, ...]:
    """Return the name of every point that there is."""
    commits = [f"commit {wire}" for wire, kind in catalogue().items() if kind.durable]
    alone = [f"commit of {table}" for table in ALONE]
    sends = [f"send {purpose}" for purpose in Purpose]
    words = [REQUEST, QUESTION, CANCEL, MERGING, REDEEM, ANCHOR, HALT_FILE]
    words += [DELIVERY, OUTBOX, SCHEMA, MIGRATION, UNIT]
    subjects = (*commits, *alone, *sends, *words)
    return tuple(f"{side} {each}" for each in subjects for side in (BEFORE, AFTER))


def listen(hook: Hook | None) -> None:
    """Let `hook` hear of every point from now on; None: nobody. Only a crash test does."""
    global _hook  # noqa: PLW0603 - one variable is what a point costs
    _hook = hook
