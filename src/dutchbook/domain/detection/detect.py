"""Turn two books into an opportunity, or into the named reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal

from dutchbook.domain.detection.financial_math import FinancialMath
from dutchbook.domain.detection.quote import (
    Caps,
    Hurdles,
    LegQuote,
    Opportunity,
    Reason,
    Refusal,
)
from dutchbook.domain.market.book import Levels, OrderBook, Walk, segments, walk
from dutchbook.domain.market.contract import (
    Alignment,
    Contract,
    ContractMatch,
    Outcome,
    Platform,
    Side,
)
from dutchbook.domain.market.fees import FeeTerms
from dutchbook.domain.values.units import (
    E4,
    PAYOUT,
    Money,
    Price,
    Quantity,
    floor_to,
    from_e4,
    from_e6,
    owed,
)

QUARTER = Decimal("0.25")
MICROSECOND = timedelta(microseconds=1)
YEAR = Decimal(timedelta(days=365) // MICROSECOND)
"""In microseconds."""
EXACT = Context(prec=100)
"""More digits than the product of a price, a fee rate, a probability and a time has."""
CENT = Decimal("0.01")


def possible(
    kalshi: OrderBook, polymarket: OrderBook, alignment: Alignment, minimum_e4: int
) -> tuple[Outcome, ...]:
    """Return the directions in which an edge is possible at all: the integer filter.

    An upper bound without fees and depth: it may pass what `detect` rejects and never stops
    what `detect` accepts. `minimum_e4` is the least net edge in 10⁻⁴ dollars, rounded down.
    Every message triggers this check and nearly all fail, so two comparisons come first.
    """
    if alignment is Alignment.SAME:
        yes = polymarket.best_bid - kalshi.best_ask >= minimum_e4
        no = kalshi.best_bid - polymarket.best_ask >= minimum_e4
    else:
        yes = kalshi.best_ask + polymarket.best_ask <= E4 - minimum_e4
        no = kalshi.best_bid + polymarket.best_bid >= E4 + minimum_e4
    if not (yes or no):
        return ()
    return tuple(each for each, open_ in ((Outcome.YES, yes), (Outcome.NO, no)) if open_)


def has_edge(ask_a_e4: int, ask_b_e4: int, rate_a_e6: int, rate_b_e6: int) -> bool:
    """Return whether ``1 - a - b`` less both unrounded taker fees per contract is above zero.

    Exact in integers of 10⁻¹⁴ dollars. Without an ask (0 or 10,000) there is no edge.
    """
    if not (0 < ask_a_e4 < E4 and 0 < ask_b_e4 < E4):
        return False
    gross = (E4 - ask_a_e4 - ask_b_e4) * 10**10
    fee_a = rate_a_e6 * ask_a_e4 * (E4 - ask_a_e4)
    return gross > fee_a + rate_b_e6 * ask_b_e4 * (E4 - ask_b_e4)


def detect(
    match: ContractMatch,
    books: Mapping[Platform, OrderBook],
    outcome: Outcome,
    *,
    primary: Platform,
    now: datetime,
    hurdles: Hurdles,
    caps: Caps,
) -> Opportunity | Refusal:
    """Decide whether buying `outcome` on Kalshi and its hedge on Polymarket is worthwhile.

    The quantity is the largest for which the marginal contract still clears every hurdle,
    within depth, the caps and both platforms' size steps.
    """
    hurdles = hurdles.rising_with(caps.used)
    gross = _gross(match, books, outcome)
    if gross <= 0:
        return Refusal(Reason.NO_EDGE, gross)
    if reason := _untradable(match, books, now, hurdles):
        return Refusal(reason, gross)
    terms = {p: _terms(match.contract(p), now) for p in Platform}
    kalshi_terms, polymarket_terms = terms[Platform.KALSHI], terms[Platform.POLYMARKET]
    if kalshi_terms is None or polymarket_terms is None:
        return Refusal(Reason.FEE_UNKNOWN, gross)
    if gross > hurdles.suspicious_edge:
        return Refusal(Reason.SUSPICIOUS_EDGE, gross, detail=f"above {hurdles.suspicious_edge}")
    ladder = {
        Platform.KALSHI: books[Platform.KALSHI].offers(outcome),
        Platform.POLYMARKET: books[Platform.POLYMARKET].offers(match.hedge(outcome)),
    }
    question = _Question(
        match, outcome, primary, now, hurdles, (kalshi_terms, polymarket_terms), ladder
    )
    return question.answer(books, caps, gross)


def _gross(
    match: ContractMatch, books: Mapping[Platform, OrderBook], outcome: Outcome
) -> Decimal:
    ask_a = books[Platform.KALSHI].ask_e4(outcome)
    ask_b = books[Platform.POLYMARKET].ask_e4(match.hedge(outcome))
    return FinancialMath.calculate_gross_edge(from_e4(ask_a), from_e4(ask_b))


def _untradable(
    match: ContractMatch,
    books: Mapping[Platform, OrderBook],
    now: datetime,
    hurdles: Hurdles,
) -> Reason | None:
    if not match.tradable:
        return Reason.PAIR_NOT_APPROVED
    closing = min(match.kalshi.close_time, match.polymarket.close_time)
    if now + hurdles.closing_window >= closing:
        return Reason.CLOSING_SOON
    for platform in Platform:
        if untrusted_because := books[platform].untrusted_because(now, hurdles.book_age):
            return Reason(untrusted_because)
    return None if together(books, hurdles.books_apart) else Reason.BOOKS_APART


def together(books: Mapping[Platform, OrderBook], apart: timedelta) -> bool:
    """Return whether both books are of one moment: updated within `apart` of each other.

    Where both platforms give their own times, these too: what comes late is old.
    """
    first, second = (books[platform].updated_at for platform in Platform)
    if first is None or second is None or abs(first - second) > apart:
        return False
    theirs, other = (books[p].platform_time for p in Platform)
    return theirs is None or other is None or abs(theirs - other) <= apart


def _terms(contract: Contract, now: datetime) -> FeeTerms | None:
    return contract.fees.at(now) if contract.fees else None


@dataclass(frozen=True, slots=True)
class _Question:
    """One direction of one pair at one moment, after the checks that need no depth."""

    match: ContractMatch
    outcome: Outcome
    primary: Platform
    now: datetime
    hurdles: Hurdles
    terms: tuple[FeeTerms, FeeTerms]
    ladder: Mapping[Platform, Levels]

    def answer(
        self,
        books: Mapping[Platform, OrderBook],
        caps: Caps,
        gross: Decimal,
    ) -> Opportunity | Refusal:
        best = self._margin(*(self.ladder[p][0][0] for p in Platform))
        if best < self.hurdles.minimum_net_edge:
            return Refusal(Reason.BELOW_MINIMUM_EDGE, gross, best, self.hurdles.asked)
        first, second = (self.ladder[p][0][0] for p in Platform)
        if not self._pays(best, first, second):
            return Refusal(Reason.BELOW_HURDLE_RATE, gross, best)
        rescue = self._rescue(books[self.primary])
        quantity, shortage = self._size(caps, rescue)
        if shortage is not None:
            return Refusal(shortage, gross, best)
        return self._priced(quantity, rescue, gross)

    def _margin(self, price_a: int, price_b: int) -> Decimal:
        """Return the net dollars of one more contract, before gas and after divergence."""
        a, b = from_e4(price_a), from_e4(price_b)
        fees = self.terms[0].taker_rate * a * (1 - a) + self.terms[1].taker_rate * b * (1 - b)
        return PAYOUT - a - b - fees - self.match.divergence_probability * (a + b + fees)

    def _pays(self, margin: Decimal, price_a: int, price_b: int) -> bool:
        """Return whether `margin` plus interest until cash reaches the yearly hurdle.

        Each leg locks up its price and earns its platform's interest on it meanwhile. Exact:
        both sides are multiplied by the cost and the time, and nothing is divided.
        """
        hurdle = self.hurdles.yearly_return
        kalshi = from_e4(price_a) * (hurdle - self.hurdles.kalshi_interest)
        polymarket = from_e4(price_b) * (hurdle - self.hurdles.polymarket_interest)
        earned = EXACT.multiply(self.hurdles.beyond(margin), YEAR)
        return earned >= EXACT.multiply(kalshi + polymarket, self._until_cash)

    def _yearly(self, margin: Decimal, cost: Decimal) -> Decimal:
        """Return `margin` as a share of `cost` per year, without interest."""
        return margin / cost * YEAR / self._until_cash

    @property
    def _until_cash(self) -> Decimal:
        """Microseconds until the payout can be spent, at least a day."""
        left = max(self.match.cash_time - self.now, timedelta(days=1))
        return Decimal(left // MICROSECOND)

    def _rescue(self, book: OrderBook) -> Decimal:
        """Return the dollars per contract that completing the pair may lose.

        That is what unwinding the first leg would cost, at most the rescue limit.
        """
        outcome = self._outcome(book.platform)
        bid = book.best(outcome, Side.SELL)
        ask = from_e4(self.ladder[book.platform][0][0])
        cost = ask - bid if bid is not None else ask
        return min(cost, self.hurdles.rescue_limit)

    def _outcome(self, platform: Platform) -> Outcome:
        return self.outcome if platform is Platform.KALSHI else self.match.hedge(self.outcome)

    def _size(self, caps: Caps, rescue: Decimal) -> tuple[Quantity, Reason | None]:
        """Return the quantity, and the reason if it cannot be traded."""
        lot = max(self.match.contract(p).lot for p in Platform)
        limits: list[Decimal] = []
        deep = quantity = Decimal(0)
        affordable, narrow = deep, Reason.INSUFFICIENT_CAPITAL
        for price_a, price_b, size in segments(*(self.ladder[p] for p in Platform)):
            margin = self._margin(price_a, price_b)
            if margin < self.hurdles.minimum_net_edge:
                break
            if not self._pays(margin, price_a, price_b):
                break
            deep += from_e6(size)
            limits = [from_e4(price_a), from_e4(price_b)]
            affordable, narrow = self._affordable(caps, limits, rescue)
            quantity = max(quantity, floor_to(min(deep, affordable), lot))
            if affordable <= deep:
                break
        smallest = max(
            self.match.contract(p).smallest(limits[i]) for i, p in enumerate(Platform)
        )
        if quantity < smallest:
            short = affordable < smallest <= deep
            return Quantity(quantity), narrow if short else Reason.BELOW_MINIMUM_SIZE
        if quantity < affordable * self.hurdles.minimum_fill_share:
            return Quantity(quantity), Reason.INSUFFICIENT_DEPTH
        return Quantity(quantity), None

    def _affordable(
        self, caps: Caps, limits: list[Decimal], rescue: Decimal
    ) -> tuple[Decimal, Reason]:
        """Return the contracts that the caps cover in the worst case, and what bounds them.

        Each platform keeps an amount for rounding: a cent, or the most that its fills may add.
        """
        units = [self._worst_unit(index, limits, rescue) for index in range(len(limits))]
        rest = [_rounding(each) for each in self.terms]
        most = caps.position / sum(limits)
        for index, platform in enumerate(Platform):
            most = min(most, max(caps.free[platform] - rest[index], Decimal(0)) / units[index])
        if caps.room is None:
            return most, Reason.INSUFFICIENT_CAPITAL
        left = max(caps.room.dollars - sum(rest), Decimal(0)) / sum(units)
        return min(most, left), caps.room.limit if left < most else Reason.INSUFFICIENT_CAPITAL

    def _worst_unit(self, index: int, limits: list[Decimal], rescue: Decimal) -> Decimal:
        """Return the dollars that one contract of a leg costs in the worst case."""
        best = [from_e4(self.ladder[p][0][0]) for p in Platform]
        share = self.hurdles.true_up_share
        # A leg's bound is the payout less the other leg's price, plus the rescue allowance.
        raised = min(max(1 + rescue - best[1 - index], limits[index]), Decimal(1))
        platform = list(Platform)[index]
        # p(1-p) is at most 1/4; an order that spends dollars buys more at a low price.
        in_dollars = self.match.contract(platform).sizing.cent_exact
        dearest = max(raised, QUARTER) if in_dollars else QUARTER
        fee = self.terms[index].taker_rate * dearest * (1 + share)
        if platform is self.primary:
            return limits[index] + raised * share + fee
        return raised * (1 + share if self._overfills else 1) + fee

    @property
    def _overfills(self) -> bool:
        """Whether the first leg can fill more than was ordered, since it spends dollars."""
        return self.match.contract(self.primary).sizing.cent_exact

    def _priced(
        self, quantity: Quantity, rescue: Decimal, gross: Decimal
    ) -> Opportunity | Refusal:
        """Price the quantity that will be sent and compute the edge for it."""
        first, second = (_taken(self.ladder[p], quantity) for p in Platform)
        fees = [
            owed(self.terms[i].model(each.average, quantity))
            for i, each in enumerate((first, second))
        ]
        cost = first.cost + second.cost + fees[0] + fees[1]
        reserve = owed(self.match.divergence_probability * cost)
        net = FinancialMath.calculate_net_edge(
            first.average,
            second.average,
            fees[0] / quantity,
            fees[1] / quantity,
            Decimal(self.hurdles.gas + reserve),
            quantity,
        )
        if not FinancialMath.is_above_threshold(net, self.hurdles.minimum_net_edge):
            return Refusal(
                Reason.BELOW_MINIMUM_EDGE, gross, net, "for the size that can be sent"
            )
        yearly = self._yearly(net, cost / quantity)
        a = self._limit(Platform.KALSHI, first)
        b = self._limit(Platform.POLYMARKET, second)
        if a is None or b is None:
            return Refusal(Reason.INSUFFICIENT_DEPTH, gross, net, "no valid price is as high")
        legs = (
            self._leg(Platform.KALSHI, first, fees[0], a, b, rescue),
            self._leg(Platform.POLYMARKET, second, fees[1], b, a, rescue),
        )
        return Opportunity(
            opportunity_id="",
            match=self.match,
            kalshi=legs[0],
            polymarket=legs[1],
            primary=self.primary,
            quantity=quantity,
            gross_edge=FinancialMath.calculate_gross_edge(first.average, second.average),
            net_edge=net,
            expected_profit=Money(quantity - owed(cost) - self.hurdles.gas),
            divergence_reserve=reserve,
            yearly_return=yearly,
            rate_per_day=yearly / 365,
            detected_at=self.now,
        )

    def _limit(self, platform: Platform, taken: Walk) -> Price | None:
        """Return the valid limit at which a leg can be sent."""
        contract = self.match.contract(platform)
        return contract.next_price(taken.worst, self._outcome(platform), Side.BUY)

    def _leg(
        self,
        platform: Platform,
        taken: Walk,
        fee: Money,
        limit: Price,
        other: Decimal,
        rescue: Decimal,
    ) -> LegQuote:
        contract = self.match.contract(platform)
        outcome = self._outcome(platform)
        terms = self.terms[list(Platform).index(platform)]
        raised = contract.floor_price(1 + rescue - other, outcome)
        worst_price = max(limit, raised) if raised is not None else limit
        first = platform is self.primary
        bound = limit if first else worst_price
        # An excess on one leg is rebalanced on the other leg's platform.
        evens = first or self._overfills
        rebalance = taken.size * self.hurdles.true_up_share if evens else Decimal(0)
        pieces = Quantity(owed(taken.size + rebalance))
        worst = terms.worst(worst_price, pieces, fills=WORST_FILLS)
        if contract.sizing.cent_exact:
            spent = worst_price * pieces
            worst = max(worst, terms.worst_of_dollars(spent, fills=WORST_FILLS))
        return LegQuote(
            platform=platform,
            contract_id=contract.contract_id,
            outcome=outcome,
            walk=taken,
            limit=limit,
            bound=bound,
            even_bound=worst_price,
            fee=fee,
            budget=owed(bound * taken.size + worst_price * rebalance + worst),
        )


def _taken(levels: Levels, quantity: Quantity) -> Walk:
    """Return what a quantity within depth takes from one side of a book."""
    taken = walk(levels, quantity)
    assert taken is not None, "the quantity was within depth"
    return taken


def _rounding(terms: FeeTerms) -> Decimal:
    """Return the dollars that rounding may add to a leg's prices and modelled fee."""
    return max(CENT, WORST_FILLS * terms.rounding.quantum + CENT / 10)


WORST_FILLS = 50
"""Worst-case number of fills of an order; the fee of each fill is rounded up."""
