"""The commands in the order and the groups in which `--help` shows them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS: dict[str, tuple[str, ...]] = {
    "Every day": ("run", "status", "positions", "halt", "resume"),
    "Look": (
        *("report", "exposures", "position", "explain", "discrepancies"),
        *("orders", "executions", "opportunities", "events", "ledger"),
    ),
    "Act": (
        *("retry-leg", "close-leg", "complement", "resolve"),
        *("override", "reconcile", "wind-down", "commands"),
    ),
    "Set up": ("init", "pairs", "capital", "tape", "study"),
    "Records": ("db", "audit"),
}
"""Every command, by the group that it is shown in, the usual first."""
ORDER = {name: place for place, name in enumerate(sum(GROUPS.values(), ()))}


class Grouped(TyperGroup):
    """The program: its commands in the order of `GROUPS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands; one that no group has comes last."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.get(name, len(ORDER)))


def panel(name: str) -> str:
    """Return the group of a command."""
    return next(group for group, names in GROUPS.items() if name in names)
