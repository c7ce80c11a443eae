"""Bugs in what platforms' habits demand: acknowledgements before trades, orders held back,
answers that never come, and books that fall behind."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_trades import FACTS
from prove.places import APPLY, ASK, ENDING, SEND, STORE, TRADE

ORDER, STREAMS = "domain/execution/order.py", "application/recovery/trade_streams.py"
FINALITY, PAYOUTS = "application/recovery/fill_finality.py", "application/settlement/payouts.py"
ENDINGS = "tests/simulation/test_endings.py"
LATE_FILLS = "tests/simulation/test_late_fills.py"

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
        LATE_FILLS,
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
        "self._answer_seconds, RequestState.PENDING)",
        "self._answer_seconds, RequestState.FAILED)",
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
        "a stream that broke off is not read afterwards",
        STREAMS,
        "since = self._broken.pop(gateway.platform, None)",
        "since = None if self._broken else self._broken.pop(gateway.platform, None)",
        "tests/spec/test_trade_streams.py",
    ),
    Bug(
        "a list that was read in part is taken for the whole of it",
        STREAMS,
        "if listed.complete:",
        "if listed.items or listed.complete:",
        "tests/spec/test_trade_streams.py",
    ),
    Bug(
        "trades that do not name our own id are nobody's",
        STORE,
        "order_id = order_id or self._of_platform.get(named)",
        "order_id = order_id or self._of_client.get(str(named))",
        f"{FACTS} -k or_by_the_platforms",
    ),
    Bug(
        "an order that is on a page not read was never there",
        "platforms/kalshi/order_codec.py",
        "if read.cursor:",
        "if read.cursor == KALSHI:",
        "tests/spec/test_kalshi_answers.py",
    ),
    Bug(
        "pairs are merged before one of their trades is listed",
        TRADE,
        "return unlisted or any(",
        "return any(",
        f"{FACTS} -k taken_back",
    ),
    Bug(
        "totals that a comparison finds leave the position as it was",
        APPLY,
        "return trade, tuple(notices)\n    position = changed(before.position, trade.facts,"
        " Cause.RECONCILED, fact.at)",
        "return trade, tuple(notices)\n    if not fact.fills:\n        return trade, ()\n"
        "    position = changed(before.position, trade.facts, Cause.RECONCILED, fact.at)",
        f"{FACTS} -k finds_count",
    ),
    Bug(
        "a rounded average makes an order dearer than what was reserved for it",
        "platforms/kalshi/order_codec.py",
        "fees = min(fees, terms.fee(own, filled, Liquidity.TAKER, sale=sale))",
        "fees = max(fees, terms.fee(own, filled, Liquidity.TAKER, sale=sale))",
        "tests/spec/test_kalshi_answers.py -k schedule_allows",
    ),
    Bug(
        "a report is forgotten that came while an older one was booked",
        FINALITY,
        "if self._early[key] is report:",
        "if self._early[key]:",
        "tests/spec/test_fill_finality.py",
    ),
    Bug(
        "a comparison books what a report has booked meanwhile",
        APPLY,
        "if known != fact.compared:",
        "if known.working_size != fact.compared.working_size:",
        f"{FACTS} -k during_which",
    ),
    Bug(
        "a trade that settles before its order is answered stays provisional",
        FINALITY,
        "return not (running or unanswered)",
        "return not running or unanswered",
        f"{LATE_FILLS} -k settled_before",
    ),
    Bug(
        "a sale without an answer is sold twice",
        "application/pair_trades/claims.py",
        "total += each.working_size * (each.order_id != order.order_id)",
        "total += each.working_size * (each.order_id == order.order_id)",
        f"{FACTS} -k being_sold",
    ),
    Bug(
        "a statement that is taken back leaves an exposure that nobody hears of",
        APPLY,
        "notices.append(events.unhedged(position, GONE))",
        "notices += events.moves(before.position, before.position, Cause.RECONCILED)",
        f"{FACTS} -k taken_back",
    ),
    Bug(
        "a trade that no stream reports stays unknown although the platform lists it",
        "application/reconciliation/platform_state.py",
        "self._reported.note(trade)",
        "assert trade.trade_id",
        f"{LATE_FILLS} -k found_in_the_list",
    ),
    Bug(
        "a trade of no order of ours is nobody's concern",
        "application/reconciliation/platform_state.py",
        "return not rows",
        "return False",
        "tests/simulation/test_reconciliation_service.py -k stays_so",
    ),
    Bug(
        "adopting a platform reverses a trade that it lists",
        "application/reconciliation/resolve.py",
        "keys = {*listed, *(",
        "keys = {*(",
        "tests/simulation/test_reconciliation_service.py -k never_reverses",
    ),
    Bug(
        "a platform's list proves at once that a trade failed",
        "application/reconciliation/resolve.py",
        "if recent and now - since < wait.total_seconds():",
        "if recent and now < since:",
        "tests/simulation/test_reconciliation_service.py -k for_minutes",
    ),
    Bug(
        "a book that contradicts its contract is traded on",
        "application/market/contract_facts.py",
        "book.doubt_grid(doubted=True)",
        "book.doubt_grid(doubted=False)",
        "tests/spec/test_market_data.py -k off_its_grid",
    ),
    Bug(
        "a contract that was read again keeps its old grid",
        "application/market/contract_facts.py",
        "if before != contract:",
        "if before == contract:",
        "tests/simulation/test_price_grids.py -k read_again",
    ),
    Bug(
        "a new grid holds for the book, and not for the pair",
        "application/market/watchlist.py",
        "self._become(replace(watch.match, kalshi=contract))",
        "self._become(watch.match)",
        "tests/spec/test_market_data.py -k new_grid",
    ),
    Bug(
        "the gate does not look at the grid",
        "domain/execution/pre_trade_checks.py",
        "if not contract.on_grid(order.price, order.outcome):",
        "if not contract.on_grid(order.price, order.outcome) and not order.size:",
        "tests/spec/test_gate.py -k admit",
    ),
    Bug(
        "a loss halts trading only after its commit",
        "application/pair_trades/store.py",
        "capital_writes(step, accounts, self._ids, at, gate, halt)",
        "capital_writes(step, accounts, self._ids, at, gate)",
        "tests/simulation/test_limits.py -k loss",
    ),
    Bug(
        "two losses in flight do not add up",
        "application/capital/capital.py",
        "self._losing.append(loss)",
        "self._losing[:] = [loss]",
        "tests/simulation/test_limits.py -k add_up",
    ),
    Bug(
        "an unhedged leg counts with its last mark",
        "domain/capital/limits.py",
        "worst=min(self.worst, mark)",
        "worst=mark",
        "tests/spec/test_risk.py -k worst",
    ),
    Bug(
        "a contract that has paid is entered again",
        "application/market/watchlist.py",
        "if self.over(match):",
        "if self.over(match) and not match:",
        "tests/simulation/test_endings.py -k paid_is_never",
    ),
    Bug(
        "a second run on a tape buys what the first one bought",
        "application/market/watchlist.py",
        "if until is not None and now <= until:",
        "if until is not None and now < until:",
        "tests/integration/test_second_run.py -k twice",
    ),
    Bug(
        "results wait for the end of the tape",
        "bootstrap/paper_world.py",
        "await self._clock.sleep_until(at)",
        "await asyncio.Event().wait()",
        "tests/simulation/test_endings.py -k results_apply",
    ),
)
