"""Bugs in how large an order of a position is, and in what starts or pays for one."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_acks import ENDINGS, FINALITY
from prove.in_trades import FACTS
from prove.places import APPLY

RETRY, EXITS = "application/exposure/single_leg.py", "application/exits/monitor.py"
SINGLE_LEG = "tests/simulation/test_single_leg.py"

IN_EXITS = (
    Bug(
        "an exit that stalls while an outcome is unknown is looked at once",
        "application/exits/partial.py",
        "        self._suspect(position_id)\n\n    async def _look",
        "\n    async def _look",
        "tests/spec/test_partial_exits.py -k as_soon_as_the_outcome",
    ),
    Bug(
        "nobody hears of an exit's order whose engine died before its answer",
        "application/lifecycle.py",
        "known = await self.recovery.unanswered(trade) if trade.ended else trade",
        "known = trade",
        "tests/simulation/test_orders_of_a_dead_exit.py",
    ),
    Bug(
        "a retry buys what is missing, whatever its platform takes",
        RETRY,
        "size = Quantity(floor_to(exposure.quantity, lot))",
        "size = exposure.quantity",
        f"{SINGLE_LEG} -k retry_buys_the_whole_lots",
    ),
    Bug(
        "a retry buys a lot more than is missing",
        RETRY,
        "size = Quantity(floor_to(exposure.quantity, lot))",
        "size = Quantity(-floor_to(-exposure.quantity, lot))",
        f"{SINGLE_LEG} -k retry_buys_the_whole_lots",
    ),
    Bug(
        "a second leg buys all that the first has sold, whatever its platform takes",
        EXITS,
        "floor_to(most, contract.lot if buys else contract.sizing.step)",
        "most if buys else floor_to(most, contract.sizing.step)",
        f"{ENDINGS} -k second_leg_that_buys",
    ),
    Bug(
        "a second leg buys hundredths, which have no whole cents",
        EXITS,
        "floor_to(most, contract.lot if buys else contract.sizing.step)",
        "floor_to(most, contract.sizing.step)",
        f"{ENDINGS} -k second_leg_that_buys",
    ),
    Bug(
        "a second leg sells all that the first has bought, whatever its platform takes",
        EXITS,
        "floor_to(most, contract.lot if buys else contract.sizing.step)",
        "floor_to(most, contract.lot) if buys else most",
        f"{ENDINGS} -k second_leg_that_sells",
    ),
    Bug(
        "a second leg is rounded up",
        EXITS,
        "floor_to(most, contract.lot if buys else contract.sizing.step)",
        "-floor_to(-most, contract.lot if buys else contract.sizing.step)",
        f"{ENDINGS} -k second_leg_that",
    ),
    Bug(
        "nothing acts on what a fill that fails after the close leaves",
        FINALITY,
        "if after.position.imbalanced():\n"
        "            self._single_leg.exposed(after.position_id)\n\n    async def proven",
        "if after.position.imbalanced() and trade.position.hedged:\n"
        "            self._single_leg.exposed(after.position_id)\n\n    async def proven",
        f"{SINGLE_LEG} -k after_the_close_leaves",
    ),
    Bug(
        "a repair releases what is set aside for an order that still works",
        APPLY,
        "trade = _with_order(before, fact.order).with_fills((*fact.fills, *fact.finalities))",
        "trade = _ended_order(before, fact.order)\n"
        "    trade = trade.with_fills((*fact.fills, *fact.finalities))",
        f"{FACTS} -k keeps_the_reservation",
    ),
)
