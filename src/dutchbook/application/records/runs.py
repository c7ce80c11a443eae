"""The count of a database's runs, and what others must know of the last one."""

from __future__ import annotations

from dutchbook.application.records.lease import Fence
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.ports.journal import Batch, Insert, Journal, Update

USUAL = RiskLimits()


IDENTITY = "identity"
"""The key of a database's identity: a random id that its first run gives it."""


async def count_run(
    journal: Journal,
    fence: Fence | None = None,
    limits: RiskLimits = USUAL,
    identity: str = "",
) -> int:
    """Count a run of this database and return its number, from 1; ids are derived from it.

    The shares of its limits are kept beside it, so that others can tell what they come to. The
    first run gives the database its `identity`, by which it is told from another in its place.
    """
    known = {row["key"]: row["value"] for row in await journal.rows("system_metadata")}
    number = int(known.get("runs", "0")) + 1
    put = {"runs": str(number), "limits": limits.to_text()}
    if number == 1 and identity:
        put[IDENTITY] = identity
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
