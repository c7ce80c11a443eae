from __future__ import annotations

from decimal import Decimal

import pytest

from dutchbook.domain.capital.limits import (
    HaltReason,
    OpenPairs,
    Override,
    RiskLimits,
    RiskState,
    Unhedged,
    Validation,
    crossings,
    validate,
)
from dutchbook.domain.detection.quote import Caps, Reason, Room
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money, Quantity

LIMITS = RiskLimits()
NONE = OpenPairs()


def dollars(amount: int) -> dict[Platform, Money]:
    return {platform: Money(Decimal(amount)) for platform in Platform}


def judge(
    state: RiskState | None = None,
    *,
    free: int = 1_000,
    asks: int = 100,
    pair: int = 0,
    cluster: int | None = None,
    pairs: OpenPairs = NONE,
) -> Validation:
    related = None if cluster is None else Decimal(cluster)
    room = LIMITS.room(Decimal(pair), related)
    caps = Caps(LIMITS.position, dollars(free), room)
    return validate(state or RiskState(), LIMITS, pairs, caps, dollars(asks))


def test_the_defaults_are_three_percent_ten_pairs_and_five_percent_a_day() -> None:
    assert (LIMITS.position, LIMITS.max_open_pairs, LIMITS.daily_loss) == (300, 10, 500)


def test_a_request_within_every_limit_is_approved_up_to_the_position_limit() -> None:
    verdict = judge()

    assert (verdict.approved, verdict.reason, verdict.maximum_size) == (True, None, 300)


def test_a_halt_is_judged_before_everything_else() -> None:
    halted = RiskState().halted(HaltReason.OPERATOR)

    assert judge(halted, free=0, pairs=OpenPairs(10)).reason == "trading_halted"


@pytest.mark.parametrize(("count", "approved"), [(9, True), (10, False), (11, False)])
def test_an_entry_may_not_open_one_pair_too_many(count: int, *, approved: bool) -> None:
    verdict = judge(pairs=OpenPairs(count))

    assert verdict.approved is approved
    assert verdict.reason == (None if approved else "max_open_pairs")


@pytest.mark.parametrize(("count", "approved"), [(10, True), (11, False)])
def test_another_position_of_an_open_pair_opens_no_further_pair(
    count: int, *, approved: bool
) -> None:
    assert judge(pairs=OpenPairs(count, among=True)).approved is approved


def test_the_verdict_says_how_many_pairs_are_open() -> None:
    assert judge(pairs=OpenPairs(4, among=True)).open_pairs == 4


@pytest.mark.parametrize(("free", "approved"), [(100, True), (99, False), (0, False)])
def test_a_request_beyond_free_capital_is_rejected(free: int, approved: bool) -> None:
    assert judge(free=free).approved is approved


@pytest.mark.parametrize(
    ("pair", "reason", "most"),
    [
        (2_700, None, 300),
        (2_800, None, 200),
        (2_801, "pair_limit", 199),
        (3_100, "pair_limit", 0),
    ],
)
def test_the_capital_at_risk_on_one_pair_is_limited(
    pair: int, reason: str | None, most: int
) -> None:
    verdict = judge(pair=pair)

    assert (verdict.reason, verdict.maximum_size) == (reason, most)


@pytest.mark.parametrize(
    ("cluster", "reason", "most"),
    [(0, None, 300), (1_300, None, 200), (1_301, "cluster_limit", 199)],
)
def test_the_capital_at_risk_on_related_pairs_is_limited(
    cluster: int, reason: str | None, most: int
) -> None:
    verdict = judge(cluster=cluster)

    assert (verdict.reason, verdict.maximum_size) == (reason, most)


def test_the_tighter_of_both_limits_is_named() -> None:
    assert LIMITS.room(Decimal(2_900), Decimal(0)) == Room(
        Money(Decimal(100)), Reason.PAIR_LIMIT
    )
    assert LIMITS.room(Decimal(0), Decimal(1_450)) == Room(
        Money(Decimal(50)), Reason.CLUSTER_LIMIT
    )


def test_free_capital_is_checked_before_the_limits_of_pair_and_cluster() -> None:
    assert judge(free=50, pair=3_000, cluster=1_500).reason == "insufficient_capital"


def test_ten_positions_of_the_default_size_fit_on_one_pair() -> None:
    """By default, the limit of a pair is no tighter than the other limits."""
    assert LIMITS.pair == LIMITS.max_open_pairs * LIMITS.position


@pytest.mark.parametrize(
    ("size", "granted", "reason"),
    [
        ("300", None, None),
        ("300.000001", None, "position_size"),
        ("200", "200", None),
        ("200.000001", "200", "position_size"),
    ],
)
def test_a_position_costs_at_most_its_share_or_the_amount_of_an_override(
    size: str, granted: str | None, reason: str | None
) -> None:
    override = Override("o", "p", Money(Decimal(granted))) if granted else None

    caps = Caps(override.amount if override else LIMITS.position, dollars(900))
    verdict = validate(RiskState(), LIMITS, NONE, caps, dollars(1), Decimal(size), override)

    assert verdict.reason == reason


def test_an_override_lifts_neither_a_halt_nor_the_limit_of_free_capital() -> None:
    override = Override("o", "p", LIMITS.position)
    halted = RiskState().halted(HaltReason.OPERATOR)

    def judged(state: RiskState, free: int) -> str | None:
        caps = Caps(override.amount, dollars(free))
        return validate(state, LIMITS, NONE, caps, dollars(100), Decimal(1), override).reason

    assert judged(halted, 100) == "trading_halted"
    assert judged(RiskState(), 100) is None
    assert judged(RiskState(), 99) == "insufficient_capital"


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


def test_an_unhedged_leg_has_lost_what_it_would_have_at_its_worst() -> None:
    leg = Unhedged(Quantity(Decimal(100)), Decimal("-0.1"), Decimal("-0.1"))

    later = leg.marked(Decimal("-0.4")).marked(Decimal("-0.2"))

    assert (leg.loss, later.loss, later.last) == (10, 40, Decimal("-0.2"))
    assert Unhedged(Quantity(Decimal(100)), Decimal("0.1"), Decimal("0.1")).loss == 0


@pytest.mark.parametrize(
    ("cap", "held", "bankroll", "position"),
    [
        (None, 1_000, 1_000, 30),
        (None, 250_000, 250_000, 7_500),
        (5_000, 250_000, 5_000, 150),
        (5_000, 1_000, 1_000, 30),
        (None, -20, 0, 0),
    ],
    ids=["small", "large", "capped", "below the cap", "nothing"],
)
def test_the_bankroll_is_what_the_accounts_hold_and_a_number_caps_it(
    cap: int | None, held: int, bankroll: int, position: int
) -> None:
    limits = RiskLimits(cap=None if cap is None else Money(Decimal(cap)))

    now = limits.holding(Money(Decimal(held)))

    assert (now.bankroll, now.position) == (bankroll, position)
    assert (
        RiskLimits.of_text(now.to_text()).holding(Money(Decimal(held))).dollars == now.dollars
    )
