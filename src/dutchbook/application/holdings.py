"""What we hold now, and what settlement does to it: positions, their orders and their fills."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from dutchbook.application.announcements import Announcements
from dutchbook.application.bus import EventBus
from dutchbook.application.records import order_update, position_update
from dutchbook.application.risk import RiskManager
from dutchbook.domain.contract import ContractMatch, Outcome, Platform
from dutchbook.domain.events import Event, FailedLeg, FillFailed, FillSettled
from dutchbook.domain.order import Fill, Finality, Order
from dutchbook.domain.position import Holding, OpenPosition, PositionStatus, PositionTrigger
from dutchbook.domain.units import Money, Quantity
from dutchbook.ports import Batch, FillReport, PlatformGateway, Update, Write

DUST = Decimal("0.01")
SINGLE_LEG = 2004


class Holdings:
    """Every position that is not closed, with its orders and fills, in memory and in step."""

    def __init__(
        self,
        bus: EventBus,
        risk: RiskManager,
        announce: Announcements,
        matches: Mapping[str, ContractMatch],
    ) -> None:
        self._bus = bus
        self._risk = risk
        self._announce = announce
        self._matches = matches
        self.positions: dict[str, OpenPosition] = {}
        self._orders: dict[str, Order] = {}
        self._fills: dict[tuple[Platform, str], tuple[Fill, str]] = {}
        self._early: dict[tuple[Platform, str], FillReport] = {}
        self._lock = asyncio.Lock()

    def opened(
        self, position: OpenPosition, orders: Iterable[Order], fills: Iterable[Fill]
    ) -> None:
        """Take up a position that an execution has just made durable."""
        self.positions[position.position_id] = position
        self._orders |= {order.order_id: order for order in orders}
        for fill in fills:
            if fill.finality is Finality.PROVISIONAL:
                self._fills[fill.platform, fill.trade_id] = (fill, position.position_id)

    def opposes(self, match: ContractMatch, kalshi_outcome: Outcome) -> bool:
        """Tell whether we hold, of either contract, the outcome that a new entry would not buy.

        Kalshi would net the two into cash and so undo the other position's leg: buying against
        a position is a way out of it, not an entry.
        """
        wanted = {
            (Platform.KALSHI, match.kalshi.contract_id): kalshi_outcome,
            (Platform.POLYMARKET, match.polymarket.contract_id): match.hedge(kalshi_outcome),
        }
        for position in self.positions.values():
            held = self._matches.get(position.pair_id)
            if held is None:
                continue
            for platform in Platform:
                leg = position.holding(platform)
                key = (platform, held.contract(platform).contract_id)
                if leg.size and wanted.get(key, leg.outcome) is not leg.outcome:
                    return True
        return False

    def held(self, platform: Platform, contract_id: str, outcome: Outcome) -> Quantity:
        """Return how many contracts of an outcome our positions hold on a platform."""
        legs = (
            position.holding(platform)
            for position in self.positions.values()
            if (match := self._matches.get(position.pair_id)) is not None
            and match.contract(platform).contract_id == contract_id
        )
        sizes = (leg.size for leg in legs if leg.outcome is outcome)
        return Quantity(sum(sizes, start=Decimal(0)))

    async def follow(self, gateway: PlatformGateway) -> None:
        """Take settlement reports from a platform, until cancelled."""
        async for report in gateway.reports():
            self._early[report.platform, report.trade_id] = report
            await self.settle_known()

    async def settle_known(self) -> None:
        """Apply the reports whose fills are durable by now.

        The rest wait for their execution.
        """
        async with self._lock:
            for key in [key for key in self._early if key in self._fills]:
                report = self._early.pop(key)
                fill, position_id = self._fills.pop(key)
                if report.finality is Finality.SETTLED:
                    await self._settled(fill)
                else:
                    await self._failed(fill, self.positions[position_id])

    @property
    def unsettled(self) -> int:
        """Fills that their platform can still take back."""
        return len(self._fills)

    async def _settled(self, fill: Fill) -> None:
        stamp = self._bus.stamp(self._orders[fill.order_id].execution_id)
        event = FillSettled(stamp, fill.trade_id, fill.order_id, fill.platform)
        await self._bus.commit(Batch((_finality(fill, Finality.SETTLED),), (event,)))

    async def _failed(self, fill: Fill, position: OpenPosition) -> None:
        """A fill never happened: its money is back, and the other leg may stand alone."""
        order = self._orders[fill.order_id]
        after_order = order.without_fill(fill)
        leg = position.holding(fill.platform)
        smaller = replace(
            leg,
            size=Quantity(leg.size - fill.size),
            cost=Money(leg.cost - fill.cost),
            fees=Money(leg.fees - fill.fee),
        )
        after = _reduced(position, fill.platform, smaller)
        staged, movement = self._risk.reverted(
            fill.platform, fill.cost, fill.fee, reference=fill.trade_id
        )
        writes: tuple[Write, ...] = (
            _finality(fill, Finality.FAILED),
            order_update(order, after_order),
            position_update(position, after),
            *staged.writes,
        )
        stamp = self._bus.stamp(order.execution_id)
        failed: Event = FillFailed(
            stamp, fill.trade_id, fill.order_id, fill.platform, fill.size, fill.price
        )
        events = (failed, *staged.events, *self._exposures(after, fill))
        await self._bus.commit(Batch(writes, events))
        self._orders[order.order_id] = after_order
        self.positions[position.position_id] = after
        self._risk.settle_image(movement, Money(-fill.cost))
        if after.status is PositionStatus.CLOSED:
            del self.positions[position.position_id]

    def _exposures(self, after: OpenPosition, failed: Fill) -> tuple[Event, ...]:
        """Tell of the exposure that a failed fill has opened or deepened."""
        if not after.uneven(DUST):
            return ()
        long = Platform.KALSHI if after.imbalance > 0 else Platform.POLYMARKET
        order_id = after.holding(long).order_id
        assert order_id is not None, "the longer leg was bought with an order"
        lost = FailedLeg(
            platform=failed.platform,
            reason="the fill failed to settle",
            code=SINGLE_LEG,
            attempted_price=failed.price,
            attempted_size=failed.size,
        )
        return (self._announce.exposure(after, self._orders[order_id], lost),)


def _finality(fill: Fill, finality: Finality) -> Update:
    return Update(
        "fills",
        key={"platform": fill.platform, "trade_id": fill.trade_id},
        guard={"finality": Finality.PROVISIONAL},
        put={"finality": finality},
    )


def _reduced(position: OpenPosition, platform: Platform, leg: Holding) -> OpenPosition:
    """Return the position after one leg of it shrank because a fill failed."""
    facts = {platform.value: leg}
    after = replace(position, version=position.version + 1, **facts)  # type: ignore[arg-type]
    if not after.kalshi.size and not after.polymarket.size:
        return position.moved(PositionTrigger.EMPTIED, **facts)
    status = position.status
    if status in (PositionStatus.OPEN, PositionStatus.EXIT_PARTIAL) and after.uneven(DUST):
        return position.moved(PositionTrigger.LEG_FAILED, **facts)
    exposed = status is PositionStatus.SINGLE_LEG_EXPOSED
    if exposed and not after.uneven(DUST) and after.hedged:
        return position.moved(PositionTrigger.EVENED, **facts)
    return after
