"""Late fills: an execution that had ended with nothing turns out to have bought something."""

from __future__ import annotations

from dataclasses import replace

from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.booking import Bookkeeper, News
from dutchbook.application.pair_trades.store import Held
from dutchbook.application.recovery.recovery import Recovery
from dutchbook.application.recovery.unfinished import Case
from dutchbook.domain.events import Event
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.positions.fold import Cause, opened
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.ports.time import Clock, Ids


class LateFills:
    """Makes a position of such an execution: one leg alone, as its platform has proven."""

    def __init__(
        self,
        recovery: Recovery,
        books: Bookkeeper,
        announce: Announcements,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._recovery = recovery
        self._books = books
        self._announce = announce
        self._clock = clock
        self._ids = ids

    async def bought(
        self, execution_id: str, after: Order, fills: tuple[Fill, ...]
    ) -> OpenPosition | None:
        """Open the position, and tell of it as of every exposure.

        What it cost comes out of what is free: its reservation was released long ago.

        Args:
            execution_id: Which execution.
            after: The order as it is now, with the fills that came to light.
            fills: Those fills.

        Returns:
            The position; None where it has one by now, where it has not ended, or where no
            fill counts.

        Raises:
            Conflict: What they cost is not free; nothing was kept.
        """
        async with self._recovery.lock(execution_id):
            case = await self._recovery.case(execution_id)
            if not case.ended or case.position is not None or not after.filled:
                return None
            return await self._opened(case, after, fills)

    async def _opened(self, case: Case, after: Order, fills: tuple[Fill, ...]) -> OpenPosition:
        position_id = self._ids.new("position", case.execution_id)
        bare = case.bare(position_id, self._clock.now())
        known = case.orders
        linked = {o.order_id: replace(o, version=o.version + 1) for o in known.values()}
        case = replace(
            case,
            orders={**linked, after.order_id: after},
            fills={**case.fills, **{fill.trade_id: fill for fill in fills}},
        )
        position = opened(bare, case.fills.values(), case.match.divergence_probability)
        held = Held(position).with_orders(case.orders.values()).with_fills(fills)
        counted = (fill for fill in fills if fill.finality is not Finality.FAILED)

        def told(_: OpenPosition) -> tuple[Event, ...]:
            filled = (self._announce.filled(after, fill, position_id) for fill in counted)
            exposed = self._recovery.told_of(case, position, held, hedged=False)
            return (*filled, *exposed)

        news = News(Cause.RECONCILED, (after,), fills, tells=told)
        await self._books.open_late(bare, held, news, known)
        self._recovery.on_bought(held)
        return position
