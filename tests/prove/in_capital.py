"""Bugs in what is set aside, at risk, lost in a day and paid."""

from __future__ import annotations

from prove.bug import Bug
from prove.places import LEDGER, STORE

QUEUE, HALTS = "application/execution/queue.py", "application/capital/halts.py"
PAYOUTS, AT_RISK = "application/settlement/payouts.py", "application/capital/at_risk.py"
READER = "application/reconciliation/platform_state.py"
POSITION, DETECT = "domain/positions/position.py", "domain/detection/detect.py"
COOLS = "self._cool_until[pair] = self._clock.now() + self._cool_down"
SIMULATED = "tests/simulation"
ENDINGS = f"{SIMULATED}/test_cash_of_endings.py"
DAYS = f"{SIMULATED}/test_trading_days.py"
STAKES = f"{SIMULATED}/test_stakes_after_a_restart.py"
ACCOUNTING = "tests/spec/test_accounting.py"

IN_CAPITAL = (
    Bug(
        "only what was executed cools a pair down",
        QUEUE,
        f"\n            {COOLS}",
        "",
        f"{SIMULATED}/test_seed.py -k cools_down",
        also=(
            (
                QUEUE,
                "        if done.phase.ended:",
                (
                    f"        pair = request.pair_id\n        {COOLS}\n"
                    "        if done.phase.ended:"
                ),
            ),
        ),
    ),
    Bug(
        "what both platforms pay is of each other's kind",
        PAYOUTS,
        "{Platform.KALSHI: EntryKind.SETTLEMENT, Platform.POLYMARKET: EntryKind.REDEMPTION}",
        "{Platform.KALSHI: EntryKind.REDEMPTION, Platform.POLYMARKET: EntryKind.SETTLEMENT}",
        f"{ENDINGS} -k kalshi_settles",
    ),
    Bug(
        "a merge is a settlement",
        "application/settlement/merges.py",
        "EntryKind.REDEMPTION, request.contract_id",
        "EntryKind.SETTLEMENT, request.contract_id",
        f"{ENDINGS} -k merge",
    ),
    Bug(
        "what a person states is a settlement",
        "application/reconciliation/resolve.py",
        "Cause.RECONCILED, EntryKind.ADJUSTMENT",
        "Cause.RECONCILED, EntryKind.SETTLEMENT",
        f"{SIMULATED}/test_reconciliation_service.py -k force_closes",
    ),
    Bug(
        "every payout is a trade",
        STORE,
        "next((fact.kind for fact in facts if isinstance(fact, Paid)), EntryKind.TRADE)",
        "EntryKind.TRADE if facts else EntryKind.FEE",
        f"{ENDINGS} -k kalshi_settles",
    ),
    Bug(
        "a listed redemption is booked from the list",
        READER,
        "tuple(each for each in movements if each.kind is not EntryKind.REDEMPTION)",
        "tuple(movements)",
        f"{ENDINGS} -k listed_too",
        also=(
            (
                LEDGER,
                "    EntryKind.ADJUSTMENT: Bucket.REALISED,\n",
                (
                    "    EntryKind.ADJUSTMENT: Bucket.REALISED,\n"
                    "    EntryKind.REDEMPTION: Bucket.REALISED,\n"
                ),
            ),
        ),
    ),
    Bug(
        "a contract pays at every poll",
        PAYOUTS,
        "if one.position.holding(platform).unpaid\n            and self._trades",
        "if one.position.holding(platform).size\n            and self._trades",
        f"{ENDINGS} -k listed_too",
        also=(
            (
                PAYOUTS,
                "if one.position.holding(platform).unpaid\n            for contract",
                "if one.position.holding(platform).size\n            for contract",
            ),
        ),
    ),
    Bug(
        "a comparison does not know what an earlier one has booked",
        "application/reconciliation/service.py",
        'if await self._journal.rows("ledger_entries", reference):',
        "if not reference:",
        f"{SIMULATED}/test_reconciliation_service.py -k explained_is_booked_once",
        also=(
            (
                "application/capital/cash.py",
                'rows("ledger_entries", {"reference": reference}, limit=1):',
                'rows("ledger_entries", {"reference": ""}, limit=1):',
            ),
        ),
    ),
    Bug(
        "a start takes an order of an exit for the entry of its position",
        AT_RISK,
        'if row["order_id"] is None:\n                reserved.add(execution_id)',
        "reserved.add(execution_id)",
        STAKES,
    ),
    Bug(
        "a start forgets what was set aside for an order of an exit",
        AT_RISK,
        "if pair_id is not None:",
        'if pair_id is not None and row["order_id"] is None:',
        STAKES,
    ),
    Bug(
        "a start forgets the opposites that an exit has bought",
        AT_RISK,
        'COSTS = ("cost", "complement_cost")',
        'COSTS = ("cost",)',
        STAKES,
    ),
    Bug(
        "a start knows no clusters",
        AT_RISK,
        'self.know(row["match_id"], row["cluster"], row["confidence"])',
        'self.know(row["match_id"], None, row["confidence"])',
        STAKES,
        also=(
            (
                "application/lifecycle.py",
                "self._risk.capital.at_risk.know(match.match_id, match.cluster, match.conf",
                "self._risk.capital.at_risk.know(match.match_id, None, match.conf",
            ),
        ),
    ),
    Bug(
        "the commit of a new day wipes out a loss that was committed before it",
        HALTS,
        'put, off = {"last_reset_timestamp": today}, Money(kept - before.daily_pnl)',
        'put, off = {"last_reset_timestamp": today, "daily_pnl": kept}, Money(ZERO)',
        f"{DAYS} -k beside_the_commit",
        also=((HALTS, ', add={"daily_pnl": off})', ")"),),
    ),
    Bug(
        "a day begins with nothing, whatever was booked meanwhile",
        "application/capital/capital.py",
        "gained = Money(self.state.daily_pnl - before + kept)",
        "gained = Money(before - before + kept)",
        f"{DAYS} -k beside_the_commit",
    ),
    Bug(
        "a loss at the limit halts nothing while the halt of the day before is lifted",
        HALTS,
        "                capital.resume(reason)\n        await self.enforce()",
        "                capital.resume(reason)",
        f"{DAYS} -k at_the_limit",
    ),
    Bug(
        "a loss counts to the day before until something begins the day",
        HALTS,
        "if self._day_over:  # its hour",
        "if not self._capital:  # its hour",
        f"{DAYS} -k before_anything",
    ),
    Bug(
        "the first payout frees the reserve of a pair",
        POSITION,
        "value += self._owed - self.divergence_reserve",
        (
            "value += self._owed\n"
            "            if all(leg.payout is None for leg in self.legs):\n"
            "                value -= self.divergence_reserve"
        ),
        f"{ACCOUNTING} -k until_both",
    ),
    Bug(
        "the worst that can come leaves the reserve out once a contract has paid",
        "domain/positions/result.py",
        "worst=Money(min(ends) - position.divergence_reserve),",
        "worst=Money(min(ends) - position.divergence_reserve * (len(ends) - 1)),",
        f"{ENDINGS} -k until_both",
    ),
    Bug(
        "the size that is sent is not held against the minimum edge",
        DETECT,
        "if not FinancialMath.is_above_threshold(net, self.hurdles.minimum_net_edge):",
        "if not FinancialMath.is_above_threshold(net, ZERO):",
        "tests/spec/test_detection.py -k held_against",
        also=((DETECT, "    PAYOUT,\n", "    PAYOUT,\n    ZERO,\n"),),
    ),
)
