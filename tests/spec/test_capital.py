"""The cache of our capital: what is free, what is claimed, and what a position may cost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.purse import KALSHI, POLYMARKET, Purse, balance, reservation, usd

from dutchbook.domain.capital.ledger import Bucket, EntryKind, external, move, reserve
from dutchbook.domain.capital.limits import HaltReason, OpenPairs, RiskLimits, RiskState
from dutchbook.domain.detection.quote import Caps, Reason, Room
from dutchbook.domain.pair_trades.capital import CapitalChange, reserved
from dutchbook.platforms.paper.wallet import ACCOUNTS

HERE, THERE = ACCOUNTS[KALSHI], ACCOUNTS[POLYMARKET]
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


# What is loaded


def test_the_rows_of_a_new_database_are_created() -> None:
    async def main() -> Purse:
        purse = Purse()
        purse.capital.balances = {account: balance() for account in (HERE, THERE)}
        await purse.capital.load()
        return purse

    purse = asyncio.run(main())

    assert purse.capital.state == RiskState(last_reset=MIDNIGHT)
    (batch,) = purse.journal.batches
    assert [(write.table, dict(write.row)) for write in batch.writes] == [  # type: ignore[union-attr]
        ("accounts", account("kalshi", "shard-0", "USD")),
        ("accounts", account("polymarket", "paper-wallet", "pUSD")),
        (
            "risk_states",
            {
                "singleton_key": "default",
                "daily_pnl": 0,
                "open_position_count": 0,
                "last_reset_timestamp": MIDNIGHT,
                "total_capital_deployed": 0,
                "trading_halted": False,
                "halt_reason": [],
                "reserved_capital": 0,
                "reserved_position_slots": 0,
                "epoch": 1,
            },
        ),
    ]


def account(platform: str, name: str, currency: str, *amounts: int) -> dict[str, Any]:
    free, reserved_, committed = (*amounts, 0, 0, 0)[:3]
    return {
        "account_id": f"{platform}:{name}:{currency}",
        "platform": platform,
        "account": name,
        "currency": currency,
        "free": free,
        "reserved": reserved_,
        "committed": committed,
    }


def test_what_is_stored_is_what_the_cache_has_and_nothing_is_written() -> None:
    async def main() -> Purse:
        purse = Purse()
        await purse.journal.insert("accounts", **account("kalshi", "shard-0", "USD", 7, 2, 3))
        row = account("polymarket", "paper-wallet", "pUSD", 5, 1, 4)
        await purse.journal.insert("accounts", **row)
        state = {"daily_pnl": usd(-6), "open_position_count": 2, "reserved_position_slots": 3}
        halt = {"trading_halted": True, "halt_reason": ["operator"], "epoch": 9}
        await purse.journal.insert(
            "risk_states", singleton_key="default", last_reset_timestamp=NOW, **state, **halt
        )
        await purse.capital.load()
        return purse

    purse = asyncio.run(main())

    assert purse.journal.batches == []
    assert purse.capital.balances == {HERE: balance(7, 2, 3), THERE: balance(5, 1, 4)}
    assert purse.capital.state == RiskState(
        daily_pnl=usd(-6),
        open_position_count=2,
        reserved_position_slots=3,
        halt_reasons=frozenset({HaltReason.OPERATOR}),
        last_reset=NOW,
        epoch=9,
    )


def test_one_account_that_is_missing_is_created_beside_the_others() -> None:
    async def main() -> Purse:
        purse = Purse()
        await purse.journal.insert("accounts", **account("kalshi", "shard-0", "USD", 7))
        await purse.capital.load()
        return purse

    purse = asyncio.run(main())

    (batch,) = purse.journal.batches
    assert [write.table for write in batch.writes] == ["accounts", "risk_states"]
    assert purse.capital.balance(KALSHI) == balance(7)


def test_pairs_with_capital_at_risk_are_loaded_too() -> None:
    async def main() -> Purse:
        purse = Purse()
        await purse.journal.insert("contract_matches", match_id="one", confidence=Decimal(1))
        await purse.journal.insert("executions", execution_id="e", pair_id="one")
        row = {"execution_id": "e", "account_id": str(HERE), "amount": usd(300)}
        await purse.journal.insert("reservations", reservation_id="r", **row)
        return await purse.opened()

    purse = asyncio.run(main())

    assert purse.capital.open_pairs("one") == OpenPairs(1, among=True)


@pytest.mark.parametrize(("hour", "began"), [(0, 0), (18, 0), (17, 0), (19, -1)])
def test_a_trading_day_begins_at_its_hour(hour: int, began: int) -> None:
    """It is 18:00 UTC, or a little later."""
    purse = Purse(RiskLimits(reset_hour_utc=hour))

    expected = NOW.replace(hour=hour, minute=0, second=0, microsecond=0)
    assert purse.capital.today() == expected + timedelta(days=began)


# What may be spent


def test_limits_are_shares_of_what_the_accounts_hold_now() -> None:
    purse = Purse()
    purse.hold(balance(1, 20, 300), balance(4_000, 50_000, 600_000))
    assert purse.capital.limits.bankroll == 654_321

    purse.capital.apply([external(EntryKind.DEPOSIT, HERE, usd(9))])

    assert purse.capital.limits.bankroll == 654_330


def test_a_balance_is_that_of_the_account_on_the_platform() -> None:
    purse = Purse()

    assert purse.capital.balance(KALSHI) == balance(6_000)
    assert purse.capital.balance(POLYMARKET) == balance(4_000)


def test_what_is_free_is_without_the_claims_in_flight() -> None:
    purse = Purse()

    with purse.capital.approved(reservation("r", 100, 30)):
        assert purse.capital.free(KALSHI) == 5_900
        assert purse.capital.free(POLYMARKET) == 3_970
        assert purse.capital.balance(KALSHI) == balance(6_000)

    assert purse.capital.free(KALSHI) == 6_000


def test_a_pair_that_is_claimed_is_an_open_one() -> None:
    purse = Purse()

    with purse.capital.approved(reservation("r", 100, 30)):
        assert purse.capital.open_pairs("one") == OpenPairs(1, among=True)
        assert purse.capital.open_pairs("two") == OpenPairs(1, among=False)

    assert purse.capital.open_pairs("one") == OpenPairs(0, among=False)


@pytest.mark.parametrize(
    ("pair_id", "most"), [("one", 10 + 5 + 1 - 2), ("two", 10 + 5 + 1 - 2), ("new", 10 + 5 - 2)]
)
def test_positions_that_share_a_pair_count_beyond_the_limit_of_pairs(
    pair_id: str, most: int
) -> None:
    purse = Purse()
    purse.capital.at_risk.move("one", usd(1), 2)
    purse.capital.at_risk.move("two", usd(1), 2)

    with purse.capital.approved(reservation("r", 100, 30, "two")):
        assert purse.capital.most_positions(pair_id) == most


def test_caps_are_the_share_of_a_position_and_what_each_platform_has_left() -> None:
    purse = Purse()
    purse.hold(balance(6_000, 700, 300), balance(3_000, 0, 0))
    purse.capital.at_risk.know("one", "cup", Decimal("0.5"))
    purse.capital.at_risk.move("one", usd(1_000), 1)

    assert purse.capital.caps("one") == Caps(
        usd(150),
        {KALSHI: usd(4_000), POLYMARKET: usd(3_000)},
        Room(usd(500), Reason.CLUSTER_LIMIT),
        Decimal("0.6666"),
    )


@pytest.mark.parametrize(
    ("kalshi", "polymarket", "pair", "cluster", "used"),
    [
        ((0, 0), (0, 0), 0, None, "0"),
        ((300, 700), (0, 400), 0, None, "0.2"),
        ((300, 700), (1_500, 500), 0, None, "0.4"),
        ((0, 0), (0, 0), 1_000, None, "0.3333"),
        ((0, 0), (0, 0), 1_000, 0, "0.6666"),
        ((0, 0), (0, 0), 500, 700, "0.8"),
        ((6_000, 1), (0, 0), 0, None, "1"),
    ],
)
def test_the_share_in_use_is_that_of_the_tightest_limit(
    kalshi: tuple[int, int],
    polymarket: tuple[int, int],
    pair: int,
    cluster: int | None,
    used: str,
) -> None:
    """A platform may have 5,000 dollars at risk, a pair 3,000 and a cluster 1,500."""
    purse = Purse()
    left = [max(5_000 - sum(each), 0) for each in (kalshi, polymarket)]
    purse.hold(balance(left[0], *kalshi), balance(left[1], *polymarket))
    named = None if cluster is None else "cup"
    for name, dollars in (("one", pair), ("two", cluster or 0)):
        purse.capital.at_risk.know(name, named, Decimal(1))
        purse.capital.at_risk.move(name, usd(dollars), 1)

    assert purse.capital.caps("one").used == Decimal(used)


def test_without_any_money_all_of_it_is_in_use() -> None:
    purse = Purse()
    purse.hold(balance(0, 0, 0), balance(0, 0, 0))

    assert purse.capital.caps("one").used == 1


def test_caps_count_the_claims_in_flight() -> None:
    purse = Purse()

    with purse.capital.approved(reservation("r", 1_100, 1_400)):
        caps = purse.capital.caps("one")

    assert caps == Caps(
        usd(300),
        {KALSHI: usd(3_900), POLYMARKET: usd(2_600)},
        Room(usd(500), Reason.PAIR_LIMIT),
        Decimal("0.8333"),
    )


def test_a_platform_at_its_limit_or_beyond_has_nothing_left() -> None:
    purse = Purse()
    purse.hold(balance(2_000, 4_000, 1_000), balance(0, 1_000, 6_000))

    assert purse.capital.caps("one").free == {KALSHI: 2_000, POLYMARKET: 0}


# Claims


def test_an_entry_is_claimed_once_while_its_step_is_committed() -> None:
    purse = Purse()
    booked, other = reservation("r", 100, 30), reservation("q", 7, 8)
    step = reserved(booked, ACCOUNTS)
    seen = []

    with purse.capital.approved(other), purse.capital.approved(booked):
        seen.append(purse.capital.free(KALSHI))
        with purse.capital.claimed(step):
            seen.append(purse.capital.free(KALSHI))
        seen.append(purse.capital.free(KALSHI))
    seen.append(purse.capital.free(KALSHI))

    assert seen == [5_893, 5_893, 5_993, 6_000]


@pytest.mark.parametrize("claim", ["approved", "claimed"])
def test_what_fails_is_claimed_no_longer(claim: str) -> None:
    purse, booked = Purse(), reservation("r", 100, 30)
    subject: Any = booked if claim == "approved" else reserved(booked, ACCOUNTS)

    with pytest.raises(LookupError), getattr(purse.capital, claim)(subject):
        raise LookupError

    assert purse.capital.free(KALSHI) == 6_000


def test_a_step_that_reserves_nothing_is_no_claim() -> None:
    purse = Purse()
    step = CapitalChange("one", "r", (reserve(HERE, usd(100)),))

    with purse.capital.claimed(step):
        assert purse.capital.free(KALSHI) == 6_000


def test_reading_with_claims_leaves_the_cache_as_it_was_whatever_happens() -> None:
    purse = Purse()
    before = purse.capital.state, purse.capital.balances

    claimed, reading = purse.capital.approved(reservation("r", 100, 30)), purse.capital
    with suppress(LookupError), claimed, reading.as_claimed():
        assert purse.capital.state.reserved_capital == 130
        assert purse.capital.at_risk.on("one") == 130
        raise LookupError

    assert (purse.capital.state, purse.capital.balances) == before
    assert purse.capital.at_risk.dollars == {}


# Steps that are committed


def test_a_step_changes_balances_the_risk_state_and_the_capital_at_risk() -> None:
    purse = Purse()
    purse.capital.at_risk.move("one", usd(1), 1)
    step = CapitalChange(
        "one",
        "r",
        (
            reserve(HERE, usd(100)),
            move(EntryKind.COMMIT, THERE, Bucket.FREE, Bucket.COMMITTED, usd(8)),
        ),
        {
            "reserved_capital": usd(5),
            "open_position_count": 2,
            "reserved_position_slots": 3,
            "daily_pnl": usd(-4),
        },
        usd(50),
    )

    purse.capital.follow(step)
    purse.capital.follow(replace(step, movements=()))

    assert purse.capital.balances == {HERE: balance(5_900, 100), THERE: balance(3_992, 0, 8)}
    assert purse.capital.state == RiskState(
        daily_pnl=usd(-8),
        open_position_count=4,
        reserved_capital=usd(10),
        reserved_position_slots=6,
    )
    assert purse.capital.at_risk.dollars == {"one": 101}
    assert purse.capital.at_risk.positions == {"one": 11}


def test_a_step_without_positions_leaves_their_number() -> None:
    purse = Purse()

    purse.capital.follow(CapitalChange("one", "r", at_risk=usd(2)))

    assert purse.capital.at_risk.dollars == {"one": 2}
    assert purse.capital.at_risk.positions == {}


def test_halts_are_added_and_removed_one_by_one() -> None:
    capital = Purse().capital

    capital.halt(HaltReason.OPERATOR)
    capital.halt(HaltReason.TIME_DRIFT)
    capital.resume(HaltReason.OPERATOR)

    assert capital.state == RiskState(halt_reasons=frozenset({HaltReason.TIME_DRIFT}), epoch=4)
