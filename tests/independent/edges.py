"""Where the edge of each execution went, from its fills alone.

The law: ``edge = delay + slippage + fees + missed + rescue + exit + divergence + kept``. Here
each part is worked out by itself, exact, from what was planned and sent, the fills and what
they cost, merges and payouts; nothing is the rest of another part.

A leg is contracts of the outcome that it was opened with and of its opposite, and what they
cost on average. A contract and its opposite are a dollar, and Kalshi nets them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

PARTS = ("delay", "slippage", "fees", "missed", "rescue", "exit", "divergence", "kept")
MICRO = Fraction(1, 1_000_000)
DUST = Fraction(1, 100)
PLATFORMS = ("kalshi", "polymarket")
NIL = Fraction(0)
Row = Mapping[str, Any]
Tables = Mapping[str, Iterable[Row]]


def wrong(tables: Tables, found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Compare what the program says of each ended execution, part by part, and its sum.

    Args:
        tables: `executions`, `orders`, `fills`, `open_positions` and `settlements`, amounts as
            decimals.
        found: What the program says, by execution and by part, in dollars.
    """
    ended = [row for row in tables["executions"] if row["ended_at"] is not None]
    for row in ended:
        name = row["execution_id"]
        if name not in found:
            yield f"nothing is said of {name}"
            continue
        told = {part: Fraction(value) for part, value in found[name].items()}
        off = told["edge"] - sum(told[part] for part in PARTS)
        if off:
            yield f"the parts of {name} are {float(off)} dollars away from its edge"
        mine, facts = edges(row, tables)
        if abs(mine["edge"] - sum(mine[part] for part in PARTS)) > MICRO:
            yield f"the fills of {name} do not add up to its edge: {_shown(mine)}"
        for part in ("edge", *PARTS):
            if abs(told[part] - mine[part]) > MICRO * (facts + 3):
                yield f"{part} of {name} is {float(told[part])}, by its fills {_shown(mine)}"
    for name in found.keys() - {row["execution_id"] for row in ended}:
        yield f"{name} has parts and has not ended"


def _shown(parts: Mapping[str, Fraction]) -> str:
    return ", ".join(f"{name} {float(value):.6f}" for name, value in parts.items())


@dataclass(slots=True)
class Side:
    """Contracts of one outcome, and what they cost; a part costs its share."""

    size: Fraction = NIL
    cost: Fraction = NIL

    def add(self, size: Fraction, cost: Fraction) -> None:
        """Add contracts."""
        self.size += size
        self.cost += cost

    def drop(self, size: Fraction) -> None:
        """Take contracts away."""
        if size:
            self.cost -= self.cost * size / self.size
            self.size -= size


@dataclass(slots=True)
class Leg:
    """One contract: its first outcome, the opposite, and cash. A pair of both is a dollar.

    `lent` is what was sold or merged without being held: it came from other positions, and
    the next contracts of the first outcome are theirs.
    """

    first: str
    nets: bool
    own: Side = field(default_factory=Side)
    other: Side = field(default_factory=Side)
    cash: Fraction = NIL
    lent: Fraction = NIL
    merges: list[Fraction] = field(default_factory=list)
    paid: Fraction | None = None

    @property
    def net(self) -> Fraction:
        """Contracts of the first outcome, below zero of the opposite."""
        return self.own.size - self.other.size

    def trade(self, fill: Row) -> None:
        """Buy, or sell what is held; the rest of a sale buys the opposite for what remains."""
        size, cost = Fraction(fill["size"]), Fraction(fill["cost"])
        self.cash -= Fraction(fill["fee"])
        if str(fill["side"]) == "sell":
            held = min(size, self.own.size)
            self.own.drop(held)
            short = size - held
            self.other.add(short, short - cost * short / size)
            self.lent += short
            self.cash += cost - short
        else:
            first = str(fill["outcome"]) == self.first
            (self.own if first else self.other).add(size, cost)
            self.cash -= cost
            back = min(self.lent, self.own.size) if first else NIL
            self.lent -= back
            self.pair(back)
        if self.nets:
            self.pair(min(self.own.size, self.other.size))
            self.lent = NIL
        self.merge()

    def merge(self) -> None:
        """Merge what was merged as soon as its pairs are there."""
        while self.merges and min(self.own.size, self.other.size) >= self.merges[0]:
            self.pair(self.merges.pop(0))

    def pair(self, size: Fraction) -> None:
        """Turn pairs into dollars."""
        self.own.drop(size)
        self.other.drop(size)
        self.cash += size

    @property
    def alone(self) -> Fraction:
        """What contracts beyond pairs cost."""
        longer = self.own if self.net > 0 else self.other
        return longer.cost * abs(self.net) / longer.size if longer.size else NIL


