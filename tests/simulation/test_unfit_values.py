"""A value that no column holds costs its own batch, wherever it comes from; the engine goes on.

What a rejected batch reported is asked about again, so that our record and the platforms'
agree in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from support.runs import Finished, conserved, play
from support.tapes import CHEAP, FAIR, RICH, polls

from dutchbook.bootstrap.paper import PaperRun
from dutchbook.errors import Unfit
from dutchbook.ports.journal import Batch, Receipt

TAPE = polls(*[*[CHEAP] * 3, FAIR, CHEAP, *[RICH] * 3, FAIR] * 2, *[FAIR] * 20)
SETTINGS = ("execution.cool_down_seconds=1",)
NAMED = "system.health.critical"


@dataclass
class Rejecting:
    """Makes a journal reject one commit of trading, or all that write to a table.

    It counts the commits from the first.
    """

    number: int = 0
    table: str = ""
    seen: int = 0
    rejected: Batch | None = None

    def __call__(self, paper: PaperRun) -> None:
        journal: Any = paper.engine.journal
        commit = journal.commit

        async def watched(batch: Batch) -> Receipt:
            trading = paper.engine.committer.counts["system.started"] > 0
            self.seen += trading
            told = any(write.table == self.table for write in batch.writes)
            if trading and (told or self.seen == self.number):
                self.rejected = batch
                raise Unfit("orders", "price", "planted")
            receipt: Receipt = await commit(batch)
            return receipt

        journal.commit = watched


def traded(prepare: Any, *settings: str) -> Finished:
    return play(*SETTINGS, *settings, tape=TAPE, prepare=prepare, check=conserved)


def commits() -> int:
    counted = Rejecting()
    traded(counted)
    return counted.seen


@pytest.mark.parametrize("number", range(2, commits()))
def test_an_engine_outlives_any_commit_that_is_rejected_for_a_value(number: int) -> None:
    rejecting = Rejecting(number)

    run = traded(rejecting)

    assert rejecting.rejected is not None
    assert run.engine.committer.counts[NAMED] == 1
    assert run.engine.committer.counts["system.stopped"] == 1
    conserved(run.tables)
    for row in run.tables["orders"]:
        theirs = run.paper.platforms.exchanges[row["platform"]].find(row["client_order_id"])
        fills = theirs.fills if theirs else ()
        assert row["fill_size"] == sum((f.size for f in fills), Decimal(0))
        assert row["working_size"] == 0


@pytest.mark.parametrize(
    "table",
    [
        "contract_matches",
        "executions",
        "fills",
        "ledger_entries",
        "open_positions",
        "opportunities",
        "order_book_snapshots",
        "orders",
        "platform_health_logs",
        "reservations",
        "settlements",
    ],
)
def test_an_engine_outlives_a_table_that_takes_nothing_more(table: str) -> None:
    rejecting = Rejecting(table=table)

    run = traded(rejecting, "paper.settle_ms=30000")

    assert rejecting.rejected is not None
    assert run.engine.committer.counts[NAMED] == 1
    assert run.engine.committer.counts["system.stopped"] == 1


def test_a_price_finer_than_the_records_refuses_its_entry_alone_and_names_the_column() -> None:
    def finer(paper: PaperRun) -> None:
        detection: Any = paper.engine.detection
        detection._hurdles = replace(detection._hurdles, gas=Decimal("0.00213457"))

    run = traded(finer)

    (told,) = (row for row in run.tables["audit_log"] if row["name"] == NAMED)
    assert "opportunities.expected_profit: " in told["payload"]
    assert "0.000001" in told["payload"]
    assert run.tables["orders"] == []
    assert run.summary["filtered"]["rejected_by_database"] > 0
    assert run.engine.risk.capital.state.trading_halted is False
