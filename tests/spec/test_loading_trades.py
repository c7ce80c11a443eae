"""What a start loads of the pair trades that are in the database, and what it leaves there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support import traded
from support.exposures import exposure
from support.memory_journal import MemoryJournal
from support.pairs import NOW, pair
from support.rows import sample
from support.traded import (
    CUP,
    KALSHI,
    NO,
    POLYMARKET,
    YES,
    Holder,
    bare,
    entered,
    order,
    q,
    reservation,
    usd,
)

from dutchbook.application.pair_trades.loading import LAST, MANY, Loader
from dutchbook.application.pair_trades.store import LATE, Loaded
from dutchbook.application.records.changes import changes
from dutchbook.application.records.rows import reservation_row
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.events import (
    BudgetReleased,
    Event,
    FailedLeg,
    OrderFilled,
    PositionClosed,
    PositionMoved,
    SingleLegExposure,
    Stamp,
)
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades import events, facts
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import Merge, Payout
from dutchbook.domain.positions.position import Holding, OpenPosition, PositionStatus
from dutchbook.domain.positions.settlement import Settlement, SettlementKind
from dutchbook.domain.values.units import ZERO, Price
from dutchbook.errors import UnknownId
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.trading import SETTLEMENTS

SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
ZERO_TIME = timedelta()


def loader(holder: Holder, journal: MemoryJournal | None = None) -> Loader:
    matches = holder.watchlist.matches
    return Loader(journal or holder.journal, ACCOUNTS, matches, holder.ids)


def run(work: Callable[[Holder], Awaitable[Any]]) -> Any:
    return traded.run(work, CUP, pair(match_id="other"))


def loaded(*kept: PairTrade, log: Sequence[Event] = ()) -> Loaded:
    """Return what a start loads of some stored pair trades and a log."""

    async def work(holder: Holder) -> Loaded:
        await stored(holder, *kept)
        for event in log:
            await holder.journal.commit(Batch(events=(event,)))
        return await loader(holder).load()

    found: Loaded = run(work)
    return found


async def stored(holder: Holder, *trades: PairTrade) -> None:
    """Store pair trades with the reservations of single orders too."""
    for trade in trades:
        await holder.keep(trade)
        placed = [(each, name) for name, each in trade.reservations.items()]
        rows = [
            reservation_row(each, platform, ACCOUNTS[platform], NOW, order_id=name)
            for each, name in placed
            for platform in each.amounts
        ]
        await holder.journal.commit(
            Batch(tuple(Insert("reservations", dict(row)) for row in rows))
        )


def names(trades: Sequence[PairTrade]) -> list[str]:
    return [trade.execution_id for trade in trades]


def one(name: str, *kept: PairTrade, rows: Mapping[str, list[dict[str, Any]]]) -> PairTrade:
    """Return one loaded pair trade, with some more rows in the database."""

    async def work(holder: Holder) -> PairTrade:
        await stored(holder, *kept)
        writes = [Insert(table, row) for table, each in rows.items() for row in each]
        await holder.journal.commit(Batch(tuple(writes)))
        return await loader(holder).one(name)

    found: PairTrade = run(work)
    return found


# One pair trade -------------------------------------------------------------------------------


def settlement(name: str, kind: SettlementKind, platform: Platform = POLYMARKET) -> Settlement:
    pays = None if kind is SettlementKind.MERGE else Decimal("0.25")
    return Settlement(name, "held-e", platform, "c", kind, q(3), pays, NOW)


def test_a_position_is_read_with_its_orders_fills_payments_and_chance() -> None:
    kept = entered()
    merge = settlement("s1", SettlementKind.MERGE)
    payout = settlement("s2", SettlementKind.PAYOUT, KALSHI)
    paid = [merge.paid(NOW + SECOND), payout.paid(NOW + 2 * SECOND)]
    pending = [settlement("s3", SettlementKind.PAYOUT)]
    foreign = replace(settlement("s4", SettlementKind.MERGE), position_id="h").paid(NOW)
    rows = [SETTLEMENTS.row_of(each) for each in (*paid, *pending, foreign)]

    found = one("e", kept, entered("f", prefix="f-"), rows={"settlements": rows})

    payments = (
        Merge(POLYMARKET, q(3), NOW + SECOND),
        Payout(KALSHI, Decimal("0.25"), NOW + 2 * SECOND),
    )
    assert found == replace(kept, payments=payments, shortfall=None)


def test_an_execution_that_runs_is_read_with_its_reservations() -> None:
    single = Reservation("single", "e", "cup", {POLYMARKET: usd(3)}, 0)
    running = replace(entered(ends=False), reservations={"p": single})

    found = one("e", running, rows={})

    assert found.reservation == reservation()
    assert found.reservations == {"p": single}
    assert found == replace(
        running, position=replace(running.position, position_id="position 1 of e",
                                  expected_edge=ZERO)
    )  # fmt: skip


def test_a_reservation_that_was_resolved_no_longer_stands() -> None:
    gone = dict(reservation_row(reservation(), KALSHI, ACCOUNTS[KALSHI], NOW))
    gone |= {"status": "released"}

    found = one("e", entered(), rows={"reservations": [gone]})

    assert found.reservation is None
    assert found.reservations == {}


def test_a_pair_without_a_row_of_its_own_has_no_chance_of_divergence() -> None:
    stranger = entered(pair_id="stranger")

    found = one("e", stranger, rows={})

    assert found.plan == replace(stranger.plan, divergence_probability=Decimal(0))
    assert found.position == stranger.position


def test_an_execution_that_is_not_in_the_database_is_unknown() -> None:
    async def work(holder: Holder) -> None:
        with pytest.raises(UnknownId, match=r"^no execution has the id 'x'$"):
            await loader(holder).one("x")

    run(work)


def test_of_one_pair_trade_only_its_own_rows_are_read_its_orders_as_they_were_made() -> None:
    early = order("early", created_at=NOW - SECOND)
    kept = entered().with_orders((early,))

    async def work(holder: Holder) -> tuple[PairTrade, list[tuple[str, dict[str, Any]]]]:
        journal = Counting()
        for trade in (entered("a", prefix="a-"), kept):
            await journal.commit(Batch(tuple(changes(None, trade, NOW))))
        return await loader(holder, journal).one("e"), journal.asked

    found, asked = run(work)

    own = {"execution_id": "e"}
    assert found.execution_id == "e"
    assert list(found.orders) == ["early", "k", "p"]
    assert {table: where for table, where in asked if where} == {
        "executions": own, "orders": own, "fills": own, "open_positions": own,
        "reservations": {"status": "reserved", **own}, "settlements": {"status": "paid"},
    }  # fmt: skip


# Executions without a position ------------------------------------------------------------


def running(name: str, pair_id: str = "cup", **more: Any) -> PairTrade:
    """Return an execution that has sent one order and knows nothing of it."""
    start = bare(name, pair_id, **more)
    ids: Any = {"pair_id": pair_id, "execution_id": name}
    first = order(f"{name}-k", outcome=start.position.kalshi.outcome, **ids)
    begun = facts.Begun(NOW, first, reservation(name, pair_id))
    return traded.played(begun, start=start)


def filled(execution: str, position_id: str | None) -> OrderFilled:
    of = order(f"{execution}-k", execution_id=execution)
    stamp = Stamp(f"{execution} {position_id}", NOW, execution)
    return OrderFilled(
        stamp,
        order_id=of.order_id,
        pair_id="cup",
        platform=KALSHI,
        side=of.side,
        outcome=of.outcome,
        requested_price=of.price,
        requested_size=of.size,
        filled_price=Decimal("0.40"),
        filled_size=q(10),
        fee=usd("0.02"),
        position_id=position_id,
    )


def seen(name: str, profit: str, reason: str | None = None) -> dict[str, Any]:
    return sample(
        "opportunities",
        opportunity_id=f"seen-{name}",
        expected_profit=Decimal(profit),
        quantity=Decimal(1),
        reason=reason,
    )


@pytest.mark.parametrize(("bought", "hedge"), [(YES, NO), (NO, YES)])
def test_an_execution_without_a_position_is_read_with_an_empty_one(
    bought: Any, hedge: Any
) -> None:
    rows = {"opportunities": [seen("e", "1.5"), seen("f", "2.5")]}

    found = one("e", running("e", kalshi=bought), rows=rows)

    assert not found.opened
    assert found.position == OpenPosition(
        position_id="position 1 of e",
        pair_id="cup",
        execution_id="e",
        kalshi=Holding(bought),
        polymarket=Holding(hedge),
        expected_edge=usd("1.5"),
        divergence_reserve=ZERO,
        status=PositionStatus.SINGLE_LEG_EXPOSED,
        opened_at=NOW,
    )


def test_each_of_several_executions_without_a_position_expects_its_own_profit() -> None:
    """A rejected opportunity was not executed, so that its profit is nobody's."""

    async def work(holder: Holder) -> list[Decimal]:
        await stored(holder, *(running(name) for name in "efg"))
        rows = [seen("e", "1.5"), seen("f", "2.5"), seen("g", "3.5", "stale")]
        writes = tuple(Insert("opportunities", row) for row in rows)
        await holder.journal.commit(Batch(writes))
        found = await loader(holder).load()
        return [trade.position.expected_edge for trade in found.trades]

    assert run(work) == [Decimal("1.5"), Decimal("2.5"), 0]


