"""What a comparison with the platforms does to a whole engine's books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from support.pairs import NOW
from support.reconciled import FINALITIES, At, Cell, beside, both, cells, says
from support.reconciliation import (
    ABSENT,
    FOUR,
    HALF,
    POSITION,
    SENT,
    TEN,
    account,
    order,
    report,
    whole_report,
)

from dutchbook.application.operator.command_rows import command_row
from dutchbook.application.records.log import logged
from dutchbook.application.records.rows import SINGLETON
from dutchbook.bootstrap.paper import build_paper
from dutchbook.domain.capital.ledger import Bucket, EntryKind
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import ReconciliationComplete, SingleLegExposure
from dutchbook.domain.execution.order import Finality, Order, Purpose
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.fold import folded
from dutchbook.domain.positions.position import Holding, PositionStatus
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.reconciliation.findings import Choice, DiscrepancyType
from dutchbook.domain.reconciliation.our_state import OurOrder, OurState
from dutchbook.domain.reconciliation.platform_state import (
    ListedOrder,
    NamedCash,
    Unavailable,
)
from dutchbook.domain.values.units import NOTHING, Money, Quantity
from dutchbook.errors import Conflict, InvalidInput, InvalidPositionState, UnknownId
from dutchbook.ports.journal import Batch, Insert, Update
from dutchbook.ports.tables.trading import FILLS, OPEN_POSITIONS, ORDERS

POLY = Platform.POLYMARKET
HALT = HaltReason.RECONCILIATION_DISCREPANCY
WHY = "looked at the platform's page"


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_every_possible_cell_is_booked_as_compared_and_a_second_comparison_changes_nothing(
    cell: Cell,
) -> None:
    beside(cell.state, lambda at: both(at, cell))


# Decisions of a person


def test_a_discrepancy_for_a_person_is_recorded_halts_and_moves_the_position() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        told = await at.service.reconcile()
        (row,) = await at.rows("discrepancies")
        position = await at.position()
        return told, row, position, at.engine.risk.capital.state.halt_reasons, await at.names()

    told, row, position, reasons, names = beside("working", work)

    assert row["kind"] == "order_not_found"
    assert (row["position_id"], row["pair_id"], row["resolved_at"]) == (POSITION, "cup", None)
    assert position["status"] == PositionStatus.RECONCILIATION_REQUIRED
    assert position["reconciliation_context"]["discrepancy_type"] == "order_not_found"
    assert reasons == {HALT}
    assert names.count("system.reconciliation.discrepancy") == 1
    assert names[-1] == "system.reconciliation.complete"
    assert told.event.positions_checked == 1


def test_a_pair_with_an_open_discrepancy_is_not_traded() -> None:
    async def work(at: At) -> list[bool]:
        seen = [at.engine.trading.disputes.on("cup")]
        says(at, ABSENT)
        await at.service.reconcile()
        return [*seen, at.engine.trading.disputes.on("cup")]

    assert beside("working", work) == [False, True]


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("working", ABSENT),
        (
            "partly filled",
            whole_report("polymarket-7", (report("t1", FOUR, Finality.FAILED),), TEN),
        ),
    ],
    ids=["it asks a person", "a fill failed"],
)
def test_a_pair_is_not_traded_from_the_moment_its_discrepancy_is_being_written(
    state: str, answer: Any
) -> None:
    """Batches are committed in the order of their calls: nothing begins after it (I-23)."""

    async def work(at: At) -> list[bool]:
        keep, seen = at.engine.committer.commit, []

        async def watched(batch: Batch) -> Any:
            if any(write.table == "discrepancies" for write in batch.writes):
                seen.append(at.engine.trading.disputes.on("cup"))
            return await keep(batch)

        at.engine.committer.commit = watched  # type: ignore[method-assign]
        says(at, answer)
        await at.service.reconcile()
        return seen

    assert beside(state, work) == [True]


def test_a_discrepancy_that_could_not_be_written_blocks_no_pair() -> None:
    async def work(at: At) -> list[bool]:
        disputes, answer = at.engine.trading.disputes, ABSENT
        keep = at.engine.committer.commit

        async def refused(batch: Batch) -> Any:
            raise Conflict("discrepancies", batch, "refused")

        at.engine.committer.commit = refused  # type: ignore[method-assign]
        says(at, answer)
        with pytest.raises(Conflict):
            await at.service.reconcile()
        seen = [disputes.on("cup")]
        at.engine.committer.commit = keep  # type: ignore[method-assign]
        await at.service.reconcile()
        return [*seen, disputes.on("cup")]

    assert beside("working", work) == [False, True]


def test_an_open_discrepancy_survives_a_restart_and_so_does_its_halt() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        fresh = at.engine.trading.disputes
        fresh.open.clear()
        at.engine.risk.capital.state = replace(
            at.engine.risk.capital.state, halt_reasons=frozenset()
        )
        await at.service.start()
        second = await at.service.reconcile()
        return len(fresh.open), at.engine.risk.capital.state.halt_reasons, second.event.repairs

    assert beside("working", work) == (1, {HALT}, 0)


def test_a_difference_in_cash_goes_to_a_person_after_the_grace_and_its_halt_lifts_itself() -> (
    None
):
    async def work(at: At) -> Any:
        says(at, Unavailable("timed out"))
        shows(at, {Platform.KALSHI: 999, POLY: 1_000}, dict.fromkeys(Platform, 10))
        clock, seen = at.engine.clock, []
        for cash in (999, 999, 1_000):
            at.told[Platform.KALSHI].cash = Money(Decimal(cash))
            at.told[Platform.KALSHI].as_of = clock.now()
            await at.service.reconcile()
            open_ones = [
                r["kind"] for r in await at.rows("discrepancies") if not r["resolved_at"]
            ]
            seen.append((open_ones, HALT in at.engine.risk.capital.state.halt_reasons))
            await clock.sleep(61)
        return seen

    assert beside("filled", work) == [([], False), (["balance_mismatch"], True), ([], False)]


def test_a_person_can_acknowledge_a_difference_in_cash() -> None:
    async def work(at: At) -> Any:
        says(at, Unavailable("timed out"))
        shows(at, {Platform.KALSHI: 999, POLY: 1_000}, dict.fromkeys(Platform, 10))
        clock = at.engine.clock
        for _ in range(2):
            at.told[Platform.KALSHI].as_of = clock.now()
            await at.service.reconcile()
            await clock.sleep(61)
        (row,) = await at.rows("discrepancies")
        resolver = at.engine.reconciling.resolver
        await resolver.resolve(row["discrepancy_id"], Choice.ADOPT_PLATFORM, WHY)
        at.told[Platform.KALSHI].as_of = clock.now()
        await at.service.reconcile()
        kinds = [r["kind"] for r in await at.rows("ledger_entries")]
        left = [r for r in await at.rows("discrepancies") if not r["resolved_at"]]
        free = at.engine.risk.capital.balance(Platform.KALSHI).free
        return kinds.count("adjustment"), left, free, at.engine.risk.capital.state.halt_reasons

    assert beside("filled", work) == (2, [], 999, frozenset())


def test_an_acknowledged_difference_is_not_raised_again() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        shows(at, {Platform.KALSHI: 1_000, POLY: 1_000}, {Platform.KALSHI: 10, POLY: 0})
        await at.service.reconcile()
        became = await at.engine.reconciling.resolver.resolve(POSITION, Choice.ACKNOWLEDGE, WHY)
        await at.engine.clock.sleep(120)
        again = await at.service.reconcile()
        rows = await at.rows("discrepancies")
        return (
            became,
            [r["resolution"] for r in rows],
            again.event.repairs,
            (await at.position())["status"],
        )

    assert beside("working", work) == (
        "SINGLE_LEG_EXPOSED",
        ["acknowledge"],
        0,
        "SINGLE_LEG_EXPOSED",
    )


def test_adopting_the_platform_reverses_what_the_platform_does_not_show_for_minutes() -> None:
    """Its list may be older than a trade: an absence proves something only if it lasts."""

    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        adopt = partial(
            at.engine.reconciling.resolver.resolve, POSITION, Choice.ADOPT_PLATFORM, WHY
        )
        for minutes in (4, 6):
            with pytest.raises(InvalidInput, match="has not listed trade t1 for 10 minutes"):
                await adopt()
            await at.engine.clock.sleep(60 * minutes)
        became = await adopt()
        row = await at.order()
        names = await at.names()
        return (
            became,
            row["status"],
            row["fill_size"],
            names.count("execution.single_leg.exposure"),
        )

    assert beside("partly filled", work) == ("SINGLE_LEG_EXPOSED", "CANCELLED", 0, 1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole list", "list in part"])
def test_adopting_the_platform_never_reverses_a_trade_that_it_lists(*, whole: bool) -> None:
    """The query of the order found nothing, and its trade stood in the account's list."""

    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        at.told[POLY].traded = [report("t1", FOUR, client_order_id=None)]
        at.told[POLY].whole = whole
        adopting = at.engine.reconciling.resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        if not whole:
            with pytest.raises(InvalidInput, match="possible when polymarket lists our trades"):
                await adopting
            return (await at.order())["fill_size"]
        await adopting
        return (await at.order())["fill_size"]

    assert beside("partly filled", work) == FOUR


