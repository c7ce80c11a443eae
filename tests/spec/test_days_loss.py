"""What a day has lost, the marks of unhedged legs, and the limits that a step crosses."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from support.pairs import NOW
from support.purse import Purse, balance, reservation, usd

from dutchbook.application.capital.capital import Alone
from dutchbook.domain.capital.limits import RiskLimits, RiskState, Unhedged
from dutchbook.domain.events import LimitApproached, LimitBreached
from dutchbook.domain.market.contract import Outcome
from dutchbook.domain.pair_trades.capital import CapitalChange, reserved
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.platforms.paper.wallet import ACCOUNTS

TEN = Quantity(Decimal(10))
HALF = Decimal("-0.5")


def leg(quantity: object, worst: object, last: object | None = None) -> Unhedged:
    return Unhedged(
        Quantity(Decimal(str(quantity))),
        Decimal(str(worst)),
        Decimal(str(worst if last is None else last)),
    )


def lost(dollars: object) -> CapitalChange:
    return CapitalChange("one", "r", state={"daily_pnl": usd(f"-{dollars}")})


# What is unhedged


@pytest.mark.parametrize("status", PositionStatus)
@pytest.mark.parametrize(("here", "there"), [(10, 3), (3, 10)])
def test_only_an_unhedged_position_has_contracts_alone(
    status: PositionStatus, here: int, there: int
) -> None:
    position = OpenPosition(
        "p",
        "one",
        "e",
        Holding(Outcome.YES, size=Quantity(Decimal(here))),
        Holding(Outcome.NO, size=Quantity(Decimal(there))),
        usd(0),
        usd(0),
        status,
        NOW,
    )
    unhedged = status in {PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL}

    expected = Quantity(Decimal(7)) if unhedged else NOTHING
    assert Alone.of(position, HALF) == Alone("p", expected, HALF)
    assert Alone.of(position, None) == Alone("p", expected)


@pytest.mark.parametrize(
    ("before", "alone", "after"),
    [
        (None, Alone("p", TEN, HALF), leg(10, "-0.5")),
        (None, Alone("p", TEN), None),
        (None, Alone("p", NOTHING, HALF), None),
        (leg(4, "-0.2"), Alone("p", TEN, HALF), leg(10, "-0.5")),
        (leg(4, "-0.7"), Alone("p", TEN, HALF), leg(10, "-0.7", "-0.5")),
        (leg(4, "-0.7", "-0.1"), Alone("p", TEN), leg(10, "-0.7", "-0.1")),
        (leg(4, "-0.7"), Alone("p", NOTHING, HALF), None),
        (leg(4, "-0.7"), Alone("p", NOTHING), None),
    ],
    ids=[
        "first mark",
        "no mark yet",
        "nothing unhedged",
        "worse",
        "better",
        "no book",
        "hedged",
        "hedged without a book",
    ],
)
def test_an_unhedged_leg_keeps_its_worst_mark(
    before: Unhedged | None, alone: Alone, after: Unhedged | None
) -> None:
    capital = Purse().capital
    other = leg(1, "-0.1")
    capital.unhedged = {"other": other} | ({} if before is None else {"p": before})

    capital.mark(alone)

    assert capital.unhedged == {"other": other} | ({} if after is None else {"p": after})


# What the day has lost


def test_a_day_has_lost_its_result_and_unhedged_legs_at_their_worst() -> None:
    capital = Purse().capital
    capital.state = RiskState(daily_pnl=usd(-20))
    capital.unhedged = {"p": leg(10, "-0.5", "0.5"), "q": leg(10, "-0.1"), "r": leg(10, "0.3")}

    assert capital.lost == 26


def test_unhedged_legs_may_be_left_out_of_the_loss() -> None:
    capital = Purse(RiskLimits(count_unhedged=False)).capital
    capital.state = RiskState(daily_pnl=usd(-20))
    capital.unhedged = {"p": leg(10, "-0.5")}

    assert capital.lost == 20


def test_a_gain_is_a_loss_below_nothing() -> None:
    capital = Purse().capital
    capital.state = RiskState(daily_pnl=usd(3))

    assert capital.lost == -3


@pytest.mark.parametrize(
    ("step", "loss"),
    [
        (lost(7), 12),
        (CapitalChange("one", "r", state={"daily_pnl": usd(7)}), 5),
        (CapitalChange("one", "r"), 5),
    ],
    ids=["a loss", "a gain", "neither"],
)
def test_a_loss_counts_from_the_moment_at_which_its_commit_begins(
    step: CapitalChange, loss: int
) -> None:
    capital = Purse().capital

    with capital.losing(step, Alone("p", TEN, HALF)):
        assert capital.lost == loss
        with capital.losing(lost(100), Alone("q", NOTHING)):
            assert capital.lost == 100 + loss
        assert capital.lost == loss

    assert capital.lost == 5, "what was left unhedged stays"


@pytest.mark.parametrize("before", [None, leg(4, "-0.2")], ids=["new", "known"])
def test_a_step_that_is_rejected_lost_nothing(before: Unhedged | None) -> None:
    capital = Purse().capital
    known = {} if before is None else {"p": before}
    capital.unhedged = dict(known)

    with suppress(LookupError), capital.losing(lost(7), Alone("p", TEN, HALF)):
        assert capital.lost == 12
        raise LookupError

    assert capital.unhedged == known
    assert capital.lost == (Decimal("0.8") if before else 0)


def test_a_hedge_that_is_rejected_leaves_its_leg_alone() -> None:
    capital = Purse().capital
    capital.unhedged = {"p": leg(4, "-0.2")}

    with suppress(LookupError), capital.losing(lost(7), Alone("p", NOTHING)):
        assert capital.unhedged == {}
        raise LookupError

    assert capital.unhedged == {"p": leg(4, "-0.2")}


@pytest.mark.parametrize(("kept", "gained"), [(None, -2), (-3, -5)])
def test_a_day_begins_with_what_came_after_the_old_one_was_read(
    kept: int | None, gained: int
) -> None:
    capital = Purse().capital
    capital.state = RiskState(daily_pnl=usd(-10), epoch=4)
    capital.unhedged = {"p": leg(10, "-0.5", "-0.1"), "q": leg(4, "-0.3")}

    capital.begin_day(NOW + timedelta(days=1), usd(-8), *([] if kept is None else [usd(kept)]))

    assert capital.state == RiskState(
        daily_pnl=usd(gained), last_reset=NOW + timedelta(days=1), epoch=4
    )
    assert capital.unhedged == {"p": leg(10, "-0.1"), "q": leg(4, "-0.3")}


# Limits that a step crosses

Told = tuple[str, str, str, str]


def told(purse: Purse, step: CapitalChange) -> list[Told]:
    """Return the limits that a step crosses as it is told: of which, its value and bound."""
    found = purse.capital.limit_events(step, "correlated")
    assert {event.stamp.correlation_id for event in found} <= {"correlated"}
    assert len({event.stamp.event_id for event in found}) == len(found)
    return [
        (type(event).__name__, event.limit, str(event.value), str(event.bound))
        for event in found
        if isinstance(event, LimitApproached | LimitBreached)
    ]


NOTHING_DONE = CapitalChange("one", "r")


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (3_999, 3_999, []),
        (4_000, 0, [("LimitApproached", "kalshi_capital", "4000", "5000.0")]),
        (0, 4_000, [("LimitApproached", "polymarket_capital", "4000", "5000.0")]),
        (0, 4_999, [("LimitApproached", "polymarket_capital", "4999", "5000.0")]),
        (5_000, 0, [("LimitBreached", "kalshi_capital", "5000", "5000.0")]),
    ],
)
def test_the_capital_on_a_platform_is_what_is_reserved_and_committed(
    here: int, there: int, expected: list[Told]
) -> None:
    purse = Purse()
    purse.hold(balance(5_000 - here, here - 1, 1), balance(5_000 - there, there - 2, 2))

    assert told(purse, NOTHING_DONE) == expected
    assert told(purse, NOTHING_DONE) == []


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        ("399.999999", []),
        ("400", [("LimitApproached", "daily_loss", "400", "500.00")]),
        ("500", [("LimitBreached", "daily_loss", "500", "500.00")]),
    ],
)
def test_the_loss_of_a_step_is_told_with_the_step(dollars: str, expected: list[Told]) -> None:
    purse = Purse()

    assert told(purse, lost(dollars)) == expected
    assert purse.capital.state.daily_pnl == 0, "it is not committed yet"


ONE_DOLLAR = RiskLimits(daily_loss_share=Decimal("0.0001"))


def test_a_gain_is_no_loss_of_the_day() -> None:
    purse = Purse(ONE_DOLLAR)
    gain = CapitalChange("one", "r", state={"daily_pnl": usd(1_000)})

    assert told(purse, gain) == []
    assert told(purse, lost(1)) == [("LimitBreached", "daily_loss", "1", "1.0000")]


def test_a_new_day_is_told_of_its_own_loss() -> None:
    purse = Purse(ONE_DOLLAR)
    told(purse, lost(1))

    purse.capital.begin_day(NOW, usd(0))

    assert told(purse, lost(1)) == [("LimitBreached", "daily_loss", "1", "1.0000")]


def test_the_number_of_open_pairs_is_told_once() -> None:
    purse = Purse()
    for number in range(8):
        purse.capital.at_risk.move(f"pair {number}", usd(1), 1)

    assert told(purse, NOTHING_DONE) == [("LimitApproached", "open_pairs", "8", "10")]
    assert told(purse, NOTHING_DONE) == []


def test_pairs_and_clusters_are_told_by_name() -> None:
    purse = Purse()
    purse.capital.at_risk.know("one", "cup", Decimal(1))
    purse.capital.at_risk.move("one", usd(1_400), 1)

    step = CapitalChange("one", "r", at_risk=usd(1_000))

    assert told(purse, step) == [
        ("LimitBreached", "cluster_capital:cup", "2400", "1500.00"),
        ("LimitApproached", "pair_capital:one", "2400", "3000.0"),
    ]


def test_a_step_that_is_claimed_is_counted_once_and_with_all_other_claims() -> None:
    purse = Purse()
    step = reserved(reservation("r", 1_000, 200), ACCOUNTS)

    with purse.capital.claimed(step):
        assert told(purse, step) == []
        with purse.capital.claimed(other := reserved(reservation("q", 800, 400), ACCOUNTS)):
            assert told(purse, other) == [
                ("LimitApproached", "pair_capital:one", "2400", "3000.0")
            ]


def test_a_step_without_a_claim_is_counted_beside_the_claims() -> None:
    purse = Purse()
    step = CapitalChange("one", "r", at_risk=usd(1_200))

    with purse.capital.claimed(reserved(reservation("q", 800, 400), ACCOUNTS)):
        assert told(purse, step) == [("LimitApproached", "pair_capital:one", "2400", "3000.0")]


def test_what_is_loaded_is_not_told_again() -> None:
    async def main() -> Purse:
        purse = Purse()
        purse.hold(balance(1_000, 3_000, 1_000), balance(5_000))
        return await purse.opened()

    assert told(asyncio.run(main()), NOTHING_DONE) == []
