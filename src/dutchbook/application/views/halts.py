"""Read model of halts: why nothing is entered, since when, who said so, and what clears it.

A command that no engine has carried out yet counts: a halt at once, since the lease holds it
already, and a resumption where an engine would carry it out before it trades.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dutchbook.application.records.lease import ENGINE, TABLE
from dutchbook.domain.capital.limits import Grade, HaltReason
from dutchbook.domain.events import TradingHalted
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Journal

Row = dict[str, Any]
BY_COMMAND = {"halt": HaltReason.OPERATOR.value, "wind_down": HaltReason.WINDING_DOWN.value}
"""The reason that each command sets."""
OPERATOR = HaltReason.OPERATOR.value
LOOKED_AT = 100
"""Halts of the log, the newest, among which each current one is looked for."""


async def halts(
    journal: Journal, note: HaltNote | None, *, starting: bool
) -> tuple[list[Row], Grade]:
    """Return every reason that halts trading, and what may be sent.

    Args:
        journal: The database.
        note: The halt in the HALT file, if any.
        starting: Whether no engine trades, so that the next one carries out first what waits.

    Returns:
        Rows of `reason`, `since` (None if it is not known) and `detail`: who said so, and why.
    """
    states = await journal.rows("risk_states")
    found = await _recorded(journal, states[0]["halt_reason"] if states else ())
    waiting = await journal.rows(
        "operator_commands", {"answered_at": None}, ("requested_at", "command_id")
    )
    lifted = False
    for row in waiting:
        if reason := BY_COMMAND.get(row["name"]):
            found.setdefault(reason, _row(reason, row["requested_at"], _said(row)))
        elif row["name"] == "resume" and starting:
            lifted = True
            found.pop(str(dict(row["arguments"] or {}).get("reason")), None)
    if note is not None:
        detail = f"{note.requested_by}, by a HALT file: {note.rationale}"
        found.setdefault(OPERATOR, _row(OPERATOR, None, detail))
    grade = max([0, *(row["halted"] for row in await journal.rows(TABLE, ENGINE))])
    if grade and not found and not lifted:
        found[OPERATOR] = _row(OPERATOR, None, "")
    grade = max(grade if found else 0, int(bool(found)), note.grade if note else 0)
    return list(found.values()), Grade(grade)


async def _recorded(journal: Journal, reasons: Iterable[str]) -> dict[str, Row]:
    """Return the reasons of the risk state, with what the log and the commands say of them."""
    found = {reason: _row(reason, None, "") for reason in reasons}
    if not found:
        return found
    order, halted = ("sequence",), {"name": TradingHalted.wire}
    log = await journal.rows("audit_log", halted, order, descending=True, limit=LOOKED_AT)
    for row in reversed(log):
        payload = json.loads(row["payload"])
        if (reason := payload["reason"]) in found:
            found[reason] = _row(reason, row["occurred_at"], payload["detail"])
    # The engine's time may be that of a tape; a command has that of whoever gave it.
    for row in await journal.rows("operator_commands", order_by=("requested_at",)):
        reason = BY_COMMAND.get(row["name"], "")
        if reason in found and found[reason]["detail"] == _said(row):
            found[reason]["since"] = row["requested_at"]
    return found


def _row(reason: str, since: Any, detail: str) -> Row:
    return {"reason": reason, "since": since, "detail": detail}


def _said(row: Row) -> str:
    return f"{row['requested_by']}: {row['rationale'] or 'no rationale'}"


def in_words(row: Row) -> str:
    """Return one reason with its time and who said so, from a row or from its JSON."""
    since, detail = row["since"], row["detail"]
    when = "" if since is None else f" since {_to_the_second(since)}"
    return f"{row['reason']}{when}{f' ({detail})' if detail else ''}"


def _to_the_second(since: datetime | str) -> str:
    instant = datetime.fromisoformat(since) if isinstance(since, str) else since
    return instant.isoformat(sep=" ", timespec="seconds")


def clearing(rows: Iterable[Row], more: str = "") -> str:
    """Return what halts trading and the commands that clear it; `more` completes each."""
    rows = list(rows)
    reasons = "; ".join(map(in_words, rows))
    commands = "; ".join(
        f"dutchbook resume {row['reason']} --rationale WHY{more}" for row in rows
    )
    winding = any(row["reason"] == HaltReason.WINDING_DOWN for row in rows)
    what = "WINDING DOWN: exits what it holds, then stops" if winding else "HALTED"
    return f"{what}: {reasons}; to trade again: {commands}"
