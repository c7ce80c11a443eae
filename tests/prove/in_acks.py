"""Bugs in what platforms' habits demand: acknowledgements before trades, orders held back,
answers that never come, and books that fall behind."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_trades import FACTS
from prove.places import APPLY, ASK, ENDING, SEND, STORE

ORDER = "domain/execution/order.py"
FINALITY, PAYOUTS = "application/recovery/fill_finality.py", "application/settlement/payouts.py"
ENDINGS = "tests/simulation/test_endings.py"

IN_ACKS = (
    Bug(
        "a listed trade counts beside what was stated of it",
        ORDER,
        "listed = Quantity(min(fill.size, self.stated))",
        "listed = NOTHING",
    ),
    Bug(
        "older totals take fills back",
        ORDER,
        "if size <= self.stated:",
        "if size == self.stated:",
        "tests/spec/test_reconciliation.py",
    ),
    Bug(
        "an acknowledgement without trades is taken for an order that filled nothing",
        APPLY,
        "return order if stated is None else order.with_totals(stated, listed)",
        "return order",
    ),
    Bug(
        "what is stated is dropped before all its trades are listed",
        FINALITY,
        "if not report.whole:\n            return False",
        "if report is None:\n            return False",
    ),
    Bug(
        "the trades of an acknowledged order are never asked for",
        FINALITY,
        "if isinstance(event, OrderFilled) and sequence:",
        "if isinstance(event, OrderFilled) and not sequence:",
    ),
    Bug(
        "an order that its platform holds back is taken for one that filled nothing",
        SEND,
        "return await _decided(gateways[order.platform], order, result, seconds, clock)",
        'return OrderReport(order.platform_order_id or "", (), order.filled)',
    ),
    Bug(
        "the hedge waits for a read of the platform",
        SEND,
        "await gate.refresh_lease()\n",
        "await gate.refresh_lease()\n    await ask(gateways[order.platform], order, seconds)\n",
    ),
    Bug(
        "an order that no list can prove absent is asked about for ever, and nobody is told",
        ASK,
        "await self._notify_person(question)",
        "assert question.order",
        "tests/simulation/test_position_commands.py -k carried_out_once",
    ),
    Bug(
        "an execution ends hedged although a stream told of more",
        ENDING,
        "return Phase.EXPOSED if bought.imbalanced() else fact.execution.phase",
        "return fact.execution.phase if bought else Phase.EXPOSED",
        f"{FACTS} -k after_the_decision",
    ),
    Bug(
        "a payout waits for an order on the other platform",
        PAYOUTS,
        "if trade is None or trade.working_on(platform):",
        "if trade is None or trade.working:",
        f"{ENDINGS} -k other_platform",
    ),
    Bug(
        "a merge without an answer is requested again before its deadline",
        "application/settlement/merges.py",
        "return RequestState.PENDING",
        "return RequestState.FAILED",
        ENDINGS,
        also=(
            (
                "application/settlement/merges.py",
                "case RequestState.FAILED:",
                "case RequestState.FAILED | RequestState.PENDING:",
            ),
        ),
    ),
    Bug(
        "books stay trusted after their stream has lost messages",
        "application/market/feed.py",
        "self._watchlist.clear(platform)",
        "assert platform in Platform",
        "tests/spec/test_market_data.py",
    ),
    Bug(
        "a prepared entry is counted for ever",
        "application/pair_trades/claims.py",
        "self._prepared.pop(execution_id, None)",
        "self._prepared.get(execution_id)",
        "tests/spec/test_pair_trades.py",
    ),
    Bug(
        "a trade is found by our own id alone",
        STORE,
        'order_id = self._of_client.get(report.client_order_id or "")',
        'order_id = self._of_client.get(report.client_order_id or "", "none")',
    ),
)
