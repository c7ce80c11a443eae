"""Settings that decide whether, and how, a pair is entered."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from support.bench import KALSHI, POLYMARKET, Bench, Ended, bench
from support.pairs import NOW, pair
from support.runs import HELD, play
from support.tapes import CHEAP, polls

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.execution.order import Order, Purpose
from dutchbook.domain.values.units import NOTHING, Price, Quantity, plain
from probes.row import Row

DEEP = ({38: "5000"}, {40: "5000"}), ({47: "5000"}, {49: "5000"})
"""Seven cents of edge, for any size: YES for 40 on Kalshi, NO for 53 on Polymarket."""
SMALL = ({38: "5000"}, {40: "100"}), ({47: "100"}, {49: "5000"})
"""The same for a hundred contracts."""
SLIM = ({2: "5000"}, {10: "100"}), ({12: "100"}, {14: "5000"})
"""Two cents of it, of which fees leave one; the first leg is sold again for eight less."""


def show(at: Bench, books: Any = DEEP) -> None:
    at.show(POLYMARKET, *books[1])
    at.show(KALSHI, *books[0])


def outcome(run: Ended, *, refused: bool = False) -> str:
    """Return "entered", or the reason why not, or "nothing" if there was none.

    `refused`: Something else was entered before.
    """
    if run.tables["orders"] and not refused:
        return "entered"
    reasons = [json.loads(row["payload"])["reason"] for row in run.events(FILTERED)]
    return str(reasons[-1]) if reasons else "nothing"


FILTERED = "detection.opportunity.filtered"


def entered(books: Any = SMALL) -> Callable[..., str]:
    """Return a probe: does an edge of seven cents lead to an entry, and why not?"""

    async def work(at: Bench) -> None:
        show(at, books)
        await at.rest(1)

    return lambda *settings: outcome(bench(work, *settings))


def size(*settings: str) -> Decimal:
    """How many contracts does the first order buy where the books are deep?"""

    async def work(at: Bench) -> Decimal:
        show(at)
        await at.rest(1)
        return at.orders()[0].size

    return Decimal(bench(work, *settings).answer)


def cluster_size(*settings: str) -> Decimal:
    """The same, of a pair in a cluster."""
    run = play(*settings, tape=polls(CHEAP, CHEAP, match=pair(cluster="finals")))
    return Decimal(run.tables["orders"][0]["size"])


def profit(*settings: str) -> str:
    """What is a pair that is entered expected to bring?"""

    async def work(at: Bench) -> None:
        show(at, SMALL)
        await at.rest(1)

    (row,) = bench(work, *settings).tables["opportunities"]
    return plain(row["expected_profit"])


def oldest_book(*settings: str) -> int:
    """How old may a book be, in whole seconds, so that an edge with it is entered?"""

    def after(seconds: int) -> Callable[[Bench], Awaitable[None]]:
        async def work(at: Bench) -> None:
            at.show(POLYMARKET, *SMALL[1])
            await at.rest(seconds)
            at.show(KALSHI, *SMALL[0])
            await at.rest(0.1)

        return work

    ages = range(1, 12)
    return max(s for s in ages if outcome(bench(after(s), *settings)) == "entered")


def entries(*settings: str) -> int:
    """How often is a pair entered whose edge stays the same?"""

    async def work(at: Bench) -> None:
        for _ in range(30):
            show(at)
            await at.rest(1)

    beside = ("paper.replenishment=every", "execution.cool_down_seconds=0", *HELD)
    return len(bench(work, *beside, *settings).tables["executions"])


def suspended(*settings: str) -> int | None:
    """After how many seconds is a pair suspended whose edge of 4.5 cents stays the same?"""

    async def work(at: Bench) -> None:
        for _ in range(30):
            show(at)
            await at.rest(1)

    found = [
        (row["occurred_at"] - NOW) // timedelta(seconds=1)
        for row in bench(work, *settings).events("pair.decided")
        if json.loads(row["payload"])["decision"] == "disabled"
    ]
    return found[0] if found else None


def pause(*settings: str) -> int:
    """How many seconds after an execution does the next one begin?"""

    async def work(at: Bench) -> None:
        for _ in range(40):
            show(at, SMALL)
            await at.rest(1)

    rows = bench(work, "paper.replenishment=every", *settings).tables["executions"]
    first, second = sorted(rows, key=lambda row: row["started_at"])[:2]
    return int((second["started_at"] - first["ended_at"]) / timedelta(seconds=1))


def second_order(polymarket: Any, real: Any, *settings: str) -> Order:
    """Return the second order of an execution that Polymarket begins, deep on Kalshi."""

    async def work(at: Bench) -> Order:
        at.show(POLYMARKET, *polymarket)
        at.show(KALSHI, *DEEP[0])
        at.moved(POLYMARKET, *real)
        await at.rest(1)
        return at.orders()[1]

    order: Order = bench(work, *settings, first=POLYMARKET).answer
    return order


def hedge_limit(*settings: str) -> str:
    """What is the limit of the second leg, where leaving the first would be dear?"""
    wide = ({47: "100"}, {70: "500"})
    return plain(second_order(wide, wide, *settings).price)


def rebalanced(*settings: str) -> str:
    """How much is hedged after a first leg of 100 that bought 106 for its dollars?"""
    usual, better = ({47: "100"}, {49: "500"}), ({50: "500"}, {60: "500"})
    return plain(second_order(usual, better, *settings).size)


def queued(*settings: str) -> int:
    """How many opportunities wait in a queue that nobody empties?"""

    async def work(at: Bench) -> int:
        offered: list[Any] = []
        at.engine.queue.offer = offered.append  # type: ignore[method-assign,assignment]
        show(at, SMALL)
        (one,) = offered
        del at.engine.queue.offer
        for number in range(400):
            match = replace(one.match, match_id=f"pair {number}")
            if at.engine.queue.offer(replace(one, match=match)) is not None:
                break
        at.engine.queue._waiting.clear()
        return number

    return int(bench(work, *settings).answer)


def halted_after(*settings: str) -> str:
    """Does a loss of some five dollars halt trading?"""

    async def work(at: Bench) -> bool:
        await at.expose(asks={49: "500"}, bids={20: "500"})
        at.show(KALSHI, {35: "500"}, {37: "500"})
        await at.told("close_leg", position=at.id)
        return at.engine.risk.capital.state.trading_halted

    run = bench(work, *settings)
    return f"{'halted' if run.answer else 'trading'} after {run.position['realised_pnl']:.2f}"


def disabled_after(*settings: str) -> int:
    """After how many failed executions in a row is a pair disabled?"""
    run = play(
        "paper.fault_rejected=1000000",
        "execution.cool_down_seconds=0",
        *settings,
        tape=polls(*[CHEAP] * 20),
    )
    return len(run.tables["executions"])


def day_begins(*settings: str) -> int:
    """At which hour did the trading day begin?"""
    (state,) = play(*settings, tape=polls(CHEAP)).tables["risk_states"]
    return int(state["last_reset_timestamp"].hour)


def open_pairs(*settings: str) -> int:
    """How many of six pairs are entered if no position is ever left?"""
    run = play(*HELD, *settings, tape=generated_tape(7, minutes=20, pairs=6))
    return len({row["pair_id"] for row in run.tables["open_positions"]})


def approved(price: str, count: str = "1", purpose: Purpose = Purpose.ENTRY) -> Any:
    """Return a probe: how many such orders does the gate let through within a minute?"""

    async def work(at: Bench) -> int:
        show(at)
        await at.rest(1)
        gate, order = at.engine.trading.gate, at.orders()[0]
        gate.plan("planned", Quantity(Decimal(1_000_000)), NOTHING)
        for number in range(50):
            made = replace(
                order,
                order_id=f"o{number}",
                client_order_id=f"c{number}",
                execution_id="planned",
                purpose=purpose,
                price=Price(Decimal(price)),
                size=Quantity(Decimal(count) + number),
            )
            if not hasattr(gate.approve(made, at.engine.risk.capital.state.epoch), "epoch"):
                return number
        return number

    return lambda *settings: bench(work, *settings).answer


YEARLY = "detection.yearly_return=2.8"
ROWS = (
    Row(
        "detection.minimum_net_edge",
        entered(),
        {"0.045": "entered", "0.046": "below_minimum_edge"},
    ),
    Row(
        "detection.suspicious_edge", entered(), {"0.07": "entered", "0.0699": "suspicious_edge"}
    ),
    Row("detection.yearly_return", entered(), {"2.53": "entered", "2.54": "below_hurdle_rate"}),
    Row(
        "detection.kalshi_interest",
        entered(),
        {"0.62": "entered", "0.6": "below_hurdle_rate"},
        (YEARLY,),
    ),
    Row(
        "detection.polymarket_interest",
        entered(),
        {"0.48": "entered", "0.46": "below_hurdle_rate"},
        (YEARLY,),
    ),
    Row(
        "detection.minimum_fill_share",
        entered(),
        {"0.31": "entered", "0.32": "insufficient_depth"},
    ),
    Row(
        "detection.book_age_seconds",
        oldest_book,
        {3: 3, 7: 7},
        ("detection.books_apart_ms=20000",),
        at="entry",
    ),
    Row("detection.books_apart_ms", oldest_book, {2_000: 2, 4_000: 4}),
    Row("detection.persistent_looks", suspended, {5: 4, 20: 19, 0: None}),
    Row(
        "detection.persistent_edge",
        suspended,
        {"0.04": 9, "0.05": None},
        ("detection.persistent_looks=10",),
    ),
    Row(
        "detection.costs_add_up",
        entered(SLIM),
        {"true": "below_minimum_edge", "false": "entered"},
    ),
    Row("detection.edge_slope", entries, {"0.1": 7, "0.2": 5}),
    Row(
        "detection.closing_window_seconds",
        entered(),
        {518_390: "entered", 518_410: "closing_soon"},
    ),
    Row("detection.gas", profit, {0: "4.5727", "1.5": "3.0727"}, at="entry"),
    Row("execution.cool_down_seconds", pause, {7: 7, 13: 13}),
    Row(
        "execution.rescue_limit",
        hedge_limit,
        {"0.03": "0.5", "0.05": "0.52"},
        ("risk.price_collar=0.3",),
        at="hedge",
    ),
    Row("execution.true_up_share", rebalanced, {"0.03": "103", "0.05": "105"}),
    Row("execution.queue_bound", queued, {7: 7, 19: 19}),
    Row("risk.bankroll", size, {1_000: Decimal(32), 2_000: Decimal(64)}),
    Row("risk.position_share", size, {"0.01": Decimal(107), "0.02": Decimal(215)}),
    Row("risk.max_open_pairs", open_pairs, {2: 2, 3: 3}),
    Row(
        "risk.daily_loss_share",
        halted_after,
        {"0.0008": "halted after -8.27", "0.002": "trading after -8.27"},
    ),
    Row(
        "risk.count_unhedged",
        halted_after,
        {"true": "halted after -8.27", "false": "trading after -8.27"},
        ("risk.daily_loss_share=0.0009",),
    ),
    Row("risk.platform_share", size, {"0.01": Decimal(156), "0.011": Decimal(171)}),
    Row("risk.reset_hour_utc", day_begins, {5: 5, 17: 17}),
    Row(
        "risk.price_collar",
        hedge_limit,
        {"0.05": "0.45", "0.07": "0.47"},
        ("execution.rescue_limit=0.3",),
        at="hedge",
    ),
    Row("risk.price_collar", approved("0.52"), {"0.11": 0, "0.12": 49}, at="gate"),
    Row("risk.order_share", approved("0.40", "1230"), {"0.05": 20, "0.0493": 2}),
    Row("risk.orders_per_minute", approved("0.40"), {7: 5, 11: 9}, at="entries"),
    Row(
        "risk.orders_per_minute",
        approved("0.40", purpose=Purpose.HEDGE),
        {7: 12, 11: 20},
        at="hedges",
    ),
    Row("risk.failures_before_disable", disabled_after, {3: 3, 5: 5}),
    Row("risk.pair_share", size, {"0.01": Decimal(90), "0.011": Decimal(99)}),
    Row("risk.cluster_share", cluster_size, {"0.01": Decimal(90), "0.011": Decimal(99)}),
)
"""Two orders of an execution were sent before those that the gate is asked about."""
