"""What the gate counts of each execution, what it forgets, and what it says when it rejects."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.gates import PLANNED, SPARE, At, Scene, cents, filled, of
from support.pairs import NOW

from dutchbook.domain.events import Stamp, TradingHalted
from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Quantity
from dutchbook.errors import Halted

DEAR = cents(49)
THERE: dict[str, Any] = {
    "platform": Platform.POLYMARKET,
    "contract_id": "polymarket-cup",
    "price": DEAR,
}


def refused(scene: Scene, **facts: Any) -> Refused:
    verdict = scene.gate.approve(scene.order(**facts), scene.state.epoch)
    assert isinstance(verdict, Refused)
    return verdict


def overfilled(scene: Scene, execution_id: str, size: int, sequence: int = 1) -> Order:
    """Send an order on Polymarket, of which the platform fills more than was ordered."""
    order = scene.order(execution_id=execution_id, size=of(20 + scene.made), **THERE)
    scene.gate.approve(order, 1)
    scene.gate.on_event(filled(scene.order(order_id=order.order_id, **THERE)), 0)
    report = scene.order(order_id=order.order_id, filled=of(size), **THERE)
    scene.gate.on_event(filled(report), sequence)
    return order


def room(scene: Scene, execution_id: str = "e") -> Decimal:
    """Return what an execution may still send on Kalshi, as a rejection tells it."""
    detail = refused(
        scene, execution_id=execution_id, size=of(1_000), price=cents(1), purpose=Purpose.HEDGE
    ).detail
    return Decimal(detail.split(", ")[1].split()[0])


# What it says


def without_lease(scene: Scene) -> None:
    scene.lease.held = False


def with_an_unreadable_lease(scene: Scene) -> None:
    scene.lease.blind = True


def with_a_result(scene: Scene) -> None:
    scene.resolved.add((Platform.KALSHI, "kalshi-cup"))


def with_an_old_book(scene: Scene) -> None:
    scene.clock.instant += timedelta(seconds=6)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (without_lease, Refused("lease_expired", "it was not renewed in time", 4002)),
        (
            with_an_unreadable_lease,
            Refused("lease_unreadable", "whether to halt is not known", 4002),
        ),
        (with_a_result, Refused("resolved", "the contract has a result", 3012)),
        (with_an_old_book, Refused("book_stale", "no entry on such a book", 2001)),
    ],
)
def test_a_rejection_says_what_is_wrong(spoil: Any, expected: Refused) -> None:
    scene = Scene()
    spoil(scene)

    assert refused(scene) == expected


def test_the_first_control_that_fails_is_the_one_that_is_told() -> None:
    scene = Scene()
    without_lease(scene)
    with_a_result(scene)

    assert refused(scene).reason == "lease_expired"


def test_a_commit_that_a_halt_rejected_is_a_rejection_like_any_other() -> None:
    halted = Halted("leases", "engine", "halted")

    assert Scene().gate.halted_by(halted) == Refused(
        "trading_halted", "leases engine: halted", 4001
    )


def test_an_order_like_an_unanswered_one_is_told_with_it() -> None:
    scene = Scene()
    first = scene.order(size=of(5))
    scene.gate.approve(first, 1)

    assert refused(scene, size=of(5)) == Refused(
        "duplicate", f"like {first.order_id}, which is unanswered", 3009
    )


@pytest.mark.parametrize("same", ["order_id", "client_order_id"])
def test_an_order_that_was_sent_is_known_by_either_of_its_ids(same: str) -> None:
    scene = Scene()
    first = scene.order()
    scene.gate.approve(first, 1)
    again = scene.order(**{same: getattr(first, same)})

    assert scene.gate.approve(again, 1) == Refused(
        "sent_before", again.order_id, 3009, broken=True
    )


def test_a_sale_without_a_plan_that_is_unanswered_is_not_sent_again() -> None:
    scene = Scene()
    sale = scene.order(side=Side.SELL, purpose=Purpose.EXIT, execution_id="x")
    scene.gate.approve(sale, 1)

    verdict = scene.gate.approve(sale, 1)

    assert verdict == Refused("sent_before", sale.order_id, 3009, broken=True)


# Rates and duplicates, at any time of the clock


@pytest.mark.parametrize(("later", "reason"), [(59.5, "order_rate"), (60.0, None)])
def test_the_minute_of_the_rate_begins_with_the_first_order(
    later: float, reason: str | None
) -> None:
    scene = Scene(clock=At(elapsed=1_000.0))
    for _ in range(3):
        scene.ask()
    scene.clock.elapsed += later

    assert scene.ask() == reason


def test_orders_leave_the_minute_one_by_one() -> None:
    scene = Scene()
    for elapsed in (0.0, 20.0, 40.0):
        scene.clock.elapsed = elapsed
        scene.ask()
    scene.clock.elapsed = 80.0

    assert [scene.ask() for _ in range(3)] == [None, None, "order_rate"]


@pytest.mark.parametrize(("later", "reason"), [(0.5, "duplicate"), (1.0, None)])
def test_likeness_is_counted_from_the_sending(later: float, reason: str | None) -> None:
    scene = Scene(clock=At(elapsed=1_000.0))
    scene.ask(size=of(5))
    scene.clock.elapsed += later

    assert scene.ask(size=of(5)) == reason


def test_an_answer_for_an_order_that_is_not_known_changes_nothing() -> None:
    scene = Scene()

    scene.gate.answered("of another run")

    assert scene.ask() is None


# What it counts


def test_the_plan_and_its_allowance_bound_what_is_sent() -> None:
    assert room(Scene()) == PLANNED + SPARE


def test_more_is_planned_once_the_other_platform_has_filled_more() -> None:
    scene = Scene()

    overfilled(scene, "e", 130)

    assert room(scene) == 130 + SPARE


def test_fills_below_the_plan_change_nothing() -> None:
    scene = Scene()

    overfilled(scene, "e", 99)

    assert room(scene) == PLANNED + SPARE


@pytest.mark.parametrize(("sequence", "expected"), [(0, PLANNED), (1, Quantity(Decimal(130)))])
def test_only_a_fill_that_is_committed_counts(sequence: int, expected: Quantity) -> None:
    scene = Scene()

    overfilled(scene, "e", 130, sequence)

    assert room(scene) == expected + SPARE


def test_only_fills_are_counted() -> None:
    scene = Scene()

    scene.gate.on_event(TradingHalted(Stamp("e", NOW, "x"), "operator", ("operator",), ""), 1)

    assert room(scene) == PLANNED + SPARE


def test_a_fill_of_an_order_that_is_not_known_counts_for_no_execution() -> None:
    scene = Scene()

    scene.gate.on_event(filled(scene.order(filled=of(500), **THERE)), 1)

    assert room(scene) == PLANNED + SPARE


def test_an_execution_that_ended_is_forgotten_and_no_other_is() -> None:
    scene = Scene()
    scene.gate.plan("other", PLANNED, SPARE)
    overfilled(scene, "e", 130)
    order = overfilled(scene, "other", 140)

    scene.gate.ended("e")
    scene.gate.ended("never planned")
    report = scene.order(order_id=order.order_id, filled=of(10), **THERE)
    scene.gate.on_event(filled(report), 3)

    assert room(scene) == 0
    assert room(scene, "other") == 150 + SPARE


def test_a_late_fill_of_an_execution_that_ended_counts_for_none() -> None:
    scene = Scene()
    order = overfilled(scene, "e", 120)
    scene.gate.ended("e")
    scene.gate.plan("e", PLANNED, SPARE)

    report = scene.order(order_id=order.order_id, filled=of(130), **THERE)
    scene.gate.on_event(filled(report), 2)

    assert room(scene) == PLANNED + SPARE


def test_an_execution_may_plan_nothing_but_not_less() -> None:
    scene = Scene()

    scene.gate.plan("none", of(0), SPARE)

    assert room(scene, "none") == SPARE
    with pytest.raises(AssertionError, match=r"^a plan is a quantity$"):
        scene.gate.plan("less", of(-1), SPARE)


# The lease and the book


@pytest.mark.parametrize("journal", [None, object()], ids=["without a database", "with one"])
def test_the_lease_is_read_from_the_database_if_there_is_one(journal: object) -> None:
    scene = Scene(journal=journal)

    asyncio.run(scene.gate.refresh_lease())

    assert scene.lease.looked == ([] if journal is None else [journal])


def test_without_a_lease_only_the_risk_state_halts() -> None:
    scene = Scene(lease=None, journal=object())

    asyncio.run(scene.gate.refresh_lease())

    assert scene.gate.rejection(Purpose.ENTRY) is None
    assert scene.ask() is None


@pytest.mark.parametrize(
    ("outcome", "worst"), [(Outcome.YES, cents(50)), (Outcome.NO, cents(72))]
)
def test_the_worst_price_is_the_collar_beyond_the_best(outcome: Outcome, worst: Any) -> None:
    scene = Scene()
    contract = scene.contracts[Platform.KALSHI, "kalshi-cup"]

    assert scene.gate.worst_price(contract, outcome) == worst


def test_an_empty_book_has_no_worst_price() -> None:
    scene = Scene()
    scene.books[Platform.KALSHI, "kalshi-cup"].replace([(3800, 1)], [])
    contract = scene.contracts[Platform.KALSHI, "kalshi-cup"]

    assert scene.gate.worst_price(contract, Outcome.YES) is None
