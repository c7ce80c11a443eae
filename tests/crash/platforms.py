"""Paper platforms that go on where the last process left them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from dutchbook.domain.contract import Platform
from dutchbook.domain.order import Finality, Order
from dutchbook.engine import Engine
from dutchbook.errors import NotSent
from dutchbook.platforms.answers import Answer
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.server import PaperServer
from dutchbook.ports import Clock, FillReport

from .truth import DONE, SENT, STATE, Truth

LATEST_ARRIVAL = 50
"""Seconds after which an order that was on its way when its sender died may still arrive."""
KEPT = ("_orders", "_by_client", "_counter")


class Lasting:
    """Joins an engine's paper platforms to the truth."""

    def __init__(self, engine: Engine, truth: Truth, chance: random.Random) -> None:
        self._clock: Clock = engine.clock
        self._truth = truth
        self._late: list[asyncio.Task[None]] = []
        servers: dict[Platform, PaperServer] = {}
        for platform, exchange in engine.exchanges.items():
            servers[platform] = engine.gateways[platform]._server
            self._restore(exchange)
            for name in ("submit", "cancel", "finalise", "merge", "settle"):
                setattr(exchange, name, self._kept(exchange, getattr(exchange, name)))
        for order in list(truth.flying.values()):
            truth.write(DONE, order.client_order_id)
            if chance.randrange(2):
                arriving = self._arrive(servers[order.platform], order, chance.random())
                self._late.append(asyncio.ensure_future(arriving))
        for server in servers.values():
            for working in server.exchange._orders.values():
                server.follow(working.report())
            setattr(server, "create", self._watched(server, server.create))  # noqa: B010

    def _restore(self, exchange: PaperExchange) -> None:
        state = self._truth.states.get(exchange.platform.value)
        if state is None:
            self._write(exchange)
            return
        for name in KEPT:
            setattr(exchange, name, state[name])
        exchange.wallet = state["wallet"]

    def _write(self, exchange: PaperExchange) -> None:
        state: dict[str, Any] = {name: getattr(exchange, name) for name in KEPT}
        state["wallet"] = exchange.wallet
        self._truth.write(STATE, (exchange.platform.value, state), self._clock.now())

    def _kept(self, exchange: PaperExchange, do: Callable[..., Any]) -> Callable[..., Any]:
        """Let what was done be true before anybody is told of it."""

        def done(*arguments: Any, **named: Any) -> Any:
            try:
                return do(*arguments, **named)
            finally:
                self._write(exchange)

        return done

    def _watched(self, server: PaperServer, create: Callable[[Order], Any]) -> Any:
        async def created(order: Order) -> Answer:
            self._truth.write(SENT, order, self._clock.now())
            try:
                answer: Answer = await create(order)
            except NotSent:
                self._truth.write(DONE, order.client_order_id, self._clock.now())
                raise
            self._truth.write(DONE, order.client_order_id, self._clock.now())
            return answer

        assert server is not None, "a platform has a server"
        return created

    async def _arrive(self, server: PaperServer, order: Order, share: float) -> None:
        """An order whose sender is dead arrives all the same, unless it has already."""
        await self._clock.sleep(share * LATEST_ARRIVAL)
        if server.exchange.known(order.client_order_id) is None:
            await PaperServer.create(server, order)


def provisional(server: PaperServer) -> list[FillReport]:
    """Return the fills that a platform can still take back."""
    return [
        fill
        for working in server.exchange._orders.values()
        for fill in working.fills
        if fill.finality is Finality.PROVISIONAL
    ]
