"""Limits on capital at risk (I-17), judged by sums of their own from rows alone.

The limits are those that the plan of a seed sets. What is reserved counts in full, and what is
held at its cost; an entry's reservation covers what it has bought until it is resolved.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.ports.time import Clock
from prove.oracle import Change, Oracle, Row

NIL, ONE = Decimal(0), Decimal(1)
PLATFORMS = ("kalshi", "polymarket")
KINDS = ("bankroll", "position", "pair", "platform", "cluster", "daily_loss", "slots")
REFUSED = {"pair_limit": "pair", "cluster_limit": "cluster", "max_open_pairs": "slots"}
"""The limit that a refused opportunity names; the others are told apart by what is left."""
LOSS = "daily_loss_limit"
RECENT = timedelta(minutes=5)
"""Longer than an entry waits between its approval and its commit."""
SET = tuple(timedelta(hours=hours) for hours in (-1, 0, 1))
"""By how much an engine's clock may be set."""
SLOTS = ("slots", "")
Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one seed; shares are of the bankroll."""

    cap: Decimal
    position: Decimal
    pair: Decimal
    platform: Decimal
    cluster: Decimal
    daily_loss: Decimal
    slots: int

    @classmethod
    def of(cls, settings: Iterable[str]) -> Bounds:
        """Read the limits from the settings of a plan, which names every one of them."""
        given = dict(each.split("=", 1) for each in settings)

        def share(name: str) -> Decimal:
            return Decimal(given[f"risk.{name}_share"])

        return cls(
            cap=Decimal(given["risk.bankroll"]),
            position=share("position"),
            pair=share("pair"),
            platform=share("platform"),
            cluster=share("cluster"),
            daily_loss=share("daily_loss"),
            slots=int(given["risk.max_open_pairs"]),
        )


@dataclass(slots=True)
class Stake:
    """What one execution has at risk.

    Attributes:
        pair: Its pair.
        entry: Open reservations of its entry, by account.
        orders: Open reservations of later orders, by reservation and account.
        costs: The cost of what its position holds, by platform.
        stands: Whether its position is not closed.
        mark: What its position has added to the day's profit.
    """

    pair: str
    entry: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    costs: dict[str, Decimal] = field(default_factory=dict)
    stands: bool = False
    mark: Decimal = NIL

    def on(self, platform: str) -> Decimal:
        """Return the dollars at risk on a platform."""
        found = NIL if self.entry else self.costs.get(platform, NIL)
        for account, amount in self.entry.items():
            found += amount if account.startswith(platform) else NIL
        for (_, account), amount in self.orders.items():
            found += amount if account.startswith(platform) else NIL
        return found

    @property
    def is_open(self) -> bool:
        """Whether its pair counts as open: it is being entered, or its position stands."""
        return bool(self.entry) or self.stands


@dataclass(slots=True)
class _Seen:
    """The executions that a commit changed and began, and whether the day lost by it."""

    touched: dict[str, None] = field(default_factory=dict)
    begun: list[Row] = field(default_factory=list)
    lost: bool = False


@dataclass(slots=True)
class Limits:
    """Judges each commit of an engine, and counts how often each limit has bound."""

    oracle: Oracle
    bounds: Bounds
    clock: Clock
    bound: Counter[str] = field(default_factory=Counter)
    _stakes: dict[str, Stake] = field(default_factory=dict)
    _parts: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    _on_platform: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    _on_pair: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    _open: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _clusters: dict[str, str | None] = field(default_factory=dict)
    _accounts: dict[str, Decimal] = field(default_factory=dict)
    _held: Decimal = NIL
    _lately: deque[tuple[datetime, Scope, Decimal]] = field(default_factory=deque)
    _profit: Decimal = NIL
    _halts: frozenset[str] = frozenset()

    # Sums
    # -------------------------------------------------------------------------------------

    def committed(self, changes: Sequence[Change]) -> None:
        """Follow a commit, and judge it."""
        seen, held = _Seen(), self._held
        for table, before, after in changes:
            if (follow := _FOLLOWS.get(table)) is not None:
                follow(self, seen, before, after)
        self._later(("bankroll", ""), held - self._held)
        entries = {row["execution_id"] for row in seen.begun}
        for execution_id in seen.touched:
            self._recount(execution_id, exempt=execution_id not in entries)
        for row in seen.begun:
            self._entered(row, changes)
        if seen.lost:
            self._losing()

    def _executed(self, seen: _Seen, before: Row | None, row: Row) -> None:
        if before is None:
            self._stakes[row["execution_id"]] = Stake(row["pair_id"])
            seen.begun.append(row)

    def _reserved(self, seen: _Seen, before: Row | None, row: Row) -> None:
        del before
        execution_id, account = row["execution_id"], row["account_id"]
        seen.touched[execution_id] = None
        stake = self._stakes[execution_id]
        open_ = row["status"] == "reserved"
        if row["order_id"] is None:
            stake.entry.pop(account, None)
            if open_:
                stake.entry[account] = row["amount"]
        else:
            key = (row["reservation_id"], account)
            stake.orders.pop(key, None)
            if open_:
                stake.orders[key] = row["amount"]

    def _moved(self, seen: _Seen, before: Row | None, row: Row) -> None:
        del before
        seen.touched[row["execution_id"]] = None
        stake = self._stakes[row["execution_id"]]
        stake.costs = {p: row[f"{p}_cost"] + row[f"{p}_complement_cost"] for p in PLATFORMS}
        stake.stands = row["status"] != "CLOSED"
        gained, stake.mark = row["marked_pnl"] - stake.mark, row["marked_pnl"]
        self._profit += gained
        seen.lost |= gained < 0

    def _matched(self, seen: _Seen, before: Row | None, row: Row) -> None:
        del seen, before
        self._clusters[row["match_id"]] = row["cluster"]

    def _funded(self, seen: _Seen, before: Row | None, row: Row) -> None:
        del seen, before
        was = self._accounts.get(row["account_id"], NIL)
        self._accounts[row["account_id"]] = row["free"] + row["reserved"] + row["committed"]
        self._held += self._accounts[row["account_id"]] - was

    def _halted(self, seen: _Seen, before: Row | None, row: Row) -> None:
        """Note why trading is halted, and count a halt by the day's loss."""
        del seen, before
        stood, self._halts = self._halts, frozenset(map(str, row["halt_reason"] or ()))
        if LOSS in self._halts - stood:
            self._bind("daily_loss")

    def _judged(self, seen: _Seen, before: Row | None, row: Row) -> None:
        del seen, before
        if row["reason"] is not None:
            self._refused(row)

    def _recount(self, execution_id: str, *, exempt: bool) -> None:
        """Count an execution again; `exempt`: no limit forbids what it takes now."""
        stake = self._stakes[execution_id]
        for platform in PLATFORMS:
            key, now = (execution_id, platform), stake.on(platform)
            more = now - self._parts.get(key, NIL)
            self._parts[key] = now
            self._on_platform[platform] += more
            self._on_pair[stake.pair] += more
            if exempt:
                self._later(("platform", platform), more)
                self._later(("pair", stake.pair), more)
                self._later(("cluster", str(self._clusters.get(stake.pair))), more)
        owners = self._open[stake.pair]
        if exempt and stake.is_open and not owners:
            self._later(SLOTS, ONE)
        (owners.add if stake.is_open else owners.discard)(execution_id)

    def _later(self, scope: Scope, more: Decimal) -> None:
        """Note what no entry took: one that was approved before it could not know of it."""
        if more > 0:
            self._lately.append((self.clock.now(), scope, more))

    def _unknown(self, execution: Row) -> Counter[Scope]:
        """Return what was taken since an entry was approved by others than entries."""
        now = self.clock.now()
        while self._lately and self._lately[0][0] < now - RECENT:
            self._lately.popleft()
        starts = [execution["started_at"] + off for off in SET]
        approved = max(each for each in starts if each <= now)
        found: Counter[Scope] = Counter()
        for at, scope, more in self._lately:
            if at >= approved:
                found[scope] += more  # type: ignore[assignment]
        return found

    # What is left
    # ------------------------------------------------------------------------------------

    def _bankroll(self, lost: Decimal = NIL) -> Decimal:
        """Return the bankroll, or what it was before so much was `lost`."""
        return min(self._held + lost, self.bounds.cap)

    def _on_cluster(self, pair: str) -> Decimal | None:
        cluster = self._clusters.get(pair)
        if cluster is None:
            return None
        mine = (p for p, name in self._clusters.items() if name == cluster)
        return sum((self._on_pair[p] for p in mine), start=NIL)

    def _left(self, pair: str, bankroll: Decimal) -> Mapping[Scope, Decimal]:
        """Return the dollars that each limit leaves to a pair, by limit and what it is on."""
        bounds = self.bounds
        found = {
            ("platform", each): bankroll * bounds.platform - self._on_platform[each]
            for each in PLATFORMS
        }
        found["pair", pair] = bankroll * bounds.pair - self._on_pair[pair]
        if (cluster := self._on_cluster(pair)) is not None:
            found["cluster", str(self._clusters[pair])] = bankroll * bounds.cluster - cluster
        return found

    def _bind(self, kind: str) -> None:
        """Count that a limit has cut or refused an entry, and the bankroll that it is of."""
        self.bound[kind] += 1
        self.bound["bankroll"] += self.bounds.cap < self._held and kind != "slots"

    # Judging
    # ------------------------------------------------------------------------------------

    def _entered(self, execution: Row, changes: Sequence[Change]) -> None:
        """Check what stands once an execution has begun, and count the limits that cut it."""
        name, pair = execution["execution_id"], execution["pair_id"]
        unknown = self._unknown(execution)
        opened = sum(map(bool, self._open.values())) - unknown[SLOTS]
        what = f"{opened} pairs are open once {name} has begun, of {self.bounds.slots}"
        self.oracle.check("I-17", what, holds=opened <= self.bounds.slots)
        bankroll = self._bankroll(Decimal(unknown["bankroll", ""]))
        quantity, lot = execution["planned_quantity"], _lot(execution)
        stake = self._stakes[name]
        total = sum(stake.entry.values(), start=NIL)
        for (kind, which), left in self._left(pair, bankroll).items():
            beyond = -left - unknown[kind, which]
            what = f"{name} goes {beyond} beyond the limit of {kind} {which}"
            self.oracle.check("I-17", what, holds=beyond <= 0)
            part = stake.on(which) if kind == "platform" else total
            if left * quantity < part * lot:
                self._bind(kind)
        unit = _costs(changes)
        most = bankroll * self.bounds.position
        # The books may have moved since the decision: then what it says that it costs counts.
        cost = min(unit * quantity, _decided(execution))
        what = f"{name} is to cost {cost} or more, a position {most} at most"
        self.oracle.check("I-17", what, holds=cost <= most)
        if unit * (quantity + lot) > most:
            self._bind("position")

    def _losing(self) -> None:
        """Check that trading is halted once the day's loss has reached its limit."""
        most = self._bankroll() * self.bounds.daily_loss
        what = f"{-self._profit} are lost of {most}, and trading goes on"
        self.oracle.check("I-17", what, holds=-self._profit < most or LOSS in self._halts)

    def _refused(self, row: Row) -> None:
        """Count the limit that refused an opportunity."""
        reason = str(row["reason"])
        if (kind := REFUSED.get(reason)) is not None:
            self._bind(kind)
        elif reason == "trading_halted" and LOSS in self._halts:
            self._bind("daily_loss")
        elif reason == "insufficient_capital":
            left = self._left(row["pair_id"], self._bankroll())
            least = min(amount for (kind, _), amount in left.items() if kind == "platform")
            position = self._bankroll() * self.bounds.position
            self._bind("platform" if least < position else "position")


