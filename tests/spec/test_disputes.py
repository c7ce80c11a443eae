"""Discrepancies that are open: as rows, as the cache that trading reads, and as a halt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support import traded
from support.clocks import START
from support.rows import sample
from support.traded import KALSHI, POLYMARKET, Holder, entered

from dutchbook.application.pair_trades.discrepancies import Dispute, Disputes
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import ReconciliationDiscrepancy, ReconciliationResolved, Stamp
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.findings import Choice, Discrepancy, DiscrepancyType
from dutchbook.errors import Conflict
from dutchbook.ports.journal import Batch, Insert, Receipt, Update

HALT = HaltReason.RECONCILIATION_DISCREPANCY
FOUND = Discrepancy(
    DiscrepancyType.POSITION_MISMATCH,
    POLYMARKET,
    subject="polymarket-cup",
    order_id="o",
    position_id="held-e",
    pair_id="cup",
    ours={"yes": "1"},
    theirs={"yes": "2", "as_of": "today"},
    recommended_action="look",
)
OTHER = replace(FOUND, subject="kalshi-cup", platform=KALSHI, position_id="held-f", pair_id="f")


def disputes(holder: Holder) -> Disputes:
    return Disputes(
        holder.journal,
        holder.committer,
        holder.risk,
        holder.trades,
        holder.clock,
        holder.ids,
    )


def run(work: Callable[[Holder, Disputes], Awaitable[Any]]) -> Any:
    async def main(holder: Holder) -> Any:
        return await work(holder, disputes(holder))

    return traded.run(main)


async def kept(holder: Holder) -> list[dict[str, Any]]:
    return await holder.journal.rows("discrepancies")


# One discrepancy ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ours", "halts"),
    [
        *((each, {}, each is not DiscrepancyType.FILL_FAILED) for each in DiscrepancyType),
        (DiscrepancyType.ORDER_NOT_FOUND, {"awaiting_answer": True}, False),
        (DiscrepancyType.ORDER_NOT_FOUND, {"awaiting_answer": False}, True),
        (DiscrepancyType.ORDER_UNKNOWN, {"awaiting_answer": True}, True),
    ],
)
def test_every_discrepancy_halts_but_a_proven_failure_and_an_order_without_an_answer(
    kind: DiscrepancyType, ours: dict[str, Any], *, halts: bool
) -> None:
    assert Dispute("d", replace(FOUND, kind=kind, ours=ours), START).halts is halts


def test_the_context_of_a_position_names_both_states_and_what_to_do() -> None:
    assert Dispute("d", FOUND, START).context == {
        "discrepancy_type": "position_mismatch",
        "order_id": "o",
        "recommended_action": "look",
        "our_state": {"yes": "1"},
        "platform_state": {"yes": "2", "as_of": "today"},
        "detected_at": "2026-07-05T18:00:00+00:00",
    }


# Opened ---------------------------------------------------------------------------------------


def test_what_is_raised_is_opened_once_with_its_row_and_its_event() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        holder.clock.elapsed = 5
        first = await some.raised([FOUND, replace(FOUND, theirs={}), OTHER])
        again = await some.raised([FOUND, OTHER])
        log = (await holder.told())[-3:]
        return first, again, dict(some.open), await kept(holder), log

    first, again, opened, rows, log = run(work)

    at = START + timedelta(seconds=5)
    one = Dispute("discrepancy 2 of polymarket-cup", replace(FOUND, theirs={}), at)
    two = Dispute("discrepancy 1 of kalshi-cup", OTHER, at)
    assert first == [one, two]
    assert again == []
    assert opened == {one.dispute_id: one, two.dispute_id: two}
    assert log[-2:] == [ReconciliationDiscrepancy.wire] * 2
    assert log[0] != ReconciliationDiscrepancy.wire
    assert rows[1] == {
        "discrepancy_id": "discrepancy 1 of kalshi-cup",
        "kind": DiscrepancyType.POSITION_MISMATCH,
        "platform": KALSHI,
        "pair_id": "f",
        "position_id": "held-f",
        "ours": {"about": {"subject": "kalshi-cup", "order_id": "o"}, "yes": "1"},
        "theirs": {"yes": "2", "as_of": "today"},
        "recommended_action": "look",
        "detected_at": at,
        "resolved_at": None,
        "resolution": None,
        "rationale": None,
    }


def test_nothing_is_committed_if_nothing_new_is_raised() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        before = await holder.told()
        assert await some.raised([]) == []
        return before == await holder.told()

    assert run(work)


def test_the_event_of_a_discrepancy_reports_both_states() -> None:
    async def work(_: Holder, some: Disputes) -> Any:
        return some.event_of(Dispute("d", FOUND, START))

    assert run(work) == ReconciliationDiscrepancy(
        Stamp("event 1 of reconciliation", START, "reconciliation"),
        discrepancy_id="d",
        discrepancy_type="position_mismatch",
        position_id="held-e",
        pair_id="cup",
        ours={"yes": "1"},
        theirs={"yes": "2", "as_of": "today"},
        recommended_action="look",
    )


def test_the_pairs_of_discrepancies_being_opened_are_closed_to_entries_at_once() -> None:
    async def work(_: Holder, some: Disputes) -> Any:
        seen = [some.on("cup")]
        with some.opening([some.of(FOUND)]) as outer:
            seen.append(some.on("cup"))
            with some.opening([some.of(FOUND), some.of(OTHER)]):
                seen.append(some.on("f"))
            some.open.clear()
            seen += [some.on("cup"), some.on("f")]
        some.open.clear()
        return [*seen, some.on("cup"), len(outer.writes), len(outer.events)]

    assert run(work) == [False, True, True, True, False, False, 1, 1]


def test_discrepancies_that_could_not_be_committed_are_not_open() -> None:
    async def work(_: Holder, some: Disputes) -> Any:
        with pytest.raises(Conflict), some.opening([some.of(FOUND)]):
            raise Conflict("discrepancies", "d", "it exists")
        return some.open, some.on("cup")

    assert run(work) == ({}, False)


# Looked up ------------------------------------------------------------------------------------


def test_open_discrepancies_are_found_by_their_pair_their_position_and_their_subject() -> None:
    late = replace(FOUND, subject="late")

    async def work(_: Holder, some: Disputes) -> Any:
        await some.raised([FOUND, OTHER, late])
        subjects = {
            name: [each.found.subject for each in some.of_position(name)]
            for name in ("held-e", "held-f", "held-g")
        }
        pairs = {name: some.on(name) for name in ("cup", "f", "g")}
        known = [some.known(each) for each in (FOUND, replace(FOUND, theirs={}))]
        return subjects, pairs, known, some.known(replace(FOUND, subject="x"))

    assert run(work) == (
        {"held-e": ["polymarket-cup", "late"], "held-f": ["kalshi-cup"], "held-g": []},
        {"cup": True, "f": True, "g": False},
        [True, True],
        False,
    )


@pytest.mark.parametrize("status", [*PositionStatus])
def test_nothing_starts_on_a_pair_whose_position_is_in_doubt(status: PositionStatus) -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        trade, calm = entered("a", prefix="a-"), entered("b", "calm", prefix="b-")
        disputed = replace(trade, position=replace(trade.position, status=status))
        await holder.keep(disputed, calm)
        return some.on("cup"), some.on("calm")

    assert run(work) == (status is PositionStatus.RECONCILIATION_REQUIRED, False)


def test_the_next_start_loads_what_is_open_oldest_first_and_what_was_acknowledged() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        holder.clock.elapsed = 9
        (late,) = await some.raised([replace(FOUND, subject="late")])
        holder.clock.elapsed = 0
        same = [replace(FOUND, subject=name) for name in ("b", "a", "acknowledged", "closed")]
        opened = await some.raised(same)
        await some.settle(opened[2:3], Choice.ACKNOWLEDGE, "seen")
        await some.settle(opened[3:], Choice.FORCE_CLOSE, "closed")
        next_one = disputes(holder)
        await next_one.load()
        return (
            [(name, each) for name, each in next_one.open.items()],
            [(each.dispute_id, each) for each in (opened[1], opened[0], late)],
            [next_one.accepted(each) for each in (*same, late.found)],
        )

    loaded, expected, accepted = run(work)

    assert loaded == expected
    assert accepted == [False, False, True, False, False]


# Resolved -------------------------------------------------------------------------------------


def test_a_resolution_is_a_guarded_row_and_an_event_for_each() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        holder.clock.elapsed = 5
        some.open["d"] = Dispute("d", FOUND, START)
        return some.resolving(iter(some.open.values()), Choice.FORCE_CLOSE, "sold")

    at = START + timedelta(seconds=5)
    put = {"resolved_at": at, "resolution": "force_close", "rationale": "sold"}
    assert run(work) == Batch(
        (Update("discrepancies", {"discrepancy_id": "d"}, {"resolved_at": None}, put),),
        (
            ReconciliationResolved(
                Stamp("event 1 of reconciliation", at, "reconciliation"),
                discrepancy_id="d",
                position_id="held-e",
                pair_id="cup",
                resolution="force_close",
                rationale="sold",
            ),
        ),
    )


CHANGED = replace(FOUND, theirs={"yes": "3", "as_of": "today"})
LATER = replace(FOUND, theirs={"as_of": "tomorrow", "yes": "2"})


@pytest.mark.parametrize("choice", [*Choice])
def test_what_was_acknowledged_is_accepted_until_the_difference_changes(
    choice: Choice,
) -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        opened = await some.raised([FOUND])
        await some.settle(opened, choice, "seen")
        some.resolved(opened, choice)
        asked = (FOUND, LATER, CHANGED, OTHER)
        return some.open, [some.accepted(each) for each in asked], await kept(holder)

    opened, accepted, rows = run(work)

    acknowledged = choice is Choice.ACKNOWLEDGE
    assert opened == {}
    assert accepted == [acknowledged, acknowledged, False, False]
    assert (rows[0]["resolution"], rows[0]["rationale"]) == (choice.value, "seen")


def test_each_is_resolved_once_with_what_belongs_to_the_decision() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        opened = await some.raised([FOUND, OTHER])
        row = sample("platform_health_logs", response_time_ms=3)
        beside = Batch((Insert("platform_health_logs", row),))
        await asyncio.gather(
            some.settle(opened[:1], Choice.ACKNOWLEDGE, "first", beside),
            some.settle(opened, Choice.FORCE_CLOSE, "second"),
        )
        before = await holder.told()
        await some.settle(opened, Choice.FORCE_CLOSE, "third")
        rationales = [each["rationale"] for each in await kept(holder)]
        beside_it = await holder.journal.rows("platform_health_logs")
        return rationales, len(beside_it), before == await holder.told()

    assert run(work) == (["first", "second"], 1, True)


# The halt -------------------------------------------------------------------------------------


def test_trading_halts_while_one_is_open_and_resumes_once_none_is_left() -> None:
    harmless = replace(FOUND, kind=DiscrepancyType.FILL_FAILED)

    async def work(holder: Holder, some: Disputes) -> Any:
        seen = []
        opened = await some.raised([harmless, FOUND, OTHER])
        for left in (opened[1:], opened[2:], []):
            await some.enforce()
            seen.append(set(holder.risk.capital.state.halt_reasons))
            some.resolved([each for each in opened[1:] if each not in left], Choice.FORCE_CLOSE)
        some.resolved(opened[1:], Choice.FORCE_CLOSE)
        await some.enforce()
        await some.enforce()
        log = await holder.journal.rows("audit_log", None, ("sequence",))
        told = [row for row in log if "trading" in row["name"] or "halt" in row["name"]]
        return seen, set(holder.risk.capital.state.halt_reasons), told

    seen, last, told = run(work)

    assert seen == [{HALT}] * 3
    assert last == set()
    payloads = [row["payload"] for row in told]
    assert len(payloads) == 2
    detail = '"2 open, the first: position_mismatch of polymarket-cup"'
    assert f'"detail":{detail}' in payloads[0].replace('": "', '":"')
    assert '"no discrepancy remains"' in payloads[1]


def test_other_halts_stay_when_no_discrepancy_is_left() -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        halts = holder.risk.halts
        await halts.halt_trading(HaltReason.OPERATOR, "a person's word")
        await some.enforce()
        await halts.halt_trading(HALT, "one")
        await some.enforce()
        return set(holder.risk.capital.state.halt_reasons)

    assert run(work) == {HaltReason.OPERATOR}


@pytest.mark.parametrize("another", [True, False])
def test_a_halt_that_a_person_lifts_at_the_same_time_is_no_error(*, another: bool) -> None:
    async def work(holder: Holder, some: Disputes) -> Any:
        halts = holder.risk.halts
        await halts.halt_trading(HALT, "one")
        if another:
            await asyncio.gather(halts.resume_trading(HALT, "a person"), some.enforce())
        else:
            await asyncio.gather(some.enforce(), some.enforce())
        return set(holder.risk.capital.state.halt_reasons)

    assert run(work) == set()


def test_a_halt_that_another_process_keeps_is_lifted_by_a_later_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def rejected(batch: Batch) -> Receipt:
        raise Conflict("risk_states", "default", str(len(batch.writes)))

    async def work(holder: Holder, some: Disputes) -> Any:
        await holder.risk.halts.halt_trading(HALT, "one")
        with monkeypatch.context() as patched:
            patched.setattr(holder.journal, "commit", rejected)
            await some.enforce()
        seen = set(holder.risk.capital.state.halt_reasons)
        await some.enforce()
        return seen, set(holder.risk.capital.state.halt_reasons)

    assert run(work) == ({HALT}, set())
