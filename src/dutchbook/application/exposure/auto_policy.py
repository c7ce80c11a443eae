"""Steps that the policy has tried on each exposure: each once, even across restarts."""

from __future__ import annotations

from enum import StrEnum

from dutchbook.application.records.committer import Committer
from dutchbook.application.records.log import logged
from dutchbook.domain.events import Event, PolicyTried, PositionMoved
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.exposure import CLOSE, RETRY
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition
from dutchbook.ports.journal import Journal


class AutoPolicy(StrEnum):
    """What the engine does automatically about an exposure, once."""

    OFF = "off"
    UNWIND = "unwind"
    COMPLETE_THEN_UNWIND = "complete_then_unwind"


STEPS = {
    AutoPolicy.OFF: (),
    AutoPolicy.UNWIND: (CLOSE,),
    AutoPolicy.COMPLETE_THEN_UNWIND: (RETRY, CLOSE),
}
"""What each policy tries on one exposure, in order, each step once."""


class PolicySteps:
    """Counts the steps, from the log at a start and from the bus afterwards.

    An exposure is a position's unhedged leg on one platform: when the other leg becomes the
    longer one, that is a new exposure, and so is one that opens after this one is gone.
    """

    def __init__(self, committer: Committer, policy: AutoPolicy) -> None:
        self._committer = committer
        self._policy = policy
        self._tried: dict[str, dict[Platform, set[str]]] = {}

    async def start(self, journal: Journal) -> None:
        """Load what was tried before this start."""
        self._tried.clear()
        for entry in await logged(journal, PolicyTried, PositionMoved):
            facts = entry.facts
            if entry.name == PositionMoved.wire:
                self._moved(facts["position_id"], facts["after"])
            else:
                self._note(facts["position_id"], Platform(facts["platform"]), facts["step"])

    def on_event(self, event: Event, sequence: int) -> None:
        """Record a step, and forget what was tried on an exposure that is gone."""
        if isinstance(event, PositionMoved) and sequence:
            self._moved(event.position_id, event.after)
        elif isinstance(event, PolicyTried):
            self._note(event.position_id, event.platform, event.step)

    def next(self, position: OpenPosition) -> str | None:
        """Return the first step of the policy that was not tried on an exposure."""
        tried = self._tried.get(position.position_id, {}).get(position.longer, ())
        return next((step for step in STEPS[self._policy] if step not in tried), None)

    def tried(self, position: OpenPosition, step: str, reason: str | None) -> PolicyTried:
        """Return the event of a step being tried, and count the step from now on.

        `reason` is why nothing was sent; None if an order goes out in the same commit.
        """
        self._note(position.position_id, position.longer, step)
        stamp = self._committer.stamp(position.execution_id)
        ids = (position.position_id, position.pair_id)
        return PolicyTried(stamp, *ids, platform=position.longer, step=step, reason=reason)

    def _note(self, position_id: str, platform: Platform, step: str) -> None:
        self._tried.setdefault(position_id, {}).setdefault(platform, set()).add(step)

    def _moved(self, position_id: str, status: str) -> None:
        if status not in UNHEDGED:
            self._tried.pop(position_id, None)
