"""Rules of the oracle about payouts, discrepancies and people's commands."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from .stores import Row
from .truth import Truth

Tables = dict[str, list[Row]]
PLATFORMS = ("kalshi", "polymarket")
LEGS = ("retry_leg", "close_leg", "complement")


def micros(amount: Decimal | int) -> int:
    """Return whole millionths; no amount here is finer."""
    scaled = amount * 1_000_000
    assert scaled == int(scaled), f"{amount} is finer than a millionth"
    return int(scaled)


def unexplained(discrepancies: list[Row], platform: str) -> int:
    """Return the millionths of a platform's cash that await a decision or were acknowledged."""
    total = 0
    for row in discrepancies:
        stands = row["resolved_at"] is None or row["resolution"] == "acknowledge"
        if row["kind"] == "balance_mismatch" and row["platform"] == platform and stands:
            total += micros(Decimal(json.loads(row["theirs"])["unexplained"]))
    return total


def facts(tables: Tables, name: str) -> list[dict[str, Any]]:
    """Return the payloads of every event of a name, in the order of the log."""
    log = sorted(tables["audit_log"], key=lambda row: int(row["sequence"]))
    return [json.loads(row["payload"]) for row in log if row["name"] == name]


def settlements(tables: Tables, truth: Truth) -> Iterator[str]:
    """Check that everything a platform has paid is booked once, and nothing else is."""
    paid: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    merged: dict[tuple[str, str], int] = defaultdict(int)
    outcomes = {
        (row["position_id"], platform): row[f"{platform}_side"]
        for row in tables["open_positions"]
        for platform in PLATFORMS
    }
    payouts: Counter[tuple[str, str]] = Counter()
    for row in tables["settlements"]:
        key = (row["platform"], row["contract_id"])
        if row["status"] == "pending" and not _asked(tables, row["settlement_id"]):
            yield f"L-2 settlement {row['settlement_id']} has no end, and nobody was asked"
        if row["status"] != "paid":
            continue
        if row["kind"] == "merge":
            merged[key] += row["size"]
            continue
        payouts[row["position_id"], row["platform"]] += 1
        yes = outcomes[row["position_id"], row["platform"]] == "yes"
        pays = row["yes_pays"] if yes else 1_000_000 - row["yes_pays"]
        paid[key] += Decimal(row["size"] * pays) / 1_000_000
    for (position, platform), times in payouts.items():
        if times > 1:
            yield f"I-6 {platform} has paid {position} {times} times"
    yield from _as_the_platforms_say(truth, paid, merged)


def _asked(tables: Tables, settlement_id: str) -> bool:
    asked = facts(tables, "execution.settlement.needs_person")
    return any(each["settlement_id"] == settlement_id for each in asked)


def _as_the_platforms_say(
    truth: Truth, paid: dict[tuple[str, str], Decimal], merged: dict[tuple[str, str], int]
) -> Iterator[str]:
    for platform in PLATFORMS:
        if platform not in truth.states:
            continue
        story = truth.states[platform]["story"]
        theirs = {(platform, key): micros(amount) for key, amount in story.paid.items()}
        pairs = {(platform, key): micros(size) for key, size in story.merged.items()}
        for word, ours, their in (("paid", paid, theirs), ("merged", merged, pairs)):
            mine = {key: int(each) for key, each in ours.items() if key[0] == platform}
            for key in sorted(mine.keys() | their.keys()):
                if mine.get(key, 0) != their.get(key, 0):
                    yield (
                        f"I-11 {key[0]} has {word} {their.get(key, 0)} for {key[1]},"
                        f" our books say {mine.get(key, 0)}"
                    )


def legs(tables: Tables, truth: Truth) -> Iterator[str]:
    """Check that every booked payout is what the platform ruled."""
    for row in tables["settlements"]:
        if row["kind"] == "payout" and row["status"] == "paid":
            state = truth.states.get(row["platform"])
            result = state["results"].get(row["contract_id"]) if state else None
            if result is None or micros(result.yes_pays) != row["yes_pays"]:
                yield f"I-7 {row['settlement_id']} says {row['yes_pays']}, not what was ruled"


def discrepancies(tables: Tables, truth: Truth) -> Iterator[str]:
    """Check that each discrepancy is reported when opened and resolved, and none is double."""
    assert truth is not None, "each check takes both"
    told = Counter(
        e["discrepancy_id"] for e in facts(tables, "system.reconciliation.discrepancy")
    )
    over = Counter(e["discrepancy_id"] for e in facts(tables, "system.reconciliation.resolved"))
    open_now: Counter[tuple[Any, ...]] = Counter()
    doubted = set()
    for row in tables["discrepancies"]:
        name, resolved = row["discrepancy_id"], row["resolved_at"] is not None
        if told[name] != 1:
            yield f"I-20 discrepancy {name} was told {told[name]} times"
        if over[name] != int(resolved):
            yield f"I-22 discrepancy {name} was resolved {over[name]} times in the log"
        if not resolved:
            about = json.loads(row["ours"])["about"]
            named = (about["subject"], about["order_id"], row["position_id"])
            key = (row["kind"], row["platform"], *named)
            open_now[key] += 1
            doubted.add(row["position_id"])
    for about, times in open_now.items():
        if times > 1:
            yield f"I-22 {times} discrepancies are open about {about}"
    for row in tables["open_positions"]:
        asked = row["status"] == "RECONCILIATION_REQUIRED"
        if asked and row["position_id"] not in doubted:
            yield f"I-22 {row['position_id']} is in doubt and nobody was asked"


def commands(tables: Tables, truth: Truth) -> Iterator[str]:
    """Check that every command was answered, and carried out at most once."""
    assert truth is not None, "each check takes both"
    begun = Counter(each["command_id"] for each in facts(tables, "operator.command.begun"))
    ended = Counter(each["command_id"] for each in facts(tables, "operator.command.answered"))
    lifted = 0
    for row in tables["operator_commands"]:
        name = row["command_id"]
        if row["answered_at"] is None:
            yield f"L-1 command {name} ({row['name']}) was never answered"
            continue
        if begun[name] > 1:
            yield f"I-1 command {name} was begun {begun[name]} times"
        if row["name"] in LEGS and ended[name] != 1:
            yield f"I-27 the answer to {name} was told {ended[name]} times"
        lifted += row["name"] == "override"
    overridden = len(tables["risk_override_logs"])
    if overridden != lifted:
        yield f"I-1 {lifted} wishes to lift a limit, {overridden} verdicts"
    started = len(facts(tables, "system.wind_down.started"))
    wished = sum(row["name"] == "wind_down" for row in tables["operator_commands"])
    if started > wished:
        yield f"I-1 {wished} wishes to wind down, {started} were begun"


CHECKS = (settlements, legs, discrepancies, commands)
