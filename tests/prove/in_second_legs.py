"""Bugs in how likely a second leg is missed, and in what an edge must bring for it."""

from __future__ import annotations

from prove.bug import Bug

LEGS = "application/market/second_legs.py"
SEEN = "tests/spec/test_second_legs.py"
WATCHLIST = "application/market/watchlist.py"
CHANCE = "domain/execution/second_leg.py"
CHANCES = "tests/spec/test_second_leg.py"
ORDER = "domain/execution/leg_order.py"
ORDERS = "tests/spec/test_first_leg.py"
SURVIVAL = "domain/market/survival.py"
QUOTE = "domain/detection/quote.py"
DETECTION = "tests/spec/test_detection.py"

IN_SECOND_LEGS = (
    Bug(
        "the study counts like one look more",
        CHANCE,
        "(WEIGHT * prior(quote) + Fraction(seen.missed)) / (WEIGHT + Fraction(seen.looks))",
        "((WEIGHT + 1) * prior(quote) + seen.missed) / (WEIGHT + 1 + Fraction(seen.looks))",
        f"{CHANCES} -k twenty_looks",
    ),
    Bug(
        "the study's figures are those of the other platform",
        CHANCE,
        "return STUDY[quote.platform] *",
        "return STUDY[quote.platform.other] *",
        f"{CHANCES} -k after_one_poll",
    ),
    Bug(
        "what was seen never fades",
        CHANCE,
        "for each in (self.looks, self.missed))\n        return Evidence(looks, missed, now)",
        "for each in (self.looks, self.missed))\n        return self",
        f"{CHANCES} -k half_after_an_hour",
    ),
    Bug(
        "a clock that was put back makes more of what was seen",
        CHANCE,
        "if self.at is None or now <= self.at:",
        "if self.at is None:",
        f"{CHANCES} -k put_back",
    ),
    Bug(
        "the share of the touch that is wanted counts for nothing",
        SURVIVAL,
        "return (by_age + _at(taken, lag) / _at(taken, LONG)) / 2",
        "return by_age",
        f"{CHANCES} -k scaled",
    ),
    Bug(
        "a miss is charged to the platform of the first leg",
        LEGS,
        "self._saw(execution.pair_id, second.platform, self._clock.now(), missed=found)",
        "self._saw(execution.pair_id, first.platform, self._clock.now(), missed=found)",
        f"{SEEN} -k look_at_its_second_leg",
    ),
    Bug(
        "a quote that is partly gone still stands",
        LEGS,
        "missed=left < wanted)",
        "missed=not left)",
        f"{SEEN} -k less_is_offered",
    ),
    Bug(
        "a quote that is just large enough is gone",
        LEGS,
        "missed=left < wanted)",
        "missed=left <= wanted)",
        f"{SEEN} -k still_stand",
    ),
    Bug(
        "only the very price of a quote is looked at, not a better one",
        "domain/market/book.py",
        "if (price <= bound if side is Side.BUY else price >= bound)",
        "if (price == bound if side is Side.BUY else price >= bound)",
        f"{SEEN} -k less_is_offered",
    ),
    Bug(
        "what our own order takes counts as gone",
        LEGS,
        "        self._probes = [p for p in self._probes if p.pair_id != event.pair_id]\n",
        "",
        f"{SEEN} -k order_of_ours_may_take",
    ),
    Bug(
        "what our own order took is probed at once",
        LEGS,
        "        self._next[event.pair_id] = now + latest\n",
        "",
        f"{SEEN} -k both_legs_had_their_time",
    ),
    Bug(
        "the chance is that of the quote that was told of last",
        LEGS,
        "        self._note(side.key, watch.books[side.key[0]], now)\n        return",
        "        return",
        f"{SEEN} -k book_as_it_is_now",
    ),
    Bug(
        "a standing quote is counted every second",
        LEGS,
        "        if self._probed.get(side) is touch:\n            return\n",
        "",
        f"{SEEN} -k tried_once",
    ),
    Bug(
        "a pair is probed at every message",
        LEGS,
        "        self._next[match.match_id] = now + EVERY\n",
        "",
        f"{SEEN} -k once_a_second",
    ),
    Bug(
        "books of two moments are probed",
        WATCHLIST,
        "self.match.tradable and trusted and together(self.books, hurdles.books_apart)",
        "self.match.tradable and trusted",
        f"{SEEN} -k two_moments",
    ),
    Bug(
        "a book that has just been lost counts as one without offers",
        LEGS,
        "            if not book.untrusted_because(now, self._hurdles.book_age):\n",
        "            if book:\n",
        f"{SEEN} -k not_trusted_by_then",
    ),
    Bug(
        "more is looked for than an entry could buy",
        LEGS,
        "wanted = min(touch.size_e6, int(self._caps_for(pair_id).position * 1_000_000))",
        "wanted = touch.size_e6",
        f"{SEEN} -k entry_could_buy",
    ),
    Bug(
        "what an inquiry answered counts as the time of an order",
        LEGS,
        "                if took <= LONGEST:\n",
        "                if took:\n",
        f"{SEEN} -k inquiry_answered",
    ),
    Bug(
        "events that are delivered again are measured",
        LEGS,
        "        if not sequence:\n            return\n",
        "",
        f"{SEEN} -k delivered_again",
    ),
    Bug(
        "a second leg is thought to meet its quote without the first leg's time",
        LEGS,
        "for p in (second.other, second)), start=Decimal(0))",
        "for p in (second,)), start=Decimal(0))",
        f"{SEEN} -k takes_a_second",
    ),
    Bug(
        "what a run has seen since its last minute is lost at its end",
        LEGS,
        '        """Write down what was seen."""\n        await self._save()\n',
        '        """Write down what was seen."""\n',
        f"{SEEN} -k written_once_a_minute",
    ),
    Bug(
        "the cost of a missed leg is that of leaving the other one",
        ORDER,
        "p: LegOrder(p, chances[p], cost_to_resolve(match, books[p], now)) for p in Platform",
        "p: LegOrder(p, chances[p], cost_to_resolve(match, books[p.other], now))"
        " for p in Platform",
        f"{ORDERS} -k own_chance_and_cost",
    ),
    Bug(
        "what a miss is expected to cost is rounded down",
        ORDER,
        "return Decimal(-(-micro.numerator // micro.denominator)) * MICRO",
        "return Decimal(micro.numerator // micro.denominator) * MICRO",
        f"{ORDERS} -k rounded_up",
    ),
    Bug(
        "a missed leg costs nothing at an entry",
        QUOTE,
        "asked = self.minimum_net_edge + miss",
        "asked = self.minimum_net_edge",
        f"{DETECTION} -k beyond_a_missed_leg",
    ),
    Bug(
        "the floor pays for the wait as well",
        QUOTE,
        "return margin - self.minimum_net_edge if self.adds_up else margin",
        "return margin",
        f"{DETECTION} -k return_beyond_the_floor",
    ),
    Bug(
        "a setting makes costs add up, and nothing reads it",
        "application/detection/service.py",
        "        if self._costs_add_up:\n",
        "        if False:\n",
        "tests/simulation/test_every_setting.py -k costs_add_up",
    ),
    Bug(
        "the order of the legs is chosen by the chance alone",
        ORDER,
        "key=lambda each: each.chance * Fraction(each.cost))",
        "key=lambda each: each.chance)",
        f"{ORDERS} -k cheaper_order",
    ),
)
