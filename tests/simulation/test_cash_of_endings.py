"""What a contract pays: its kind in the ledger, booked once, and when a reserve is free."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from support.bench import Bench, Ended, bench
from support.runs import HELD
from support.tapes import CUP

from dutchbook.domain.capital.ledger import Bucket, EntryKind
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.values.units import Money
from dutchbook.ports.account import Listing

KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
PAID = {EntryKind.SETTLEMENT, EntryKind.REDEMPTION, EntryKind.ADJUSTMENT}
HUNDRED = Money(Decimal(100))


async def entered(at: Bench) -> None:
    """Hold a hundred YES of Kalshi and a hundred NO of Polymarket, all final."""
    at.execute(second="100")
    await at.rest(200)


def ruled(at: Bench, platform: Platform, yes_pays: int) -> None:
    """Let a platform resolve its contract; Kalshi pays at once, Polymarket when asked to."""
    exchange = at.paper.platforms.exchanges[platform]
    exchange.resolve(CUP[platform], Decimal(yes_pays), at.engine.clock.now())
    if platform is KALSHI:
        exchange.settle(CUP[platform])


async def polled(at: Bench) -> None:
    await at.engine.exiting.settlement.poll(whole=True)


def paid(run: Ended, bucket: Bucket = Bucket.FREE) -> list[tuple[str, str, Decimal]]:
    """Return kind, platform and dollars of each entry that a payout made in a bucket."""
    return [
        (row["kind"], row["account_id"].split(":")[0], row["amount"])
        for row in run.tables["ledger_entries"]
        if row["kind"] in PAID and row["bucket"] == bucket
    ]


# The kind of a payout ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yes_pays", "kind", "platform"),
    [(1, "settlement", "kalshi"), (0, "redemption", "polymarket")],
)
def test_kalshi_settles_and_polymarket_is_redeemed(
    yes_pays: int, kind: str, platform: str
) -> None:
    async def work(at: Bench) -> None:
        await entered(at)
        for each in Platform:
            ruled(at, each, yes_pays)
        await polled(at)

    run = bench(work, *HELD)

    assert paid(run) == [(kind, platform, HUNDRED)]
    assert {(kind, of) for kind, of, _ in paid(run, Bucket.REALISED)} == {
        ("settlement", "kalshi"),
        ("redemption", "polymarket"),
    }


def test_a_merge_is_a_redemption_of_polymarket() -> None:
    async def work(at: Bench) -> None:
        at.execute(second="100")
        await at.rest(5)
        at.show(KALSHI, {60: "500"}, {62: "500"})
        at.show(POLYMARKET, {43: "500"}, {45: "500"})
        await at.rest(60)

    run = bench(work, "paper.settle_ms=30000")

    assert [row["kind"] for row in run.tables["settlements"]] == ["merge"]
    assert paid(run) == [("redemption", "polymarket", HUNDRED)]


# Once -------------------------------------------------------------------------------------


def names_its_redemption(at: Bench) -> None:
    """Let Polymarket list the redemption as a movement of cash as soon as it has paid."""
    gateway, exchange = (
        at.paper.platforms.gateways[POLYMARKET],
        at.paper.platforms.exchanges[POLYMARKET],
    )
    account = at.engine.risk.capital.accounts[POLYMARKET]

    async def movements(since: datetime | None) -> Listing[NamedCash]:
        result = exchange.results.get(CUP[POLYMARKET])
        if result is None or not result.cash or (since and result.at < since):
            return Listing()
        named = NamedCash("r-1", EntryKind.REDEMPTION, account, HUNDRED, result.at)
        return Listing((named,))

    gateway.movements = movements  # type: ignore[method-assign]


@pytest.mark.parametrize("first", ["our request", "another's request"])
def test_a_redemption_that_is_listed_too_is_booked_once(first: str) -> None:
    """Neither a second comparison, nor a further poll, nor a restart books it again."""

    async def again(at: Bench) -> None:
        names_its_redemption(at)
        for _ in range(2):
            told = await at.engine.reconciling.service.reconcile()
            assert told.discrepancies == ()
            await polled(at)
            await at.rest(120)

    async def work(at: Bench) -> None:
        await entered(at)
        ruled(at, POLYMARKET, 0)
        if first == "our request":
            await polled(at)
        else:  # a redemption pays the whole wallet, whoever asks for it
            at.paper.platforms.exchanges[POLYMARKET].settle(CUP[POLYMARKET])
        await again(at)

    run = bench(work, *HELD)
    later = bench(again, *HELD, after=run.left)

    for each in (run, later):
        balance = each.left.paper.engine.risk.capital.balance(POLYMARKET)
        wallet = each.left.paper.platforms.exchanges[POLYMARKET].wallet
        assert paid(each) == [("redemption", "polymarket", HUNDRED)]
        assert wallet.cash == balance.free + balance.reserved
        assert each.tables["discrepancies"] == []


# The reserve for contracts that resolve differently ---------------------------------------


@pytest.mark.parametrize("first", list(Platform))
def test_the_reserve_of_a_pair_stands_until_both_contracts_have_paid(first: Platform) -> None:
    async def work(at: Bench) -> list[Any]:
        await entered(at)
        capital, seen = at.engine.risk.capital, []
        for platform in (None, first, first.other):
            if platform is not None:
                ruled(at, platform, 1)
                await polled(at)
            result = at.engine.trades.result
            seen.append((capital.state.daily_pnl, result.worst, at.position.status))
        return seen

    run = bench(work, *HELD)

    held, after_one, after_both = run.answer
    reserve, profit = run.position["divergence_reserve"], run.position["realised_pnl"]
    assert reserve > 0
    assert held == after_one == (profit - reserve, profit - reserve, "OPEN")
    assert after_both == (profit, profit, "CLOSED")
    assert len(run.events("execution.position.settled")) == 1
