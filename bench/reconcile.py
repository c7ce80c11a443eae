"""Duration of a start with many open orders, compared with a bare read of the same rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.application.orders.send import report_of
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.decide import Execution, LegState, Phase
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades.trade import PairTrade, Plan
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import NOTHING, ZERO, Money, Price, Quantity
from dutchbook.persistence.database import Database
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.account import Listing, PlatformBalance
from dutchbook.ports.journal import Batch, Insert, Journal
from dutchbook.ports.orders import OrderReport
from dutchbook.ports.tables.trading import EXECUTIONS, FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.live import run_live
from dutchbook.runtime.virtual_time import turnstile
from dutchbook.tape.message import Tape

AIM = 20
"""Target: a start with its comparison takes at most this many times the bare read."""
RESTING = 5
TABLES = ("orders", "fills", "open_positions", "reservations", "executions")
TEN, HALF = Quantity(Decimal(10)), Price(Decimal("0.5"))


class Quick:
    """A platform that knows every order and answers at once, so that only our time counts."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.known: dict[str, OrderReport] = {}
        self.asked = 0

    async def ping(self) -> None:
        """Answer."""

    async def reads_as_of(self) -> datetime:
        """Return the present."""
        return SystemClock().now()

    def arrives_until(self, order: Order) -> datetime:
        """Return the end of a signature that is good for a minute."""
        return order.created_at + timedelta(minutes=1)

    async def find_order(self, order: Order) -> OrderReport:
        """Return the report of an order."""
        self.asked += 1
        return self.known[order.client_order_id]

    async def orders(self) -> Listing[Any]:
        """Return nothing that we did not send."""
        return Listing()

    async def trades(self, since: datetime) -> Listing[Any]:
        """Return no trade: nothing has filled."""
        del since
        return Listing()

    async def movements(self, since: datetime | None) -> Listing[Any]:
        """Return no movement."""
        del since
        return Listing()

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        """Return no result: every contract is still open."""
        del contract_ids
        return {}

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        """Return nothing: the difference is reported but not decided."""
        return {}

    async def balances(self) -> Mapping[AccountKey, PlatformBalance]:
        """Return zero, for the same reason."""
        return {ACCOUNTS[self.platform]: PlatformBalance(ZERO, ZERO)}


def compare(positions: int) -> list[str]:
    """Return how long a start takes with two filled and five resting orders per position."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/reconcile.db"
        Database.at(url).prepare("paper")
        bare, whole, asked = run_live(_measure(url, positions))
    orders = positions * (2 + RESTING)
    return [
        f"reconciliation: {orders:,} orders in {positions:,} positions, {asked:,} of them open",
        f"bare read of their rows: {bare / orders * 1e6:.1f} us an order",
        f"start, with the comparison: {whole / orders * 1e6:.1f} us an order, {whole:.2f} s",
        f"times the bare read: {whole / bare:.1f} (aim: at most {AIM})",
    ]


async def _measure(url: str, positions: int) -> tuple[float, float, int]:
    """Write the rows with one engine, and measure the next one's start until it trades."""
    journal = Database.at(url).journal(turnstile())
    await journal.open()
    tape = generated_tape(1, minutes=1)
    before = _paper(tape, journal, 1)
    await _start(before, 1)
    quick = await _fill(journal, tape.meta.pairs[0], positions)
    bare = time.perf_counter()
    for table in TABLES:
        await journal.rows(table)
    bare = time.perf_counter() - bare
    paper = _paper(tape, journal, 2)
    for platform, each in quick.items():
        paper.platforms.gateways[platform] = each  # type: ignore[index]
    began = time.perf_counter()
    await _start(paper, 2)
    whole = time.perf_counter() - began
    assert len(paper.engine.trades.positions) == positions, "every position was taken up"
    await journal.close()
    return bare, whole, sum(each.asked for each in quick.values())


def _paper(tape: Tape, journal: Journal, run: int) -> PaperRun:
    return build_paper(load(), tape, journal, SystemClock(), seed=1, run=run)


async def _start(paper: PaperRun, run: int) -> None:
    """Start an engine, including everything that must finish before it trades."""
    engine, meta = paper.engine, paper.tape.meta
    checks = (engine.reconciling.service.reconcile, engine.trading.take_up)
    opening = {platform: Money(Decimal(50_000)) for platform in Platform}
    await engine.lifecycle.start(
        meta.contracts,
        meta.pairs,
        opening,
        mode="paper",
        run=run,
        version="bench",
        checks=checks,
    )


