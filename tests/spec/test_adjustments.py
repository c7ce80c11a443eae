"""One more order of a position: its intent, its send, and what is booked of its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

import pytest
from support import traded
from support.clocks import START
from support.pairs import NOW, contract, pair
from support.traded import (
    CUP,
    KALSHI,
    NO,
    POLYMARKET,
    YES,
    Holder,
    entered,
    order,
    price,
    q,
    reservation,
    usd,
)

from dutchbook.application.orders.gate import Gate
from dutchbook.application.orders.questions import Questions
from dutchbook.application.pair_trades.adjustments import (
    Adjustments,
    CommandContext,
    Done,
    Plan,
)
from dutchbook.domain.capital.limits import Approved
from dutchbook.domain.events import Event, ExecutionFailed, FillSettled, Stamp
from dutchbook.domain.execution.order import Finality, Order, OrderStatus, Purpose, TimeInForce
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Side
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import OPPOSITE
from dutchbook.errors import Conflict, Halted, NotSent, OutcomeUnknown, PlatformRejected, Unfit
from dutchbook.ports.journal import Batch, Receipt
from dutchbook.ports.orders import FillReport, OrderReport

SECONDS = 5
CLOSE = Plan(KALSHI, YES, Side.SELL, q(10), price("0.38"), Purpose.UNWIND)
RETRY = Plan(POLYMARKET, NO, Side.BUY, q(10), price("0.53"), Purpose.HEDGE)
EXPOSED = entered(sizes=("10", "0"))
NOTE, SECOND_NOTE = (
    FillSettled(Stamp(name, NOW, "e"), "t", "o", KALSHI) for name in ("first", "second")
)


@dataclass
class Desk:
    """A gate and both platforms: what they are told, and what they answer."""

    holder: Holder
    answer: Any = None
    refusal: Refused | None = None
    seconds: float = 0
    sent: list[Order] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    failures: list[ExecutionFailed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.questions = Questions(self.holder.clock)
        holder = self.holder
        holder.committer.subscribe(self._failed)
        gateways: Any = {KALSHI: self, POLYMARKET: self}
        self.service = Adjustments(
            holder.risk,
            holder.trades,
            self.questions,
            cast("Gate", self),
            gateways,
            holder.clock,
            holder.ids,
            SECONDS,
        )

    def _failed(self, event: Event, sequence: int) -> None:
        if isinstance(event, ExecutionFailed) and sequence:
            self.failures.append(event)

    def prepare(self, order: Order) -> Order:
        return replace(order, signed=f"signed {order.order_id}")

    async def submit(self, approved: Approved[Order]) -> OrderReport:
        self.sent.append(approved.subject)
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast("OrderReport", self.answer)

    async def refresh_lease(self) -> None:
        """Do nothing: no lease has changed."""

    def approve(self, order: Order, epoch: int) -> Approved[Order] | Refused:
        self.told.append(("approve", order.order_id, epoch))
        return self.refusal or Approved(order, epoch)

    def plan(self, *terms: Any) -> None:
        self.told.append(("plan", *terms))

    def answered(self, order_id: str) -> None:
        self.told.append(("answered", order_id))

    def ended(self, execution_id: str) -> None:
        self.told.append(("ended", execution_id))


def run(
    work: Callable[[Desk], Awaitable[Any]],
    *kept: PairTrade,
    matches: tuple[ContractMatch, ...] = (CUP,),
) -> Any:
    async def main(holder: Holder) -> Any:
        await holder.keep(*(kept or (EXPOSED,)))
        return await work(Desk(holder))

    return traded.run(main, *matches)


def carried(plan: Plan, answer: Any = None, *kept: PairTrade, **desk: Any) -> tuple[Desk, Done]:
    """Return the desk after an order, and what it came to."""

    async def work(at: Desk) -> tuple[Desk, Done]:
        at.answer = answer
        for name, value in desk.items():
            setattr(at, name, value)
        return at, await at.service.carry("held-e", plan)

    found: tuple[Desk, Done] = run(work, *kept)
    return found


def answer(size: str = "0", working: str = "0", **more: Any) -> OrderReport:
    """Return a platform's report: `size` were filled at 50 cents."""
    trade = FillReport(
        platform=KALSHI,
        platform_order_id="x",
        client_order_id="c",
        trade_id="t",
        price=price("0.50"),
        size=q(size),
        fee=usd("0.03"),
        finality=Finality.PROVISIONAL,
        matched_at=NOW,
    )
    fills = (trade,) if q(size) else ()
    return OrderReport(platform_order_id="x", fills=fills, working=q(working), **more)


