"""The postings of each movement, and what a broken ledger says about itself."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dutchbook.domain.capital.ledger import (
    AccountKey,
    Balance,
    Bucket,
    EntryKind,
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
WALLET = AccountKey(Platform.POLYMARKET, "wallet", "pUSD")


def m(number: str | int) -> Money:
    return Money(Decimal(number))


def line(
    kind: EntryKind, bucket: Bucket, amount: str | int, account: AccountKey = CASH
) -> Posting:
    return Posting(kind, account, bucket, m(amount))


def test_an_account_is_written_with_its_platform_and_currency() -> None:
    assert str(CASH) == "kalshi:shard-0:USD"


def test_the_total_of_an_account_is_the_sum_of_its_three_balances() -> None:
    assert Balance(m(100), m(20), m(3)).total == 123


def test_a_movement_takes_from_its_source_what_it_gives_to_its_target() -> None:
    assert move(EntryKind.TRADE, CASH, Bucket.COMMITTED, Bucket.FREE, Decimal("0.000001")) == (
        line(EntryKind.TRADE, Bucket.COMMITTED, "-0.000001"),
        line(EntryKind.TRADE, Bucket.FREE, "0.000001"),
    )


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (EntryKind.DEPOSIT, Bucket.EXTERNAL),
        (EntryKind.WITHDRAWAL, Bucket.EXTERNAL),
        (EntryKind.IN_TRANSIT, Bucket.TRANSIT),
        (EntryKind.REBATE, Bucket.INCOME),
        (EntryKind.REWARD, Bucket.INCOME),
        (EntryKind.INTEREST, Bucket.INCOME),
        (EntryKind.GAS, Bucket.GAS),
        (EntryKind.FEE, Bucket.FEES),
        (EntryKind.ADJUSTMENT, Bucket.REALISED),
    ],
)
@pytest.mark.parametrize("amount", [12, -12])
def test_cash_from_outside_comes_from_the_counterpart_of_its_kind(
    kind: EntryKind, source: Bucket, amount: int
) -> None:
    assert external(kind, WALLET, Decimal(amount)) == (
        line(kind, source, -amount, WALLET),
        line(kind, Bucket.FREE, amount, WALLET),
    )


def test_reserving_moves_free_capital_and_releasing_moves_it_back() -> None:
    assert reserve(CASH, Decimal(60)) == (
        line(EntryKind.RESERVE, Bucket.FREE, -60),
        line(EntryKind.RESERVE, Bucket.RESERVED, 60),
    )
    assert release_reservation(CASH, Decimal(60)) == (
        line(EntryKind.RELEASE, Bucket.RESERVED, -60),
        line(EntryKind.RELEASE, Bucket.FREE, 60),
    )


COST = (
    line(EntryKind.COMMIT, Bucket.RESERVED, -40),
    line(EntryKind.COMMIT, Bucket.COMMITTED, 40),
)
FEES = (line(EntryKind.FEE, Bucket.RESERVED, -3), line(EntryKind.FEE, Bucket.FEES, 3))


@pytest.mark.parametrize("rest", ["17", "0.5", "0"])
def test_committing_moves_the_cost_and_the_fees_and_releases_the_rest(rest: str) -> None:
    reserved = Decimal(43) + Decimal(rest)

    movement = commit_reservation(CASH, reserved=reserved, cost=Decimal(40), fees=Decimal(3))

    assert movement == (*COST, *FEES, *release_reservation(CASH, Decimal(rest)))


def broken(call: object) -> tuple[str, str]:
    assert callable(call)
    with pytest.raises(InvariantBroken) as caught:
        call()
    return caught.value.invariant, caught.value.detail


def test_an_overspent_reservation_says_what_was_spent_and_what_was_reserved() -> None:
    found = broken(
        lambda: commit_reservation(
            CASH, reserved=Decimal("42.5"), cost=Decimal(40), fees=Decimal(3)
        )
    )

    assert found == ("I-14", "kalshi:shard-0:USD spent 43 of a reserved 42.5")


def test_postings_add_up_to_the_balances_of_each_account() -> None:
    opening = {CASH: Balance(m(100), m(20), m(3))}

    after = fold(
        (
            line(EntryKind.COMMIT, Bucket.RESERVED, -5),
            line(EntryKind.COMMIT, Bucket.COMMITTED, 4),
            line(EntryKind.RELEASE, Bucket.FREE, 1),
            line(EntryKind.DEPOSIT, Bucket.FREE, 7, WALLET),
            line(EntryKind.DEPOSIT, Bucket.FREE, 2, WALLET),
        ),
        opening,
    )

    assert after == {CASH: Balance(m(101), m(15), m(7)), WALLET: Balance(free=m(9))}
    assert opening == {CASH: Balance(m(100), m(20), m(3))}


def test_money_that_is_not_ours_changes_no_balance_of_its_account() -> None:
    assert fold([line(EntryKind.FEE, Bucket.FEES, 3)]) == {CASH: Balance()}
    assert fold([]) == {}


def deposit(account: AccountKey, amount: int) -> tuple[Posting, ...]:
    return external(EntryKind.DEPOSIT, account, Decimal(amount))


def test_a_ledger_whose_every_account_agrees_is_sound() -> None:
    postings = (*deposit(CASH, 100), *deposit(WALLET, 50), *reserve(CASH, Decimal(100)))

    check_conservation(
        iter(postings), {CASH: Balance(reserved=m(100)), WALLET: Balance(free=m(50))}
    )


def test_an_account_without_postings_holds_nothing() -> None:
    check_conservation([], {CASH: Balance()})

    assert broken(lambda: check_conservation([], {CASH: Balance(free=m(1))})) == (
        "I-11",
        f"{CASH} shows {Balance(free=m(1))}, its ledger {Balance()}",
    )


def test_an_account_whose_balance_is_not_stated_must_hold_nothing() -> None:
    assert broken(lambda: check_conservation(deposit(WALLET, 5), {})) == (
        "I-11",
        f"{WALLET} shows {Balance()}, its ledger {Balance(free=m(5))}",
    )


def test_postings_must_sum_to_zero_in_each_account_and_not_only_over_all() -> None:
    postings = (
        line(EntryKind.DEPOSIT, Bucket.FREE, 5, WALLET),
        line(EntryKind.DEPOSIT, Bucket.EXTERNAL, -5, CASH),
    )

    assert broken(lambda: check_conservation(postings, fold(postings))) == (
        "I-11",
        "postings of kalshi:shard-0:USD sum to -5, not zero",
    )


@pytest.mark.parametrize(
    ("balance", "postings"),
    [
        (Balance(free=m("-0.5")), external(EntryKind.WITHDRAWAL, CASH, Decimal("-0.5"))),
        (Balance(free=m("0.5"), reserved=m("-0.5")), release_reservation(CASH, Decimal("0.5"))),
    ],
    ids=["free", "reserved"],
)
def test_neither_free_nor_reserved_capital_may_be_negative(
    balance: Balance, postings: tuple[Posting, ...]
) -> None:
    found = broken(lambda: check_conservation(postings, {CASH: balance}))

    assert found == ("I-12", f"kalshi:shard-0:USD is overdrawn: {balance}")


def test_committed_capital_may_be_negative_and_the_smallest_balance_is_sound() -> None:
    postings = (
        *deposit(CASH, 1),
        *move(EntryKind.TRADE, CASH, Bucket.COMMITTED, Bucket.RESERVED, Decimal("0.5")),
    )

    check_conservation(postings, {CASH: Balance(m(1), m("0.5"), m("-0.5"))})
