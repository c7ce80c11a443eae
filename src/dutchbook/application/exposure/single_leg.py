"""SingleLegResolutionService: the remedies of an unhedged leg, manual and automatic."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.exposure.auto_policy import AutoPolicy, PolicySteps
from dutchbook.application.pair_trades.adjustments import (
    Adjustments,
    CommandContext,
    Done,
    Plan,
)
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import run_to_end
from dutchbook.domain.events import Event, Scenario
from dutchbook.domain.execution.order import Purpose
from dutchbook.domain.market.book import Trust, reach
from dutchbook.domain.market.contract import Side
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, RETRY, Exposure
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.values.units import Money, Quantity, due, floor_to, owed, plain
from dutchbook.domain.values.units import price as checked_price
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

UNKNOWN, STATE, RETRY_FAILED, CLOSE_FAILED = 2003, 2005, 2006, 2007
LOOK_SECONDS = 1
ONE_BOOK_SECONDS = 60
"""An engine that has run for so long acts even if one platform shows no live book."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Result of an attempt.

    Attributes:
        resolved: Whether the exposure is gone.
        position: The current position.
        order_id: The order that was sent; None if none was.
        filled: Contracts that it filled.
        new_edge: Dollars that the hedged pair locks now; None unless it is hedged.
        realised_pnl: Dollars, once the position is closed.
        code: One of the 2000s while the exposure remains, else None; 2003 while the outcome of
            the order is unknown.
        reason: Why the exposure remains.
        scenarios: The remedies now, while the exposure remains.
        recommended_actions: The remedies that are possible, the best first.
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
    """The operator's remedies of an exposure, and the automatic policy."""

    def __init__(
        self,
        trades: PairTrades,
        adjustments: Adjustments,
        announce: Announcements,
        committer: Committer,
        clock: Clock,
        *,
        policy: AutoPolicy,
        rescue_limit: Decimal,
    ) -> None:
        self._trades = trades
        self._adjustments = adjustments
        self._announce = announce
        self._committer = committer
        self._clock = clock
        self._policy = policy
        self._steps = PolicySteps(committer, policy)
        self._rescue_limit = rescue_limit
        self._noticed: dict[str, None] = {}
        self._over = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def scenarios(self, position_id: str) -> tuple[Scenario, ...]:
        """Return the remedies of an exposure: retry, close, complement, hold.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure.
        """
        return self._exposure(position_id)[1].scenarios()

    async def retry_leg(
        self, position_id: str, retry_price: Decimal | str, asked: CommandContext | None = None
    ) -> Resolution:
        """Buy the missing quantity at `retry_price` or better; without a fill, nothing changes.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it has changed
                since the request.
            InvalidInput: The price is not on the contract's grid.
        """
        return await run_to_end(self._retry_leg(position_id, retry_price, asked))

    async def _retry_leg(
        self, position_id: str, retry_price: Decimal | str, asked: CommandContext | None
    ) -> Resolution:
        async with self._trades.lock(position_id):
            trade, exposure = self._exposure(position_id, asked)
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
                return self._result(Done(trade.position, None, reason), RETRY_FAILED)
            if contract.sizing.cent_exact:  # in dollars, a loose limit overfills
                limit = reach(exposure.missing.book.offers(outcome), size, limit)
            plan = Plan(
                contract.platform, outcome, Side.BUY, size, limit, Purpose.HEDGE, asked=asked
            )
            return self._result(await self._adjustments.carry(position_id, plan), RETRY_FAILED)

    async def close_leg(
        self, position_id: str, asked: CommandContext | None = None
    ) -> Resolution:
        """Close the exposed quantity at once, by the cheaper remedy.

        It is sold down to the collar below the best bid, or its complement is bought up to the
        collar above the best ask, if that is cheaper or the shares are not settled yet. If the
        book has less within the collar, only that much is closed.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it has changed
                since the request.
        """
        return await run_to_end(self._close(position_id, (CLOSE, COMPLEMENT), asked))

    async def complement(
        self, position_id: str, asked: CommandContext | None = None
    ) -> Resolution:
        """Buy the opposite outcome on the platform of the held leg: each pair is a dollar.

        It buys as much as the book offers up to the collar above its best price.

        Raises:
            UnknownId: No such position.
            InvalidPositionState: It has no exposure, an order of it is out, or it has changed
                since the request.
        """
        return await run_to_end(self._close(position_id, (COMPLEMENT,), asked))

    async def _close(
        self, position_id: str, names: tuple[str, ...], asked: CommandContext | None
    ) -> Resolution:
        async with self._trades.lock(position_id):
            trade, exposure = self._exposure(position_id, asked)
            remedy = _best([w for w in exposure.scenarios() if w.name in names])
            least = _minimum(asked, exposure, remedy)
            if least is not None and remedy.pnl is not None and remedy.pnl < least:
                reason = f"it would bring {plain(remedy.pnl)} now, and at least {plain(least)}"
                done = Done(trade.position, None, f"{reason} was required")
                changed = self._announce.changed(trade)
                await self._committer.commit(Batch(events=(changed,)))
                return self._result(done, CLOSE_FAILED)
            taken = await self._take(trade, exposure, remedy, asked)
            return self._result(taken, CLOSE_FAILED)

    # The automatic policy
    # ------------------------------------------------------------------------

    async def start(self, journal: Journal) -> None:
        """Queue exposures of an earlier run for which the policy has steps left."""
        await self._steps.start(journal)
        for trade in self._trades.all():
            exposed = trade.position.status is PositionStatus.SINGLE_LEG_EXPOSED
            if exposed and self._steps.next(trade.position) is not None:
                self.exposed(trade.position_id)

    def exposed(self, position_id: str) -> None:
        """Queue an exposure: the policy acts on it once."""
        if self._policy is not AutoPolicy.OFF:
            self._noticed[position_id] = None
            self._idle.clear()
            self._wake.set()

    async def run(self) -> None:
        """Act on queued exposures as soon as they can be traded, until cancelled."""
        began = self._clock.monotonic()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._noticed:
                ready = [each for each in self._noticed if self._ready(each, began)]
                for position_id in ready:
                    del self._noticed[position_id]
                    await self.act(position_id)
                if not ready and self._over:
                    self._noticed.clear()
                elif not ready:
                    await self._wait_for_books()
            self._idle.set()

    def _ready(self, position_id: str, began: float) -> bool:
        """Return whether there are books to act on; they are empty when the loop `began`."""
        trade = self._found(position_id)
        if trade is None:
            return True  # nothing is left to do, or an order is out
        if trade.pair_id not in self._trades.pairs:
            return False
        exposure = self._announce.exposed(trade)
        begun = all(
            p.book.trust is not Trust.SYNCING for p in (exposure.held, exposure.missing)
        )
        late = self._clock.monotonic() - began >= ONE_BOOK_SECONDS
        return (begun or late) and not all(exposure.untrusted_because.values())

    async def _wait_for_books(self) -> None:
        """Wait for books, or for another exposure."""
        woken = asyncio.ensure_future(self._wake.wait())
        timer = asyncio.ensure_future(self._clock.sleep(LOOK_SECONDS))
        try:
            await asyncio.wait({woken, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()
        self._wake.clear()

    async def drained(self) -> None:
        """Wait until the queue is empty; exposures without a book are dropped."""
        self._over = True
        self._wake.set()
        await self._idle.wait()

    async def act(self, position_id: str) -> None:
        """Apply the policy to an exposure, within the rescue budget, each step once.

        A step is sized to the depth of its book; the next one handles the rest.

        An order that filled more than was missing reverses the exposure: that is a new one, and
        so is one that opens after this one is gone. Nothing is done while the outcome of an
        order is unknown; the service that resolves it queues the exposure again.
        """
        async with self._trades.lock(position_id):
            while (trade := self._found(position_id)) is not None:
                step = self._steps.next(trade.position)
                if step is None:
                    return
                await self._try(trade, step)

    def on_event(self, event: Event, sequence: int) -> None:
        """Track which steps were tried on each exposure."""
        self._steps.on_event(event, sequence)

    async def _try(self, trade: PairTrade, step: str) -> None:
        """Try one step; if nothing is sent, report why."""
        exposure = self._announce.exposed(trade)
        buys = step == RETRY
        names = (RETRY,) if buys else (CLOSE, COMPLEMENT)
        remedy = _best([each for each in exposure.scenarios() if each.name in names])
        reason = self._over_budget(exposure, remedy) if buys else None
        if reason is None:
            notes = (self._steps.tried(trade.position, step, None),)
            done = await self._take(trade, exposure, remedy, notes=notes)
            if done.order is not None:
                return
            reason = done.reason or "nothing could be sent"
        tried = self._steps.tried(trade.position, step, reason)
        await self._committer.commit(Batch(events=(tried,)))

    def _over_budget(self, exposure: Exposure, remedy: Scenario) -> str | None:
        """Return why completing would lose more than the rescue budget, None if it does not."""
        budget = self._rescue_limit * (remedy.size or exposure.quantity)
        if remedy.pnl is None or remedy.pnl >= -budget:
            return None
        loses, most = plain(-remedy.pnl), plain(owed(budget))
        return f"it would lose {loses} dollars, and at most {most} may be lost by completing"

    def _found(self, position_id: str) -> PairTrade | None:
        """Return an exposed position that may be acted on now."""
        trade = self._trades.known(position_id)
        if trade is None or trade.order_out() or trade.position.status not in UNHEDGED:
            return None
        return trade

    # Helpers
    # --------------------------------------------------------------------------------

    def _exposure(
        self, position_id: str, asked: CommandContext | None = None
    ) -> tuple[PairTrade, Exposure]:
        trade = self._trades.of(position_id)
        position = trade.position
        if position.status not in UNHEDGED:
            wanted = " or ".join(UNHEDGED)
            raise InvalidPositionState(position_id, position.status, f"it must be {wanted}")
        if (out := trade.order_out()) is not None:
            raise InvalidPositionState(position_id, position.status, out)
        if asked and asked.version not in (None, position.version):
            now = (
                f"it has changed: {plain(abs(position.imbalance))} are unhedged now, look again"
            )
            raise InvalidPositionState(position_id, position.status, now)
        return trade, self._announce.exposed(trade)

    async def _take(
        self,
        trade: PairTrade,
        exposure: Exposure,
        remedy: Scenario,
        asked: CommandContext | None = None,
        notes: tuple[Event, ...] = (),
    ) -> Done:
        """Send the order of one remedy."""
        if remedy.blocked is not None or remedy.size is None or remedy.platform is None:
            return Done(trade.position, None, remedy.blocked)
        _, outcome, side = exposure.trade(remedy.name)
        assert remedy.price is not None, "a possible remedy has a price"
        purpose = Purpose.HEDGE if remedy.name == RETRY else Purpose.UNWIND
        plan = Plan(
            remedy.platform, outcome, side, remedy.size, remedy.price, purpose, asked=asked
        )
        return await self._adjustments.carry(trade.position_id, plan, notes)

    def _result(self, done: Done, code: int) -> Resolution:
        position = done.position
        still = position.status in UNHEDGED
        remedies: tuple[Scenario, ...] = ()
        actions: tuple[str, ...] = ()
        if still and not done.unknown:
            exposure = self._announce.exposed(self._trades.of(position.position_id))
            remedies = exposure.scenarios()
            actions = exposure.recommended(remedies)
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
            scenarios=remedies,
            recommended_actions=actions,
        )


def _reason(done: Done) -> str | None:
    if done.reason is not None or done.order is None:
        return done.reason
    filled, size, position = done.filled, done.order.size, done.position
    text = f"filled {plain(filled)} of {plain(size)}"
    if filled >= size:
        text += f": {plain(abs(position.imbalance))} are unhedged on {position.longer} now"
    return text


def _minimum(
    asked: CommandContext | None, exposure: Exposure, remedy: Scenario
) -> Money | None:
    """Return the least that a remedy must bring: the minimum for the whole exposure, or a part.

    A part of the contracts must bring a proportional part of the dollars.
    """
    if asked is None or asked.at_least is None or remedy.size is None:
        return None
    return due(asked.at_least * remedy.size / exposure.quantity)


def _best(remedies: list[Scenario]) -> Scenario:
    """Return the remedy with the best result; a blocked one comes last."""
    return max(remedies, key=lambda remedy: (remedy.blocked is None, remedy.each or Decimal(0)))