def test_a_person_force_closes_a_position_with_a_figure_of_their_own() -> None:
    async def work(at: At) -> Any:
        says(at, whole_report("polymarket-7", (report("t1", FOUR, Finality.SETTLED),), NOTHING))
        await at.service.reconcile()
        resolver = at.engine.reconciling.resolver
        paid = {Platform.KALSHI: Decimal("0.3"), POLY: Decimal("0.25")}
        with pytest.raises(InvalidInput, match="paid on polymarket"):
            await resolver.resolve(POSITION, Choice.FORCE_CLOSE, WHY, {Platform.KALSHI: HALF})
        before = {p: at.engine.risk.capital.balance(p).free for p in Platform}
        became = await resolver.resolve(POSITION, Choice.FORCE_CLOSE, WHY, paid)
        gained = [at.engine.risk.capital.balance(p).free - before[p] for p in Platform]
        rows = [r["resolution"] for r in await at.rows("discrepancies")]
        booked = [r for r in await at.rows("ledger_entries") if r["bucket"] == Bucket.FREE]
        kinds = [str(r["kind"]) for r in booked if r["reference"] == POSITION]
        return became, gained, rows, at.engine.trades.all(), kinds

    became, gained, rows, left, kinds = beside("cancelled", work)

    assert became == "CLOSED"
    assert kinds[-2:] == ["adjustment", "adjustment"]
    assert sorted(gained) == [1, 3]
    assert rows == ["force_close"]
    assert [each.over for each in left] == [True]