@dataclass(slots=True)
class Book:
    """Both legs of a position."""

    legs: dict[str, Leg] = field(default_factory=dict)

    @property
    def uneven(self) -> bool:
        """Whether the legs differ by a hundredth of a contract or more."""
        return abs(self.legs["kalshi"].net - self.legs["polymarket"].net) >= DUST

    @property
    def hedged(self) -> Fraction:
        """Contracts with a counterpart, below zero if both are the opposites."""
        one, other = (self.legs[p].net for p in PLATFORMS)
        if one * other <= 0:
            return NIL
        return min(one, other) if one > 0 else max(one, other)

    @property
    def both_paid(self) -> bool:
        """Whether nothing can resolve differently any more."""
        return all(leg.paid is not None for leg in self.legs.values())

    @property
    def apart(self) -> Fraction:
        """What contracts that resolved differently brought, beyond a dollar a pair."""
        one, other = (self.legs[p].paid for p in PLATFORMS)
        return NIL if one is None or other is None else self.hedged * (one + other - 1)

    @property
    def cash(self) -> Fraction:
        """Cash, payouts included; pairs are as good as that."""
        total = NIL
        for leg in self.legs.values():
            total += leg.cash
            if leg.paid is None:
                total += min(leg.own.size, leg.other.size)
            else:
                total += leg.own.size * leg.paid + leg.other.size * (1 - leg.paid)
        return total

    @property
    def worth(self) -> Fraction:
        """Cash; a dollar for each hedged pair, less what it has paid; the rest at cost."""
        held = [leg for leg in self.legs.values() if leg.own.size or leg.other.size]
        if held and all(leg.paid is not None for leg in held):
            return self.cash
        total, pairs = self.cash, abs(self.hedged)
        for leg in self.legs.values():
            if leg.paid is None:
                total += leg.alone * (1 - pairs / abs(leg.net)) if leg.net else NIL
            else:
                total -= pairs * (leg.paid if leg.net > 0 else 1 - leg.paid)
        return total + pairs

    @property
    def at_last(self) -> Fraction:
        """What is left of a closed position: dust counts what it cost."""
        alone = (leg.alone for leg in self.legs.values() if leg.paid is None)
        return self.cash + sum(alone, start=NIL)

    def take(self, fact: Row) -> None:
        """Take a fill, a merge or a payout."""
        leg = self.legs[str(fact["platform"])]
        if fact["what"] == "fill":
            leg.trade(fact)
        elif fact["what"] == "merge":
            leg.merges.append(Fraction(fact["size"]))
            leg.merge()
        else:
            yes = Fraction(fact["yes_pays"])
            leg.paid = yes if leg.first == "yes" else 1 - yes


def edges(row: Row, tables: Tables) -> tuple[dict[str, Fraction], int]:
    """Return the edge of one execution and its parts, and how many facts they are made of."""
    name = row["execution_id"]
    orders = {o["order_id"]: o for o in tables["orders"] if o["execution_id"] == name}
    held = [p for p in tables["open_positions"] if p["execution_id"] == name]
    facts = _facts(orders, tables, held)
    states = (row["primary_state"], row["secondary_state"])
    entry = _entry(list(orders.values()), held, facts, states[1])
    bought = [fact for fact in facts if fact.get("order_id") in entry]
    later = [fact for fact in facts if fact.get("order_id") not in entry]
    found = _entered(states, bought)
    if not held:
        return found | dict.fromkeys(("rescue", "exit", "divergence", "kept"), NIL), len(facts)
    (position,) = held
    book = Book({p: Leg(str(position[f"{p}_side"]), p == "kalshi") for p in PLATFORMS})
    for fact in bought:
        book.take(fact)
    return found | _afterwards(book, later, position), len(facts)


def _afterwards(book: Book, later: list[Row], position: Row) -> dict[str, Fraction]:
    """Return the parts that come after the entry."""
    lost = {"rescue": NIL, "exit": NIL}
    over = str(position["status"]) == "CLOSED"
    leaving = False
    for fact in later:
        even, before, apart = not book.uneven, book.worth, book.apart
        book.take(fact)
        if fact["what"] == "fill" and fact["purpose"] == "exit" and even:
            leaving = True
        after = book.at_last if over and fact is later[-1] else book.worth
        lost["exit" if leaving else "rescue"] -= after - before - (book.apart - apart)
        leaving = leaving and book.uneven
    waits = NIL
    if not over and book.hedged and not book.both_paid:
        waits = Fraction(position["divergence_reserve"])
    worth = book.at_last if over else book.worth
    return lost | {"divergence": waits - book.apart, "kept": worth - waits}


