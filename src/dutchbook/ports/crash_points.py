"""Crash points: named places before and after every step that a dying process may half finish.

Each commit, each message to a platform, each delivery and each migration step has one before
and one after it. In production no hook is set, and a point costs one variable check. A crash
test sets a hook and kills the process at a chosen point and visit; see
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
"""Tables written without an event: the log records trading, not who is allowed to trade."""
Hook = Callable[[str], None]
_hook: Hook | None = None


def crashpoint(side: str, what: Batch | Order | str) -> None:
    """Pass a point: `side` of a commit, of sending an order, or of a named step."""
    if _hook is not None:
        _hook(f"{side} {what if isinstance(what, str) else subject(what)}")


def subject(what: Batch | Order) -> str:
    """Return the name of a commit (from its first event) or of a send (from its purpose).

    A batch without events is named after the last table that it writes.
    """
    if isinstance(what, Order):
        return f"send {what.purpose}"
    if what.events:
        return f"commit {what.events[0].wire}"
    return f"commit of {what.writes[-1].table}"


def points() -> tuple[str, ...]:
    """Return the names of all points."""
    commits = [f"commit {wire}" for wire, kind in catalogue().items() if kind.durable]
    alone = [f"commit of {table}" for table in ALONE]
    sends = [f"send {purpose}" for purpose in Purpose]
    words = [REQUEST, QUESTION, CANCEL, MERGING, REDEEM, ANCHOR, HALT_FILE]
    words += [DELIVERY, OUTBOX, SCHEMA, MIGRATION, UNIT]
    subjects = (*commits, *alone, *sends, *words)
    return tuple(f"{side} {each}" for each in subjects for side in (BEFORE, AFTER))


def listen(hook: Hook | None) -> None:
    """Call `hook` at every point from now on; None removes it. Only crash tests use this."""
    global _hook  # noqa: PLW0603 - a point may cost no more than one variable check
    _hook = hook