_FOLLOWS: dict[str, Callable[[Limits, _Seen, Row | None, Row], None]] = {
    "executions": Limits._executed,
    "reservations": Limits._reserved,
    "open_positions": Limits._moved,
    "contract_matches": Limits._matched,
    "accounts": Limits._funded,
    "risk_states": Limits._halted,
    "opportunities": Limits._judged,
}


def _lot(execution: Row) -> Decimal:
    """Return the step of an execution's quantity: the coarser of both platforms'."""
    states = (execution["primary_state"], execution["secondary_state"])
    return max(Decimal(state["step"]) for state in states)


def _decided(execution: Row) -> Decimal:
    """Return the cost of both legs by the prices that an execution was decided at."""
    states = (execution["primary_state"], execution["secondary_state"])
    return sum((Decimal(state["decided_cost"]) for state in states), start=NIL)


def _costs(changes: Iterable[Change]) -> Decimal:
    """Return what a pair costs at the best prices of the books stored with an entry.

    A book that offers nothing any more counts as a dollar.
    """
    rows: dict[str, list[Row]] = defaultdict(list)
    for table, _, row in changes:
        rows[table].append(row)
    order = rows["orders"][0]
    unit = NIL
    for book in rows["order_book_snapshots"]:
        yes = (str(order["outcome"]) == "yes") == (book["platform"] == order["platform"])
        levels = book["asks"] if yes else book["bids"]
        prices = [Decimal(level["price"]) for level in levels]
        unit += min(prices, default=ONE) if yes else ONE - max(prices, default=NIL)
    return unit
