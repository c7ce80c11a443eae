"""The sentence about an unhedged leg, the same wherever a person is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dutchbook.domain.events import (
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
)
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, HOLD, RETRY
from dutchbook.domain.values.units import plain

Facts = Mapping[str, Any]
WAYS = {
    RETRY: "retry the missing leg",
    CLOSE: "close the unhedged leg",
    COMPLEMENT: "buy the complement",
    HOLD: "hold",
    "resolve": "resolve the discrepancy",
}
"""Remedies and commands, in words."""
COMMANDS = {RETRY: "retry-leg", CLOSE: "close-leg", COMPLEMENT: "complement"}
SHORT = 8
"""Characters of an id that are shown where space is short; commands accept them."""


BEGINNINGS = {
    SingleLegExposure.wire: "EXPOSED",
    SingleLegExposureChanged.wire: "EXPOSED, changed",
    SingleLegExposureReminder.wire: "STILL EXPOSED",
}
"""How the sentence about each event begins."""


def dollars(amount: Any) -> str:
    """Return an amount for display, cut to at most four decimals."""
    text = str(amount)
    whole, point, fraction = text.partition(".")
    short = fraction[:4].rstrip("0")
    return f"{whole}.{short}" if point and short else whole


def exposure_told(name: str, question: str, facts: Facts) -> str:
    """Return an event of an exposure in a sentence; see `exposed_in_words`."""
    return f"{BEGINNINGS[name]}: {exposed_in_words(question, facts)}"


def exposed_in_words(question: str, facts: Facts) -> str:
    """Return what is unhedged, what it has cost, and the best that can be done about it.

    Args:
        question: The title of the pair.
        facts: The payload of an event of an exposure, of any version.
    """
    quantity = plain(Decimal(facts["exposed_quantity"]))
    leg = f"{quantity} contracts"
    if facts.get("platform"):
        leg = f"{quantity} {str(facts['outcome']).upper()} on {facts['platform']}"
    at_risk = facts.get("at_risk")
    risk = f", {dollars(at_risk)} dollars at risk" if at_risk is not None else ""
    position = str(facts["position_id"])[:SHORT]
    best = best_way(facts["position_id"], facts["scenarios"], facts["recommended_actions"])
    return f"{question}: {leg} unhedged{risk}; position {position}; {best}"


def best_way(position_id: str, scenarios: Sequence[Facts], recommended: Sequence[str]) -> str:
    """Return the best remedy with its price, its result and its command; or why there is none.

    Args:
        position_id: The position.
        scenarios: The remedies as last priced.
        recommended: Those that are possible, the best first.
    """
    if not scenarios:
        return "not priced yet"
    found = {each["name"]: each for each in scenarios}
    best = found.get(recommended[0]) if recommended else None
    if best is None or best["name"] not in COMMANDS:
        return f"nothing can be done now: {_obstacles(scenarios)}"
    return (
        f"best: {WAYS[best['name']]}, {best['detail']}, result {dollars(best['pnl'])}:"
        f" {command(position_id, best)}"
    )


def _obstacles(scenarios: Iterable[Facts]) -> str:
    """Return why no remedy is possible, each reason once, with the remedies that it blocks."""
    blocked: dict[str, list[str]] = {}
    for each in scenarios:
        if each["blocked"]:
            reason = str(each["blocked"]).replace("_", " ")
            blocked.setdefault(reason, []).append(COMMANDS.get(each["name"], str(each["name"])))
    if len(blocked) == 1:
        return next(iter(blocked))
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in blocked.items())


def command(position_id: str, choice: Facts) -> str:
    """Return the command that carries out a remedy as it was priced."""
    price = f" --price {dollars(choice['price'])}" if choice["name"] == RETRY else ""
    return f"dutchbook {COMMANDS[choice['name']]} {position_id[:SHORT]}{price}"
