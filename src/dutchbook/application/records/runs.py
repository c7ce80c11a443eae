"""The count of a database's runs, what each played, and what others must know of the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dutchbook.application.records.lease import Fence
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.events import OpportunityIdentified
from dutchbook.errors import StorageError
from dutchbook.ports.journal import Batch, Between, Insert, Journal, Prefix, Update

USUAL = RiskLimits()
PLAYED = "played:"
"""Keys of what each run played, by the run's number."""


@dataclass(frozen=True, slots=True)
class Played:
    """Earlier runs on a tape.

    Attributes:
        runs: Their numbers.
        until: The last moment, of the tape, at which each pair was bought.
    """

    runs: tuple[int, ...]
    until: Mapping[str, datetime]


IDENTITY = "identity"
"""The key of a database's identity: a random id that its first run gives it."""


async def count_run(
    journal: Journal,
    fence: Fence | None = None,
    limits: RiskLimits = USUAL,
    tape: str | None = None,
    identity: str = "",
) -> int:
    """Count a run of this database and return its number, from 1; ids are derived from it.

    The shares of its limits are kept beside it, so that others can tell what they come to. The
    first run gives the database its identity, by which it is told from another in its place.

    Args:
        journal: The database.
        fence: The lease that the run holds.
        limits: The limits of the run.
        tape: The digest of what it plays, so that a later run knows; see `played_before`.
        identity: That of the database, if this is its first run.
    """
    known = {row["key"]: row["value"] for row in await journal.rows("system_metadata")}
    number = int(known.get("runs", "0")) + 1
    put = {"runs": str(number), "limits": limits.to_text()}
    if number == 1 and identity:
        put[IDENTITY] = identity
    if tape is not None:
        newest = await journal.rows("audit_log", None, ("sequence",), descending=True, limit=1)
        after = newest[0]["sequence"] if newest else 0
        put[f"{PLAYED}{number}"] = json.dumps({"tape": tape, "after": after})
    writes = tuple(
        Update("system_metadata", {"key": key}, put={"value": value})
        if key in known
        else Insert("system_metadata", {"key": key, "value": value})
        for key, value in put.items()
    )
    if fence is None:
        await journal.commit(Batch(writes))
    else:
        await fence.commit(journal, Batch(writes))
    return number


async def played_before(journal: Journal, tape: str) -> Played:
    """Return the earlier runs on a tape, and until when each pair was bought on it.

    Args:
        journal: The database.
        tape: The digest of the tape.

    Raises:
        StorageError: What a run played cannot be read.
    """
    rows = await journal.rows("system_metadata", {"key": Prefix(PLAYED)})
    try:
        notes = {int(row["key"].removeprefix(PLAYED)): json.loads(row["value"]) for row in rows}
        runs = [(number, notes[number]["after"]) for number in sorted(notes)]
        mine = tuple(number for number, _ in runs if notes[number]["tape"] == tape)
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(f"system_metadata: what a run played is damaged: {error}") from error
    until: dict[str, datetime] = {}
    ends = [*(after for _, after in runs[1:]), None]
    for (number, after), end in zip(runs, ends, strict=False):
        if number in mine:
            for pair, at in await _bought(journal, after, end):
                until[pair] = max(at, until.get(pair, at))
    return Played(mine, until)


async def _bought(journal: Journal, after: int, end: int | None) -> list[tuple[str, datetime]]:
    """Return which pairs an entry was begun on, and when, in a part of the log."""
    where = {"name": OpportunityIdentified.wire, "sequence": Between(after + 1, end)}
    rows = await journal.rows("audit_log", where, ("sequence",))
    return [(json.loads(row["payload"])["pair_id"], row["occurred_at"]) for row in rows]
