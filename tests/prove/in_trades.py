"""Bugs in how facts change a pair trade, and in what keeps, counts and follows it."""

from __future__ import annotations

from prove.bug import Bug
from prove.places import APPLY, CAPITAL, CHANGES, LOAD, STORE, TRADE

FACTS = "tests/spec/test_pair_trade_facts.py"

IN_TRADES = (
    Bug(
        "a report is applied twice",
        APPLY,
        "[fill for fill in fact.fills if (fill.platform, fill.trade_id) not in before.fills]",
        "list(fact.fills)",
        f"{FACTS} -k known",
    ),
    Bug(
        "a fill that comes to light late makes no position",
        APPLY,
        "if not before.opened:\n        return _late(trade, fact.order, fact.at, notices)",
        "if not before.opened:\n        return trade, tuple(notices)",
        f"{FACTS} -k ended_with_nothing",
    ),
    Bug(
        "contracts are sold that their platform can still take back",
        TRADE,
        "parts += [f for f in self.fills.values() if f.finality is Finality.SETTLED]",
        "parts += [f for f in self.fills.values() if f.finality is not Finality.FAILED]",
        f"{FACTS} -k can_be_sold",
    ),
    Bug(
        "what a position was and what it is are swapped in the ledger",
        CAPITAL,
        "moved = change(was, now) if before.held",
        "moved = change(now, was) if before.held",
    ),
    Bug(
        "what was set aside for an order stays at risk",
        CAPITAL,
        'at_risk = Money(Decimal(state["total_capital_deployed"]) - reserved)',
        'at_risk = Money(Decimal(state["total_capital_deployed"]))',
        f"{FACTS} -k paid_from_what_was_set_aside",
    ),
    Bug(
        "an order does not name its position",
        CHANGES,
        "elif linked or (was is not order and was != order):",
        "elif was is not order and was != order:",
        f"{FACTS} -k names_it",
    ),
    Bug(
        "two bookings of one pair trade at once",
        STORE,
        "async with self._booking.setdefault(execution_id, asyncio.Lock()):",
        "async with asyncio.Lock():",
        f"{FACTS} -k second_goes_on",
    ),
    Bug(
        "a decision does not wait for the booking that a cancelled one has left",
        STORE,
        "releasing = asyncio.ensure_future(_release_after(booking, lock))",
        "releasing = asyncio.ensure_future(_release_after(asyncio.Lock(), lock))",
        f"{FACTS} -k booking_of_a_cancelled_one",
    ),
    Bug(
        "a payout is booked again while one that a cancelled poll has left is committed",
        STORE,
        "ended = False\n        try:",
        "ended = True\n        try:",
        "tests/simulation/test_endings.py -k leaves_one_payout",
    ),
    Bug(
        "a decision does not wait for a booking that was begun in the same moment",
        STORE,
        "booking = self._booking.setdefault(key, asyncio.Lock())\n                releasing",
        "booking = self._booking.get(key, lock)\n"
        "                booking = booking if booking.locked() else asyncio.Lock()\n"
        "                releasing",
        "tests/spec/test_booking_trades.py -k only_just_been_begun",
    ),
    Bug(
        "a reservation that is over is taken up again at a start",
        LOAD,
        '{"status": "reserved", **where}',
        "where",
    ),
    Bug(
        "a claim in flight is not dropped",
        "application/capital/capital.py",
        "self._claims = [each for each in self._claims if each.reference != reservation_id]",
        "self._claims = list(self._claims)",
        "tests/simulation/test_limits.py -k released_capital",
    ),
    Bug(
        "an execution is concluded before its last answer is booked",
        "application/recovery/unfinished.py",
        "trade.execution_id, *facts, concluded, alongside=alongside",
        "trade.execution_id, concluded, *facts, alongside=alongside",
    ),
    Bug(
        "an order that is noticed again is asked about as if it were new",
        "application/orders/schedule.py",
        "self._due.setdefault(key, (self._clock.monotonic() + wait, max(wait, 1)))",
        "self._due[key] = (self._clock.monotonic() + wait, max(wait, 1))",
        "tests/spec/test_sending.py -k noticed_again",
    ),
    Bug(
        "the dust of a position that is taken up again counts twice",
        "application/reconciliation/our_state.py",
        "self._count_dust(trade.position, -1)",
        "self._count_dust(trade.position)",
        f"{FACTS} -k left_of_a_position",
    ),
    Bug(
        "a start forgets when a pair was traded for the first time",
        "application/pair_trades/store.py",
        "self._first_traded = dict(loaded.first_traded)",
        "self._first_traded = {}",
        "tests/simulation/test_traded_pairs.py -k later_run",
    ),
)
