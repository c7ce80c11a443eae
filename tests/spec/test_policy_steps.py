"""Which step the policy takes on an exposure: each once, over restarts too."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from support.clocks import Hand
from support.executing import NamedIds
from support.memory_journal import MemoryJournal
from support.pairs import NOW

from dutchbook.application.exposure.auto_policy import AutoPolicy, PolicySteps
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import Event, LimitApproached, PolicyTried, PositionMoved, Stamp
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.ports.journal import Batch
from dutchbook.runtime.virtual_time import run_virtual

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
RETRY, CLOSE = "retry_leg", "close_leg"
BOTH = AutoPolicy.COMPLETE_THEN_UNWIND


def position(name: str = "held", longer: Platform = KALSHI) -> Any:
    return SimpleNamespace(position_id=name, pair_id="cup", execution_id="e", longer=longer)


def stamp(number: int = 1) -> Stamp:
    return Stamp(f"event-{number}", NOW, "e")


def tried(step: str, platform: Platform = KALSHI, name: str = "held") -> PolicyTried:
    return PolicyTried(stamp(), name, "cup", platform=platform, step=step, reason=None)


def moved(after: PositionStatus, name: str = "held") -> PositionMoved:
    return PositionMoved(stamp(), name, "cup", "before", after, "a cause")


def steps(policy: AutoPolicy = BOTH) -> PolicySteps:
    return PolicySteps(Committer(MemoryJournal(), Hand(), NamedIds()), policy)


async def started(*history: Event) -> PolicySteps:
    """Return the steps after a start from a log with a history."""
    journal = MemoryJournal()
    committer = Committer(journal, Hand(), NamedIds())
    for event in history:
        stamped = replace(event, stamp=committer.stamp("e"))
        await committer.commit(Batch(events=(stamped,)))
    made = PolicySteps(committer, BOTH)
    made.tried(position("forgotten"), RETRY, None)
    await made.start(journal)
    return made


async def told(*history: Event) -> PolicySteps:
    """Return the steps after they were told of a history as it was committed."""
    made = steps()
    for sequence, event in enumerate(history, start=1):
        made.on_event(event, sequence)
    return made


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (AutoPolicy.OFF, []),
        (AutoPolicy.UNWIND, [CLOSE]),
        (AutoPolicy.COMPLETE_THEN_UNWIND, [RETRY, CLOSE]),
    ],
)
def test_a_policy_takes_its_steps_in_order_and_each_once(
    policy: AutoPolicy, wanted: list[str]
) -> None:
    made, taken = steps(policy), []

    while (step := made.next(position())) is not None:
        taken.append(step)
        made.tried(position(), step, None)

    assert taken == wanted


@pytest.mark.parametrize("reason", [None, "the book offers 0 of 100"])
def test_the_event_of_a_step_names_the_unhedged_leg_and_why_nothing_was_sent(
    reason: str | None,
) -> None:
    event = steps().tried(position(longer=POLYMARKET), RETRY, reason)

    assert event == PolicyTried(
        Stamp("event of e", NOW, "e"),
        "held",
        "cup",
        platform=POLYMARKET,
        step=RETRY,
        reason=reason,
    )


HISTORIES: list[tuple[list[Event], str | None]] = [
    ([], RETRY),
    ([tried(RETRY)], CLOSE),
    ([tried(RETRY), tried(RETRY)], CLOSE),
    ([tried(RETRY), tried(CLOSE)], None),
    # A reversed exposure is a new one, and another position's is its own.
    ([tried(RETRY, POLYMARKET)], RETRY),
    ([tried(RETRY, name="another")], RETRY),
    # So is one that opens after this one is gone.
    ([tried(RETRY), moved(PositionStatus.OPEN)], RETRY),
    ([tried(RETRY), moved(PositionStatus.CLOSED)], RETRY),
    ([tried(RETRY), moved(PositionStatus.EXIT_PARTIAL)], CLOSE),
    ([tried(RETRY), moved(PositionStatus.SINGLE_LEG_EXPOSED)], CLOSE),
    ([tried(RETRY), moved(PositionStatus.OPEN, name="another")], CLOSE),
    ([tried(RETRY), moved(PositionStatus.OPEN), tried(CLOSE)], RETRY),
]


@pytest.mark.parametrize("learn", [started, told])
@pytest.mark.parametrize(("history", "step"), HISTORIES)
def test_the_next_step_follows_from_what_was_committed(
    learn: Any, history: list[Event], step: str | None
) -> None:
    made: PolicySteps = run_virtual(learn(*history))

    assert made.next(position()) == step


def test_a_start_forgets_what_only_this_process_has_counted() -> None:
    assert run_virtual(started()).next(position("forgotten")) == RETRY


def test_a_move_that_is_not_committed_yet_forgets_nothing() -> None:
    made = steps()
    made.on_event(tried(RETRY), 0)

    made.on_event(moved(PositionStatus.OPEN), 0)

    assert made.next(position()) == CLOSE


def test_other_events_change_nothing() -> None:
    other = LimitApproached(stamp(), "pair", Decimal(8), Decimal(10))
    made = run_virtual(told(tried(RETRY), other))

    assert made.next(position()) == CLOSE
