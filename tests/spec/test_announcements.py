"""The events of opportunities and unhedged legs, priced at the books of their moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support import traded
from support.clocks import START
from support.detection import look, opportunity
from support.pairs import NOW, book, pair
from support.traded import (
    CUP,
    KALSHI,
    NO,
    POLYMARKET,
    YES,
    Holder,
    entered,
    order,
    price,
    q,
    usd,
)

from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.domain.events import (
    ExitMarked,
    FailedLeg,
    FilledLeg,
    OpportunityIdentified,
    PositionMoved,
    Scenario,
    SingleLegExposure,
    SingleLegExposureChanged,
    SingleLegExposureReminder,
    Stamp,
    TopOfBook,
)
from dutchbook.domain.execution.order import Finality, Order, Purpose
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.pair_trades.events import Exposed, ExposureChanged, unstamped
from dutchbook.domain.positions.exposure import Exposure, Place
from dutchbook.domain.positions.position import Holding, PositionStatus
from dutchbook.domain.values.units import ZERO

FAILED = FailedLeg(POLYMARKET, "nobody sells", 2004, price("0.50"), q(10))
STAMP = Stamp("event 1 of e", START, "e")
EXPOSED = entered(sizes=("10", "0"))
"""Ten YES on Kalshi for 4 dollars and 2 cents, nothing on Polymarket."""


def books(at: Any = NOW) -> dict[Platform, OrderBook]:
    """Return books that take ten YES at 38 cents, and sell ten NO at 53 or YES at 40."""
    return {
        KALSHI: book(KALSHI, {38: 500}, {40: 200}, at),
        POLYMARKET: book(POLYMARKET, {47: 400}, {49: 500}, at),
    }


def announced(
    work: Callable[[Announcements], Any], shown: dict[Platform, OrderBook] | None = None
) -> Any:
    """Do some work with announcements on the books that are shown, the usual ones if none."""

    async def main(holder: Holder) -> Any:
        watch = holder.watchlist.pairs["cup"]
        there = books() if shown is None else shown
        watch.kalshi, watch.polymarket = there[KALSHI], there[POLYMARKET]
        return work(holder.announce)

    main_: Callable[[Holder], Awaitable[Any]] = main
    return traded.run(main_, CUP)


# Opportunities --------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [YES, NO])
def test_an_opportunity_is_announced_with_the_prices_of_yes_and_no(outcome: Outcome) -> None:
    cheap_no = {
        KALSHI: book(KALSHI, {60: 500}, {62: 500}),
        POLYMARKET: book(POLYMARKET, {51: 400}, {53: 500}),
    }
    shown = None if outcome is YES else cheap_no
    found = replace(opportunity(look(books=shown, outcome=outcome)), opportunity_id="seen")

    event = announced(lambda announce: announce.identified(found, "e"))

    first, second = found.kalshi, found.polymarket
    if outcome is NO:
        first, second = second, first
    assert first.walk.average != second.walk.average
    assert event == OpportunityIdentified(
        STAMP,
        opportunity_id="seen",
        pair_id="cup",
        direction=f"kalshi_{outcome}",
        quantity=found.quantity,
        yes_platform=KALSHI if outcome is YES else POLYMARKET,
        yes_price=first.walk.average,
        no_price=second.walk.average,
        gross_edge=found.gross_edge,
        net_edge=found.net_edge,
        expected_profit=found.expected_profit,
        yearly_return=found.yearly_return,
    )


# Notices --------------------------------------------------------------------------------


def test_an_event_without_a_stamp_gets_one_and_others_keep_theirs() -> None:
    moved = PositionMoved(unstamped("e"), "held-e", "cup", "OPEN", "CLOSED", "exited")
    stamped = replace(moved, stamp=Stamp("known", NOW - timedelta(hours=1), "f"))

    made = announced(
        lambda announce: [
            *announce.events(moved, entered()),
            announce.event(stamped, entered()),
        ]
    )

    assert made == [replace(moved, stamp=STAMP), stamped]


def test_an_exposure_is_announced_with_what_is_held_what_failed_and_every_remedy() -> None:
    event = announced(lambda announce: announce.event(Exposed(FAILED), EXPOSED))

    retry, close, complement, hold = event.scenarios
    assert retry == Scenario(
        "retry_leg", usd("0.605270"), usd("5.374730"), "buy 10 no up to 0.53", POLYMARKET,
        q(10), price("0.53"), None, usd("0.074730"),
    )  # fmt: skip
    assert (close.pnl, close.price, complement.price) == (
        usd("-0.384920"), price("0.38"), price("0.62"),
    )  # fmt: skip
    assert hold.detail == "4.02 dollars at risk, 7 days to the payout"
    assert replace(event, scenarios=()) == SingleLegExposure(
        STAMP,
        position_id="held-e",
        pair_id="cup",
        expected_edge=usd(1),
        exposed_quantity=q(10),
        filled_leg=FilledLeg(
            platform=KALSHI,
            order_id="k",
            side=Side.BUY,
            outcome=YES,
            price=price("0.40"),
            size=q(10),
            filled_price=Decimal("0.40"),
            filled_size=q(10),
        ),
        failed_leg=FAILED,
        kalshi_book=TopOfBook(price("0.38"), price("0.40")),
        polymarket_book=TopOfBook(price("0.47"), price("0.49")),
        scenarios=(),
        recommended_actions=event.recommended_actions,
        platform=KALSHI,
        outcome=YES,
        at_risk=usd("4.02"),
    )
    assert event.recommended_actions[0] == "retry_leg"
    assert event.recommended_actions[-1] == "hold"


def test_an_exposure_has_a_mark_in_the_same_commit_if_a_remedy_ends_it() -> None:
    events = announced(lambda announce: announce.events(Exposed(FAILED), EXPOSED))

    best = max(each.pnl for each in events[0].scenarios[1:3])
    stamp = Stamp("event 2 of e", START, "e")
    assert isinstance(events[0], SingleLegExposure)
    assert events[1:] == (ExitMarked(stamp, "held-e", "cup", hedged=False, mark=best / 10),)


def test_a_mark_is_exact_to_a_millionth() -> None:
    seven = entered(sizes=("7", "0"))

    events = announced(lambda announce: announce.events(Exposed(FAILED), seven))

    assert events[1].mark == events[1].mark.quantize(Decimal("0.000001"))
    assert abs(events[1].mark * 7 - max(e.pnl for e in events[0].scenarios[1:3])) < Decimal(
        "0.00001"
    )


@pytest.mark.parametrize("status", [*PositionStatus])
def test_only_a_leg_that_is_exposed_gets_a_mark(status: PositionStatus) -> None:
    trade = replace(EXPOSED, position=replace(EXPOSED.position, status=status))

    events = announced(lambda announce: announce.events(Exposed(FAILED), trade))

    assert len(events) == 1 + (status is PositionStatus.SINGLE_LEG_EXPOSED)


def test_an_exposure_that_no_remedy_ends_has_no_mark() -> None:
    empty = {platform: book(platform, {}, {}) for platform in Platform}

    events = announced(lambda announce: announce.events(Exposed(FAILED), EXPOSED), empty)

    assert [type(each) for each in events] == [SingleLegExposure]
    assert events[0].kalshi_book == TopOfBook(None, None)


def test_a_changed_exposure_is_announced_with_its_remedies() -> None:
    made = announced(lambda announce: announce.events(ExposureChanged(), EXPOSED))

    (event,) = made
    assert event == SingleLegExposureChanged(
        STAMP,
        position_id="held-e",
        pair_id="cup",
        platform=KALSHI,
        outcome=YES,
        exposed_quantity=q(10),
        scenarios=event.scenarios,
        recommended_actions=event.recommended_actions,
        at_risk=usd("4.02"),
    )
    assert [each.name for each in event.scenarios] == [
        "retry_leg", "close_leg", "complement", "hold",
    ]  # fmt: skip
    assert event.recommended_actions[0] == "retry_leg"


def test_an_exposure_on_polymarket_is_of_its_contracts() -> None:
    other = entered(sizes=("4", "10"))

    event = announced(lambda announce: announce.changed(other))

    assert (event.platform, event.outcome, event.exposed_quantity) == (POLYMARKET, NO, 6)
    assert event.at_risk == usd("3.012")


def test_a_reminder_says_since_when_a_leg_is_unhedged() -> None:
    since = NOW - timedelta(hours=2)

    event = announced(lambda announce: announce.reminder(EXPOSED, since))

    assert event == SingleLegExposureReminder(
        STAMP,
        position_id="held-e",
        pair_id="cup",
        exposed_quantity=q(10),
        exposed_since=since,
        scenarios=event.scenarios,
        recommended_actions=event.recommended_actions,
        platform=KALSHI,
        outcome=YES,
        at_risk=usd("4.02"),
    )
    assert len(event.scenarios) == 4
    assert event.recommended_actions[0] == "retry_leg"


def test_a_reminder_has_no_remedies_if_its_pair_is_not_followed() -> None:
    stranger = entered(pair_id="stranger", sizes=("10", "0"))

    event = announced(lambda announce: announce.reminder(stranger, NOW))

    assert (event.scenarios, event.recommended_actions) == ((), ())
    assert event.exposed_quantity == 10


# The exposure itself --------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "held"), [(("10", "4"), KALSHI), (("4", "10"), POLYMARKET)])
def test_an_exposure_has_the_longer_leg_and_the_books_of_both(
    sizes: tuple[str, str], held: Platform
) -> None:
    trade, shown = entered(sizes=sizes), books()

    exposure = announced(lambda announce: announce.exposed(trade), shown)

    def place(platform: Platform) -> Place:
        contract = CUP.contract(platform)
        assert contract.fees is not None
        terms = contract.fees.at(NOW)
        assert terms is not None
        return Place(contract, shown[platform], terms, trade.position.holding(platform))

    assert exposure == Exposure(
        quantity=q(6),
        held=place(held),
        missing=place(held.other),
        sellable=q(10),
        now=START,
        untrusted_because={KALSHI: None, POLYMARKET: None},
        collar=Decimal("0.05"),
        order_out=None,
    )


def test_an_exposure_says_what_cannot_be_sold_or_trusted_and_which_order_is_out() -> None:
    trade = entered(sizes=("10", "0"), finality=Finality.PROVISIONAL)
    out = order("s", side=Side.SELL, purpose=Purpose.EXIT)
    shown = books()
    shown[POLYMARKET] = books(NOW - timedelta(seconds=61))[POLYMARKET]

    exposure = announced(lambda announce: announce.exposed(trade.with_orders((out,))), shown)

    assert exposure.sellable == 0
    assert exposure.untrusted_because[KALSHI] is None
    assert exposure.untrusted_because[POLYMARKET] is not None
    assert exposure.order_out == "an order of this position still works"


def test_an_exposure_says_what_would_undo_the_leg_of_another_position() -> None:
    """Another position holds YES on Kalshi: as NO were bought, Kalshi would net the two."""

    async def work(holder: Holder) -> frozenset[Outcome]:
        holder.trades.claims.put(None, entered("f", prefix="f-"))
        return holder.announce.exposed(EXPOSED).undone

    assert traded.run(work) == {NO}


def test_nothing_is_traded_without_known_fees() -> None:
    free = pair(kalshi=replace(CUP.kalshi, fees=None))

    async def work(holder: Holder) -> None:
        with pytest.raises(AssertionError, match=r"^nothing is traded without known fees$"):
            holder.announce.exposed(EXPOSED)

    traded.run(work, free)


# The order that an exposure began with --------------------------------------------------


def bought(name: str, platform: Platform = KALSHI, **more: Any) -> Order:
    return order(name, platform, filled=q(5), working_size=q(0), **more)


def sold(name: str, platform: Platform = KALSHI, **more: Any) -> Order:
    return bought(name, platform, side=Side.SELL, **more)


@pytest.mark.parametrize(
    ("orders", "named", "first"),
    [
        ([order("a"), bought("b")], "a", "a"),
        ([order("a"), bought("b", POLYMARKET), bought("c"), bought("d")], None, "c"),
        ([order("a"), bought("b", POLYMARKET), bought("c", outcome=NO)], None, "a"),
        ([bought("b", POLYMARKET), order("a"), sold("c", POLYMARKET)], None, "a"),
        ([bought("a", POLYMARKET), sold("b", POLYMARKET), sold("c", POLYMARKET),
          order("d", POLYMARKET, side=Side.SELL)], None, "c"),
        ([bought("a", POLYMARKET), bought("b", POLYMARKET), order("c", POLYMARKET)], None, "b"),
    ],
    ids=["named", "bought", "placed", "placed, not sold", "sold last", "filled last"],
)  # fmt: skip
def test_an_exposure_names_the_order_that_its_leg_began_with(
    orders: list[Order], named: str | None, first: str
) -> None:
    leg = Holding(YES, named, q(10), usd(4), usd("0.02"))
    trade = replace(EXPOSED, orders={each.order_id: each for each in orders})
    trade = replace(trade, position=replace(trade.position, kalshi=leg))

    event = announced(lambda announce: announce.exposure(trade, FAILED))

    assert event.filled_leg.order_id == first


def test_a_leg_without_a_cost_shows_the_price_of_its_order() -> None:
    """The other leg has sold more than it held."""
    short = Holding(NO, "p", q(0), ZERO, complement=q(10), complement_cost=usd(4))
    position = replace(EXPOSED.position, kalshi=Holding(YES, "k"), polymarket=short)
    trade = replace(EXPOSED, position=position)

    event = announced(lambda announce: announce.exposure(trade, FAILED))

    assert event.filled_leg.filled_price == Decimal("0.40")
    assert event.filled_leg.filled_size == 0
    assert event.at_risk == ZERO
    assert event.platform is KALSHI
