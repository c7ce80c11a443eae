"""ContractFacts: the facts of contracts, as their platforms have them now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dutchbook.application.market.watchlist import Key, Watchlist
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import answered
from dutchbook.domain.events import ContractChanged, as_json
from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.ports.contracts import ContractReader
from dutchbook.ports.journal import Batch, Update
from dutchbook.ports.market_data import Changes, GridChange
from dutchbook.ports.tables.market import CONTRACTS
from dutchbook.ports.time import Clock

RETRY_SECONDS = 1.0
"""Wait before a contract is read again after a platform gave no answer."""
CONFIRMED = timedelta(minutes=1)
"""How long a contract that was read vouches for prices off its grid: a platform that made a
grid coarser may keep orders that rest between its prices."""


class ContractFacts:
    """Takes over changed grids, and reads a contract again if its book contradicts it.

    A platform may announce a new grid, or the first sign of it may be a price that the grid as
    we know it does not have. Such a book is not traded on until the contract was read again.
    Every limit is then a price of the grid as read.
    """

    def __init__(
        self,
        watchlist: Watchlist,
        gateways: Mapping[Platform, ContractReader],
        committer: Committer,
        clock: Clock,
        answer: timedelta,
    ) -> None:
        self._watchlist = watchlist
        self._gateways = gateways
        self._committer = committer
        self._clock = clock
        self._answer = answer
        self._prices = {
            key: contract.grid.prices_e4 for key, contract in watchlist.contracts.items()
        }
        self._confirmed_until: dict[Key, datetime] = {}
        self._changed: list[tuple[Contract, Contract]] = []
        self._doubted: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()

    # What the market data show
    # ------------------------------------------------------------------------------------

    def seen(self, key: Key, bids: Changes, asks: Changes) -> None:
        """Compare the prices of new levels with the contract's grid."""
        prices = self._prices[key]
        for levels in (bids, asks):
            for price, size in levels:
                if price not in prices and size > 0:
                    self._contradicted(key)
                    return

    def grid_changed(self, change: GridChange) -> None:
        """Take over a new grid at once; a book with levels off it waits for a whole one."""
        key = (change.platform, change.contract_id)
        before = self._watchlist.contracts[key]
        if before.grid != change.grid:
            self._take_over(before, replace(before, grid=change.grid))
            self._wake.set()

    def _contradicted(self, key: Key) -> None:
        book, confirmed_until = self._watchlist.books[key], self._confirmed_until.get(key)
        if confirmed_until is not None and self._clock.now() < confirmed_until:
            return
        if not book.off_grid:
            book.doubt_grid(doubted=True)
            self._doubted[key] = None
            self._wake.set()

    # What is read and recorded
    # ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Nothing: the contracts of a start have just been read."""

    async def run(self) -> None:
        """Record announced changes and read doubted contracts, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            async with self._lock:
                await self._record()
                await self._read()
            if self._doubted:
                await self._clock.sleep(RETRY_SECONDS)
                self._wake.set()

    async def drained(self) -> None:
        """Wait until every change that was noticed is recorded."""
        async with self._lock:
            await self._record()

    async def _read(self) -> None:
        """Read every doubted contract; without an answer, its book stays untrusted."""
        for platform in Platform:
            wanted = tuple(each for on, each in self._doubted if on is platform)
            if not wanted:
                continue
            asked = self._gateways[platform].contracts(wanted)
            for contract in await answered(asked, self._answer.total_seconds(), ()):
                key = (platform, contract.contract_id)
                before = self._watchlist.contracts[key]
                if before != contract:
                    self._take_over(before, contract)
                self._doubted.pop(key, None)
                self._confirmed_until[key] = self._clock.now() + CONFIRMED
                self._watchlist.books[key].doubt_grid(doubted=False)
        await self._record()

    def _take_over(self, before: Contract, contract: Contract) -> None:
        key = (contract.platform, contract.contract_id)
        self._watchlist.changed(contract)
        self._prices[key] = contract.grid.prices_e4
        if before.grid != contract.grid and not self._watchlist.books[key].on(
            self._prices[key]
        ):
            self._watchlist.books[key].clear()
        self._changed.append((before, contract))

    async def _record(self) -> None:
        while self._changed:
            before, contract = self._changed[0]
            old, new = CONTRACTS.row_of(before), CONTRACTS.row_of(contract)
            facts = {name: value for name, value in new.items() if value != old[name]}
            key = {"platform": contract.platform, "contract_id": contract.contract_id}
            event = ContractChanged(
                self._committer.stamp(contract.contract_id),
                contract.platform,
                contract.contract_id,
                {name: _text(value) for name, value in facts.items()},
            )
            change = Update("contracts", key=key, put=facts)
            await self._committer.commit(Batch((change,), (event,)))
            del self._changed[0]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(as_json(value))
