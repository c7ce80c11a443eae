"""Rules that hold once nothing moves any more: our rows against the platforms' real state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from independent import edges, verify
from independent.stored import as_stored
from support.replay import differences

from dutchbook.application.views import attributions
from dutchbook.domain.events import Event
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.persistence.log.replay import AUDITED
from dutchbook.platforms.paper.exchange import PaperExchange
from prove.journal import Store
from prove.ledger import accounts
from prove.named_cash import KINDS, Moved
from prove.platform import CANARY

NIL = Decimal(0)
MICRO = Decimal("0.000001")
Wrong = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Truth:
    """The platforms' real state, and the fills in our record that failed later."""

    exchanges: Mapping[Platform, PaperExchange]
    failed: frozenset[tuple[str, str]]
    moved: Mapping[Platform, Sequence[Moved]]


def judge(
    store: Store, truth: Truth, heard: Mapping[int, Event], *, replay: bool = True
) -> Wrong:
    """Yield every violation as an invariant and a sentence.

    `replay` also verifies the rows and rebuilds them from the log, once by the program and once
    without it: at a seed's end the log is complete.
    """
    yield from _fills(store, truth)
    yield from _orders(store, truth)
    yield from _wallets(store, truth, last=replay)
    yield from _open_ends(store)
    yield from _orphans(store)
    yield from _ledger(store)
    yield from _named_cash(store, truth, last=replay)
    yield from _record(store, truth, heard, last=replay)
    if replay:
        log = store.table("audit_log")
        for row in log:
            if CANARY in row["payload"] or CANARY in (row["changes"] or ""):
                yield "I-30", f"event {row['sequence']}, {row['name']}, shows a key"
        for line in differences(log, {name: store.table(name) for name in AUDITED}):
            yield "I-26", line
        yield from _attributed(store)
        rows = {name: as_stored(store.table(name)) for name in verify.TABLES}
        for line in verify.problems(rows):
            invariant, _, what = line.partition(" ")
            yield invariant, what


def _attributed(store: Store) -> Wrong:
    """Check that every dollar of each edge is told, as its fills alone say (I-33)."""
    tables = {name: store.table(name) for name in attributions.TABLES}
    found = {
        name: attributions.document(each)
        for name, each in attributions.by_execution(tables).items()
    }
    for line in edges.wrong(tables, found):
        yield "I-33", line


def _fills(store: Store, truth: Truth) -> Wrong:
    """Check that our fills are the platforms' fills (I-5, I-6, I-7)."""
    theirs = {}
    for platform, exchange in truth.exchanges.items():
        for working in exchange._orders.values():
            for fill in working.fills:
                theirs[str(platform), fill.trade_id] = fill
    ours = {(str(row["platform"]), row["trade_id"]): row for row in store.table("fills")}
    for key in sorted({*ours, *theirs}):
        if key not in ours:
            yield "I-5", f"{'/'.join(key)} is not in our record"
        elif key not in theirs:
            yield "I-7", f"{'/'.join(key)} never was"
        else:
            row, fill = ours[key], theirs[key]
            same = ("size", "price", "fee", "finality")
            bad = [name for name in same if row[name] != getattr(fill, name)]
            if bad:
                told = {name: (row[name], getattr(fill, name)) for name in bad}
                yield "I-5", f"{'/'.join(key)} differs: {told}"


def _orders(store: Store, truth: Truth) -> Wrong:
    """Check that platform orders match our intents, and that we know every working one.

    Nothing that a platform has stated is left without its trades (I-5).
    """
    known = {row["client_order_id"]: row for row in store.table("orders")}
    for key, row in known.items():
        if row["stated"]:
            yield "I-5", f"{key}: {row['stated']} were stated and never listed"
    for platform, exchange in truth.exchanges.items():
        seen: dict[str, int] = defaultdict(int)
        for working in exchange._orders.values():
            key = working.order.client_order_id
            seen[key] += 1
            if seen[key] > 1:
                yield "I-1", f"{key} is on {platform} twice"
            if key not in known:
                yield "I-2", f"{key} is on {platform} and not in our record"
            elif working.left > 0 and not known[key]["working_size"]:
                yield "I-5", f"{key} works on {platform} and not in our record"


def _held(store: Store) -> dict[tuple[str, str, str], Decimal]:
    """Return contracts bought less sold and merged; by platform, contract, outcome."""
    held: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    orders = {row["order_id"]: row for row in store.table("orders")}
    for fill in store.table("fills"):
        if fill["finality"] != "failed":
            key = (str(fill["platform"]), orders[fill["order_id"]]["contract_id"])
            sign = 1 if fill["side"] == "buy" else -1
            held[*key, str(fill["outcome"])] += sign * fill["size"]
    for merge in store.table("settlements"):
        if merge["status"] == "paid" and merge["kind"] == "merge":
            for outcome in Outcome:
                key = (str(merge["platform"]), merge["contract_id"])
                held[*key, str(outcome)] -= merge["size"]
    return held


