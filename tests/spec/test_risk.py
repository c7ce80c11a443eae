from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from dutchbook.domain.contract import Platform
from dutchbook.domain.risk import (
    HaltReason,
    Override,
    RiskLimits,
    RiskState,
    Validation,
    crossings,
    marked,
    validate,
)
from dutchbook.domain.units import Money

LIMITS = RiskLimits()


def dollars(amount: int) -> dict[Platform, Money]:
    return {platform: Money(Decimal(amount)) for platform in Platform}


def judge(
    state: RiskState | None = None, *, free: int = 1_000, stake: int = 0, asks: int = 100
) -> Validation:
    return validate(state or RiskState(), LIMITS, dollars(free), dollars(stake), dollars(asks))


def test_the_defaults_are_three_percent_ten_pairs_and_five_percent_a_day() -> None:
    assert (LIMITS.position, LIMITS.max_open_pairs, LIMITS.daily_loss) == (300, 10, 500)


def test_a_request_within_every_limit_is_approved_up_to_the_position_limit() -> None:
    verdict = judge()

    assert (verdict.approved, verdict.reason, verdict.maximum_size) == (True, None, 300)


def test_a_halt_is_judged_before_everything_else() -> None:
    full = RiskState(open_position_count=10).halted(HaltReason.OPERATOR)

    assert judge(full, free=0).reason == "trading_halted"


@pytest.mark.parametrize(
    ("held", "reserved", "approved"), [(9, 0, True), (9, 1, False), (4, 6, False)]
)
def test_reserved_slots_count_towards_open_pairs(
    held: int, reserved: int, approved: bool
) -> None:
    state = RiskState(open_position_count=held, reserved_position_slots=reserved)

    verdict = judge(state)

    assert verdict.approved is approved
    assert verdict.reason == (None if approved else "max_open_pairs")


@pytest.mark.parametrize(("free", "approved"), [(100, True), (99, False), (0, False)])
def test_free_capital_is_the_end_of_it(free: int, approved: bool) -> None:
    assert judge(free=free).approved is approved


@pytest.mark.parametrize(("stake", "approved"), [(4_900, True), (4_901, False)])
def test_what_is_at_stake_on_one_platform_is_limited(stake: int, approved: bool) -> None:
    assert judge(stake=stake).approved is approved


@pytest.mark.parametrize(
    ("size", "granted", "reason"),
    [
        ("300", None, None),
        ("300.000001", None, "position_size"),
        ("200", "200", None),
        ("200.000001", "200", "position_size"),
    ],
)
def test_a_position_costs_at_most_its_share_or_what_a_person_named(
    size: str, granted: str | None, reason: str | None
) -> None:
    override = Override("o", "p", Money(Decimal(granted))) if granted else None

    verdict = validate(
        RiskState(), LIMITS, dollars(900), dollars(0), dollars(1), Decimal(size), override
    )

    assert verdict.reason == reason


def test_an_override_never_lifts_a_halt_nor_free_capital() -> None:
    override = Override("o", "p", LIMITS.position)
    halted = RiskState().halted(HaltReason.OPERATOR)

    def judged(state: RiskState, free: int, stake: int) -> str | None:
        facts = (dollars(free), dollars(stake), dollars(100), Decimal(1), override)
        return validate(state, LIMITS, *facts).reason

    assert judged(halted, 100, 0) == "trading_halted"
    assert judged(RiskState(), 100, 5_000) is None
    assert judged(RiskState(), 99, 0) == "insufficient_capital"


def test_halt_reasons_are_a_set_that_is_cleared_one_by_one() -> None:
    state = RiskState().halted(HaltReason.OPERATOR).halted(HaltReason.DAILY_LOSS_LIMIT)

    once = state.resumed(HaltReason.OPERATOR)

    assert once.trading_halted
    assert not once.resumed(HaltReason.DAILY_LOSS_LIMIT).trading_halted


def test_every_change_of_a_halt_begins_a_new_risk_epoch() -> None:
    state = RiskState()

    assert (
        state.halted(HaltReason.OPERATOR).resumed(HaltReason.OPERATOR).epoch == state.epoch + 2
    )


def test_a_limit_is_announced_once_for_each_crossing() -> None:
    bounds = {"open_pairs": Decimal(10)}

    def between(was: int, now: int) -> list[bool]:
        values = ({"open_pairs": Decimal(was)}, {"open_pairs": Decimal(now)})
        return [each.breached for each in crossings(*values, bounds, LIMITS.approach_share)]

    assert between(7, 8) == [False]
    assert between(8, 9) == []
    assert between(9, 10) == [True]
    assert between(10, 10) == []
    assert between(9, 8) == []
    assert between(0, 10) == [True]


def test_a_hedged_position_is_marked_at_its_payout_less_the_divergence_reserve() -> None:
    assert marked(Decimal(100), Decimal(95), Decimal("0.05")) == Decimal("4.95")


def test_the_daily_loss_is_measured_against_the_bankroll() -> None:
    smaller = replace(LIMITS, bankroll=Money(Decimal(1_000)))

    assert smaller.daily_loss == 50
