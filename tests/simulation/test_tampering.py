"""Ten thousand ways to alter a log: with an anchored head, each is found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from support.replay import encoded
from support.runs import play

from dutchbook.persistence.log.audit import Chain, audited
from dutchbook.persistence.log.chain import GENESIS, link_stored
from dutchbook.ports.anchors import Anchor

TIMES = 10_000
ENTRIES = 60
Row = dict[str, Any]
Log = list[Row]
Chance = random.Random


@pytest.fixture(scope="module")
def log() -> Log:
    """The first entries of a real run, as they are stored."""
    rows = play("paper.fault_partial=300000", minutes=5).tables["audit_log"]
    return [encoded("audit_log", row) for row in rows[:ENTRIES]]


def found(log: Log, anchors: list[Anchor]) -> list[str]:
    """Return what chain and anchors alone reveal about a log, read as from a database."""
    chain = Chain(anchors)
    for _ in chain.through(sorted(log, key=lambda row: row["sequence"])):
        pass
    return list(chain.problems())


def head(log: Log) -> Anchor:
    """Return the anchor of the newest entry."""
    return Anchor(log[-1]["sequence"], log[-1]["hash"], "in a test")


# Ways to alter a log --------------------------------------------------------------------


def other(chance: Chance, value: Any) -> Any:
    """Return another value for the same column."""
    if value is None:
        return chance.choice(("", "forged", "[]"))
    if isinstance(value, int):
        return value + chance.choice((-1_000_000, -1, 1, 7, 10**12))
    at = chance.randrange(len(value) + 1)
    forms = [f"{value[:at]} {value[at:]}", f"{value}0", value.swapcase(), value[1:], None, ""]
    return chance.choice([form for form in forms if form != value])


def edited(chance: Chance, log: Log) -> Log:
    at = chance.randrange(len(log))
    column = chance.choice(sorted(log[at]))
    value = other(chance, log[at][column])
    if value is None and column not in ("causation_id", "changes"):
        value = "forged"  # the other columns are NOT NULL
    return [*log[:at], log[at] | {column: value}, *log[at + 1 :]]


def deleted(chance: Chance, log: Log) -> Log:
    at = chance.randrange(len(log))
    return log[:at] + log[at + 1 :]


def inserted(chance: Chance, log: Log) -> Log:
    """Insert an entry somewhere before the newest."""
    at = chance.randrange(len(log))
    forged = chance.choice(log) | {"event_id": f"forged-{chance.random()}", "sequence": at + 1}
    after = [row | {"sequence": row["sequence"] + 1} for row in log[at:]]
    return [*log[:at], forged, *(after if chance.random() < 0.5 else log[at:])]


def swapped(chance: Chance, log: Log) -> Log:
    first, second = sorted(chance.sample(range(len(log)), 2))
    result = list(log)
    result[first] = log[second] | {"sequence": first + 1}
    result[second] = log[first] | {"sequence": second + 1}
    return result


def cut(chance: Chance, log: Log) -> Log:
    return log[: chance.randrange(len(log))]


def chained(log: Log, start: int = 0) -> Log:
    """Return a log whose numbers and hashes were made consistent from an entry on."""
    result = log[:start]
    for number, row in enumerate(log[start:], start=start + 1):
        previous = result[-1]["hash"] if result else GENESIS
        row = row | {"sequence": number, "previous_hash": previous}  # noqa: PLW2901
        result.append(row | {"hash": link_stored(row, previous)})
    return result


def rechained(chance: Chance, log: Log) -> Log:
    """Alter an entry's content, then make everything after it consistent."""
    at = chance.randrange(len(log))
    column = chance.choice(("event_id", "name", "occurred_at", "correlation_id", "payload"))
    forged = log[at] | {column: other(chance, log[at][column]) or "forged"}
    return chained([*log[:at], forged, *log[at + 1 :]], at)


def rearranged(chance: Chance, log: Log) -> Log:
    """Remove, insert or swap entries, then make everything consistent."""
    return chained(chance.choice((deleted, inserted, swapped))(chance, log))


def restored(chance: Chance, log: Log) -> Log:
    """Restore an older copy, and append other events: fewer, as many, or more."""
    at = chance.randrange(len(log))
    count = chance.choice((0, len(log) - at, len(log) - at + 5, chance.randrange(1, 20)))
    events = [
        chance.choice(log) | {"event_id": f"after-{number}-{chance.random()}"}
        for number in range(count)
    ]
    return chained(log[:at] + events, at)


WAYS: tuple[Callable[[Chance, Log], Log], ...] = (
    edited,
    edited,
    edited,
    deleted,
    inserted,
    swapped,
    cut,
    rechained,
    rearranged,
    restored,
)


def test_every_one_of_ten_thousand_tamperings_is_found(log: Log) -> None:
    chance, anchors, tried, missed = Chance(26), [head(log)], Counter[str](), []

    for number in range(TIMES):
        way = WAYS[number % len(WAYS)]
        forged = way(chance, log)
        assert forged != log
        tried[way.__name__] += 1
        if not found(forged, anchors):
            missed.append((number, way.__name__))

    assert missed == []
    assert tried.total() == TIMES
    assert min(tried.values()) == TIMES // len(WAYS)
    assert found(log, anchors) == []


@pytest.mark.parametrize("way", [rechained, rearranged, restored, cut])
def test_without_an_anchor_a_rewritten_log_looks_intact(
    log: Log, way: Callable[[Chance, Log], Log]
) -> None:
    forged = [way(Chance(seed), log) for seed in range(50)]

    assert [found(each, []) for each in forged] == [[]] * 50
    assert all(found(each, [head(log)]) for each in forged)


def test_entries_after_the_newest_anchor_are_protected_only_by_the_next_one(log: Log) -> None:
    anchor, later = head(log[:-10]), head(log)

    forged = chained([*log[:-5], log[-5] | {"payload": "{}"}, *log[-4:]], ENTRIES - 5)

    assert found(forged, [anchor]) == []
    assert len(found(forged, [anchor, later])) == 1


def test_for_a_rewritten_log_the_last_good_anchor_is_named(log: Log) -> None:
    anchors = [Anchor(row["sequence"], row["hash"], "kept") for row in log[9::10]]

    forged = chained([*log[:34], log[34] | {"payload": "{}"}, *log[35:]], 34)

    (told,) = found(forged, anchors)
    assert told.startswith("audit log: entry 40 is not the one that was anchored (kept):")
    assert told.endswith("; it is intact up to 30 (kept)")


def test_of_many_broken_entries_some_are_named_and_the_rest_counted(log: Log) -> None:
    told = found([row | {"payload": "[]"} for row in log], [])

    assert len(told) == 21
    assert told[-1] == f"audit log: {ENTRIES - 20} more entries are not what was written"


def test_no_entry_is_kept_in_memory_once_it_was_checked(log: Log) -> None:
    """A million entries need no more memory than sixty: only the tables grow."""
    alive, most = 0, 0

    class Watched(dict[str, Any]):
        def __init__(self, row: Row) -> None:
            nonlocal alive, most
            super().__init__(row)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    audit = audited(lambda name: map(Watched, log) if name == "audit_log" else [], [])

    assert audit.entries == ENTRIES
    assert most <= 2
