"""Capital as a double-entry ledger by platform, account and currency.

Each movement (reserve, commit, release and others) is a set of postings that sum to zero.
`free`, `reserved` and `committed` are ours; every other bucket is a source or destination of
money. Invariant I-11: deposits less withdrawals, plus realised profit, less fees and gas,
equals free + reserved + committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.errors import InvariantBroken


class EntryKind(StrEnum):
    """Reasons for moving cash."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    IN_TRANSIT = "in_transit"
    RESERVE = "reserve"
    COMMIT = "commit"
    RELEASE = "release"
    TRADE = "trade"
    FEE = "fee"
    REBATE = "rebate"
    REWARD = "reward"
    INTEREST = "interest"
    SETTLEMENT = "settlement"
    REDEMPTION = "redemption"
    GAS = "gas"
    ADJUSTMENT = "adjustment"


class Bucket(StrEnum):
    """Where money is: the first three are balances of an account, the rest counterparts."""

    FREE = "free"
    RESERVED = "reserved"
    COMMITTED = "committed"
    EXTERNAL = "external"
    TRANSIT = "transit"
    FEES = "fees"
    GAS = "gas"
    REALISED = "realised"
    INCOME = "income"


BALANCES = (Bucket.FREE, Bucket.RESERVED, Bucket.COMMITTED)
COUNTERPART = {
    EntryKind.DEPOSIT: Bucket.EXTERNAL,
    EntryKind.WITHDRAWAL: Bucket.EXTERNAL,
    EntryKind.IN_TRANSIT: Bucket.TRANSIT,
    EntryKind.REBATE: Bucket.INCOME,
    EntryKind.REWARD: Bucket.INCOME,
    EntryKind.INTEREST: Bucket.INCOME,
    EntryKind.GAS: Bucket.GAS,
    EntryKind.FEE: Bucket.FEES,
    EntryKind.ADJUSTMENT: Bucket.REALISED,
}
"""The counterpart of a movement into or out of free cash, by its kind."""


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """Identifies an account: platform, account (Kalshi shard, Polymarket wallet), currency."""

    platform: Platform
    account: str
    currency: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.account}:{self.currency}"


@dataclass(frozen=True, slots=True)
class Balance:
    """Balances of an account, in dollars."""

    free: Money = ZERO
    reserved: Money = ZERO
    committed: Money = ZERO

    @property
    def total(self) -> Money:
        """The sum of all three."""
        return Money(self.free + self.reserved + self.committed)


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a movement: `amount` dollars into `bucket` (negative: out of it)."""

    kind: EntryKind
    account: AccountKey
    bucket: Bucket
    amount: Money


Movement = tuple[Posting, ...]


def move(
    kind: EntryKind, account: AccountKey, source: Bucket, target: Bucket, amount: Decimal
) -> Movement:
    """Return the two postings that move `amount` from `source` to `target`; none for zero."""
    if not amount:
        return ()
    return (
        Posting(kind, account, source, Money(-amount)),
        Posting(kind, account, target, Money(amount)),
    )


def external(kind: EntryKind, account: AccountKey, amount: Decimal) -> Movement:
    """Return the movement of cash from outside into free capital, or out of it (negative)."""
    return move(kind, account, COUNTERPART[kind], Bucket.FREE, amount)


def reserve(account: AccountKey, amount: Decimal) -> Movement:
    """Return the movement that reserves `amount` of free capital."""
    return move(EntryKind.RESERVE, account, Bucket.FREE, Bucket.RESERVED, amount)


def commit_reservation(
    account: AccountKey, *, reserved: Decimal, cost: Decimal, fees: Decimal
) -> Movement:
    """Return the movement that commits the cost, deducts the fees and releases the rest.

    Raises:
        InvariantBroken: More was spent than was reserved (I-14).
    """
    rest = reserved - cost - fees
    if rest < 0:
        raise InvariantBroken("I-14", f"{account} spent {cost + fees} of a reserved {reserved}")
    return (
        *move(EntryKind.COMMIT, account, Bucket.RESERVED, Bucket.COMMITTED, cost),
        *move(EntryKind.FEE, account, Bucket.RESERVED, Bucket.FEES, fees),
        *release_reservation(account, rest),
    )


def release_reservation(account: AccountKey, reserved: Decimal) -> Movement:
    """Return the movement that makes all that was reserved free again."""
    return move(EntryKind.RELEASE, account, Bucket.RESERVED, Bucket.FREE, reserved)


def fold(
    postings: Iterable[Posting], opening: Mapping[AccountKey, Balance] | None = None
) -> dict[AccountKey, Balance]:
    """Return the balances after `postings`."""
    balances = dict(opening or {})
    for posting in postings:
        balance = balances.get(posting.account, Balance())
        if posting.bucket in BALANCES:
            name = posting.bucket.value
            value = Money(getattr(balance, name) + posting.amount)
            balance = replace(balance, **{name: value})
        balances[posting.account] = balance
    return balances


def check_conservation(
    postings: Iterable[Posting], balances: Mapping[AccountKey, Balance]
) -> None:
    """Check I-11 and I-12 for every account, from the first posting to the stated balances.

    Raises:
        InvariantBroken: The postings do not sum to zero, a balance is not their fold, or free
            or reserved capital is negative.
    """
    postings = tuple(postings)
    folded = fold(postings)
    for account in sorted({*folded, *balances}):
        total = sum(p.amount for p in postings if p.account == account)
        if total:
            raise InvariantBroken("I-11", f"postings of {account} sum to {total}, not zero")
        stated, expected = balances.get(account, Balance()), folded.get(account, Balance())
        if stated != expected:
            raise InvariantBroken("I-11", f"{account} shows {stated}, its ledger {expected}")
        if min(stated.free, stated.reserved) < 0:
            raise InvariantBroken("I-12", f"{account} is overdrawn: {stated}")
