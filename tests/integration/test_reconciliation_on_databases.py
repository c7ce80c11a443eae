"""The same comparison on real databases, for a sample of the cells; memory has them all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.reconciled import Cell, both, cells, started

from dutchbook.domain.contract import Platform
from dutchbook.persistence.database import Database
from dutchbook.runtime.virtual_time import run_virtual, turnstile

SAMPLE = random.Random(20261125).sample(cells(), 14)  # noqa: S311 - which cells, no secret


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize("cell", SAMPLE, ids=str)
def test_a_cell_comes_to_the_same_on_a_database_and_stays_so(
    cell: Cell, platform: Platform, database_url: str
) -> None:
    database = Database.at(database_url)
    database.prepare("paper")

    async def main() -> Any:
        journal = database.journal(turnstile())
        await journal.open()
        try:
            await started(cell.state, lambda at: both(at, cell), platform, journal)
        finally:
            await journal.close()

    run_virtual(main())
