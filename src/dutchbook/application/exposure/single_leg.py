"""SingleLegResolutionService: the remedies of an unhedged leg, manual and automatic."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dutchbook.application.exposure.worker import ExposureWorker
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
from dutchbook.domain.market.book import reach
from dutchbook.domain.market.contract import Side
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, RETRY, Exposure
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.positions.work_rules import WorkRules
from dutchbook.domain.values.units import Money, Quantity, due, floor_to, plain
from dutchbook.domain.values.units import price as checked_price
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock

UNKNOWN, STATE, RETRY_FAILED, CLOSE_FAILED = 2003, 2005, 2006, 2007


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
        rules: WorkRules,
    ) -> None:
        self._trades = trades
        self._adjustments = adjustments
        self._announce = announce
        self._committer = committer
        self.worker = ExposureWorker(
            trades, announce, committer, clock, rules, self._take_alone
        )

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

    # What the engine does on its own
    # --------------------------------------------------------------------------------

    async def start(self, journal: Journal) -> None:
        """Take up the exposures of an earlier run."""
        await self.worker.start(journal)

    def exposed(self, position_id: str) -> None:
        """Work on an exposure; see `ExposureWorker`."""
        self.worker.exposed(position_id)

    async def run(self) -> None:
        """Work on every exposure, until cancelled."""
        await self.worker.run()

    async def drained(self) -> None:
        """Do what can be done at once; the rest is left to the next start."""
        await self.worker.drained()

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

    async def _take_alone(
        self,
        trade: PairTrade,
        exposure: Exposure,
        remedy: Scenario,
        notes: tuple[Event, ...],
    ) -> Done:
        """Send the order of a remedy that the engine has chosen on its own."""
        return await self._take(trade, exposure, remedy, notes=notes)

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
