"""Whole runs produce the results that were stored for them, on either database."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.attributed import unattributed_at
from support.goldens import ADVICE, FOLDER, STORIES, Story, differences, golden, run, tables

from dutchbook.domain.events import RecordsChanged

pytestmark = pytest.mark.usefixtures("own_home")

Run = tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]


SERVED = ("away", "crowded")
"""The runs that are compared on a server too: outages, and every fault with exits and results.

Which database a run is on changes none of it: see `test_runs_on_databases`.
"""


@pytest.mark.parametrize(
    ("story", "database_url"),
    [
        pytest.param(story, database, id=f"{story.name}-{database}")
        for story in STORIES
        if story.recording is None
        for database in ("sqlite", "postgresql")
        if database == "sqlite" or story.name in SERVED
    ],
    indirect=["database_url"],
)
def test_a_run_produces_its_stored_result(
    story: Story, database_url: str, tmp_path: Path
) -> None:
    """`test_world_cup` compares the run of a recording."""
    summary = run(story, database_url, tmp_path)

    assert unattributed_at(database_url) == []
    found = differences(story.kept, golden(summary, tables(database_url)))

    assert not found, "\n".join((f"{story.name} is not what it was:", *found, ADVICE))


SHOWN = frozenset(
    {
        "degradation.protocol.activated",
        "execution.exit.triggered",
        "execution.fill.failed",
        "execution.fill.settled",
        "execution.leg.settled",
        "execution.order.failed",
        "execution.order.needs_person",
        "execution.order.outcome_unknown",
        "execution.pairs.merged",
        "execution.position.closed",
        "execution.position.opened",
        "execution.position.settled",
        "execution.single_leg.exposure",
        "execution.single_leg.policy_tried",
        "execution.single_leg.resolved",
        "platform.health.recovered",
        "risk.budget.released",
        "system.reconciliation.discrepancy",
        "system.reconciliation.resolved",
        "system.records.changed",
        "system.trading.halted",
        "time.drift.critical",
        "time.drift.warning",
    }
)


def test_stored_results_cover_everything_that_can_go_wrong() -> None:
    events, orders, positions = Counter[str](), Counter[str](), Counter[str]()
    for story in STORIES:
        events.update(story.kept["events"])
        orders.update(story.kept["summary"]["orders"])
        positions.update(story.kept["summary"]["positions"])

    assert SHOWN - set(events) == set()
    assert {name for name, count in orders.items() if not count} == set()
    # An exit's other leg is worked on until it is gone: none is left at an end.
    assert {name for name, count in positions.items() if not count} == {
        "RECONCILIATION_REQUIRED",
        "EXIT_PARTIAL",
    }


def test_every_file_belongs_to_a_run() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(story.file for story in STORIES)


@pytest.fixture(scope="module")
def ran(own_home: Path, prepared_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The summary of the demo, and the tables after it."""
    assert own_home.exists()
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(prepared_file, folder / "paper.db")
    url = f"sqlite:///{folder}/paper.db"
    return run(STORIES[0], url, folder), tables(url)


@pytest.fixture
def demo(ran: Run) -> Run:
    """A copy that a test may change."""
    return copy.deepcopy(ran)


def _parts(found: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in found]


def test_one_changed_digit_of_an_event_a_row_or_the_summary_is_found(demo: Run) -> None:
    summary, rows = demo
    kept = golden(summary, rows)
    entry = next(row for row in rows["audit_log"] if row["name"] == "execution.order.filled")
    entry["payload"] = json.dumps(json.loads(entry["payload"]) | {"size": "1"})
    rows["fills"][3]["price"] += 1
    summary["fees"] = summary["fees"] | {"kalshi": "24.6433"}

    found = differences(kept, golden(summary, rows))

    assert _parts(found) == [
        "log_digest",
        "stories_digest",
        "summary fees kalshi",
        "tables fills",
    ]
    assert "24.6433, kept is" in found[2]


def test_a_new_row_and_a_new_kind_of_event_are_found(demo: Run) -> None:
    summary, rows = demo
    kept = golden(summary, rows)
    rows["orders"].append(rows["orders"][0] | {"order_id": "another"})
    rows["audit_log"][5]["name"] = "something.else"
    del kept["tables"]["accounts"]

    found = differences(kept, golden(summary, rows))

    parts = ("events something.else", "log_digest", "tables accounts", "tables orders")
    assert set(parts) < set(_parts(found))
    assert "events something.else: 1, kept is nothing" in found


def test_how_batches_are_split_changes_only_the_log_head_and_one_count(demo: Run) -> None:
    summary, rows = demo
    kept = golden(summary, rows)
    told = [row for row in rows["audit_log"] if row["name"] == RecordsChanged.wire]
    rows["audit_log"].remove(told[0])
    rows["audit_log"][-1]["hash"] = "f" * 64

    found = differences(kept, golden(summary, rows))

    assert _parts(found) == ["events system.records.changed", "log_head hash"]


def test_the_order_of_two_simultaneous_unrelated_events_changes_only_the_log_digest(
    demo: Run,
) -> None:
    summary, rows = demo
    kept = golden(summary, rows)
    log = rows["audit_log"]
    place = next(
        number
        for number, (one, other) in enumerate(pairwise(log))
        if one["occurred_at"] == other["occurred_at"]
        and one["correlation_id"] != other["correlation_id"]
        and RecordsChanged.wire not in (one["name"], other["name"])
    )
    log[place], log[place + 1] = log[place + 1], log[place]

    found = differences(kept, golden(summary, rows))

    assert _parts(found) == ["log_digest"]
