"""Cash that arrives for a pair trade, and what moves its position beyond its facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from support.pairs import NOW
from support.trades import (
    CLOSED,
    HALF_OUT,
    KALSHI,
    LATER,
    NOTE,
    OPENED,
    POLYMARKET,
    SHORTER,
    P,
    fill,
    follows,
    play,
    q,
    report,
    usd,
)

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.events import Exposed
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause, Merge, Payout
from dutchbook.domain.positions.position import OpenPosition, PositionStatus

LAST = events.unknown(P, "the last of the same commit")
FAILED = Finality.FAILED
EXPOSED = PositionStatus.SINGLE_LEG_EXPOSED
DOUBTED = PositionStatus.RECONCILIATION_REQUIRED
DOUBTFUL = play(facts.Moved(NOW, DOUBTED, {"why": "unlike"}), start=SHORTER)


# Payments
# ------------------------------------------------------------------------------------

PAIRED = play(*CLOSED[:-1], report("c", fill("c6", 6)))
MERGE = Merge(POLYMARKET, q(4), NOW)
LOST, WON = Payout(KALSHI, Decimal(0), NOW), Payout(POLYMARKET, Decimal("0.25"), NOW)


def test_a_merge_is_booked_and_told() -> None:
    fact = facts.Paid(LATER, (MERGE,), Cause.REPORTED, EntryKind.REDEMPTION, "cup-no")

    after, told = apply(PAIRED, fact)

    assert after == follows(PAIRED, replace(PAIRED, payments=(MERGE,)), Cause.REPORTED)
    assert told == (events.merged(PAIRED.position, MERGE, "cup-no"),)


@pytest.mark.parametrize("stated", [False, True], ids=["paid", "stated by a person"])
def test_payouts_close_a_position_and_are_told_unless_a_person_states_them(
    *, stated: bool
) -> None:
    before = replace(OPENED, payments=(LOST,))
    contract = None if stated else "cup"

    after, told = apply(
        before, facts.Paid(LATER, (WON,), Cause.SETTLED, EntryKind.SETTLEMENT, contract)
    )

    assert after == follows(before, replace(before, payments=(LOST, WON)), Cause.SETTLED)
    position = after.position
    assert (position.status, position.closed_at) == (PositionStatus.CLOSED, LATER)
    paid = () if stated else events.paid(before.position, position, WON, "cup")
    assert told == (*paid, *events.moves(before.position, position, Cause.SETTLED))


def test_several_payments_are_told_in_their_order() -> None:
    after, told = apply(
        PAIRED,
        facts.Paid(LATER, (WON, MERGE), Cause.SETTLED, EntryKind.SETTLEMENT, "cup-no"),
    )

    assert told == (
        *events.paid(PAIRED.position, after.position, WON, "cup-no"),
        events.merged(PAIRED.position, MERGE, "cup-no"),
        *events.moves(PAIRED.position, after.position, Cause.SETTLED),
    )


# The position
# ------------------------------------------------------------------------------------


def test_an_exit_that_stalls_is_an_exposure_of_the_leg_that_holds_more() -> None:
    after, told = apply(HALF_OUT, facts.Stalled(LATER))

    reason = "its exit filled less than the other leg's"
    assert after == replace(HALF_OUT, stall_reported=True)
    assert told == (Exposed(FailedLeg(POLYMARKET, reason, 2008, None, q(4))),)


def moved(position: OpenPosition, status: PositionStatus) -> OpenPosition:
    """Return a position with another status, out of doubt, and its mark."""
    after = replace(position, status=status, version=position.version + 1)
    after = replace(after, reconciliation_context=None)
    return replace(after, marked_pnl=after.mark)


def test_a_position_in_doubt_keeps_what_is_in_doubt() -> None:
    wrong = replace(OPENED, position=replace(OPENED.position, marked_pnl=usd(9)))

    after, told = apply(
        wrong, facts.Moved(LATER, DOUBTED, {"why": "unlike"}, (NOTE,), last=(LAST,))
    )

    position = replace(
        moved(OPENED.position, DOUBTED), reconciliation_context={"why": "unlike"}
    )
    assert after == replace(OPENED, position=position)
    assert position.marked_pnl == OPENED.position.marked_pnl
    assert told == (
        NOTE,
        LAST,
        *events.moves(OPENED.position, position, Cause.RECONCILED),
    )


@pytest.mark.parametrize("known", [None, NOW], ids=["open before", "closed before"])
def test_a_position_that_a_person_closes_was_closed_when_it_first_was(
    known: datetime | None,
) -> None:
    doubtful = replace(DOUBTFUL, position=replace(DOUBTFUL.position, closed_at=known))
    fact = facts.Moved(LATER, PositionStatus.CLOSED, person=True, last=(LAST,))

    after, told = apply(doubtful, fact)

    position = replace(
        moved(DOUBTFUL.position, PositionStatus.CLOSED), closed_at=known or LATER
    )
    assert after == replace(DOUBTFUL, position=position)
    assert told == (LAST, *events.moves(DOUBTFUL.position, position, Cause.RECONCILED))


BALANCED = play(facts.Moved(NOW, DOUBTED), start=OPENED)
BY_PERSON = "a person resolved a discrepancy"


@pytest.mark.parametrize(
    ("before", "status", "person", "exposed"),
    [
        (DOUBTFUL, EXPOSED, True, True),
        (DOUBTFUL, EXPOSED, False, False),
        (DOUBTFUL, PositionStatus.EXIT_PARTIAL, True, False),
        (BALANCED, EXPOSED, True, False),
        (BALANCED, PositionStatus.OPEN, True, False),
    ],
    ids=["by a person", "by itself", "an exit", "balanced", "open"],
)
def test_an_exposure_that_a_person_decides_on_is_told(
    before: PairTrade, status: PositionStatus, person: bool, exposed: bool
) -> None:
    after, told = apply(before, facts.Moved(LATER, status, None, (NOTE,), person=person))

    assert after == replace(before, position=moved(before.position, status))
    exposure = (events.unhedged(after.position, BY_PERSON),) if exposed else ()
    moves = events.moves(before.position, after.position, Cause.RECONCILED)
    assert told == (NOTE, *exposure, *moves)


@pytest.mark.parametrize("person", [True, False], ids=["a person", "its platform"])
def test_a_fill_whose_failure_resolves_a_doubt_is_the_exposure(*, person: bool) -> None:
    failed = fill("p2", 6, FAILED)

    after, told = apply(
        DOUBTFUL, facts.Moved(LATER, EXPOSED, failed=failed, person=person, last=(LAST,))
    )

    assert told == (
        *events.lost(after.position, failed, "the fill failed to settle"),
        LAST,
        *events.moves(DOUBTFUL.position, after.position, Cause.RECONCILED),
    )
    assert len(told) == 3


@pytest.mark.parametrize(
    ("before", "status"),
    [(OPENED, EXPOSED), (DOUBTFUL, DOUBTED)],
    ids=["neither", "both"],
)
def test_a_person_moves_a_position_only_into_or_out_of_doubt(
    before: PairTrade, status: PositionStatus
) -> None:
    with pytest.raises(AssertionError, match=r"^a position enters or leaves reconciliation$"):
        apply(before, facts.Moved(LATER, status))
