"""The paper gateway: orders that rest, are found or match nothing, and faults of requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import pytest
from support.answers import order
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
from dutchbook.platforms.paper.server import StepLag
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
    return lambda gateway: gateway.submit(Approved(subject, 1))


@BOTH
def test_the_report_of_an_order_that_rests_after_a_match_has_its_working_quantity(
    platform: Platform,
) -> None:
    made = exchange(platform)
    resting = order(platform, time_in_force=TimeInForce.GTC)

    report = asked(made, lambda gateway: gateway.submit(Approved(resting, 1)))

    assert report == made.find(resting.client_order_id)
    assert (len(report.fills), report.working) == (1, Decimal(4))


@BOTH
def test_a_gateway_finds_an_order_with_all_its_trades_even_if_another_sent_it(
    platform: Platform,
) -> None:
    made = exchange(platform)
    resting = order(platform, time_in_force=TimeInForce.GTC)
    made.submit(resting, NOW)
    made.update(f"{platform}-cup", [], [(5_100, 3_000_000)], whole=True, now=NOW)

    found = asked(made, lambda gateway: gateway.find_order(resting))

    assert found == made.find(resting.client_order_id)
    assert found is not None
    assert (len(found.fills), found.working) == (2, Decimal(1))


@BOTH
def test_an_order_that_never_arrived_is_not_found(platform: Platform) -> None:
    assert (
        asked(exchange(platform), lambda gateway: gateway.find_order(order(platform))) is None
    )


@BOTH
def test_an_ioc_order_that_matches_nothing_ends_unfilled_and_is_not_rejected(
    platform: Platform,
) -> None:
    low = order(platform, price=Decimal("0.40"))

    report = asked(exchange(platform), lambda gateway: gateway.submit(Approved(low, 1)))

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
        await gateway.submit(Approved(first, 1))
        with pytest.raises(OutcomeUnknown, match="another_order"):
            await gateway.submit(Approved(second, 1))
        assert gateway.hits == {Fault.ANSWERED_TWICE: 1}

    asked(made, both, Fault.ANSWERED_TWICE)
