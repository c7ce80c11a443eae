"""Sends one durable order and returns what is known afterwards; never sends it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dutchbook.application.orders.gate import Gate
from dutchbook.application.records.shielding import retrieve_result
from dutchbook.domain.execution.order import Fill, Finality, Order
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.facts import Reported
from dutchbook.domain.reconciliation.platform_state import fill_of
from dutchbook.errors import NotSent, OutcomeUnknown, PlatformRejected
from dutchbook.ports.crash_points import AFTER, BEFORE, QUESTION, crashpoint
from dutchbook.ports.orders import Delayed, FillReport, OrderGateway, OrderReport
from dutchbook.ports.time import Clock


@dataclass(frozen=True, slots=True)
class Rejected:
    """A listed rejection by the platform (`sent`), or an order of which no byte was sent."""

    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """An order that was sent and got no trustworthy answer."""

    reason: str


SendResult = OrderReport | Rejected | Refused | Unknown


async def send(
    gate: Gate,
    gateways: Mapping[Platform, OrderGateway],
    order: Order,
    epoch: int,
    seconds: int,
    clock: Clock,
) -> SendResult:
    """Send an order once, if the gate approves it, and wait `seconds` for its answer.

    While its platform holds it back, the order has no outcome yet: it is asked about after that
    time, and becomes unknown only if there is no outcome `seconds` later.

    The send is shielded: if the caller gives up or is cancelled, the send still finishes, since
    the platform may have the order all the same. `Refused` comes from the gate: it was not
    sent.

    Raises:
        LeaseLost: Another engine has the lease; this one must end.
    """
    await gate.refresh_lease()
    sending = asyncio.ensure_future(_through(gate, gateways[order.platform], order, epoch))
    sending.add_done_callback(retrieve_result)
    try:
        async with asyncio.timeout(seconds):
            result = await asyncio.shield(sending)
    except PlatformRejected as refusal:
        return Rejected(refusal.reason, sent=True)
    except NotSent as refusal:
        return Rejected(refusal.reason, sent=False)
    except OutcomeUnknown as unknown:
        return Unknown(unknown.reason)
    except TimeoutError:
        return Unknown(f"no answer within {seconds} s")
    if isinstance(result, Delayed):
        return await _decided(gateways[order.platform], order, result, seconds, clock)
    return result


async def _decided(
    gateway: OrderGateway, order: Order, delayed: Delayed, seconds: int, clock: Clock
) -> OrderReport | Unknown:
    """Wait for the outcome of an order that its platform holds back."""
    wait = delayed.hold.total_seconds()
    until = clock.monotonic() + wait + seconds
    while clock.monotonic() < until:
        await clock.sleep(wait)
        report = await ask(gateway, order, seconds)
        if isinstance(report, OrderReport) and not report.working:
            return report
        wait = 1
    return Unknown(f"held back, and without an outcome {seconds} s after that")


async def _through(
    gate: Gate, gateway: OrderGateway, order: Order, epoch: int
) -> OrderReport | Delayed | Refused:
    """Send an order if the gate approves it; nothing is awaited in between."""
    verdict = gate.approve(order, epoch)
    if isinstance(verdict, Refused):
        return verdict
    crashpoint(BEFORE, order)
    report = await gateway.submit(verdict)
    crashpoint(AFTER, order)
    return report


class NotFound:
    """The platform does not show the order, which by itself proves nothing."""


NOT_FOUND = NotFound()


async def ask(
    gateway: OrderGateway, order: Order, seconds: int
) -> OrderReport | NotFound | None:
    """Ask what became of an order; return None if the platform did not answer."""
    try:
        async with asyncio.timeout(seconds):
            crashpoint(BEFORE, QUESTION)
            report = await gateway.find_order(order)
            crashpoint(AFTER, QUESTION)
            return report or NOT_FOUND
    except (OutcomeUnknown, NotSent, TimeoutError):
        return None


def reported(order: Order, report: OrderReport, at: datetime) -> Reported:
    """Return the fact of a platform's report on an order.

    A trade that has failed is left out: it is booked as listed first, and then as failed.
    """
    fills = (fill_of(order, each) for each in report.fills)
    return Reported(
        at,
        order.order_id,
        report.platform_order_id,
        tuple(fill for fill in fills if fill.finality is not Finality.FAILED),
        report.working,
        report.refusal,
        report.stated,
    )


def report_of(order: Order, fill: Fill) -> FillReport:
    """Return the report that a platform would send of a fill that is already known."""
    return FillReport(
        platform=fill.platform,
        platform_order_id=order.platform_order_id or "",
        client_order_id=order.client_order_id,
        trade_id=fill.trade_id,
        price=fill.price,
        size=fill.size,
        fee=fill.fee,
        finality=fill.finality,
        matched_at=fill.matched_at,
    )
