"""Bookkeeper: what became known of a position, as one commit; the one path that changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.pair_trades.store import Held, Holdings
from dutchbook.application.records.committer import EventBus
from dutchbook.application.records.rows import (
    fill_row,
    order_row,
    order_update,
    position_row,
    position_update,
)
from dutchbook.domain.capital.ledger import EntryKind, Movement
from dutchbook.domain.capital.reservation import Reservation, Spent
from dutchbook.domain.events import Event, PositionClosed, PositionMoved
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.fold import (
    Cause,
    Merge,
    Payout,
    booked,
    change,
    changed,
    folded,
)
from dutchbook.domain.positions.position import OpenPosition, PositionStatus, PositionTrigger
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Batch, Insert, Update, Write
from dutchbook.ports.time import Clock

Telling = Callable[[OpenPosition], Iterable[Event]]


@dataclass(frozen=True, slots=True)
class News:
    """What became known of one position.

    Attributes:
        cause: Why, for the position's machine.
        orders: Orders as they are now, those that are new included.
        fills: Fills that are new.
        finalities: Fills that were known and are final now, one way or the other.
        payments: Merges and payouts whose cash has come.
        reservation: What was set aside for the order that this answers; it is resolved here.
        writes: Further rows of the same decision.
        tells: Makes the events of the decision from what the position has become.
        kind: What the ledger calls the movement of cash.
    """

    cause: Cause
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    finalities: tuple[Fill, ...] = ()
    payments: tuple[Merge | Payout, ...] = ()
    reservation: Reservation | None = None
    writes: tuple[Write, ...] = ()
    tells: Telling = lambda _: ()
    kind: EntryKind = EntryKind.TRADE


class Bookkeeper:
    """Turns news into rows, ledger entries and events, keeps them, and follows in the image.

    Whoever calls holds the position's lock.
    """

    def __init__(
        self, bus: EventBus, risk: RiskManager, holdings: Holdings, clock: Clock
    ) -> None:
        self._bus = bus
        self._risk = risk
        self._holdings = holdings
        self._clock = clock

    async def keep(self, position_id: str, news: News) -> OpenPosition:
        """Commit what became known and return what the position has become.

        Raises:
            UnknownId: No such position.
            IllegalTransition: The facts ask for a step that the machine does not have.
        """
        held = self._holdings.of(position_id)
        before, now = held.position, self._clock.now()
        over = {order.order_id for order in news.orders} if news.reservation else set()
        after_held = replace(
            held.with_orders(news.orders).with_fills((*news.fills, *news.finalities)),
            payments=(*held.payments, *news.payments),
            reservations={k: v for k, v in held.reservations.items() if k not in over},
        )
        failed = any(fill.finality is Finality.FAILED for fill in news.finalities)
        after = before
        if news.fills or failed or news.payments:
            if held.waiting:
                return await self._kept_waiting(held, after_held, news)
            after = changed(before, after_held.facts, news.cause, now)
        return await self._commit(held, replace(after_held, position=after), news)

    async def move(
        self,
        position_id: str,
        trigger: PositionTrigger,
        context: dict[str, Any] | None = None,
        *,
        tells: Telling = lambda _: (),
        writes: tuple[Write, ...] = (),
    ) -> OpenPosition:
        """Move a position into or out of reconciliation; its facts stay as they are.

        Args:
            position_id: Which.
            trigger: `discrepancy_found`, or the resolution that agrees with its fills.
            context: What is in doubt; None once it is resolved.
            tells: Makes the events of the decision from what the position has become.
            writes: Further rows of the same decision.

        Raises:
            UnknownId: No such position.
            IllegalTransition: It is not in a state from which this leads anywhere.
        """
        held = self._holdings.of(position_id)
        after = held.position.moved(trigger, reconciliation_context=context)
        closed = after.status is PositionStatus.CLOSED
        at = (held.position.closed_at or self._clock.now()) if closed else None
        after = replace(after, closed_at=at)
        after = replace(after, marked_pnl=after.mark)
        news = News(Cause.RECONCILED, writes=writes, tells=tells)
        return await self._commit(held, replace(held, position=after), news)

    async def _commit(self, held: Held, after_held: Held, news: News) -> OpenPosition:
        """Keep what a position has become, with its capital, and follow in the image."""
        before, after = held.position, after_held.position
        moves = self._moves(before, after, news.cause)
        await self._durable(before, after_held, news, self._batch(held, after, news), moves)
        return after

    async def _durable(
        self,
        before: OpenPosition,
        after_held: Held,
        news: News,
        rows: Batch,
        moves: Iterable[Event] = (),
    ) -> None:
        """Commit rows with the capital that goes with them, then follow in the image."""
        after = after_held.position
        movements = {
            platform: self._movement(platform, before, after, news) for platform in Platform
        }
        batch = rows + self._risk.changing(
            movements, before, after, news.reservation, _spent(news)
        )
        events = (*news.tells(after), *moves, *batch.events)
        await self._bus.commit(Batch(batch.writes, events))
        self._risk.follow(movements, before, after, news.reservation)
        self._holdings.put(after_held)
        await self._risk.enforce()

    async def open_late(
        self, bare: OpenPosition, held: Held, news: News, known: Mapping[str, Order]
    ) -> None:
        """Commit a position of an execution that had ended with nothing.

        Args:
            bare: The position with nothing in it.
            held: The position with its fills, and with all orders as they are now.
            news: What came to light: the fills.
            known: All orders of the execution as their rows still are.

        Raises:
            Conflict: What was bought is not free; nothing was kept.
        """
        after, now = held.position, self._clock.now()
        rows: list[Write] = [Insert("open_positions", position_row(after))]
        rows += [
            order_update(order, held.orders[order.order_id], position_id=after.position_id)
            for order in known.values()
        ]
        rows += [
            Insert("fills", fill_row(fill, after.execution_id, now)) for fill in news.fills
        ]
        nothing = replace(bare, status=PositionStatus.CLOSED)
        await self._durable(nothing, held, news, Batch(tuple(rows)))

    async def _kept_waiting(self, held: Held, after_held: Held, news: News) -> OpenPosition:
        """Keep what became known before the execution has ended: no capital moves yet.

        What was bought is still under its reservation, so nothing of it can come back either.
        """
        assert news.reservation is None, "nothing is ordered for a position that waits"
        before = held.position
        after = replace(folded(before, after_held.facts), version=before.version + 1)
        batch = self._batch(held, after, news)
        await self._bus.commit(Batch(batch.writes, tuple(news.tells(after))))
        self._holdings.put(replace(after_held, position=after))
        return after

    def _movement(
        self, platform: Platform, before: OpenPosition, after: OpenPosition, news: News
    ) -> Movement:
        moved = change(before.holding(platform), after.holding(platform))
        account = self._risk.accounts[platform]
        spent = _spent(news)
        if news.reservation is None or platform not in news.reservation.amounts:
            return booked(account, moved, news.kind)
        # What the order cost comes out of its reservation; the rest of the change follows.
        bought = spent.get(platform, Spent())
        rest = replace(
            moved,
            cash=Money(moved.cash + bought.cost + bought.fees),
            basis=Money(moved.basis - bought.cost),
            fees=Money(moved.fees - bought.fees),
        )
        used = self._risk.used(news.reservation, platform, bought)
        return (*used, *booked(account, rest, news.kind))

    def _batch(self, held: Held, after: OpenPosition, news: News) -> Batch:
        now = self._clock.now()
        position = held.position
        writes: list[Write] = list(news.writes)
        for order in news.orders:
            known = held.orders.get(order.order_id)
            if known is None:
                writes.append(
                    Insert("orders", order_row(order) | {"position_id": position.position_id})
                )
            elif known != order:
                writes.append(order_update(known, order, position_id=position.position_id))
        writes += [
            Insert("fills", fill_row(fill, position.execution_id, now)) for fill in news.fills
        ]
        writes += [
            finality_update(held.fills[fill.platform, fill.trade_id], fill)
            for fill in news.finalities
        ]
        if after != position:
            writes.append(position_update(position, after))
        return Batch(tuple(writes))

    def _moves(
        self, before: OpenPosition, after: OpenPosition, cause: Cause
    ) -> Iterable[Event]:
        if before.status is after.status:
            return
        stamp = self._bus.stamp(after.execution_id)
        ids = (after.position_id, after.pair_id)
        yield PositionMoved(stamp, *ids, before.status.value, after.status.value, cause.value)
        if after.status is PositionStatus.CLOSED:
            yield PositionClosed(
                self._bus.stamp(after.execution_id),
                *ids,
                realised_pnl=after.realised_pnl,
                divergence_pnl=after.divergence_pnl,
                fees=Money(after.kalshi.fees + after.polymarket.fees),
                expected_edge=after.expected_edge,
            )


def _spent(news: News) -> dict[Platform, Spent]:
    """Return what the new fills of buys cost, by platform."""
    found: dict[Platform, Spent] = {}
    for fill in news.fills:
        if fill.finality is Finality.FAILED:
            continue
        known = found.get(fill.platform, Spent())
        found[fill.platform] = Spent(
            Money(known.cost + fill.cost), Money(known.fees + fill.fee)
        )
    return found


def finality_update(before: Fill, after: Fill) -> Update:
    """Return the guarded change of how final a fill is."""
    return Update(
        "fills",
        key={"platform": after.platform, "trade_id": after.trade_id},
        guard={"finality": before.finality},
        put={"finality": after.finality},
    )
