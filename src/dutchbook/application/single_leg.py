"""SingleLegResolutionService: what can be done about one leg alone, and doing it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dutchbook.application.adjustments import Adjustments, Done, Plan
from dutchbook.application.announcements import Announcements
from dutchbook.application.holdings import Held, Holdings
from dutchbook.application.sending import whole
from dutchbook.domain.book import walk
from dutchbook.domain.contract import Platform, Side
from dutchbook.domain.events import Scenario
from dutchbook.domain.exposure import CLOSE, COMPLEMENT, RETRY, Exposure
from dutchbook.domain.order import Purpose
from dutchbook.domain.position import OpenPosition, PositionStatus
from dutchbook.domain.units import Money, Price, Quantity, floor_to
from dutchbook.domain.units import price as checked_price
from dutchbook.errors import InvalidInput, InvalidPositionState

ALLOWED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)
STATE, RETRY_FAILED, CLOSE_FAILED = 2005, 2006, 2007


class AutoPolicy(StrEnum):
    """What the engine does by itself about an exposure, once."""

    OFF = "off"
    UNWIND = "unwind"
    COMPLETE_THEN_UNWIND = "complete_then_unwind"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an attempt came to.

    Attributes:
        resolved: Whether the exposure is gone.
        position: As it is now.
        order_id: The order that was sent, None when none was.
        filled: Contracts that it filled.
        new_edge: What the hedged pair locks now, in dollars; None unless it is hedged.
        realised_pnl: Dollars, once it is closed.
        code: One of the 2000s where it failed, else None.
        reason: Why it failed.
        scenarios: The ways on from here, where there is still an exposure.
        recommended_actions: Those that are open, the best first.
    """

    resolved: bool
    position: OpenPosition
    order_id: str | None
    filled: Quantity
    new_edge: Money | None
    realised_pnl: Money | None
    code: int | None
    reason: str | None
    scenarios: tuple[Scenario, ...]
    recommended_actions: tuple[str, ...]


