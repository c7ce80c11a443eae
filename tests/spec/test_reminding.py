"""How often an exposure is reported again: more dollars more often, dust hardly ever."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.positions.exposure import ACTIONS, TOO_SMALL
from dutchbook.domain.positions.reminding import Reminding

URGENT, SMALL, DUST = timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)
RULES = Reminding(URGENT, SMALL, DUST, Decimal("0.01"), Decimal(1), timedelta(seconds=55))
BANKROLL = Decimal(10_000)
THIN = "the book offers 0 of 1"


def told(at_risk: str | None, *blocked: str | None) -> dict[str, Any]:
    """Return the payload of a report with an obstacle, or none, for each remedy."""
    obstacles = zip(ACTIONS, blocked, strict=True) if blocked else ()
    scenarios = [{"name": name, "blocked": obstacle} for name, obstacle in obstacles]
    return {"at_risk": at_risk, "scenarios": scenarios}


@pytest.mark.parametrize(
    ("facts", "after"),
    [
        (told("100", None, None, None), URGENT),
        (told("99.999999", None, None, None), SMALL),
        (told("0.04", None, THIN, THIN), SMALL),
        (told("0.04", THIN, THIN, THIN), DUST),
        (told("1", THIN, THIN, THIN), SMALL),
        (told("4", TOO_SMALL, TOO_SMALL, TOO_SMALL), DUST),
        (told("4", TOO_SMALL, THIN, TOO_SMALL), SMALL),
        (told("100", TOO_SMALL, TOO_SMALL, TOO_SMALL), URGENT),
        (told("0.04"), SMALL),
        ({"at_risk": "0.04"}, SMALL),
        (told(None), URGENT),
    ],
)
def test_an_exposure_is_reported_again_by_its_dollars_and_by_what_can_be_done(
    facts: dict[str, Any], after: timedelta
) -> None:
    assert RULES.after(facts, BANKROLL) == after
