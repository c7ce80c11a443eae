"""Rules that hold once the engine is quiet, from the platforms' state and the database's rows.

It knows the guarantees and not the code that keeps them: rows are read with the drivers alone,
and amounts are the database's own millionths. The program's own verification runs as well,
beside one that shares nothing with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from independent import verify

from dutchbook.persistence.database import Database
from dutchbook.persistence.log import anchors
from dutchbook.persistence.log.verify import problems

from . import promises
from .promises import PLATFORMS, micros, unexplained
from .stores import Row, rows
from .truth import Truth

OVER = ("FILLED", "CANCELLED", "REJECTED")
UNEVEN = ("SINGLE_LEG_EXPOSED", "EXIT_PARTIAL")
DUST = 10_000
"""Contracts in millionths: less than the smallest tradable unit of either platform."""
TABLES = (
    "accounts", "audit_log", "contract_matches", "discrepancies", "executions", "fills",
    "ledger_entries", "open_positions", "operator_commands", "orders", "outbox", "reservations",
    "risk_override_logs", "risk_states", "settlements", "system_metadata",
)  # fmt: skip


def judge(url: str, truth: Truth, anchored: Path) -> list[str]:
    """Return everything that is wrong, one line each, beginning with its invariant.

    Args:
        url: The database.
        truth: What the platforms know.
        anchored: The file of heads of the log that are kept outside the database.
    """
    tables = {name: rows(url, f"SELECT * FROM {name}") for name in TABLES}  # noqa: S608
    checks = (
        _orders, _fills, _cash, _ledger, _reservations, _states, _positions, _deliveries,
        *promises.CHECKS,
    )  # fmt: skip
    found = [wrong for check in checks for wrong in check(tables, truth)]
    heads = anchored.read_bytes() if anchored.exists() else b""
    found += [*verify.problems(tables), *verify.kept(tables, heads)]
    return found + [f"I-26 {problem}" for problem in _verified(url, anchored)]


def quiet(url: str) -> bool:
    """Return whether nothing is in progress: no order is out, and no execution runs.

    A fill that an acknowledgement has stated is in progress until its trades were listed.
    """
    query = (
        "SELECT (SELECT count(*) FROM orders WHERE working_size > 0)"
        " + (SELECT count(*) FROM executions WHERE ended_at IS NULL)"
        " + (SELECT count(*) FROM fills WHERE finality = 'provisional')"
        " + (SELECT count(*) FROM orders WHERE fill_size <> (SELECT coalesce(sum(size), 0)"
        "     FROM fills WHERE fills.order_id = orders.order_id AND finality <> 'failed'))"
        " + (SELECT count(*) FROM settlements WHERE status = 'pending')"
        " + (SELECT count(*) FROM operator_commands WHERE answered_at IS NULL) AS left_over"
    )
    return not rows(url, query)[0]["left_over"]


def _platform_orders(truth: Truth) -> Iterator[tuple[str, Any]]:
    for platform in PLATFORMS:
        for working in truth.states.get(platform, {}).get("_orders", {}).values():
            yield platform, working


def _orders(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that no order was sent twice and every order sent has an intent."""
    for key, times in truth.sent.items():
        if times > 1:
            yield f"I-1 {key} was sent {times} times"
    mine = {row["client_order_id"]: row for row in rows["orders"]}
    if len(mine) < len(rows["orders"]):
        yield "I-1 two intents share a client's id"
    for key in truth.sent:
        if key not in mine:
            yield f"I-2 {key} was sent and has no intent"
    seen: dict[str, str] = {}
    for platform, working in _platform_orders(truth):
        key = working.order.client_order_id
        row = mine.get(key)
        if key in seen:
            yield f"I-1 {key} is on {seen[key]} and {platform}"
        seen[key] = platform
        if row is None:
            yield f"I-2 {platform} has {key}, which has no intent"
            continue
        stored = (
            row["platform"],
            row["contract_id"],
            row["side"],
            row["outcome"],
            row["price"],
        )
        order = working.order
        asked = (platform, order.contract_id, order.side, order.outcome, micros(order.price))
        if stored != tuple(str(v) if isinstance(v, str) else v for v in asked):
            yield f"I-2 {key} was written as {stored} and sent as {asked}"


