"""Commands about one position, given through the database, and the engine's answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.bench import (
    KALSHI,
    NOBODY,
    POLYMARKET,
    Bench,
    Died,
    Ended,
    When,
    bench,
    near,
)
from support.runs import HELD

from dutchbook.application.operator.command_rows import withdrawn
from dutchbook.platforms.paper.faults import Fault
from dutchbook.ports.journal import Batch, Insert, Update

WHY = "the book is deep again"


def events(run: Ended, name: str) -> list[dict[str, Any]]:
    rows = run.events(f"operator.command.{name}")
    return [json.loads(row["payload"]) | {"about": row["correlation_id"]} for row in rows]


# The answers --------------------------------------------------------------------------------


def test_a_retry_is_carried_out_and_answered_with_its_full_result() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told("retry_leg", position=at.id, price="0.53", version=1)

    run = bench(work)

    row = run.position
    paid = sum(row[f"{p}_{of}"] for p in ("kalshi", "polymarket") for of in ("cost", "fees"))
    assert run.answer == {
        "done": True,
        "position_id": row["position_id"],
        "status": "OPEN",
        "order_id": "command-0",
        "filled": "100",
        "new_edge": str((100 - paid).normalize()),
        "realised_pnl": None,
        "code": None,
        "why": None,
        "scenarios": [],
        "recommended_actions": [],
    }


@pytest.mark.parametrize("name", ["close_leg", "complement"])
def test_closing_is_answered_with_its_result(name: str) -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told(name, position=at.id)

    run = bench(work)

    assert (run.answer["done"], run.answer["status"]) == (True, "CLOSED")
    assert near(Decimal(run.answer["realised_pnl"]), run.position["realised_pnl"])


def test_a_retry_without_a_fill_is_answered_with_the_remaining_choices() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told("retry_leg", position=at.id, price="0.50")

    answer = bench(work).answer

    assert (answer["done"], answer["code"], answer["filled"]) == (False, 2006, "0")
    assert answer["why"]
    assert len(answer["scenarios"]) == 4
    assert answer["recommended_actions"][-1] == "hold"


def test_requester_time_and_rationale_are_logged_with_the_order_and_the_answer() -> None:
    async def work(at: Bench) -> None:
        await at.expose()
        await at.told("retry_leg", WHY, position=at.id, price="0.53")

    run = bench(work)

    begun, answered = events(run, "begun"), events(run, "answered")
    for (event,) in (begun, answered):
        assert event["position_id"] == run.position["position_id"]
        assert event["about"] == run.position["execution_id"]
        assert (event["command_id"], event["requested_by"]) == ("command-0", "me")
        assert (event["rationale"], event["name"]) == (WHY, "retry_leg")
        assert event["requested_at"]
    assert begun[0]["arguments"]["price"] == "0.53"
    assert answered[0]["done"] is True
    sequences = {row["name"]: row["sequence"] for row in run.tables["audit_log"]}
    placed = next(
        row["sequence"]
        for row in run.events("execution.order.placed")
        if "command-0" in row["payload"]
    )
    assert sequences["operator.command.begun"] == placed - 1


# Rejections ---------------------------------------------------------------------------------


def test_a_position_that_changed_meanwhile_is_left_unchanged() -> None:
    async def work(at: Bench) -> Any:
        await at.expose(POLYMARKET)
        at.show(KALSHI, {41: "5"}, {45: "30"})
        await at.told("retry_leg", position=at.id, price="0.45", version=1)
        at.usual(KALSHI)
        return await at.told("retry_leg", position=at.id, price="0.45", version=1), at.orders()

    answer, orders = bench(work, first=POLYMARKET).answer

    assert (answer["done"], answer["code"]) == (False, 2005)
    assert "it has changed: 70 are unhedged now" in answer["why"]
    assert len(orders) == 3


def test_hedged_closed_and_unknown_positions_get_different_answers() -> None:
    async def work(at: Bench) -> list[Any]:
        position_id = await at.expose()
        answers = [await at.told("close_leg", position="nobody")]
        await at.told("retry_leg", position=position_id, price="0.53")
        answers.append(await at.told("close_leg", position=position_id))
        return answers

    async def over(at: Bench) -> Any:
        position_id = await at.expose()
        await at.told("close_leg", position=position_id)
        return await at.told("retry_leg", position=position_id, price="0.53")

    unknown, hedged = bench(work).answer
    closed = bench(over).answer

    assert unknown == {"done": False, "why": "no position has the id 'nobody'"}
    assert (hedged["code"], "is OPEN" in hedged["why"]) == (2005, True)
    assert (closed["code"], "is CLOSED" in closed["why"]) == (2005, True)


@pytest.mark.parametrize("price", ["", "0.535", "2", "a lot"])
def test_an_invalid_price_is_named(price: str) -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told("retry_leg", position=at.id, price=price)

    answer = bench(work).answer

    assert answer["done"] is False
    assert "retry_price" in answer["why"]


def test_while_an_outcome_is_unknown_nothing_more_is_sent() -> None:
    async def work(at: Bench) -> tuple[Any, Any]:
        await at.expose()
        at.fault(POLYMARKET, Fault.LOST_ANSWER)
        first = await at.told("retry_leg", position=at.id, price="0.53")
        second = await at.told("close_leg", position=at.id)
        at.fault(POLYMARKET)
        await at.rest(20)
        return first, second

    first, second = bench(work).answer

    assert (first["done"], first["code"]) == (False, 2003)
    assert (second["done"], second["code"]) == (False, 2005)
    assert "unknown" in second["why"]


# Waiting for a book -------------------------------------------------------------------------


def test_a_command_waits_for_a_live_book_and_is_then_done() -> None:
    async def work(at: Bench) -> tuple[Any, Any]:
        await at.expose()
        at.empty_books()  # every book is empty, as at the start of a run
        early = await at.told("retry_leg", position=at.id, price="0.53")
        await at.rest(20)
        at.usual(POLYMARKET)
        await at.rest(1)
        return early, await at.answer("command-0")

    early, late = bench(work).answer

    assert early is None
    assert late["done"] is True


def test_a_command_waits_no_longer_than_its_timeout() -> None:
    async def work(at: Bench) -> list[Any]:
        await at.expose()
        at.empty_books()
        key = await at.ask("close_leg", position=at.id)
        await at.fold()
        seen = []
        for seconds in (9, 2):
            await at.rest(seconds)
            seen.append(await at.answer(key))
        return seen

    early, late = bench(work, "execution.command_timeout_seconds=10").answer

    assert early is None
    assert late["done"] is False
    assert "kalshi showed no live book within 10 s" in late["why"]


def test_a_command_that_waits_for_a_book_delays_no_halt_and_is_done_once() -> None:
    async def work(at: Bench) -> tuple[Any, Any, int]:
        await at.expose()
        at.empty_books()
        key = await at.ask("retry_leg", position=at.id, price="0.53")
        await at.fold()
        halted = await at.told("halt")
        waiting = await at.answer(key)
        await at.fold()
        at.usual(POLYMARKET)
        await at.rest(1)
        return halted, waiting, len(at.orders())

    run = bench(work)

    assert run.answer == ({"done": True, "halted": True}, None, 3)
    assert len(events(run, "answered")) == 1


def test_a_command_that_still_waits_for_a_book_at_the_end_is_done_at_the_next_start() -> None:
    async def leave(at: Bench) -> str:
        await at.expose()
        at.empty_books()
        key = await at.ask("retry_leg", position=at.id, price="0.53")
        await at.fold()
        await at.rest(1)
        return key

    async def work(at: Bench) -> Any:
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        await at.rest(1)
        return await at.answer("command-0")

    first = bench(leave)
    answer = bench(work, after=first.left).answer

    assert first.tables["operator_commands"][0]["answer"] is None
    assert answer["done"] is True


# Expired or withdrawn -----------------------------------------------------------------------

SOON = timedelta(seconds=10)


@pytest.mark.parametrize(("seconds", "done"), [(9, True), (10, False)])
def test_a_command_is_carried_out_until_it_expires_and_not_afterwards(
    seconds: float, done: bool
) -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        key = await at.ask("close_leg", expiry=SOON, position=at.id)
        await at.rest(seconds)
        at.usual(KALSHI)
        await at.fold()
        await at.rest(1)
        return await at.answer(key)

    run = bench(work, *HELD)

    assert run.answer["done"] is done
    assert len(run.tables["orders"]) == (3 if done else 2)
    (told,) = events(run, "answered")
    assert told["detail"] == ("" if done else run.answer["why"])
    assert done or "it expired at 2026-07-05 18:00:10" in run.answer["why"]


def test_a_command_that_expires_while_it_waits_for_a_book_is_not_carried_out() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        at.empty_books()
        key = await at.ask("close_leg", expiry=SOON, position=at.id)
        await at.fold()
        await at.rest(20)
        at.usual(KALSHI)
        await at.rest(1)
        return await at.answer(key)

    run = bench(work, *HELD)

    assert "it expired" in run.answer["why"]
    assert len(run.tables["orders"]) == 2


def test_a_command_that_an_engine_took_before_it_died_is_carried_out_by_the_next() -> None:
    async def work(at: Bench) -> None:
        await at.expose()
        await at.told("close_leg", position=at.id)

    async def next_start(at: Bench) -> Any:
        at.usual(KALSHI)
        at.usual(POLYMARKET)
        await at.rest(1)
        return await at.answer(COMMAND)

    with pytest.raises(Died) as died:
        bench(work, *HELD, dies=taking)
    run = bench(next_start, *HELD, after=died.value.left)

    assert (run.answer["done"], run.answer["status"]) == (True, "CLOSED")
    assert [row["order_id"] for row in run.tables["orders"][2:]] == [COMMAND]


def test_a_command_that_is_withdrawn_while_it_waits_for_a_book_is_not_carried_out() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        at.empty_books()
        key = await at.ask("close_leg", position=at.id)
        await at.fold()
        await at.rest(1)
        (row,) = await at.journal.rows("operator_commands", {"command_id": key})
        gone = withdrawn(row, at.engine.clock.now(), "me", "", "unused")
        await at.journal.commit(gone)
        at.usual(KALSHI)
        await at.rest(1)
        return await at.answer(key)

    run = bench(work, *HELD)

    assert run.answer == {"done": False, "why": "withdrawn by me"}
    assert len(run.tables["orders"]) == 2
    assert events(run, "answered") == []


# At most once -------------------------------------------------------------------------------

COMMAND = "command-0"


def taking(batch: Batch) -> When | None:
    """The command is taken, and nothing else was done."""
    taken = (w for w in batch.writes if isinstance(w, Update))
    return When.AFTER if any("taken_at" in w.put for w in taken) else None


def intent(batch: Batch) -> When | None:
    """The order is durable and was not sent."""
    new = (w for w in batch.writes if isinstance(w, Insert) and w.table == "orders")
    return When.AFTER if any(w.row["order_id"] == COMMAND for w in new) else None


def booking(batch: Batch) -> When | None:
    """The order was sent, and none of its effects is durable."""
    new = (w for w in batch.writes if isinstance(w, Insert) and w.table == "fills")
    return When.BEFORE if any(w.row["order_id"] == COMMAND for w in new) else None


def _answering(batch: Batch) -> bool:
    return any(isinstance(w, Update) and "answered_at" in w.put for w in batch.writes)


def answer(batch: Batch) -> When | None:
    """Everything is booked, and the person was not notified."""
    return When.BEFORE if _answering(batch) else None


def told(batch: Batch) -> When | None:
    """The person was notified, and that is the engine's last act."""
    return When.AFTER if _answering(batch) else None


