"""Every setting arrives where it is judged: one row of a table for each, or this fails.

Each row sets one setting to two values, alone, and sees what an engine built by `bootstrap`
does with it; the values tell it from every other one.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from probes import entering, executing, leaving, papering, stored, telling, watching
from probes.row import Row

from dutchbook.config import places

ROWS: tuple[Row, ...] = (
    *entering.ROWS,
    *executing.ROWS,
    *leaving.ROWS,
    *watching.ROWS,
    *papering.ROWS,
    *stored.ROWS,
    *telling.ROWS,
)
CASES = [(row, value) for row in ROWS for value in row.seen]


def test_every_setting_has_a_row_and_every_row_a_setting() -> None:
    assert {row.setting for row in ROWS} == {f"{section}.{key}" for section, key in places()}
    assert max(Counter(row.name for row in ROWS).values()) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_two_values_of_a_setting_look_alike(row: Row) -> None:
    seen = [repr(each) for each in row.seen.values()]

    assert len(set(seen)) == len(seen) >= 2


@pytest.mark.parametrize(("row", "value"), CASES, ids=[f"{r.name}={v}" for r, v in CASES])
def test_a_setting_is_seen_where_it_is_judged(row: Row, value: Any) -> None:
    assert row.probe(f"{row.setting}={value}", *row.beside) == row.seen[value]