@pytest.mark.parametrize("choice", list(Choice))
def test_only_a_position_in_doubt_can_be_resolved(choice: Choice) -> None:
    async def work(at: At) -> None:
        resolver = at.engine.reconciling.resolver
        with pytest.raises(InvalidPositionState, match="only RECONCILIATION_REQUIRED"):
            await resolver.resolve(POSITION, choice, WHY)
        with pytest.raises(UnknownId):
            await resolver.resolve("nobody", choice, WHY)
        with pytest.raises(InvalidInput, match="rationale"):
            await resolver.resolve(POSITION, choice, "too short")

    beside("filled", work)


# Fills that our books cannot pay for


async def poor(at: At) -> None:
    """Withdraw all free cash, then let a fill of a cancelled order appear."""
    await at.engine.risk.cash.withdraw(POLY, at.engine.risk.capital.balance(POLY).free)
    says(at, whole_report("polymarket-7", (report("t1", FOUR, Finality.SETTLED),), NOTHING))


def test_a_fill_that_our_books_cannot_pay_for_goes_to_a_person_with_the_numbers() -> None:
    async def work(at: At) -> Any:
        await poor(at)
        await at.service.reconcile()
        second = await at.service.reconcile()
        return (
            await at.rows("discrepancies"),
            (await at.order())["fill_size"],
            (await at.position())["status"],
            at.engine.risk.capital.state.halt_reasons,
            second.event.repairs,
        )

    rows, filled, status, reasons, repairs = beside("cancelled", work)

    (row,) = [each for each in rows if each["kind"] == "fill_missing"]
    assert (row["ours"]["free"], row["theirs"]["costs"]) == ("0", "2.01")
    assert "what it filled costs 2.01 dollars, and 0 are free" in row["recommended_action"]
    assert (filled, status) == (0, "RECONCILIATION_REQUIRED")
    assert (reasons, repairs) == ({HALT}, 0)


def test_the_platform_is_adopted_only_once_its_fills_can_be_paid() -> None:
    async def work(at: At) -> Any:
        await poor(at)
        await at.service.reconcile()
        resolver = at.engine.reconciling.resolver
        with pytest.raises(InvalidInput, match=r"costs 2\.01 dollars, and 0 are free"):
            await resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        refused = (await at.position())["status"]
        await at.engine.risk.cash.deposit(POLY, Money(Decimal(5)))
        became = await resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        free = at.engine.risk.capital.balance(POLY).free
        return refused, became, (await at.order())["fill_size"], free

    assert beside("cancelled", work) == (
        "RECONCILIATION_REQUIRED",
        "SINGLE_LEG_EXPOSED",
        FOUR,
        Decimal("2.99"),
    )


# Failed settlements


def closed(ours: OurState) -> OurState:
    """A position that was closed by selling both legs, one fill of which is not final."""
    (position,) = ours.positions
    legs = {
        p: replace(position.holding(p), size=NOTHING, cost=Money(NOTHING)) for p in Platform
    }
    return replace(
        ours,
        positions=(
            replace(
                position,
                status=PositionStatus.CLOSED,
                closed_at=NOW,
                kalshi=legs[Platform.KALSHI],
                polymarket=legs[POLY],
            ),
        ),
    )


