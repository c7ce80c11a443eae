"""What a person is shown of an exposed position, from the database alone."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console
from support.bench import KALSHI, POLYMARKET, Bench, bench
from support.reconciled import At, beside, says
from support.reconciliation import ABSENT, POSITION, TEN

from dutchbook.application.views import timeline
from dutchbook.cli.console import positions as shown
from dutchbook.cli.console.sentences import SENTENCES, sentence
from dutchbook.config import load
from dutchbook.domain.events import as_json, catalogue
from dutchbook.domain.execution.order import Order, OrderStatus
from dutchbook.domain.market.contract import Outcome, Side
from dutchbook.domain.positions.exposure_words import dollars
from dutchbook.domain.reconciliation.findings import DiscrepancyType
from dutchbook.domain.reconciliation.platform_state import ListedOrder
from dutchbook.domain.values.units import NOTHING, Price, owed
from dutchbook.errors import InvalidInput, InvalidPositionState
from dutchbook.platforms.order_answers import SILENCE, Answer
from dutchbook.platforms.paper.faults import Fault

OFTEN = load(None, ("exposure.urgent_share=0",)).reminding()
MINUTE = timedelta(seconds=60)
WHY = "the book is deep again"


def printed(show: Any, *what: Any) -> str:
    """Return the output on a terminal of 80 columns."""
    paper = io.StringIO()
    show(Console(file=paper, width=80), *what)
    text = paper.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines()), text
    return text


def flat(text: str) -> str:
    return " ".join(text.split())


async def _minute(at: Bench) -> None:
    for _ in range(13):
        await at.rest(5)
        at.usual(KALSHI)
        at.usual(POLYMARKET)


def test_an_exposure_is_listed_with_everything_that_a_person_needs_first() -> None:
    async def work(at: Bench) -> tuple[Any, Any]:
        await at.expose(second="40")
        await _minute(at)
        return await timeline.exposures(at.journal, OFTEN), at.position

    run = bench(work, "exposure.urgent_share=0")

    (row,), position = run.answer
    reminder = run.events("execution.single_leg.exposure_reminder")[-1]["occurred_at"]
    leg = position.kalshi
    assert row == {
        "position_id": position.position_id,
        "status": "SINGLE_LEG_EXPOSED",
        "pair_id": "cup",
        "question": "Northern Rovers win the cup",
        "platform": "kalshi",
        "outcome": "yes",
        "quantity": 60,
        "at_risk": owed((leg.cost + leg.fees) * Decimal("0.6")),
        "since": run.events("execution.single_leg.exposure")[0]["occurred_at"],
        "recommended": "retry_leg",
        "result": row["result"],
        "choices": row["choices"],
        "actions": row["actions"],
        "next_reminder": reminder + MINUTE,
        "unanswered": [],
    }
    reminded = json.loads(run.events("execution.single_leg.exposure_reminder")[-1]["payload"])
    assert (row["choices"], row["actions"]) == (
        reminded["scenarios"],
        reminded["recommended_actions"],
    )
    assert row["result"] == reminded["scenarios"][0]["pnl"]
    risk, result, short = (
        dollars(row["at_risk"]),
        dollars(row["result"]),
        row["position_id"][:8],
    )
    assert (
        f"Northern Rovers win the cup: 60 YES on kalshi unhedged, {risk} dollars at risk;"
        f" position {short}; best: retry the missing leg, buy 60 no up to 0.53,"
        f" result {result}: dutchbook retry-leg {short} --price 0.53"
    ) in flat(printed(shown.exposed, [row]))


def test_a_resolved_exposure_is_not_listed_and_starts_anew_when_it_opens_again() -> None:
    async def work(at: Bench) -> tuple[Any, Any]:
        at.fault(POLYMARKET, Fault.FAILED_FILL)
        await at.expose()
        await at.service.retry_leg(at.id, "0.53")
        hedged = await timeline.exposures(at.journal, OFTEN)
        await at.rest(5)
        return hedged, await timeline.exposures(at.journal, OFTEN)

    run = bench(work)

    hedged, again = run.answer
    assert hedged == []
    told = run.events("execution.single_leg.exposure")
    assert [row["since"] for row in again] == [told[1]["occurred_at"]]
    assert "nothing is exposed" in printed(shown.exposed, hedged)


def test_a_position_is_shown_in_full_and_its_figures_add_up() -> None:
    async def work(at: Bench) -> Any:
        await at.expose(second="40")
        early = await timeline.position(at.journal, at.id[:6])
        await at.rest(2)
        return early, await timeline.position(at.journal, at.id[:6])

    early, row = bench(work).answer

    assert "the trades of 100 are not listed yet" in flat(printed(shown.whole, early))
    orders = row["orders"]
    assert [(o["platform"], o["fill_size"]) for o in orders] == [
        (KALSHI, 100),
        (POLYMARKET, 40),
    ]
    for order in orders:
        assert sum(fill["size"] for fill in order["fills"]) == order["fill_size"]
        assert sum(fill["fee"] for fill in order["fills"]) == order["fees"]
    assert row["paid"] == sum(o["fill_cost"] + o["fees"] for o in orders)
    assert {f["finality"] for o in orders for f in o["fills"]} == {"settled", "provisional"}
    assert [each["name"] for each in row["choices"]][-1] == "hold"
    text = flat(printed(shown.whole, row))
    for word in ("60 YES on kalshi", "dutchbook close-leg", "provisional", "40 of 100"):
        assert word in text


def test_a_timeline_lists_what_was_decided_sent_answered_requested_and_done_in_order() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        first = at.orders()[0].order_id
        await _minute(at)
        await at.told("retry_leg", WHY, position=at.id, price="0.50")
        await at.told("close_leg", position=at.id)
        return await timeline.explain(at.journal, first[:8])

    run = bench(work, "exposure.urgent_share=0")

    told, position, orders = run.answer
    text = flat(printed(shown.story, told, position))
    expected = [
        "Decided to buy 100 pairs: YES on kalshi at 0.4 and NO on polymarket at 0.53",
        "Sent to kalshi: buy 100 YES at 0.4",
        "kalshi filled 100 of 100 at 0.4",
        "Sent to polymarket: buy 100 NO",
        "One leg is unhedged: 100 YES on kalshi. polymarket: nothing of it was filled (2001).",
        "Still unhedged: 100 contracts",
        f"me asked to retry the missing leg at 0.50 or better ({WHY}).",
        "Sent to polymarket: buy 100 NO at 0.5 or better.",
        "The order on polymarket came to nothing: nothing was filled (2002).",
        f"Answered me, who asked to retry the missing leg ({WHY}): not done",
        "me asked to close the unhedged leg.",
        "Answered me, who asked to close the unhedged leg: done.",
        "Now it is closed.",
    ]
    places = [text.find(each) for each in expected]
    assert -1 not in places, (expected[places.index(-1)], text)
    assert places == sorted(places)
    assert len(orders) == 4


def test_the_timeline_of_an_execution_without_a_position_states_why() -> None:
    async def work(at: Bench) -> Any:
        at.fault(KALSHI, Fault.REJECTED)
        at.execute()
        await at.rest()
        (row,) = await at.journal.rows("executions")
        return await timeline.explain(at.journal, row["execution_id"])

    told, position, _ = bench(work).answer

    text = flat(printed(shown.story, told, position))
    assert "The order on kalshi came to nothing: insufficient balance (2002)." in text
    assert "No position came of it." in text


def test_an_id_is_found_by_its_beginning_only_if_that_is_unambiguous() -> None:
    async def work(at: Bench) -> list[str]:
        position_id = await at.expose()
        found = [
            (await timeline.find(at.journal, position_id, timeline.KINDS))[0],
            (await timeline.find(at.journal, position_id[:4], timeline.KINDS))[0],
        ]
        for wrong, why in (("abc", "at least 4"), ("nobody", "an execution")):
            with pytest.raises(InvalidInput, match=why):
                await timeline.find(at.journal, wrong, timeline.KINDS)
        await at.told("retry_leg", position=position_id, price="0.50")
        await at.told("retry_leg", position=position_id, price="0.50")
        with pytest.raises(InvalidInput, match="order command-0 and order command-1 begin so"):
            await timeline.find(at.journal, "command", ("order",))
        return found

    assert bench(work).answer == ["position", "position"]


def test_cost_cash_needed_and_remainder_are_shown_before_a_command() -> None:
    async def work(at: Bench) -> Any:
        await at.expose(second="40")
        await _minute(at)
        return await timeline.position(at.journal, at.id)

    row = bench(work, "exposure.urgent_share=0").answer

    retry = flat(printed(shown.before, row, "retry_leg", None))
    close = flat(printed(shown.before, row, "close_leg", None))
    by_name = {each["name"]: each for each in row["choices"]}
    for text, name in ((retry, "retry_leg"), (close, "close_leg")):
        assert "60 YES on kalshi unhedged" in text
        need = dollars(by_name[name]["cash_needed"])
        result = dollars(by_name[name]["pnl"])
        fees = dollars(by_name[name]["fees"])
        cash = "no cash" if need == "0" else f"{need} dollars"
        assert f"needs {cash}, result {result}, fees of {fees} included" in text
    assert "leaves 100 hedged pairs" in retry
    assert "leaves 40 hedged pairs" in close


def test_a_requested_price_is_shown_with_the_most_that_it_costs() -> None:
    """100 NO at 60 cents, with the fees of fifty fills, plus 40 dollars and 1.68 of fees."""

    async def work(at: Bench) -> Any:
        await at.expose()
        row = await timeline.position(at.journal, at.id)
        with pytest.raises(InvalidInput, match="price grid"):
            await timeline.at_price(at.journal, row, Price(Decimal("0.6005")))
        worst = await timeline.at_price(at.journal, row, Price(Decimal("0.60")))
        done = await at.service.retry_leg(at.id, "0.53")
        return row, worst, done.position.polymarket

    row, worst, leg = bench(work).answer

    assert worst.cash_needed == 60 + worst.fees
    assert worst.pnl == 100 - worst.cash_needed - row["unhedged"]["at_risk"]
    assert worst.cash_needed > leg.cost + leg.fees
    text = flat(printed(shown.before, row, "retry_leg", as_json(worst)))
    numbers = f"needs {dollars(worst.cash_needed)} dollars, result {dollars(worst.pnl)}"
    assert f"At worst, buy 100 at 0.6: {numbers}" in text


def test_what_an_order_changed_is_reported_and_priced_at_once() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        at.show(POLYMARKET, {47: "30"}, {49: "500"})
        await at.service.retry_leg(at.id, "0.53")
        return await timeline.exposures(at.journal, OFTEN), *await timeline.explain(
            at.journal, at.id
        )

    run = bench(work)

    (row,), told, position, _ = run.answer
    (changed,) = run.events("execution.single_leg.exposure_changed")
    facts = json.loads(changed["payload"])
    assert (facts["exposed_quantity"], facts["platform"]) == ("70", "kalshi")
    assert row["quantity"] == 70
    assert position["choices"] == facts["scenarios"]
    assert row["since"] == run.events("execution.single_leg.exposure")[0]["occurred_at"]
    assert "Unhedged now: 70 YES on kalshi." in flat(printed(shown.story, told, position))


def test_choices_that_were_priced_for_another_quantity_are_not_shown() -> None:
    async def work(at: Bench) -> Any:
        await at.expose()
        row = (await at.journal.rows("open_positions"))[0]
        return await timeline.whole(at.journal, {**row, "kalshi_size": TEN})

    row = bench(work).answer

    assert (row["unhedged"]["quantity"], row["choices"], row["priced_at"]) == (10, [], None)
    assert "was not priced yet" in flat(printed(shown.whole, row))


def test_closing_is_shown_by_the_method_that_it_would_use() -> None:
    async def work(at: Bench) -> Any:
        await at.expose(POLYMARKET)  # its shares are not settled yet: they cannot be sold
        return await timeline.position(at.journal, at.id)

    row = bench(work, first=POLYMARKET).answer

    text = flat(printed(shown.before, row, "close_leg", None, Decimal("-3.5")))
    assert "buy the complement: buy 100 yes" in text
    assert "It is not done if it would bring less than -3.5." in text


def test_what_a_thin_book_leaves_unhedged_is_shown_before_a_command() -> None:
    async def work(at: Bench) -> Any:
        await at.expose(second="40")
        for _ in range(13):
            await at.rest(5)
            at.show(KALSHI, {38: "15"}, {90: "500"})
        return await timeline.position(at.journal, at.id)

    row = bench(work, "exposure.urgent_share=0").answer

    text = flat(printed(shown.before, row, "close_leg", None, Decimal("-3.2")))
    assert "sell 15 yes down to 0.38, as far as the book goes; 45 stay unhedged" in text
    assert "It is not done if it would bring less than -0.8." in text
    assert "All filled, it leaves 40 hedged pairs and 45 unhedged." in text


def test_every_event_of_an_execution_has_a_sentence_of_its_own() -> None:
    told = {wire for wire, kind in catalogue().items() if kind.durable}
    mine = ("execution.", "operator.command.")

    assert {wire for wire in told if wire.startswith(mine)} <= SENTENCES.keys()


def test_the_end_of_a_position_is_described_in_sentences() -> None:
    settled = {
        "realised_pnl": Decimal("-41.5"),
        "divergence_pnl": Decimal(-42),
        "reserve_used": Decimal("0.05"),
    }

    assert sentence("execution.position.settled", settled) == (
        "Both contracts have paid: result -41.5 dollars, -42 of it because they resolved"
        " differently; 0.05 of the reserve for that was used."
    )
    assert sentence("execution.exit.marked", {"hedged": False, "mark": "-0.016"}) == (
        "An exit at once would have brought -0.016 a contract: the stop counts from that."
    )


# Discrepancies --------------------------------------------------------------------------------


def test_a_discrepancy_is_shown_with_both_states_and_the_possible_answers() -> None:
    async def work(at: At) -> Any:
        says(at, ABSENT)
        with pytest.raises(InvalidPositionState, match="nothing of it is in doubt"):
            await timeline.disputed(at.engine.journal, POSITION)
        await at.service.reconcile()
        return await timeline.disputed(at.engine.journal, POSITION)

    position, other = beside("working", work)

    text = flat(printed(shown.whole, position))
    assert other is None
    for word in (
        "order not found on polymarket: polymarket-order",
        "ours:",
        "theirs:",
        "to do:",
        "--choice adopt-platform",
        "--choice force-close",
    ):
        assert word in text


def test_a_discrepancy_that_belongs_to_no_position_is_found_by_its_own_id() -> None:
    async def work(at: At) -> Any:
        stranger = ListedOrder(
            POLYMARKET, "x-1", "x", "polymarket-cup", Outcome.NO, Side.BUY,
            TEN, NOTHING, TEN, True,
        )  # fmt: skip
        at.told[POLYMARKET].listed = [stranger]
        await at.service.reconcile()
        (row,) = await timeline.discrepancies(at.engine.journal)
        found = await timeline.disputed(at.engine.journal, row["discrepancy_id"][:8])
        at.told[POLYMARKET].listed = []
        await at.service.reconcile()
        with pytest.raises(InvalidInput, match="it was resolved"):
            await timeline.disputed(at.engine.journal, row["discrepancy_id"])
        return found, row

    (position, other), row = beside("rejected", work)

    assert (position, other) == (None, row)
    text = flat(printed(shown.disputed, [row]))
    assert f"order unknown on polymarket: {row['ours']['about']['subject']}" in text
    assert f"discrepancy {row['discrepancy_id']}" in text


def test_an_order_without_an_answer_is_decided_by_its_own_id_or_its_positions() -> None:
    """Its position is in no doubt: only its pair is stopped until a person has looked."""

    async def work(at: Bench) -> list[Any]:
        at.execute(second="100")
        server: Any = at.paper.platforms.gateways[POLYMARKET]._server
        server.create = lost
        await at.rest(90)
        order = next(each for each in at.orders() if each.platform is POLYMARKET)
        journal = at.engine.journal
        with pytest.raises(InvalidInput, match="`dutchbook reconcile` looks again"):
            await timeline.disputed(journal, order.order_id)
        await at.rest(400)
        (row,) = await timeline.discrepancies(journal)
        ids = (order.order_id, at.id, row["discrepancy_id"])
        found = [await timeline.disputed(journal, each[:13]) for each in ids]
        resolve = {"subject": row["discrepancy_id"], "choice": "adopt_platform", "paid": None}
        await at.told("resolve", "it is not on the platform's page", **resolve)
        await at.rest(5)
        return [row, *found, at.engine.trades.trade(order.execution_id).orders[order.order_id]]

    async def lost(order: Order) -> Answer:
        assert order.platform is POLYMARKET, "it never arrives"
        return SILENCE

    row, *found, order = bench(work).answer

    assert row["kind"] == DiscrepancyType.ORDER_NOT_FOUND
    assert found == [(None, row)] * 3
    assert (order.filled, order.working_size, order.status) == (0, 0, OrderStatus.CANCELLED)
