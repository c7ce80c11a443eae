"""The paper gateway: orders that rest, are found or match nothing, and faults of requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from support.answers import CLIENT_ID, order
from support.pairs import NOW, contract

from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.execution.order import Order, TimeInForce
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import NOTHING, Money, Quantity
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.faults import Fault, FaultPlan
from dutchbook.platforms.paper.gateway import PaperGateway
from dutchbook.platforms.paper.liquidity import Replenishment
from dutchbook.platforms.paper.step_lag import StepLag
from dutchbook.ports.orders import Delayed, FillReport, OrderReport
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual

T = TypeVar("T")
BOTH = pytest.mark.parametrize("platform", list(Platform))


def exchange(platform: Platform) -> PaperExchange:
    made = PaperExchange(
        platform, [contract(platform)], Replenishment.NEVER, Money(Decimal(1_000))
    )
    made.update(f"{platform}-cup", [], [(5_000, 6_000_000)], whole=True, now=NOW)
    return made


def asked(
    made: PaperExchange, ask: Callable[[PaperGateway], Awaitable[T]], *faults: Fault
) -> T:
    async def main() -> T:
        plan = FaultPlan(rates=tuple((fault, 1_000_000) for fault in faults))
        return await ask(PaperGateway(made, TapeClock(NOW), StepLag(0), plan))

    return run_virtual(main())


def sending(subject: Order) -> Callable[[PaperGateway], Awaitable[object]]:
    return lambda gateway: gateway.submit(Approved(gateway.prepare(subject), 1))


def finding(subject: Order) -> Callable[[PaperGateway], Awaitable[OrderReport | None]]:
    return lambda gateway: gateway.find_order(gateway.prepare(subject))


@BOTH
def test_the_report_of_an_order_that_rests_after_a_match_has_its_working_quantity(
    platform: Platform,
) -> None:
    made = exchange(platform)
    resting = order(platform, time_in_force=TimeInForce.GTC)

    report = asked(made, sending(resting))

    assert isinstance(report, OrderReport)
    assert (report.fills, report.working) == ((), Decimal(4))
    assert report.stated is not None
    assert (report.stated.filled, report.stated.cost) == (Decimal(6), Decimal(3))


@BOTH
def test_a_gateway_finds_an_order_with_all_its_trades_even_if_another_sent_it(
    platform: Platform,
) -> None:
    made = exchange(platform)
    resting = order(platform, time_in_force=TimeInForce.GTC)
    made.submit(resting, NOW)
    made.update(f"{platform}-cup", [], [(5_100, 3_000_000)], whole=True, now=NOW)

    found = asked(made, finding(resting))

    known = made.find(resting.client_order_id)
    assert found is not None
    assert known is not None
    assert (found.fills, found.working) == (known.fills, known.working)
    assert (len(found.fills), found.working) == (2, Decimal(1))


@BOTH
def test_an_order_that_never_arrived_is_not_found(platform: Platform) -> None:
    assert asked(exchange(platform), finding(order(platform))) is None


@BOTH
def test_an_ioc_order_that_matches_nothing_ends_unfilled_and_is_not_rejected(
    platform: Platform,
) -> None:
    low = order(platform, price=Decimal("0.40"))

    report = asked(exchange(platform), sending(low))

    assert isinstance(report, OrderReport)
    assert (report.fills, report.working) == ((), NOTHING)
    assert report.platform_order_id == f"{platform}-{low.client_order_id}"


@BOTH
@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"time_in_force": TimeInForce.FOK}, "fill_or_kill_insufficient_resting_volume"),
        ({"price": Decimal("0.415")}, "invalid_price"),
        ({"size": Quantity(Decimal("0.005"))}, "invalid_order_size"),
        ({"size": Quantity(Decimal(5_000))}, "insufficient_balance"),
        ({"contract_id": "unheard-of"}, "market_closed"),
    ],
)
def test_each_rejection_has_the_reason_that_its_platform_gives(
    platform: Platform, facts: dict[str, object], reason: str
) -> None:
    with pytest.raises(PlatformRejected) as caught:
        asked(exchange(platform), sending(order(platform, **facts)))

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("size", "price", "reason"),
    [("5", "0.10", "below_minimum_amount"), ("10.03", "0.41", "invalid_amounts")],
)
def test_polymarkets_minimums_are_rejected_with_its_own_reasons(
    size: str, price: str, reason: str
) -> None:
    odd = order(Platform.POLYMARKET, size=Decimal(size), price=Decimal(price))

    with pytest.raises(PlatformRejected) as caught:
        asked(exchange(Platform.POLYMARKET), sending(odd))

    assert caught.value.reason == reason


@BOTH
def test_a_contract_without_known_fees_is_not_traded(platform: Platform) -> None:
    made = PaperExchange(
        platform, [contract(platform, fees=None)], Replenishment.NEVER, Money(Decimal(1_000))
    )

    with pytest.raises(PlatformRejected, match="market_inactive"):
        asked(made, sending(order(platform)))


@BOTH
@pytest.mark.parametrize(
    ("fault", "error", "arrived"),
    [
        (Fault.NOT_SENT, NotSent, False),
        (Fault.REJECTED, PlatformRejected, False),
        (Fault.PAUSED, PlatformRejected, False),
        (Fault.RATE_LIMIT_429, PlatformRejected, False),
        (Fault.CLOCK_SKEW, PlatformRejected, False),
        (Fault.LOST_ANSWER, OutcomeUnknown, True),
        (Fault.DUPLICATE_409, OutcomeUnknown, True),
        (Fault.SERVER_ERROR_500, OutcomeUnknown, True),
        (Fault.BAD_GATEWAY_502, OutcomeUnknown, True),
        (Fault.TRUNCATED, OutcomeUnknown, True),
        (Fault.WRONG_TYPE, OutcomeUnknown, True),
    ],
)
def test_each_fault_of_a_request_raises_its_error(
    platform: Platform, fault: Fault, error: type[Exception], *, arrived: bool
) -> None:
    made = exchange(platform)
    subject = order(platform)

    with pytest.raises(error):
        asked(made, sending(subject), fault)

    assert (made.find(subject.client_order_id) is not None) is arrived


@BOTH
def test_a_duplicated_answer_is_not_accepted_as_the_next_orders_answer(
    platform: Platform,
) -> None:
    made = exchange(platform)
    first = order(platform)
    second = order(platform, client_order_id="second", price=Decimal("0.40"))

    async def both(gateway: PaperGateway) -> None:
        await sending(first)(gateway)
        with pytest.raises(OutcomeUnknown, match="another_order"):
            await sending(second)(gateway)
        assert gateway.hits == {Fault.ANSWERED_TWICE: 1}

    asked(made, both, Fault.ANSWERED_TWICE)


# Habits of each platform
# ---------------------------------------------------------------------------------------


LAGGING = FaultPlan(lag_ms=(300, 1_000))


def live(made: PaperExchange, plan: FaultPlan, ask: Callable[[PaperGateway], Any]) -> Any:
    async def main() -> Any:
        return await ask(PaperGateway(made, TapeClock(NOW), StepLag(0), plan))

    return run_virtual(main())


def test_a_polymarket_order_has_its_id_and_what_is_signed_before_it_is_sent() -> None:
    subject = order(Platform.POLYMARKET)

    def prepared(gateway: PaperGateway) -> Any:
        return _value(gateway.prepare(subject))

    made = live(exchange(Platform.POLYMARKET), LAGGING, prepared)

    assert made.platform_order_id == f"polymarket-{subject.client_order_id}"
    assert json.loads(made.signed)["takerAmount"] == "10000000"
    assert not made.reported


def test_a_kalshi_order_has_no_id_before_its_answer() -> None:
    subject = order(Platform.KALSHI)

    made = live(exchange(Platform.KALSHI), LAGGING, lambda g: _value(g.prepare(subject)))

    assert made == subject


async def _value(found: Any) -> Any:
    return found


def test_kalshis_reads_and_stream_show_an_order_a_while_after_its_acknowledgement() -> None:
    subject = order(Platform.KALSHI)
    seen: list[tuple[float, object]] = []

    async def watch(gateway: PaperGateway) -> None:
        stream = gateway.trade_updates()
        first = asyncio.ensure_future(anext(stream))
        report = await gateway.submit(Approved(subject, 1))
        assert isinstance(report, OrderReport)
        assert report.stated is not None
        begun = asyncio.get_running_loop().time()
        while not first.done() or len(seen) < 12:
            found = await gateway.find_order(subject)
            seen.append((asyncio.get_running_loop().time() - begun, found))
            await asyncio.sleep(0.1)
        trade = await first
        assert isinstance(trade, FillReport)
        assert trade.size == report.stated.filled

    live(exchange(Platform.KALSHI), LAGGING, watch)

    hidden = [at for at, found in seen if found is None]
    shown = [found for _, found in seen if found is not None]
    assert 0.2 <= max(hidden) <= 1
    assert isinstance(shown[-1], OrderReport)
    assert shown[-1].whole
    assert shown[-1].stated is not None


def test_only_kalshi_dates_its_reads_and_ends_the_time_to_accept_an_order() -> None:
    for platform in Platform:
        as_of, until = live(exchange(platform), LAGGING, _both)
        kalshi = platform is Platform.KALSHI
        assert as_of == (NOW - timedelta(seconds=1) if kalshi else None)
        assert until == (NOW + timedelta(seconds=60) if kalshi else None)


async def _both(gateway: PaperGateway) -> object:
    return await gateway.reads_as_of(), gateway.arrives_until(order(gateway.platform))


@pytest.mark.parametrize("price", ["0.52", "0.40"])
def test_an_order_in_play_is_held_back_then_matched_or_killed(price: str) -> None:
    made = exchange(Platform.POLYMARKET)
    name = "polymarket-cup"
    made.contracts[name] = replace(made.contracts[name], taker_delay=timedelta(seconds=3))
    subject = order(Platform.POLYMARKET, price=Decimal(price))

    async def watch(gateway: PaperGateway) -> None:
        ready = gateway.prepare(subject)
        answer = await gateway.submit(Approved(ready, 1))
        assert answer == Delayed(f"polymarket-{CLIENT_ID}", timedelta(seconds=3))
        assert await gateway.find_order(ready) is None
        with pytest.raises(PlatformRejected, match="delayed"):
            await gateway.cancel(ready)
        await asyncio.sleep(3.1)
        found = await gateway.find_order(ready)
        assert found is not None
        assert (len(found.fills), found.working) == (int(price == "0.52"), NOTHING)

    live(made, FaultPlan(), watch)