def test_a_fill_that_fails_after_the_close_is_an_exposure_and_stops_only_its_pair() -> None:
    async def work(at: At) -> Any:
        failed = tuple(report(n, s, Finality.FAILED) for n, s in (("t1", FOUR),))
        whole = report("t2", Quantity(TEN - FOUR), Finality.SETTLED)
        says(at, whole_report("polymarket-7", (*failed, whole), NOTHING))
        told = await at.service.reconcile()
        again = await at.service.reconcile()
        (row,) = await at.rows("discrepancies")
        names = await at.names()
        return told, again, row, await at.position(), names, at.engine

    told, again, row, position, names, engine = beside("filled", work, change=closed)

    assert position["status"] == "SINGLE_LEG_EXPOSED"
    assert names.count("execution.single_leg.exposure") == 1
    assert (row["kind"], row["resolved_at"]) == ("fill_failed", None)
    assert not engine.risk.capital.state.trading_halted
    assert engine.trading.disputes.on("cup")
    assert (told.event.repairs, again.event.repairs) == (2, 0)


def test_the_pair_of_a_failed_fill_is_traded_again_once_the_position_is_balanced() -> None:
    async def work(at: At) -> Any:
        says(
            at,
            whole_report("polymarket-7", (report("t1", FOUR, Finality.FAILED),), Quantity(TEN)),
        )
        await at.service.reconcile()
        seen = [at.engine.trading.disputes.on("cup")]
        says(
            at,
            whole_report(
                "polymarket-7", (report("t1", FOUR, Finality.FAILED), report("n", TEN)), NOTHING
            ),
        )
        await at.service.reconcile()
        rows = await at.rows("discrepancies")
        return [*seen, at.engine.trading.disputes.on("cup")], [
            bool(r["resolved_at"]) for r in rows
        ]

    assert beside("partly filled", work) == ([True, False], [True])


@pytest.mark.parametrize("finality", FINALITIES)
def test_a_fill_is_shown_as_final_only_once_its_platform_says_so(finality: Finality) -> None:
    async def work(at: At) -> Any:
        says(
            at,
            whole_report("polymarket-7", (report("t1", FOUR, finality),), Quantity(TEN - FOUR)),
        )
        await at.service.reconcile()
        return [str(f["finality"]) for f in await at.rows("fills") if f["trade_id"] == "t1"]

    assert beside("partly filled", work) == [finality.value]


# Cash, unknown orders, silence


def test_cash_that_is_explained_is_booked_once_under_its_platforms_id() -> None:
    async def work(at: At) -> Any:
        account = at.engine.risk.capital.accounts[Platform.KALSHI]
        paid = NamedCash("i-1", EntryKind.INTEREST, account, Money(Decimal("1.5")), NOW)
        at.told[Platform.KALSHI].named = [paid]
        first = await at.service.reconcile()
        second = await at.service.reconcile()
        return (
            first.event.repairs,
            second.event.repairs,
            at.engine.risk.capital.balance(Platform.KALSHI).free,
        )

    assert beside("rejected", work) == (1, 0, Decimal("1001.5"))


def test_a_person_who_adopts_the_platform_books_no_cash_again() -> None:
    """The platform lists a movement for days, and every comparison reads it."""

    async def work(at: At) -> Any:
        says(at, ABSENT)
        account = at.engine.risk.capital.accounts[Platform.KALSHI]
        paid = NamedCash("i-1", EntryKind.INTEREST, account, Money(Decimal("1.5")), NOW)
        at.told[Platform.KALSHI].named = [paid]
        await at.service.reconcile()
        at.told[POLY].traded = [report("t1", FOUR, client_order_id=None)]
        await at.engine.reconciling.resolver.resolve(POSITION, Choice.ADOPT_PLATFORM, WHY)
        return [
            (str(row["kind"]), row["amount"])
            for row in await at.rows("ledger_entries")
            if row["reference"] == "kalshi:i-1" and row["bucket"] == "free"
        ]

    assert beside("partly filled", work) == [("interest", Decimal("1.5"))]


def test_a_listed_redemption_is_not_booked_from_the_list() -> None:
    """The service that follows settlements books it: it would be booked twice."""

    async def work(at: At) -> Any:
        account = at.engine.risk.capital.accounts[POLY]
        paid = NamedCash("r-1", EntryKind.REDEMPTION, account, Money(TEN), NOW)
        at.told[POLY].named = [paid]
        told = await at.service.reconcile()
        return told.event.repairs, at.engine.risk.capital.balance(POLY).free

    assert beside("rejected", work) == (0, Decimal(1000))


STRANGER = ListedOrder(
    POLY, "x-1", "x", "polymarket-cup", Outcome.NO, Side.BUY, TEN, NOTHING, TEN, True
)


