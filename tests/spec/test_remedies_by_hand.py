"""A person's remedies of an unhedged leg: what is sent, what is refused, what is told."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from support.single_legs import (
    KALSHI,
    POLYMARKET,
    VERSION,
    Outcomes,
    Resolving,
    comes_to,
    not_sent,
    position,
)

from dutchbook.application.exposure.single_leg import Resolution, _best
from dutchbook.application.pair_trades.adjustments import CommandContext, Plan
from dutchbook.domain.events import Scenario, SingleLegExposureChanged
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.runtime.virtual_time import run_virtual

OPEN, CLOSED = PositionStatus.OPEN, PositionStatus.CLOSED
ASKED = CommandContext("command", VERSION)
NO_FILL = comes_to("0", reason="not_filled")
HEDGED = position("100", "100", OPEN)
GONE = position("0", "0", CLOSED)


def retried(at: Resolving, price: str = "0.60", asked: Any = ASKED) -> Resolution:
    return run_virtual(at.service.retry_leg("held", price, asked))


def closed(at: Resolving, asked: Any = ASKED) -> Resolution:
    return run_virtual(at.service.close_leg("held", asked))


def complemented(at: Resolving, asked: Any = ASKED) -> Resolution:
    return run_virtual(at.service.complement("held", asked))


ACTIONS = [retried, closed, complemented]


# What is sent
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "price", "plan"),
    [
        # Polymarket spends dollars: no more than the worst price of its book is needed.
        (position("100"), "0.60", (POLYMARKET, Outcome.NO, "100", "0.53")),
        (position("100.5"), "0.53", (POLYMARKET, Outcome.NO, "100", "0.53")),
        (position("5"), "0.60", (POLYMARKET, Outcome.NO, "5", "0.53")),
        (position("0", "60.25"), "0.49", (KALSHI, Outcome.YES, "60.25", "0.49")),
    ],
)
def test_a_retry_buys_what_is_missing_in_whole_lots_at_its_price_or_better(
    held: OpenPosition, price: str, plan: tuple[Any, Outcome, str, str]
) -> None:
    at = Resolving(held, NO_FILL)

    retried(at, price)

    platform, outcome, size, limit = plan
    assert at.plans == [
        Plan(
            platform,
            outcome,
            Side.BUY,
            Quantity(Decimal(size)),
            Price(Decimal(limit)),
            Purpose.HEDGE,
            asked=ASKED,
        )
    ]


@pytest.mark.parametrize(
    ("act", "bids", "asks", "sent"),
    [
        # Selling YES at 41, or buying NO at 59, costs the same but for the fees.
        (closed, {60: 500}, {61: 500}, "close_leg"),
        (closed, {41: 500}, {42: 500}, "close_leg"),
        (closed, {5: 500}, {42: 500}, "complement"),
        (complemented, {60: 500}, {61: 500}, "complement"),
    ],
)
def test_an_exit_takes_the_better_of_the_remedies_that_were_asked_for(
    act: Any, bids: dict[int, int], asks: dict[int, int], sent: str
) -> None:
    at = Resolving(position(), NO_FILL)
    at.show(KALSHI, bids, asks)
    if sent == "complement" and act is closed:
        at.trade.settled_sizes = {}
    remedy = at.remedy(sent)
    assert remedy.size is not None
    assert remedy.price is not None

    act(at)

    sells = sent == "close_leg"
    outcome, side = (Outcome.YES, Side.SELL) if sells else (Outcome.NO, Side.BUY)
    assert at.plans == [
        Plan(KALSHI, outcome, side, remedy.size, remedy.price, Purpose.UNWIND, asked=ASKED)
    ]


def scenario(name: str, pnl: str | None, blocked: str | None = None) -> Scenario:
    money = Money(Decimal(pnl)) if pnl is not None else None
    return Scenario(name, money, None, "", size=Quantity(Decimal(10)), blocked=blocked)


@pytest.mark.parametrize(
    ("one", "two", "best"),
    [
        (scenario("one", "1"), scenario("two", "2"), "two"),
        (scenario("one", "2"), scenario("two", "1"), "one"),
        (scenario("one", "-2"), scenario("two", "-1"), "two"),
        (scenario("one", "0"), scenario("two", "1"), "two"),
        (scenario("one", None, "thin"), scenario("two", "-1"), "two"),
        (scenario("one", "-1"), scenario("two", None, "thin"), "one"),
        (scenario("one", None, "thin"), scenario("two", None, "thin"), "one"),
    ],
)
def test_the_best_remedy_brings_the_most_and_is_not_blocked(
    one: Scenario, two: Scenario, best: str
) -> None:
    assert _best([one, two]).name == best


# What is refused
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("status", [OPEN, CLOSED])
def test_a_position_without_an_exposure_is_refused(act: Any, status: PositionStatus) -> None:
    at = Resolving(position(status=status))

    with pytest.raises(InvalidPositionState) as caught:
        act(at)

    wanted = "it must be SINGLE_LEG_EXPOSED or EXIT_PARTIAL"
    assert str(caught.value) == str(InvalidPositionState("held", status, wanted))
    assert at.plans == []


@pytest.mark.parametrize("act", ACTIONS)
def test_while_an_order_is_out_nothing_is_sent(act: Any) -> None:
    at = Resolving(position())
    at.out = "an order of this position still works"

    with pytest.raises(InvalidPositionState) as caught:
        act(at)

    exposed = PositionStatus.SINGLE_LEG_EXPOSED
    assert str(caught.value) == str(InvalidPositionState("held", exposed, at.out))


@pytest.mark.parametrize("act", ACTIONS)
def test_a_person_acts_on_the_version_that_was_seen(act: Any) -> None:
    at = Resolving(position())

    with pytest.raises(InvalidPositionState) as caught:
        act(at, asked=CommandContext("command", VERSION - 1))

    now = "it has changed: 100 are unhedged now, look again"
    exposed = PositionStatus.SINGLE_LEG_EXPOSED
    assert str(caught.value) == str(InvalidPositionState("held", exposed, now))


@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("asked", [None, CommandContext("command"), ASKED])
@pytest.mark.parametrize(
    "status", [PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL]
)
def test_an_exposure_that_was_seen_or_not_looked_at_may_be_acted_on(
    act: Any, asked: Any, status: PositionStatus
) -> None:
    at = Resolving(position(status=status), NO_FILL)

    act(at, asked=asked)

    assert [each.asked for each in at.plans] == [asked]


def test_a_price_off_the_grid_is_refused_with_the_grid() -> None:
    at = Resolving(position())

    with pytest.raises(InvalidInput) as caught:
        retried(at, "0.535")

    grid = f"on the contract's price grid ({at.pairs['cup'].polymarket.grid})"
    assert str(caught.value) == str(InvalidInput("retry_price", "0.535", grid))
    assert (caught.value.field, caught.value.value) == ("retry_price", "0.535")


def test_what_is_no_price_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        retried(Resolving(position()), "1.01")

    assert caught.value.field == "retry_price"


def test_less_than_the_smallest_order_is_not_sent() -> None:
    at = Resolving(position("4.99"))

    told = retried(at)

    assert (told.code, told.reason) == (2006, "less than the platform's smallest order")
    assert (at.plans, told.order_id, told.resolved) == ([], None, False)


def test_a_blocked_exit_is_not_sent_and_says_why() -> None:
    at = Resolving(position())
    at.show(KALSHI, {}, {})

    told = closed(at)

    assert (told.code, told.reason) == (2007, "the book takes 0 of 100")
    assert at.plans == []


@pytest.mark.parametrize(
    ("depth", "more", "sent"),
    [
        (500, "0", True),
        (500, "-1", True),
        (500, "0.01", False),
        (40, "0", True),
        (40, "0.01", False),
    ],
)
def test_an_exit_must_bring_its_minimum_and_a_part_of_it_its_part(
    depth: int, more: str, sent: bool
) -> None:
    at = Resolving(position(), NO_FILL)
    at.show(KALSHI, {41: depth}, {99: 1})
    remedy = at.remedy("close_leg")
    assert remedy.pnl is not None
    assert remedy.size == min(depth, 100)
    least = (remedy.pnl + Decimal(more)) * 100 / remedy.size

    told = closed(at, CommandContext("command", VERSION, at_least=least))

    assert len(at.plans) == sent
    if not sent:
        least_now = remedy.pnl + Decimal(more)
        reason = f"it would bring {remedy.pnl.normalize():f} now, and at least"
        assert told.reason == f"{reason} {least_now.normalize():f} was required"
        assert (told.code, told.order_id) == (2007, None)
        assert [type(each) for each in at.told] == [SingleLegExposureChanged]


def test_a_remedy_that_is_possible_without_a_price_is_a_bug() -> None:
    at = Resolving(position())
    priceless = Scenario(
        "close_leg", Money(Decimal(1)), None, "", KALSHI, Quantity(Decimal(10))
    )
    exposure = SimpleNamespace(
        scenarios=lambda: (priceless,), trade=lambda _: (None, Outcome.YES, Side.SELL)
    )
    vars(at.announce)["exposed"] = lambda _: exposure

    with pytest.raises(AssertionError, match=r"^a possible remedy has a price$"):
        closed(at, None)

    assert at.plans == []


# What is told
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "facts"),
    [
        (comes_to("100", HEDGED), (True, "sent", 100, HEDGED.locked_profit, None, None, None)),
        (comes_to("100", GONE), (True, "sent", 100, None, GONE.realised_pnl, None, None)),
        (NO_FILL, (False, "sent", 0, None, None, 2006, "not_filled")),
        (
            comes_to("60", position("100", "60")),
            (False, "sent", 60, None, None, 2006, "filled 60 of 100"),
        ),
        (
            comes_to("100", position("100", "94")),
            (
                False,
                "sent",
                100,
                None,
                None,
                2006,
                "filled 100 of 100: 6 are unhedged on kalshi now",
            ),
        ),
        (
            comes_to("106", position("100", "106")),
            (
                False,
                "sent",
                106,
                None,
                None,
                2006,
                "filled 106 of 100: 6 are unhedged on polymarket now",
            ),
        ),
        (
            comes_to("0", reason="silence", unknown=True),
            (False, "sent", 0, None, None, 2003, "silence"),
        ),
        (not_sent("too little"), (False, None, 0, None, None, 2006, "too little")),
    ],
)
def test_the_result_says_what_was_filled_and_why_the_exposure_remains(
    outcome: Outcomes, facts: tuple[Any, ...]
) -> None:
    at = Resolving(position(), outcome)

    told = retried(at)

    assert told.position == at.trade.position
    assert (
        told.resolved,
        told.order_id,
        told.filled,
        told.new_edge,
        told.realised_pnl,
        told.code,
        told.reason,
    ) == facts
    unknown = told.code == 2003
    if told.resolved or unknown:
        assert (told.scenarios, told.recommended_actions) == ((), ())
    else:
        exposure = at.announce.exposed(at.trade)
        assert told.scenarios == exposure.scenarios()
        assert told.recommended_actions == exposure.recommended(told.scenarios)


def test_after_a_failed_exit_the_code_is_that_of_an_exit() -> None:
    told = closed(Resolving(position(), NO_FILL))

    assert (told.code, told.reason) == (2007, "not_filled")
