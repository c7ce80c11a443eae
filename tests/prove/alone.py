"""One bug for every check, which that check must find with all other checks off."""

from __future__ import annotations

from dataclasses import replace

from prove.bug import Bug
from prove.places import APPLY, CHANGES, ENDING, FOLD, SEND, STORE, TRADE
from prove.planted import PLANTED

LIFE = "application/lifecycle.py"
LEASE = "application/records/lease.py"
GATE = "application/orders/gate.py"

OTHERS = {
    "I-1": Bug(
        "everything is sent twice, to be sure",
        SEND,
        "report = await gateway.submit(verdict)",
        "await gateway.submit(verdict)\n    report = await gateway.submit(verdict)",
    ),
    "I-3": Bug(
        "a position may have two orders out",
        TRADE,
        'return "the outcome of an order of this position is unknown"',
        "return None",
        seed=8,
        also=(
            (GATE, "recent = now - at < self._limits.likeness_seconds", "recent = False"),
            (
                TRADE,
                'return "an order of this position still works" if self.working else None',
                "return None",
            ),
        ),
    ),
    "I-5": Bug(
        "executions that ended with nothing are never asked about again",
        "application/reconciliation/our_state.py",
        "if each.order.refusal is None),",
        "if each.order.refusal),",
    ),
    "I-6": Bug(
        "a fill that is known is booked again",
        CHANGES,
        "if key not in known:",
        "order_id = fill.order_id\n"
        "        if key not in known or after.orders[order_id] != before.orders[order_id]:",
        also=(
            (
                "persistence/journals/memory.py",
                "if key in self._tables[write.table]:",
                'if key in self._tables[write.table] and write.table != "fills":',
            ),
        ),
    ),
    "I-7": Bug(
        "fills get names of our own",
        "domain/reconciliation/platform_state.py",
        "trade_id=report.trade_id,",
        'trade_id=f"our-{report.trade_id}",',
        seed=3,
    ),
    "I-8": Bug(
        "a position changes and its version does not",
        STORE,
        "version = before.position.version + 1",
        "version = before.position.version",
    ),
    "I-10": Bug(
        "what is closed becomes an exposure again",
        "domain/positions/position.py",
        "_S.CLOSED: (_S.RECONCILIATION_REQUIRED,),",
        "_S.CLOSED: (_S.RECONCILIATION_REQUIRED, _S.SINGLE_LEG_EXPOSED),",
        also=(
            (
                FOLD,
                "return was if after.flat else PositionStatus.RECONCILIATION_REQUIRED",
                "return was if after.flat else PositionStatus.SINGLE_LEG_EXPOSED",
            ),
        ),
    ),
    "I-11": Bug(
        "entries are kept in whole cents",
        "application/records/changes.py",
        "note=note,",
        'note=note, amount=posting.amount.quantize(Decimal("0.01")),',
    ),
    "I-13": Bug(
        "what a reservation releases forgets the fees",
        "application/records/rows.py",
        '"released": Money(amount - spent.cost - spent.fees),',
        '"released": Money(amount - spent.cost),',
        also=(
            (
                "persistence/journals/memory.py",
                "if rules.resolved_once:",
                "if rules.resolved_once and not before:",
            ),
        ),
    ),
    "I-16": Bug(
        "nobody asks whether trading is halted",
        GATE,
        "self.rejection(order.purpose),",
        "None,",
        also=(
            (
                GATE,
                "checks.outdated(order.purpose, epoch, self._capital.state.epoch),",
                "None,",
            ),
            (LEASE, "if grade and (entry or grade is Grade.CANCELS_ONLY):", "if not fenced:"),
            (LEASE, "if Purpose.ENTRY in purposes:", "if not purposes:"),
            (
                "application/execution/queue.py",
                "if self._risk.capital.state.trading_halted:",
                "if 0:",
            ),
            ("application/capital/risk.py", 'Gate({"trading_halted": False},', "Gate({},"),
            ("domain/capital/limits.py", "if state.trading_halted:", "if not state:"),
        ),
    ),
    "I-18": Bug(
        "a start forgets why trading was halted",
        "application/capital/rows.py",
        'RISK_STATES.value(row, {"halt_reasons": reasons})',
        'RISK_STATES.value(row, {"halt_reasons": frozenset()})',
        seed=122,
    ),
    "I-19": Bug(
        "a pair that was revoked a moment ago is entered",
        "application/execution/service.py",
        "*attempt.rows(books, self._ids, now), attempt.still_approved",
        "*attempt.rows(books, self._ids, now),",
        seed=200,
    ),
    "I-20": Bug(
        "an alert is no event of the outbox",
        STORE,
        "                    if batch:\n"
        "                        await self._committer.commit(batch)",
        "                    if writes:\n"
        "                        await self._committer.commit(batch)\n"
        "                    else:\n"
        "                        list(map(self._committer.publish, batch.events))",
    ),
    "I-21": Bug(
        "a counter instead of a recount",
        "application/exposure/tracker.py",
        "for owed in self._count(entry.at, entry.event_id):",
        "for owed in ():",
    ),
    "I-22": Bug(
        "every start pays in",
        LIFE,
        "if amount and str(self._risk.capital.accounts[platform]) not in funded:",
        "if amount:",
    ),
    "I-23": Bug(
        "nothing is compared before trading begins",
        LIFE,
        "for check in checks:",
        "for check in checks[1:]:",
    ),
    "I-24": Bug(
        "an order that is not found is over",
        "application/recovery/order_inquiry.py",
        "elif report is NOT_FOUND and closes and newest and newest > closes:",
        "elif report is NOT_FOUND:",
    ),
    "I-25": Bug(
        "nobody is told of a fill that failed",
        APPLY,
        "        notice,\n        *fact.notes,\n        *events.lost(",
        "        *fact.notes,\n        *events.lost(",
    ),
    "I-27": Bug(
        "what waits in the outbox is not told, at the start or after it",
        "application/records/committer.py",
        "waiting = await undelivered(self._journal)\n        await",
        "waiting: list[tuple[int, Event]] = []\n        await",
        also=(
            (
                "application/records/committer.py",
                "return [(n, event) for n, event in waiting if self._next <= n < first]",
                "return waiting[:0]",
            ),
        ),
    ),
    "I-29": Bug(
        "an engine writes whoever has the lease",
        LEASE,
        '{"epoch": self.epoch}, {"expires_at": now + self._term}',
        '{}, {"expires_at": now + self._term}',
    ),
    "I-30": Bug(
        "an answer that nobody listed is quoted",
        "platforms/order_answers.py",
        'return Verdict(Family.UNKNOWN, f"{kind}_answer_{answer.status}")',
        'return Verdict(Family.UNKNOWN, f"{kind}_answer_{answer.body!r}")',
    ),
    "I-31": Bug(
        "ids depend on the process",
        "application/records/committer.py",
        'self._ids.new("event", correlation_id),',
        'self._ids.new(f"event{hash(correlation_id)}", correlation_id),',
        seed=100,
    ),
    "L-1": Bug(
        "an execution whose last order was answered for late does not end",
        ENDING,
        "if before.ended or (before.open_orders and not fact.unanswered):",
        "if before.ended or before.orders:",
    ),
    "L-2": Bug(
        "no person is asked",
        "application/recovery/order_inquiry.py",
        "if question.person_asked or waited < self._person_after:",
        "if waited:",
    ),
    "L-3": Bug(
        "a question without an answer ends the engine",
        "application/reconciliation/platform_state.py",
        "except (OutcomeUnknown, NotSent) as error:",
        "except NotSent as error:",
    ),
    "L-4": Bug(
        "a halt that is lifted stands in the image",
        "application/capital/halts.py",
        "(alongside or Batch()))\n            capital.resume(reason)",
        "(alongside or Batch()))",
    ),
}
NAMED = {
    "I-2": "a sale is sent before it is written",
    "I-4": "a failed fill leaves its fee in the order",
    "I-9": "one leg alone is called hedged",
    "I-12": "what was not used is not released",
    "I-14": "a reservation without fees",
    "I-15": "reservations of orders are not taken up",
    "I-17": "closing frees no position",
    "I-26": "the log does not tell of fills",
    "I-28": "cash forgets the fee",
}
"""Checks whose bug is one of `PLANTED`."""
CHECKS = (*(f"I-{n}" for n in range(1, 32)), *(f"L-{n}" for n in range(1, 5)))
_BY_NAME = {bug.name: bug for bug in PLANTED}
_ALL = OTHERS | {check: _BY_NAME[name] for check, name in NAMED.items()}
ALONE = tuple(replace(_ALL[check], check=check) for check in CHECKS)
