"""An engine with an order in a chosen local state, and a platform with chosen answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from independent import states

from dutchbook.bootstrap.engine import Engine
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.ledger import AccountKey
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import DUST, OpenPosition
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.reconciliation.findings import (
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    NotFound,
    OrderReport,
    PlatformState,
    Statement,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money, Quantity
from dutchbook.errors import OutcomeUnknown
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.account import ListedOrder, Listing, NamedCash, PlatformBalance
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.orders import FillReport
from dutchbook.ports.settlement import RequestState
from dutchbook.ports.tables.trading import FILLS, OPEN_POSITIONS, ORDERS
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape
from support import reconciliation_matrix as matrix
from support.memory_journal import MemoryJournal
from support.pairs import NOW, pair
from support.reconciliation import (
    ABSENT,
    FOUR,
    GRACE,
    POSITION,
    SENT,
    SIX,
    TEN,
    AskPerson,
    diff,
    local,
    past_grace,
    propose,
    report,
    theirs,
    whole_report,
)
from support.rows import everything
from support.second_books import apply

STATES = (
    "intent", "unknown", "working", "partly filled", "filled", "cancelled", "rejected",
)  # fmt: skip
FINALITIES = (Finality.PROVISIONAL, Finality.SETTLED, Finality.FAILED)
SAID: dict[str, tuple[Decimal, Quantity] | None] = {
    "none": None,
    "query failed": None,
    "query stale": None,
    "rejected": (NOTHING, NOTHING),
    "working": (NOTHING, TEN),
    "cancelled": (NOTHING, NOTHING),
    "partly filled": (FOUR, SIX),
    "filled": (TEN, NOTHING),
    "part then cancelled": (FOUR, NOTHING),
}
"""What a platform can report of an order through the port: contracts filled and working."""


@dataclass(frozen=True)
class Cell:
    """A local state, the platform's report, and the finality of its trades (None: no trade)."""

    state: str
    said: str
    finality: Finality | None

    def __str__(self) -> str:
        return f"{self.state}, {self.said}, {self.finality or 'n/a'}"

    def answer(self, platform: Platform) -> Answer:
        """Return the report in the form that the comparison takes."""
        amounts = SAID[self.said]
        if amounts is None:
            stale = self.said == "query stale"
            as_of = SENT - timedelta(seconds=1) if stale else NOW
            failed = Unavailable("timed out")
            return failed if self.said == "query failed" else replace(ABSENT, as_of=as_of)
        filled, working = amounts
        trades = (("t1", FOUR), ("t2", SIX))[: 2 if filled == TEN else 1 if filled else 0]
        fills = tuple(
            report(name, size, self.finality or Finality.SETTLED, platform)
            for name, size in trades
        )
        refusal = "invalid_order" if self.said == "rejected" else None
        return whole_report(f"{platform}-7", fills, working, refusal)


def cells() -> list[Cell]:
    """Return every cell that the port can express."""
    return [
        Cell(state, said, finality)
        for state in STATES
        for said, amounts in SAID.items()
        for finality in (FINALITIES if amounts and amounts[0] else (None,))
    ]


