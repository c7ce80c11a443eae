"""What was seen of second legs, as one row of `system_metadata` keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.execution.second_leg import Evidence
from dutchbook.domain.market.contract import Platform
from dutchbook.errors import StorageError

NAME = "second_legs"
"""The key of the row."""
FORGOTTEN = Decimal("0.05")
"""Evidence of fewer looks is not written down."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen.

    Attributes:
        evidence: By the pair and the platform of its second leg.
        lags: How long after the decision a second leg meets its quote, by its platform.
    """

    evidence: dict[tuple[str, Platform], Evidence] = field(default_factory=dict)
    lags: Mapping[Platform, timedelta] = field(default_factory=dict)

    def written(self, now: datetime) -> str:
        """Return it as text; `read` gives it back, less what has faded by `now`."""
        faded = ((key, each.faded(now)) for key, each in sorted(self.evidence.items()))
        seen = [
            [pair_id, platform.value, str(each.looks), str(each.missed), each.at.isoformat()]
            for (pair_id, platform), each in faded
            if each.at is not None and each.looks >= FORGOTTEN
        ]
        lags = {p.value: lag // timedelta(microseconds=1) for p, lag in self.lags.items()}
        return json.dumps({"seen": seen, "lags_us": lags})


def read(text: str) -> Known:
    """Return what a row holds.

    Raises:
        StorageError: It is damaged.
    """
    try:
        found = json.loads(text)
        evidence = {
            (str(pair_id), Platform(platform)): Evidence(
                Decimal(looks), Decimal(missed), datetime.fromisoformat(at)
            )
            for pair_id, platform, looks, missed, at in found["seen"]
        }
        lags = {Platform(p): timedelta(microseconds=us) for p, us in found["lags_us"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise StorageError(f"system_metadata: {NAME} is damaged: {error}") from error
    return Known(evidence, lags)
