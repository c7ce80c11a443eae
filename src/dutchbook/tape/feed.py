"""TapeFeed: market data from a tape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.settlement import Key
from dutchbook.ports.market_data import MarketListener
from dutchbook.ports.time import Clock
from dutchbook.tape.message import Tape, TapeMessage
from dutchbook.tape.player import Listener, play


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
    the books changed before it.
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

        def began() -> None:
            self._in_session = True
            for platform in Platform:
                listener.gap(platform)
            listener.session_began()
            for platform in Platform:
                listener.connected(platform)

        def message(each: TapeMessage) -> None:
            if (each.platform, each.contract_id) in self._subscribed:
                listener.updated(each.update)

        def ended() -> None:
            self._in_session = False
            listener.session_ended()

        callbacks = Listener(began, self._steps.began, message, self._steps.ended, ended)
        try:
            await play(self._tape, self._clock, callbacks)
        except asyncio.CancelledError:
            if self._in_session:
                ended()
            raise