@dataclass
class Told:
    """A gateway with preset answers."""

    platform: Platform
    answers: dict[str, Answer] = field(default_factory=dict)
    listed: list[ListedOrder] = field(default_factory=list)
    traded: list[FillReport] = field(default_factory=list)
    named: list[NamedCash] = field(default_factory=list)
    held: dict[str, dict[Outcome, Quantity]] = field(default_factory=dict)
    cash: Money | None = None
    paid: dict[str, Result] = field(default_factory=dict)
    as_of: datetime | None = NOW
    away: bool = False
    whole: bool = True
    asked: list[str] = field(default_factory=list)
    _newest: int = 0

    async def ping(self) -> None:
        self.asked.append("ping")
        if self.away:
            raise OutcomeUnknown(self.platform, "away")

    async def reads_as_of(self) -> datetime | None:
        """Return the time of a read; lists have one, and are compared, only if cash is set."""
        self._newest += 1
        lists = self._newest % 2 == 0
        stale = any(
            isinstance(each, NotFound) and each.as_of and each.as_of < SENT
            for each in self.answers.values()
        )
        if lists:
            return self.as_of if self.cash is not None else None
        return SENT - timedelta(seconds=1) if stale else self.as_of

    async def find_order(self, order: Order) -> OrderReport | None:
        self.asked.append(order.client_order_id)
        match self.answers.get(order.client_order_id, ABSENT):
            case OrderReport() as found:
                return OrderReport(
                    found.platform_order_id,
                    found.fills,
                    found.working,
                    found.refusal,
                    whole=not found.working,
                )
            case NotFound():
                return None
            case other:
                raise OutcomeUnknown(self.platform, str(other))

    def arrives_until(self, order: Order) -> datetime:
        return order.created_at + timedelta(seconds=30)

    async def orders(self) -> Listing[ListedOrder]:
        self.asked.append("orders")
        return Listing(tuple(self.listed))

    async def trades(self, since: datetime) -> Listing[FillReport]:
        self.asked.append("trades")
        traded = tuple(each for each in self.traded if each.matched_at >= since)
        return Listing(traded, complete=self.whole)

    async def movements(self, since: datetime | None) -> Listing[NamedCash]:
        self.asked.append(f"movements since {since}")
        return Listing(tuple(self.named), complete=self.whole)

    async def positions(self) -> Mapping[str, Mapping[Outcome, Quantity]]:
        self.asked.append("positions")
        return self.held

    async def results(self, contract_ids: Sequence[str]) -> Mapping[str, Result]:
        return {each: self.paid[each] for each in contract_ids if each in self.paid}

    async def merge(self, contract_id: str, size: Quantity, request_id: str) -> None:
        self.asked.append("merge")
        raise OutcomeUnknown(self.platform, f"{size} of {contract_id}: {request_id} is lost")

    async def merged(self, request_id: str, requested_at: datetime) -> RequestState:
        self.asked.append(f"merged {request_id} of {requested_at}")
        return RequestState.PENDING

    async def balances(self) -> Mapping[AccountKey, PlatformBalance]:
        self.asked.append("balance")
        shown = PlatformBalance(self.cash or Money(NOTHING), Money(NOTHING))
        return {ACCOUNTS[self.platform]: shown}

    async def run(self) -> None:
        """Keep no connection."""

    async def close(self) -> None:
        """Close none."""


@dataclass
class At:
    """An engine that holds one position, and the preset gateway of each platform."""

    paper: PaperRun
    platform: Platform
    ours: OurState
    told: dict[Platform, Told]

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.paper.engine

    @property
    def service(self) -> Any:
        return self.engine.reconciling.service

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return await self.engine.journal.rows(table)

    async def order(self) -> dict[str, Any]:
        name = f"{self.platform}-order"
        return (await self.engine.journal.rows("orders", {"order_id": name}))[0]

    async def position(self) -> dict[str, Any]:
        return (await self.rows("open_positions"))[0]

    async def names(self) -> list[str]:
        return [row["name"] for row in await self.rows("audit_log")]


def says(at: At, answer: Answer) -> None:
    """Set the platform's answer about the order, and make every doubt older than the grace."""
    at.told[at.platform].answers[f"{at.platform}-key"] = answer
    pure = PlatformState(NOW, {at.platform: Statement({f"{at.platform}-order": answer})})
    since = NOW - timedelta(minutes=5)
    at.service._doubts = {each.key: since for each in diff(at.ours, pure, GRACE)}


Work = Callable[[At], Awaitable[Any]]


def beside(
    state: str,
    work: Work,
    platform: Platform = Platform.POLYMARKET,
    journal: Any = None,
    *settings: str,
    change: Callable[[OurState], OurState] = lambda ours: ours,
) -> Any:
    """Do `work` with an engine whose only position has an order in a local state."""
    return run_virtual(
        started(state, work, platform, journal or MemoryJournal(), settings, change)
    )