PATIENCE = 130
"""Seconds after which a person was asked about an order without an answer, and some more."""


@pytest.mark.parametrize("name", ["retry_leg", "close_leg", "complement"])
@pytest.mark.parametrize(
    ("dies", "filled"),
    [(intent, 0), (booking, 100), (answer, 100), (told, 100)],
)
def test_a_command_is_carried_out_once_whenever_the_engine_dies(
    name: str, dies: Callable[[Batch], When | None], filled: int
) -> None:
    async def work(at: Bench) -> None:
        await at.expose()
        await at.told(name, WHY, position=at.id, price="0.53", version=1)

    async def next_start(at: Bench) -> Any:
        for _ in range(PATIENCE):
            at.usual(KALSHI, NOBODY if name == "close_leg" else None)
            at.usual(POLYMARKET)
            await at.rest(1)
            await at.fold()
        return await at.answer(COMMAND)

    with pytest.raises(Died) as died:
        bench(work, dies=dies)
    run = bench(next_start, "execution.command_timeout_seconds=90", after=died.value.left)

    mine = [row for row in run.tables["orders"] if row["order_id"] == COMMAND]
    later = run.tables["orders"][2:]
    assert mine == later
    assert mine[0]["fill_size"] == filled
    if not filled and mine[0]["platform"] is POLYMARKET:
        # Nothing proves there that an order never arrived: a person has to look.
        assert mine[0]["working_size"] == 100
        assert (run.answer["done"], run.answer["code"]) == (False, 2003)
        assert len(run.events("execution.order.needs_person")) == 1
        return
    assert mine[0]["working_size"] == 0
    assert run.answer["done"] is bool(filled)
    assert Decimal(run.answer["filled"]) == filled
    if filled and name == "retry_leg":
        assert (run.answer["status"], run.answer["realised_pnl"]) == ("OPEN", None)
        assert Decimal(run.answer["new_edge"]) > 0
    elif filled:
        assert near(Decimal(run.answer["realised_pnl"]), run.position["realised_pnl"])
    else:
        assert run.answer["code"] == (2006 if name == "retry_leg" else 2007)
        assert run.answer["why"]
    assert len(events(run, "begun")) == len(events(run, "answered")) == 1


