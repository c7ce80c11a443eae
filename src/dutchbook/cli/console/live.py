"""The live view: reads an engine into a `State` a few times a second, and draws it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from rich.console import Console, ConsoleOptions

from dutchbook.bootstrap.engine import Engine
from dutchbook.cli.console.frame import frame
from dutchbook.cli.console.literal import Styled
from dutchbook.cli.console.news import News
from dutchbook.cli.console.state import Account, Alone, Held, Quote, State, Tone
from dutchbook.domain.capital.limits import Grade
from dutchbook.domain.events import (
    Event,
    Scenario,
    SingleLegExposure,
    SingleLegExposureReminder,
    SingleLegResolved,
    TradingHalted,
)
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.exposure import CLOSE, COMPLEMENT, HOLD, RETRY
from dutchbook.domain.positions.exposure_words import command
from dutchbook.domain.positions.position import UNHEDGED, OpenPosition, PositionStatus
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.values.units import E4, from_e4, plain
from dutchbook.runtime.clock import TapeClock
from dutchbook.tape.message import TapeMeta

SHORT = 8
"""Characters of an id that are shown; commands accept them for it."""
MOST = 100
"""The most positions and pairs that are looked at: no terminal has more rows."""
WAYS_OUT = {RETRY: "complete", CLOSE: "close", COMPLEMENT: "buy the complement"}
STATES = {
    PositionStatus.SINGLE_LEG_EXPOSED: "one leg",
    PositionStatus.EXIT_PARTIAL: "leaving",
    PositionStatus.RECONCILIATION_REQUIRED: "disputed",
}


class LiveView:
    """Draws an engine; it is called with each event that is committed."""

    def __init__(self, engine: Engine, tape: TapeMeta, database: str = "") -> None:
        self._engine = engine
        self._tape = tape
        self._database = database
        self._news = News(engine.watchlist.matches)
        self._since: dict[str, datetime] = {}
        self._why: dict[str, str] = {}

    def __call__(self, event: Event, sequence: int) -> None:
        """Take one event."""
        self._news(event, sequence)
        if isinstance(event, SingleLegExposure):
            self._since.setdefault(event.position_id, event.stamp.occurred_at)
        elif isinstance(event, SingleLegExposureReminder):
            self._since[event.position_id] = event.exposed_since
        elif isinstance(event, SingleLegResolved):
            self._since.pop(event.position_id, None)
        elif isinstance(event, TradingHalted):
            self._why[event.reason] = event.detail

    def draw(self) -> Drawn:
        """Return the current view."""
        return Drawn(self.state())

    def state(self) -> State:
        """Return what the view shows now."""
        engine, now = self._engine, self._engine.clock.now()
        status, tone = self._status()
        trades = [t for t in engine.trades.all() if t.position.status in STATES or _open(t)]
        return State(
            mode=engine.surroundings.mode,
            tape=self._tape.name,
            database=self._database,
            at=now,
            speed=_speed(engine),
            percent=self._percent(now),
            status=status,
            tone=tone,
            result=engine.trades.result,
            accounts=tuple(map(self._account, Platform)),
            alone=tuple(self._alone(trades, now)),
            held=tuple(self._held(trades)),
            notes=self._news.notes,
            quotes=self._quotes(),
            seen=(engine.detection.edges_seen, engine.detection.opportunities),
        )

    def _percent(self, now: datetime) -> int:
        whole = (self._tape.last - self._tape.first).total_seconds()
        passed = (now - self._tape.first).total_seconds()
        return min(max(int(100 * passed / whole), 0), 100) if whole > 0 else 100

    def _status(self) -> tuple[str, Tone]:
        """Return whether it trades, or what is stopped and why."""
        engine = self._engine
        reasons, fence = engine.risk.capital.state.halt_reasons, engine.committer.fence
        grade = fence.grade if fence is not None else Grade.TRADING
        if reasons and grade is Grade.TRADING:
            grade = Grade.NO_ENTRIES
        because = ", ".join(map(self._reason, sorted(reasons))) or "just asked for"
        if grade is Grade.CANCELS_ONLY:
            return f"ALL HALTED, no hedge and no exit either: {because}", Tone.STOPPED
        if grade is Grade.NO_ENTRIES:
            return f"HALTED, no entries: {because}", Tone.HALTED
        if engine.stopping.is_set():
            return "stopping: ends what it has begun", Tone.CAUTION
        if engine.queue.degraded:
            names = " and ".join(each.value.capitalize() for each in engine.queue.degraded)
            return f"no entries: {names} is not to be relied on", Tone.CAUTION
        running = engine.queue.running
        under_way = f", {running} execution{'s' * (running != 1)} under way" if running else ""
        return f"trading{under_way}", Tone.GOOD

    def _reason(self, reason: str) -> str:
        name, why = str(reason).replace("_", " "), self._why.get(str(reason))
        return f"{name} ({why})" if why else name

    def _account(self, platform: Platform) -> Account:
        balance = self._engine.risk.capital.balance(platform)
        total = balance.free + balance.reserved + balance.committed
        return Account(platform.value.capitalize(), total, balance.free)

    # Positions
    # --------------------------------------------------------------------------------

    def _title(self, pair_id: str) -> str:
        match = self._engine.watchlist.matches.get(pair_id)
        return match.kalshi.title if match is not None else pair_id

    def _alone(self, trades: Iterable[PairTrade], now: datetime) -> list[Alone]:
        unhedged = [each for each in trades if each.position.status in UNHEDGED]
        unhedged.sort(key=lambda each: unhedged_cost(each.position), reverse=True)
        return [self._leg(each, now) for each in unhedged[:MOST]]

    def _leg(self, trade: PairTrade, now: datetime) -> Alone:
        position = trade.position
        leg, platform = position.holding(position.longer), position.longer.value.capitalize()
        since = self._since.get(position.position_id, trade.ended_at or position.opened_at)
        way, command = self._way_out(trade)
        return Alone(
            held=f"{plain(abs(position.imbalance))} {leg.outcome.value.upper()} {platform}",
            question=self._title(position.pair_id),
            at_risk=unhedged_cost(position),
            seconds=int((now - since).total_seconds()),
            way=way,
            command=command,
        )

    def _way_out(self, trade: PairTrade) -> tuple[str, str]:
        """Return the best way out at the books of now, and the command for it."""
        position_id = trade.position_id[:SHORT]
        if trade.pair_id not in self._engine.watchlist.pairs:
            return "its books are not followed", f"dutchbook position {position_id}"
        exposure = self._engine.trading.announce.exposed(trade)
        scenarios = exposure.scenarios()
        best = exposure.recommended(scenarios)[0]
        if best == HOLD:
            why = next((each.blocked for each in scenarios if each.blocked), "hold")
            return f"nothing to do now: {why}", f"dutchbook position {position_id}"
        (choice,) = (each for each in scenarios if each.name == best)
        return _in_words(choice), _typed(choice, position_id)

    def _held(self, trades: Iterable[PairTrade]) -> list[Held]:
        """Return positions: those in dispute or alone first, then those that cost the most."""
        positions = [each.position for each in trades]
        positions.sort(key=lambda p: (p.status is PositionStatus.OPEN, -p.paid, p.position_id))
        return [self._position(each, number) for number, each in enumerate(positions)]

    def _position(self, position: OpenPosition, number: int) -> Held:
        state = STATES.get(position.status, "")
        left = (
            self._engine.exiting.exits.left_now(position.position_id) if number < MOST else None
        )
        return Held(
            position=position.position_id[:SHORT],
            question=self._title(position.pair_id),
            contracts=position.hedged or abs(position.imbalance),
            paid=position.paid,
            locked=None if state else position.locked_profit,
            now=left,
            state=state,
        )

    # Books
    # ----------------------------------------------------------------------------

    def _quotes(self) -> tuple[Quote, ...]:
        found = []
        for pair in islice(self._engine.watchlist.pairs.values(), MOST):
            cost = min(
                pair.kalshi.ask_e4(outcome) + pair.polymarket.ask_e4(pair.match.hedge(outcome))
                for outcome in Outcome
            )
            edge = 1 - from_e4(cost) if cost < 2 * E4 else None
            title = pair.match.kalshi.title
            found.append(Quote(title, _prices(pair.kalshi), _prices(pair.polymarket), edge))
        return tuple(sorted(found, key=lambda each: each.edge or Decimal(0), reverse=True))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A state as a renderable, which takes the whole terminal."""

    state: State

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Styled]:
        height = options.height or console.size.height
        rows = frame(self.state, options.max_width, height, console.encoding)
        yield Styled(row.parts for row in rows)


def _open(trade: PairTrade) -> bool:
    return trade.position.status is PositionStatus.OPEN


def _speed(engine: Engine) -> str:
    clock = engine.clock
    return f"{clock.speed:g}x" if isinstance(clock, TapeClock) else "1x"


def _in_words(choice: Scenario) -> str:
    """Return a way out with its price and what it brings."""
    at = "" if choice.price is None else f" at {plain(choice.price)}"
    return f"{WAYS_OUT[choice.name]}{at}: {choice.pnl or 0:+,.2f}"


def _typed(choice: Scenario, position_id: str) -> str:
    return command(position_id, {"name": choice.name, "price": choice.price})


def _prices(book: OrderBook) -> tuple[str, str]:
    bid = plain(from_e4(book.best_bid)) if book.best_bid > 0 else "-"
    ask = plain(from_e4(book.best_ask)) if book.best_ask < E4 else "-"
    return bid, ask