# Its intent -----------------------------------------------------------------------------------


def test_an_order_is_durable_as_planned_and_prepared_before_it_is_sent() -> None:
    at, done = carried(CLOSE, answer("10"))

    expected = Order(
        order_id="order 1 of e",
        client_order_id="client_order 1 of order 1 of e",
        platform=KALSHI,
        contract_id="kalshi-cup",
        pair_id="cup",
        execution_id="e",
        leg=Leg.SECONDARY,
        purpose=Purpose.UNWIND,
        outcome=YES,
        side=Side.SELL,
        price=price("0.38"),
        size=q(10),
        time_in_force=TimeInForce.IOC,
        created_at=START,
        signed="signed order 1 of e",
        working_size=q(10),
    )
    assert at.sent == [expected]
    assert done.order is not None
    assert replace(done.order, status=expected.status, version=1) == replace(
        expected, filled=q(10), cost=usd(5), fees=usd("0.03"), working_size=q(0),
        platform_order_id="x", reported=True,
    )  # fmt: skip
    assert at.told == [
        ("plan", "e", q(10), q(10)),
        ("approve", "order 1 of e", at.holder.risk.capital.state.epoch),
        ("answered", "order 1 of e"),
        ("ended", "e"),
    ]


def test_the_order_of_a_command_has_its_id_and_the_notes_go_with_it() -> None:
    context = CommandContext("command-1", notes=(SECOND_NOTE,))

    async def work(at: Desk) -> Any:
        at.answer = answer()
        plan = replace(CLOSE, asked=context, time_in_force=TimeInForce.FOK)
        await at.service.carry("held-e", plan, (NOTE,))
        rows = await at.holder.journal.rows("audit_log", None, ("sequence",))
        return at.sent, [row["event_id"] for row in rows]

    (sent,), log = run(work)

    assert (sent.order_id, sent.time_in_force) == ("command-1", TimeInForce.FOK)
    assert sent.client_order_id == "client_order 1 of command-1"
    first = log.index("first")
    assert log[first : first + 2] == ["first", "second"]


@pytest.mark.parametrize(
    ("plan", "amounts"),
    [
        (CLOSE, []),
        (RETRY, [Decimal("5.459550")]),
        (replace(CLOSE, side=Side.BUY, outcome=NO), [Decimal("3.969970")]),
    ],
    ids=["sale", "dollars on polymarket", "kalshi"],
)
def test_a_purchase_reserves_its_limit_and_the_worst_fees_and_a_sale_nothing(
    plan: Plan, amounts: list[Decimal]
) -> None:
    at, _ = carried(plan, OutcomeUnknown(KALSHI, "torn"))

    held = at.holder.trades.trade("e").reservations
    assert [each.amounts for each in held.values()] == [
        {plan.platform: amount} for amount in amounts
    ]


# Why none is placed ---------------------------------------------------------------------------


def test_beside_an_order_that_is_out_none_is_placed() -> None:
    out = EXPOSED.with_orders((order("s", side=Side.SELL),))

    at, done = carried(CLOSE, None, out)

    assert done == Done(out.position, None, "an order of this position still works")
    assert (at.sent, at.told, done.filled) == ([], [], q(0))


def test_a_purchase_that_cannot_be_reserved_is_not_placed() -> None:
    dear = replace(RETRY, size=q(10_000))

    at, done = carried(dear)

    assert done.position == EXPOSED.position
    assert done.order is None
    assert done.reason == "no reservation (insufficient_capital): 5459.000550 of 1000 free"
    assert (at.sent, at.told) == ([], [])


@pytest.mark.parametrize(
    ("conflict", "reason"),
    [
        (
            Halted("orders", "o", "a person halted"),
            "no reservation (trading_halted): orders o: a person halted",
        ),
        (
            Conflict("orders", "o", "taken"),
            "no reservation (rejected_by_database): orders o: taken",
        ),
    ],
)
def test_a_purchase_that_the_database_rejects_comes_to_nothing(
    conflict: Conflict, reason: str
) -> None:
    at, done = rejected(RETRY, conflict)

    assert done == Done(EXPOSED.position, None, reason)
    assert (at.sent, at.told) == ([], [])


