"""Bugs that long runs and kills once found, each with the test that finds it since."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_exits import SINGLE_LEG
from prove.in_trades import FACTS
from prove.places import APPLY, BUS, CAPITAL

KILLS = "tests/simulation/test_found_by_kills.py"
DISPUTES = "application/pair_trades/discrepancies.py"
HALTS, RESOLVE = "application/capital/halts.py", "application/reconciliation/resolve.py"
OURS = "application/reconciliation/our_state.py"
WORKED = "tests/simulation/test_comparing_worked_legs.py"

IN_FOUND = (
    Bug(
        "a fresh quote is paired with one of any age",
        "domain/detection/detect.py",
        "abs(first - second) > apart:",
        "first - second > apart:",
        "tests/spec/test_opportunities.py -k of_one_moment",
    ),
    Bug(
        "orders of a leg on which one is out are not compared",
        OURS,
        "*(each for each in self._orders_of(worked) if each.ended),",
        "",
        f"{WORKED} -k order_is_out",
    ),
    Bug(
        "an order that may be being answered is compared",
        OURS,
        "in self._orders_of(worked) if each.ended),",
        "in self._orders_of(worked)),",
        f"{WORKED} -k busy",
    ),
    Bug(
        "an order whose position has changed is not compared",
        OURS,
        " or each in same.get(each.position_id, ())",
        "",
        f"{WORKED} -k sent_meanwhile",
    ),
    Bug(
        "a fill is booked of a position that closed during the comparison",
        OURS,
        "if trade is not None and not _closed(trade)",
        "if trade is not None",
        f"{WORKED} -k closed_meanwhile",
    ),
    Bug(
        "the mark of an open file waits for no reader",
        "persistence/sqlite_file.py",
        "wal_checkpoint(FULL)",
        "wal_checkpoint(PASSIVE)",
        "tests/integration/test_database_files.py -k copy_is_recognised",
    ),
    Bug(
        "the last money goes to the first edge that comes",
        "domain/detection/quote.py",
        "raised = self.minimum_net_edge + self.edge_slope * used * used",
        "raised = self.minimum_net_edge + self.edge_slope * used * used * used",
        "tests/spec/test_opportunities.py -k rises_with_the_square",
    ),
    Bug(
        "an order of a position that the gate refuses has no code of the gate's",
        "application/pair_trades/adjustments.py",
        "return await self._came_to_nothing(order, reason, code=code)",
        "return await self._came_to_nothing(order, reason)",
        "tests/spec/test_adjustments.py -k refused_comes_to_nothing",
    ),
    Bug(
        "what others took of a level comes back to us",
        "platforms/paper/liquidity.py",
        "taken[price] = min(taken[price], size)",
        "taken[price] = max(taken[price] - (before - size), 0)",
        "tests/spec/test_paper_exchange.py -k only_what_is_added",
    ),
    Bug(
        "an order meets a quote that is gone",
        "platforms/paper/server.py",
        "and not plan.survives(order.order_id, chance)",
        "and plan.survives(order.order_id, chance)",
        "tests/spec/test_order_lag.py -k as_often_as_was_recorded",
    ),
    Bug(
        "a quote is as old as its book",
        "platforms/paper/liquidity.py",
        "if side not in self._best or self._best[side][0] != best:",
        "if True:",
        "tests/spec/test_paper_exchange.py -k as_old_as_its_price",
    ),
    Bug(
        "a halt is lifted by each of two checks at once",
        DISPUTES,
        "async with self._enforcing:",
        "async with asyncio.Lock():",
        f"{KILLS} -k lift_its_halt_once",
        also=((HALTS, "if reason not in capital.state.halt_reasons:", "if not reason:"),),
    ),
    Bug(
        "a halt that a person has lifted meanwhile ends the engine",
        DISPUTES,
        "with contextlib.suppress(Conflict, InvalidInput):",
        "with contextlib.suppress(Conflict):",
        f"{KILLS} -k stops_no_engine",
    ),
    Bug(
        "two decisions resolve one discrepancy at once",
        DISPUTES,
        "async with self.settling:",
        "async with asyncio.Lock():",
        f"{KILLS} -k resolved_twice_at_once",
    ),
    Bug(
        "a person's decision on a position does not wait for a comparison's",
        RESOLVE,
        "async with self._disputes.settling:",
        "if self._disputes.settling:",
        f"{KILLS} -k comparison_resolve_at_once",
    ),
    Bug(
        "a position is resolved again by a person who has waited for another",
        RESOLVE,
        "            _insist(trade)\n            if choice is Choice.FORCE_CLOSE:",
        "            if choice is Choice.FORCE_CLOSE:",
        f"{KILLS} -k one_gets_an_error",
    ),
    Bug(
        "a commit whose caller was cancelled counts as one whose end is known",
        BUS,
        "self._ended += aware",
        "self._ended += 1",
        f"{KILLS} -k leaves_the_cache_in_doubt",
    ),
    Bug(
        "an order that can still arrive is gone if a person says so",
        RESOLVE,
        "if self._theirs.may_arrive(order):",
        "if order is None:",
        f"{KILLS} -k can_still_arrive",
    ),
    Bug(
        "a decision ends the engine if an order was placed meanwhile",
        RESOLVE,
        "mine = tuple(o for o in again.ours.orders if o.order.order_id in answers)",
        "mine = again.ours.orders",
        f"{KILLS} -k placed_while_a_person_decides",
    ),
    Bug(
        "what redelivery has counted is reported beside the count from the log",
        "application/exposure/tracker.py",
        "self._owed.clear()\n",
        "list(self._owed)\n",
        f"{KILLS} -k reported_once_at_the_next_start",
    ),
    Bug(
        "an exposure that was reported once is never reported again",
        APPLY,
        "if after.stall_reported and after.position.status is not before.position.status:",
        "if after.stall_reported and after is before:",
        f"{KILLS} -k silence_the_next_engine",
    ),
    Bug(
        "a difference asks for no payout",
        "application/settlement/payouts.py",
        "isinstance(event, ReconciliationComplete) and event.discrepancies:",
        "isinstance(event, ReconciliationComplete) and event.repairs:",
        f"{KILLS} -k payout_is_requested",
    ),
    Bug(
        "a difference is compared again only when the interval has passed",
        "application/reconciliation/service.py",
        "min(intervals.every, intervals.grace) if self._unsure else intervals.every",
        "intervals.every",
        f"{KILLS} -k missing_cash_is_reported",
    ),
    Bug(
        "a balanced position that an order unbalances is no exposure",
        APPLY,
        "elif after.status is PositionStatus.SINGLE_LEG_EXPOSED:\n"
        "        yield events.unhedged(after, NEEDLESS)",
        "elif after.status is PositionStatus.CLOSED:\n"
        "        yield events.unhedged(after, NEEDLESS)",
        f"{SINGLE_LEG} -k once_the_position_is_balanced",
    ),
    Bug(
        "a fill that failed while its execution waits is paid back before it was paid",
        CAPITAL,
        "if not after.held:",
        "if not after.opened:",
        f"{FACTS} -k every_movement_adds_up",
    ),
    Bug(
        "events of a commit that got no answer are taken for told",
        BUS,
        "        known = False\n        try:\n            if self.fence is None:",
        "        known = True\n        try:\n            if self.fence is None:",
        "tests/simulation/test_crash_reports.py -k got_no_answer",
    ),
)
