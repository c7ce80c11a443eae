"""Bugs in the lease, stored halts, the order of delivery, the queue, what is kept,
the end of an engine, and the limit of tests."""

from __future__ import annotations

from prove.bug import Bug
from prove.places import BUS

LEASE, QUEUE = "application/records/lease.py", "application/execution/queue.py"
HALTS = "application/capital/rows.py"
BELIEF, STORED = "tests/spec/test_lease_belief.py", "tests/simulation/test_stored_halts.py"
ORDER, FULL = "tests/spec/test_delivery_order.py", "tests/simulation/test_full_queue.py"
LIMIT, LIMITS = "tests/support/time_limit.py", "tests/integration/test_time_limits.py"
KEPT = "tests/integration/test_retention.py -k calendar"

IN_LEASES = (
    Bug(
        "a trade that fails while an engine ends breaks its end",
        "application/recovery/fill_finality.py",
        "                self._over = True",
        "                pass",
        "tests/spec/test_fill_finality.py -k at_the_end",
    ),
    Bug(
        "an engine ends before the trades of its last order are listed",
        "application/lifecycle.py",
        "while self._trading.trades.unlisted and",
        "while not self._trading.trades and",
        "tests/simulation/test_endings.py -k listed",
    ),
    Bug(
        "a slow commit extends the lease from its end, by the monotonic clock",
        LEASE,
        'self.renewed(began, update.put["expires_at"])',
        'self.renewed(self._clock.monotonic(), update.put["expires_at"])',
        f"{BELIEF} -k slow_commit",
    ),
    Bug(
        "a slow commit extends the lease from its end, by the time of day",
        LEASE,
        'self.renewed(began, update.put["expires_at"])',
        "self.renewed(began, self._clock.now() + self._term)",
        f"{BELIEF} -k slow_commit",
    ),
    Bug(
        "a lease that was slow to take counts from when it was had",
        LEASE,
        "await fence.look(journal)\n    return fence",
        "fence.renewed(clock.monotonic(), clock.now() + term)\n"
        "    await fence.look(journal)\n    return fence",
        f"{BELIEF} -k slow_to_take",
    ),
    Bug(
        "an engine that lost its lease releases that of the next",
        LEASE,
        'Batch((Update(TABLE, ENGINE, {"epoch": self.epoch}, put),))',
        "Batch((Update(TABLE, ENGINE, {}, put),))",
        "tests/integration/test_lease.py -k old_epoch",
    ),
    Bug(
        "halt reasons beside a state that is not halted are ignored",
        HALTS,
        "listed = stored if isinstance(stored, list) else [None]",
        "listed = stored if isinstance(stored, list) else [None]\n"
        "    if not halted:\n        return frozenset()",
        f"{STORED} -k not_halted",
    ),
    Bug(
        "halt reasons beside a state that is not halted are believed",
        HALTS,
        "if halted is not bool(found):",
        "if halted and not found:",
        f"{STORED} -k not_halted",
    ),
    Bug(
        "a halt without a reason is none",
        HALTS,
        "if halted is not bool(found):",
        "if found and not halted:",
        f"{STORED} -k cannot_be_read",
    ),
    Bug(
        "what a command next to the engine commits is not heard",
        BUS,
        "return [(n, event) for n, event in waiting if self._next <= n < first]",
        "return [(n, event) for n, event in waiting if first < n < self._next]",
        f"{ORDER} -k others",
    ),
    Bug(
        "what a command next to the engine commits is heard after what followed it",
        BUS,
        "for sequence, event in (*others, *events):",
        "for sequence, event in (*events, *others):",
        f"{ORDER} -k others",
    ),
    Bug(
        "what a later commit has delivered is delivered again",
        BUS,
        "if not self._delivers or sequence >= self._next:",
        "if sequence:",
        f"{ORDER} -k outlasts",
    ),
    Bug(
        "an execution that has waited is not asked again whether it may begin",
        QUEUE,
        "if not self._refused(opportunity, locked=True):",
        "if self._executions is not None:",
        "tests/simulation/test_seed.py -k waited",
    ),
    Bug(
        "a full queue drops the best that waits",
        QUEUE,
        "worst = min(self._waiting.values(), key=_rank)",
        "worst = max(self._waiting.values(), key=_rank)",
        f"{FULL} -k better_newcomer",
    ),
    Bug(
        "a full queue takes a newcomer that is worse than all that wait",
        QUEUE,
        "if _rank(worst) >= _rank(opportunity):",
        "if worst is opportunity:",
        f"{FULL} -k no_better",
    ),
    Bug(
        "a full queue does not say that it refuses",
        QUEUE,
        "return Reason.QUEUE_FULL\n",
        "return None\n",
        f"{FULL} -k counted_each_time",
    ),
    Bug(
        "a full queue does not count what it drops",
        QUEUE,
        "self.refused[Reason.QUEUE_FULL.value] += 1",
        "self._wake.set()",
        f"{FULL} -k takes_the_place",
    ),
    Bug(
        "the log has every refusal of a full queue",
        "application/detection/service.py",
        "self.opportunities += 1\n",
        "self.opportunities += 1\n                watch.reasons[outcome] = None\n",
        f"{FULL} -k in_the_log_once",
    ),
    Bug(
        "a year that books are kept for has 365 days",
        "operations/admin.py",
        "database.prune(_years_before(SystemClock().now(), years))",
        "database.prune(SystemClock().now() - timedelta(days=365 * years))",
        KEPT,
        also=(("operations/admin.py", "import datetime\n", "import datetime, timedelta\n"),),
    ),
    Bug(
        "books that are just as old as they must be kept are deleted",
        "persistence/database.py",
        "WHERE captured_at < {old}",
        "WHERE captured_at <= {old}",
        KEPT,
    ),
    Bug(
        "an event loop swallows the limit of a test",
        LIMIT,
        "            loop.stop()\n",
        "",
        f"{LIMITS} -k alone",
    ),
    Bug(
        "a test that tolerates its limit passes",
        LIMIT,
        "    if limit.over:\n        raise",
        "    if not limit:\n        raise",
        f"{LIMITS} -k alone",
    ),
    Bug(
        "what a hanging test has started goes on",
        LIMIT,
        "os.kill(pid, signal.SIGKILL)",
        "os.kill(pid, 0)",
        f"{LIMITS} -k alone",
    ),
    Bug(
        "nothing ends a test that no signal reaches",
        LIMIT,
        "faulthandler.dump_traceback_later(last, exit=True, file=Limit.stderr)",
        "faulthandler.dump_traceback_later(last, file=Limit.stderr)",
        f"{LIMITS} -k no_signal",
    ),
)