async def _fill(
    journal: Journal, match: ContractMatch, positions: int
) -> dict[Platform, Quick]:
    """Write the rows and return platforms that know the orders."""
    quick = {platform: Quick(platform) for platform in Platform}
    at = SystemClock().now() - timedelta(hours=1)
    for number in range(positions):
        writes = _position(match, number, at, quick)
        await journal.commit(Batch(tuple(writes)))
    return quick


def _position(
    match: ContractMatch, number: int, at: datetime, quick: Mapping[Platform, Quick]
) -> list[Insert]:
    """Return the rows of one hedged position with resting orders."""
    name, rows, legs = f"bench-{number}", [], {}
    outcomes = {Platform.KALSHI: Outcome.YES, Platform.POLYMARKET: match.hedge(Outcome.YES)}
    for place, platform in enumerate(Platform):
        bare = _order(match, name, place, platform, outcomes[platform], at)
        order = bare.acknowledged(f"p-{bare.order_id}", NOTHING)
        fill = Fill(
            f"t-{order.order_id}", platform, order.order_id, order.outcome, Side.BUY,
            HALF, TEN, ZERO, Finality.SETTLED, at,
        )  # fmt: skip
        order = order.with_fill(fill)
        rows += [
            Insert("orders", ORDERS.row_of(order, position_id=name)),
            Insert("fills", FILLS.row_of(fill, execution_id=name, reported_at=at)),
        ]
        cost = Money(Decimal(5))
        legs[platform.value] = Holding(
            order.outcome, order.order_id, TEN, cost, cash=Money(Decimal(-5))
        )
        quick[platform].known[order.client_order_id] = OrderReport(
            f"p-{order.order_id}", (report_of(order, fill),), NOTHING
        )
    for place in range(2, 2 + RESTING):
        platform = Platform.KALSHI
        bare = _order(match, name, place, platform, Outcome.YES, at)
        order = replace(bare, side=Side.SELL).acknowledged(f"p-{bare.order_id}", TEN)
        rows.append(Insert("orders", ORDERS.row_of(order, position_id=name)))
        report = OrderReport(f"p-{order.order_id}", (), TEN)
        quick[platform].known[order.client_order_id] = report
    position = OpenPosition(
        name,
        match.match_id,
        name,
        legs["kalshi"],
        legs["polymarket"],
        ZERO,
        ZERO,
        PositionStatus.OPEN,
        at,
    )
    return [
        *_execution(position, name, at),
        *rows,
        Insert("open_positions", OPEN_POSITIONS.row_of(position)),
    ]


def _execution(position: OpenPosition, name: str, at: datetime) -> list[Insert]:
    opportunity = {
        "opportunity_id": name, "pair_id": position.pair_id, "direction": "kalshi_yes",
        "detected_at": at, "reason": None, "quantity": TEN, "gross_edge": "0",
        "net_edge": "0", "expected_profit": ZERO, "detail": None,
    }  # fmt: skip
    primary, secondary = (_leg(platform) for platform in Platform)
    hedged = Execution(name, position.pair_id, primary, secondary, phase=Phase.HEDGED)
    trade = PairTrade(Plan(name, "kalshi_yes", at, ZERO), hedged, position, ended_at=at)
    execution = EXECUTIONS.row_of(trade)
    return [Insert("opportunities", opportunity), Insert("executions", execution)]


def _leg(platform: Platform) -> LegState:
    """Return a leg of which all was sent and filled."""
    cost = Money(Decimal(5))
    return LegState(
        platform, planned=TEN, bound=HALF, even_bound=HALF, step=TEN, smallest=TEN,
        decided_cost=cost, sent=TEN, sent_cost=cost, filled=TEN, cost=cost,
    )  # fmt: skip


def _order(
    match: ContractMatch,
    name: str,
    place: int,
    platform: Platform,
    outcome: Outcome,
    at: datetime,
) -> Order:
    return Order(
        order_id=f"{name}-{place}",
        client_order_id=f"c-{name}-{place}",
        platform=platform,
        contract_id=match.contract(platform).contract_id,
        pair_id=match.match_id,
        execution_id=name,
        leg=Leg.PRIMARY if place == 0 else Leg.SECONDARY,
        purpose=Purpose.ENTRY if place < len(Platform) else Purpose.EXIT,
        outcome=outcome,
        side=Side.BUY,
        price=HALF,
        size=TEN,
        time_in_force=TimeInForce.GTC,
        created_at=at,
        working_size=TEN,
    )