def _contracts_of(store: Store) -> dict[tuple[str, str], str]:
    """Return the contract of each position, by position and platform."""
    return {
        (order["position_id"], str(order["platform"])): order["contract_id"]
        for order in store.table("orders")
    }


def _unpaid(store: Store, truth: Truth) -> Iterator[tuple[str, str]]:
    """Yield payouts that a platform has made, or would make on request, and we have not booked.

    Each is a position, and the contract that owes it a payout.
    """
    contracts = _contracts_of(store)
    for row in store.table("open_positions"):
        for platform, exchange in truth.exchanges.items():
            contract = contracts.get((row["position_id"], str(platform)))
            rest = row[f"{platform}_size"] or row[f"{platform}_complement"]
            if contract in exchange.results and rest and row[f"{platform}_payout"] is None:
                yield row["position_id"], contract


def _wallets(store: Store, truth: Truth, *, last: bool) -> Wrong:
    """Check that our cash and contracts are what the platforms hold for us (I-28)."""
    live = {r["execution_id"] for r in store.table("executions") if r["ended_at"] is None}
    if live:
        return
    held = _held(store)
    # A platform rounds each payout once per account, our books once per position.
    rounded = MICRO * sum(row["kind"] == "payout" for row in store.table("settlements"))
    unpaid = list(_unpaid(store, truth))
    if unpaid:
        # A position gets no payout while one of its orders is out, which a person is notified
        # of. The same holds for payouts that must be requested: a request pays all positions of
        # its contract.
        waits = {o["position_id"] for o in store.table("orders") if o["working_size"]}
        held_up = {contract for position_id, contract in unpaid if position_id in waits}
        late = [f"{what} of {whose}" for whose, what in unpaid if what not in held_up]
        if last and late:
            yield "I-28", f"a result was not booked: {late}"
        return
    for row in store.table("accounts"):
        wallet = truth.exchanges[Platform(row["platform"])].wallet
        ours = row["free"] + row["reserved"]
        # Late fills can reverse a position. The platform then nets its contracts against other
        # positions of that contract, or the sale takes contracts of theirs; our books treat
        # each position as if it were the only one.
        crossed = (_opposed if wallet.nets else _oversold)(store, str(row["platform"]))
        off = ours - wallet.cash + crossed + _unbooked(store, truth, row["platform"])
        erred = abs(off - _booked(store, row["account_id"])) <= rounded and (
            not last or _cash_reported(store, row["platform"])
        )
        if abs(off) > rounded and not erred:
            yield "I-28", f"{row['account_id']} has {ours}, its platform {wallet.cash}"
        yield from _contracts(held, str(row["platform"]), truth)


def _contracts(held: dict[tuple[str, str, str], Decimal], platform: str, truth: Truth) -> Wrong:
    """Check that the platform holds the unpaid contracts that our fills add up to."""
    exchange = truth.exchanges[Platform(platform)]
    wallet = exchange.wallet
    for (contract, outcome), size in sorted(wallet.contracts.items()):
        if contract in exchange.results:
            continue
        mine = held[platform, contract, str(outcome)]
        other = held[platform, contract, str(outcome.opposite)]
        if wallet.nets and min(mine, other) > 0:
            mine -= min(mine, other)
        if mine != size:
            told = f"{mine} by our fills, {size} on its platform"
            yield "I-28", f"{contract} {outcome}: {told}"


def _booked(store: Store, account_id: str) -> Decimal:
    """Return the amount that a person has booked to an account's cash."""
    return sum(
        (
            entry["amount"]
            for entry in store.table("ledger_entries")
            if entry["kind"] == "adjustment"
            and entry["bucket"] == "free"
            and entry["account_id"] == account_id
        ),
        start=NIL,
    )


