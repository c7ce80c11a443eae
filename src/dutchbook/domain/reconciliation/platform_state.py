"""What the platforms say: answers about our orders, and lists of what stands in our accounts.

Plain values, one `Statement` a platform. Whoever fills them in changes nothing: a question that
failed is `Unavailable`, a page that was not read makes an answer incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey, EntryKind
from dutchbook.domain.execution.order import Finality
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class FillReport:
    """A trade of ours as its platform reports it; price in dollars of the outcome."""

    platform: Platform
    platform_order_id: str
    client_order_id: str | None
    trade_id: str
    price: Price
    size: Quantity
    fee: Money
    finality: Finality
    matched_at: datetime


@dataclass(frozen=True, slots=True)
class Stated:
    """The totals that a platform's own order record shows, with or without its trades.

    Attributes:
        filled: Contracts matched so far, those that failed later included.
        cost: Dollars of them before fees; None where the record does not tell.
        fees: Dollars.
        finality: Whether the platform can still take these totals back.
    """

    filled: Quantity
    cost: Money | None
    fees: Money
    finality: Finality


@dataclass(frozen=True, slots=True)
class Found:
    """The platform knows the order.

    Attributes:
        platform_order_id: Its id there.
        fills: Trades of it that were listed with it.
        working: Contracts that can still fill.
        refusal: The listed refusal, if it was refused.
        stated: Totals of the order record, where there are any.
        trades_complete: Every page of its trades was read.
    """

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None
    stated: Stated | None = None
    trades_complete: bool = True


@dataclass(frozen=True, slots=True)
class NotFound:
    """The platform answered and showed no such order. By itself this proves nothing.

    Attributes:
        as_of: How fresh the platform says that its reads are (Kalshi: ``as_of_time`` of
            ``GET /exchange/user_data_timestamp``, docs.kalshi.com, 2026-10); None where it
            does not say (Polymarket).
        complete: Every page of orders, done ones included, and of trades was read.
    """

    as_of: datetime | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Stale:
    """The platform answered from data that is older than the order, or of unknown age."""

    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The question failed, was not asked, or not all of its answer came."""

    reason: str


Answer = Found | NotFound | Stale | Unavailable


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order in the account's list.

    `ours_by_pattern`: its id is one that we could have made.
    """

    platform: Platform
    platform_order_id: str
    client_order_id: str | None
    contract_id: str
    outcome: Outcome
    side: Side
    size: Quantity
    filled: Quantity
    working: Quantity
    ours_by_pattern: bool


@dataclass(frozen=True, slots=True)
class ListedContracts:
    """Contracts that a platform shows, by contract and outcome; what is not in it is zero."""

    as_of: datetime | None
    contracts: Mapping[tuple[str, Outcome], Quantity]


@dataclass(frozen=True, slots=True)
class ListedCash:
    """All cash of one account, spendable or held against working orders, in dollars."""

    as_of: datetime | None
    total: Money


NAMED = (
    EntryKind.INTEREST,
    EntryKind.REBATE,
    EntryKind.REWARD,
    EntryKind.DEPOSIT,
    EntryKind.WITHDRAWAL,
    EntryKind.IN_TRANSIT,
    EntryKind.REDEMPTION,
)
"""Why cash can move without an order of ours. Trades and fees come with fills."""


@dataclass(frozen=True, slots=True)
class NamedCash:
    """One movement of cash that the platform reports and names.

    Attributes:
        movement_id: The platform's id of it, unique on the platform.
        kind: One of `NAMED`.
        account: Whose cash.
        amount: Dollars; negative leaves the account.
        at: When.
        redeemed: For a redemption, the contract, outcome and contracts that are gone.
    """

    movement_id: str
    kind: EntryKind
    account: AccountKey
    amount: Money
    at: datetime
    redeemed: tuple[str, Outcome, Quantity] | None = None

    def __post_init__(self) -> None:
        if self.kind not in NAMED:
            raise InvalidInput("kind", self.kind.value, f"one of {', '.join(NAMED)}")
        if (self.kind is EntryKind.REDEMPTION) != (self.redeemed is not None):
            raise InvalidInput("redeemed", self.redeemed, "given for a redemption, only there")


@dataclass(frozen=True, slots=True)
class Statement:
    """One platform's side. A list that is None was not asked for and is not judged.

    Attributes:
        answers: By our order id. An order that still matters and has no answer counts as
            `Unavailable`.
        fills: The account's trades, whatever order they name.
        orders: The account's orders, known to us or not.
        positions: Contracts held.
        balances: Cash by account.
        movements: Cash that moved for another reason than a trade.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    fills: tuple[FillReport, ...] | Unavailable = ()
    orders: tuple[ListedOrder, ...] | Unavailable | Stale = ()
    positions: ListedContracts | Unavailable | None = None
    balances: Mapping[AccountKey, ListedCash | Unavailable] = field(default_factory=dict)
    movements: tuple[NamedCash, ...] = ()

    @property
    def trades(self) -> tuple[FillReport, ...]:
        """The account's trades as far as they were listed."""
        return () if isinstance(self.fills, Unavailable) else self.fills


@dataclass(frozen=True, slots=True)
class Theirs:
    """All that the platforms said in one pass, which began at `asked_at`."""

    asked_at: datetime
    statements: Mapping[Platform, Statement]

    def of(self, platform: Platform) -> Statement:
        """Return a platform's side; one that was not reached is unavailable as a whole."""
        silent = Unavailable("the platform was not reached")
        return self.statements.get(platform) or Statement(fills=silent, orders=silent)


def strongest(reports: tuple[FillReport, ...]) -> tuple[dict[str, FillReport], tuple[str, ...]]:
    """Merge reports by trade id, whatever their order and number.

    Returns:
        Each trade once, with the latest that is known of its finality, oldest first; and the
        ids of those whose reports contradict one another.
    """
    by_trade: dict[str, list[FillReport]] = {}
    for report in sorted(reports, key=_rank):
        by_trade.setdefault(report.trade_id, []).append(report)
    latest = sorted(
        (told[-1] for told in by_trade.values()),
        key=lambda each: (each.matched_at, each.trade_id),
    )
    torn = tuple(sorted(trade_id for trade_id, told in by_trade.items() if _torn(told)))
    return {each.trade_id: each for each in latest}, torn


def _torn(told: list[FillReport]) -> bool:
    finalities = {each.finality for each in told}
    return len({(each.price, each.size) for each in told}) > 1 or finalities >= {
        Finality.SETTLED,
        Finality.FAILED,
    }


def _rank(report: FillReport) -> tuple[int, Decimal, Decimal, Decimal]:
    order = (Finality.PROVISIONAL, Finality.SETTLED, Finality.FAILED)
    return order.index(report.finality), report.price, report.size, report.fee
