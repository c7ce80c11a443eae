"""How likely second legs are missed, pair by pair, as the last engine has seen it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.application.records.second_legs import NAME, read
from dutchbook.domain.execution.second_leg import Evidence, Quote, chance_of_miss
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.journal import Journal

AGE = timedelta(seconds=1)
"""How long the quote had stood of which a chance is shown; all of it is wanted."""
PER_MILLE = Decimal("0.001")


async def second_legs(journal: Journal) -> list[dict[str, Any]]:
    """Return the probability of a miss for each pair of which something was seen.

    One row for each leg that may go first: ``pair_id``, ``first``, ``chance`` from 0 to 1, for
    all of a quote that is a second old, at the measured time of both legs; ``looks`` and
    ``missed`` as they counted when the engine wrote them down, in its own time.
    """
    rows = await journal.rows("system_metadata", {"key": NAME})
    if not rows:
        return []
    known = read(rows[0]["value"])
    found = []
    for pair_id in sorted({pair_id for pair_id, _ in known.evidence}):
        for first in Platform:
            second = first.other
            seen = known.evidence.get((pair_id, second), Evidence())
            quote = Quote(second, known.lags[second], AGE, Decimal(1))
            chance = chance_of_miss(quote, seen)
            found.append(
                {
                    "pair_id": pair_id,
                    "first": first.value,
                    "chance": Decimal(round(chance * 1_000)) * PER_MILLE,
                    "looks": seen.looks.quantize(PER_MILLE),
                    "missed": seen.missed.quantize(PER_MILLE),
                }
            )
    return found