async def started(
    state: str,
    work: Work,
    platform: Platform,
    journal: Any,
    settings: tuple[str, ...] = (),
    change: Callable[[OurState], OurState] = lambda ours: ours,
) -> Any:
    match, ours = pair(), change(local(state, platform))
    meta = _meta(match)
    clock = TapeClock(NOW)
    paper = build_paper(load(None, settings), MemoryTape(meta, []), journal, clock, seed=1)
    engine, gateways = paper.engine, paper.platforms.gateways
    opening = {each: Money(Decimal(1_000)) for each in Platform}
    await engine.lifecycle.start(
        (match.kalshi, match.polymarket), (match,), opening, mode="paper", run=1, version="x"
    )
    await journal.commit(Batch(tuple(_rows(ours))))
    engine.trades.take_up(await engine.trading.loader.load())
    await engine.reconciling.service._recount()
    told = {each: Told(each) for each in Platform}
    for where, gateway in told.items():
        gateways[where] = gateway  # type: ignore[index]
    return await work(At(paper, platform, ours, told))


def _meta(match: Any) -> Any:
    meta = generated_tape(1, minutes=1).meta
    return replace(meta, contracts=(match.kalshi, match.polymarket), pairs=(match,))


def _rows(ours: OurState) -> list[Insert]:
    """Return the rows of our state, with the execution that they belong to."""
    base = {each.table: dict(each.row) for each in everything() if each.table in _BASE}
    ids = {"execution_id": "execution-1", "opportunity_id": "opportunity-1", "pair_id": "cup"}
    opportunity = base["opportunities"] | {k: ids[k] for k in ("opportunity_id", "pair_id")}
    execution = base["executions"] | ids | {"ended_at": SENT, "phase": "exposed"}
    rows = [Insert("opportunities", opportunity), Insert("executions", execution)]
    (position,) = (_rowed(each, ours) for each in ours.positions)
    for each in ours.orders:
        rows.append(Insert("orders", ORDERS.row_of(each.order) | {"position_id": POSITION}))
        rows += [
            Insert("fills", FILLS.row_of(f, execution_id="execution-1", reported_at=SENT))
            for f in each.fills
        ]
    rows.append(Insert("open_positions", OPEN_POSITIONS.row_of(position)))
    return rows


def _rowed(position: OpenPosition, ours: OurState) -> OpenPosition:
    """Return the position without the ids of orders that our state does not have."""
    placed = {each.order.order_id for each in ours.orders}
    legs = {
        platform.value: leg if leg.order_id in placed else replace(leg, order_id=None)
        for platform in Platform
        for leg in (position.holding(platform),)
    }
    return replace(position, kalshi=legs["kalshi"], polymarket=legs["polymarket"])


_BASE = ("opportunities", "executions")


def expected(at: At, cell: Cell) -> Any:
    """Return the order in a cell after the pure comparison."""
    answer = cell.answer(at.platform)
    pure = PlatformState(NOW, {at.platform: Statement({f"{at.platform}-order": answer})})
    ours = replace(at.ours, doubted=dict(at.service._doubts))
    after = apply(ours, propose(diff(ours, pure, GRACE), ours, pure, GRACE), dust=DUST)
    return next(o for o in after.orders if o.order.platform is at.platform)


async def both(at: At, cell: Cell) -> None:
    """Compare twice: the records become what the pure comparison proposes, and stay so."""
    says(at, cell.answer(at.platform))
    wanted = expected(at, cell)

    await at.service.reconcile()
    second = await at.service.reconcile()

    row = await at.order()
    fills = [f for f in await at.rows("fills") if f["order_id"] == row["order_id"]]
    order = wanted.order
    assert second.event.repairs == 0
    assert (str(row["status"]), row["fill_size"], row["working_size"]) == (
        order.status.value,
        order.filled,
        order.working_size,
    )
    assert sorted((f["trade_id"], f["size"], str(f["finality"])) for f in fills) == sorted(
        (f.trade_id, f.size, f.finality.value) for f in wanted.fills
    )
    await same_as_stored(at)


