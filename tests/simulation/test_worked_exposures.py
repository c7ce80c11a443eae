"""On the World Cup recording no leg stays unhedged while something can be done about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exposure_time import PERMITTED, UNDER_WAY, ExposureTime
from support.faults import ALL, BUSY
from support.recordings import WORLD_CUP, needs
from support.runs import play

from dutchbook.tape.format import open_tape
from dutchbook.tape.message import Tape

PATIENCE = 60


@pytest.fixture(scope="module")
def tape(world_cup_tape: Path) -> Tape:
    return open_tape(world_cup_tape)


def walked(tape: Tape, *settings: str) -> ExposureTime:
    found = ExposureTime()
    play(*settings, tape=tape, prepare=found.watch)
    return found


@needs(WORLD_CUP)
def test_no_leg_is_unhedged_for_a_minute_while_a_remedy_is_permitted(tape: Tape) -> None:
    """`make figures` walks the default minimum edge too."""
    found = walked(tape, "detection.minimum_net_edge=0.001")

    assert len(found.seconds) >= 18
    assert found.by_cause()[UNDER_WAY] > 60
    # A look at each second counts one more than the seconds between the first and the last.
    assert found.longest() <= PATIENCE + 1, found.by_cause()


def test_a_leg_that_nobody_works_on_stays_while_something_could_be_done() -> None:
    """The same walk on decisions that leave a leg alone: it can fail."""
    found = ExposureTime()
    play(*BUSY, *ALL, "execution.auto_policy=off", seed=4, minutes=20, prepare=found.watch)

    assert found.longest() > 5 * PATIENCE
    assert found.by_cause()[PERMITTED] >= found.longest()
