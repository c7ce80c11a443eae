"""The lists of an account against our record: each list alone, with whole findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from support.accounts import lists, paid, settled, size, traded
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    FOUR,
    GRACE,
    SENT,
    SIX,
    TEN,
    account,
    order,
    report,
    whole_report,
)

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.reconciliation.accounts import joined, named_cash
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    BookCash,
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    FillReport,
    ListedCash,
    ListedContracts,
    ListedOrder,
    PlatformState,
    Stale,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
YES, NO = Outcome.YES, Outcome.NO
KIND, PERSON = DiscrepancyType, Involvement
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
SILENT = Unavailable("timed out")
CUP = "polymarket-cup"


# Named cash
# ---------------------------------------------------------------------------------------


def test_cash_movements_are_booked_once_by_time_and_id_unless_they_are_booked_already() -> None:
    early, late = paid("z", NOW - SECOND), paid("a", NOW)
    alike, other = paid("b", NOW), paid("c", NOW, KALSHI)
    theirs = PlatformState(
        NOW,
        {
            POLY: Statement(movements=(alike, late, paid("c", NOW), late, early)),
            KALSHI: Statement(movements=(other,)),
        },
    )

    booked = named_cash(OurState(booked=frozenset({(POLY, "c")})), theirs)

    assert booked == tuple(BookCash(each) for each in (early, late, alike, other))


# Trades by order
# ----------------------------------------------------------------------------------


def by(trade_id: str, platform_id: str, client_id: str | None = None) -> FillReport:
    return report(trade_id, FOUR, platform_order_id=platform_id, client_order_id=client_id)


def test_trades_are_assigned_by_their_id_or_by_any_id_of_the_order() -> None:
    first = order(order_id="first", client_order_id="first-key")
    second = order(order_id="second", client_order_id="second-key", platform_order_id="p-2")
    ours = OurState(
        (
            settled(first, by("t1", "p-1")),
            OurOrder(second, account(POLY)),
            settled(replace(first, order_id="third", client_order_id="k3"), by("t3", "p-1")),
            OurOrder(order(order_id="named", client_order_id="k4"), account(POLY)),
        )
    )
    trades = {
        "recorded": by("t1", "elsewhere", "second-key"),
        "recorded later": by("t3", "p-2"),
        "platform id": by("t5", "p-2", "elsewhere"),
        "client id": by("t6", "elsewhere", "second-key"),
        "answer": by("t7", "p-4"),
        "nobody's": by("t8", "elsewhere"),
    }
    answers: dict[str, Answer] = {
        "named": whole_report("p-4", (), NOTHING),
        "first": SILENT,
    }
    theirs = PlatformState(
        NOW, {POLY: Statement(answers, tuple(trades.values())), KALSHI: Statement()}
    )

    assert joined(ours, theirs, POLY) == {
        "first": (trades["recorded"],),
        "third": (trades["recorded later"],),
        "second": (trades["platform id"], trades["client id"]),
        "named": (trades["answer"],),
    }
    assert joined(ours, theirs, KALSHI) == {}


def test_trades_are_assigned_when_every_order_has_every_id() -> None:
    known = order(platform_order_id="p-1")
    answers = {"polymarket-order": whole_report("p-1", (), NOTHING)}
    theirs = PlatformState(NOW, {POLY: Statement(answers, (by("t1", "p-1"),))})

    found = joined(OurState((OurOrder(known, account(POLY)),)), theirs, POLY)

    assert found == {"polymarket-order": (by("t1", "p-1"),)}


# All lists
# ----------------------------------------------------------------------------------------


def test_all_lists_are_compared_orders_first_and_cash_last() -> None:
    main, more = account(POLY), AccountKey(POLY, "more", "USD")
    balances: Mapping[AccountKey, ListedCash | Unavailable] = {
        more: ListedCash(NOW, Money(Decimal(2))),
        main: ListedCash(NOW, Money(Decimal(1))),
        AccountKey(POLY, "silent", "USD"): SILENT,
    }
    accounts = lists(
        OurState(),
        orders=Stale(None),
        positions=ListedContracts(NOW, {(CUP, NO): FOUR}),
        balances=balances,
    )

    subjects = [(type(each), each.subject) for each in accounts.findings()]

    assert subjects == [
        (AskAgain, "orders"),
        (Discrepancy, f"{CUP} no"),
        (AskAgain, "positions"),
        (Discrepancy, "polymarket:main:USD"),
        (AskAgain, "balance polymarket:main:USD"),
        (Discrepancy, "polymarket:more:USD"),
        (AskAgain, "balance polymarket:more:USD"),
    ]


def test_an_undated_balance_is_compared_with_what_is_older_than_the_grace() -> None:
    ours = OurState(traded((Side.BUY, "4")), cash={account(POLY): Decimal(100)})
    ours = replace(ours, orders=(replace(ours.orders[0], fills=()),))
    late = lists(ours, balances={account(POLY): ListedCash(SENT - TICK, CENT)})
    undated = lists(ours, balances={account(POLY): ListedCash(None, CENT)})

    assert [type(each) for each in late.findings()] == [AskAgain]
    assert [type(each) for each in undated.findings()] == [Discrepancy, AskAgain]


def test_lists_that_were_not_received_are_named() -> None:
    main, more = account(POLY), AccountKey(POLY, "more", "USD")
    none = lists(
        OurState(),
        fills=SILENT,
        orders=SILENT,
        positions=SILENT,
        balances={more: SILENT, main: SILENT},
    )
    received = lists(
        OurState(), orders=Stale(None), balances={main: ListedCash(NOW, CENT), more: SILENT}
    )

    assert none.unread() == (
        "fills",
        "orders",
        "positions",
        "balance polymarket:main:USD",
        "balance polymarket:more:USD",
    )
    assert received.unread() == ("balance polymarket:more:USD",)


# Orders and trades of unknown origin
# ---------------------------------------------------------------


def listed(platform_id: str, client_id: str | None = None, **facts: object) -> ListedOrder:
    made = ListedOrder(
        POLY, platform_id, client_id, CUP, NO, Side.SELL, TEN, NOTHING, SIX, False
    )  # fmt: skip
    return replace(made, **facts)  # type: ignore[arg-type]


def test_an_order_is_ours_by_either_of_its_ids_and_all_others_are_reported_by_id() -> None:
    ours = OurState((settled(order()), OurOrder(order(KALSHI), account(KALSHI))))
    orders = (
        listed("p-9"),
        listed("polymarket-7", "elsewhere"),
        listed("p-1", "polymarket-key"),
        listed("p-8", "kalshi-key"),
        listed("p-8", "kalshi-key"),
    )

    found = list(lists(ours, orders=orders).strangers())

    assert [each.subject for each in found] == ["p-8", "p-9"]


@pytest.mark.parametrize(
    ("ours_by_pattern", "filled", "involvement"),
    [
        (False, "0", PERSON.NOTIFIED),
        (False, "0.5", PERSON.DECIDES),
        (True, "0", PERSON.DECIDES),
    ],
)
def test_an_unknown_order_is_reported_with_all_that_is_known_of_it(
    ours_by_pattern: bool, filled: str, involvement: Involvement
) -> None:
    stranger = listed("p-9", "k-9", filled=size(filled), ours_by_pattern=ours_by_pattern)

    assert list(lists(OurState(), orders=(stranger,)).strangers()) == [
        Discrepancy(
            kind=KIND.ORDER_UNKNOWN,
            platform=POLY,
            subject="p-9",
            theirs={
                "client_order_id": "k-9",
                "contract_id": "polymarket-cup",
                "outcome": "no",
                "side": "sell",
                "size": "10",
                "filled": filled,
                "working": "6",
                "ours_by_pattern": ours_by_pattern,
            },
            recommended_action="find out who sent it; cancel it at the platform if it works",
            involvement=involvement,
        )
    ]


@pytest.mark.parametrize(
    ("orders", "asked"), [(SILENT, []), (Stale(NOW), [AskAgain(POLY, "orders")]), ((), [])]
)
def test_only_a_stale_list_of_orders_is_asked_for_here(
    orders: Unavailable | Stale | tuple[ListedOrder, ...], asked: list[AskAgain]
) -> None:
    assert list(lists(OurState(), orders=orders).strangers()) == asked


def test_trades_of_no_order_are_reported_once_each_by_id() -> None:
    trades = (by("t9", "p-2"), by("t8", "p-1"), by("t8", "p-1"), by("t7", "p-9"))
    accounts = lists(OurState(), orders=(listed("p-9"),), strange=trades)

    assert [each.subject for each in accounts.strangers()] == ["p-9", "t8", "t9"]


def test_a_trade_may_be_of_an_unanswered_order_on_its_own_platform() -> None:
    here, there = (OurOrder(order(each), account(each)) for each in (POLY, KALSHI))
    stranger = (by("t9", "p-2"),)

    assert list(lists(OurState((here,)), strange=stranger).strangers()) == []
    assert len(list(lists(OurState((there,)), strange=stranger).strangers())) == 1


@pytest.mark.parametrize(
    ("since", "involvement"),
    [
        (None, PERSON.NOTIFIED),
        (NOW - GRACE + TICK, PERSON.NOTIFIED),
        (NOW - GRACE, PERSON.DECIDES),
    ],
)
def test_a_trade_of_no_order_is_reported_and_after_the_grace_a_person_decides(
    since: datetime | None, involvement: Involvement
) -> None:
    key = "fill_unknown:polymarket:t9:"
    ours = OurState(doubted={key: since} if since else {})

    assert list(lists(ours, strange=(by("t9", "p-2", "k-2"),)).strangers()) == [
        Discrepancy(
            kind=KIND.FILL_UNKNOWN,
            platform=POLY,
            subject="t9",
            theirs={
                "platform_order_id": "p-2",
                "client_order_id": "k-2",
                "price": "0.5",
                "size": "4",
                "finality": "provisional",
            },
            recommended_action="find out which order it belongs to",
            involvement=involvement,
        )
    ]
