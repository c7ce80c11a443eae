"""Pair trades, and the services that hold and change them, without an engine around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.pair_trades.announcements import Announcements
from dutchbook.application.pair_trades.claims import Claims
from dutchbook.application.pair_trades.store import PairTrades
from dutchbook.application.records.changes import capital_writes, changes
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.execution.decide import Execution, LegState
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.pair_trades import facts
from dutchbook.domain.pair_trades.apply import apply
from dutchbook.domain.pair_trades.capital import capital_change
from dutchbook.domain.pair_trades.facts import TradeFact
from dutchbook.domain.pair_trades.trade import PairTrade, Plan
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.values.units import ZERO, Money, Price, Quantity
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Batch, Insert
from dutchbook.runtime.virtual_time import run_virtual
from support.clocks import Hand
from support.memory_journal import MemoryJournal
from support.pairs import NOW, pair
from support.rows import sample

T = TypeVar("T")
KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
YES, NO = Outcome.YES, Outcome.NO
FEE = "0.02"
CUP = pair()


def q(number: str | int) -> Quantity:
    return Quantity(Decimal(number))


def usd(number: str | int) -> Money:
    return Money(Decimal(number))


def price(number: str) -> Price:
    return Price(Decimal(number))


def order(name: str, platform: Platform = KALSHI, size: str = "10", **terms: Any) -> Order:
    """Return an entry's order of "cup": YES at 40 cents on Kalshi, NO at 50 elsewhere."""
    kalshi = platform is KALSHI
    made = Order(
        order_id=name,
        client_order_id=f"client-{name}",
        platform=platform,
        contract_id=f"{platform}-cup",
        pair_id="cup",
        execution_id="e",
        leg=Leg.PRIMARY if kalshi else Leg.SECONDARY,
        purpose=Purpose.ENTRY,
        outcome=YES if kalshi else NO,
        side=Side.BUY,
        price=price("0.40" if kalshi else "0.50"),
        size=q(size),
        time_in_force=TimeInForce.IOC,
        created_at=NOW,
        working_size=q(size),
    )
    return replace(made, **terms)


def fill(of: Order, name: str, size: str, **more: Any) -> Fill:
    """Return a provisional fill of an order, at its price."""
    made = Fill(
        trade_id=name,
        platform=of.platform,
        order_id=of.order_id,
        outcome=of.outcome,
        side=of.side,
        price=of.price,
        size=q(size),
        fee=usd(FEE),
        finality=Finality.PROVISIONAL,
        matched_at=NOW,
    )
    return replace(made, **more)


def reported(of: Order, *fills: Fill, working: str = "0", **more: Any) -> facts.Reported:
    """Return the report on an order."""
    return facts.Reported(NOW, of.order_id, f"x-{of.order_id}", fills, q(working), **more)


def _leg(platform: Platform) -> LegState:
    bound = price("0.40" if platform is KALSHI else "0.50")
    return LegState(platform, q(10), bound, bound, Decimal(1), Decimal(1), 10 * bound)


def bare(name: str = "e", pair_id: str = "cup", kalshi: Outcome = YES) -> PairTrade:
    """Return a pair trade that has bought nothing yet; its position is "held-" and its name."""
    position = OpenPosition(
        position_id=f"held-{name}",
        pair_id=pair_id,
        execution_id=name,
        kalshi=Holding(kalshi),
        polymarket=Holding(kalshi.opposite),
        expected_edge=usd(1),
        divergence_reserve=ZERO,
        status=PositionStatus.SINGLE_LEG_EXPOSED,
        opened_at=NOW,
    )
    plan = Plan(f"seen-{name}", f"kalshi_{kalshi}", NOW, Decimal("0.0005"))
    return PairTrade(plan, Execution(name, pair_id, _leg(KALSHI), _leg(POLYMARKET)), position)


def played(*given: TradeFact, start: PairTrade) -> PairTrade:
    """Return a pair trade after some facts."""
    for fact in given:
        start, _ = apply(start, fact)
    return start


