"""Compare the accounts with our fills: unknown orders and fills, contracts, cash.

The comparison follows the repairs of the same pass, so that a difference explained by a missing
fill or a named cash movement is not reported a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Fill, Finality
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    BookCash,
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
    OurState,
    cash_effect,
    size_effect,
)
from dutchbook.domain.reconciliation.platform_state import (
    FillReport,
    ListedContracts,
    ListedOrder,
    OrderReport,
    PlatformState,
    Stale,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money, plain

_K, _I = DiscrepancyType, Involvement
Finding = Discrepancy | AskAgain
Joined = Mapping[str, tuple[FillReport, ...]]
"""An account's trades by our order id."""
CENT = Money(Decimal("0.01"))
"""By how many dollars a platform's rounding of cash may differ from ours."""


def named_cash(ours: OurState, theirs: PlatformState) -> tuple[BookCash, ...]:
    """Return the named cash movements that are not booked yet, each once, by time."""
    new = {
        (platform, movement.movement_id): movement
        for platform in Platform
        for movement in theirs.of(platform).movements
        if (platform, movement.movement_id) not in ours.booked
    }
    return tuple(
        BookCash(each) for each in sorted(new.values(), key=lambda m: (m.at, m.movement_id))
    )


def joined(ours: OurState, theirs: PlatformState, platform: Platform) -> Joined:
    """Assign the trades of an account to our orders.

    Matches by the order ids we know, by the id in a platform's answer about the order, and by
    trades already recorded.
    """
    statement = theirs.of(platform)
    ids: dict[str | None, str] = {}
    held: dict[str, str] = {}
    for our in ours.on(platform):
        order_id = our.order.order_id
        answer = statement.answers.get(order_id)
        named = answer.platform_order_id if isinstance(answer, OrderReport) else None
        for each in (our.order.client_order_id, our.order.platform_order_id, named):
            ids[each] = order_id
        held |= {fill.trade_id: order_id for fill in our.fills}
    ids.pop(None, None)
    of_order: dict[str, list[FillReport]] = {}
    for report in statement.trades:
        owner = (
            held.get(report.trade_id)
            or ids.get(report.platform_order_id)
            or ids.get(report.client_order_id)
        )
        if owner:
            of_order.setdefault(owner, []).append(report)
    return {key: tuple(each) for key, each in of_order.items()}