def test_a_sale_that_a_halt_forbids_comes_to_nothing_and_any_other_conflict_is_raised() -> None:
    _, done = rejected(CLOSE, Halted("orders", "o", "a person halted"))

    assert done.reason == "orders o: a person halted"
    with pytest.raises(Conflict, match="taken"):
        rejected(CLOSE, Conflict("orders", "o", "taken"))


def rejected(plan: Plan, conflict: Conflict) -> tuple[Desk, Done]:
    async def work(at: Desk) -> tuple[Desk, Done]:
        async def commit(batch: Batch) -> Receipt:
            assert batch
            raise conflict

        cast("Any", at.holder.journal).commit = commit
        return at, await at.service.carry("held-e", plan)

    found: tuple[Desk, Done] = run(work)
    return found


OTHER = entered("f", prefix="f-")
"""Another position with ten YES on Kalshi."""
BUY_NO = Plan(KALSHI, NO, Side.BUY, q(11), price("0.62"), Purpose.UNWIND)


def complement(trade: PairTrade, size: str) -> PairTrade:
    leg = replace(trade.position.kalshi, complement=q(size))
    return replace(trade, position=replace(trade.position, kalshi=leg))


@pytest.mark.parametrize(
    ("plan", "kept", "undoes"),
    [
        (BUY_NO, (EXPOSED,), False),
        (BUY_NO, (EXPOSED, OTHER), True),
        (replace(BUY_NO, size=q(10)), (EXPOSED, OTHER), False),
        (replace(BUY_NO, outcome=YES, size=q(1)), (EXPOSED, OTHER), False),
        (replace(BUY_NO, outcome=YES, size=q(1)),
         (EXPOSED, entered("f", kalshi=NO, prefix="f-")), True),
        (replace(BUY_NO, outcome=YES, size=q(3)),
         (complement(EXPOSED, "3"), entered("f", kalshi=NO, prefix="f-")), False),
        (replace(BUY_NO, outcome=YES, size=q(4)),
         (complement(EXPOSED, "3"), entered("f", kalshi=NO, prefix="f-")), True),
        (replace(BUY_NO, side=Side.SELL, outcome=YES), (EXPOSED, OTHER), False),
        (replace(BUY_NO, platform=POLYMARKET), (EXPOSED, OTHER), False),
    ],
    ids=["alone", "another's", "its own", "the same outcome", "the other way", "its complement",
         "beyond its complement", "a sale", "not netted"],
)  # fmt: skip
def test_no_purchase_undoes_the_leg_of_another_position_on_kalshi(
    plan: Plan, kept: tuple[PairTrade, ...], *, undoes: bool
) -> None:
    at, done = carried(plan, answer(), *kept)

    assert (done.reason == OPPOSITE, not at.sent) == (undoes, undoes)


@pytest.mark.parametrize(("enters", "undoes"), [(YES, True), (NO, False)])
def test_no_purchase_undoes_what_a_running_execution_enters(
    enters: Outcome, *, undoes: bool
) -> None:
    first = order("f-k", outcome=enters, execution_id="f")
    begun = facts.Begun(NOW, first, reservation("f"))
    running = traded.played(begun, start=traded.bare("f", kalshi=enters))

    at, done = carried(BUY_NO, answer(), EXPOSED, running)

    assert (done.reason == OPPOSITE, not at.sent) == (undoes, undoes)


def test_nothing_is_bought_without_known_fees() -> None:
    free = pair(polymarket=contract(POLYMARKET, fees=None))

    async def work(at: Desk) -> None:
        with pytest.raises(AssertionError, match=r"^nothing is traded without known fees$"):
            await at.service.carry("held-e", RETRY)

    run(work, matches=(free,))


# What it came to ------------------------------------------------------------------------------


def test_an_order_that_filled_has_no_reason_and_counts_in_the_position() -> None:
    at, done = carried(CLOSE, answer("4"))

    assert (done.filled, done.reason, done.unknown) == (q(4), None, False)
    assert done.position.kalshi.size == 6
    assert done.position == at.holder.trades.of("held-e").position
    assert at.questions.count == 0


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (answer(), "nothing was filled"),
        (answer(refusal="too late"), "too late"),
    ],
)
def test_an_order_that_filled_nothing_says_why(report: OrderReport, reason: str) -> None:
    at, done = carried(CLOSE, report)

    assert done.order is not None
    assert done == Done(EXPOSED.position, done.order, reason)
    assert (done.filled, done.order.working_size) == (q(0), q(0))
    assert at.told[-2:] == [("answered", "order 1 of e"), ("ended", "e")]


