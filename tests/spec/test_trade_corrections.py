"""Fills that become final, and comparisons: what a pair trade is after each, and tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from support.pairs import NOW
from support.trades import (
    BEGUN,
    CLOSED,
    ENDED,
    FEE,
    HALF_OUT,
    HEDGED,
    K_WHOLE,
    LATER,
    NOTE,
    OPENED,
    RETRY,
    RETRYING,
    SALE,
    WAITING,
    K,
    P,
    fill,
    follows,
    play,
    q,
    report,
    usd,
)

from dutchbook.domain.execution.order import Fill, Finality, Order, Totals
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.ending import missing
from dutchbook.domain.pair_trades.events import Exposed, Notice
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Cause
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import ZERO

SETTLED, FAILED = Finality.SETTLED, Finality.FAILED
EXPOSED = PositionStatus.SINGLE_LEG_EXPOSED
DOUBTED = PositionStatus.RECONCILIATION_REQUIRED
LATE = "a fill came to light that has no counterpart"


def shown(before: PairTrade, after: PairTrade) -> PairTrade:
    """Return a trade that waits, with the next version of what it has bought."""
    position = replace(after.bought(EXPOSED, NOW), marked_pnl=ZERO)
    return replace(after, position=replace(position, version=before.position.version + 1))


# Fills that become final
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [OPENED, WAITING], ids=["ended", "waiting"])
def test_a_fill_that_settles_is_told_and_changes_nothing_else(before: PairTrade) -> None:
    settled = fill("k1", 10, SETTLED)

    after = apply(before, facts.Final(LATER, settled, (NOTE,)))

    told = (events.final(before.orders["k"], settled), NOTE)
    assert after == (before.with_fills((settled,)), told)


@pytest.mark.parametrize("finality", [SETTLED, FAILED])
def test_a_fill_that_is_final_stays_so(finality: Finality) -> None:
    before = OPENED.with_fills((fill("k1", 10, finality),))

    assert apply(before, facts.Final(LATER, fill("k1", 10, FAILED))) == (before, ())


def test_a_fill_that_fails_while_an_execution_waits_leaves_what_it_has_bought() -> None:
    failed, order = fill("k1", 10, FAILED), WAITING.orders["k"]

    after = apply(WAITING, facts.Final(LATER, failed, (NOTE,)))

    without = WAITING.with_fills((failed,))
    without = without.with_orders((order.without_fill(fill("k1", 10)),))
    assert after == (shown(WAITING, without), (events.final(order, failed), NOTE))


def test_a_fill_that_fails_before_there_is_a_position_leaves_its_order() -> None:
    before, failed = play(BEGUN, K_WHOLE), fill("k1", 10, FAILED)
    order = before.orders["k"]

    after = apply(before, facts.Final(LATER, failed))

    without = before.with_fills((failed,))
    without = without.with_orders((order.without_fill(fill("k1", 10)),))
    assert after == (without, (events.final(order, failed),))


def test_a_fill_that_fails_opens_an_exposure() -> None:
    failed, order = fill("k1", 10, FAILED), OPENED.orders["k"]

    after, told = apply(OPENED, facts.Final(LATER, failed, (NOTE,)))

    without = OPENED.with_fills((failed,))
    without = without.with_orders((order.without_fill(fill("k1", 10)),))
    assert after == follows(OPENED, without, Cause.FILL_FAILED)
    assert told == (
        events.final(order, failed),
        NOTE,
        *events.lost(after.position, failed, "the fill failed to settle"),
        *events.moves(OPENED.position, after.position, Cause.FILL_FAILED),
    )
    assert len(told) == 4


def test_a_stalled_exit_is_told_again_once_its_position_has_moved() -> None:
    half = play(*HEDGED, facts.Placed(NOW, SALE), report("s", fill("s5", 4), fill("s6", 1)))
    stalled = replace(half, stall_reported=True)

    after, _ = apply(stalled, facts.Final(NOW, fill("s5", 4, SETTLED)))
    failed, _ = apply(stalled, facts.Final(NOW, fill("s5", 4, FAILED)))

    assert half.position.status is PositionStatus.EXIT_PARTIAL
    assert failed.position.status is EXPOSED
    assert (after.stall_reported, failed.stall_reported) == (True, False)


# Comparisons
# ------------------------------------------------------------------------------------


def corrected(
    before: PairTrade,
    order: Order,
    fills: Iterable[Fill] = (),
    finalities: Iterable[Fill] = (),
) -> tuple[PairTrade, tuple[Notice, ...]]:
    known = before.orders[order.order_id]
    fact = facts.Corrected(LATER, known, order, tuple(fills), tuple(finalities))
    return apply(before, fact)


def test_a_comparison_with_an_order_that_has_changed_since_is_dropped() -> None:
    more = fill("k2", 3)
    order = OPENED.orders["k"].with_fill(more)

    after = apply(OPENED, facts.Corrected(LATER, K, order, (more,), ()))

    assert after == (OPENED, ())


def test_a_comparison_tells_what_is_new_and_final_of_a_running_execution() -> None:
    first, settled = fill("p1", 4), fill("k1", 10, SETTLED)
    order = P.with_fill(first)

    after, told = corrected(WAITING, order, [first], [settled])

    assert after == shown(WAITING, WAITING.with_orders((order,)).with_fills((first, settled)))
    assert told == (
        *events.filled(P, order, (first,), "position"),
        events.final(P, settled),
    )


@pytest.mark.parametrize("filled", [True, False], ids=["with a late fill", "with nothing"])
def test_a_comparison_opens_the_position_of_an_execution_that_ended_with_nothing(
    *, filled: bool
) -> None:
    late, known = fill("k1", 4), ENDED.orders["k"]
    if not filled:
        ended = replace(known, version=9)
        assert corrected(ENDED, ended) == (ENDED.with_orders((ended,)), ())
        return

    after, told = corrected(ENDED, known.with_fill(late), [late])

    expected = ENDED.with_orders((known.with_fill(late),)).with_fills((late,))
    opened = replace(expected, position=expected.bought(EXPOSED, LATER), opened=True)
    assert after == opened
    assert told == (
        *events.filled(known, known.with_fill(late), (late,), "position"),
        missing(opened),
    )


@pytest.mark.parametrize(
    ("order", "reason"),
    [(RETRY.ended(), "nothing was filled"), (RETRY.refused("no funds"), "no funds")],
    ids=["expired", "refused"],
)
def test_a_comparison_ends_an_order_that_filled_nothing(order: Order, reason: str) -> None:
    after = corrected(RETRYING, order)

    expected = replace(RETRYING.with_orders((order,)), reservations={})
    assert after == (expected, (events.failed(order, 2002, reason),))


@pytest.mark.parametrize(
    "order",
    [replace(RETRY, working_size=q(4)), replace(RETRY, version=9)],
    ids=["less works", "another version"],
)
def test_a_comparison_after_which_an_order_still_works_tells_nothing(order: Order) -> None:
    assert corrected(RETRYING, order) == (RETRYING.with_orders((order,)), ())


def test_a_comparison_of_an_order_that_was_over_tells_no_failure() -> None:
    order = replace(OPENED.orders["p"], version=9)

    assert corrected(OPENED, order) == (OPENED.with_orders((order,)), ())


def test_a_comparison_that_finds_the_missing_fill_ends_the_exposure() -> None:
    rest = fill("r5", 6)
    order = RETRY.with_fill(rest).ended()

    after, told = corrected(RETRYING, order, [rest])

    expected = RETRYING.with_orders((order,)).with_fills((rest,))
    assert after == follows(RETRYING, replace(expected, reservations={}), Cause.RECONCILED)
    assert told == (
        *events.filled(RETRY, order, (rest,), "position"),
        *events.resolved(RETRYING.position, after.position, order),
        *events.moves(RETRYING.position, after.position, Cause.RECONCILED),
    )
    assert len(told) == 3


def test_a_comparison_that_changes_an_exposure_tells_no_new_one() -> None:
    part = fill("r5", 2)
    order = RETRY.with_fill(part).ended()

    _, told = corrected(RETRYING, order, [part])

    assert told == tuple(events.filled(RETRY, order, (part,), "position"))


KNOWN = OPENED.orders["k"]
MORE, GONE = fill("k2", 3), fill("k1", 10, FAILED)
WITH_MORE, WITHOUT = KNOWN.with_fill(MORE), KNOWN.without_fill(fill("k1", 10))


@pytest.mark.parametrize(
    ("order", "fills", "finalities", "news"),
    [
        (WITH_MORE, [MORE], [], MORE),
        (WITHOUT, [], [GONE], GONE),
        (WITHOUT.with_fill(MORE), [MORE], [GONE], MORE),
        (
            WITHOUT.with_totals(Totals(q(16), usd(6), FEE), [GONE]),
            [],
            [GONE],
            GONE,
        ),
    ],
    ids=["a fill", "a failure", "both", "a failure, and a statement"],
)
def test_a_comparison_that_opens_an_exposure_tells_the_first_news_of_it(
    order: Order, fills: list[Fill], finalities: list[Fill], news: Fill
) -> None:
    after, told = corrected(OPENED, order, fills, finalities)

    expected = OPENED.with_orders((order,)).with_fills((*fills, *finalities))
    assert after == follows(OPENED, expected, Cause.RECONCILED)
    assert told == (
        *events.filled(KNOWN, order, fills, "position"),
        *events.lost(after.position, news, LATE),
        *events.moves(OPENED.position, after.position, Cause.RECONCILED),
    )
    assert any(isinstance(each, Exposed) for each in told)


def test_totals_that_open_an_exposure_are_its_news() -> None:
    order = KNOWN.with_totals(Totals(q(12), usd("4.8"), usd("0.04")), [fill("k1", 10)])

    after, told = corrected(OPENED, order)

    assert order.unlisted is not None
    assert told == (
        *events.filled(KNOWN, order, (), "position"),
        *events.lost(after.position, order.unlisted, LATE),
        *events.moves(OPENED.position, after.position, Cause.RECONCILED),
    )


def test_a_statement_that_is_gone_is_an_exposure_without_news() -> None:
    stated = report("p", stated=Totals(q(10), usd(5), FEE))
    before = play(*HEDGED[:3], stated, HEDGED[4])

    after, told = corrected(before, before.orders["p"].without_stated())

    assert told == (
        events.unhedged(after.position, "a platform no longer states what it had stated"),
        *events.moves(before.position, after.position, Cause.RECONCILED),
    )


def test_a_statement_of_a_closed_position_that_is_gone_puts_it_in_doubt_alone() -> None:
    stated = report("s", stated=Totals(q(10), usd("4.5"), FEE))
    before = play(*CLOSED[:-3], stated, *CLOSED[-2:])

    after, told = corrected(before, before.orders["s"].without_stated())

    assert after.position.status is DOUBTED
    assert told == tuple(events.moves(before.position, after.position, Cause.RECONCILED))


def test_a_comparison_during_an_exit_ends_no_exposure_that_was_never_told() -> None:
    known, gone = HALF_OUT.orders["s"], fill("s5", 4)
    failed = replace(gone, finality=FAILED)

    after, told = corrected(HALF_OUT, known.without_fill(gone), (), (failed,))

    assert after.position.status is PositionStatus.OPEN
    assert told == tuple(events.moves(HALF_OUT.position, after.position, Cause.RECONCILED))