@dataclass(frozen=True, slots=True)
class Accounts:
    """Compares one platform's lists with our state after the repairs of the pass."""

    ours: OurState
    theirs: PlatformState
    grace: timedelta
    platform: Platform

    @property
    def statement(self) -> Statement:
        """The platform's state."""
        return self.theirs.of(self.platform)

    def findings(self) -> Iterator[Finding]:
        """Yield every difference in the lists, and the questions to repeat."""
        yield from self.strangers()
        yield from self.contracts()
        for account, listed in sorted(self.statement.balances.items()):
            if not isinstance(listed, Unavailable):
                yield from self.cash(account, listed.as_of, listed.total)

    def unread(self) -> tuple[str, ...]:
        """Return the names of the lists that were not received."""
        statement = self.statement
        lists = {
            "fills": statement.fills,
            "orders": statement.orders,
            "positions": statement.positions,
            **{f"balance {key}": each for key, each in sorted(statement.balances.items())},
        }
        return tuple(name for name, each in lists.items() if isinstance(each, Unavailable))

    # Orders and fills of unknown origin
    # --------------------------------------------------------

    def strangers(self) -> Iterator[Finding]:
        """Yield orders missing from our record, and fills that no order explains."""
        orders = self.statement.orders
        if isinstance(orders, Stale):
            yield self.again("orders")
        listed = () if isinstance(orders, Unavailable | Stale) else orders
        known = [our.order for our in self.ours.on(self.platform)]
        ids = {each.client_order_id for each in known}
        ids |= {each.platform_order_id for each in known if each.platform_order_id}
        strange = {
            each.platform_order_id: each
            for each in sorted(listed, key=lambda order: order.platform_order_id)
            if each.platform_order_id not in ids and each.client_order_id not in ids
        }
        for order in strange.values():
            yield self._order_unknown(order)
        if any(our.awaiting for our in self.ours.on(self.platform)):
            return  # it may be a trade of that order: Kalshi's list names only its own ids
        unknown = {each.trade_id: each for each in self.statement.strange}
        for _, report in sorted(unknown.items()):
            if report.platform_order_id not in strange:
                yield self._fill_unknown(report)

    def _order_unknown(self, order: ListedOrder) -> Discrepancy:
        grave = order.ours_by_pattern or order.filled > 0
        return Discrepancy(
            kind=_K.ORDER_UNKNOWN,
            platform=self.platform,
            subject=order.platform_order_id,
            theirs={
                "client_order_id": order.client_order_id,
                "contract_id": order.contract_id,
                "outcome": order.outcome.value,
                "side": order.side.value,
                "size": plain(order.size),
                "filled": plain(order.filled),
                "working": plain(order.working),
                "ours_by_pattern": order.ours_by_pattern,
            },
            recommended_action="find out who sent it; cancel it at the platform if it works",
            involvement=_I.DECIDES if grave else _I.NOTIFIED,
        )

    def _fill_unknown(self, report: FillReport) -> Discrepancy:
        """Return a trade that no order explains; for a person after the grace period.

        Until then, it may be one of an order that is being sent.
        """
        found = Discrepancy(
            kind=_K.FILL_UNKNOWN,
            platform=self.platform,
            subject=report.trade_id,
            theirs={
                "platform_order_id": report.platform_order_id,
                "client_order_id": report.client_order_id,
                "price": plain(report.price),
                "size": plain(report.size),
                "finality": report.finality.value,
            },
            recommended_action="find out which order it belongs to",
            involvement=_I.NOTIFIED,
        )
        return self._judged(found)

    # Contracts
    # ---------------------------------------------------------------------------------

    def contracts(self) -> Iterator[Finding]:
        """Yield the contracts whose size on the platform differs from the sum of our fills."""
        listed = self.statement.positions
        if not isinstance(listed, ListedContracts):
            return
        if self._older(listed.as_of, self.ours.on(self.platform)):
            yield self.again("positions")
            return
        expected = _netted(
            self.platform,
            {
                (contract, outcome): size
                for (platform, contract, outcome), size in self.ours.contracts.items()
                if platform is self.platform
            },
        )
        shown = _netted(self.platform, dict(listed.contracts))
        undecided = self._undecided()
        for contract, outcome in sorted({**expected, **shown}):
            key = (contract, outcome)
            difference = shown.get(key, Decimal(0)) - expected.get(key, Decimal(0))
            effects = [
                effect if of is outcome else -effect
                for of, effect in undecided.get(contract, ())
            ]
            low, high = _span(effects)
            if not low <= difference <= high:
                yield from self._position_mismatch(key, expected, shown)

    def _undecided(self) -> dict[str, list[tuple[Outcome, Decimal]]]:
        """Return, by contract, the outcome and size effect of undoing each provisional fill."""
        found: dict[str, list[tuple[Outcome, Decimal]]] = {}
        for fill, our in _provisional(self.ours.on(self.platform)):
            undoing = (fill.outcome, -size_effect(fill))
            found.setdefault(our.order.contract_id, []).append(undoing)
        return found

    def _position_mismatch(
        self,
        key: tuple[str, Outcome],
        expected: dict[tuple[str, Outcome], Decimal],
        shown: dict[tuple[str, Outcome], Decimal],
    ) -> Iterator[Finding]:
        contract, outcome = key
        concerned = {
            our.position_id: our.order.pair_id
            for our in self.ours.on(self.platform)
            if our.order.contract_id == contract and our.position_id
        }
        for position_id, pair_id in concerned.items() or ((None, None),):
            found = Discrepancy(
                kind=_K.POSITION_MISMATCH,
                platform=self.platform,
                subject=f"{contract} {outcome}",
                position_id=position_id,
                pair_id=pair_id,
                ours={"contracts": plain(expected.get(key, Decimal(0)))},
                theirs={"contracts": plain(shown.get(key, Decimal(0)))},
                recommended_action="find the trade, transfer or settlement that explains it",
                involvement=_I.NOTIFIED,
            )
            yield self._judged(found)
        yield self.again("positions")

    # Cash
    # --------------------------------------------------------------------------------------

    def cash(
        self, account: AccountKey, as_of: datetime | None, total: Decimal
    ) -> Iterator[Finding]:
        """Yield the cash difference that remains after all named movements are booked."""
        orders = tuple(o for o in self.ours.on(self.platform) if o.account == account)
        subject = f"balance {account}"
        if self._older(as_of, orders):
            yield self.again(subject)
            return
        expected = self.ours.cash.get(account, Decimal(0))
        effects = [-cash_effect(fill) for fill, _ in _provisional(orders)]
        low, high = _span(effects)
        if low - CENT <= total - expected <= high + CENT:
            return
        yield self._judged(
            Discrepancy(
                kind=_K.BALANCE_MISMATCH,
                platform=self.platform,
                subject=str(account),
                ours={"cash": plain(expected)},
                theirs={"cash": plain(total), "unexplained": plain(total - expected)},
                recommended_action="find the movement that explains the remainder",
                involvement=_I.NOTIFIED,
            )
        )
        yield self.again(subject)

    # Shared by all
    # ----------------------------------------------------------------------------

    def _older(self, as_of: datetime | None, orders: Iterable[OurOrder]) -> bool:
        """Return whether a list may predate our newest known change, so that it proves nothing.

        A platform that does not date its reads (Polymarket) is taken to show everything that is
        older than the grace period. While trades are not listed, their exact cost is unknown.
        """
        orders = tuple(orders)
        newest = [our.newest for our in orders]
        moved = [m.at for m in self.statement.movements]
        shown = as_of or self.theirs.asked_at - self.grace
        unlisted = any(our.order.stated for our in orders)
        return unlisted or any(shown < each for each in (*newest, *moved))

    def _judged(self, found: Discrepancy) -> Discrepancy:
        """Return the finding; after the grace period, a person decides about it."""
        since = self.ours.doubted.get(found.key, self.theirs.asked_at)
        if self.theirs.asked_at - since >= self.grace:
            return replace(found, involvement=_I.DECIDES)
        return found

    def again(self, subject: str) -> AskAgain:
        """Return the question that requests a list again."""
        return AskAgain(self.platform, subject)


def _provisional(orders: Iterable[OurOrder]) -> list[tuple[Fill, OurOrder]]:
    return [
        (fill, our)
        for our in orders
        for fill in our.fills
        if fill.finality is Finality.PROVISIONAL
    ]


def _span(effects: Iterable[Decimal]) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest sum of any of the effects, which may all be absent."""
    below = above = Decimal(0)
    for each in effects:
        below += min(each, NOTHING)
        above += max(each, NOTHING)
    return below, above


def _netted(
    platform: Platform, contracts: dict[tuple[str, Outcome], Decimal]
) -> dict[tuple[str, Outcome], Decimal]:
    """Return contracts as the platform lists them.

    Kalshi nets YES against NO at once and lists one signed number (docs.kalshi.com,
    ``GET /portfolio/positions``, 2026-10); Polymarket lists each outcome.
    """
    if platform is not Platform.KALSHI:
        return {key: Decimal(size) for key, size in contracts.items()}
    net: dict[tuple[str, Outcome], Decimal] = {}
    for (contract, outcome), size in contracts.items():
        key = (contract, Outcome.YES)
        sign = 1 if outcome is Outcome.YES else -1
        net[key] = net.get(key, Decimal(0)) + sign * size
    return net