class SingleLegResolutionService:
    """The operator's ways out of an exposure, and the automatic one."""

    def __init__(
        self,
        holdings: Holdings,
        adjustments: Adjustments,
        announce: Announcements,
        *,
        policy: AutoPolicy,
        rescue_limit: Decimal,
        collar: Decimal,
    ) -> None:
        self._holdings = holdings
        self._adjustments = adjustments
        self._announce = announce
        self._policy = policy
        self._rescue_limit = rescue_limit
        self._collar = collar
        self._noticed: dict[str, None] = {}
        self._tried: dict[str, frozenset[Platform]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def scenarios(self, position_id: str) -> tuple[Scenario, ...]:
        """Return the ways on from an exposure: retry, close, complement, hold.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure.
        """
        return self._exposure(position_id)[1].scenarios()

    async def retry_leg(self, position_id: str, retry_price: Decimal | str) -> Resolution:
        """Buy the missing quantity at `retry_price` or better; not filled, nothing changes.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, or an order of it is out.
            InvalidInput: The price is not on the contract's grid.
        """
        return await whole(self._retry_leg(position_id, retry_price))

    async def _retry_leg(self, position_id: str, retry_price: Decimal | str) -> Resolution:
        async with self._holdings.lock(position_id):
            held, exposure = self._exposure(position_id)
            contract = exposure.missing.contract
            outcome = exposure.missing.leg.outcome
            limit = checked_price(retry_price, field="retry_price")
            if not contract.on_grid(limit, outcome):
                grid = f"on the contract's price grid ({contract.grid})"
                raise InvalidInput("retry_price", str(retry_price), grid)
            lot = contract.lot
            size = Quantity(floor_to(exposure.quantity, lot))
            if size < contract.smallest(limit):
                reason = "less than the platform's smallest order"
                return self._told(Done(held.position, None, reason), RETRY_FAILED)
            taken = walk(exposure.missing.book.offers(outcome), size)
            if contract.sizing.cent_exact and taken is not None:
                limit = min(limit, taken.worst)  # dollars are spent: a loose limit overfills
            plan = Plan(contract.platform, outcome, Side.BUY, size, limit, Purpose.HEDGE)
            return self._told(await self._adjustments.carry(position_id, plan), RETRY_FAILED)

    async def close_leg(self, position_id: str) -> Resolution:
        """Close the exposed quantity at once, the cheaper way.

        Sold down to the collar below the best bid, or its complement bought up to the collar
        above the best ask, where that is cheaper or the shares are not settled yet.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, or an order of it is out.
        """
        return await whole(self._close(position_id, (CLOSE, COMPLEMENT)))

    async def complement(self, position_id: str) -> Resolution:
        """Buy the opposite outcome on the platform of the held leg: each pair is a dollar.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, or an order of it is out.
        """
        return await whole(self._close(position_id, (COMPLEMENT,)))

    async def _close(self, position_id: str, names: tuple[str, ...]) -> Resolution:
        async with self._holdings.lock(position_id):
            held, exposure = self._exposure(position_id)
            ways = [w for w in exposure.scenarios() if w.name in names]
            return await self._take(held, exposure, _best(ways), CLOSE_FAILED)

    # The automatic policy
    # ------------------------------------------------------------------------

    def exposed(self, position_id: str) -> None:
        """Notice an exposure: the policy acts on it once."""
        if self._policy is not AutoPolicy.OFF:
            self._noticed[position_id] = None
            self._idle.clear()
            self._wake.set()

    async def run(self) -> None:
        """Act on what is noticed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._noticed:
                position_id = next(iter(self._noticed))
                del self._noticed[position_id]
                await self.act(position_id)
            self._idle.set()

    async def drained(self) -> None:
        """Wait until everything noticed was acted on."""
        await self._idle.wait()

    async def act(self, position_id: str) -> None:
        """Do what the policy says about an exposure, within the rescue budget, once.

        An order that filled more than was missing turns the exposure round: that is another
        one. Nothing is done while the outcome of an order is unknown; whoever learns of it
        notices the exposure again.
        """
        async with self._holdings.lock(position_id):
            tried: set[Platform] = set()
            while (held := self._found(position_id)) is not None:
                longer = held.position.longer
                if longer in tried or longer in self._tried.get(position_id, ()):
                    return
                tried.add(longer)
                self._tried[position_id] = frozenset(tried)
                if self._policy is AutoPolicy.COMPLETE_THEN_UNWIND:
                    await self._complete(held)
                    held = self._found(position_id)
                if held is not None and held.position.longer is longer:
                    exposure = self._announce.exposed(held.position, held)
                    ways = [w for w in exposure.scenarios() if w.name in (CLOSE, COMPLEMENT)]
                    await self._take(held, exposure, _best(ways), CLOSE_FAILED)

    async def _complete(self, held: Held) -> None:
        """Buy the missing leg if that loses no more than the rescue budget."""
        exposure = self._announce.exposed(held.position, held)
        way = next(each for each in exposure.scenarios() if each.name == RETRY)
        budget = -self._rescue_limit * exposure.quantity
        if way.blocked is None and way.pnl is not None and way.pnl >= budget:
            await self._take(held, exposure, way, RETRY_FAILED)

    def _found(self, position_id: str) -> Held | None:
        """Return an exposed position that may be acted on now."""
        held = next(
            (h for h in self._holdings.all() if h.position.position_id == position_id), None
        )
        if held is None or held.order_out() or held.position.status not in ALLOWED:
            return None
        return held

    # Small pieces
    # --------------------------------------------------------------------------------

    def _exposure(self, position_id: str) -> tuple[Held, Exposure]:
        held = self._holdings.of(position_id)
        position = held.position
        if position.status not in ALLOWED:
            wanted = " or ".join(ALLOWED)
            raise InvalidPositionState(position_id, position.status, f"it must be {wanted}")
        if (out := held.order_out()) is not None:
            raise InvalidPositionState(position_id, position.status, out)
        return held, self._announce.exposed(position, held)

    async def _take(
        self, held: Held, exposure: Exposure, way: Scenario, code: int
    ) -> Resolution:
        """Send the order of one way, at most a collar beyond the best price."""
        if way.blocked is not None or way.size is None or way.platform is None:
            return self._told(Done(held.position, None, way.blocked), code)
        place = exposure.held if way.name in (CLOSE, COMPLEMENT) else exposure.missing
        outcome = place.leg.outcome.opposite if way.name == COMPLEMENT else place.leg.outcome
        side = Side.SELL if way.name == CLOSE else Side.BUY
        limit = self._bounded(exposure, way, side)
        if limit is None:
            return self._told(Done(held.position, None, "the price is beyond the collar"), code)
        purpose = Purpose.HEDGE if way.name == RETRY else Purpose.UNWIND
        plan = Plan(way.platform, outcome, side, way.size, limit, purpose)
        return self._told(await self._adjustments.carry(held.position.position_id, plan), code)

    def _bounded(self, exposure: Exposure, way: Scenario, side: Side) -> Price | None:
        place = exposure.held if way.name in (CLOSE, COMPLEMENT) else exposure.missing
        outcome = place.leg.outcome.opposite if way.name == COMPLEMENT else place.leg.outcome
        best = place.book.best(outcome, side)
        assert best is not None, "an open way meets a book"
        assert way.price is not None, "an open way has a price"
        return way.price if abs(way.price - best) <= self._collar else None

    def _told(self, done: Done, code: int) -> Resolution:
        position = done.position
        still = position.status in ALLOWED
        ways: tuple[Scenario, ...] = ()
        actions: tuple[str, ...] = ()
        if still and not done.unknown:
            held = self._holdings.of(position.position_id)
            exposure = self._announce.exposed(position, held)
            ways = exposure.scenarios()
            actions = exposure.recommended(ways)
        closed = position.status is PositionStatus.CLOSED
        is_open = position.status is PositionStatus.OPEN
        return Resolution(
            resolved=not still,
            position=position,
            order_id=done.order.order_id if done.order else None,
            filled=done.filled,
            new_edge=position.locked_profit if is_open else None,
            realised_pnl=position.realised_pnl if closed else None,
            code=code if still else None,
            reason=done.reason,
            scenarios=ways,
            recommended_actions=actions,
        )


def _best(ways: list[Scenario]) -> Scenario:
    """Return the way with the best result; one that is barred comes last."""
    return max(ways, key=lambda way: (way.blocked is None, way.pnl or Decimal(0)))
