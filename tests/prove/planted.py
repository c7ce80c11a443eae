"""Bugs that the simulation, or the named test, must find."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_acks import IN_ACKS
from prove.in_alerts import IN_ALERTS
from prove.in_capital import IN_CAPITAL
from prove.in_exits import IN_EXITS
from prove.in_exposures import IN_EXPOSURES
from prove.in_found import IN_FOUND
from prove.in_halts import IN_HALTS
from prove.in_kalshi_stream import IN_KALSHI_STREAM
from prove.in_laws import IN_LAWS
from prove.in_leases import IN_LEASES
from prove.in_oracles import IN_ORACLES
from prove.in_outages import IN_OUTAGES
from prove.in_reach import IN_REACH
from prove.in_second_legs import IN_SECOND_LEGS
from prove.in_settings import IN_SETTINGS
from prove.in_shown import IN_SHOWN
from prove.in_signing import IN_SIGNING
from prove.in_study import IN_STUDY
from prove.in_trades import IN_TRADES
from prove.places import (
    APPLY,
    ASK,
    BUS,
    CAPITAL,
    CARRY,
    CHANGES,
    DECIDE,
    ENDING,
    FOLD,
    LEDGER,
    LOAD,
    SEND,
    STORE,
    TRADE,
)

CASH = "application/capital/cash.py"
BOOKED = 'await self._book(movement.kind, movement.account, movement.amount, "", reference)'
PLANTED = (
    Bug(
        "resend on timeout",
        SEND,
        'return Unknown(f"no answer within {seconds} s")',
        "return await gateways[order.platform].submit(Approved(order, epoch))",
        also=(
            (
                SEND,
                "from dutchbook.errors import",
                (
                    "from dutchbook.domain.capital.limits import Approved\n"
                    "from dutchbook.errors import"
                ),
            ),
        ),
    ),
    Bug(
        "a timeout is a failure",
        SEND,
        'return Unknown(f"no answer within {seconds} s")',
        'return Refused("no answer", sent=False)',
    ),
    Bug(
        "no shield on a send",
        SEND,
        "result = await asyncio.shield(sending)",
        "result = await sending",
        "tests/spec/test_sending.py",
    ),
    Bug(
        "an unknown outcome is a rejection",
        SEND,
        "return Unknown(unknown.reason)",
        "return Refused(unknown.reason, sent=True)",
    ),
    Bug(
        "502 is a rejection",
        "platforms/order_answers.py",
        'return Verdict(Family.UNKNOWN, f"{kind}_answer_{answer.status}")',
        "family = Family.REJECTED if answer.status == 502 else Family.UNKNOWN\n"
        '    return Verdict(family, f"{kind}_answer_{answer.status}")',
    ),
    Bug(
        "not found is cancelled",
        ASK,
        "elif report is NOT_FOUND and closes and newest and newest > closes:",
        "elif report is NOT_FOUND:",
        "tests/simulation/test_reconciling_runs.py -k what_a_stopped_run_left",
    ),
    Bug(
        "what was not used is not released",
        LEDGER,
        "*release_reservation(account, rest),",
        "*release_reservation(account, rest * 0),",
    ),
    Bug(
        "commit twice",
        LEDGER,
        "*move(EntryKind.COMMIT, account, Bucket.RESERVED, Bucket.COMMITTED, cost),",
        "*move(EntryKind.COMMIT, account, Bucket.RESERVED, Bucket.COMMITTED, cost * 2),",
    ),
    Bug(
        "ignore FAILED",
        APPLY,
        "failed = fill.finality is Finality.FAILED",
        "failed = fill.finality is Finality.PROVISIONAL",
    ),
    Bug(
        "ignore FAILED after close",
        "application/recovery/fill_finality.py",
        "if trade is None or trade.fills[key].finality is not Finality.PROVISIONAL:",
        "if trade is None or trade.position.status is PositionStatus.CLOSED:",
    ),
    Bug(
        "a reservation without fees",
        "domain/detection/detect.py",
        "budget=owed(bound * taken.size + worst_price * rebalance + worst),",
        "budget=owed(bound * taken.size + worst_price * rebalance),",
    ),
    Bug(
        "a reservation is rounded down",
        "domain/detection/detect.py",
        "budget=owed(bound",
        "budget=due(bound",
        "tests/spec/test_detection.py",
        also=(("domain/detection/detect.py", "    owed,\n", "    due,\n    owed,\n"),),
    ),
    Bug(
        "a key made in the sender",
        SEND,
        "report = await gateway.submit(verdict)",
        "other = dataclasses.replace(order, client_order_id=order.order_id)\n"
        "    verdict = dataclasses.replace(verdict, subject=other)\n"
        "    report = await gateway.submit(verdict)",
        also=((SEND, "import asyncio\n", "import asyncio\nimport dataclasses\n"),),
    ),
    Bug(
        "publish before commit",
        BUS,
        "receipt = await self._kept(batch)",
        "[self.publish(event, self.receipt.sequence) for event in batch.events]\n"
        "            receipt = await self._kept(batch)",
    ),
    Bug(
        "no unique client order id",
        "ports/tables/trading.py",
        'unique=(("client_order_id",),),',
        "unique=(),",
        "tests/integration/test_constraints.py tests/integration/test_schema.py -k sqlite",
    ),
    Bug(
        "a halt refuses nothing",
        "domain/capital/limits.py",
        "if state.trading_halted:",
        "if state.trading_halted and not amounts:",
        "tests/spec/test_risk.py",
    ),
    Bug(
        "only the first fill of an answer is read",
        SEND,
        "fills = (fill_of(order, each) for each in report.fills)",
        "fills = (fill_of(order, each) for each in report.fills[:1])",
    ),
    Bug(
        "what is decided after a commit that got no answer is kept",
        BUS,
        "if self._unsure:",
        "if self._unsure and not batch:",
        "tests/simulation/test_crash_reports.py -k got_no_answer",
    ),
    Bug(
        "what evens the second leg is hedged again",
        DECIDE,
        "covered - max(second.sent, second.filled)",
        "covered - second.sent",
        "tests/spec/test_decide.py -k not_hedged_again",
    ),
    Bug(
        "more is hedged than was set aside",
        DECIDE,
        "covered = min(first.filled, second.planned + execution.true_up)",
        "covered = first.filled",
        "tests/spec/test_decide.py",
    ),
    Bug(
        "a recovered order is remembered as it was",
        CHANGES,
        "yield ORDERS.update(was, order, **position)",
        "yield ORDERS.update(was, order, **position, version=order.version + linked)",
    ),
    Bug(
        "a clock set back stops the asking",
        ASK,
        "waited = max(waited, self._clock.now() - since)",
        "waited = self._clock.now() - since",
        "tests/simulation/test_found_by_kills.py -k set_back",
    ),
    Bug(
        "a cancelled call is left half done",
        "application/records/shielding.py",
        "return await asyncio.shield(doing)",
        "return await doing",
        "tests/simulation/test_found_by_kills.py -k carried_to_its_end",
    ),
    Bug(
        "fees are forgotten when an execution ends",
        CAPITAL,
        "Spent(leg.cost, leg.fees) if opened",
        "Spent(leg.cost) if opened",
    ),
    Bug(
        "the log does not tell of fills",
        "persistence/journals/statements.py",
        "if write.plan.audited:",
        'if write.plan.audited and write.plan.table != "fills":',
    ),
    Bug(
        "what waits in the outbox is not told",
        BUS,
        "waiting = await undelivered(self._journal)",
        "waiting = (await undelivered(self._journal))[:0]",
        "tests/integration/test_redelivery.py -k sqlite",
    ),
    Bug(
        "one leg alone is called hedged",
        ENDING,
        "status = PositionStatus.OPEN if hedged else PositionStatus.SINGLE_LEG_EXPOSED",
        "status = PositionStatus.OPEN",
    ),
    Bug(
        "an order does not hear of its fills",
        APPLY,
        "order = order.with_fill(fill)\n        listed.append(fill)",
        "listed.append(fill)",
    ),
    Bug(
        "executions that died are not taken up",
        "application/lifecycle.py",
        "for trade in self.recovery.unfinished():",
        "for trade in self.recovery.unfinished()[:0]:",
        "tests/simulation/test_single_leg.py -k has_the_name_that_its_fills",
    ),
    Bug(
        "reservations of orders are not taken up",
        LOAD,
        "for order_id, each in single.items()\n",
        "for order_id, each in [*single.items()][:0]\n",
    ),
    Bug(
        "what is paid is rounded down",
        "domain/execution/order.py",
        "return owed(amount) if self.side is Side.BUY else due(amount)",
        "return due(amount)",
    ),
    Bug(
        "cash forgets the fee",
        FOLD,
        "cash = Money(leg.cash - fill.cost - fill.fee)",
        "cash = Money(leg.cash - fill.cost)",
    ),
    Bug(
        "Kalshi does not net",
        FOLD,
        "nets=nets and platform is Platform.KALSHI,",
        "nets=nets and platform is Platform.POLYMARKET,",
    ),
    Bug(
        "a failed fill leaves its fee in the order",
        "domain/execution/order.py",
        "fees=Money(self.fees - fill.fee),",
        "fees=self.fees,",
    ),
    Bug(
        "a sale is sent before it is written",
        CARRY,
        "await self._trades.book(trade.execution_id, placed)",
        "if reservation is not None:\n"
        "                await self._trades.book(trade.execution_id, placed)\n"
        "            else:\n"
        "                self._trades.put(trade.with_orders((order,)))",
    ),
    Bug(
        "an entry takes no slot back",
        CAPITAL,
        '"reserved_position_slots": -1,',
        '"reserved_position_slots": 0,',
    ),
    Bug(
        "closing frees no position",
        CAPITAL,
        "(now.status is not PositionStatus.CLOSED) - was_open,",
        "max((now.status is not PositionStatus.CLOSED) - was_open, 0),",
    ),
    Bug(
        "a second order while one is out",
        TRADE,
        'return "an order of this position still works" if self.working else None',
        "return None",
    ),
    Bug(
        "a whole contract counts as dust",
        "domain/positions/position.py",
        'DUST = Decimal("0.01")',
        'DUST = Decimal("1")',
    ),
    Bug(
        "a halt is read from a cache",
        SEND,
        "await gate.refresh_lease()",
        "await asyncio.sleep(0)",
        "tests/integration/test_halt_at_every_step.py",
    ),
    Bug(
        "synchronous=NORMAL",
        "persistence/sqlite_connection.py",
        'made.execute("PRAGMA synchronous=FULL")',
        'made.execute("PRAGMA synchronous=NORMAL")',
        "tests/integration/test_journals.py",
    ),
    Bug(
        "the lease is not looked at before a send",
        "application/orders/gate.py",
        "if not fence.held:",
        "if not fence:",
        "tests/spec/test_gate.py",
    ),
    Bug(
        "an alert is no event of the outbox",
        STORE,
        "                    if batch:\n"
        "                        await self._committer.commit(batch)",
        "                    if writes:\n"
        "                        await self._committer.commit(batch)\n"
        "                    else:\n"
        "                        list(map(self._committer.publish, batch.events))",
    ),
    Bug(
        "a counter instead of a recount",
        "application/exposure/tracker.py",
        "for owed in self._count(entry.at, entry.event_id):",
        "for owed in ():",
    ),
    Bug(
        "a fee by way of a float",
        "domain/market/fees.py",
        "return rate * quantity * price * (1 - price)",
        "return Decimal(float(rate * quantity * price * (1 - price)))",
        "tests/tidy/test_purity.py tests/spec/test_fees.py",
    ),
    Bug(
        "the budget is counted again while a commit is under way",
        "application/reconciliation/service.py",
        "if changes and mark is not None and mark == self._committer.mark:",
        "if changes:",
        "tests/simulation/test_found_by_kills.py -k counted_again",
    ),
    Bug(
        "an answer from within the window proves that an order is absent",
        "domain/reconciliation/absence.py",
        "answer.as_of > answer.arrives_until + in_flight\n        and ",
        "",
        "tests/spec/test_reconciliation.py -k only_an_answer",
    ),
    Bug(
        "an error shows the address with its password",
        "persistence/database.py",
        "hide_password=True",
        "hide_password=False",
        "tests/integration/test_constraints.py -k password",
    ),
    Bug(
        "a merge beside one that is in doubt",
        "application/settlement/merges.py",
        "and not self.doubtful(self._contract_id(trade))",
        "and position.position_id not in self._requests",
        "tests/simulation/test_reconciliation_service.py",
    ),
    Bug(
        "a comparison books named cash twice",
        CASH,
        f"            {BOOKED}",
        f"            {BOOKED}\n            {BOOKED}",
        "tests/simulation/test_reconciliation_service.py"
        " tests/simulation/test_reconciling_runs.py",
    ),
    Bug(
        "a pair is traded until its discrepancy is durable",
        "application/pair_trades/discrepancies.py",
        "if self._opening[pair_id] > 0 or any(",
        "if any(",
        "tests/simulation/test_reconciliation_service.py -k moment_its_discrepancy",
    ),
    Bug(
        "an engine goes on though it could not tell of what was kept",
        BUS,
        "with self._learnt():",
        "with self._under_way():",
        "tests/simulation/test_crash_reports.py",
    ),
    *IN_TRADES,
    *IN_ALERTS,
    *IN_ACKS,
    *IN_EXITS,
    *IN_EXPOSURES,
    *IN_FOUND,
    *IN_LAWS,
    *IN_HALTS,
    *IN_KALSHI_STREAM,
    *IN_LEASES,
    *IN_ORACLES,
    *IN_OUTAGES,
    *IN_SETTINGS,
    *IN_SECOND_LEGS,
    *IN_SHOWN,
    *IN_SIGNING,
    *IN_STUDY,
    *IN_CAPITAL,
    *IN_REACH,
)
