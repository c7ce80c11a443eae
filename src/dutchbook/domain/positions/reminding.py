"""How often an exposure is reported again: by the dollars at risk, and by what can be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.positions.exposure import ACTIONS, TOO_SMALL


@dataclass(frozen=True, slots=True)
class Reminding:
    """How long after a report an exposure is reported again.

    Attributes:
        urgent: Where much is at risk.
        small: Where less is.
        dust: Where nothing can be done now, and so little is at risk that it hardly matters.
        urgent_share: Share of the bankroll from which on the dollars at risk are much.
        dust_dollars: Below so many dollars they hardly matter.
        gap: None comes so soon after the last report.
    """

    urgent: timedelta
    small: timedelta
    dust: timedelta
    urgent_share: Decimal
    dust_dollars: Decimal
    gap: timedelta

    def after(self, facts: Mapping[str, Any], bankroll: Decimal) -> timedelta:
        """Return the time from a report of an exposure to the next one.

        Args:
            facts: The payload of the report's event. Without dollars at risk, as in the logs
                of earlier versions, the exposure counts as urgent.
            bankroll: Dollars.
        """
        text = facts.get("at_risk")
        if text is None or Decimal(text) >= self.urgent_share * bankroll:
            return self.urgent
        dust = self._dust(Decimal(text), facts.get("scenarios", ()))
        return self.dust if dust else self.small

    def _dust(self, at_risk: Decimal, scenarios: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether every remedy is blocked, and it hardly matters or stays so.

        A remedy that is smaller than any order of its platform is blocked whatever its book
        shows.
        """
        blocked = {each["name"]: each["blocked"] for each in scenarios}
        obstacles = [blocked.get(name) for name in ACTIONS]
        if None in obstacles:
            return False
        return at_risk < self.dust_dollars or all(each == TOO_SMALL for each in obstacles)
