"""Checks that need more than rows: who may write, which alerts arrive, when trading may begin.

Like the oracle it judges from commits and sends, and by its own clock.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from support.memory_journal import MemoryJournal

from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.time import Clock
from prove.oracle import Change, Oracle, Row
from prove.platform import Platform as PlatformState

EXPOSED = ("SINGLE_LEG_EXPOSED", "EXIT_PARTIAL")
TOLD = (
    "execution.single_leg.exposure",
    "execution.single_leg.exposure_changed",
    "execution.single_leg.exposure_reminder",
)
SOON = timedelta(seconds=5)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
REMINDED = timedelta(seconds=75)
"""A reminder comes a minute after the last one, checked every few seconds."""


@dataclass(slots=True)
class Turn:
    """One engine and what it may do.

    Attributes:
        number: Which engine.
        epoch: Epoch of its lease; 0 before it has one.
        compared: It has compared its state with the platforms.
        trading: It is playing its tape.
    """

    number: int
    epoch: int = 0
    compared: bool = False
    trading: bool = False


@dataclass(slots=True)
class Watch:
    """What is known about all engines so far; `said`: orders that a person decided about."""

    oracle: Oracle
    store: MemoryJournal
    clock: Clock
    engine_clock: Clock
    turn: Turn = field(default_factory=lambda: Turn(0))
    taken_at: datetime = NEVER
    pairs: dict[str, Row] = field(default_factory=dict)
    contracts: dict[tuple[str, str], Row] = field(default_factory=dict)
    disputes: dict[str, Row] = field(default_factory=dict)
    opening: Counter[str | None] = field(default_factory=Counter)
    halted: frozenset[str] = frozenset()
    untold: dict[str, datetime] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    person: dict[str, datetime] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    platforms: Mapping[Platform, PlatformState] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The real time, whatever the engine's clock was set to."""
        return self.clock.now()

    # An engine
    # -----------------------------------------------------------------------

    def began(self, number: int) -> None:
        """Note that an engine begins; the one before it has ended."""
        self.turn, self.opening = Turn(number), Counter()
        later = self.now + REMINDED
        self.untold = dict.fromkeys(self.untold, later)

    def unanswered(self, away: timedelta) -> None:
        """Note that the database answers nothing for a while: nobody can be told meanwhile."""
        self.untold = {held: since + away for held, since in self.untold.items()}

    def started(self, halted: Iterable[str]) -> None:
        """Check that an engine starts with the halt reasons that stood before (I-18)."""
        mine = frozenset(halted)
        what = f"halted by {sorted(self.halted)}, started with {sorted(mine)}"
        self.oracle.check("I-18", what, holds=mine == self.halted)

    def ended(self, counted: tuple[Mapping[date, int], Mapping[date, int]]) -> None:
        """Check that an engine that ends has counted every single leg once (I-21)."""
        months: Counter[date] = Counter()
        weeks: Counter[date] = Counter()
        for row in self.store._tables["audit_log"].values():
            if row["name"] == TOLD[0]:
                day = row["occurred_at"].date()
                months[day.replace(day=1)] += 1
                weeks[day - timedelta(days=day.weekday())] += 1
        mine = (dict(months), dict(weeks))
        theirs = (dict(counted[0]), dict(counted[1]))
        self.oracle.check("I-21", f"counted {theirs}, told of {mine}", holds=mine == theirs)

    # Before a commit
    # --------------------------------------------------------------------------

    @contextlib.contextmanager
    def given(self, batch: Batch) -> Iterator[None]:
        """Judge a batch from the moment the engine asks for its commit until it is done (I-23).

        A journal commits batches in the order of these calls; the journal of a run may not.
        """
        rows = [(write.table, write.row) for write in batch.writes if isinstance(write, Insert)]
        disputed = Counter(row["pair_id"] for table, row in rows if table == "discrepancies")
        for pair_id in [row["pair_id"] for table, row in rows if table == "executions"]:
            open_ = [row["pair_id"] for row in self.disputes.values() if not row["resolved_at"]]
            what = f"{pair_id} is begun on while a discrepancy of it is open"
            free = pair_id not in open_ and not self.opening[pair_id]
            self.oracle.check("I-23", what, holds=free)
        self.opening += disputed
        try:
            yield
        finally:
            self.opening -= disputed

    # After a commit
    # ---------------------------------------------------------------------------

    def committed(self, changes: Iterable[Change], events: Iterable[Event]) -> None:
        """Judge a commit of the current engine."""
        names = Counter(event.wire for event in events)
        if self.turn.epoch:
            lease = self.store._tables["leases"].get(("engine",))
            epoch = lease["epoch"] if lease else 0
            what = f"engine {self.turn.number} wrote in epoch {epoch}"
            self.oracle.check("I-29", what, holds=epoch == self.turn.epoch)
        if names["system.reconciliation.complete"]:
            self.turn.compared = True
        changes = list(changes)
        for pair_id in [row["pair_id"] for table, old, row in changes if _begun(table, old)]:
            approved = bool(self.pairs[pair_id]["operator_approved"])
            what = f"{pair_id} is begun on without approval"
            self.oracle.check("I-19", what, holds=approved)
        for table, before, after in changes:
            self._take(table, before, after)
            out = table == "orders" and before is not None and before["working_size"]
            if out and after["order_id"] not in self.said:
                self._over(after)
            if table == "risk_states":
                self._halted(after, events)
        for event in events:
            if event.wire in TOLD:
                self.untold.pop(event.position_id, None)  # type: ignore[attr-defined]
        self._in_time()

    def decided(self, changes: Iterable[Change]) -> None:
        """Take note of a commit that did not come from the engine."""
        for table, before, after in changes:
            self._take(table, before, after)

    def _take(self, table: str, before: Row | None, after: Row) -> None:
        match table:
            case "contract_matches":
                self.pairs[after["match_id"]] = after
            case "contracts":
                self.contracts[str(after["platform"]), after["contract_id"]] = after
            case "discrepancies":
                self.disputes[after["discrepancy_id"]] = after
            case "open_positions":
                self._exposed(before, after)

    def _halted(self, after: Row, events: Iterable[Event]) -> None:
        """Check that a halt reason disappears only by being lifted, one at a time (I-18)."""
        stands = frozenset(str(reason) for reason in after["halt_reason"] or ())
        lifted = {
            str(event.reason)  # type: ignore[attr-defined]
            for event in events
            if event.wire == "system.trading.resumed"
        }
        for reason in self.halted - stands:
            self.oracle.check("I-18", f"{reason} went by itself", holds=reason in lifted)
        shown = bool(after["trading_halted"]) == bool(stands)
        self.oracle.check("I-18", f"halted by {sorted(stands)}", holds=shown)
        self.halted = stands

    def _over(self, order: Row) -> None:
        """Check that an order is over only once all fills of its platform are booked (I-24).

        Orders that a person decided about are exempt.
        """
        if order["working_size"]:
            return
        platform = self.platforms[Platform(order["platform"])]
        booked = {fill["trade_id"] for fill in self.oracle.fills[order["order_id"]].values()}
        untold = platform.untold(order["client_order_id"], booked, order["stated"])
        what = f"{order['order_id']} is over, and its platform has {untold}"
        self.oracle.check("I-24", what, holds=not untold)

    def taken(self, client_order_id: str) -> None:
        """Check that an order accepted by a platform was not over in our record (I-24)."""
        order = self.oracle.orders.get(self.oracle.clients.get(client_order_id, ""))
        out = order is None or bool(order["working_size"]) or order["order_id"] in self.said
        self.oracle.check("I-24", f"{client_order_id} was over when it came there", holds=out)

    def _exposed(self, before: Row | None, after: Row) -> None:
        position_id = after["position_id"]
        stands = after["status"] in EXPOSED
        if stands and (before is None or before["status"] not in EXPOSED):
            self.untold[position_id] = self.now
        elif not stands:
            self.untold.pop(position_id, None)

    def _in_time(self) -> None:
        """Check that exposures are reported within seconds (I-20); an exit has two orders."""
        for position_id, since in self.untold.items():
            working, was = self._working(position_id), position_id in self.busy
            self.busy = self.busy | {position_id} if working else self.busy - {position_id}
            if working or was:
                self.untold[position_id] = self.now
            elif self.turn.trading and self.now - since > SOON:
                since_ = f"{since:%H:%M:%S}, now {self.now:%H:%M:%S}"
                self.oracle.wrong(
                    "I-20", f"{position_id} is exposed since {since_}, and nobody was told"
                )
        self.oracle.checks += 1

    def _working(self, position_id: str) -> bool:
        execution = self.oracle.positions[position_id]["execution_id"]
        orders = self.oracle.of_execution[execution].values()
        return any(order["working_size"] for order in orders)

    # Before a send
    # ----------------------------------------------------------------------

    def sending(self, order: Row) -> None:
        """Judge an order when its first byte leaves."""
        name = order["client_order_id"]
        lease = self.store._tables["leases"].get(("engine",))
        mine = lease is None or lease["epoch"] == self.turn.epoch
        self.oracle.check(
            "I-29", f"{name} sent without the lease", holds=mine or self.taken_at == self.now
        )
        if order["purpose"] != "entry":
            return
        self.oracle.check("I-23", f"{name} before comparing", holds=self.turn.compared)
        closes = self.contracts[str(order["platform"]), order["contract_id"]]["close_time"]
        open_ = self.engine_clock.now() < closes
        self.oracle.check("I-19", f"{name} after its close", holds=open_)

    # Alerts
    # ---------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        """Note that a person was notified of an exposure."""
        if event.wire in TOLD:
            self.person[event.position_id] = self.now  # type: ignore[attr-defined]

    def at_rest(self, alive_since: datetime, until: datetime) -> None:
        """Check that standing exposures were reported lately, even with a channel down (I-20).

        Args:
            alive_since: When the engine began.
            until: When its trading, and with it the reminders, ended.
        """
        for position_id, row in self.oracle.positions.items():
            if row["status"] not in EXPOSED or until - alive_since < REMINDED:
                continue
            last = self.person.get(position_id)
            lately = last is not None and until - last <= REMINDED
            self.oracle.check("I-20", f"{position_id}: last heard at {last}", holds=lately)


def _begun(table: str, before: Row | None) -> bool:
    return table == "executions" and before is None