@pytest.mark.parametrize(("at_least", "done"), [("-5.1", True), ("-1", False)])
def test_closing_is_not_done_for_less_than_the_requested_result(
    at_least: str, done: bool
) -> None:
    """Selling 100 YES bought at 40 for 41 loses the fees of both trades."""

    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told("close_leg", position=at.id, at_least=at_least)

    run = bench(work)

    assert run.answer["done"] is done
    if not done:
        assert run.answer["why"].endswith("now, and at least -1 was required")
        assert run.answer["code"] == 2007
        assert len(run.tables["orders"]) == 2
        (told,) = run.events("execution.single_leg.exposure_changed")
        assert json.loads(told["payload"])["scenarios"] == run.answer["scenarios"]


@pytest.mark.parametrize(
    ("at_least", "filled", "why"),
    [
        ("-5.4", "10", "filled 10 of 10: 90 are unhedged on kalshi now"),
        ("-5.3", "0", "it would bring -0.53292 now, and at least -0.53 was required"),
    ],
)
def test_a_partial_close_must_bring_its_share_of_the_requested_result(
    at_least: str, filled: str, why: str
) -> None:
    """Ten of a hundred, bought at 40 and sold at 38, lose 53 cents with the fees of both."""

    async def work(at: Bench) -> Any:
        await at.expose()
        at.show(KALSHI, {38: "10"}, {90: "500"})
        return await at.told("close_leg", position=at.id, at_least=at_least)

    run = bench(work)

    assert run.answer["done"] is False
    assert (run.answer["filled"], run.answer["why"]) == (filled, why)


def test_a_requested_result_that_is_not_a_number_is_rejected() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        return await at.told("complement", position=at.id, at_least="much")

    answer = bench(work).answer

    assert answer["done"] is False
    assert "at_least: 'much'" in answer["why"]
