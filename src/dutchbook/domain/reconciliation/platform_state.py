"""Platform state: answers about our orders, and lists of what is in our accounts.

Plain values, one `Statement` per platform, which record answers as they came: a failed question
is `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey, EntryKind
from dutchbook.domain.execution.order import Fill, Finality, Order, Totals
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class FillReport:
    """One of our trades as the platform reports it; price in dollars of the outcome."""

    platform: Platform
    platform_order_id: str
    client_order_id: str | None
    trade_id: str
    price: Price
    size: Quantity
    fee: Money
    finality: Finality
    matched_at: datetime


def fill_of(order: Order, report: FillReport) -> Fill:
    """Return the fill that a report of one of an order's trades is."""
    return Fill(
        trade_id=report.trade_id,
        platform=report.platform,
        order_id=order.order_id,
        outcome=order.outcome,
        side=order.side,
        price=report.price,
        size=report.size,
        fee=report.fee,
        finality=report.finality,
        matched_at=report.matched_at,
    )


@dataclass(frozen=True, slots=True)
class OrderReport:
    """A platform's report on one order.

    An acknowledgement is such a report too: it states totals, and usually lists no trade.

    Attributes:
        platform_order_id: The platform's id.
        fills: The trades that it lists; more of them may follow.
        working: Contracts that can still fill.
        refusal: The documented rejection, if the order was rejected.
        stated: The totals that it states, whether their trades are listed or not.
        whole: Whether every trade of the order is listed, and nothing of it can still fill.
    """

    platform_order_id: str
    fills: tuple[FillReport, ...]
    working: Quantity
    refusal: str | None = None
    stated: Totals | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """The platform answered and showed no such order. This alone proves nothing.

    Attributes:
        as_of: How recent the platform says its data is (Kalshi: ``as_of_time`` of
            ``GET /exchange/user_data_timestamp``, docs.kalshi.com, 2026-10); None if it does
            not say (Polymarket).
        arrives_until: When the platform could accept the order at the latest, if it was sent
            when it was created: the end of its signature's validity or its own expiry, plus the
            largest clock difference. None if nothing ends it, and then absence is never proven
            (a Polymarket order's signature has no expiry; py-clob-client-v2 1.2.1).
    """

    as_of: datetime | None
    arrives_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """The platform answered from data older than the order, or of unknown age."""

    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The question failed, was not asked, or was answered only in part."""

    reason: str


Answer = OrderReport | NotFound | Stale | Unavailable


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order in the account's list.

    `ours_by_pattern`: the client order id has the form of ours.
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
    """Contracts that a platform lists, by contract and outcome; missing entries are zero."""

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
"""Reasons for cash movements without one of our orders. Trades and fees come with fills."""


@dataclass(frozen=True, slots=True)
class NamedCash:
    """One cash movement whose reason the platform reports.

    Attributes:
        movement_id: The platform's id of the movement, unique on the platform.
        kind: One of `NAMED`.
        account: The account whose cash moved.
        amount: Dollars; negative for cash that leaves the account.
        at: Time of the movement.
    """

    movement_id: str
    kind: EntryKind
    account: AccountKey
    amount: Money
    at: datetime

    def __post_init__(self) -> None:
        if self.kind not in NAMED:
            raise InvalidInput("kind", self.kind.value, f"one of {', '.join(NAMED)}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The state of one platform. A list that is None was not requested and is not compared.

    Attributes:
        answers: Answers by our order id. A relevant order without an answer counts as
            `Unavailable`.
        fills: The account's trades of our orders. Those of an order that is not compared, since
            it has changed meanwhile, are ignored.
        orders: The account's orders, known to us or not.
        positions: Contracts held.
        balances: Cash by account.
        movements: Cash movements for reasons other than a trade.
        strange: The account's trades that none of our orders explains.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    fills: tuple[FillReport, ...] | Unavailable = ()
    orders: tuple[ListedOrder, ...] | Unavailable | Stale = ()
    positions: ListedContracts | Unavailable | None = None
    balances: Mapping[AccountKey, ListedCash | Unavailable] = field(default_factory=dict)
    movements: tuple[NamedCash, ...] = ()
    strange: tuple[FillReport, ...] = ()

    @property
    def trades(self) -> tuple[FillReport, ...]:
        """The account's trades of our orders, empty if the list is unavailable."""
        return () if isinstance(self.fills, Unavailable) else self.fills


@dataclass(frozen=True, slots=True)
class PlatformState:
    """All platform reports of one pass, which began at `asked_at`."""

    asked_at: datetime
    statements: Mapping[Platform, Statement]

    def of(self, platform: Platform) -> Statement:
        """Return a platform's state, with all lists unavailable if it was not reached."""
        silent = Unavailable("the platform was not reached")
        return self.statements.get(platform) or Statement(fills=silent, orders=silent)


def strongest(reports: tuple[FillReport, ...]) -> tuple[dict[str, FillReport], tuple[str, ...]]:
    """Merge reports by trade id, regardless of their order and number.

    Returns:
        Each trade once with its latest known finality, oldest trade first; and the ids of the
        trades whose reports contradict one another.
    """
    by_trade: dict[str, list[FillReport]] = {}
    for report in sorted(reports, key=_rank):
        by_trade.setdefault(report.trade_id, []).append(report)
    latest = sorted(
        (each[-1] for each in by_trade.values()),
        key=lambda each: (each.matched_at, each.trade_id),
    )
    contradictory = sorted(key for key, each in by_trade.items() if _contradict(each))
    return {each.trade_id: each for each in latest}, tuple(contradictory)


def _contradict(reports: list[FillReport]) -> bool:
    finalities = {each.finality for each in reports}
    return len({(each.price, each.size) for each in reports}) > 1 or finalities >= {
        Finality.SETTLED,
        Finality.FAILED,
    }


def _rank(report: FillReport) -> tuple[int, Decimal, Decimal, Decimal]:
    order = (Finality.PROVISIONAL, Finality.SETTLED, Finality.FAILED)
    return order.index(report.finality), report.price, report.size, report.fee