async def same_as_stored(at: At) -> None:
    """The cache is what a start would load from the rows, whose states are as facts imply."""
    loaded = await at.engine.trading.loader.load()
    kept = [_stored(each) for each in at.engine.trades.trades]
    assert [_stored(each) for each in loaded.trades] == kept
    tables = {name: await at.rows(name) for name in ("orders", "fills")}
    assert list(states.orders(tables)) == []


def _stored(trade: PairTrade) -> PairTrade:
    """Return a pair trade without what no row tells or nobody reads back."""
    bare = replace(trade.execution, true_up=NOTHING, evened=False, delayed=False)
    return replace(trade, execution=bare, shortfall=None)


# The whole matrix -----------------------------------------------------------------------------


@dataclass
class Saying:
    """Both platforms, reporting what a cell of the matrix defines."""

    said: PlatformState

    async def ask(self, orders: Iterable[OurOrder], *, every: bool = False) -> PlatformState:
        del orders, every
        return self.said


async def matrix_cell(at: At, cell: matrix.Cell) -> None:
    """Compare twice: the matrix's discrepancies and repairs are recorded exactly once."""
    said = theirs(cell.local, cell.platform, cell.settlement, at.platform)
    at.service._theirs = Saying(said)
    ours = past_grace(at.ours, said)
    at.service._doubts = dict(ours.doubted)
    proposals = propose(diff(ours, said, GRACE), ours, said, GRACE)
    wanted = apply(ours, proposals, dust=DUST)

    first = await at.service.reconcile()
    record = [await at.rows(table) for table in ("discrepancies", "fills", "orders")]
    second = await at.service.reconcile()

    assert kinds_of(first.discrepancies) == cell.discrepancies
    assert gravest(first.discrepancies) == cell.person
    asked = {p.discrepancy.kind for p in proposals if isinstance(p, AskPerson)}
    open_ones = {row["kind"] for row in record[0] if row["resolved_at"] is None}
    assert open_ones - {FAILED} == asked - {FAILED}
    assert second.event.repairs == 0
    assert record == [await at.rows(table) for table in ("discrepancies", "fills", "orders")]
    assert await _booked(at) == _expected(wanted)
    await same_as_stored(at)


def kinds_of(found: Iterable[Discrepancy]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.kind.value for each in found))


def gravest(found: Iterable[Discrepancy]) -> str:
    grades = list(Involvement)
    return max((each.involvement for each in found), key=grades.index, default="none")


async def _booked(at: At) -> dict[str, Any]:
    """Return each order with its fills, and the position's state, from the database."""
    fills = await at.rows("fills")
    booked: dict[str, Any] = {
        row["order_id"]: (
            str(row["status"]),
            row["fill_size"],
            row["working_size"],
            sorted(
                (f["trade_id"], f["size"], str(f["finality"]))
                for f in fills
                if f["order_id"] == row["order_id"]
            ),
        )
        for row in await at.rows("orders")
    }
    position = await at.position()
    sizes = {p: position[f"{p}_size"] for p in Platform}
    return booked | {"position": (str(position["status"]), sizes)}


def _expected(wanted: OurState) -> dict[str, Any]:
    """Return what the database should hold, from the pure comparison."""
    booked: dict[str, Any] = {
        each.order.order_id: (
            each.order.status.value,
            each.order.filled,
            each.order.working_size,
            sorted((f.trade_id, f.size, f.finality.value) for f in each.fills),
        )
        for each in wanted.orders
    }
    (position,) = wanted.positions
    sizes = {p: position.holding(p).size for p in Platform}
    return booked | {"position": (position.status.value, sizes)}


FAILED = DiscrepancyType.FILL_FAILED
"""A proven failure is booked and stops its pair; it is recorded as a discrepancy too."""