def test_a_position_keeps_the_first_id_under_which_the_log_has_reported_its_fills() -> None:
    log = [filled("e", None), filled("e", "first"), filled("e", "again"), filled("f", "other")]

    found = loaded(running("e"), running("f"), running("g"), log=log)

    held = {trade.execution_id: trade.position_id for trade in found.trades}
    assert held == {"e": "first", "f": "other", "g": "position 1 of g"}


def test_the_log_is_not_asked_for_the_position_of_an_execution_that_has_ended() -> None:
    ended = replace(entered(sizes=("0", "0")))

    found = loaded(ended, log=[filled("e", "first")])

    assert [trade.position_id for trade in found.trades] == ["position 1 of e"]


class Counting(MemoryJournal):
    """A journal that notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def rows(self, table: str, *terms: Any, **more: Any) -> list[dict[str, Any]]:
        where = terms[0] if terms else more.get("where")
        self.asked.append((table, dict(where or {})))
        return await super().rows(table, *terms, **more)


@pytest.mark.parametrize("count", [0, 1, 2, MANY - 1, MANY, MANY + 1])
def test_from_eight_executions_on_the_log_is_read_once_instead_of_once_for_each(
    count: int,
) -> None:
    fills = {"name": OrderFilled.wire}

    async def work(holder: Holder) -> Counting:
        journal = Counting()
        for n in range(count):
            trade = running(f"e{n}")
            await journal.commit(Batch(tuple(changes(None, trade, NOW))))
            await journal.commit(Batch(events=(filled(f"e{n}", f"held {n}"),)))
        found = await loader(holder, journal).load()
        assert [each.position_id for each in found.trades] == [
            f"held {n}" for n in range(count)
        ]
        return journal

    asked = run(work).asked

    log = [
        where
        for table, where in asked
        if table == "audit_log" and where["name"] == OrderFilled.wire
    ]
    edges = [where for table, where in asked if table == "opportunities"]
    each = [fills | {"correlation_id": f"e{n}"} for n in range(count)]
    assert log == (each if count < 8 else [fills])
    one_only = [{"opportunity_id": "seen-e0"}]
    assert edges == ([], one_only)[count] if count < 2 else edges == [{"reason": None}]


# What is taken up -----------------------------------------------------------------------------


def failed(name: str, ago: timedelta, pair_id: str = "cup", **more: Any) -> PairTrade:
    """Return an execution that ended with nothing bought, some time ago."""
    trade = entered(name, pair_id, sizes=("0", "0"), prefix=f"{name}-", **more)
    return replace(trade, ended_at=NOW - ago)


def closed(name: str, ago: timedelta, pair_id: str = "cup") -> PairTrade:
    """Return a position that closed some time ago, of which nothing can change."""
    trade = entered(name, pair_id, prefix=f"{name}-")
    position = replace(
        trade.position,
        kalshi=Holding(YES, f"{name}-k"),
        polymarket=Holding(NO, f"{name}-p"),
        status=PositionStatus.CLOSED,
        closed_at=NOW - ago,
    )
    return replace(trade, position=position)


def released(name: str) -> BudgetReleased:
    event = events.released(reservation(name), "nothing there")
    return replace(event, stamp=Stamp(f"released {name}", NOW, name))


def ended(name: str) -> PositionClosed:
    return PositionClosed(
        Stamp(f"closed {name}", NOW, name),
        position_id=f"held-{name}",
        pair_id="cup",
        realised_pnl=ZERO,
        divergence_pnl=ZERO,
        fees=ZERO,
        expected_edge=ZERO,
    )


def test_positions_that_can_change_are_taken_up_oldest_first_others_are_over() -> None:
    late = replace(entered("a", prefix="a-"), ended_at=NOW)
    late = replace(late, position=replace(late.position, opened_at=NOW + SECOND))
    old, other = closed("o", 2 * LATE), closed("n", ZERO_TIME)
    unfinished = closed("u", 3 * LATE)
    working = replace(unfinished.orders["u-k"], working_size=q(1))
    unfinished = unfinished.with_orders((working,))

    found = loaded(late, old, other, entered("b", prefix="b-"), unfinished)

    assert names(found.trades) == ["b", "n", "u", "a"]
    assert found.over == [old.position]


@pytest.mark.parametrize(
    ("ago", "kept"), [(LATE - TICK, True), (LATE, True), (LATE + TICK, False)]
)
def test_what_ended_within_ten_minutes_of_the_last_end_is_taken_up(
    ago: timedelta, *, kept: bool
) -> None:
    """However long ago the last end itself is."""
    days = timedelta(days=9)

    positions = loaded(closed("last", days), closed("first", days + ago))
    executions = loaded(failed("last", days), failed("first", days + ago))

    assert names(positions.trades) == ["first", "last"][not kept :]
    assert [each.execution_id for each in positions.over] == ["first"][kept:]
    assert names(executions.trades) == ["first", "last"][not kept :]
    assert executions.over == []


def test_the_ends_of_positions_and_of_executions_are_counted_by_themselves() -> None:
    days = timedelta(days=9)

    found = loaded(failed("a", days), closed("b", ZERO_TIME), entered("c", prefix="c-"))

    assert sorted(names(found.trades)) == ["a", "b", "c"]


def test_what_ended_is_taken_up_by_the_order_of_the_log_too() -> None:
    """A clock may have been set back in between."""
    kept = [closed("a", 2 * LATE), closed("b", ZERO_TIME), closed("c", 2 * LATE)]
    empty = [failed("f", 2 * LATE), failed("g", ZERO_TIME), failed("h", 2 * LATE)]

    found = loaded(*kept, *empty, log=[ended("a"), released("f")])

    assert names(found.trades) == ["a", "b", "f", "g"]
    assert [each.execution_id for each in found.over] == ["c"]


def test_only_the_last_hundred_ends_of_the_log_are_taken_up() -> None:
    kept = [closed("a", 2 * LATE), closed("b", 2 * LATE), closed("z", ZERO_TIME)]
    log = [ended("a"), ended("b"), *(ended(f"x{n}") for n in range(LAST - 1))]

    found = loaded(*kept, log=log)

    assert LAST == 100
    assert names(found.trades) == ["b", "z"]


def test_executions_that_bought_nothing_on_a_pair_that_is_not_followed_are_left() -> None:
    strangers = [failed("f", ZERO_TIME, "stranger"), running("g", "stranger")]

    found = loaded(*strangers, entered("h", "stranger", prefix="h-"), running("i", "other"))

    assert names(found.trades) == ["h", "i"]


def test_a_pair_was_first_traded_when_its_first_entry_with_something_bought_had_ended() -> None:
    entries = [
        replace(entered(name, pair_id, prefix=f"{name}-"), ended_at=NOW + after)
        for name, pair_id, after in (
            ("a", "cup", 3 * SECOND), ("b", "cup", SECOND), ("c", "cup", 2 * SECOND),
            ("d", "other", 4 * SECOND),
        )
    ]  # fmt: skip

    found = loaded(*entries, failed("f", timedelta(days=1)), running("g", "other"))

    assert found.first_traded == {"cup": NOW + SECOND, "other": NOW + 4 * SECOND}


def test_nothing_is_loaded_from_an_empty_database() -> None:
    assert loaded() == Loaded()


# Exits that have stalled ----------------------------------------------------------------------


def stall(name: str, code: int = 2008) -> SingleLegExposure:
    event = exposure(f"stall {name} {code}", NOW, f"held-{name}")
    leg = FailedLeg(POLYMARKET, "no", code, Price(Decimal("0.5")), q(1))
    return replace(event, failed_leg=leg)


def move(name: str) -> PositionMoved:
    stamp = Stamp(f"moved {name}", NOW, name)
    return PositionMoved(stamp, f"held-{name}", "cup", "EXIT_PARTIAL", "OPEN", "retried")


@pytest.mark.parametrize(
    ("log", "reported"),
    [
        ([], []),
        ([stall("a")], ["a"]),
        ([stall("a", 2004)], []),
        ([stall("a"), move("a")], []),
        ([stall("a"), move("b")], ["a"]),
        ([move("a"), stall("a")], ["a"]),
        ([stall("a"), stall("b"), stall("a", 2004)], ["a", "b"]),
    ],
)
def test_a_stalled_exit_stays_reported_until_its_position_moves(
    log: list[Event], reported: list[str]
) -> None:
    found = loaded(*(entered(name, prefix=f"{name}-") for name in "abc"), log=log)

    assert [each.execution_id for each in found.trades if each.stall_reported] == reported
    assert sorted(names(found.trades)) == ["a", "b", "c"]
