"""Rules that hold after every commit and before every send, judged from rows alone.

It follows the rules of the design, not the code that implements them: the transitions below are
written down a second time on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.domain.events import Event

Row = dict[str, Any]
Change = tuple[str, Row | None, Row]

NIL = Decimal(0)
MICRO = Decimal("0.000001")
HALF = Decimal("0.5")
AVERAGED = Decimal("0.00005")
"""Dollars a contract by which a stated average of four decimals may be off."""
DUST = Decimal("0.01")
ORDER = {
    "PENDING": {"FILLED", "PARTIAL", "REJECTED", "CANCELLED"},
    "PARTIAL": {"FILLED", "CANCELLED", "PENDING"},
    "FILLED": {"PARTIAL", "CANCELLED"},
    "CANCELLED": {"PARTIAL", "FILLED"},
    "REJECTED": {"PARTIAL", "FILLED"},
}
_LIVE = {"OPEN", "SINGLE_LEG_EXPOSED", "EXIT_PARTIAL", "CLOSED", "RECONCILIATION_REQUIRED"}
POSITION = {
    "OPEN": _LIVE - {"OPEN"},
    "SINGLE_LEG_EXPOSED": _LIVE - {"SINGLE_LEG_EXPOSED"},
    "EXIT_PARTIAL": _LIVE - {"EXIT_PARTIAL"},
    "CLOSED": {"RECONCILIATION_REQUIRED"},
    "RECONCILIATION_REQUIRED": _LIVE - {"RECONCILIATION_REQUIRED"},
}
TERMINAL = ("FILLED", "CANCELLED", "REJECTED", "CLOSED")
"""Terminal states; only late fills, failed fills and discrepancies lead out of them."""
OURS = ("free", "reserved", "committed")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant."""

    invariant: str
    what: str
    at: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at}: {self.what}"


