"""The gate's pre-trade controls, each at its limit, a tick within it and a tick beyond.

Every case goes through `Gate.approve`, so that it fails if the gate skips a control.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.gates import PLANNED, At, Scene, cents, filled, of
from support.pairs import NOW, contract

from dutchbook.domain.capital.limits import Approved, Grade, HaltReason, RiskState
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import Price, PriceGrid


def test_an_order_that_passes_every_control_is_approved_in_the_present_epoch() -> None:
    scene = Scene(state=RiskState(epoch=7))
    order = scene.order()

    verdict = scene.gate.approve(order, 7)

    assert verdict == Approved(order, 7)


# Halts


@pytest.mark.parametrize("purpose", Purpose)
def test_any_halt_blocks_entries_and_allows_orders_that_reduce_risk(purpose: Purpose) -> None:
    scene = Scene(state=RiskState().halted(HaltReason.OPERATOR))

    assert scene.ask(purpose=purpose) == (
        "trading_halted" if purpose is Purpose.ENTRY else None
    )


@pytest.mark.parametrize("grade", Grade)
@pytest.mark.parametrize("purpose", Purpose)
def test_an_external_halt_applies_before_the_engine_has_read_its_command(
    purpose: Purpose, grade: Grade
) -> None:
    scene = Scene()
    scene.lease.grade = grade

    refused = scene.ask(purpose=purpose)

    entry = purpose is Purpose.ENTRY
    expected = {0: None, 1: "trading_halted" if entry else None, 2: "cancels_only"}
    assert refused == expected[grade]


# Terms of the contract


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"price": Price(Decimal("0.395"))}, "off_grid"),
        ({"price": Price(Decimal("0.395")), "outcome": Outcome.NO}, "off_grid"),
        ({"size": of("1.001")}, "off_lot"),
        ({"size": of(4), "platform": Platform.POLYMARKET}, "below_minimum_size"),
        ({"size": of("5.37"), "price": cents(41), "platform": Platform.POLYMARKET}, "off_lot"),
        (
            {"size": of(6), "price": cents(10), "platform": Platform.POLYMARKET},
            "below_minimum_size",
        ),
    ],
)
def test_no_order_is_sent_that_its_contract_does_not_admit_whatever_made_it(
    purpose: Purpose, facts: dict[str, Any], reason: str
) -> None:
    scene = Scene()
    if facts.get("platform") is Platform.POLYMARKET:
        facts = facts | {"contract_id": contract(Platform.POLYMARKET).contract_id}

    assert scene.ask(purpose=purpose, **facts) == reason


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("purpose", Purpose)
def test_nothing_is_bought_of_a_contract_that_has_a_result(
    purpose: Purpose, side: Side
) -> None:
    scene = Scene()
    scene.resolved.add((Platform.KALSHI, "kalshi-cup"))

    assert scene.ask(purpose=purpose, side=side, price=cents(39)) == (
        "resolved" if side is Side.BUY else None
    )


def test_a_grid_holds_from_the_moment_it_changes() -> None:
    scene = Scene()
    key = (Platform.KALSHI, "kalshi-cup")
    finer = replace(scene.contracts[key], grid=PriceGrid.of_tick("0.005"))

    assert scene.ask(price=Price(Decimal("0.395"))) == "off_grid"
    scene.contracts[key] = finer
    assert scene.ask(price=Price(Decimal("0.395"))) is None


def test_a_halt_for_the_daily_loss_has_its_own_code() -> None:
    scene = Scene(state=RiskState().halted(HaltReason.DAILY_LOSS_LIMIT))

    verdict = scene.gate.approve(scene.order(), scene.state.epoch)

    assert isinstance(verdict, Refused)
    assert verdict.code == 3003


def test_an_entry_that_was_approved_before_a_halt_and_its_end_is_refused() -> None:
    before = RiskState()
    after = before.halted(HaltReason.OPERATOR).resumed(HaltReason.OPERATOR)
    scene = Scene(state=after)

    assert scene.ask(epoch=before.epoch) == "risk_epoch"
    assert scene.ask(epoch=before.epoch, purpose=Purpose.HEDGE) is None
    assert scene.ask(epoch=after.epoch) is None


@pytest.mark.parametrize("purpose", Purpose)
def test_nothing_is_sent_under_a_lease_that_may_have_expired(purpose: Purpose) -> None:
    scene = Scene()
    scene.lease.held = False

    assert scene.ask(purpose=purpose) == "lease_expired"


def test_an_unreadable_lease_blocks_entries() -> None:
    scene = Scene()
    scene.lease.blind = True

    assert scene.ask() == "lease_unreadable"
    assert scene.ask(purpose=Purpose.HEDGE) is None


# Prices


@pytest.mark.parametrize(
    ("limit", "refused"), [(49, None), (50, None), (51, "price_collar"), (1, None)]
)
def test_a_purchase_goes_no_further_than_the_collar_beyond_the_best_offer(
    limit: int, refused: str | None
) -> None:
    assert Scene().ask(price=cents(limit), size=of(1)) == refused


@pytest.mark.parametrize(
    ("limit", "refused"), [(29, None), (28, None), (27, "price_collar"), (99, None)]
)
def test_a_sale_limit_is_at_most_the_collar_below_the_best_bid(
    limit: int, refused: str | None
) -> None:
    facts: dict[str, Any] = {"side": Side.SELL, "purpose": Purpose.EXIT}

    assert Scene().ask(price=cents(limit), size=of(1), **facts) == refused


@pytest.mark.parametrize("purpose", Purpose)
def test_nothing_is_bought_from_an_empty_book(purpose: Purpose) -> None:
    scene = Scene()
    scene.books[Platform.KALSHI, "kalshi-cup"].replace([(3800, 1)], [])

    assert scene.ask(purpose=purpose) == "no_price"


@pytest.mark.parametrize(("age", "refused"), [(4, None), (5, None), (6, "book_stale")])
def test_entries_are_rejected_while_the_book_is_too_old(age: int, refused: str | None) -> None:
    scene = Scene(clock=At(NOW + timedelta(seconds=age)))

    assert scene.ask() == refused
    assert scene.ask(purpose=Purpose.HEDGE) is None


def test_the_furthest_limit_is_within_the_collar() -> None:
    scene = Scene()

    worst_price = scene.gate.worst_price(contract(Platform.KALSHI), Outcome.YES)

    assert worst_price == cents(50)
    assert scene.ask(price=worst_price, size=of(1)) is None


# Values and rates


@pytest.mark.parametrize(
    ("size", "refused"), [("99.99", None), ("100", None), ("100.01", "order_value")]
)
def test_an_order_is_worth_no_more_than_the_bound(size: str, refused: str | None) -> None:
    assert Scene().ask(size=of(size)) == refused


def test_entries_end_at_the_rate_and_what_reduces_risk_at_twice_the_rate() -> None:
    scene = Scene()

    assert [scene.ask() for _ in range(4)] == [None, None, None, "order_rate"]
    hedges = [scene.ask(purpose=Purpose.HEDGE) for _ in range(4)]
    assert hedges == [None, None, None, "order_rate"]


@pytest.mark.parametrize(
    ("later", "refused"), [(59.999, "order_rate"), (60.0, None), (60.001, None)]
)
def test_the_order_rate_is_counted_over_sixty_seconds(
    later: float, refused: str | None
) -> None:
    scene = Scene()
    for _ in range(3):
        scene.ask()
    scene.clock.elapsed = later

    assert scene.ask() == refused


# Duplicates


@pytest.mark.parametrize(
    ("later", "refused"), [(0.0, "duplicate"), (0.999, "duplicate"), (1.0, None)]
)
def test_an_order_equal_to_an_unanswered_one_is_a_duplicate_for_a_second(
    later: float, refused: str | None
) -> None:
    scene = Scene()
    scene.ask(size=of(5))
    scene.clock.elapsed = later

    assert scene.ask(size=of(5)) == refused


def test_an_answered_order_may_be_followed_by_an_equal_one() -> None:
    scene = Scene()
    first = scene.order(size=of(5))
    scene.gate.approve(first, 1)

    scene.gate.answered(first.order_id)

    assert scene.ask(size=of(5)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"price": cents(41)},
        {"size": of("5.01")},
        {"leg": Leg.SECONDARY},
        {"outcome": Outcome.NO, "price": cents(62)},
        {"pair_id": "other"},
    ],
)
def test_an_order_that_differs_is_not_a_duplicate(other: dict[str, Any]) -> None:
    scene = Scene()
    scene.ask(size=of(5))

    assert scene.ask(**({"size": of(5)} | other)) is None


def test_sending_an_order_twice_is_a_broken_invariant() -> None:
    scene = Scene()
    order = scene.order()
    scene.gate.approve(order, 1)
    scene.gate.answered(order.order_id)

    again = scene.gate.approve(order, 1)

    assert isinstance(again, Refused)
    assert (again.reason, again.broken) == ("sent_before", True)


# Quantities of an execution


@pytest.mark.parametrize(
    ("size", "refused"), [("9.99", None), ("10", None), ("10.01", "beyond_plan")]
)
def test_children_add_up_to_the_plan_and_what_evening_may_add(
    size: str, refused: str | None
) -> None:
    scene = Scene()
    assert scene.ask(size=PLANNED) is None

    assert scene.ask(size=of(size), purpose=Purpose.HEDGE) == refused


def test_each_leg_is_counted_separately() -> None:
    scene = Scene()
    scene.ask(size=PLANNED)
    second: dict[str, Any] = {"platform": Platform.POLYMARKET, "contract_id": "polymarket-cup"}

    refused = scene.ask(size=of(80), price=cents(49), purpose=Purpose.HEDGE, **second)

    assert refused is None


def test_contracts_overfilled_on_one_platform_may_be_hedged_on_the_other() -> None:
    scene = Scene()
    order = scene.order(
        size=of(80),
        price=cents(49),
        platform=Platform.POLYMARKET,
        contract_id="polymarket-cup",
    )
    scene.gate.approve(order, 1)
    half = replace(order, size=of(60), filled=of(60))
    for sequence in (1, 2):
        scene.gate.on_event(filled(half), sequence)

    sent = scene.ask(size=of(95), purpose=Purpose.HEDGE)
    more = scene.ask(size=of("35.01"), purpose=Purpose.HEDGE)
    rest = scene.ask(size=of(35), purpose=Purpose.HEDGE)

    assert (sent, more, rest) == (None, "beyond_plan", None)


def test_nothing_is_bought_for_an_unknown_execution() -> None:
    scene = Scene()
    scene.gate.ended("e")

    verdict = scene.gate.approve(scene.order(), 1)

    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.broken) == ("beyond_plan", True)


@pytest.mark.parametrize(
    ("size", "refused"), [("49.99", None), ("50", None), ("50.01", "not_held")]
)
def test_nothing_is_sold_that_is_not_held(size: str, refused: str | None) -> None:
    facts: dict[str, Any] = {"side": Side.SELL, "purpose": Purpose.EXIT, "price": cents(38)}

    assert Scene().ask(size=of(size), **facts) == refused


def test_contracts_in_a_pending_sale_are_not_sold_again() -> None:
    scene = Scene(sold=of(30))
    facts: dict[str, Any] = {"side": Side.SELL, "purpose": Purpose.EXIT, "price": cents(38)}

    assert scene.ask(size=of("20.01"), **facts) == "not_held"
    assert scene.ask(size=of(20), **facts) is None


def test_a_rejected_order_does_not_count_towards_any_limit() -> None:
    scene = Scene()
    for _ in range(10):
        assert scene.ask(price=cents(99), size=of(1)) == "price_collar"

    assert scene.ask(size=PLANNED) is None
