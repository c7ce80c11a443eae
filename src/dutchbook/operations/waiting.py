"""Commands that wait for an engine: listing them, and withdrawing one."""

from __future__ import annotations

from typing import Any

from dutchbook.application.operator.command_rows import (
    COMMANDS,
    HALT,
    WIND_DOWN,
    expired,
    withdrawn,
)
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.operations.requests import Rows, opened, person, reading, running_engine
from dutchbook.ports.journal import Journal, Prefix
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.ids import RandomIds

LEAST = 4
"""Minimum number of characters of an id."""
SHOWN = (
    "command_id", "name", "arguments", "rationale", "requested_by", "requested_at",
    "expires_at", "taken_at",
)  # fmt: skip


def waiting(url: str) -> tuple[Rows, str | None]:
    """Return the commands without an answer, oldest first, and the engine that runs, if any.

    `expired`: that a command will not be carried out any more.
    """

    async def work(journal: Journal) -> tuple[Rows, str | None]:
        order = ("requested_at", "command_id")
        rows = await journal.rows(COMMANDS, {"answered_at": None}, order)
        now = SystemClock().now()
        found = [{n: row[n] for n in SHOWN} | {"expired": expired(row, now)} for row in rows]
        return found, await running_engine(journal)

    return reading(url, work)


def withdraw(url: str, beginning: str, rationale: str) -> dict[str, Any]:
    """Withdraw a command that waits, so that no engine carries it out.

    Returns:
        Its id and name, and whether what it halted stays halted.

    Raises:
        InvalidInput: `beginning` does not match exactly one command that can be withdrawn.
    """

    async def work(journal: Journal) -> dict[str, Any]:
        row = await _waiting(journal, beginning)
        command_id = row["command_id"]
        begun = await journal.rows("orders", {"order_id": command_id})
        if begun or (row["taken_at"] is not None and await running_engine(journal)):
            raise _busy(beginning)
        halt_id = RandomIds().new("command", HALT)
        now = SystemClock().now()
        try:
            await journal.commit(withdrawn(row, now, person(), rationale, halt_id))
        except Conflict:
            raise _busy(beginning) from None
        halts = row["name"] == WIND_DOWN
        return {"command": command_id, "name": row["name"], "halt_stays": halts}

    return opened(url, work, alone=False)


async def _waiting(journal: Journal, beginning: str) -> dict[str, Any]:
    if len(beginning) < LEAST:
        raise InvalidInput("ID", beginning, f"at least {LEAST} characters of an id")
    mine = {"command_id": Prefix(beginning), "answered_at": None}
    rows = await journal.rows(COMMANDS, mine, ("command_id",))
    if len(rows) != 1:
        named = " and ".join(str(row["command_id"]) for row in rows[:3])
        wanted = f"one id: {named} begin so" if rows else "the id of a command that waits"
        raise InvalidInput("ID", beginning, wanted)
    if rows[0]["name"] == HALT:
        lifted = "a command that can be withdrawn: `dutchbook resume operator` lifts a halt"
        raise InvalidInput("ID", beginning, lifted)
    return rows[0]


def _busy(beginning: str) -> InvalidInput:
    return InvalidInput("ID", beginning, "a command that waits: an engine carries it out")
