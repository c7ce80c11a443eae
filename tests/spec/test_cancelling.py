"""Cancelling every working order: what is asked, what is told of each, and what is booked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.answers import order
from support.executing import filled
from support.memory_journal import MemoryJournal
from support.rows import order_row

from dutchbook.application.execution.cancel_all import OrderCanceller
from dutchbook.domain.execution.order import Order
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import Quantity
from dutchbook.errors import Conflict, NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.orders import OrderReport
from dutchbook.runtime.virtual_time import run_virtual

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
NOTHING = OrderReport("p", (), Quantity(Decimal(0)))
QUERIED = "its platform has not returned an id yet: it is being queried"
TIMEOUT = 5
Answer = Callable[[Order], OrderReport] | Exception | float


def trade_of(name: str, *, ended: bool = False) -> Any:
    return SimpleNamespace(position_id=f"position of {name}", name=name, ended=ended)


def working(name: str, **facts: Any) -> dict[str, Any]:
    """Return the row of an order that works on Kalshi under an id of its own."""
    mine = {
        "platform_order_id": f"p-{name}",
        "execution_id": "e",
        "platform": KALSHI,
        "status": "PENDING",
    }
    return order_row(name, **mine | facts)


@dataclass
class Cancelling:
    """A canceller over some rows of orders, its platforms, and what it does.

    Attributes:
        answers: Of the platform of an order, by the order's id: a report, an error, or the
            seconds until it answers; by default a report that nothing was filled.
        trades: By execution.
        running: The executions that run.
        conflict: Whether another answer is booked first.
        did: What was asked, locked and booked, in order.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    trades: dict[str, Any] = field(default_factory=lambda: {"e": trade_of("e")})
    running: tuple[str, ...] = ()
    conflict: bool = False
    open_orders: list[Order] = field(default_factory=list)
    did: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = MemoryJournal()
        self.canceller = OrderCanceller(
            self.journal,
            cast("Any", self),
            cast("Any", self),
            cast("Any", self),
            cast("Any", dict.fromkeys(Platform, self)),
            TIMEOUT,
        )

    async def cancel(self, asked: Order) -> OrderReport:
        self.did.append(("asked", asked.order_id))
        answer = self.answers.get(asked.order_id, 0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(asked)
        await asyncio.sleep(answer)
        return NOTHING

    def find(self, execution_id: str) -> Any:
        return self.trades.get(execution_id)

    def is_executing(self, execution_id: str) -> bool:
        return execution_id in self.running

    @asynccontextmanager
    async def lock(self, position_id: str) -> AsyncIterator[None]:
        self.did.append(("locked", position_id))
        yield
        self.did.append(("unlocked", position_id))

    async def answered(self, trade: Any, order_id: str, report: OrderReport) -> None:
        self.did.append(("booked", trade.name, order_id, report))
        if self.conflict:
            raise Conflict("orders", order_id, "it has changed")

    def all(self, *rows: dict[str, Any]) -> dict[str, str]:
        """Return what is told of each order of some rows."""

        async def main() -> dict[str, str]:
            await self.journal.commit(Batch(tuple(Insert("orders", row) for row in rows)))
            return await self.canceller.cancel_all()

        return run_virtual(main())


def test_only_orders_that_may_still_work_are_cancelled() -> None:
    at = Cancelling()

    told = at.all(
        working("pending"),
        working("partial", status="PARTIAL", platform=POLYMARKET),
        working("filled", status="FILLED"),
        working("failed", status="FAILED"),
        working("empty", working_size=Decimal(0)),
    )

    assert told == {"pending": "cancelled", "partial": "cancelled"}
    assert [each[1] for each in at.did if each[0] == "asked"] == ["pending", "partial"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (PlatformRejected("kalshi", "too_late"), "rejected: too_late"),
        (OutcomeUnknown("kalshi", "torn body"), "unknown"),
        (NotSent("kalshi", "no connection"), "unknown"),
        (TIMEOUT + 1.0, "unknown"),
    ],
)
def test_without_a_report_nothing_is_booked_and_what_is_known_is_told(
    answer: Answer, told: str
) -> None:
    at = Cancelling(answers={"o": answer})

    assert at.all(working("o")) == {"o": told}

    assert at.did == [("asked", "o")]


def test_an_answer_in_time_is_waited_for() -> None:
    at = Cancelling(answers={"o": TIMEOUT - 1.0})

    assert at.all(working("o")) == {"o": "cancelled"}


def test_an_order_without_a_platform_id_cannot_be_cancelled() -> None:
    at = Cancelling()

    assert at.all(working("o", platform_order_id=None)) == {"o": QUERIED}

    assert at.did == []


@pytest.mark.parametrize("conflict", [False, True])
def test_the_report_is_booked_under_the_lock_of_its_position(conflict: bool) -> None:
    at = Cancelling(conflict=conflict)

    assert at.all(working("o")) == {"o": "cancelled"}

    booked = [("asked", "o"), ("locked", "position of e"), ("booked", "e", "o", NOTHING)]
    assert at.did[:3] == booked


def test_after_its_execution_a_report_is_booked_without_waiting_for_the_lock() -> None:
    at = Cancelling(trades={"e": trade_of("e", ended=True)})

    at.all(working("o"))

    assert at.did == [("asked", "o"), ("booked", "e", "o", NOTHING)]


@pytest.mark.parametrize(
    ("known", "listed", "booked"),
    [("0", None, True), ("3", None, False), ("3", "3", True), ("2", "3", False)],
)
def test_a_report_with_other_fills_than_are_booked_is_left_to_reconciliation(
    known: str, listed: str | None, booked: bool
) -> None:
    def report(asked: Order) -> OrderReport:
        return filled(asked, listed) if listed else NOTHING

    at = Cancelling(answers={"o": report})
    row = working("o", fill_size=Decimal(known), size=Decimal(5))

    assert at.all(row) == {"o": "cancelled"}

    assert ("booked" in [each[0] for each in at.did]) is booked


@pytest.mark.parametrize("facts", [{"trades": {}}, {"running": ("e",)}])
def test_the_report_of_a_running_execution_or_a_finished_trade_is_not_booked(
    facts: dict[str, Any],
) -> None:
    at = Cancelling(**facts)

    assert at.all(working("o")) == {"o": "cancelled"}

    assert at.did == [("asked", "o")]


def test_the_report_on_an_order_of_another_execution_than_the_running_one_is_booked() -> None:
    at = Cancelling(running=("another",))

    at.all(working("o"))

    assert ("booked", "e", "o", NOTHING) in at.did


def test_without_the_database_every_order_with_an_id_is_cancelled_and_none_booked() -> None:
    rejected = PlatformRejected("kalshi", "too_late")
    at = Cancelling(answers={"two": rejected, "three": TIMEOUT + 1.0})
    at.open_orders = [
        order(KALSHI, order_id="one", platform_order_id="p-one"),
        order(POLYMARKET, order_id="two", platform_order_id="p-two"),
        order(KALSHI, order_id="three", platform_order_id="p-three"),
        order(KALSHI, order_id="four", platform_order_id=None),
    ]

    run_virtual(at.canceller.cancel_unrecorded())

    assert at.did == [("asked", "one"), ("asked", "two"), ("asked", "three")]
    assert run_virtual(at.journal.rows("orders")) == cast("Any", [])
