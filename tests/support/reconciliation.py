"""Inputs of a reconciliation: an order in every local state, every kind of answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, TimeInForce, Totals
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.reconciliation.compare import compare
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    Discrepancy,
    Involvement,
    Repair,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    FillReport,
    ListedOrder,
    NotFound,
    OrderReport,
    PlatformState,
    Stale,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money, Price, Quantity
from support.pairs import NOW

SENT = NOW - timedelta(minutes=10)
TEN, FOUR, SIX = (Quantity(Decimal(each)) for each in (10, 4, 6))
HALF, CENT = Price(Decimal("0.5")), Money(Decimal("0.01"))
POSITION = "position-1"
GRACE = timedelta(seconds=60)
ABSENT = NotFound(NOW, SENT + timedelta(seconds=30))
LOCAL = (
    "none", "intent", "unknown", "working", "partly filled", "filled", "cancelled", "rejected",
)  # fmt: skip
PLATFORM = (
    "none", "working", "partly filled", "filled", "cancelled", "rejected", "query failed",
    "query stale",
)  # fmt: skip
SETTLEMENT = {
    "n/a": None,
    "provisional": Finality.PROVISIONAL,
    "final": Finality.SETTLED,
    "failed": Finality.FAILED,
}


def account(platform: Platform) -> AccountKey:
    return AccountKey(platform, "main", "USD")


def order(platform: Platform = Platform.POLYMARKET, **facts: object) -> Order:
    """Return an order for ten NO at 50 cents that has not been sent yet."""
    made = Order(
        order_id=f"{platform}-order",
        client_order_id=f"{platform}-key",
        platform=platform,
        contract_id=f"{platform}-cup",
        pair_id="cup",
        execution_id="execution-1",
        leg=Leg.SECONDARY,
        purpose=Purpose.HEDGE,
        outcome=Outcome.NO,
        side=Side.BUY,
        price=HALF,
        size=TEN,
        time_in_force=TimeInForce.IOC,
        created_at=SENT,
        working_size=TEN,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def report(
    trade_id: str,
    size: Decimal,
    finality: Finality = Finality.PROVISIONAL,
    platform: Platform = Platform.POLYMARKET,
    **facts: object,
) -> FillReport:
    made = FillReport(
        platform=platform,
        platform_order_id=f"{platform}-7",
        client_order_id=f"{platform}-key",
        trade_id=trade_id,
        price=HALF,
        size=Quantity(size),
        fee=CENT,
        finality=finality,
        matched_at=SENT + timedelta(seconds=1),
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def ours_with(
    placed: Order,
    fills: tuple[Fill, ...] = (),
    status: PositionStatus = PositionStatus.SINGLE_LEG_EXPOSED,
) -> OurState:
    """Return our state: `placed` with `fills` applied, and ten YES on the other platform."""
    for fill in fills:
        placed = placed.with_fill(fill)
    platform = placed.platform
    first = order(platform.other, leg=Leg.PRIMARY, outcome=Outcome.YES, purpose=Purpose.ENTRY)
    whole = OurOrder(first, account(platform.other), position_id=POSITION).fill_of(
        report("t0", TEN, Finality.SETTLED, platform.other)
    )
    first = first.acknowledged(f"{platform.other}-7", TEN).with_fill(whole)
    orders = (
        OurOrder(first, account(platform.other), (whole,), POSITION),
        OurOrder(placed, account(platform), fills, POSITION),
    )
    legs = {
        each.order.platform.value: Holding(
            each.order.outcome,
            each.order.order_id,
            each.order.filled,
            each.order.cost,
            each.order.fees,
        )
        for each in orders
    }
    position = OpenPosition(
        position_id=POSITION,
        pair_id="cup",
        execution_id="execution-1",
        kalshi=legs["kalshi"],
        polymarket=legs["polymarket"],
        expected_edge=CENT,
        divergence_reserve=CENT,
        status=status,
        opened_at=SENT,
    )
    held = {
        (each.order.platform, each.order.contract_id, each.order.outcome): each.order.filled
        for each in orders
    }
    cash = {each.account: 100 - each.order.cost - each.order.fees for each in orders}
    return OurState(orders, (position,), held, cash)


def local(state: str, platform: Platform = Platform.POLYMARKET) -> OurState:
    """Return our state with the order in one of `LOCAL`; our fills are provisional."""
    sent = order(platform)
    known = sent.acknowledged(f"{platform}-7", TEN)
    first, second = (
        OurOrder(sent, account(platform)).fill_of(report(name, size, platform=platform))
        for name, size in (("t1", FOUR), ("t2", SIX))
    )
    match state:
        case "none":
            made = ours_with(sent)
            return replace(made, orders=made.orders[:1])
        case "intent":
            return ours_with(sent)
        case "unknown":
            return ours_with(sent.unknown(SENT + timedelta(seconds=15)))
        case "working":
            return ours_with(known)
        case "partly filled":
            return ours_with(known, (first,))
        case "filled":
            return ours_with(known, (first, second), PositionStatus.OPEN)
        case "cancelled":
            return ours_with(known.ended())
        case _:
            return ours_with(sent.refused("invalid_price"))


def whole_report(
    platform_order_id: str,
    fills: tuple[FillReport, ...],
    working: Quantity,
    refusal: str | None = None,
    stated: Totals | None = None,
) -> OrderReport:
    """Return a report that lists every trade of an order."""
    return OrderReport(platform_order_id, fills, working, refusal, stated, whole=True)


def found(
    platform: Platform, filled: Decimal, working: Decimal, **facts: object
) -> OrderReport:
    """Return a platform's order record; its trades come in the account's list."""
    stated = Totals(Quantity(filled), Money(filled / 2), CENT) if filled else None
    made = whole_report(f"{platform}-7", (), Quantity(working), stated=stated)
    return replace(made, **facts)  # type: ignore[arg-type]


def answer(kind: str, platform: Platform) -> Answer:
    """Return the platform's answer about the order, one of `PLATFORM`."""
    answers: dict[str, Answer] = {
        "none": ABSENT,
        "working": found(platform, NOTHING, TEN),
        "partly filled": found(platform, FOUR, SIX),
        "filled": found(platform, TEN, NOTHING),
        "cancelled": found(platform, NOTHING, NOTHING),
        "rejected": found(platform, NOTHING, NOTHING, refusal="invalid_order"),
        "query failed": Unavailable("timed out"),
        "query stale": Stale(SENT - timedelta(seconds=1)),
    }
    return answers[kind]