def test_a_discrepancy_without_a_position_cannot_be_closed_by_force() -> None:
    async def work(at: At) -> Any:
        at.told[POLY].listed = [STRANGER]
        await at.service.reconcile()
        (row,) = await at.rows("discrepancies")
        with pytest.raises(InvalidInput, match="acknowledge or adopt_platform"):
            await at.engine.reconciling.resolver.resolve(
                row["discrepancy_id"], Choice.FORCE_CLOSE, WHY
            )
        return row["position_id"], (await at.rows("discrepancies"))[0]["resolved_at"]

    assert beside("rejected", work) == (None, None)


def test_an_order_that_we_never_sent_is_for_a_person_and_closes_when_it_is_gone() -> None:
    async def work(at: At) -> Any:
        at.told[POLY].listed = [STRANGER]
        await at.service.reconcile()
        seen = [at.engine.risk.capital.state.halt_reasons]
        at.told[POLY].listed = []
        await at.service.reconcile()
        (row,) = await at.rows("discrepancies")
        return [*seen, at.engine.risk.capital.state.halt_reasons], row["kind"], row["rationale"]

    assert beside("rejected", work) == (
        [{HALT}, frozenset()],
        "order_unknown",
        "the record and the platform agree",
    )


def test_a_trade_of_no_order_is_for_a_person_and_stays_so_when_it_is_no_longer_listed() -> None:
    async def work(at: At) -> Any:
        strange = report("t9", TEN, platform_order_id="x-1", client_order_id=None)
        says(at, whole_report("polymarket-7", (), NOTHING, "invalid_order"))
        shows(at, dict.fromkeys(Platform, 1_000), {Platform.KALSHI: 10, POLY: 0})
        at.told[POLY].traded = [strange]
        seen = []
        for _ in range(2):
            await at.service.reconcile()
            seen.append(at.engine.risk.capital.state.halt_reasons)
            await at.engine.clock.sleep(61)
        at.told[POLY].traded = []
        await at.service.reconcile()
        (row,) = [r for r in await at.rows("discrepancies") if r["kind"] == "fill_unknown"]
        await at.engine.reconciling.resolver.resolve(
            row["discrepancy_id"], Choice.ACKNOWLEDGE, WHY
        )
        return [*seen, at.engine.risk.capital.state.halt_reasons], row["theirs"]["size"]

    assert beside("rejected", work) == (
        [frozenset(), {HALT}, frozenset()],
        "10",
    )


def test_a_platform_that_is_away_is_reported_and_its_silence_proves_nothing() -> None:
    async def work(at: At) -> Any:
        at.told[POLY].away = True
        told = await at.service.reconcile()
        return (
            told,
            (await at.order())["status"],
            at.told[POLY].asked,
            await at.rows("discrepancies"),
        )

    told, status, asked, rows = beside("unknown", work)

    assert told.event.platforms_unavailable == (POLY,)
    assert told.not_reached == ("polymarket-order",)
    assert status == "PENDING"
    assert asked == ["ping"]
    assert rows == []


def test_health_is_compared_first_then_orders_then_contracts_then_cash() -> None:
    async def work(at: At) -> list[str]:
        says(at, Unavailable("timed out"))
        await at.service.reconcile()
        return at.told[POLY].asked

    assert beside("unknown", work) == [
        "ping",
        "trades",
        "polymarket-key",
        "orders",
        "movements since None",
        "positions",
        "balance",
    ]


def test_movements_are_read_again_from_a_week_before_the_last_complete_list_on() -> None:
    async def work(at: At) -> list[str]:
        says(at, Unavailable("timed out"))
        told = at.told[POLY]
        for whole in (False, True, True):
            told.whole = whole
            await at.service.reconcile()
            await at.engine.clock.sleep(60)
        return [each for each in told.asked if each.startswith("movements")]

    week = NOW + timedelta(seconds=60) - timedelta(days=7)
    first, second, third = beside("filled", work)
    assert (first, second) == ("movements since None", "movements since None")
    assert third == f"movements since {week}"


def test_cash_is_not_compared_while_pages_of_its_movements_are_unread() -> None:
    async def work(at: At) -> list[int]:
        says(at, Unavailable("timed out"))
        told = at.told[POLY]
        told.held = {"polymarket-cup": {Outcome.NO: TEN}}
        told.cash, told.as_of = Money(Decimal(999)), NOW + timedelta(hours=1)
        found = []
        for whole in (False, True):
            told.whole = whole
            done = await at.service.reconcile()
            kinds = [each.kind for each in done.discrepancies if each.platform is POLY]
            found.append(kinds.count(DiscrepancyType.BALANCE_MISMATCH))
        return found

    assert beside("filled", work) == [0, 1]


