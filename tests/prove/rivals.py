"""Influences from outside the engine: a second engine, and a channel that loses alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dutchbook.application.records.lease import Gone, take
from dutchbook.domain.events import Event
from dutchbook.errors import LeaseHeld
from prove.watch import TOLD

if TYPE_CHECKING:
    from prove.world import World

TERM = timedelta(seconds=15)
WINDOW = 5
"""Steps for which an alert channel is down."""
BOLD = 3
"""One rival in this many assumes that the engine is dead."""


async def rival(world: World, key: str) -> None:
    """Start a second engine on the same database; it may believe that the first has died."""
    name = f"rival-{key}"
    bold = world.plan.draw(40, key) % BOLD == 0
    gone: Gone = (lambda _: True) if bold else (lambda holder: holder in world.gone)
    try:
        await take(world.store, world.engine_clock, name, TERM, gone)
    except LeaseHeld:
        world.tally.hit(40, "commit")
        return
    world.gone.add(name)
    world.watch.taken_at = world.clock.now()
    if world.life is not None:
        world.life.ousted = True
        world.tally.hit(40, "commit")


def alarm(world: World, event: Event) -> None:
    """Deliver an alert to a person, unless the channel is down (X39)."""
    if event.wire not in TOLD:
        return
    step = int((world.clock.now() - world.born).total_seconds()) // (4 * WINDOW)
    if world.plan.strikes(39, f"down.{world.lives}.{step}"):
        world.tally.hit(39, "adjustment")
        return
    world.watch.heard(event)
