"""Orders have prices that their contract's grid allows, whatever a book shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import contract, pair
from support.runs import HELD, Finished, play
from support.tapes import Quote, quotes

from dutchbook.bootstrap.paper import PaperRun
from dutchbook.domain.market.contract import Contract, Outcome, Platform, Side
from dutchbook.domain.values.units import PriceGrid

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
TICK = Decimal("0.01")


def shown(
    kalshi: tuple[float, float],
    *polymarket: tuple[float, float],
    settings: Sequence[str] = (),
    prepare: Callable[[PaperRun], None] | None = None,
) -> Finished:
    """Run on books of a hundred contracts at prices in cents of a bid and an ask."""
    match = pair(primary_leg=KALSHI)
    k = match.kalshi.contract_id, ((kalshi[0], 100), (kalshi[1], 100))
    steps: list[Quote] = [(KALSHI, k[0], *k[1])]
    for bid, ask in polymarket:
        steps += [
            (POLYMARKET, match.polymarket.contract_id, (bid, 100), (ask, 100)),
            (KALSHI, k[0], *k[1]),
        ]
    return play(*HELD, *settings, tape=quotes([match], *steps), prepare=prepare)


def entries(run: Finished, name: str) -> list[dict[str, Any]]:
    """Return the payloads of a name in the log."""
    log = run.tables["audit_log"]
    return [json.loads(row["payload"]) for row in log if row["name"] == name]


def refusals(run: Finished) -> list[str]:
    return [row["refusal"] for row in run.tables["orders"] if row["refusal"]]


def test_a_hedge_between_two_valid_prices_is_sent_at_the_next_one() -> None:
    """A tick of a cent had become a tenth of one: the hedge was rejected, again and again."""
    run = shown((90, 92), (96.7, 96.8))

    assert refusals(run) == []
    assert all(row["price"] % TICK == 0 for row in run.tables["orders"])
    assert run.summary["executions"]["hedged"] == 1
    hedge = next(row for row in run.tables["orders"] if row["purpose"] == "hedge")
    assert (hedge["price"], hedge["fill_cost"] / hedge["fill_size"]) == (
        Decimal("0.04"),
        Decimal("0.033"),
    )


def test_a_way_back_between_two_valid_prices_is_sold_at_the_next_one() -> None:
    """A leg whose bid was off the grid stayed alone."""

    def paused(paper: PaperRun) -> None:
        paper.platforms.exchanges[POLYMARKET].paused = True

    unwind = ("execution.auto_policy=unwind", "exposure.patience_seconds=0")
    run = shown((90.7, 92), (96, 97), (96, 97), settings=unwind, prepare=paused)

    sales = [row for row in run.tables["orders"] if row["side"] == "sell"]
    assert [(row["price"], row["status"]) for row in sales] == [(Decimal("0.90"), "FILLED")]


def fine(paper: PaperRun) -> None:
    """Let Polymarket's grid be finer than the engine knows."""
    exchange = paper.platforms.exchanges[POLYMARKET]
    for contract_id in exchange.contracts:
        exchange.regrid(contract_id, PriceGrid.of_tick("0.001"))


def test_a_contract_whose_book_contradicts_its_grid_is_read_again_before_it_is_traded() -> None:
    """The grid had changed, and nobody had said so: the hedge then has the better limit."""
    run = shown((90, 92), (96.7, 96.8), (96.7, 96.8), prepare=fine)

    hedge = next(row for row in run.tables["orders"] if row["purpose"] == "hedge")
    (kept,) = (row for row in run.tables["contracts"] if row["platform"] == "polymarket")
    (changed,) = entries(run, "contract.changed")
    assert hedge["price"] == Decimal("0.033")
    assert kept["price_bands"] == [{"start": "0", "end": "1", "step": "0.001"}]
    assert changed["facts"] == {"price_bands": json.dumps(kept["price_bands"])}
    assert any(row["reason"] == "book_off_grid" for row in run.tables["opportunities"])


def test_a_contract_that_was_read_and_has_its_grid_still_is_not_read_at_each_price() -> None:
    asked: list[Sequence[str]] = []

    def counted(paper: PaperRun) -> None:
        gateway = paper.platforms.gateways[POLYMARKET]
        read = gateway.contracts

        async def contracts(contract_ids: Sequence[str]) -> Sequence[Contract]:
            asked.append(contract_ids)
            return await read(contract_ids)

        gateway.contracts = contracts  # type: ignore[method-assign]

    run = shown((90, 92), *[(96.7, 96.8)] * 5, prepare=counted)

    assert len(asked) == 1
    assert entries(run, "contract.changed") == []


@pytest.mark.parametrize(
    ("limit", "outcome", "side", "valid"),
    [
        ("0.033", Outcome.NO, Side.BUY, "0.04"),
        ("0.033", Outcome.NO, Side.SELL, "0.03"),
        ("0.04", Outcome.YES, Side.BUY, "0.04"),
        ("0.995", Outcome.YES, Side.BUY, None),
        ("0.005", Outcome.YES, Side.SELL, None),
        ("0.0001", Outcome.YES, Side.BUY, "0.01"),
    ],
)
def test_the_next_price_fills_what_its_limit_fills(
    limit: str, outcome: Outcome, side: Side, valid: str | None
) -> None:
    of = contract(KALSHI, grid=PriceGrid.of_tick("0.01"))

    assert of.next_price(Decimal(limit), outcome, side) == (Decimal(valid) if valid else None)
