"""An order is sent once, and a send finishes even if its caller stops waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, cast

import pytest
from support.answers import CLIENT_ID, order
from support.pairs import NOW

from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Questions
from dutchbook.application.orders.send import (
    NOT_FOUND,
    Rejected,
    SendResult,
    Unknown,
    ask,
    report_of,
    reported,
    send,
)
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Fill, Finality, Order, Totals
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Reported
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.orders import Delayed, FillReport, OrderReport
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

KALSHI = Platform.KALSHI
TIMEOUT = 5
ORDER = order(KALSHI)
ACCEPTED = OrderReport(platform_order_id="p1", fills=(), working=Quantity(Decimal(10)))
HALTED = Refused("trading_halted", "an operator's word", 3009)


@dataclass
class Slow:
    """A platform that answers after some seconds, and its gate."""

    seconds: float = 0
    error: Exception | None = None
    refuses: bool = False
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    answer: OrderReport | Delayed | None = None
    found: list[OrderReport | None] = field(default_factory=list)
    asks_slowly: bool = False
    asked: list[float] = field(default_factory=list)

    async def refresh_lease(self) -> None:
        """Do nothing: no halt has changed."""

    def approve(self, order: Order, epoch: int) -> Approved[Order] | Refused:
        return HALTED if self.refuses else Approved(order, epoch)

    async def submit(self, approved: Approved[Order]) -> OrderReport | Delayed:
        self.begun.append(approved.subject.client_order_id)
        await asyncio.sleep(self.seconds)
        self.done.append(approved.subject.client_order_id)
        if self.error is not None:
            raise self.error
        return self.answer or ACCEPTED

    async def sent(self) -> SendResult:
        gateways = cast("Any", {KALSHI: self})
        return await send(cast("Gate", self), gateways, ORDER, 1, TIMEOUT, TapeClock(NOW))

    async def find_order(self, order: Order) -> OrderReport | None:
        assert order == ORDER
        self.asked.append(asyncio.get_running_loop().time())
        if self.asks_slowly:
            await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.found.pop(0) if self.found else None


def result_of(platform: Slow) -> SendResult:
    return run_virtual(platform.sent())


def test_an_answer_in_time_is_returned() -> None:
    assert result_of(Slow(seconds=TIMEOUT - 1)) == ACCEPTED


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (
            PlatformRejected(KALSHI, "post_only_crossed"),
            Rejected("post_only_crossed", sent=True),
        ),
        (NotSent(KALSHI, "no connection"), Rejected("no connection", sent=False)),
        (OutcomeUnknown(KALSHI, "torn body"), Unknown("torn body")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_each_error_of_the_platform_is_returned_as_what_it_proves(
    error: Exception, known: SendResult
) -> None:
    assert result_of(Slow(error=error)) == known


def test_an_order_that_the_gate_rejects_never_reaches_the_platform() -> None:
    platform = Slow(refuses=True)

    assert result_of(platform) is HALTED
    assert platform.begun == []


async def _timed_out(platform: Slow) -> SendResult | None:
    return await platform.sent()


async def _cancelled(platform: Slow) -> SendResult | None:
    caller = asyncio.ensure_future(platform.sent())
    await asyncio.sleep(1)
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    return None


@pytest.mark.parametrize("stop", [_timed_out, _cancelled])
@pytest.mark.parametrize("error", [None, OutcomeUnknown(KALSHI, "torn body")])
def test_a_send_that_timed_out_or_was_cancelled_still_finishes_and_is_made_once(
    stop: Callable[[Slow], Any], error: Exception | None
) -> None:
    platform = Slow(seconds=TIMEOUT + 2, error=error)

    async def main() -> SendResult | None:
        known: SendResult | None = await stop(platform)
        assert (platform.begun, platform.done) == ([CLIENT_ID], [])
        await asyncio.sleep(TIMEOUT + 2)
        return known

    known = run_virtual(main())

    assert platform.begun == platform.done == [CLIENT_ID]
    assert known in {None, Unknown(f"no answer within {TIMEOUT} s")}


HELD = Delayed("p1", timedelta(seconds=3))
ENDED = OrderReport("p1", (), Quantity(Decimal(0)))


@pytest.mark.parametrize("answers", [[ENDED], [None, ACCEPTED, ENDED]])
def test_an_order_that_is_held_back_is_waited_for_and_not_sent_again(
    answers: list[OrderReport | None],
) -> None:
    platform = Slow(answer=HELD, found=answers)

    assert result_of(platform) == ENDED
    assert platform.begun == [CLIENT_ID]


def test_an_order_that_is_held_back_without_end_becomes_unknown() -> None:
    known = result_of(Slow(answer=HELD))

    assert known == Unknown(f"held back, and without an outcome {TIMEOUT} s after that")


def test_an_order_that_is_held_back_is_asked_about_each_second_after_that() -> None:
    platform = Slow(answer=HELD)

    result_of(platform)

    assert platform.asked == [3, 4, 5, 6, 7, 8]


ANSWERS: dict[str, tuple[Slow, Any]] = {
    "found": (Slow(found=[ACCEPTED]), ACCEPTED),
    "not found": (Slow(), NOT_FOUND),
    "in time": (Slow(seconds=TIMEOUT - 1, found=[ACCEPTED]), ACCEPTED),
    "too late": (Slow(seconds=TIMEOUT + 1, found=[ACCEPTED]), None),
    "no connection": (Slow(error=NotSent(KALSHI, "no connection")), None),
    "torn": (Slow(error=OutcomeUnknown(KALSHI, "torn body")), None),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_question_without_an_answer_in_time_has_none(case: str) -> None:
    platform, expected = ANSWERS[case]
    asking = Slow(platform.seconds, platform.error, found=[*platform.found], asks_slowly=True)

    assert run_virtual(ask(cast("Any", asking), ORDER, TIMEOUT)) == expected


def report(trade_id: str, finality: Finality) -> FillReport:
    return FillReport(
        KALSHI,
        "p1",
        CLIENT_ID,
        trade_id,
        Price(Decimal("0.51")),
        Quantity(Decimal(3)),
        Money(Decimal("0.02")),
        finality,
        NOW,
    )


def fill(trade_id: str, finality: Finality) -> Fill:
    return Fill(
        trade_id=trade_id,
        platform=KALSHI,
        order_id="o1",
        outcome=ORDER.outcome,
        side=ORDER.side,
        price=Price(Decimal("0.51")),
        size=Quantity(Decimal(3)),
        fee=Money(Decimal("0.02")),
        finality=finality,
        matched_at=NOW,
    )


def test_a_report_is_a_fact_without_the_trades_that_have_failed() -> None:
    stated = Totals(Quantity(Decimal(6)), Money(Decimal("3.06")), Money(Decimal("0.04")))
    listed = tuple(report(each.value, each) for each in Finality)
    working = Quantity(Decimal(4))
    later = NOW + timedelta(seconds=9)

    fact = reported(ORDER, OrderReport("p1", listed, working, "its reason", stated), later)

    kept = [each for each in Finality if each is not Finality.FAILED]
    fills = tuple(fill(each.value, each) for each in kept)
    assert fact == Reported(later, "o1", "p1", fills, working, "its reason", stated)


@pytest.mark.parametrize(("known", "told"), [("p1", "p1"), (None, "")])
def test_a_fill_that_is_known_can_be_told_as_its_platform_would(
    known: str | None, told: str
) -> None:
    found = report_of(replace(ORDER, platform_order_id=known), fill("t1", Finality.PROVISIONAL))

    assert found == replace(report("t1", Finality.PROVISIONAL), platform_order_id=told)


def test_an_order_that_is_noticed_again_is_not_asked_about_earlier() -> None:
    """Waits grow: an order that a second service notices keeps its time."""
    asked: list[float] = []

    async def work() -> None:
        clock = TapeClock(NOW)
        questions = Questions(clock)
        questions.notice(ORDER)
        for _ in range(4):
            (question,) = await questions.due()
            asked.append(clock.monotonic())
            questions.put_off(question)
            questions.notice(ORDER)

    run_virtual(work())

    assert [later - earlier for earlier, later in pairwise(asked)] == [2, 4, 8]
