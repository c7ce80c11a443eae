"""Limits in dollars, halts and exposures as values, and the whole verdict on a request."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dutchbook.domain.capital.limits import (
    Crossing,
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
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Caps, Reason, Room
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money, Quantity

KALSHI, POLYMARKET = Platform


def m(number: str | int) -> Money:
    return Money(Decimal(number))


OWN = RiskLimits(
    bankroll=m(1_000),
    cap=m(5_000),
    position_share=Decimal("0.11"),
    max_open_pairs=2,
    daily_loss_share=Decimal("0.12"),
    platform_share=Decimal("0.13"),
    pair_share=Decimal("0.14"),
    cluster_share=Decimal("0.15"),
    approach_share=Decimal("0.16"),
    reset_hour_utc=3,
    count_unhedged=False,
    order_share=Decimal("0.17"),
)


def test_every_limit_is_its_share_of_the_bankroll() -> None:
    assert OWN.dollars == {
        "bankroll": 1_000,
        "position": 110,
        "pair": 140,
        "cluster": 150,
        "platform": 130,
        "order": 170,
        "daily_loss": 120,
    }


@pytest.mark.parametrize(
    ("cap", "held", "bankroll"),
    [
        (m(5_000), 1_001, 1_001),
        (m(5_000), 5_001, 5_000),
        (m(5_000), -1, 0),
        (None, 9_000, 9_000),
        (None, 0, 0),
    ],
)
def test_only_the_bankroll_follows_what_the_accounts_hold(
    cap: Money | None, held: int, bankroll: int
) -> None:
    limits = replace(OWN, cap=cap)

    assert limits.holding(m(held)) == replace(limits, bankroll=m(bankroll))


def test_limits_that_fit_already_are_left_as_they_are() -> None:
    assert OWN.holding(m(1_000)) is OWN


WRITTEN = {
    "cap": "5000",
    "position_share": "0.11",
    "daily_loss_share": "0.12",
    "platform_share": "0.13",
    "pair_share": "0.14",
    "cluster_share": "0.15",
    "approach_share": "0.16",
    "order_share": "0.17",
}


def test_the_shares_and_the_cap_are_written_and_nothing_else() -> None:
    assert json.loads(OWN.to_text()) == WRITTEN
    assert json.loads(replace(OWN, cap=None).to_text()) == {**WRITTEN, "cap": "None"}


@pytest.mark.parametrize(("text", "cap"), [("5000", m(5_000)), ("None", None)])
def test_written_limits_are_read_without_names_that_are_not_written(
    text: str, cap: Money | None
) -> None:
    read = RiskLimits.of_text(json.dumps({**WRITTEN, "cap": text, "bankroll": "7", "x": "?"}))

    assert read == replace(
        RiskLimits(),
        cap=cap,
        position_share=Decimal("0.11"),
        daily_loss_share=Decimal("0.12"),
        platform_share=Decimal("0.13"),
        pair_share=Decimal("0.14"),
        cluster_share=Decimal("0.15"),
        approach_share=Decimal("0.16"),
        order_share=Decimal("0.17"),
    )


@pytest.mark.parametrize(
    ("pair", "cluster", "room"),
    [
        ("40", None, Room(m(100), Reason.PAIR_LIMIT)),
        ("141", None, Room(ZERO, Reason.PAIR_LIMIT)),
        ("40", "50", Room(m(100), Reason.PAIR_LIMIT)),
        ("40", "50.000001", Room(m("99.999999"), Reason.CLUSTER_LIMIT)),
        ("40", "151", Room(ZERO, Reason.CLUSTER_LIMIT)),
    ],
)
def test_a_pair_has_the_room_that_the_tighter_of_both_limits_leaves(
    pair: str, cluster: str | None, room: Room
) -> None:
    related = None if cluster is None else Decimal(cluster)

    assert OWN.room(Decimal(pair), related) == room


STATE = RiskState(daily_pnl=m(-7), open_position_count=4, epoch=6)


def test_a_halt_reason_is_added_and_removed_in_a_new_epoch() -> None:
    operator, drift = HaltReason.OPERATOR, HaltReason.TIME_DRIFT

    halted = STATE.halted(operator).halted(drift)

    assert not STATE.trading_halted
    assert halted == replace(STATE, halt_reasons=frozenset({operator, drift}), epoch=8)
    assert halted.trading_halted
    assert halted.resumed(operator) == replace(STATE, halt_reasons=frozenset({drift}), epoch=9)


@pytest.mark.parametrize(("among", "entered"), [(False, 5), (True, 4)])
def test_an_entry_on_a_pair_that_is_not_open_opens_one_more(
    *, among: bool, entered: int
) -> None:
    assert OpenPairs(4, among=among).entered == entered


@pytest.mark.parametrize(
    ("worst", "loss"), [("-0.25", "0.75"), ("-0.0000001", "0.000001"), ("0", "0"), ("0.2", "0")]
)
def test_the_loss_of_an_unhedged_leg_is_that_of_its_worst_mark_rounded_up(
    worst: str, loss: str
) -> None:
    leg = Unhedged(Quantity(Decimal(3)), Decimal(worst), Decimal("0.5"))

    assert leg.loss == Decimal(loss)


@pytest.mark.parametrize(("mark", "worst"), [("-0.3", "-0.3"), ("-0.1", "-0.2")])
def test_a_mark_is_the_last_one_and_may_be_the_worst(mark: str, worst: str) -> None:
    leg = Unhedged(Quantity(Decimal(3)), Decimal("-0.2"), Decimal("-0.15"))

    assert leg.marked(Decimal(mark)) == Unhedged(leg.quantity, Decimal(worst), Decimal(mark))


def free(kalshi: str = "60", polymarket: str = "70") -> dict[Platform, Money]:
    return {KALSHI: m(kalshi), POLYMARKET: m(polymarket)}


def caps(
    position: str = "90", room: str | None = None, kalshi: str = "60", polymarket: str = "70"
) -> Caps:
    left = None if room is None else Room(m(room), Reason.CLUSTER_LIMIT)
    return Caps(m(position), free(kalshi, polymarket), left)


GRANTED = Override("o", "p", m(90))
HALTED = STATE.halted(HaltReason.OPERATOR)
VERDICTS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "all is well": ({}, None, "90"),
    "nothing is asked": ({"amounts": free("0", "0"), "size": Decimal(0)}, None, "90"),
    "the room is less than the position": ({"caps": caps(room="85")}, None, "85"),
    "the room is more than the position": ({"caps": caps(room="95")}, None, "90"),
    "a halt": ({"state": HALTED}, "trading_halted", "0"),
    "a halt and an override": (
        {"state": HALTED, "override": GRANTED},
        "trading_halted",
        "0",
    ),
    "the last pair": ({"pairs": OpenPairs(1)}, None, "90"),
    "a pair too many": ({"pairs": OpenPairs(2)}, "max_open_pairs", "0"),
    "a pair too many and an override": (
        {"pairs": OpenPairs(2), "override": GRANTED},
        None,
        "90",
    ),
    "the last dollar": (
        {"caps": caps(kalshi="1", polymarket="1"), "amounts": free("1", "1")},
        None,
        "90",
    ),
    "no cash on Kalshi": (
        {"caps": caps(kalshi="0"), "amounts": free("0", "1")},
        "insufficient_capital",
        "0",
    ),
    "no cash on Polymarket": (
        {"caps": caps(polymarket="0"), "amounts": free("1", "0")},
        "insufficient_capital",
        "0",
    ),
    "as much as is free": ({"amounts": free("60", "70")}, None, "90"),
    "more than is free on Kalshi": (
        {"amounts": free("60.000001", "1")},
        "insufficient_capital",
        "90",
    ),
    "more than is free on Polymarket": (
        {"amounts": free("1", "70.000001"), "caps": caps(room="50")},
        "insufficient_capital",
        "50",
    ),
    "as much as there is room": (
        {"amounts": free("20", "30"), "caps": caps(room="50")},
        None,
        "50",
    ),
    "more than there is room": (
        {"amounts": free("20", "30.000001"), "caps": caps(room="50")},
        "cluster_limit",
        "50",
    ),
    "the largest size": ({"size": Decimal(90)}, None, "90"),
    "a size too large": ({"size": Decimal("90.000001")}, "position_size", "90"),
    "a size beyond the room": (
        {"size": Decimal("50.000001"), "caps": caps(room="50")},
        "position_size",
        "50",
    ),
}


@pytest.mark.parametrize(("facts", "reason", "most"), VERDICTS.values(), ids=VERDICTS)
def test_a_request_is_judged_by_halts_pairs_cash_room_and_size_in_this_order(
    facts: dict[str, Any], reason: str | None, most: str
) -> None:
    asked: dict[str, Any] = {
        "state": STATE,
        "limits": OWN,
        "pairs": OpenPairs(1),
        "caps": caps(),
        "amounts": free("10", "20"),
        **facts,
    }

    verdict = validate(**asked)

    count = asked["pairs"].count
    assert verdict == Validation(reason is None, reason, m(most), count, m(-7))


CROSSED: dict[str, tuple[dict[str, int], dict[str, int], list[tuple[str, int, bool]]]] = {
    "below both": ({"loss": 0}, {"loss": 7}, []),
    "to the warning": ({"loss": 7}, {"loss": 8}, [("loss", 8, False)]),
    "from the warning": ({"loss": 8}, {"loss": 9}, []),
    "to the bound": ({"loss": 9}, {"loss": 10}, [("loss", 10, True)]),
    "over both": ({"loss": 7}, {"loss": 12}, [("loss", 12, True)]),
    "from the bound": ({"loss": 10}, {"loss": 11}, []),
    "downwards": ({"loss": 12}, {"loss": 7}, []),
    "first measured now": (
        {},
        {"loss": 9, "order": 1},
        [("loss", 9, False), ("order", 1, True)],
    ),
    "no longer measured": ({"loss": 9, "order": 0}, {}, []),
    "without a bound": ({"other": 0}, {"other": 99}, []),
}


@pytest.mark.parametrize(("before", "after", "found"), CROSSED.values(), ids=CROSSED)
def test_a_limit_is_crossed_where_the_warning_or_the_bound_is_reached(
    before: dict[str, int], after: dict[str, int], found: list[tuple[str, int, bool]]
) -> None:
    bounds = {"order": Decimal(1), "loss": Decimal(10)}

    seen = crossings(
        {name: Decimal(value) for name, value in before.items()},
        {name: Decimal(value) for name, value in after.items()},
        bounds,
        Decimal("0.8"),
    )

    assert seen == tuple(
        Crossing(name, Decimal(value), bounds[name], breached)
        for name, value, breached in found
    )


@pytest.mark.parametrize(
    ("amounts", "total"),
    [({KALSHI: m("1.5"), POLYMARKET: m("2.25")}, "3.75"), ({KALSHI: m(4)}, "4"), ({}, "0")],
)
def test_a_reservation_is_the_sum_of_what_it_holds_on_each_platform(
    amounts: dict[Platform, Money], total: str
) -> None:
    held = Reservation("r", "e", "p", amounts, epoch=1).total

    assert (held, type(held)) == (Decimal(total), Decimal)
