"""Whole runs against a platform whose answers are lost, late, truncated, wrong or foreign."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from support.faults import ALL, BUSY, REFUSED, UNANSWERED
from support.runs import HELD, Finished, conserved, play

from dutchbook.bootstrap.paper import PaperRun
from dutchbook.domain.execution.order import Finality, Order
from dutchbook.platforms.kalshi import order_codec as kalshi
from dutchbook.platforms.order_answers import Family, Row
from dutchbook.platforms.paper.faults import Fault
from dutchbook.platforms.polymarket import order_codec as polymarket
from dutchbook.ports.orders import FillReport

SEEDS = (4, 7)
MINUTES = 12
"""Long enough that each fault strikes with every seed."""


@dataclass
class Watched:
    """The orders that a platform received and the queries about them, by client order id."""

    sent: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, paper: PaperRun) -> None:
        for platform, gateway in paper.platforms.gateways.items():
            submit, find = paper.platforms.exchanges[platform].submit, gateway.find_order

            def heard(order: Order, now: datetime, submit: Any = submit) -> Any:
                self.sent[order.client_order_id] += 1
                return submit(order, now)

            async def asked(order: Order, find: Any = find) -> Any:
                self.asked[order.client_order_id] += 1
                return await find(order)

            paper.platforms.exchanges[platform].submit = heard  # type: ignore[method-assign]
            gateway.find_order = asked  # type: ignore[method-assign]


def hits(run: Finished) -> Counter[Fault]:
    return sum(
        (gateway.hits for gateway in run.paper.platforms.gateways.values()), start=Counter()
    )


def same_on_both_sides(run: Finished) -> None:
    """I-5: every order whose outcome we know has the same fills here and on its platform."""
    for row in run.tables["orders"]:
        report = run.paper.platforms.exchanges[row["platform"]].find(row["client_order_id"])
        fills = report.fills if report else ()
        theirs = sum((f.size for f in fills if f.finality is not Finality.FAILED), Decimal(0))
        if row["outcome_unknown_since"] is None:
            assert row["fill_size"] == theirs, row


@pytest.mark.parametrize("fault", [*REFUSED, *UNANSWERED])
@pytest.mark.parametrize("seed", SEEDS)
def test_capital_is_conserved_and_nothing_is_sent_twice_whatever_the_answer(
    fault: Fault, seed: int
) -> None:
    watched = Watched()
    setting = f"paper.fault_{fault.value}=400000"

    run = play(*BUSY, setting, seed=seed, minutes=MINUTES, check=conserved, prepare=watched)

    conserved(run.tables)
    same_on_both_sides(run)
    assert hits(run)[fault] > 0
    assert set(hits(run)) == {fault}
    assert max(watched.sent.values()) == 1


@pytest.mark.parametrize("fault", UNANSWERED)
def test_an_order_that_no_answer_settles_is_queried_and_stays_pending_until_then(
    fault: Fault,
) -> None:
    """The comparison with the platforms, which queries too, is put off beyond the end."""
    watched = Watched()

    settings = (
        *BUSY,
        *HELD,
        "reconciliation.every_seconds=86400",
        f"paper.fault_{fault.value}=600000",
    )
    run = play(*settings, seed=7, minutes=MINUTES, prepare=watched)

    unknown = run.summary["events"]["execution.order.outcome_unknown"]
    assert len(watched.asked) == unknown > 0
    for row in run.tables["orders"]:
        pending = row["status"] == "PENDING"
        assert pending == (row["outcome_unknown_since"] is not None)
        if pending:
            assert watched.asked[row["client_order_id"]] >= 6


def test_an_order_that_a_408_kept_from_arriving_is_never_given_up_automatically() -> None:
    run = play(*BUSY, "paper.fault_timeout_408=1000000", seed=7, minutes=MINUTES)

    statuses = Counter(row["status"] for row in run.tables["orders"])
    assert statuses["PENDING"] > 0
    assert not statuses["REJECTED"] + statuses["CANCELLED"]
    assert any(row["reserved"] for row in run.tables["accounts"])


@pytest.mark.parametrize("fault", REFUSED)
def test_a_listed_rejection_is_final_and_not_queried(fault: Fault) -> None:
    watched = Watched()

    run = play(
        *BUSY, f"paper.fault_{fault.value}=1000000", seed=7, minutes=MINUTES, prepare=watched
    )

    assert {row["status"] for row in run.tables["orders"]} == {"REJECTED"}
    assert not watched.asked
    assert not watched.sent


def test_a_late_answer_changes_nothing_that_a_query_has_found() -> None:
    run = play(
        *BUSY, "paper.fault_late_answer=1000000", seed=7, minutes=MINUTES, check=conserved
    )

    filled = [row for row in run.tables["orders"] if row["status"] == "FILLED"]
    trades = [row["trade_id"] for row in run.tables["fills"]]
    assert filled
    assert len(trades) == len(set(trades))
    same_on_both_sides(run)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_faults_at_once_are_survived_and_the_same_seed_is_the_same_run(seed: int) -> None:
    run = play(*BUSY, *ALL, seed=seed, minutes=MINUTES, check=conserved)

    again = play(*BUSY, *ALL, seed=seed, minutes=MINUTES)

    conserved(run.tables)
    same_on_both_sides(run)
    assert again.summary == run.summary
    assert hits(again) == hits(run)


def test_a_platform_without_faults_spoils_nothing() -> None:
    assert not hits(play(*BUSY, minutes=MINUTES))


def deaf(paper: PaperRun) -> None:
    """Ignore reports of the streams, which would bring a correcting comparison forward."""
    paper.engine.trading.reported.note = _ignored  # type: ignore[method-assign]


def _ignored(report: FillReport) -> None:
    del report


@pytest.mark.parametrize("status", [408, 500, 502])
def test_an_unknown_outcome_treated_as_a_rejection_would_be_caught(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {
        408: Fault.TIMEOUT_408,
        500: Fault.SERVER_ERROR_500,
        502: Fault.BAD_GATEWAY_502,
    }
    planted = Row((status,), Family.REJECTED, "planted", "a mistake on purpose")
    modules: tuple[ModuleType, ...] = (kalshi, polymarket)
    for module in modules:
        rows = (planted, *module.TABLE.rows)
        monkeypatch.setattr(module, "TABLE", replace(module.TABLE, rows=rows))

    rate = f"paper.fault_{faults[status].value}=600000"
    alone = "reconciliation.every_seconds=86400"
    run = play(*BUSY, alone, rate, seed=7, minutes=MINUTES, prepare=deaf)

    assert any(row["refusal"] == "planted" for row in run.tables["orders"])
    with pytest.raises(AssertionError):
        same_on_both_sides(run)
