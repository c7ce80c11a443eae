"""SingleLegResolutionService: what can be done about one leg alone, and doing it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from dutchbook.application.adjustments import Adjustments, Asked, Done, Plan
from dutchbook.application.announcements import Announcements
from dutchbook.application.holdings import Held, Holdings
from dutchbook.application.shielding import whole
from dutchbook.domain.book import reach
from dutchbook.domain.contract import Platform, Side
from dutchbook.domain.events import Event, PositionMoved, Scenario
from dutchbook.domain.exposure import CLOSE, COMPLEMENT, RETRY, Exposure
from dutchbook.domain.order import Purpose
from dutchbook.domain.position import OpenPosition, PositionStatus
from dutchbook.domain.units import Money, Price, Quantity, floor_to, plain
from dutchbook.domain.units import price as checked_price
from dutchbook.errors import InvalidInput, InvalidPositionState

ALLOWED = (PositionStatus.SINGLE_LEG_EXPOSED, PositionStatus.EXIT_PARTIAL)
UNKNOWN, STATE, RETRY_FAILED, CLOSE_FAILED = 2003, 2005, 2006, 2007


class AutoPolicy(StrEnum):
    """What the engine does by itself about an exposure, once."""

    OFF = "off"
    UNWIND = "unwind"
    COMPLETE_THEN_UNWIND = "complete_then_unwind"


STEPS = {
    AutoPolicy.OFF: (),
    AutoPolicy.UNWIND: (CLOSE,),
    AutoPolicy.COMPLETE_THEN_UNWIND: (RETRY, CLOSE),
}
"""What each policy tries about one exposure, in order and once."""


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
        code: One of the 2000s where the exposure is still there, else None; 2003 while nobody
            knows what became of the order.
        reason: Why it is still there.
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
        self._tried: dict[str, dict[Platform, tuple[str, ...]]] = {}
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

    async def retry_leg(
        self, position_id: str, retry_price: Decimal | str, asked: Asked | None = None
    ) -> Resolution:
        """Buy the missing quantity at `retry_price` or better; not filled, nothing changes.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it is no longer
                what was asked about.
            InvalidInput: The price is not on the contract's grid.
        """
        return await whole(self._retry_leg(position_id, retry_price, asked))

    async def _retry_leg(
        self, position_id: str, retry_price: Decimal | str, asked: Asked | None
    ) -> Resolution:
        async with self._holdings.lock(position_id):
            held, exposure = self._exposure(position_id, asked)
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
            if contract.sizing.cent_exact:  # dollars are spent: a loose limit overfills
                limit = reach(exposure.missing.book.offers(outcome), size, limit)
            plan = Plan(
                contract.platform, outcome, Side.BUY, size, limit, Purpose.HEDGE, asked=asked
            )
            return self._told(await self._adjustments.carry(position_id, plan), RETRY_FAILED)

    async def close_leg(self, position_id: str, asked: Asked | None = None) -> Resolution:
        """Close the exposed quantity at once, the cheaper way.

        Sold down to the collar below the best bid, or its complement bought up to the collar
        above the best ask, where that is cheaper or the shares are not settled yet.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it is no longer
                what was asked about.
        """
        return await whole(self._close(position_id, (CLOSE, COMPLEMENT), asked))

    async def complement(self, position_id: str, asked: Asked | None = None) -> Resolution:
        """Buy the opposite outcome on the platform of the held leg: each pair is a dollar.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it is no longer
                what was asked about.
        """
        return await whole(self._close(position_id, (COMPLEMENT,), asked))

    async def _close(
        self, position_id: str, names: tuple[str, ...], asked: Asked | None
    ) -> Resolution:
        async with self._holdings.lock(position_id):
            held, exposure = self._exposure(position_id, asked)
            ways = [w for w in exposure.scenarios() if w.name in names]
            return await self._take(held, exposure, _best(ways), CLOSE_FAILED, asked)

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
        """Do what the policy says about an exposure, within the rescue budget, each step once.

        An order that filled more than was missing turns the exposure round: that is another
        one, and so is one that opens after this one is gone. Nothing is done while the outcome
        of an order is unknown; whoever learns of it notices the exposure again.
        """
        async with self._holdings.lock(position_id):
            while (held := self._found(position_id)) is not None:
                step = self._next(held.position)
                if step is None:
                    return
                if step == RETRY:
                    await self._complete(held)
                else:
                    exposure = self._announce.exposed(held.position, held)
                    ways = [w for w in exposure.scenarios() if w.name in (CLOSE, COMPLEMENT)]
                    await self._take(held, exposure, _best(ways), CLOSE_FAILED)

    def _next(self, position: OpenPosition) -> str | None:
        """Return the first step of the policy not taken for an exposure, and count it taken."""
        tried = self._tried.setdefault(position.position_id, {})
        taken = tried.get(position.longer, ())
        step = next((each for each in STEPS[self._policy] if each not in taken), None)
        if step is not None:
            tried[position.longer] = (*taken, step)
        return step

    def hear(self, event: Event, sequence: int) -> None:
        """Forget what was tried for an exposure that is gone: the next one is another."""
        if isinstance(event, PositionMoved) and sequence and event.after not in ALLOWED:
            self._tried.pop(event.position_id, None)

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

    def _exposure(self, position_id: str, asked: Asked | None = None) -> tuple[Held, Exposure]:
        held = self._holdings.of(position_id)
        position = held.position
        if position.status not in ALLOWED:
            wanted = " or ".join(ALLOWED)
            raise InvalidPositionState(position_id, position.status, f"it must be {wanted}")
        if (out := held.order_out()) is not None:
            raise InvalidPositionState(position_id, position.status, out)
        if asked and asked.version not in (None, position.version):
            now = f"it has changed: {plain(abs(position.imbalance))} are alone now, look again"
            raise InvalidPositionState(position_id, position.status, now)
        return held, self._announce.exposed(position, held)

    async def _take(
        self,
        held: Held,
        exposure: Exposure,
        way: Scenario,
        code: int,
        asked: Asked | None = None,
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
        plan = Plan(way.platform, outcome, side, way.size, limit, purpose, asked=asked)
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
            code=(UNKNOWN if done.unknown else code) if still else None,
            reason=_reason(done) if still else None,
            scenarios=ways,
            recommended_actions=actions,
        )


def _reason(done: Done) -> str | None:
    if done.reason is not None or done.order is None:
        return done.reason
    return f"filled {plain(done.filled)} of {plain(done.order.size)}"


def _best(ways: list[Scenario]) -> Scenario:
    """Return the way with the best result; one that is barred comes last."""
    return max(ways, key=lambda way: (way.blocked is None, way.pnl or Decimal(0)))
