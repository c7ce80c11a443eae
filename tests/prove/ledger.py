"""A second model of the ledger, built from rows of deposits and fills, sharing no code with it.

Written from the design alone: each buy costs price times size, rounded up to 10⁻⁶; each sale
brings price times size, rounded down; fees are added on top. Cost leaves a leg at its average,
rounded up, and the last part takes the remainder. On Kalshi a YES and a NO of one contract
become a dollar at once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

Row = dict[str, Any]
MICRO = Decimal("0.000001")
NIL = Decimal(0)


@dataclass
class Leg:
    """What one position holds on one platform."""

    size: Decimal = NIL
    cost: Decimal = NIL
    other: Decimal = NIL
    other_cost: Decimal = NIL
    lent: Decimal = NIL
    merges: list[Decimal] = field(default_factory=list)
    cash: Decimal = NIL
    fees: Decimal = NIL
    profit: Decimal = NIL

    def trade(self, fill: Row, own: str) -> None:
        """Book one fill; `own` is the outcome with which the leg was opened."""
        exact = fill["price"] * fill["size"]
        self.fees += fill["fee"]
        if fill["side"] == "sell":
            self.sell(fill, exact.quantize(MICRO, ROUND_FLOOR))
            return
        paid = exact.quantize(MICRO, ROUND_CEILING)
        self.cash -= paid + fill["fee"]
        if fill["outcome"] == own:
            self.size += fill["size"]
            self.cost += paid
            back = min(self.lent, self.size)
            self.lent -= back
            self.net(back)
        else:
            self.other += fill["size"]
            self.other_cost += paid

    def sell(self, fill: Row, gained: Decimal) -> None:
        """Book a sale; selling more than is held counts as buying the opposite outcome."""
        own = min(fill["size"], self.size)
        short = fill["size"] - own
        first = gained if not short else (fill["price"] * own).quantize(MICRO, ROUND_FLOOR)
        left = _part(self.cost, own, self.size)
        self.size -= own
        self.cost -= left
        self.other += short
        self.lent += short
        self.other_cost += short - (gained - first)
        self.cash += gained - fill["fee"] - short
        self.profit += first - left

    def merge(self) -> None:
        """Carry out pending merges whose pairs are held."""
        while self.merges and min(self.size, self.other) >= self.merges[0]:
            self.net(self.merges.pop(0))

    def net(self, most: Decimal | None = None) -> None:
        """Convert pairs of both outcomes into a dollar each; at most `most` pairs."""
        pairs = min(self.size, self.other)
        if most is not None:
            pairs = min(pairs, most)
        if pairs <= 0:
            return
        left = _part(self.cost, pairs, self.size)
        other = _part(self.other_cost, pairs, self.other)
        self.size -= pairs
        self.other -= pairs
        self.cost -= left
        self.other_cost -= other
        self.cash += pairs
        self.profit += pairs - left - other

    def pay(self, own: Decimal) -> None:
        """Pay the leg out: `own` dollars a contract of its outcome, the rest for the other."""
        amount = self.size * own + self.other * (1 - own)
        amount = amount.quantize(MICRO, ROUND_FLOOR)
        self.cash += amount
        self.profit += amount - self.cost - self.other_cost
        self.size = self.cost = self.other = self.other_cost = NIL


def _part(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    if part >= whole:
        return cost
    return (cost * part / whole).quantize(MICRO, ROUND_CEILING)


def accounts(tables: dict[str, list[Row]]) -> dict[str, dict[str, Decimal]]:
    """Return free, reserved, committed, realised and fees of each account.

    Args:
        tables: `audit_log`, `accounts`, `fills`, `orders`, `open_positions`, `reservations`,
            `settlements` (merges and payouts), and `executions`: fills of an execution that has
            not ended are not booked yet.
    """
    deposits: dict[str, Decimal] = defaultdict(Decimal)
    adjusted: dict[str, Decimal] = defaultdict(Decimal)
    for entry in tables["audit_log"]:
        if entry["name"] == "capital.moved":
            moved = json.loads(entry["payload"])
            deposits[moved["account"]] += Decimal(moved["amount"])
            if moved["kind"] == "adjustment":
                adjusted[moved["account"]] += Decimal(moved["amount"])
    reserved: dict[str, Decimal] = defaultdict(Decimal)
    for row in tables["reservations"]:
        if row["status"] == "reserved":
            reserved[row["account_id"]] += row["amount"]
    legs = _legs(tables)
    found = {}
    for account in tables["accounts"]:
        key, mine = account["account_id"], legs[account["platform"]]
        cash = sum((leg.cash for leg in mine), start=NIL)
        fees = sum((leg.fees for leg in mine), start=NIL)
        committed = sum((leg.cost + leg.other_cost for leg in mine), start=NIL)
        realised = sum((leg.profit for leg in mine), start=NIL)
        assert cash + committed == realised - fees, "the model is not at odds with itself"
        found[key] = {
            "free": deposits[key] + cash - reserved[key],
            "reserved": reserved[key],
            "committed": committed,
            "realised": realised + adjusted[key],
            "fees": fees,
        }
    return found


def _legs(tables: dict[str, list[Row]]) -> dict[str, list[Leg]]:
    """Fold the fills, merges and payouts of every position, each platform by itself.

    A merge is dated by our clock, which may have been set: it counts once its pairs are held.
    Payouts come last.
    """
    ended = {r["execution_id"] for r in tables["executions"] if r["ended_at"] is not None}
    booked = {row["order_id"] for row in tables["orders"] if row["execution_id"] in ended}
    sides = {row["execution_id"]: row for row in tables["open_positions"]}
    legs: dict[tuple[str, str], Leg] = defaultdict(Leg)
    executions = {row["position_id"]: row["execution_id"] for row in sides.values()}
    fills = [row for row in tables["fills"] if row["finality"] != "failed"]
    merges = [row for row in tables["settlements"] if row["status"] == "paid"]
    facts = [(row["matched_at"], f"0.{row['trade_id']}", row) for row in fills]
    facts += [(row["paid_at"], "1." if row["kind"] == "merge" else "2.", row) for row in merges]
    paid: list[tuple[Leg, Decimal]] = []
    for _, _, row in sorted(facts, key=lambda each: each[:2]):
        platform = row["platform"]
        if "settlement_id" in row:
            execution = executions[row["position_id"]]
            if row["kind"] == "merge":
                legs[platform, execution].merges.append(row["size"])
                legs[platform, execution].merge()
            else:
                yes = sides[execution][f"{platform}_side"] == "yes"
                own = row["yes_pays"] if yes else 1 - row["yes_pays"]
                paid.append((legs[platform, execution], own))
        elif row["order_id"] in booked:
            leg = legs[platform, row["execution_id"]]
            leg.trade(row, sides[row["execution_id"]][f"{platform}_side"])
            if platform == "kalshi":
                leg.net()
            leg.merge()
    for leg in legs.values():
        for most in leg.merges:
            leg.net(most)
    for leg, own in paid:
        leg.pay(own)
    found: dict[str, list[Leg]] = defaultdict(list)
    for (platform, _), leg in legs.items():
        found[platform].append(leg)
    return found