def _fills(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that our fills are the platforms' fills, finality included."""
    theirs = {
        (platform, fill.trade_id): (
            working.order.client_order_id,
            micros(fill.price),
            micros(fill.size),
            micros(fill.fee),
            str(fill.finality),
        )
        for platform, working in _platform_orders(truth)
        for fill in working.fills
    }
    client = {row["order_id"]: row["client_order_id"] for row in rows["orders"]}
    ours: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in rows["fills"]:
        key = (row["platform"], row["trade_id"])
        if key in ours:
            yield f"I-6 {key} is booked twice"
        facts = (client.get(row["order_id"]), row["price"], row["size"], row["fee"])
        ours[key] = (*facts, row["finality"])
    for key in sorted(theirs.keys() | ours.keys()):
        if key not in ours:
            yield f"I-5 {key} is lost: {theirs[key]}"
        elif key not in theirs:
            yield f"I-7 {key} is invented: {ours[key]}"
        elif ours[key][:-1] != theirs[key][:-1]:
            yield f"I-5 {key}: ours {ours[key]}, the platform's {theirs[key]}"
        elif ours[key] != theirs[key]:
            yield f"I-25 {key} is {ours[key][-1]} here and {theirs[key][-1]} there"


def _cash(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that our free and reserved cash is the platform's cash, up to reported differences.

    A difference that was explained since is cleared only by the next comparison. A platform
    that nets has paid for pairs that positions hold against one another; our books have not,
    because they treat each position as if it were the only one.
    """
    for row in rows["accounts"]:
        platform = row["platform"]
        state = truth.states.get(platform)
        if state is None:
            continue
        ours, cash = row["free"] + row["reserved"], micros(state["wallet"].cash)
        if state["wallet"].nets:
            ours += _opposed(rows, platform)
        told = unexplained(rows["discrepancies"], platform)
        if cash not in (ours, ours + told):
            yield f"I-11 {platform} holds {cash}, our books say {ours}, {told} in question"


def _opposed(rows: dict[str, list[Row]], platform: str) -> int:
    """Return the pairs of YES and NO that positions hold against one another."""
    contracts = {
        row["match_id"]: row[f"{platform}_contract_id"] for row in rows["contract_matches"]
    }
    held: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in rows["open_positions"]:
        if row[f"{platform}_payout"] is None:
            yes, of = row[f"{platform}_side"] == "yes", held[contracts[row["pair_id"]]]
            of[yes] += row[f"{platform}_size"]
            of[not yes] += row[f"{platform}_complement"]
    return sum(min(of[True], of[False]) for of in held.values())


def _ledger(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that every transaction sums to zero and balances are the sums of their entries."""
    assert truth is not None, "each check takes both"
    sums: dict[str, int] = defaultdict(int)
    stands: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows["ledger_entries"]:
        sums[row["transaction_id"]] += row["amount"]
        stands[row["account_id"], row["bucket"]] += row["amount"]
    for transaction, total in sums.items():
        if total:
            yield f"I-11 transaction {transaction} sums to {total}"
    for row in rows["accounts"]:
        for bucket in ("free", "reserved", "committed"):
            entries = stands[row["account_id"], bucket]
            if row[bucket] != entries:
                yield f"I-11 {row['account_id']}: {bucket} {row[bucket]}, entries {entries}"
            if row[bucket] < 0:
                yield f"I-12 {row['account_id']}: {bucket} {row[bucket]}"


def _reservations(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that each reservation is resolved once and in full, and none is left open."""
    assert truth is not None, "each check takes both"
    for row in rows["reservations"]:
        parts = row["committed"] + row["fees"] + row["released"]
        if row["status"] == "reserved":
            yield f"I-15 {row['reservation_id']} is an orphan of {row['execution_id']}"
        elif parts != row["amount"]:
            yield f"I-13 {row['reservation_id']}: {row['amount']} came to {parts}"
    for row in rows["risk_states"]:
        if row["reserved_capital"] or row["reserved_position_slots"]:
            yield "I-15 the risk state holds something reserved"
        held = sum(each["status"] != "CLOSED" for each in rows["open_positions"])
        if row["open_position_count"] != held:
            yield f"I-17 {row['open_position_count']} positions counted, {held} are there"


def _states(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that orders and executions are over and agree with the platforms' facts."""
    filled: dict[str, int] = defaultdict(int)
    taken = set()
    for _, working in _platform_orders(truth):
        key = working.order.client_order_id
        taken.add(key)
        filled[key] += sum(
            micros(fill.size) for fill in working.fills if str(fill.finality) != "failed"
        )
    for row in rows["orders"]:
        key = row["client_order_id"]
        if row["status"] not in OVER and not (row["status"] == "PARTIAL" and key in taken):
            yield f"L-2 {key} is {row['status']}"
        if row["working_size"]:
            yield f"L-2 {key} counts as working"
        if row["fill_size"] != filled[key]:
            yield f"I-9 {key}: {row['fill_size']} filled here, {filled[key]} there"
        if row["status"] == "REJECTED" and filled[key]:
            yield f"I-9 {key} is rejected and was filled"
    for row in rows["executions"]:
        if row["ended_at"] is None:
            yield f"L-1 execution {row['execution_id']} never ended"


def _positions(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that a position's status follows from its fills, and exposures were reported."""
    net = _net(rows, truth)
    told = " ".join(
        row["payload"] for row in rows["audit_log"] if "single_leg.exposure" in row["name"]
    )
    for row in rows["open_positions"]:
        name, held = row["position_id"], {}
        for platform in PLATFORMS:
            side = row[f"{platform}_side"]
            other = "no" if side == "yes" else "yes"
            mine = net[row["execution_id"], f"{platform} {side}"]
            held[platform] = mine - net[row["execution_id"], f"{platform} {other}"]
            paid = row[f"{platform}_payout"] is not None
            kept = row[f"{platform}_size"] - row[f"{platform}_complement"]
            if held[platform] != (row[f"{platform}_settled"] if paid else kept):
                yield f"I-9 {name}: {platform} holds {held[platform]}"
            if paid and row["status"] == "CLOSED":
                held[platform] = 0
        yield from _status(name, row["status"], held)
        if row["status"] in UNEVEN and name not in told:
            yield f"I-20 nobody was told of the exposure of {name}"
    known = {row["execution_id"] for row in rows["open_positions"]}
    for (execution, leg), size in net.items():
        if size and execution not in known:
            yield f"I-9 execution {execution} holds {size} of {leg} in no position"


def _net(rows: dict[str, list[Row]], truth: Truth) -> dict[tuple[str, str], int]:
    """Return what each execution holds by the platforms' fills, by platform and outcome."""
    executions = {row["client_order_id"]: row["execution_id"] for row in rows["orders"]}
    net: dict[tuple[str, str], int] = defaultdict(int)
    for platform, working in _platform_orders(truth):
        order = working.order
        sign = 1 if order.side == "buy" else -1
        key = (executions.get(order.client_order_id, ""), f"{platform} {order.outcome}")
        for fill in working.fills:
            if str(fill.finality) != "failed":
                net[key] += sign * micros(fill.size)
    return net


def _status(name: str, status: str, held: dict[str, int]) -> Iterator[str]:
    imbalanced = abs(held["kalshi"] - held["polymarket"]) >= DUST
    if status == "OPEN" and (imbalanced or not min(held.values())):
        yield f"I-9 {name} is OPEN with {held}"
    reversed_ = max(held.values()) < 0  # balanced, and reversed: dollars were spent
    if status in UNEVEN and not imbalanced and not reversed_:
        yield f"I-9 {name} is {status} with {held}"
    if status == "CLOSED" and max(held.values()) >= DUST:
        yield f"I-9 {name} is CLOSED with {held}"


def _deliveries(rows: dict[str, list[Row]], truth: Truth) -> Iterator[str]:
    """Check that every event in the log, and no other, was delivered, in order."""
    log = {row["sequence"]: row["event_id"] for row in rows["audit_log"]}
    if rows["outbox"]:
        yield f"I-27 {len(rows['outbox'])} events wait in the outbox"
    heard = set()
    for number, events in truth.heard.items():
        sequences = [sequence for sequence, _ in events]
        if sequences != sorted(set(sequences)):
            yield f"I-27 life {number} heard events out of order or twice"
        for sequence, event_id in events:
            if log.get(sequence) != event_id:
                yield f"I-27 life {number} heard event {sequence}, which was not kept"
        heard |= set(sequences)
    if missing := sorted(log.keys() - heard):
        yield f"I-27 nobody heard events {missing[:5]} of {len(log)}"


def _verified(url: str, anchored: Path) -> list[str]:
    where = Database.at(url)
    kept = anchors.read(anchored, anchors.owner_of(where.identity()))

    assert not where.absent, "there is a database to verify"
    found = where.read(lambda read: problems(read, kept.anchors))
    missing = [] if kept.anchors else ["no head of the log was kept outside the database"]
    return [*found, *where.damage(), *kept.problems, *missing]