def test_an_order_whose_query_times_out_is_not_reached() -> None:
    async def work(at: At) -> Any:
        clock = at.engine.clock

        async def slow(order: Order) -> None:
            assert order.client_order_id
            await clock.sleep(3_600)

        at.told[POLY].find_order = slow  # type: ignore[method-assign]
        began = clock.monotonic()
        told = await at.service.reconcile()
        return told.not_reached, round(clock.monotonic() - began)

    assert beside("unknown", work) == (("polymarket-order",), 10)


def test_an_order_that_is_being_booked_is_left_out() -> None:
    async def work(at: At) -> Any:
        says(at, whole_report("polymarket-7", (report("t1", TEN),), NOTHING))
        async with at.engine.trades.lock(POSITION):
            during = await at.service.reconcile()
        after = await at.service.reconcile()
        return during.event.repairs, after.event.repairs > 0, (await at.order())["status"]

    assert beside("unknown", work) == (0, True, "FILLED")


def settled(ours: OurState) -> OurState:
    """Our state with every fill final, and the position that follows from the fills."""
    orders = tuple(
        replace(each, fills=tuple(replace(f, finality=Finality.SETTLED) for f in each.fills))
        for each in ours.orders
    )
    (position,) = ours.positions
    made = folded(position, [fill for each in orders for fill in each.fills])
    return replace(ours, orders=orders, positions=(made,))


def shows(at: At, cash: dict[Platform, int], contracts: dict[Platform, int]) -> None:
    """Let both platforms list cash and contracts: YES on Kalshi and NO on Polymarket."""
    for platform, outcome in ((Platform.KALSHI, Outcome.YES), (POLY, Outcome.NO)):
        told = at.told[platform]
        told.cash = Money(Decimal(cash[platform]))
        told.held = {f"{platform}-cup": {outcome: Quantity(Decimal(contracts[platform]))}}
        told.as_of = at.engine.clock.now()


def test_a_paid_result_is_booked_before_cash_is_compared() -> None:
    """Otherwise it would look like unexplained cash and missing contracts."""

    async def work(at: At) -> Any:
        at.told[Platform.KALSHI].paid["kalshi-cup"] = Result(Decimal(1), NOW, cash=True)
        shows(at, {Platform.KALSHI: 1_010, POLY: 1_000}, {Platform.KALSHI: 0, POLY: 10})
        told = await at.service.reconcile()
        free = at.engine.risk.capital.balance(Platform.KALSHI).free
        return told.discrepancies, (await at.position())["kalshi_payout"], free

    assert beside("filled", work, change=settled) == ((), 1, 1_010)


# One position has sold contracts of another


FOURTEEN = Quantity(Decimal(14))


async def sold_too_many(at: At) -> None:
    """Add a second position: on both platforms it bought ten contracts and sold fourteen.

    Four of them were the first position's. Kalshi has turned them into cash at once, and the
    proceeds of the sale are in both accounts.
    """
    orders, fills = [], []
    for platform, outcome in ((Platform.KALSHI, Outcome.YES), (POLY, Outcome.NO)):
        for side, size in ((Side.BUY, TEN), (Side.SELL, FOURTEEN)):
            name = f"{platform}-{side}"
            facts = {"outcome": outcome, "side": side, "size": size}
            placed = order(
                platform, order_id=name, client_order_id=name, execution_id="second", **facts
            ).acknowledged(name, size)
            trade = report(name, size, Finality.SETTLED, platform)
            fills.append(OurOrder(placed, account(platform)).fill_of(trade))
            orders.append(placed.with_fill(fills[-1]))
    (first,) = at.ours.positions
    bare = replace(
        first,
        position_id="second",
        execution_id="second",
        kalshi=Holding(Outcome.YES, "kalshi-buy"),
        polymarket=Holding(Outcome.NO, "polymarket-buy"),
    )
    (execution,) = await at.rows("executions")
    (opportunity,) = await at.rows("opportunities")
    ids = {"execution_id": "second", "opportunity_id": "second"}
    linked = {"position_id": "second"}
    writes = (
        Insert("opportunities", opportunity | {"opportunity_id": "second"}),
        Insert("executions", execution | ids),
        *(Insert("orders", ORDERS.row_of(each) | linked) for each in orders),
        *(
            Insert("fills", FILLS.row_of(each, execution_id="second", reported_at=SENT))
            for each in fills
        ),
        Insert("open_positions", OPEN_POSITIONS.row_of(folded(bare, fills))),
    )
    await at.engine.journal.commit(Batch(writes))
    at.engine.trades.put(await at.engine.trading.loader.one("second"))


