"""Every possible cell of the discrepancy matrix on a real database, and each twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.reconciled import matrix_cell, started
from support.reconciliation import LOCAL
from support.reconciliation_matrix import Cell, cells

from dutchbook.domain.market.contract import Platform
from dutchbook.persistence.database import Database
from dutchbook.runtime.virtual_time import run_virtual, turnstile


@pytest.mark.parametrize("local", LOCAL)
def test_every_possible_cell_on_a_database_is_repaired_as_the_matrix_states_and_stays_so(
    local: str, copies: Callable[[], str]
) -> None:
    """Half of the cells on each database; in memory, every cell runs on both platforms."""
    mine = [cell for cell in cells() if cell.local == local and cell.impossible is None]
    assert len(mine) == 29
    url = copies()
    numbered = list(enumerate(mine))[url.startswith("sqlite") :: 2]

    found = {str(cell): _wrong(n // 2, cell, copies()) for n, cell in numbered}

    assert {cell: wrong for cell, wrong in found.items() if wrong} == {}


def _wrong(number: int, cell: Cell, url: str) -> str | None:
    """Return what is wrong in a cell, None if nothing is.

    The order's platform alternates with the number of the cell.
    """
    platforms = list(Platform)
    platform = platforms[number % len(platforms)]

    async def main() -> Any:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            await started(cell.local, lambda at: matrix_cell(at, cell), platform, journal)
        finally:
            await journal.close()

    try:
        run_virtual(main())
    except AssertionError as error:
        return str(error)
    return None
