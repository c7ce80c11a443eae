"""What is at risk on a pair, its cluster and each platform, as the next engine counts it."""

from __future__ import annotations

from typing import Any

from support.bench import Bench, Died, Left, bench
from support.exits import UNSETTLED, InTheExit, leaving

from dutchbook.application.capital.capital import Capital
from dutchbook.domain.market.contract import Platform


def stakes(capital: Capital) -> dict[str, Any]:
    """Return all that limits count: dollars and positions of pairs, clusters, platforms."""
    balances = {p.value: capital.balance(p) for p in Platform}
    return {
        **capital.at_risk.measures(),
        **{name: each.reserved + each.committed for name, each in balances.items()},
        "positions": dict(capital.at_risk.positions),
        "deployed": capital.state.total_capital_deployed,
        "reserved": capital.state.reserved_capital,
        "open": capital.state.open_position_count,
    }


def counted_anew(left: Left) -> dict[str, Any]:
    """Return what the next engine counts once it has started."""

    async def started(at: Bench) -> dict[str, Any]:
        return stakes(at.engine.risk.capital)

    found: dict[str, Any] = bench(started, UNSETTLED, after=left, cluster="cup-final").answer
    return found


def deaths() -> list[Left]:
    """Let an engine die before every commit of an exit in turn."""
    found: list[Left] = []
    while True:
        try:
            bench(leaving, UNSETTLED, dies=InTheExit(len(found)), cluster="cup-final")
        except Died as died:
            found.append(died.left)
        else:
            return found


def test_an_engine_that_dies_in_an_exit_leaves_the_next_one_the_stakes_that_it_had() -> None:
    left = deaths()

    before = [stakes(each.paper.engine.risk.capital) for each in left]
    assert [counted_anew(each) for each in left] == before
    assert {bool(each["reserved"]) for each in before} == {True, False}
    assert any("cluster_capital:cup-final" in each for each in before)