@pytest.mark.parametrize(
    ("error", "refusal", "reason", "status", "code"),
    [
        (None, Refused("too_dear", "above", 3001), "too_dear", OrderStatus.CANCELLED, 3001),
        (NotSent(KALSHI, "no line"), None, "no line", OrderStatus.CANCELLED, 2002),
        (PlatformRejected(KALSHI, "no funds"), None, "no funds", OrderStatus.REJECTED, 2002),
    ],
)
def test_an_order_that_was_refused_comes_to_nothing(
    error: Exception | None,
    refusal: Refused | None,
    reason: str,
    status: OrderStatus,
    code: int,
) -> None:
    at, done = carried(CLOSE, error, refusal=refusal)

    assert done.order is not None
    assert done == Done(EXPOSED.position, done.order, reason)
    assert (done.order.status, done.order.working_size) == (status, q(0))
    assert [each.code for each in at.failures] == [code]
    assert at.told[-2:] == [("answered", "order 1 of e"), ("ended", "e")]
    assert at.questions.count == 0


TORN = OutcomeUnknown(KALSHI, "torn body")


@pytest.mark.parametrize(
    ("result", "desk", "reason"),
    [
        (TORN, {}, "torn body"),
        (answer("10"), {"seconds": SECONDS + 1}, "no answer within 5 s"),
        (answer("4", working="6"), {}, "the platform still works on it"),
    ],
)
def test_an_order_without_an_outcome_is_unknown_and_asked_about(
    result: Any, desk: dict[str, Any], reason: str
) -> None:
    at, done = carried(CLOSE, result, **desk)

    assert done.order is not None
    assert done == Done(EXPOSED.position, done.order, reason, unknown=True)
    assert (done.order.outcome_unknown_since, done.order.working_size) == (START, q(10))
    assert (at.questions.count, at.questions.asks_on("cup")) == (1, True)
    assert at.holder.trades.of_order("order 1 of e").orders["order 1 of e"] == done.order


@pytest.mark.parametrize(
    ("term", "works"),
    [
        (TimeInForce.IOC, False),
        (TimeInForce.FOK, False),
        (TimeInForce.GTC, True),
        (TimeInForce.GTD, True),
    ],
)
def test_only_an_order_that_may_rest_still_works_after_its_answer(
    term: TimeInForce, *, works: bool
) -> None:
    _, done = carried(replace(CLOSE, time_in_force=term), answer("4", working="6"))

    assert done.order is not None
    assert done.unknown is not works
    assert (done.filled, done.order.working_size) == ((q(4), q(6)) if works else (q(0), q(10)))


def test_what_cannot_be_stored_of_an_answer_is_asked_about_and_raised() -> None:
    async def work(at: Desk) -> Any:
        at.answer = answer("10")
        commit, commits = at.holder.journal.commit, 0

        async def committed(batch: Batch) -> Receipt:
            nonlocal commits
            commits += 1
            if commits == 2:
                raise Unfit("fills", "price", "too long")
            return await commit(batch)

        cast("Any", at.holder.journal).commit = committed
        with pytest.raises(Unfit):
            await at.service.carry("held-e", CLOSE)
        return at.questions.count, at.told[-1]

    assert run(work) == (1, ("ended", "e"))


def test_an_outcome_that_is_unknown_already_stays_so_since_then() -> None:
    async def work(at: Desk) -> Any:
        at.answer, at.seconds = TORN, 3
        submit = at.submit

        async def lost(approved: Approved[Order]) -> OrderReport:
            unknown = facts.OutcomeUnknown(NOW, approved.subject.order_id, "before")
            await at.holder.trades.book("e", unknown)
            return await submit(approved)

        cast("Any", at).submit = lost
        told = await at.holder.told()
        done = await at.service.carry("held-e", CLOSE)
        names = (await at.holder.told())[len(told) :]
        return done, names

    done, names = run(work)

    assert (done.unknown, done.reason) == (True, "torn body")
    assert done.order.outcome_unknown_since == NOW
    assert len(names) == 2
