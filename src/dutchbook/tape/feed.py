"""TapeFeed: market data from a tape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key
from dutchbook.errors import TapeError
from dutchbook.ports.market_data import MarketListener
from dutchbook.ports.time import Clock
from dutchbook.tape.message import Tape, TapeMessage


class Steps(Protocol):
    """Follows the steps of a tape; see `TapeMessage.step`."""

    def began(self, step: int) -> None:
        """The messages of a step follow."""
        ...

    def ended(self, step: int) -> None:
        """All messages of a step were pushed."""
        ...


class TapeFeed:
    """`MarketData` that pushes each message of a tape at its time.

    At the beginning of each session there is a gap on every platform, since nothing shows how
    the books changed before it; others where the tape says that messages are missing.
    """

    def __init__(self, tape: Tape, clock: Clock, steps: Steps) -> None:
        self._tape = tape
        self._clock = clock
        self._steps = steps
        self._subscribed: set[Key] = set()
        self._in_session = False

    def subscribe(self, keys: Iterable[Key]) -> None:
        """Push the books of these contracts too."""
        self._subscribed.update(keys)

    async def run(self, listener: MarketListener) -> None:
        """Push the tape to its end; see `MarketData`."""
        try:
            await self._play(listener)
        except (asyncio.CancelledError, TapeError):
            if self._in_session:
                self._session_ended(listener)
            raise

    async def _play(self, listener: MarketListener) -> None:
        """Push every message at its time.

        A step ends when the first message of the next one is due, before that message is
        applied. An order that waited for the end of the step meets the books as of that end.
        """
        session = step = None
        for message in self._tape.messages():
            if step is not None and (message.step != step or message.session != session):
                self._steps.ended(step)
                step = None
            if message.session != session:
                if session is not None:
                    self._session_ended(listener)
                    await self._clock.sleep(0)
                await self._clock.sleep_until(message.at)
                self._session_began(listener)
                session = message.session
            await self._clock.sleep_until(message.at)
            if step is None:
                step = message.step
                self._steps.began(step)
            self._push(message, listener)
        if step is not None:
            self._steps.ended(step)
            self._session_ended(listener)

    def _push(self, message: TapeMessage, listener: MarketListener) -> None:
        """Push what precedes a message, then the message."""
        for platform in message.gaps:
            listener.gap(platform)
        for change in message.grids:
            if (change.platform, change.contract_id) in self._subscribed:
                listener.grid_changed(change)
        update = message.update
        if (update.platform, update.contract_id) in self._subscribed:
            listener.updated(update)

    def _session_began(self, listener: MarketListener) -> None:
        self._in_session = True
        for platform in Platform:
            listener.gap(platform)
        listener.session_began()
        for platform in Platform:
            listener.connected(platform)

    def _session_ended(self, listener: MarketListener) -> None:
        self._in_session = False
        listener.session_ended()
