"""What an execution plans, books and sends, in which order, and at which limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.executing import (
    FIRST,
    GUARDS,
    HALTED,
    KALSHI,
    NOTHING_FILLED,
    POLYMARKET,
    SECOND,
    Executing,
    ended,
    fills,
    first_facts,
)
from support.pairs import NOW

from dutchbook.application.market.pairs import still_approved
from dutchbook.application.records.rows import snapshot_row
from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Execution, Phase
from dutchbook.domain.execution.order import Purpose, TimeInForce
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import (
    Begun,
    Ended,
    Placed,
    Reported,
)
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import (
    Conflict,
    ReservationFailed,
)
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.market import OPPORTUNITIES

HUNDRED, CENT = Quantity(Decimal(100)), Money(Decimal("0.01"))


# Before anything is sent
# ----------------------------------------------------------------------------------------


def test_a_plan_claims_its_contracts_and_tells_the_gate_what_may_be_sent() -> None:
    at = Executing()

    assert at.service.prepare(at.opportunity) == "execution of q"

    assert at.planned.position_id == "position of execution of q"
    assert at.planned.execution == Execution.of(
        "execution of q", at.opportunity, Decimal("0.10")
    )
    assert at.told[1:] == [("planned", "execution of q", 100, 10)]
    assert (at.booked, at.sent) == ([], [])


@pytest.mark.parametrize(
    ("first", "time_in_force"),
    [(KALSHI, TimeInForce.FOK), (POLYMARKET, TimeInForce.IOC)],
)
def test_a_first_leg_fills_whole_if_a_part_of_it_could_be_too_small_to_hedge(
    first: Platform, time_in_force: TimeInForce
) -> None:
    at = Executing(primary=first, answers=[NOTHING_FILLED])

    at.run()

    assert [each.time_in_force for each in at.sent] == [time_in_force]


def test_the_first_commit_has_the_reservation_the_order_its_events_and_the_books() -> None:
    at = Executing(answers=[NOTHING_FILLED])

    at.run()

    notes = (
        ("identified", "q", "execution of q"),
        ("OrderPlaced", FIRST.order_id, "position of execution of q"),
    )
    assert first_facts(at) == Begun(NOW, FIRST, at.reservation, notes)  # type: ignore[arg-type]
    books = [
        Insert(
            "order_book_snapshots",
            snapshot_row(
                name,
                at.watchlist.books[platform, f"{platform}-cup"],
                NOW,
                opportunity_id="q",
            ),
        )
        for platform, name in ((KALSHI, "snapshot of q"), (POLYMARKET, "snapshot of q, 2"))
    ]
    found = Insert("opportunities", OPPORTUNITIES.row_of(at.opportunity))
    rows = Batch((found, *books, still_approved(at.match)))
    assert at.beside[0] == (at.planned, rows, GUARDS)
    assert at.told[2:4] == [("counted", at.reservation), ("used up", "cup")]


@pytest.mark.parametrize(
    ("conflict", "reason"),
    [
        (Conflict("contract_matches", "cup", "not approved"), "pair_not_approved"),
        (Conflict("accounts", "a", "free would be -1"), "rejected_by_database"),
        (HALTED, "trading_halted"),
    ],
)
def test_a_rejected_first_commit_says_why_and_sends_nothing(
    conflict: Conflict, reason: str
) -> None:
    at = Executing(errors=[conflict])

    with pytest.raises(ReservationFailed) as caught:
        at.run()

    assert caught.value.reason == reason
    assert str(caught.value) == str(ReservationFailed(reason, str(conflict)))
    assert (at.sent, at.booked) == ([], [])
    assert ("used up", "cup") not in at.told
    assert at.service.is_executing("execution of q")
    at.service.forget("execution of q")
    assert at.told[-2:] == [("unclaimed", "execution of q"), ("ended", "execution of q")]


def test_an_execution_is_under_way_from_its_plan_to_its_end() -> None:
    def known(at: Executing) -> tuple[bool, bool, bool]:
        executing = at.service.is_executing
        return at.service.under_way, executing("execution of q"), executing("another")

    seen: list[tuple[bool, bool, bool]] = []
    at = Executing(answers=[NOTHING_FILLED], before_send=lambda at: seen.append(known(at)))

    assert known(at) == (False, False, False)
    at.run()

    assert seen == [(True, True, False)]
    assert known(at) == (False, False, False)


def test_an_execution_runs_for_the_opportunity_that_it_was_planned_for() -> None:
    at = Executing()
    planned, at.opportunity = at.opportunity, replace(at.opportunity)
    at.service.prepare(planned)

    with pytest.raises(AssertionError, match=r"^an execution belongs to one opportunity$"):
        at.executed()


def test_a_first_order_at_another_price_than_planned_is_not_sent() -> None:
    at = Executing()
    between = replace(at.opportunity.kalshi, bound=Price(Decimal("0.405")))
    at.opportunity = replace(at.opportunity, kalshi=between)

    with pytest.raises(AssertionError, match=r"^sent as planned$"):
        at.run()

    assert at.sent == []


# The order of commits and sends
# ----------------------------------------------------------------------------------------


def test_a_success_is_three_commits_and_two_sends() -> None:
    at = Executing(answers=[fills("100"), fills("100")])

    execution = at.run()

    assert at.kinds == [
        ["Begun"],
        ["Reported", "Advanced", "Placed"],
        ["Reported", "Advanced", "Ended"],
    ]
    assert at.sent == [FIRST, SECOND]
    assert at.booked[1][2] == Placed(NOW, SECOND)
    assert ended(at) == Ended(NOW, execution, None, "")
    assert execution.phase is Phase.HEDGED
    assert [each[0] for each in at.beside[1:]] == ["execution of q"] * 2
    assert at.told[4:] == [
        ("answered", FIRST.order_id),
        ("answered", SECOND.order_id),
        ("unclaimed", "execution of q"),
        ("ended", "execution of q"),
        ("follow up", Phase.HEDGED, 64),
    ]


def test_what_a_platform_reports_is_counted_and_booked_as_it_was_reported() -> None:
    at = Executing(answers=[fills("100", price="0.39"), fills("99")])

    execution = at.run()

    first, second = (facts[0] for facts in at.booked[1:])
    assert isinstance(first, Reported)
    assert isinstance(second, Reported)
    assert [(fill.size, fill.price) for fill in first.fills] == [
        (HUNDRED, Price(Decimal("0.39")))
    ]
    assert (first.order_id, second.order_id) == (FIRST.order_id, SECOND.order_id)
    legs = (execution.primary, execution.secondary)
    assert [(leg.filled, leg.cost, leg.fees) for leg in legs] == [
        (HUNDRED, Money(Decimal(39)), CENT),
        (Quantity(Decimal(99)), Money(Decimal("52.47")), CENT),
    ]


def test_an_order_that_still_works_is_not_counted_as_ended() -> None:
    at = Executing(primary=POLYMARKET, answers=[fills("60", working="40"), fills("60")])

    execution = at.run()

    assert (execution.phase, execution.primary.busy) == (Phase.SECONDARY_SENT, True)
    assert at.kinds[1:] == [["Reported", "Advanced", "Placed"]]


def test_an_exposure_is_booked_with_the_end_and_the_order_that_fell_short() -> None:
    at = Executing(primary=POLYMARKET, answers=[fills("60"), fills("20")])

    at.run()

    end = ended(at)
    assert end.execution.phase is Phase.EXPOSED
    assert end.failed == FailedLeg(
        KALSHI,
        "only a part of it was filled",
        2001,
        Price(Decimal("0.49")),
        Quantity(Decimal(60)),
    )
    assert end.reason == ""


def test_a_leg_that_was_never_sent_fell_short_of_the_plan_at_no_price() -> None:
    def thin(at: Executing) -> None:
        at.show(POLYMARKET, {47: 99}, {49: 500})

    at = Executing(answers=[fills("100")], before_send=thin)

    at.run()

    assert at.sent == [FIRST]
    assert ended(at).failed == FailedLeg(
        POLYMARKET, "depth", 2001, None, Quantity(Decimal(100))
    )


# Depth and limits
# ----------------------------------------------------------------------------------------


def stale(at: Executing) -> None:
    at.watchlist.books[KALSHI, "kalshi-cup"].touch(NOW - timedelta(seconds=5.001), 2)


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        (lambda at: at.show(KALSHI, {38: 500}, {40: 99}), "depth"),
        (lambda at: at.show(KALSHI, {38: 500}, {40: 99, 41: 9}), "depth"),
        (lambda at: at.show(KALSHI, {38: 500}, {}), "depth"),
        (stale, "book_stale"),
    ],
    ids=["thin", "dear", "empty", "stale"],
)
def test_nothing_is_sent_on_a_book_that_is_too_thin_too_dear_or_not_trusted(
    book: object, reason: str
) -> None:
    at = Executing()
    assert callable(book)
    book(at)

    execution = at.run()

    assert at.sent == []
    assert ended(at) == Ended(NOW, execution, None, reason)
    assert execution.phase is Phase.FAILED


def improved(at: Executing) -> None:
    at.show(KALSHI, {36: 500}, {38: 200})
    at.show(POLYMARKET, {49: 200}, {51: 500})


@pytest.mark.parametrize(
    ("first", "collar", "prices"),
    [
        # Kalshi's orders go to their bound; Polymarket's second to the worst price needed.
        (KALSHI, None, ["0.40", "0.51"]),
        (POLYMARKET, None, ["0.53", "0.49"]),
        # A collar bounds a hedge, but never below the price that it needs; it bounds no entry.
        (KALSHI, "0.30", ["0.40", "0.51"]),
        (POLYMARKET, "0.45", ["0.53", "0.45"]),
        (POLYMARKET, "0.38", ["0.53", "0.38"]),
        (POLYMARKET, "0.37", ["0.53", "0.38"]),
        (POLYMARKET, "0.60", ["0.53", "0.49"]),
    ],
)
def test_each_leg_is_sent_at_a_limit_of_its_own(
    first: Platform, collar: str | None, prices: list[str]
) -> None:
    at = Executing(
        primary=first,
        answers=[fills("100"), fills("100")],
        collar=Price(Decimal(collar)) if collar else None,
    )
    improved(at)

    at.run()

    assert [each.price for each in at.sent] == [Decimal(price) for price in prices]


@pytest.mark.parametrize(("collar", "price"), [(None, "0.49"), ("0.45", "0.45")])
def test_a_second_order_of_the_first_leg_is_bounded_by_the_collar(
    collar: str | None, price: str
) -> None:
    at = Executing(
        answers=[fills("95"), fills("99"), fills("4", name="another")],
        collar=Price(Decimal(collar)) if collar else None,
    )

    execution = at.run()

    third = at.sent[2]
    assert (third.platform, third.purpose) == (KALSHI, Purpose.HEDGE)
    assert third.size == 4
    assert (third.price, third.time_in_force) == (Decimal(price), TimeInForce.IOC)
    assert execution.phase is Phase.HEDGED
    assert execution.hedged == 99