class Oracle:
    """Judges changes of rows as they are committed."""

    def __init__(self, now: Callable[[], str], *, only: str = "") -> None:
        self._now = now
        self._only = only
        self.violations: list[Violation] = []
        self.checks = 0
        self.known: dict[str, int] = defaultdict(int)
        self.orders: dict[str, Row] = {}
        self.fills: dict[str, dict[str, Row]] = defaultdict(dict)
        self.of_execution: dict[str, dict[str, Row]] = defaultdict(dict)
        self.positions: dict[str, Row] = {}
        self.reached: dict[str, set[str]] = defaultdict(set)
        self.executions: dict[str, Row] = {}
        self.reservations: dict[str, dict[tuple[str, str], Row]] = defaultdict(dict)
        self.ledger: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.reserved: dict[str, Decimal] = defaultdict(Decimal)
        self.clients: dict[str, str] = {}
        self.fees: dict[str, tuple[list[tuple[datetime, Decimal]], bool]] = {}
        self.halted = False
        self.failed: set[tuple[str, str]] = set()
        self.sent: set[str] = set()

    def wrong(self, invariant: str, what: str) -> None:
        """Record a violation."""
        if not self._only or self._only == invariant:
            self.violations.append(Violation(invariant, what, self._now()))

    def check(self, invariant: str, what: str, *, holds: bool) -> None:
        """Record a violation unless `holds`."""
        self.checks += 1
        if not holds:
            self.wrong(invariant, what)

    # Before a send
    # ------------------------------------------------------------------------------

    def sending(self, client_order_id: str) -> Row | None:
        """Judge an order when its first byte leaves, and return its row."""
        again = client_order_id in self.sent
        self.check("I-1", f"{client_order_id} sent again", holds=not again)
        self.sent.add(client_order_id)
        order = self.orders.get(self.clients.get(client_order_id, ""))
        self.check("I-2", f"{client_order_id} was not committed", holds=order is not None)
        if order is None:
            return None
        self.check("I-2", f"{client_order_id} is over", holds=order["status"] == "PENDING")
        for other in self.of_execution[order["execution_id"]].values():
            same = other["platform"] == order["platform"]
            if other is not order and same and other["working_size"]:
                self.wrong("I-3", f"{client_order_id} sent while {other['order_id']} is out")
        entry = order["purpose"] == "entry"
        halted = entry and self.halted
        self.check("I-16", f"{client_order_id} sent in a halt", holds=not halted)
        return order

    # After a commit
    # -----------------------------------------------------------------------------

    def committed(self, changes: Iterable[Change], events: Sequence[Event]) -> None:
        """Judge the changes of a commit; only lease changes may come without an event."""
        changes = list(changes)
        silent = not events and any(table != "leases" for table, _, _ in changes)
        self.check("I-8", "a commit without an event", holds=not silent)
        for table, before, after in changes:
            if (take := _TAKES.get(table)) is not None:
                take(self, before, after)
        self._transactions(after for table, _, after in changes if table == "ledger_entries")
        for table, before, after in changes:
            if (judge := _JUDGES.get(table)) is not None:
                judge(self, before, after)

    def _take_order(self, before: Row | None, after: Row) -> None:
        del before
        self.orders[after["order_id"]] = after
        self.of_execution[after["execution_id"]][after["order_id"]] = after
        known = self.clients.setdefault(after["client_order_id"], after["order_id"])
        self.check("I-1", f"{known} shares its key", holds=known == after["order_id"])

    def _take_contract(self, before: Row | None, after: Row) -> None:
        """Note a contract's rates for takers by time, and whether its orders spend dollars."""
        del before
        rates = [
            (datetime.fromisoformat(each["effective_from"]), Decimal(each["taker_rate"]))
            for each in after["fees"]
        ]
        self.fees[after["contract_id"]] = (sorted(rates), after["sizing"]["cent_exact"])

    def _take_fill(self, before: Row | None, after: Row) -> None:
        fills = self.fills[after["order_id"]]
        key = f"{after['platform']}/{after['trade_id']}"
        twice = before is None and key in fills
        twice |= before is not None and before["finality"] == after["finality"]
        self.check("I-6", f"{key} is booked twice", holds=not twice)
        if before is not None:
            was, now = before["finality"], after["finality"]
            if now == "failed":
                self.failed.add((str(after["platform"]), after["trade_id"]))
            self.check("I-25", f"{key} from {was} to {now}", holds=was == "provisional")
        fills[key] = after

    def _take_reservation(self, before: Row | None, after: Row) -> None:
        key = (after["reservation_id"], after["account_id"])
        self.reservations[after["execution_id"]][key] = after
        parts = after["committed"] + after["fees"] + after["released"]
        if before is None:
            self.reserved[after["account_id"]] += after["amount"]
            self.check("I-13", f"{key} born resolved", holds=not parts)
            return
        self.check("I-13", f"{key} resolved again", holds=before["status"] == "reserved")
        self.check("I-13", f"{key} not whole", holds=parts == after["amount"])
        self.reserved[after["account_id"]] -= after["amount"]

    def _take_entry(self, before: Row | None, after: Row) -> None:
        del before
        self.ledger[after["account_id"]][after["bucket"]] += after["amount"]

    def _take_position(self, before: Row | None, after: Row) -> None:
        del before
        self.positions[after["position_id"]] = after
        if self.executions[after["execution_id"]]["ended_at"] is not None:
            self.reached[after["execution_id"]].add(str(after["status"]))

    def _take_execution(self, before: Row | None, after: Row) -> None:
        if before is not None:
            again = before["ended_at"] is not None
            self.check("I-10", f"{after['execution_id']} ended already", holds=not again)
        self.executions[after["execution_id"]] = after

    def _take_risk(self, before: Row | None, after: Row) -> None:
        del before
        self.halted = after["trading_halted"]

    def _transactions(self, entries: Iterable[Row]) -> None:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for entry in entries:
            sums[entry["transaction_id"]] += entry["amount"]
        for name, total in sums.items():
            self.check("I-11", f"entries of {name} sum to {total}", holds=not total)

    def _judge_order(self, before: Row | None, after: Row) -> None:
        name = after["order_id"]
        if before is not None:
            self._moved(name, before, after, ORDER)
        else:
            self.check("I-2", f"{name} is not born PENDING", holds=after["status"] == "PENDING")
        counted = [f for f in self.fills[name].values() if f["finality"] != "failed"]
        filled = sum((f["size"] for f in counted), start=after["stated"])
        shown = after["fill_size"]
        self.check("I-4", f"{name}: {shown}, its fills {filled}", holds=shown == filled)
        fees = sum((f["fee"] for f in counted), start=after["stated_fees"])
        self.check("I-4", f"{name}: fees {after['fees']}", holds=after["fees"] == fees)
        # Where dollars are spent, better prices buy more; each fill is rounded up to 10⁻⁶.
        rounded = (len(counted) + 1) * MICRO + after["stated"] * AVERAGED
        dollars = after["size"] * after["price"] + rounded
        within = filled <= after["size"] or after["fill_cost"] <= dollars
        self.check("I-4", f"{name} filled {filled} of {after['size']}", holds=within)
        stands = after["status"] == _status(after)
        self.check("I-9", f"{name} is {after['status']}", holds=stands)
        self._covered(after)

    def _covered(self, order: Row) -> None:
        """Check that a reservation covers what an order can still cost (I-14)."""
        if order["side"] != "buy":
            return
        for row in self.reservations[order["execution_id"]].values():
            if row["status"] != "reserved":
                continue
            if not row["account_id"].startswith(str(order["platform"])):
                continue
            if row["order_id"] not in (None, order["order_id"]):
                continue
            orders = list(self.of_execution[order["execution_id"]].values())
            if row["order_id"] is not None:
                orders = [order]
            worst = sum(
                (
                    o["fill_cost"] + o["fees"] + self._worst(o)
                    for o in orders
                    if o["platform"] == order["platform"]
                ),
                start=NIL,
            )
            what = f"{worst} can be spent of {row['amount']}"
            self.check("I-14", what, holds=worst <= row["amount"])
            return
        if order["working_size"]:
            self.wrong("I-14", f"{order['order_id']} has nothing set aside")

    def _worst(self, order: Row) -> Decimal:
        """Return what an order can still cost, with fees, wherever up to its limit it fills.

        The fee is the rate times contracts times p(1-p). An order that spends dollars buys the
        more contracts the lower p is, so that its fee nears the rate times its dollars.
        """
        left, limit = order["working_size"], order["price"]
        if not left:
            return NIL
        rates, spends = self.fees[order["contract_id"]]
        rate = [each for since, each in rates if since <= order["created_at"]][-1]
        dearest = min(limit, HALF)
        shares = (dearest * (1 - dearest), limit if spends else NIL)
        return Decimal(left * (limit + rate * max(shares)))

    def _moved(self, name: str, before: Row, after: Row, table: dict[str, set[str]]) -> None:
        was, now = str(before["status"]), str(after["status"])
        check = "I-10" if was in TERMINAL else "I-8"
        self.check(check, f"{name} from {was} to {now}", holds=was == now or now in table[was])
        facts = {key for key in after if after[key] != before[key]} - {"position_id"}
        step = after["version"] - before["version"]
        self.check("I-8", f"{name} moved {step} versions", holds=step >= 1 or not facts)

    def _judge_position(self, before: Row | None, after: Row) -> None:
        name = after["position_id"]
        if before is not None:
            self._moved(name, before, after, POSITION)
        if self.executions[after["execution_id"]]["ended_at"] is None:
            return
        net = {p: after[f"{p}_size"] - after[f"{p}_complement"] for p in _PLATFORMS}
        if self._paid(after):
            self.check("I-9", f"{name} is paid and {net}", holds=not any(net.values()))
            return
        told = f"{name} is {after['status']} with {net}"
        self.check(
            "I-5", f"{told}, its fills {self._net(after)}", holds=net == self._net(after)
        )
        imbalanced = abs(net["kalshi"] - net["polymarket"]) >= DUST
        flat = all(abs(each) < DUST for each in net.values())
        match after["status"]:
            case "OPEN":
                # Both negative is a hedged pair as well: late fills reversed it.
                reversed_ = max(net.values()) < 0
                self.known["pairs turned round"] += reversed_
                holds = not imbalanced and (min(net.values()) > 0 or reversed_)
                self.check("I-9", told, holds=holds)
            case "SINGLE_LEG_EXPOSED" | "EXIT_PARTIAL":
                self.check("I-9", told, holds=imbalanced)
            case "CLOSED":
                self.check("I-9", told, holds=flat)

    def _paid(self, position: Row) -> bool:
        """Return whether every contract that the position ever held has been paid out."""
        sizes = self._net(position)
        held = [
            p
            for p in _PLATFORMS
            if sizes[p] or position[f"{p}_payout"] is not None or position[f"{p}_complement"]
        ]
        return bool(held) and all(position[f"{p}_payout"] is not None for p in held)

    def _net(self, position: Row) -> dict[str, Decimal]:
        net = dict.fromkeys(_PLATFORMS, NIL)
        for order in self.of_execution[position["execution_id"]].values():
            own = order["outcome"] == position[f"{order['platform']}_side"]
            sign = 1 if own == (order["side"] == "buy") else -1
            net[str(order["platform"])] += sign * order["stated"]
            for fill in self.fills[order["order_id"]].values():
                if fill["finality"] != "failed":
                    net[str(fill["platform"])] += sign * fill["size"]
        return net

    def _judge_account(self, before: Row | None, after: Row) -> None:
        del before
        account = after["account_id"]
        for bucket in OURS:
            booked, stated = self.ledger[account][bucket], after[bucket]
            what = f"{account} shows {stated} {bucket}, its entries {booked}"
            self.check("I-11", what, holds=booked == stated)
        low = min(after["free"], after["reserved"])
        self.check("I-12", f"{account} is overdrawn: {low}", holds=low >= 0)
        standing = self.reserved[account]
        what = f"{account} reserves {after['reserved']}, its reservations {standing}"
        self.check("I-12", what, holds=standing == after["reserved"])

    def _judge_risk(self, before: Row | None, after: Row) -> None:
        del before
        held = sum(p["status"] != "CLOSED" for p in self.positions.values() if self._ended(p))
        stated = after["open_position_count"]
        self.check("I-17", f"{stated} positions counted, {held} held", holds=stated == held)
        reserved = sum(self.reserved.values(), start=NIL)
        stated = after["reserved_capital"]
        self.check(
            "I-12", f"{stated} shown as reserved of {reserved}", holds=stated == reserved
        )

    def _ended(self, position: Row) -> bool:
        return self.executions[position["execution_id"]]["ended_at"] is not None


_PLATFORMS = ("kalshi", "polymarket")
Take = Callable[[Oracle, Row | None, Row], None]
_TAKES: dict[str, Take] = {
    "contracts": Oracle._take_contract,
    "orders": Oracle._take_order,
    "fills": Oracle._take_fill,
    "reservations": Oracle._take_reservation,
    "ledger_entries": Oracle._take_entry,
    "open_positions": Oracle._take_position,
    "executions": Oracle._take_execution,
    "risk_states": Oracle._take_risk,
}
_JUDGES: dict[str, Take] = {
    "orders": Oracle._judge_order,
    "open_positions": Oracle._judge_position,
    "accounts": Oracle._judge_account,
    "risk_states": Oracle._judge_risk,
}


def _status(order: Row) -> str:
    """Return the status that follows from an order's facts (design, section 4.2)."""
    if order["fill_size"] >= order["size"]:
        return "FILLED"
    if order["fill_size"] > 0:
        return "PARTIAL"
    if order["refusal"] is not None:
        return "REJECTED"
    return "PENDING" if order["working_size"] > 0 else "CANCELLED"