def test_a_comparison_finds_nothing_where_one_position_has_sold_anothers_contracts() -> None:
    async def work(at: At) -> list[Any]:
        await sold_too_many(at)
        seen = []
        for _ in range(2):
            shows(at, dict.fromkeys(Platform, 1_004), dict.fromkeys(Platform, 6))
            seen.append((await at.service.reconcile()).discrepancies)
            await at.engine.clock.sleep(61)
        return [*seen, at.service._unsure]

    assert beside("filled", work, change=settled) == [(), (), False]


def test_new_paper_platforms_hold_what_positions_that_sold_too_much_have_left() -> None:
    async def work(at: At) -> Any:
        await sold_too_many(at)
        before, tape = at.engine, at.paper.tape
        paper = build_paper(before.settings, tape, before.journal, before.clock, seed=1, run=2)
        engine, meta = paper.engine, tape.meta
        await engine.lifecycle.start(
            meta.contracts,
            meta.pairs,
            dict.fromkeys(Platform, Money(NOTHING)),
            mode="paper",
            run=2,
            version="x",
            checks=(paper.funding.fund, engine.reconciling.service.reconcile),
        )
        wallets = {p: each.wallet for p, each in paper.platforms.exchanges.items()}
        return (
            {p: each.cash for p, each in wallets.items()},
            {(p, *k): n for p, each in wallets.items() for k, n in each.contracts.items() if n},
            (await logged(before.journal, ReconciliationComplete))[-1].facts,
        )

    cash, contracts, told = beside("filled", work, change=settled)

    assert cash == dict.fromkeys(Platform, 1_004)
    assert contracts == {
        (Platform.KALSHI, "kalshi-cup", Outcome.YES): 6,
        (POLY, "polymarket-cup", Outcome.NO): 6,
    }
    assert told["positions_checked"] == 2
    assert told["discrepancies"] == 0


def mergeable(mine: PairTrade, execution_id: str, **facts: Any) -> PairTrade:
    """Return a pair trade under a name, with ten pairs on Polymarket that can be merged."""
    leg = replace(mine.position.polymarket, complement=TEN)
    facts["position_id"] = POSITION if execution_id == mine.execution_id else execution_id
    position = replace(mine.position, execution_id=execution_id, polymarket=leg, **facts)
    execution = replace(mine.execution, execution_id=execution_id)
    return replace(mine, execution=execution, position=position)


def test_while_a_merge_is_in_doubt_no_other_merge_of_its_contract_is_made() -> None:
    """A wallet carries out one request at a time."""

    async def work(at: At) -> Any:
        (mine,) = at.engine.trades.all()
        for name in (mine.execution_id, "other"):
            at.engine.trades.put(mergeable(mine, name))
        merging = at.engine.exiting.merging
        merging._gateway = at.told[POLY]  # type: ignore[assignment]
        for _ in range(2):
            await merging.merge_all()
        return [row["status"] for row in await at.rows("settlements")], at.told[POLY].asked

    rows, asked = beside("filled", work, change=settled)

    assert rows == ["pending"]
    assert asked.count("merge") == 1


def test_mergeable_pairs_of_a_position_on_no_tape_wait_for_a_run_with_their_contract() -> None:
    async def work(at: At) -> Any:
        (mine,) = at.engine.trades.all()
        at.engine.trades.put(mergeable(mine, "stranger", pair_id="on no tape"))
        await at.engine.exiting.merging.merge_all()
        return await at.rows("settlements")

    assert beside("filled", work, change=settled) == []


def test_an_exposure_that_began_with_an_oversale_is_reported_with_that_sale() -> None:
    """The longer leg never had an order: Polymarket has sold four more than it held."""

    async def work(at: At) -> Any:
        sale = replace(
            order(POLY, order_id="sale", client_order_id="sale-key", purpose=Purpose.UNWIND),
            outcome=Outcome.YES,
            side=Side.SELL,
            size=FOURTEEN,
        )
        sale = sale.acknowledged("polymarket-8", FOURTEEN).ended()
        row = ORDERS.row_of(sale) | {"position_id": POSITION}
        await at.engine.journal.commit(Batch((Insert("orders", row),)))
        at.engine.trades.put(await at.engine.trading.loader.one("execution-1"))
        late = report("late", FOURTEEN, Finality.SETTLED, platform_order_id="polymarket-8")
        at.told[POLY].answers["sale-key"] = whole_report("polymarket-8", (late,), NOTHING)
        await at.service.reconcile()
        became = await at.engine.reconciling.resolver.resolve(POSITION, Choice.ACKNOWLEDGE, WHY)
        log = await at.rows("audit_log")
        return became, [
            json.loads(r["payload"]) for r in log if r["name"] == SingleLegExposure.wire
        ]

    became, told = beside("none", work, Platform.KALSHI, change=settled)

    assert became == "SINGLE_LEG_EXPOSED"
    (event,) = told
    assert event["exposed_quantity"] == "4"
    assert event["failed_leg"]["platform"] == "polymarket"
    leg = event["filled_leg"]
    assert (leg["platform"], leg["order_id"], leg["side"]) == ("polymarket", "sale", "sell")