def _facts(orders: Mapping[str, Row], tables: Tables, held: list[Row]) -> list[Row]:
    """Return fills, what is only stated, and payouts, in the order in which they came."""
    found: list[tuple[tuple[Any, ...], Row]] = [
        ((0, fill["matched_at"], f"0.{fill['trade_id']}"), _fill(fill, orders))
        for fill in tables["fills"]
        if fill["order_id"] in orders and str(fill["finality"]) != "failed"
    ]
    found += [
        ((1, order["created_at"], order["order_id"]), _stated(order))
        for order in orders.values()
        if order["stated"]
    ]
    mine = {position["position_id"] for position in held}
    found += [
        (_paid_at(paid), {**paid, "what": str(paid["kind"])})
        for paid in tables["settlements"]
        if paid["position_id"] in mine and str(paid["status"]) == "paid"
    ]
    return [fact for _, fact in sorted(found, key=lambda each: each[0])]


def _paid_at(paid: Row) -> tuple[Any, ...]:
    """Return where a merge or a payout stands among the trades: payouts come last."""
    return (2 if str(paid["kind"]) == "payout" else 0, paid["paid_at"], "1.")


def _stated(order: Row) -> Row:
    """Return the part of an order that is only stated, as a fill."""
    amounts = {"size": order["stated"], "cost": order["stated_cost"]}
    said = {"fee": order["stated_fees"], "purpose": str(order["purpose"]), "what": "fill"}
    return {**order, **amounts, **said}


def _fill(fill: Row, orders: Mapping[str, Row]) -> Row:
    """Return a fill with its purpose, and with its cost as it is booked: against us."""
    exact = Fraction(fill["price"]) * Fraction(fill["size"]) / MICRO
    up = str(fill["side"]) == "buy"
    cost = (-(-exact // 1) if up else exact // 1) * MICRO
    purpose = str(orders[fill["order_id"]]["purpose"])
    return {**fill, "cost": cost, "what": "fill", "purpose": purpose}


def _entry(orders: list[Row], held: list[Row], facts: list[Row], second: Row) -> set[str]:
    """Return the orders of the entry: all of its first leg, and the hedges that it sent.

    A later hedge is not one of them; the position names the first, and the rest come in the
    order in which their platform matched them, since our own clock may have been put back.
    """
    platform = str(second["platform"])
    filled: dict[str, Any] = {}
    for fact in facts:
        if "matched_at" in fact:
            filled.setdefault(fact["order_id"], fact["matched_at"])
    opened = [position[f"{platform}_order_id"] for position in held]

    def place(order: Row) -> tuple[Any, ...]:
        name = order["order_id"]
        return name not in opened, filled.get(name, order["created_at"]), name

    found = {o["order_id"] for o in orders if str(o["leg"]) == "primary"}
    hedges = (o for o in orders if str(o["purpose"]) == "hedge")
    left = Fraction(second["sent"])
    for order in sorted((o for o in hedges if str(o["platform"]) == platform), key=place):
        if Fraction(order["size"]) <= left:
            found.add(order["order_id"])
            left -= Fraction(order["size"])
    return found


def _entered(states: tuple[Row, Row], bought: list[Row]) -> dict[str, Fraction]:
    """Return the edge and the parts of the entry."""
    planned = Fraction(states[0]["planned"])
    sizes, costs, fees = [], [], NIL
    for state in states:
        mine = [f for f in bought if str(f["platform"]) == str(state["platform"])]
        sizes.append(sum((Fraction(f["size"]) for f in mine), start=NIL))
        costs.append(sum((Fraction(f["cost"]) for f in mine), start=NIL))
        fees += sum((Fraction(f["fee"]) for f in mine), start=NIL)
    hedged = min(sizes)
    delay = slippage = NIL
    margin = Fraction(1)
    for state, size, cost in zip(states, sizes, costs, strict=True):
        decided = Fraction(state["decided_cost"]) / planned
        sent = Fraction(state["sent"])
        sending = Fraction(state["sent_cost"]) / sent if sent else decided
        margin -= decided
        delay += hedged * (sending - decided)
        slippage += hedged * ((cost / size if size else sending) - sending)
    missed = margin * (planned - hedged)
    return {
        "edge": margin * planned, "delay": delay, "slippage": slippage, "fees": fees,
        "missed": missed,
    }  # fmt: skip
