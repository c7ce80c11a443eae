"""Pairs that share a contract: what one of them uses is in use for all."""

from __future__ import annotations

from typing import Any

from support.pairs import contract, pair
from support.runs import HELD, Finished, play
from support.tapes import Quote, quotes

from dutchbook.domain.market.contract import ContractMatch, Platform

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET


def sharing(platform: Platform, *names: str) -> list[ContractMatch]:
    """Return pairs of one contract on the other platform with several on `platform`."""
    other = contract(platform.other)
    side = {KALSHI: "kalshi", POLYMARKET: "polymarket"}
    made = []
    for name in names:
        both: dict[str, Any] = {
            side[platform]: contract(platform, contract_id=name),
            side[platform.other]: other,
        }
        made.append(pair(match_id=name, **both))
    return made


def outcomes(run: Finished, platform: Platform) -> set[tuple[str, str]]:
    return {
        (row["contract_id"], row["outcome"])
        for row in run.tables["orders"]
        if row["platform"] is platform and row["fill_size"]
    }


def test_two_pairs_do_not_count_the_same_contracts_of_a_book() -> None:
    """Both counted the 300 that one token offered, and one of them stayed unhedged."""
    red, blue = sharing(KALSHI, "red", "blue")
    token = red.polymarket.contract_id
    offer: Quote = (POLYMARKET, token, (47, 300), (49, 900))
    tape = quotes(
        [red, blue],
        (KALSHI, "red", (40, 900), (42, 900)),
        (KALSHI, "blue", (40, 900), (42, 900)),
        offer,
        offer,
        offer,
    )

    run = play(*HELD, tape=tape)

    assert run.summary["executions"]["hedged"]
    assert "exposed" not in run.summary["executions"]


def test_nothing_is_entered_against_a_leg_that_is_being_bought() -> None:
    """Kalshi nets both outcomes of a contract, so that the way back was refused."""
    low, high = sharing(POLYMARKET, "111", "222")
    ours = low.kalshi.contract_id
    seen: Quote = (KALSHI, ours, (40, 900), (42, 900))
    tape = quotes(
        [low, high],
        (POLYMARKET, "111", (47, 300), (49, 300)),
        (POLYMARKET, "222", (33, 300), (35, 300)),
        seen,
        seen,
        seen,
    )

    run = play(*HELD, tape=tape)

    assert len(outcomes(run, KALSHI)) == 1
    assert run.summary["filtered"]["in_execution"] + run.summary["filtered"].get(
        "opposite_position", 0
    )
