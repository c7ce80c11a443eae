"""Contracts and cash of an account against our record, and what they can prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.accounts import lists, paid, settled, size, traded
from support.pairs import NOW
from support.reconciliation import (
    FOUR,
    GRACE,
    POSITION,
    SENT,
    SIX,
    TEN,
    account,
    order,
    report,
)

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurState
from dutchbook.domain.reconciliation.platform_state import (
    ListedContracts,
    Unavailable,
)
from dutchbook.domain.values.units import Money

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
YES, NO = Outcome.YES, Outcome.NO
KIND, PERSON = DiscrepancyType, Involvement
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
SILENT = Unavailable("timed out")
CUP = "polymarket-cup"


# Contracts
# ----------------------------------------------------------------------------------------


def contracts(**sizes: str) -> ListedContracts:
    shown = {(CUP, Outcome(name)): size(many) for name, many in sizes.items()}
    return ListedContracts(NOW, shown)


@pytest.mark.parametrize("positions", [None, SILENT])
def test_contracts_are_compared_only_if_they_are_listed(positions: Unavailable | None) -> None:
    ours = OurState(contracts={(POLY, CUP, NO): TEN})

    assert list(lists(ours, positions=positions).contracts()) == []


def test_contracts_that_no_order_explains_are_reported_without_a_position() -> None:
    ours = OurState(
        contracts={
            (POLY, CUP, NO): TEN,
            (POLY, "gone", YES): size("1"),
            (KALSHI, "k", YES): SIX,
        }
    )

    found = list(lists(ours, positions=contracts(yes="0.5", no="10")).contracts())

    assert found == [
        mismatch("gone yes", "1", "0"),
        AskAgain(POLY, "positions"),
        mismatch(f"{CUP} yes", "0", "0.5"),
        AskAgain(POLY, "positions"),
    ]


def mismatch(subject: str, ours: str, theirs: str, position: str | None = None) -> Discrepancy:
    return Discrepancy(
        kind=KIND.POSITION_MISMATCH,
        platform=POLY,
        subject=subject,
        position_id=position,
        pair_id="cup" if position else None,
        ours={"contracts": ours},
        theirs={"contracts": theirs},
        recommended_action="find the trade, transfer or settlement that explains it",
        involvement=PERSON.NOTIFIED,
    )


def test_contracts_are_reported_once_for_each_position_with_an_order_on_them() -> None:
    key = f"position_mismatch:polymarket:{CUP} no:second"
    ours = OurState(
        orders=(
            settled(order()),
            settled(order(order_id="again")),
            settled(order(order_id="o2"), position="second"),
            settled(order(order_id="o3"), position=None),
            settled(order(order_id="o4", contract_id="other"), position="elsewhere"),
            settled(order(KALSHI, contract_id=CUP), position="there"),
        ),
        contracts={(POLY, CUP, NO): TEN},
        doubted={key: NOW - GRACE},
    )

    assert list(lists(ours, positions=contracts(no="4")).contracts()) == [
        mismatch(f"{CUP} no", "10", "4", POSITION),
        replace(mismatch(f"{CUP} no", "10", "4", "second"), involvement=PERSON.DECIDES),
        AskAgain(POLY, "positions"),
    ]


BUY_AND_SELL = ((Side.BUY, "4"), (Side.SELL, "0.5"), (Side.BUY, "0.25"))


@pytest.mark.parametrize(
    ("shown", "differs"),
    [("5.74", True), ("5.75", False), ("10", False), ("10.5", False), ("10.51", True)],
)
def test_each_provisional_fill_may_be_missing_from_the_contracts(
    shown: str, *, differs: bool
) -> None:
    ours = OurState(traded(*BUY_AND_SELL), contracts={(POLY, CUP, NO): TEN})

    found = list(lists(ours, positions=contracts(no=shown)).contracts())

    assert bool(found) is differs


@pytest.mark.parametrize(
    ("shown", "differs"),
    [("-4.51", True), ("-4.5", False), ("-4", False), ("0.25", False), ("0.26", True)],
)
def test_kalshi_nets_both_outcomes_and_the_provisional_fills_of_both(
    shown: str, *, differs: bool
) -> None:
    ours = OurState(
        traded(*BUY_AND_SELL, platform=KALSHI),
        contracts={
            (KALSHI, "kalshi-cup", NO): TEN,
            (KALSHI, "kalshi-cup", YES): SIX,
            (POLY, "kalshi-cup", YES): FOUR,
        },
    )
    positions = ListedContracts(NOW, {("kalshi-cup", YES): size(shown)})

    found = list(lists(ours, KALSHI, positions=positions).contracts())

    assert bool(found) is differs


def test_contracts_that_kalshi_does_not_list_are_reported() -> None:
    ours = OurState(contracts={(KALSHI, "kalshi-cup", NO): TEN})

    found, _ = lists(ours, KALSHI, positions=ListedContracts(NOW, {})).contracts()

    assert found == replace(mismatch("kalshi-cup yes", "-10", "0"), platform=KALSHI)


def test_a_single_contract_that_only_the_platform_lists_is_reported() -> None:
    found, _ = lists(OurState(), positions=contracts(no="1")).contracts()

    assert found == mismatch(f"{CUP} no", "0", "1")


def test_kalshi_adds_up_what_it_lists_of_a_contract() -> None:
    ours = OurState(contracts={(KALSHI, "kalshi-cup", NO): TEN})
    listed_twice = {("kalshi-cup", YES): FOUR, ("kalshi-cup", NO): size("14")}

    positions = ListedContracts(NOW, listed_twice)

    assert list(lists(ours, KALSHI, positions=positions).contracts()) == []


def test_a_settled_fill_and_one_on_another_contract_explain_no_missing_contracts() -> None:
    final = settled(order(), report("t1", FOUR, Finality.SETTLED))
    other = settled(order(order_id="o2", contract_id="x"), report("t2", FOUR))
    ours = OurState((final, other), contracts={(POLY, CUP, NO): TEN, (POLY, "x", NO): FOUR})

    found = list(lists(ours, positions=contracts(no="6")).contracts())

    assert found == [mismatch(f"{CUP} no", "10", "6", POSITION), AskAgain(POLY, "positions")]


# Cash
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "unexplained"),
    [
        ("99.729999", "-0.270001"),
        ("99.73", None),
        ("100", None),
        ("102.155", None),
        ("102.155001", "2.155001"),
    ],
)
def test_cash_may_differ_by_a_cent_and_by_every_provisional_fill(
    total: str, unexplained: str | None
) -> None:
    """Two buys, whose undoing brings 2.01 and 0.135, and a sale whose undoing takes 0.26.

    The order of another account and that of another platform explain nothing.
    """
    orders = traded((Side.BUY, "4"), (Side.SELL, "0.54"), (Side.BUY, "0.25"))
    elsewhere = replace(orders[0], account=AccountKey(POLY, "more", "USD"))
    final = settled(order(order_id="final"), report("t9", SIX, Finality.SETTLED))
    there = traded((Side.BUY, "4"), platform=KALSHI)
    ours = OurState((*orders, elsewhere, final, *there), cash={account(POLY): Decimal(100)})
    amount = Money(Decimal(total))

    found = list(lists(ours).cash(account(POLY), NOW, amount))

    assert found == ([] if unexplained is None else short_of("100", total, unexplained))


def short_of(ours: str, theirs: str, unexplained: str) -> list[Discrepancy | AskAgain]:
    found = Discrepancy(
        kind=KIND.BALANCE_MISMATCH,
        platform=POLY,
        subject="polymarket:main:USD",
        ours={"cash": ours},
        theirs={"cash": theirs, "unexplained": unexplained},
        recommended_action="find the movement that explains the remainder",
        involvement=PERSON.NOTIFIED,
    )
    return [found, AskAgain(POLY, "balance polymarket:main:USD")]


def test_cash_of_an_account_that_is_not_in_our_ledger_is_unexplained() -> None:
    found = list(lists(OurState()).cash(account(POLY), NOW, Decimal("0.5")))

    assert found == short_of("0", "0.5", "0.5")


def test_a_person_decides_about_cash_after_the_grace() -> None:
    key = "balance_mismatch:polymarket:polymarket:main:USD:"
    accounts = lists(OurState(doubted={key: NOW - GRACE}))

    found, _ = accounts.cash(account(POLY), NOW, Decimal(2))

    assert isinstance(found, Discrepancy)
    assert found.involvement is PERSON.DECIDES


# Lists that prove nothing
# -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "facts", "as_of", "proves"),
    [
        ("filled", {}, SENT + SECOND, True),
        ("filled", {}, SENT + SECOND - TICK, False),
        ("none", {"movements": (paid("m", NOW - SECOND),)}, NOW - SECOND, True),
        ("none", {"movements": (paid("m", NOW - SECOND),)}, NOW - SECOND - TICK, False),
        ("none", {"movements": (paid("m", NOW - GRACE),)}, None, True),
        ("none", {"movements": (paid("m", NOW - GRACE + TICK),)}, None, False),
        ("stated", {}, NOW, False),
        ("none", {}, None, True),
    ],
)
def test_a_list_counts_if_it_is_as_new_as_all_that_we_know_and_every_trade_is_listed(
    ours: str, facts: dict[str, Any], as_of: datetime | None, *, proves: bool
) -> None:
    filled = settled(order(), report("t1", FOUR, Finality.SETTLED))
    stated = replace(filled, order=replace(filled.order, stated=FOUR))
    orders = {"none": (), "filled": (filled,), "stated": (stated, filled)}[ours]
    state = OurState(orders, contracts={(POLY, CUP, NO): TEN})
    positions = ListedContracts(as_of, {(CUP, NO): FOUR})

    accounts = lists(state, positions=positions, **facts)
    found = list(accounts.contracts())
    of_cash = list(accounts.cash(account(POLY), as_of, Decimal(2)))

    question = AskAgain(POLY, "positions")
    assert found == ([found[0], question] if proves else [question])
    assert len(of_cash) == (2 if proves else 1)
    assert of_cash[-1] == AskAgain(POLY, "balance polymarket:main:USD")


def test_an_order_of_another_account_makes_no_balance_old() -> None:
    later = settled(order(created_at=NOW + SECOND))
    elsewhere = replace(later, account=AccountKey(POLY, "more", "USD"))
    accounts = lists(OurState((elsewhere, settled(order(KALSHI, created_at=NOW + SECOND)))))

    assert list(accounts.cash(account(POLY), NOW, Decimal(2))) == short_of("0", "2", "2")
