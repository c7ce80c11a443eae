from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dutchbook.domain.capital.ledger import (
    AccountKey,
    Balance,
    Bucket,
    EntryKind,
    Movement,
    Posting,
    check_conservation,
    commit_reservation,
    external,
    fold,
    move,
    release_reservation,
    reserve,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Money
from dutchbook.errors import InvariantBroken

CASH = AccountKey(Platform.KALSHI, "shard-0", "USD")
amounts = st.decimals("0.000001", 1_000, places=6)


class AnyHistory(RuleBasedStateMachine):
    """Deposits, withdrawals and reservations in any order conserve every dollar."""

    open_reservations: Bundle[Decimal] = Bundle("open_reservations")

    def __init__(self) -> None:
        super().__init__()
        self.postings: list[Posting] = []

    def book(self, movement: Movement) -> None:
        self.postings += movement

    @property
    def balance(self) -> Balance:
        return fold(self.postings).get(CASH, Balance())

    @rule(amount=amounts)
    def deposit(self, amount: Decimal) -> None:
        self.book(external(EntryKind.DEPOSIT, CASH, amount))

    @rule(share=st.integers(0, 100))
    def withdraw(self, share: int) -> None:
        amount = (self.balance.free * share / 100).quantize(Decimal("0.000001"))
        self.book(external(EntryKind.WITHDRAWAL, CASH, -min(amount, self.balance.free)))

    @rule(target=open_reservations, share=st.integers(0, 100))
    def reserve(self, share: int) -> Decimal:
        amount = (self.balance.free * share / 200).quantize(Decimal("0.000001"))
        self.book(reserve(CASH, amount))
        return amount

    @rule(amount=consumes(open_reservations), cost=st.integers(0, 80), fee=st.integers(0, 20))
    def commit(self, amount: Decimal, cost: int, fee: int) -> None:
        parts = [(amount * each / 101).quantize(Decimal("0.000001")) for each in (cost, fee)]
        if sum(parts) <= amount:
            self.book(commit_reservation(CASH, reserved=amount, cost=parts[0], fees=parts[1]))

    @rule(amount=consumes(open_reservations))
    def release(self, amount: Decimal) -> None:
        self.book(release_reservation(CASH, amount))

    @invariant()
    def every_dollar_is_somewhere(self) -> None:
        check_conservation(self.postings, {CASH: self.balance})


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(stateful_step_count=25)


def test_a_reservation_is_committed_into_cost_fees_and_released_capital() -> None:
    opening = (*external(EntryKind.DEPOSIT, CASH, Decimal(100)), *reserve(CASH, Decimal(60)))

    movement = commit_reservation(CASH, reserved=Decimal(60), cost=Decimal(40), fees=Decimal(1))

    balance = fold((*opening, *movement))[CASH]
    assert (balance.free, balance.reserved, balance.committed) == (59, 0, 40)


def test_a_reservation_of_which_nothing_was_spent_is_released_whole() -> None:
    opening = (*external(EntryKind.DEPOSIT, CASH, Decimal(100)), *reserve(CASH, Decimal(60)))

    movement = release_reservation(CASH, Decimal(60))

    assert fold((*opening, *movement))[CASH] == Balance(free=Money(Decimal(100)))
    nothing = commit_reservation(CASH, reserved=Decimal(60), cost=Decimal(0), fees=Decimal(0))
    assert movement == nothing


def test_spending_more_than_was_reserved_breaks_an_invariant() -> None:
    ten, over = Decimal(10), Decimal("0.000001")

    with pytest.raises(InvariantBroken, match="I-14"):
        commit_reservation(CASH, reserved=ten, cost=ten, fees=over)


def test_a_zero_amount_creates_no_posting() -> None:
    assert move(EntryKind.FEE, CASH, Bucket.RESERVED, Bucket.FEES, Decimal(0)) == ()


def test_a_ledger_that_does_not_sum_to_zero_is_detected() -> None:
    postings = list(external(EntryKind.DEPOSIT, CASH, Decimal(100)))
    postings[1] = replace(postings[1], amount=Money(Decimal("100.000001")))

    with pytest.raises(InvariantBroken, match="I-11"):
        check_conservation(postings, fold(postings))


def test_a_balance_that_differs_from_its_ledger_is_detected() -> None:
    postings = external(EntryKind.DEPOSIT, CASH, Decimal(100))

    with pytest.raises(InvariantBroken, match="I-11"):
        check_conservation(postings, {CASH: Balance(free=Money(Decimal(101)))})


def test_an_overdrawn_account_is_caught() -> None:
    postings = external(EntryKind.WITHDRAWAL, CASH, Decimal(-1))

    with pytest.raises(InvariantBroken, match="I-12"):
        check_conservation(postings, fold(postings))
