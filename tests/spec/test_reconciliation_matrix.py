from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from independent.states import hedge_status, order_status
from support.reconciliation import (
    GRACE,
    LOCAL,
    PLATFORM,
    SETTLEMENT,
    Proposal,
    diff,
    local,
    past_grace,
    propose,
    repairs_of,
    theirs,
)
from support.reconciliation_matrix import Cell, cells
from support.second_books import apply

from dutchbook.domain.execution.order import Finality, OrderStatus
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import DUST, PositionStatus
from dutchbook.domain.reconciliation.findings import (
    Discrepancy,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurState
from dutchbook.domain.reconciliation.platform_state import PlatformState

CELLS = cells()
POSSIBLE = [cell for cell in CELLS if cell.impossible is None]
both_platforms = pytest.mark.parametrize("platform", Platform, ids=str)


def sides(cell: Cell, platform: Platform) -> tuple[OurState, PlatformState]:
    reply = theirs(cell.local, cell.platform, cell.settlement, platform)
    return past_grace(local(cell.local, platform), reply), reply


def reconcile(
    ours: OurState, reply: PlatformState
) -> tuple[tuple[Discrepancy, ...], tuple[Proposal, ...], OurState]:
    found = diff(ours, reply, GRACE)
    proposals = propose(found, ours, reply, GRACE)
    return found, proposals, apply(ours, proposals, dust=DUST)


def bought(ours: OurState, platform: Platform) -> Decimal:
    """Return what the live fills and statements of a position's orders have bought."""
    sizes = [
        fill.size
        for our in ours.orders
        for fill in our.fills
        if our.order.platform is platform and fill.finality is not Finality.FAILED
    ]
    stated = [our.order.stated for our in ours.orders if our.order.platform is platform]
    return sum((*sizes, *stated), start=Decimal(0))


def names(found: tuple[Discrepancy, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.kind.value for each in found))


def kinds(proposals: tuple[Proposal, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(type(each).__name__ for each in proposals))


def test_the_matrix_has_every_cell_once_and_a_reason_for_each_impossible_one() -> None:
    where = [(cell.local, cell.platform, cell.settlement) for cell in CELLS]

    assert where == list(product(LOCAL, PLATFORM, SETTLEMENT))
    assert len(where) == 256
    assert len(POSSIBLE) == 232
    assert all(cell.impossible for cell in CELLS if cell not in POSSIBLE)


@both_platforms
@pytest.mark.parametrize("cell", POSSIBLE, ids=str)
def test_each_cell_gives_the_discrepancies_proposals_and_involvement_of_the_matrix(
    cell: Cell, platform: Platform
) -> None:
    found, proposals, _ = reconcile(*sides(cell, platform))

    grades = list(Involvement)
    gravest = max((each.involvement for each in found), key=grades.index, default="none")
    assert (names(found), kinds(proposals), gravest) == (
        cell.discrepancies,
        cell.proposals,
        cell.person,
    )


@both_platforms
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_second_run_of_a_cell_repairs_nothing(cell: Cell, platform: Platform) -> None:
    ours, reply = sides(cell, platform)
    _, _, after = reconcile(ours, reply)

    _, again, unchanged = reconcile(after, reply)

    assert repairs_of(again) == []
    assert unchanged == after


@both_platforms
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_after_a_cell_orders_and_positions_agree_with_fills_that_the_platform_has_told(
    cell: Cell, platform: Platform
) -> None:
    ours, reply = sides(cell, platform)
    _, _, after = reconcile(ours, reply)

    for our in after.orders:
        counted = [fill for fill in our.fills if fill.finality is not Finality.FAILED]
        order = our.order
        filled = sum((fill.size for fill in counted), start=Decimal(0)) + order.stated
        assert order.filled == filled
        assert order.status == order_status(
            ordered=order.size,
            filled=filled,
            working=order.working_size,
            refused=order.refusal is not None,
        )
        held = {fill.trade_id for each in ours.orders for fill in each.fills}
        listed = {each.trade_id for each in reply.of(platform).trades}
        assert {fill.trade_id for fill in our.fills} <= held | listed
        assert not order.stated or (cell.settlement == "n/a" and "filled" in cell.platform)
    position = after.positions[0]
    if position.status is not PositionStatus.RECONCILIATION_REQUIRED:
        assert position.status == hedge_status(*(bought(after, each) for each in Platform))
    if cell.local != "none":
        assert position.holding(platform).size == after.orders[1].order.filled


@both_platforms
@pytest.mark.parametrize("kind", ["query failed", "query stale", "none"])
@pytest.mark.parametrize("state", ["working", "partly filled", "filled", "cancelled"])
def test_silence_about_a_known_order_changes_no_order_and_no_holding(
    state: str, kind: str, platform: Platform
) -> None:
    ours = local(state, platform)

    _, _, after = reconcile(ours, theirs(state, kind, "n/a", platform))

    assert after.orders == ours.orders
    assert after.positions == ours.positions


@both_platforms
def test_even_an_impossible_cell_removes_no_fill_and_involves_a_person(
    platform: Platform,
) -> None:
    for cell in CELLS:
        if cell.impossible is None or cell.local == "none":
            continue
        ours, reply = sides(cell, platform)
        found, _, after = reconcile(ours, reply)
        before, then = ours.orders[1].order, after.orders[1].order
        if cell.settlement != "failed":
            assert then.filled >= before.filled
        assert any(each.involvement is not Involvement.NONE for each in found)
        assert then.status is not OrderStatus.PENDING or before == then


def test_before_the_grace_ends_a_person_is_notified_but_not_asked() -> None:
    reply = theirs("working", "none", "n/a", Platform.KALSHI)
    ours = local("working", Platform.KALSHI)

    found, proposals, after = reconcile(ours, reply)

    assert [(each.kind.value, each.involvement) for each in found] == [
        ("order_not_found", Involvement.NOTIFIED)
    ]
    assert kinds(proposals) == ("AskAgain",)
    assert replace(after, doubted={}) == ours
