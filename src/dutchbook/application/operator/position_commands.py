"""Commands on one position: retry a leg, close it, complement it, resolve it.

These take time, so they are not done while commands are processed: a halt never waits for them.
Each waits for a live book first, and is done at most once: its order takes the command's own
id, so that if an engine dies between sending and answering, the next one finds the order and
answers from it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from dutchbook.application.exposure.single_leg import (
    CLOSE_FAILED,
    RETRY_FAILED,
    STATE,
    UNKNOWN,
    Resolution,
    SingleLegResolutionService,
)
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.operator.command_rows import COMMANDS, expired, taken
from dutchbook.application.pair_trades.adjustments import CommandContext
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import CommandAnswered, CommandBegun, Event, as_json
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, RETRY
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.values.units import money, plain
from dutchbook.errors import Conflict, InvalidInput, InvalidPositionState, Unfit, UnknownId
from dutchbook.ports.journal import Batch, Journal, Update
from dutchbook.ports.tables.table import Row
from dutchbook.ports.time import Clock

NAMES = (RETRY, CLOSE, COMPLEMENT)
LOOK_SECONDS = 0.25
Answer = dict[str, Any]


class PositionCommands:
    """Accepts commands, and carries out each in a task of its own.

    A book that is older than `book_age` is not traded on; a command waits up to `wait` for a
    live one.
    """

    def __init__(
        self,
        journal: Journal,
        committer: Committer,
        single_leg: SingleLegResolutionService,
        trades: PairTrades,
        watchlist: Watchlist,
        clock: Clock,
        *,
        book_age: timedelta,
        wait: timedelta,
    ) -> None:
        self._journal = journal
        self._committer = committer
        self._single_leg = single_leg
        self._trades = trades
        self._watchlist = watchlist
        self._clock = clock
        self._book_age = book_age
        self._wait = wait
        self._in_progress: dict[str, Row] = {}
        self._new: list[Row] = []
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()

    def take(self, row: Row) -> None:
        """Accept a command, unless it is in progress already."""
        if row["command_id"] not in self._in_progress:
            self._in_progress[row["command_id"]] = row
            self._new.append(row)
            self._wake.set()

    async def run(self) -> None:
        """Carry out accepted commands until cancelled; if one task dies, all end."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                taken, self._new = self._new, []
                for row in taken:
                    group.create_task(self._do(row))

    async def drained(self) -> None:
        """Wait for commands under way; those waiting for a book are left to the next start."""
        while any(command_id not in self._waiting for command_id in self._in_progress):
            await self._clock.sleep(LOOK_SECONDS)

    async def _do(self, row: Row) -> None:
        try:
            answer = await self._attempt(row)
        except InvalidPositionState as refused:
            answer = {"done": False, "why": str(refused), "code": STATE}
        except (InvalidInput, UnknownId) as refused:
            answer = {"done": False, "why": str(refused)}
        if answer is not None:
            await self._unless_withdrawn(await self._answered(row, answer))
        del self._in_progress[row["command_id"]]

    async def _attempt(self, row: Row) -> Answer | None:
        """Carry out a command; return its answer, None if it was withdrawn meanwhile."""
        order = await self._journal.rows("orders", {"order_id": row["command_id"]})
        if order:
            return await self._concluded(row)
        position = await self._position(row)
        blocked = self._late(row) or await self._book(row, position) or self._late(row)
        if blocked is not None:
            return {"done": False, "why": blocked}
        taking = Batch((taken(row, self._committer.wall_time),))
        if not await self._unless_withdrawn(taking):
            return None
        return answer_of(await self._sent(row))

    def _late(self, row: Row) -> str | None:
        return expired(row, self._committer.wall_time)

    async def _unless_withdrawn(self, batch: Batch) -> bool:
        """Commit a change of a command; return False if a person withdrew it first."""
        try:
            await self._committer.commit(batch)
        except Conflict as conflict:
            if isinstance(conflict, Unfit) or conflict.table != COMMANDS:
                raise
            return False
        return True

    async def _sent(self, row: Row) -> Resolution:
        position_id = _argument(row, "position")
        least = _argument(row, "at_least")
        at_least = money(least, field="at_least") if least else None
        begun = (await self._begun(row),)
        asked = CommandContext(row["command_id"], _version(row), begun, at_least)
        if row["name"] == RETRY:
            price = _argument(row, "price")
            return await self._single_leg.retry_leg(position_id, price, asked)
        if row["name"] == CLOSE:
            return await self._single_leg.close_leg(position_id, asked)
        return await self._single_leg.complement(position_id, asked)

    async def _position(self, row: Row) -> OpenPosition:
        """Return the position that a command is about.

        Raises:
            InvalidPositionState: The position is over, or this engine does not follow its pair.
            UnknownId: There is no such position.
        """
        position_id = _argument(row, "position")
        try:
            position = self._trades.of(position_id).position
        except UnknownId:
            rows = await self._journal.rows("open_positions", {"position_id": position_id})
            if not rows:
                raise UnknownId("position", position_id) from None
            over = "nothing of it is left"
            raise InvalidPositionState(position_id, rows[0]["status"], over) from None
        if position.pair_id not in self._watchlist.pairs:
            followed = "this engine does not follow its pair"
            raise InvalidPositionState(position_id, position.status, followed)
        return position

    async def _book(self, row: Row, position: OpenPosition) -> str | None:
        """Wait until the book that a command trades on is live; return why if it never is."""
        if position.status not in UNHEDGED:
            return None  # the service returns the reason
        platform = position.longer.other if row["name"] == RETRY else position.longer
        book = self._watchlist.pairs[position.pair_id].books[platform]
        until = self._clock.now() + self._wait
        self._waiting[row["command_id"]] = None
        try:
            while reason := book.untrusted_because(self._clock.now(), self._book_age):
                if self._clock.now() >= until:
                    seconds = int(self._wait.total_seconds())
                    return f"{platform} showed no live book within {seconds} s: {reason}"
                await self._clock.sleep(LOOK_SECONDS)
        finally:
            del self._waiting[row["command_id"]]
        return None

    async def _concluded(self, row: Row) -> Answer:
        """Answer from an order that an engine sent without answering the command."""
        key = {"order_id": row["command_id"]}
        order = (await self._journal.rows("orders", key))[0]
        until = self._clock.now() + self._wait
        while order["working_size"] and self._clock.now() < until:
            await self._clock.sleep(LOOK_SECONDS)
            order = (await self._journal.rows("orders", key))[0]
        mine = {"position_id": order["position_id"]}
        position = (await self._journal.rows("open_positions", mine))[0]
        still = position["status"] in UNHEDGED
        failed = RETRY_FAILED if row["name"] == RETRY else CLOSE_FAILED
        unknown = bool(order["working_size"])
        filled, size = plain(order["fill_size"]), plain(order["size"])
        why = "nobody knows yet what became of its order" if unknown else None
        why = why or order["refusal"] or f"filled {filled} of {size}"
        return as_answer(
            done=not still,
            position_id=position["position_id"],
            status=position["status"],
            order_id=order["order_id"],
            filled=order["fill_size"],
            new_edge=self._edge(position),
            realised_pnl=_closed(position),
            code=(UNKNOWN if unknown else failed) if still else None,
            why=why if still else None,
        )

    def _edge(self, position: Row) -> Any:
        if position["status"] != PositionStatus.OPEN:
            return None
        return self._trades.of(position["position_id"]).position.locked_profit

    # Events and answers
    # ----------------------------------------------------------------------------------

    def _facts(self, row: Row) -> dict[str, Any]:
        named = ("command_id", "name", "requested_by", "requested_at", "rationale")
        facts = {name: row[name] for name in named}
        return facts | {"position_id": _argument(row, "position")}

    async def _correlation_id(self, row: Row) -> str:
        """Return the correlation id of a command's events: its position's execution, if any."""
        mine = {"position_id": _argument(row, "position")}
        found = await self._journal.rows("open_positions", mine)
        return str(found[0]["execution_id"]) if found else str(row["command_id"])

    async def _begun(self, row: Row) -> Event:
        arguments = {str(k): str(v) for k, v in row["arguments"].items()}
        stamp = self._committer.stamp(await self._correlation_id(row))
        return CommandBegun(stamp, **self._facts(row), arguments=arguments)

    async def _answered(self, row: Row, answer: Answer) -> Batch:
        detail = "" if answer["done"] else str(answer.get("why", ""))
        stamp, facts = self._committer.stamp(await self._correlation_id(row)), self._facts(row)
        event = CommandAnswered(stamp, **facts, done=bool(answer["done"]), detail=detail)
        key = {"command_id": row["command_id"]}
        put = {"answered_at": self._clock.now(), "answer": answer}
        write = Update(COMMANDS, key, {"answered_at": None}, put)
        return Batch((write,), (event,))


def answer_of(resolution: Resolution) -> Answer:
    """Return the result of an attempt as an answer."""
    position = resolution.position
    return as_answer(
        done=resolution.resolved,
        position_id=position.position_id,
        status=position.status,
        order_id=resolution.order_id,
        filled=resolution.filled,
        new_edge=resolution.new_edge,
        realised_pnl=resolution.realised_pnl,
        code=resolution.code,
        why=resolution.reason,
        scenarios=resolution.scenarios,
        recommended_actions=resolution.recommended_actions,
    )


def as_answer(*, done: bool, **facts: Any) -> Answer:
    """Return an answer in JSON types."""
    return {"done": done} | {name: as_json(value) for name, value in facts.items()}


def _closed(position: Row) -> Any:
    return position["realised_pnl"] if position["status"] == PositionStatus.CLOSED else None


def _argument(row: Row, name: str) -> str:
    arguments = row["arguments"]
    value = arguments.get(name) if isinstance(arguments, dict) else None
    return "" if value is None else str(value)


def _version(row: Row) -> int | None:
    version = _argument(row, "version")
    return int(version) if version.isdecimal() else None