def _named(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return the ledger's entries of free cash by their reference."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in store.table("ledger_entries"):
        if entry["bucket"] == "free":
            found[entry["reference"]].append(entry)
    return found


def _unbooked(store: Store, truth: Truth, platform: str) -> Decimal:
    """Return the cash that a platform has moved by a name, and we have not booked yet."""
    known = _named(store)
    return sum(
        (
            each.movement.amount
            for each in truth.moved[Platform(platform)]
            if each.habit in KINDS and _reference(each) not in known
        ),
        start=NIL,
    )


def _reference(each: Moved) -> str:
    return f"{each.movement.account.platform}:{each.movement.movement_id}"


def _named_cash(store: Store, truth: Truth, *, last: bool) -> Wrong:
    """Check that each movement is booked once as what it is, and no payout by its name (I-11).

    At the end of a seed none is left: each has long been listed.
    """
    known = _named(store)
    for each in (moved for mine in truth.moved.values() for moved in mine):
        name, movement = _reference(each), each.movement
        booked = [(str(entry["kind"]), entry["amount"]) for entry in known.get(name, ())]
        right = [(movement.kind.value, movement.amount)] if each.habit in KINDS else []
        if booked != right and (booked or last):
            yield "I-11", f"{name} is booked as {booked}, and was {right}"


def _cash_reported(store: Store, platform: str) -> bool:
    """Return whether a platform's cash is in dispute, or a person acknowledged it."""
    return any(
        row["kind"] == "balance_mismatch" and row["platform"] == platform
        for row in store.table("discrepancies")
        if row["resolved_at"] is None or row["resolution"] == "acknowledge"
    )


def _opposed(store: Store, platform: str) -> Decimal:
    """Return the pairs that positions hold against one another: netted on their platform."""
    of = _contracts_of(store)
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in store.table("open_positions"):
        contract = of.get((row["position_id"], platform))
        if row[f"{platform}_payout"] is not None or contract is None:
            continue
        yes = row[f"{platform}_side"] == "yes"
        for part, own in (("size", True), ("complement", False)):
            held[contract, "yes" if own == yes else "no"] += row[f"{platform}_{part}"]
    contracts = {contract for contract, _ in held}
    return sum((min(held[c, "yes"], held[c, "no"]) for c in contracts), start=NIL)


def _oversold(store: Store, platform: str) -> Decimal:
    """Return the contracts that positions sold or merged beyond what they held."""
    orders = {row["order_id"]: row for row in store.table("orders")}
    sides = {
        row["position_id"]: row
        for row in store.table("open_positions")
        if row[f"{platform}_payout"] is None
    }
    net: dict[str, Decimal] = defaultdict(Decimal)
    for fill in store.table("fills"):
        position = sides.get(orders[fill["order_id"]]["position_id"] or "")
        if fill["finality"] == "failed" or position is None or fill["platform"] != platform:
            continue
        if fill["outcome"] == position[f"{platform}_side"]:
            net[position["position_id"]] += fill["size"] * (1 if fill["side"] == "buy" else -1)
    for merge in store.table("settlements"):
        merged = merge["status"] == "paid" and merge["kind"] == "merge"
        if merged and merge["platform"] == platform and merge["position_id"] in sides:
            net[merge["position_id"]] -= merge["size"]
    return sum((-each for each in net.values() if each < 0), start=NIL)


def _open_ends(store: Store) -> Wrong:
    """Check that everything has ended or a person was notified (L-1, L-2)."""
    flagged = {
        row["correlation_id"]
        for row in store.table("audit_log")
        if row["name"] == "execution.order.needs_person"
    }
    out = [order for order in store.table("orders") if order["working_size"]]
    for order in out:
        if order["execution_id"] not in flagged:
            yield "L-2", f"{order['order_id']} is out and nobody was told"
    standing = {order["execution_id"] for order in out}
    for row in store.table("executions"):
        if row["ended_at"] is None and row["execution_id"] not in standing:
            yield "L-1", f"{row['execution_id']} has not ended and waits for nothing"


def _orphans(store: Store) -> Wrong:
    """Check that every open reservation and every slot has an owner (I-15)."""
    ended = {r["execution_id"]: r["ended_at"] is not None for r in store.table("executions")}
    orders = {row["order_id"]: row for row in store.table("orders")}
    slots = set()
    for row in store.table("reservations"):
        if row["status"] != "reserved":
            continue
        order = orders.get(row["order_id"] or "")
        if order is None:
            slots.add(row["execution_id"])
        if ended[row["execution_id"]] if order is None else not order["working_size"]:
            yield "I-15", f"{row['reservation_id']} stands for nothing"
    taken = store.table("risk_states")[0]["reserved_position_slots"]
    if taken != len(slots):
        yield "I-15", f"{taken} slots are taken, {len(slots)} are used"


def _ledger(store: Store) -> Wrong:
    """Check that the second model of the ledger agrees (I-11, I-28)."""
    names = (
        *("audit_log", "accounts", "fills", "orders"),
        *("open_positions", "reservations", "executions", "settlements"),
    )
    entries: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for entry in store.table("ledger_entries"):
        entries[entry["account_id"]][str(entry["bucket"])] += entry["amount"]
    model = accounts({name: _plain(store.table(name)) for name in names})
    for row in store.table("accounts"):
        mine, booked = model[row["account_id"]], entries[row["account_id"]]
        stated = {name: row[name] for name in ("free", "reserved", "committed")}
        stated |= {"realised": -booked["realised"], "fees": booked["fees"]}
        for name, value in stated.items():
            if mine[name] != value:
                yield "I-11", f"{row['account_id']} {name}: {value}, the model {mine[name]}"


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with plain strings instead of members of enumerations."""
    return [{k: str(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def _record(store: Store, truth: Truth, heard: Mapping[int, Event], *, last: bool) -> Wrong:
    """Check that every event in the log was delivered (I-27, I-25)."""
    log = store.table("audit_log")
    # Decisions of other processes wait in the outbox for the next start.
    undelivered = () if last else ("pair.decided",)
    missing = [
        row["sequence"]
        for row in log
        if row["sequence"] not in heard and row["name"] not in undelivered
    ]
    if missing:
        yield "I-27", f"events {missing[:5]} were never told"
    told = {
        (str(event.platform), event.trade_id)  # type: ignore[attr-defined]
        for event in heard.values()
        if event.wire == "execution.fill.failed"
    }
    if truth.failed - told:
        yield "I-25", f"{sorted(truth.failed - told)} failed and nobody was told"