def test_the_risk_budget_is_counted_again() -> None:
    async def work(at: At) -> Any:
        says(at, Unavailable("timed out"))
        wrong = Update("risk_states", SINGLETON, add={"open_position_count": 4})
        await at.engine.journal.commit(Batch((wrong,)))
        at.engine.risk.capital.shift(open_position_count=4)
        before = at.engine.risk.capital.state.open_position_count
        await at.service.reconcile()
        (row,) = await at.rows("risk_states")
        return (
            before,
            at.engine.risk.capital.state.open_position_count,
            row["open_position_count"],
        )

    assert beside("working", work) == (5, 1, 1)


# When


def following(state: str, work: Callable[[At], Any], *settings: str) -> Any:
    """Run `work` while the service runs."""

    async def run(at: At) -> Any:
        says(at, Unavailable("timed out"))
        task = asyncio.ensure_future(at.service.run())
        try:
            return await work(at)
        finally:
            task.cancel()

    return beside(state, run, POLY, None, *settings)


async def compared(at: At) -> int:
    return (await at.names()).count("system.reconciliation.complete")


def test_it_compares_on_a_timer_and_sooner_while_something_is_in_doubt() -> None:
    async def work(at: At) -> list[int]:
        seen = []
        for wait in (299, 2, 58, 3):
            await at.engine.clock.sleep(wait)
            seen.append(await compared(at))
        return seen

    assert following("unknown", work) == [0, 1, 1, 2]


def test_a_person_can_request_a_comparison_every_thirty_seconds() -> None:
    async def work(at: At) -> Any:
        clock, answers = at.engine.clock, []
        for wait in (0, 1, 30):
            await clock.sleep(wait)
            answers.append(at.service.request())
            await clock.sleep(0.1)
        return [each is None for each in answers], await compared(at)

    assert following("filled", work) == ([True, False, True], 2)


SHORT = ("reconciliation.every_seconds=20", "reconciliation.grace_seconds=10")


@pytest.mark.parametrize(("settings", "times"), [((), [30]), (SHORT, [20, 30, 40])])
def test_a_request_waits_until_half_a_minute_after_the_last_comparison_and_no_timer_does(
    settings: tuple[str, ...], times: list[int]
) -> None:
    async def work(at: At) -> list[int]:
        clock, seen = at.engine.clock, []
        await at.service.reconcile()
        before = await compared(at)
        at.service.soon()
        await clock.sleep(0.5)
        for second in range(1, 46):
            await clock.sleep(1)
            if (now := await compared(at)) > before:
                seen.append(second)
            before = now
        return seen

    assert following("unknown", work, *settings) == times


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"subject": POSITION, "choice": "forget"}, "acknowledge, force_close, adopt_platform"),
        ({"subject": POSITION, "choice": "acknowledge"}, "only RECONCILIATION_REQUIRED"),
        ({"subject": POSITION, "choice": "force_close", "paid": {"moon": "1"}}, "by platform"),
    ],
)
def test_a_request_that_cannot_be_resolved_is_answered_with_the_reason(
    arguments: dict[str, Any], why: str
) -> None:
    async def work(at: At) -> Any:
        return await asked(at, "resolve", arguments)

    answer = beside("filled", work)

    assert answer["done"] is False
    assert why in answer["why"]


async def asked(at: At, name: str, arguments: dict[str, Any]) -> Any:
    """Give a command as another process, let the engine process it, return its answer."""
    row = command_row("c1", name, arguments, WHY, "me", at.engine.clock)
    await at.engine.journal.commit(Batch((Insert("operator_commands", row),)))
    await at.engine.lifecycle.commands.fold()
    return (await at.rows("operator_commands"))[0]["answer"]


def test_a_person_resolves_a_position_from_a_shell() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        await at.service.reconcile()
        arguments = {"subject": POSITION, "choice": "acknowledge"}
        answer = await asked(at, "resolve", arguments)
        return answer, at.engine.risk.capital.state.trading_halted

    assert beside("working", work) == (
        {"done": True, "subject": POSITION, "became": "SINGLE_LEG_EXPOSED"},
        False,
    )


def test_a_person_requests_a_comparison_from_a_shell() -> None:
    async def work(at: At) -> Any:
        first = await asked(at, "reconcile", {})
        await at.engine.clock.sleep(0.1)
        return first, await compared(at)

    assert following("filled", work) == ({"done": True}, 1)