def theirs(local_state: str, kind: str, settlement: str, platform: Platform) -> PlatformState:
    """Return the platform state in one cell of the matrix.

    The account's list of trades shows fills with the finality that `settlement` names, and
    none for n/a: all ten contracts where the order is not shown at all, else four or ten.
    """
    finality = SETTLEMENT[settlement]
    silent = kind in ("none", "query failed", "query stale")
    whole = kind == "filled" or (silent and local_state != "partly filled")
    trades = (("t1", FOUR), ("t2", SIX))[: 2 if whole else 1]
    listed = tuple(report(n, s, finality, platform) for n, s in trades) if finality else ()
    reply = answer(kind, platform)
    if local_state != "none":
        statement = Statement({f"{platform}-order": reply}, listed)
    else:
        statement = Statement({}, (), _listed(reply, platform), strange=listed)
    return PlatformState(NOW, {platform: statement, platform.other: Statement()})


def _listed(reply: Answer, platform: Platform) -> tuple[ListedOrder, ...] | Unavailable | Stale:
    """Return the account's list of orders, for the case where we have no order to ask about."""
    if not isinstance(reply, OrderReport):
        return () if isinstance(reply, NotFound) else reply
    filled = reply.stated.filled if reply.stated else NOTHING
    return (
        ListedOrder(
            platform=platform,
            platform_order_id=reply.platform_order_id,
            client_order_id=f"{platform}-key",
            contract_id=f"{platform}-cup",
            outcome=Outcome.NO,
            side=Side.BUY,
            size=TEN,
            filled=filled,
            working=reply.working,
            ours_by_pattern=True,
        ),
    )


def past_grace(ours: OurState, reply: PlatformState) -> OurState:
    """Return our state as an earlier pass left it, with doubts five minutes old."""
    since = NOW - timedelta(minutes=5)
    return replace(ours, doubted={each.key: since for each in diff(ours, reply, GRACE)})


def diff(ours: OurState, theirs: PlatformState, grace: timedelta) -> tuple[Discrepancy, ...]:
    """Return the differences between our state and the platforms'."""
    return compare(ours, theirs, grace).discrepancies


@dataclass(frozen=True)
class AskPerson:
    """A difference about which a person must decide."""

    discrepancy: Discrepancy


Proposal = Repair | AskAgain | AskPerson


def propose(
    left: Iterable[Discrepancy], ours: OurState, theirs: PlatformState, grace: timedelta
) -> tuple[Proposal, ...]:
    """Return repairs, questions, and the decisions about those differences that are left."""
    compared = compare(ours, theirs, grace)
    decisions = (AskPerson(d) for d in left if d.involvement is Involvement.DECIDES)
    return (*compared.repairs, *compared.questions, *decisions)


def repairs_of(proposals: Iterable[Proposal]) -> list[Repair]:
    """Return the repairs among proposals."""
    return [each for each in proposals if not isinstance(each, AskAgain | AskPerson)]
