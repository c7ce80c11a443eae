"""Bugs in how unhedged legs are worked on, and in what keeps more of them from arising."""

from __future__ import annotations

from prove.bug import Bug
from prove.in_exits import EXITS

WORKER = "application/exposure/worker.py"
WORKED = "tests/spec/test_exposure_worker.py"
LIQUIDITY = "platforms/paper/liquidity.py"
CONTRACT = "domain/market/contract.py"
ATTRIBUTION = "domain/pair_trades/attribution.py"
ATTRIBUTED = "tests/spec/test_attribution.py"
DISAGREEMENT = "domain/detection/disagreement.py"
DISAGREE = "tests/spec/test_disagreement.py"
LIMITS = "tests/spec/test_contracts.py -k goes_as_far_as_it_may"

IN_EXPOSURES = (
    Bug(
        "any loss is taken at once",
        WORKER,
        "if -best.each <= self._rules.rescue_limit or waited >= self._rules.patience:",
        "if -best.each <= 1 or waited >= self._rules.patience:",
        f"{WORKED} -k anything_after_the_patience",
    ),
    Bug(
        "a loss beyond the rescue limit is never taken",
        WORKER,
        "if -best.each <= self._rules.rescue_limit or waited >= self._rules.patience:",
        "if -best.each <= self._rules.rescue_limit:",
        f"{WORKED} -k anything_after_the_patience",
    ),
    Bug(
        "the worst remedy is taken",
        WORKER,
        "best, now = by_name[ranked[0]], self._clock.now()",
        "best, now = by_name[ranked[-1]], self._clock.now()",
        f"{WORKED} -k best_remedy",
    ),
    Bug(
        "an unhedged leg is tried just once",
        WORKER,
        "                await self._rest(position_id, gap)\n",
        "                return\n",
        f"{WORKED} -k tries_again_at_the_next_change",
    ),
    Bug(
        "a remedy is sent while an order of the position is out",
        WORKER,
        "if trade is None or trade.order_out() or trade.pair_id not in self._trades.pairs:",
        "if trade is None or trade.pair_id not in self._trades.pairs:",
        f"{WORKED} -k while_an_order_is_out",
    ),
    Bug(
        "after a restart an unhedged leg has its whole patience again",
        WORKER,
        "self._since[position_id] = began.get(position_id, trade.position.opened_at)",
        "self._since[position_id] = self._clock.now()",
        f"{WORKED} -k as_old_as_the_log_says",
    ),
    Bug(
        "an engine forgets the unhedged legs of its last run",
        WORKER,
        "for position_id in self._since:  # of an earlier run, or of this one before a failure",
        "for position_id in ():",
        f"{WORKED} -k as_old_as_the_log_says",
    ),
    Bug(
        "refused orders of a remedy are sent every second",
        WORKER,
        "gap = min(2 * gap, LONGEST_GAP_SECONDS) if refused else GAP_SECONDS",
        "gap = GAP_SECONDS",
        f"{WORKED} -k doubles_up_to_a_minute",
    ),
    Bug(
        "a stop waits for books that will never come",
        WORKER,
        "                if self._ending.is_set():\n                    return\n",
        "",
        f"{WORKED} -k leaves_the_rest",
    ),
    Bug(
        "a pair is entered beside its unhedged leg",
        "application/execution/queue.py",
        "if least is not None and self._trades.claims.unhedged(pair_id, least):",
        "if least is None and self._trades.claims.unhedged(pair_id, least):",
        "tests/spec/test_queueing.py -k each_obstacle",
    ),
    Bug(
        "an unhedged leg blocks every pair",
        "application/pair_trades/claims.py",
        "if trade.pair_id == pair_id and trade.position.imbalanced()",
        "if trade.position.imbalanced()",
        "tests/spec/test_claims.py -k unhedged",
    ),
    Bug(
        "an exit's cheap second leg stays alone on a thin book",
        CONTRACT,
        "            return max(bound, least)\n",
        "            return bound\n",
        "tests/simulation/test_endings.py -k cheap_second_leg",
    ),
    Bug(
        "an order that spends dollars goes as far as it may",
        CONTRACT,
        "return min(bound, max(worst, least)) if self.sizing.cent_exact else bound",
        "return bound",
        LIMITS,
    ),
    Bug(
        "an exit's second leg may not lose what a rescue may",
        EXITS,
        "furthest = leg.limit + slack if buys else leg.limit - slack",
        "furthest = leg.limit",
        "tests/simulation/test_endings.py -k second_leg",
    ),
    Bug(
        "the size of a sale is judged at the best price, not at its limit",
        "domain/positions/exposure.py",
        "if limit is None or size >= contract.smallest(limit):",
        "if limit is None or size >= contract.smallest(limit + 1):",
        "tests/spec/test_exposure_remedies.py -k no_deeper",
    ),
    Bug(
        "a better price on a tape of best prices empties the level behind it",
        LIQUIDITY,
        "return self._left_of(self._recorded[side] | self._hidden[side], side)",
        "return self._left_of(self._recorded[side], side)",
        "tests/spec/test_paper_exchange.py -k hides",
    ),
    Bug(
        "what a tape hides is shown to the engine",
        LIQUIDITY,
        "return self._left_of(self._recorded[side], side)",
        "return self._left_of(self._recorded[side] | self._hidden[side], side)",
        "tests/spec/test_paper_exchange.py -k hides",
    ),
    Bug(
        "a hidden level outlives a best price that shows that it is gone",
        LIQUIDITY,
        "known = hidden | recorded\n        hidden.clear()\n",
        "known = hidden | recorded\n",
        "tests/spec/test_paper_exchange.py -k hides",
    ),
    Bug(
        "a paper order of the first leg meets the book at once",
        "platforms/paper/server.py",
        "            await lag.wait()\n            return\n",
        "            await (lag.wait() if order.leg != 'primary' else lag.wait(0))\n"
        "            return\n",
        "tests/spec/test_order_lag.py -k either_leg",
    ),
    Bug(
        "what completes a leg later counts as the entry's own",
        ATTRIBUTION,
        "if order.size <= left:",
        "if order.size:",
        ATTRIBUTED,
    ),
    Bug(
        "a clock that was put back makes an entry of what completes a leg",
        ATTRIBUTION,
        "each.order_id != opening,",
        "",
        f"{ATTRIBUTED} -k clock_was_ahead",
    ),
    Bug(
        "our clock says which hedges were the entry's",
        ATTRIBUTION,
        "matched.get(each.order_id, each.created_at),",
        "each.created_at,",
        f"{ATTRIBUTED} -k in_parts",
    ),
    Bug(
        "an exit that filled one leg only counts as a rescue",
        ATTRIBUTION,
        "            leaving = after.imbalanced()\n",
        "            leaving = False\n",
        ATTRIBUTED,
    ),
    Bug(
        "an unhedged leg that a stop sells counts as an exit",
        ATTRIBUTION,
        "leaving = leaving or not before.imbalanced()",
        "leaving = True",
        ATTRIBUTED,
    ),
    Bug(
        "a divergence counts as an exit or a rescue too",
        ATTRIBUTION,
        "apart = Money(reserve - position.divergence_pnl)",
        "apart = reserve",
        ATTRIBUTED,
    ),
    Bug(
        "what is missed is counted on what was hedged",
        ATTRIBUTION,
        "missed = _micro((1 - decided) * (planned - hedged))",
        "missed = _micro((1 - decided) * hedged)",
        "tests/simulation/test_edges_of_runs.py",
    ),
    Bug(
        "a remedy is shown that would undo another position's leg",
        "domain/positions/exposure.py",
        "return size > opposite_of(place.leg, outcome)",
        "return False",
        "tests/spec/test_exposure_remedies.py -k undoes_the_leg",
    ),
    Bug(
        "nobody hears that a remedy was refused",
        WORKER,
        "            if done.order is None:\n",
        "            if done.order is not None:\n",
        f"{WORKED} -k refused_is_told_once",
    ),
    Bug(
        "a pair whose prices disagree is never suspended",
        DISAGREEMENT,
        "return Disagreement(max(edge, self.widest), self.looks + 1)",
        "return Disagreement(max(edge, self.widest), self.looks)",
        DISAGREE,
    ),
    Bug(
        "an edge that shrinks as both platforms learn suspends its pair",
        DISAGREEMENT,
        "        if 2 * edge <= self.widest:\n            return Disagreement(edge)\n",
        "",
        DISAGREE,
    ),
    Bug(
        "every message counts as a look",
        "application/market/disagreements.py",
        "if now >= self._next.get(pair_id, now) and watch.comparable(now, self._hurdles):",
        "if watch.comparable(now, self._hurdles):",
        DISAGREE,
    ),
    Bug(
        "books that came together count as one moment, however late one of them is",
        "domain/detection/detect.py",
        "return theirs is None or other is None or abs(theirs - other) <= apart",
        "return True",
        "tests/spec/test_opportunities.py -k own_times",
    ),
    Bug(
        "a platform's own time never reaches its book",
        "application/market/feed.py",
        "update.sequence, update.platform_time)",
        "update.sequence)",
        "tests/spec/test_market_data.py",
    ),
    Bug(
        "a pair is left by a fresh quote and one of the poll before",
        "domain/positions/exits.py",
        "if not together({p: case.places[p].book for p in Platform}, rules.books_apart):",
        "if False:",
        "tests/spec/test_exits.py -k of_one_moment",
    ),
    Bug(
        "books of two moments are told at every poll",
        "application/detection/service.py",
        "stands = now >= self._apart_again.get(pair_id, now)",
        "stands = True",
        "tests/simulation/test_whole_runs.py -k told_once_a_minute",
    ),
)
