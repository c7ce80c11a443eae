"""Oracles that share nothing with the program judge a run, and find what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest
from independent import capital, replay, states, verify
from independent.chain import ZEROS, chain, heads
from independent.exposures import MONTHLY, WEEKLY, exposures
from independent.stored import EPOCH, MICROSECOND, as_stored, in_dollars
from support.faults import ALL, BUSY
from support.runs import play

from dutchbook.ports.tables.catalogue import every_table

Tables = dict[str, list[dict[str, Any]]]
DOLLAR = 1_000_000


@pytest.fixture(scope="module")
def memory() -> Tables:
    """Return the rows of a run as they are held in memory."""
    tables = play(*BUSY, *ALL, seed=2, minutes=10).tables
    assert {str(row["status"]) for row in tables["orders"]} >= {"FILLED", "REJECTED"}
    assert any(row["committed"] for row in tables["reservations"])
    return tables


@pytest.fixture(scope="module")
def tables(memory: Tables) -> Tables:
    """Return the same rows as a database stores them."""
    return {name: as_stored(memory[name]) for name in verify.TABLES}


def rules(found: Iterable[str]) -> set[str]:
    """Return the invariants that the lines of an oracle name."""
    return {line.split(" ")[0] for line in found}


def test_capital_of_a_run_is_conserved_by_a_count_of_its_own(memory: Tables) -> None:
    capital.conserved(memory)


def test_every_order_of_a_run_stands_where_its_fills_put_it(memory: Tables) -> None:
    assert list(states.orders(memory)) == []


def test_the_log_of_a_run_rebuilds_every_row_by_a_replay_of_its_own(memory: Tables) -> None:
    assert list(replay.differences(memory["audit_log"], memory)) == []


def test_the_log_of_a_run_is_chained_as_the_pages_tell(tables: Tables) -> None:
    assert list(chain(tables["audit_log"])) == []


@pytest.mark.parametrize(
    ("table", "column", "expected"),
    [
        ("accounts", "free", {"I-11", "I-26"}),
        ("accounts", "reserved", {"I-11", "I-12", "I-26"}),
        ("ledger_entries", "amount", {"I-11", "I-26"}),
        ("reservations", "released", {"I-13", "I-26"}),
        ("risk_states", "total_capital_deployed", {"I-12", "I-26"}),
        ("orders", "fill_size", {"I-4", "I-26"}),
        ("orders", "fees", {"I-4", "I-26"}),
        ("fills", "fee", {"I-4", "I-26"}),
        ("open_positions", "kalshi_cost", {"I-26"}),
    ],
)
def test_an_altered_amount_is_found_by_the_rules_that_it_breaks(
    tables: Tables, table: str, column: str, expected: set[str]
) -> None:
    altered = deepcopy(tables)
    altered[table][0][column] += DOLLAR

    assert rules(verify.problems(altered)) == expected


def test_a_status_that_the_facts_do_not_imply_is_found(tables: Tables) -> None:
    altered = deepcopy(tables)
    filled = next(row for row in altered["orders"] if row["status"] == "FILLED")
    filled["status"] = "PARTIAL"

    assert rules(verify.problems(altered)) == {"I-9", "I-26"}


def test_a_reservation_of_an_execution_that_ended_is_found(tables: Tables) -> None:
    altered = deepcopy(tables)
    row = altered["reservations"][0]
    row |= {"status": "reserved", "committed": 0, "fees": 0, "released": 0}

    assert rules(verify.problems(altered)) >= {"I-15", "I-26"}


@pytest.mark.parametrize("column", ["payload", "changes", "name", "occurred_at", "event_id"])
def test_an_altered_entry_is_found(tables: Tables, column: str) -> None:
    log = deepcopy(tables["audit_log"])
    entry = next(row for row in log if row["changes"] is not None)
    value = entry[column]
    entry[column] = value + 1 if isinstance(value, int) else f"{value} "

    assert list(chain(log)) == [f"I-26 entry {entry['sequence']} is not what was written"]


def test_a_row_that_the_log_never_made_or_that_is_gone_is_found(tables: Tables) -> None:
    altered = deepcopy(tables)
    lost = altered["fills"].pop()
    altered["fills"].append({**lost, "trade_id": "forged"})

    found = list(replay.differences(altered["audit_log"], altered))

    assert [("never made it" in line, "is not there" in line) for line in found] == [
        (True, False),
        (False, True),
    ]


def test_the_tables_and_keys_of_the_second_replay_are_those_of_the_program() -> None:
    audited = {name: each for name, each in every_table().items() if each.audited}

    assert {name: each.key for name, each in audited.items()} == replay.KEYS
    assert {column for each in audited.values() for column in each.added} == set(replay.LATER)


# Heads outside the database ------------------------------------------------------------------

MINE = hashlib.sha256(b"me").hexdigest()


def head_file(*lines: tuple[int, str]) -> bytes:
    """Return a file of heads with these sequences and hashes."""
    text, before = b"", b""
    for sequence, head in lines:
        digest = hashlib.sha256(before).hexdigest() if before else ZEROS
        before = f"{sequence} {head} 2026-12-01T00:00:00Z {digest}".encode()
        text += before + b"\n"
    return text


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([(0, MINE), (1, "a"), (2, "b")], None),
        ([(0, MINE), (1, "x"), (0, MINE), (2, "b")], None),
        ([(0, "other"), (1, "x"), (0, MINE), (2, "b")], None),
        ([(0, MINE), (2, "x")], "entry 2 is not"),
        ([(0, MINE), (3, "c")], "entry 3 is not"),
        ([(0, "other"), (2, "b")], "no head"),
    ],
)
def test_a_log_goes_through_every_head_that_was_kept_of_it(
    lines: list[tuple[int, str]], wrong: str | None
) -> None:
    log = [{"sequence": 1, "hash": "a"}, {"sequence": 2, "hash": "b"}]

    found = list(heads(log, head_file(*lines), "me"))

    assert len(found) == (wrong is not None)
    assert all(wrong is not None and wrong in line for line in found)


def test_a_line_of_heads_that_was_rewritten_is_found() -> None:
    log = [{"sequence": 1, "hash": "a"}, {"sequence": 2, "hash": "b"}]
    file = head_file((0, MINE), (1, "z"), (2, "b")).replace(b"1 z", b"1 a")

    (found,) = heads(log, file, "me")

    assert "line 3" in found
    assert "line 1" in next(heads(log, b"no head at all\n", "me"))


# Single legs ---------------------------------------------------------------------------------

MONDAY = datetime.fromisoformat("2026-06-01T12:00:00Z")


def exposed(*days: int, told: Iterable[tuple[str, int]] = ()) -> list[dict[str, Any]]:
    """Return a log: exposures at days after a Monday, reports of them, and a stop."""
    entries = [
        {
            "name": "execution.single_leg.exposure",
            "event_id": str(day),
            "occurred_at": (MONDAY + timedelta(days=day) - EPOCH) // MICROSECOND,
        }
        for day in days
    ]
    entries += [
        {
            "name": "risk.limit.approached" if limit == MONTHLY else "risk.limit.breached",
            "causation_id": str(day),
            "payload": f'{{"limit": "{limit}"}}',
        }
        for limit, day in told
    ]
    entries.append({"name": "system.stopped"})
    return [{"sequence": n, **entry} for n, entry in enumerate(entries, 1)]


@pytest.mark.parametrize(
    ("days", "told", "wrong"),
    [
        ((0, 1, 2, 3, 4), [], 0),
        ((0, 1, 2, 3, 4, 5), [(MONTHLY, 5)], 0),
        ((0, 1, 2, 3, 4, 5), [], 1),
        ((0, 1, 2, 3, 4, 5), [(MONTHLY, 5), (MONTHLY, 5)], 1),
        ((0, 1, 7, 8), [(WEEKLY, 8)], 1),
        ((0, 1, 28, 29, 35, 36), [], 0),
        ((21, 22, 28, 29, 35, 36), [(WEEKLY, 36)], 0),
        ((21, 22, 28, 29, 35, 36), [], 1),
    ],
)
def test_a_crossing_that_is_not_so_or_was_not_told_is_found(
    days: tuple[int, ...], told: list[tuple[str, int]], wrong: int
) -> None:
    assert len(list(exposures(exposed(*days, told=told)))) == wrong


# Units ---------------------------------------------------------------------------------------


def test_amounts_in_dollars_are_millionths_of_what_is_stored() -> None:
    (row,) = in_dollars([{"free": 1_500_000, "account_id": "kalshi:a:usd", "fees": None}])

    assert (str(row["free"]), row["account_id"], row["fees"]) == (
        "1.500000", "kalshi:a:usd", None
    )  # fmt: skip
