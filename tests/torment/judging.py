"""What must hold after every try, read without any code of the program."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from .ground import ANSWERS, Ended

TRACE = re.compile(
    r"Traceback \(most recent call last\)|^\s+File \"|^dutchbook: unexpected ", re.MULTILINE
)
"""An error that nobody foresaw, with its trace or in the one line that stands for it."""
COMMANDING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
"""Characters that a terminal acts on; tabs and line ends, those of CSV too, aside."""
OPEN_PHASES = ("decided", "evening", "primary_sent", "secondary_sent", "waiting")
WORKING = "SELECT order_id, status, working_size FROM orders"
UNPROVABLE = """
    SELECT order_id, execution_id FROM orders WHERE platform = 'polymarket'
    AND status = 'PENDING' AND platform_order_id IS NOT NULL
    AND outcome_unknown_since IS NOT NULL
"""
"""Orders that a killed engine may or may not have sent: nothing ends the time in which a
signature is accepted there, so that "not found" never proves that one did not arrive."""
ORDERS = """
    SELECT o.order_id, o.fill_size, coalesce(sum(f.size), 0) FROM orders o
    LEFT JOIN fills f ON f.order_id = o.order_id AND f.finality != 'failed'
    GROUP BY o.order_id, o.fill_size HAVING coalesce(sum(f.size), 0) OPERATOR o.fill_size
"""
"""An acknowledgement tells of what was filled up to a second before the trades can be read."""
MOVEMENTS = """
    SELECT transaction_id, sum(amount) FROM ledger_entries
    GROUP BY transaction_id HAVING sum(amount) != 0
"""
ACCOUNTS = """
    SELECT a.account_id, a.BUCKET, coalesce(sum(l.amount), 0) FROM accounts a
    LEFT JOIN ledger_entries l ON l.account_id = a.account_id AND l.bucket = 'BUCKET'
    GROUP BY a.account_id, a.BUCKET HAVING a.BUCKET != coalesce(sum(l.amount), 0)
"""
Ask = Callable[[str], Iterable[Sequence[Any]]]


def said(ended: Ended, codes: set[int] | None = None) -> list[str]:
    """Return what is wrong with how a call ended and what it said.

    Args:
        ended: The call.
        codes: Exit codes that are right here; else every documented one.
    """
    wrong = []
    if ended.code is None:
        return [f"hangs: {ended}"]
    if ended.code not in (ANSWERS if codes is None else codes):
        wrong.append(f"exit code: {ended}")
    whole = ended.out + ended.err
    if TRACE.search(whole):
        wrong.append(f"a stack trace: {ended}")
    if COMMANDING.search(whole):
        found = COMMANDING.findall(whole)[:3]
        wrong.append(f"characters that command a terminal, {found!r}: {ended}")
    if ended.code in (2, 3, 4, 5) and not ended.err.strip():
        wrong.append(f"an error without a word: {ended}")
    return wrong


def record(path: Path) -> list[str]:
    """Return what is wrong with the record in a SQLite file.

    The sums are worked out here from the rows alone: no order has more fills than it is booked
    with, each movement of the ledger sums to zero, each account is the sum of its postings, and
    the log has every sequence number once.
    """
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path)) as database:
            checked = [row[0] for row in database.execute("PRAGMA integrity_check")]
            wrong = [f"integrity: {line}" for line in checked if line != "ok"]
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
            if "audit_log" not in tables:
                return wrong
            return wrong + sums(lambda query: database.execute(query).fetchall())
    except sqlite3.Error as error:
        return [f"the database cannot be read: {error}"]


def sums(ask: Ask) -> list[str]:
    """Return what does not add up; see `record`.

    Args:
        ask: Returns the rows of a query.
    """
    wrong = [
        f"the log has {count} entries, the last is number {last}"
        for last, count in ask("SELECT coalesce(max(sequence), 0), count(*) FROM audit_log")
        if last != count
    ]
    wrong += [
        f"order {name}: {was} filled, its fills come to {sum_}"
        for name, was, sum_ in ask(ORDERS.replace("OPERATOR", ">"))
    ]
    wrong += [
        f"movement {name} of the ledger comes to {total}" for name, total in ask(MOVEMENTS)
    ]
    for bucket in ("free", "reserved", "committed"):
        wrong += [
            f"{account}: {bucket} is {held}, its postings come to {total}"
            for account, held, total in ask(ACCOUNTS.replace("BUCKET", bucket))
        ]
    return wrong


def drained(path: Path, *, killed: bool = False) -> list[str]:
    """Return what an engine left undone that ended in good order.

    Args:
        path: The database.
        killed: Whether an engine before it was killed, which may leave `UNPROVABLE` orders to
            a person.
    """
    with closing(sqlite3.connect(path)) as database:
        ask = database.execute
        left = dict(ask(UNPROVABLE).fetchall()) if killed else {}
        wrong = [
            f"order {order} is {status} after a drain"
            for order, status, working in ask(WORKING)
            if (status in {"PENDING", "SUBMITTED"} or working) and order not in left
        ]
        wrong += [
            f"order {order}: {booked} booked as filled, its fills come to {filled}"
            for order, booked, filled in ask(ORDERS.replace("OPERATOR", "!="))
        ]
        name = ask("SELECT name FROM audit_log ORDER BY sequence DESC LIMIT 1").fetchone()
        if name != ("system.stopped",):
            wrong.append(f"the log ends with {name and name[0]}, not system.stopped")
        wrong += [
            f"execution {each} began and has not ended after a drain"
            for each in unfinished(database) - set(left.values())
        ]
    return wrong


def unfinished(database: sqlite3.Connection) -> set[str]:
    """Return the executions that have begun and not ended."""
    found = database.execute("SELECT execution_id FROM executions WHERE ended_at IS NULL")
    return {row[0] for row in found}


def entries(path: Path) -> int:
    """Return how many entries the log has; 0 without a database."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM audit_log").fetchone()[0])
