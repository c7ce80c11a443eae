"""Bugs that the simulation finds since it meets limits, named cash, and the order of events."""

from __future__ import annotations

from prove.bug import Bug
from prove.places import BUS

LIMITS = "domain/capital/limits.py"
CAPS = "application/capital/capital.py"
QUEUE = "application/execution/queue.py"

IN_REACH = (
    Bug(
        "an approved entry counts only once it is being booked",
        "application/execution/service.py",
        "with self._risk.capital.approved(reservation):",
        "if reservation:",
        seed=17,
        check="I-17",
    ),
    Bug(
        "two entries of one moment are each given what a cluster has left",
        CAPS,
        "self._claims.append(reserved(reservation, self.accounts))",
        "reserved(reservation, self.accounts)",
        "tests/simulation/test_limits.py -k one_moment",
    ),
    Bug(
        "the limit of a platform forgets what is in flight",
        CAPS,
        "self.limits.platform - balance.reserved - balance.committed",
        "self.limits.platform - balance.committed",
        seed=13,
        check="I-17",
    ),
    Bug(
        "nobody looks at the limit of a cluster",
        LIMITS,
        "if cluster is None or self.cluster - cluster >= left.dollars:",
        "if cluster is None or cluster >= 0:",
        seed=17,
        check="I-17",
    ),
    Bug(
        "a pair may take what its cluster may",
        LIMITS,
        "left = Room(Money(max(self.pair - pair, ZERO)), Reason.PAIR_LIMIT)",
        "left = Room(Money(max(self.pair, ZERO)), Reason.PAIR_LIMIT)",
        seed=49,
        check="I-17",
    ),
    Bug(
        "a position may cost twice its limit",
        CAPS,
        "Money(self.limits.position * self.at_risk.confidence(pair_id)),",
        "Money(2 * self.limits.position * self.at_risk.confidence(pair_id)),",
        seed=5,
        check="I-17",
    ),
    Bug(
        "the bankroll is never capped",
        LIMITS,
        "bankroll = max(held if self.cap is None else min(held, self.cap), ZERO)",
        "bankroll = max(held, ZERO)",
        seed=1,
        check="I-17",
    ),
    Bug(
        "the day's loss may be ten times its limit",
        "application/capital/halts.py",
        "if lost > 0 and lost >= most else None",
        "if lost > 0 and lost >= 10 * most else None",
        seed=49,
        check="I-17",
    ),
    Bug(
        "pairs are opened without number",
        LIMITS,
        "if pairs.entered > limits.max_open_pairs and not override:",
        "if pairs.entered > 99 and not override:",
        seed=25,
        check="I-17",
        also=(
            (
                QUEUE,
                "full = capital.open_pairs(pair_id).entered > capital.limits.max_open_pairs",
                "full = capital.open_pairs(pair_id).entered > 99",
            ),
            (
                CAPS,
                "return self.limits.max_open_pairs + sharing",
                "return 99 + sharing",
            ),
        ),
    ),
    Bug(
        "an order that spends dollars reserves the fee of its contracts",
        "domain/detection/detect.py",
        "worst = max(worst, terms.worst_of_dollars(spent, fills=WORST_FILLS))",
        "worst = max(worst, owed(spent * 0))",
        seed=5,
        check="I-14",
    ),
    Bug(
        "the events of a commit are told in the reverse order",
        BUS,
        "for sequence, event in (*others, *events):",
        "for sequence, event in reversed((*others, *events)):",
        check="I-27",
    ),
    Bug(
        "interest is booked again whenever a person adopts a platform",
        "application/capital/cash.py",
        'if await self._journal.rows("ledger_entries", {"reference": reference}, limit=1):',
        "if not reference:",
        seed=4246,
        check="I-11",
    ),
    Bug(
        "whether a movement is booked is not looked up",
        "application/capital/cash.py",
        'if await self._journal.rows("ledger_entries", {"reference": reference}, limit=1):',
        "if not movement.amount:",
        "tests/simulation/test_reconciliation_service.py -k adopts_the_platform",
    ),
)
