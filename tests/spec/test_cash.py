"""Cash that comes in or goes out: the ledger, the accounts, the event and the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from support.pairs import NOW
from support.purse import KALSHI, POLYMARKET, Purse, balance, reservation, usd

from dutchbook.application.capital.cash import Cash, named_reference
from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.events import CapitalMoved
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.errors import Conflict, InvalidInput
from dutchbook.platforms.paper.wallet import ACCOUNTS

THERE = str(ACCOUNTS[POLYMARKET])
INTEREST = NamedCash("m1", EntryKind.INTEREST, ACCOUNTS[POLYMARKET], usd(3), NOW)


def played(work: Callable[[Purse], Coroutine[Any, Any, Any]]) -> Purse:
    async def main() -> Purse:
        purse = await Purse().opened()
        await work(purse)
        return purse

    return asyncio.run(main())


Facts = tuple[str, str, str, Any, str | None]


async def ledger(purse: Purse) -> list[Facts]:
    """Return kind, account, bucket, amount and note of each entry."""
    rows = await purse.journal.rows("ledger_entries")
    assert {row["booked_at"] for row in rows} <= {NOW}
    assert len({row["transaction_id"] for row in rows}) * 2 == len(rows)
    assert len({row["reference"] for row in rows}) * 2 == len(rows)
    return [
        (row["kind"], row["account_id"], row["bucket"], row["amount"], row["note"])
        for row in rows
    ]


def entries(kind: str, source: str, amount: int, note: str | None) -> list[Facts]:
    return [
        (kind, THERE, source, -amount, note),
        (kind, THERE, "free", amount, note),
    ]


async def paid_in(cash: Cash) -> None:
    await cash.deposit(POLYMARKET, usd(7), "from the bank")


async def paid_in_silently(cash: Cash) -> None:
    await cash.deposit(POLYMARKET, usd(7))


async def paid_out(cash: Cash) -> None:
    await cash.withdraw(POLYMARKET, usd(9), "to the bank")


async def emptied(cash: Cash) -> None:
    await cash.withdraw(POLYMARKET, usd(4_000))


async def adjusted(cash: Cash) -> None:
    await cash.adjust(ACCOUNTS[POLYMARKET], usd(-2), "looked at it")


async def listed(cash: Cash) -> None:
    assert await cash.book_named(INTEREST)


@pytest.mark.parametrize(
    ("work", "kind", "source", "amount", "note"),
    [
        (paid_in, "deposit", "external", 7, "from the bank"),
        (paid_in_silently, "deposit", "external", 7, ""),
        (paid_out, "withdrawal", "external", -9, "to the bank"),
        (emptied, "withdrawal", "external", -4_000, ""),
        (adjusted, "adjustment", "realised", -2, "looked at it"),
        (listed, "interest", "income", 3, ""),
    ],
    ids=[
        "a deposit",
        "a deposit without a note",
        "a withdrawal",
        "a withdrawal of all that is free",
        "an adjustment",
        "interest",
    ],
)
def test_a_movement_is_booked_told_and_counted(
    work: Callable[[Cash], Any], kind: str, source: str, amount: int, note: str
) -> None:
    async def main(purse: Purse) -> None:
        await work(purse.risk.cash)
        assert await ledger(purse) == entries(kind, source, amount, note or None)
        (row,) = await purse.journal.rows("accounts", {"account_id": THERE})
        assert row["free"] == 4_000 + amount

    purse = played(main)

    (event,) = purse.events
    assert event == CapitalMoved(event.stamp, THERE, kind, usd(amount), note)
    assert purse.capital.balance(POLYMARKET) == balance(4_000 + amount)
    assert purse.capital.balance(KALSHI) == balance(6_000)


@pytest.mark.parametrize(
    "work",
    [
        paid_in,
        adjusted,
    ],
)
def test_each_movement_has_an_id_of_its_own_by_which_its_event_is_found(
    work: Callable[[Cash], Any],
) -> None:
    async def main(purse: Purse) -> None:
        for _ in range(2):
            await work(purse.risk.cash)
        rows = await purse.journal.rows("ledger_entries")
        references = [row["reference"] for row in rows]
        assert references[::2] == references[1::2]
        assert references[::2] == [event.stamp.correlation_id for event in purse.events]
        made = Purse().ids
        assert references[::2] == [made.new("movement", THERE) for _ in range(2)]

    played(main)


def test_only_free_capital_can_be_withdrawn() -> None:
    async def main(purse: Purse) -> None:
        claimed = purse.capital.approved(reservation("r", 100, 30))
        with claimed, pytest.raises(InvalidInput) as caught:
            await purse.risk.cash.withdraw(POLYMARKET, usd("3970.01"))
        assert str(caught.value) == "amount: '3970.01' is not at most the 3970 that is free"

    assert played(main).journal.batches == []


def test_an_adjustment_beyond_what_is_free_is_rejected_whole() -> None:
    async def main(purse: Purse) -> None:
        with pytest.raises(Conflict):
            await purse.risk.cash.adjust(ACCOUNTS[POLYMARKET], usd(-4_001), "looked at it")

    purse = played(main)

    assert purse.capital.balance(POLYMARKET) == balance(4_000)
    assert purse.events == []


def test_a_listed_movement_is_booked_once_under_the_platforms_id() -> None:
    async def main(purse: Purse) -> None:
        cash = purse.risk.cash
        at_once = [cash.book_named(INTEREST) for _ in range(3)]
        assert sorted(await asyncio.gather(*at_once)) == [False, False, True]
        again = NamedCash(
            "m1", EntryKind.INTEREST, ACCOUNTS[KALSHI], usd(5), NOW + timedelta(days=1)
        )
        assert await cash.book_named(again), "the other platform has ids of its own"
        assert not await cash.book_named(again)
        rows = await purse.journal.rows("ledger_entries")
        assert {row["reference"] for row in rows} == {"polymarket:m1", "kalshi:m1"}

    purse = played(main)

    assert [event.stamp.correlation_id for event in purse.events] == [
        "polymarket:m1",
        "kalshi:m1",
    ]
    assert purse.capital.balance(POLYMARKET) == balance(4_003)


def test_the_reference_of_a_listed_movement_names_its_platform() -> None:
    assert named_reference(INTEREST) == "polymarket:m1"


def test_whether_a_listed_movement_is_booked_is_asked_for_one_entry() -> None:
    """The ledger is long: what has its reference is not read whole."""

    async def main(purse: Purse) -> None:
        asked: list[Any] = []
        rows = purse.journal.rows

        async def spied(table: str, where: Any = None, **rest: Any) -> Any:
            asked.append((table, where, rest))
            return await rows(table, where, **rest)

        purse.journal.rows = spied  # type: ignore[method-assign, assignment]
        await purse.risk.cash.book_named(INTEREST)
        assert asked == [("ledger_entries", {"reference": "polymarket:m1"}, {"limit": 1})]

    played(main)