def entered(  # each number is one that a test may change
    name: str = "e",
    pair_id: str = "cup",
    *,
    sizes: tuple[str, str] = ("10", "10"),
    prefix: str = "",
    finality: Finality = Finality.SETTLED,
    ends: bool = True,
    kalshi: Outcome = YES,
) -> PairTrade:
    """Return a pair trade whose two orders, "k" and "p", have filled `sizes`.

    Its execution has ended, unless it still has to; then its reservation stands.
    """
    ids: Any = {"pair_id": pair_id, "execution_id": name}
    first = order(f"{prefix}k", KALSHI, outcome=kalshi, **ids)
    second = order(f"{prefix}p", POLYMARKET, outcome=kalshi.opposite, **ids)
    begun = facts.Begun(NOW, first, reservation(name, pair_id))
    trade = played(begun, start=bare(name, pair_id, kalshi))
    for of, size in ((first, sizes[0]), (second, sizes[1])):
        if of is second:
            trade = played(facts.Placed(NOW, second), start=trade)
        fills = (fill(of, f"{of.order_id}1", size, finality=finality),) if q(size) else ()
        trade = played(reported(of, *fills), start=trade)
    return played(facts.Concluded(NOW), start=trade) if ends else trade


def reservation(name: str = "e", pair_id: str = "cup") -> Reservation:
    """Return the worst case of an entry: six dollars on Kalshi, seven on Polymarket."""
    amounts = {KALSHI: usd(6), POLYMARKET: usd(7)}
    return Reservation(f"reserved-{name}", name, pair_id, amounts, 0)


class Named:
    """Ids that say what they are for."""

    def __init__(self) -> None:
        self._made: Counter[tuple[str, str]] = Counter()

    def new(self, kind: str, owner: str) -> str:
        self._made[kind, owner] += 1
        return f"{kind} {self._made[kind, owner]} of {owner}"


class Holder:
    """The pair trades of an engine and what they need, with a thousand dollars everywhere."""

    def __init__(self, *matches: ContractMatch) -> None:
        self.clock, self.ids, self.journal = Hand(), Named(), MemoryJournal()
        self.committer = Committer(self.journal, self.clock, self.ids)
        limits = RiskLimits()
        self.risk = RiskManager(
            self.journal, self.committer, self.clock, self.ids, limits, ACCOUNTS
        )
        self.watchlist = Watchlist(matches or (CUP,))
        claims, minute = Claims(self.watchlist.matches), timedelta(seconds=60)
        self.announce = Announcements(
            self.committer, self.watchlist, self.clock, minute, Decimal("0.05"), claims
        )
        self.trades = PairTrades(
            self.committer,
            self.risk.capital,
            self.risk.halts,
            self.announce,
            claims,
            self.clock,
            self.ids,
        )

    async def open(self) -> None:
        """Deposit the cash, and keep the rows of the pairs."""
        await self.risk.capital.load()
        for platform in Platform:
            await self.risk.cash.deposit(platform, usd(1000))
        rows = [
            sample(
                "contract_matches",
                match_id=name,
                divergence_probability=match.divergence_probability,
                total_cycles_traded=0,
            )
            for name, match in self.watchlist.matches.items()
        ]
        await self.journal.commit(Batch(tuple(Insert("contract_matches", r) for r in rows)))

    async def keep(self, *trades: PairTrade) -> None:
        """Store pair trades as they are, with the capital that they use, and cache them."""
        capital = self.risk.capital
        for trade in trades:
            writes = list(changes(None, trade, NOW))
            if trade.held or trade.reservation is not None:
                before = bare(trade.execution_id, trade.pair_id, trade.position.kalshi.outcome)
                step = capital_change(before, trade, ACCOUNTS, EntryKind.TRADE)
                writes += capital_writes(step, ACCOUNTS, self.ids, NOW)
                capital.follow(step)
            await self.journal.commit(Batch(tuple(writes)))
            self.trades.put(trade)

    async def told(self) -> list[str]:
        """Return the names of all events of the log, in order."""
        return [
            row["name"] for row in await self.journal.rows("audit_log", None, ("sequence",))
        ]


def run(work: Callable[[Holder], Awaitable[T]], *matches: ContractMatch) -> T:
    """Do some work with opened pair trades, and return what it returns."""

    async def main() -> T:
        holder = Holder(*matches)
        await holder.open()
        return await work(holder)

    return run_virtual(main())
