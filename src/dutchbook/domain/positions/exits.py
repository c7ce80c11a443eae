"""next_exit(): hold, sell or reverse a position; the only place that decides this.

A sale and the reverse position (buying the opposite outcome, which Kalshi nets at once and
Polymarket merges) are priced with the same walk over the same book. A hedged position is held
unless exiting brings more than waiting for its payout, or something forces an exit; the
unhedged part of a position has a stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.detection.detect import together
from dutchbook.domain.events import Scenario
from dutchbook.domain.market.book import Levels, OrderBook, segments, walk
from dutchbook.domain.market.contract import ContractMatch, Platform, Side
from dutchbook.domain.positions.exit_case import (
    Decision,
    ExitCase,
    ExitRule,
    ExitRules,
    Hold,
    Leave,
    LegExit,
    Way,
    Why,
)
from dutchbook.domain.positions.exposure import (
    CLOSE,
    COMPLEMENT,
    ENDING,
    RETRY,
    Exposure,
    Place,
    mark_of_remedies,
)
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import (
    E4,
    NOTHING,
    ZERO,
    Money,
    Quantity,
    due,
    floor_to,
    from_e4,
    owed,
    plain,
)

YEAR = timedelta(days=365)
_S = PositionStatus


def next_exit(case: ExitCase, rules: ExitRules) -> Decision:
    """Return the decision about a position now; every exit and every hold has a reason.

    OPEN positions are judged by their hedged contracts, exposed ones by their unhedged
    contracts; an exit that closed only one leg is finished by the cheapest remedy.
    """
    position = case.position
    if position.status in (_S.CLOSED, _S.RECONCILIATION_REQUIRED):
        return Hold(Why.NOT_HELD if position.status is _S.CLOSED else Why.STATUS)
    if case.resolved:
        return Hold(Why.RESOLVED)
    if position.status is _S.OPEN:
        return _hedged(_upright(case), rules)
    return _unhedged(case, rules)


def _upright(case: ExitCase) -> ExitCase:
    """Return the case with reversed legs described by the outcomes they actually hold.

    Such legs come from selling more than was held: they are bought back, never sold.
    """
    position = case.position.upright
    if position is case.position:
        return case
    places = {p: replace(at, leg=position.holding(p)) for p, at in case.places.items()}
    return replace(
        case, position=position, places=places, sellable=dict.fromkeys(Platform, NOTHING)
    )


def worth_of_holding(case: ExitCase, rules: ExitRules) -> Decimal:
    """Return the value of holding a hedged contract, in dollars.

    One dollar times the probability that both contracts resolve alike, discounted at the hurdle
    rate until the slower payout is cash.
    """
    return held_worth(case.match, case.now, rules)


def held_worth(match: ContractMatch, now: datetime, rules: ExitRules) -> Decimal:
    """Return the value of holding (see `worth_of_holding`); it never falls over time."""
    wait = max(match.cash_time - now, timedelta(0))
    years = Decimal(wait // timedelta(seconds=1)) / Decimal(YEAR // timedelta(seconds=1))
    return (1 - match.divergence_probability) / (1 + rules.yearly_return * years)


def most_out_e4(books: Mapping[Platform, OrderBook], position: OpenPosition) -> int:
    """Return an upper bound on the proceeds of a contract of both legs now, in 10⁻⁴ dollars.

    Ignores fees and depth, so it is never below what an exit brings. Selling an outcome and
    buying its opposite take the same level of the same book.
    """
    return sum(
        E4 - book.ask_e4(position.holding(platform).outcome.opposite)
        for platform, book in books.items()
    )


# Hedged quantity
# ------------------------------------------------------------------------------------------


def _hedged(case: ExitCase, rules: ExitRules) -> Decision:
    if not case.position.hedged:
        return Hold(Why.NOT_HELD)
    if (blocked := _blocked(case, Platform)) is not None:
        return blocked
    worth = worth_of_holding(case, rules)
    if case.forced is not None:
        return _forced(case, rules, worth, case.forced)
    if not together({p: case.places[p].book for p in Platform}, rules.books_apart):
        return Hold(Why.BOOK, "books_apart")
    if rules.rule is ExitRule.CLASSIC:
        return _classic(case, rules)
    least = worth + rules.minimum_gain
    found = out_of_both(case, _size_above(case, least), rules)
    if isinstance(found, Hold) or found.net <= least * found.size:
        return Hold(Why.WORTH_MORE)
    return found


def _forced(case: ExitCase, rules: ExitRules, worth: Decimal, reason: Why) -> Decision:
    least = worth - rules.urgent_cost
    found = out_of_both(case, _size_above(case, least), rules)
    if isinstance(found, Hold) or found.net < least * found.size:
        return Hold(Why.TOO_COSTLY, reason)
    return replace(found, reason=reason)


def _classic(case: ExitCase, rules: ExitRules) -> Decision:
    """Apply stop, profit and time, in this order, relative to the mark at acquisition."""
    found = out_of_both(case, _within(case, rules.collar), rules)
    if not isinstance(found, Leave):
        return found
    reason = Why.TIME if case.match.resolution_date - case.now <= rules.time else None
    if case.born is not None:
        gained = found.net / found.size - case.born
        if gained <= -rules.stop_loss_share * case.edge:
            reason = Why.STOP
        elif gained >= rules.take_profit_share * case.edge:
            reason = Why.PROFIT
    if reason is None:
        return Hold(Why.NO_MARK if case.born is None else Why.WITHIN_LIMITS)
    return replace(found, reason=reason)


def out_of_both(case: ExitCase, size: Decimal, rules: ExitRules) -> Leave | Hold:
    """Return the cheapest exit of `size` contracts of both legs, rounded to both size steps."""
    legs: list[LegExit] = []
    size = _traded_size(case, size)
    for platform in Platform:
        ways = _ways_out(case, platform, size, rules)
        if not ways:
            return Hold(Why.THIN)
        legs.append(max(ways, key=lambda way: (way.net, way.side is Side.SELL)))
    legs.sort(key=lambda leg: _depth(case, leg))
    net = Money(sum((leg.net for leg in legs), start=Decimal(0)))
    bought = any(leg.side is Side.BUY for leg in legs)
    way = Way.REVERSE if bought else Way.SELL
    detail = f"{way} {plain(size)} contracts of both legs for {plain(net)} dollars"
    return Leave(Why.BETTER_NOW, way, Quantity(size), tuple(legs), net, detail)


def left_now(case: ExitCase, rules: ExitRules) -> Money | None:
    """Return what a hedged position comes to if all of it is left now, in dollars.

    None if the books do not take all of it or must not be traded on. What is less than an order
    stays as it is locked.
    """
    upright = _upright(case)
    if case.resolved or _blocked(upright, Platform) is not None:
        return None
    found = out_of_both(upright, upright.position.hedged, rules)
    if isinstance(found, Hold):
        return None
    return Money(case.position.locked_profit - found.size + found.net)


def _traded_size(case: ExitCase, size: Decimal) -> Decimal:
    """Return the largest size, at most `size`, that each leg can trade."""
    lots: list[Decimal] = [case.places[p].contract.sizing.step for p in Platform]
    # Contracts that are not settled cannot be sold: their opposite must be bought.
    lots += [case.places[p].contract.lot for p in Platform if size > case.sellable[p]]
    return floor_to(size, max(lots))


def _ways_out(
    case: ExitCase, platform: Platform, size: Decimal, rules: ExitRules
) -> list[LegExit]:
    place = case.places[platform]
    outcome = place.leg.outcome
    found = []
    for side, traded in ((Side.SELL, outcome), (Side.BUY, outcome.opposite)):
        lot = place.contract.lot if side is Side.BUY else place.contract.sizing.step
        if side is Side.SELL and size > case.sellable[platform]:
            continue
        sent = bool(size) and not size % lot
        taken = walk(place.book.offers(traded, side), Quantity(size)) if sent else None
        limit = place.contract.next_price(taken.worst, traded, side) if taken else None
        if taken is not None and limit is not None and size >= place.contract.smallest(limit):
            fee = place.terms.model(taken.average, size) + place.terms.rounding.quantum
            gross = taken.cost if side is Side.SELL else size - taken.cost
            net = due(gross - owed(fee + rules.gas))
            found.append(LegExit(platform, traded, side, Quantity(size), limit, net))
    return found


def _depth(case: ExitCase, leg: LegExit) -> tuple[Decimal, Platform]:
    """Return the depth of a book down to a leg's limit; the thinner book goes first."""
    book = case.places[leg.platform].book
    return book.depth(leg.outcome, leg.limit, leg.side), leg.platform


def _ladder(place: Place) -> Levels:
    """Return the levels at which a leg can be sold, best first."""
    return place.book.offers(place.leg.outcome, Side.SELL)


def _size_above(case: ExitCase, least: Decimal) -> Decimal:
    """Return how many hedged contracts each bring more than `least`, the last one included."""
    kalshi, polymarket = (case.places[platform] for platform in Platform)
    left = case.position.hedged
    found = Decimal(0)
    for price_a, price_b, size_e6 in segments(_ladder(kalshi), _ladder(polymarket)):
        marginal = _net_of(kalshi, price_a) + _net_of(polymarket, price_b)
        if marginal <= least or not left:
            break
        taken = min(left, Decimal(size_e6).scaleb(-6))
        found += taken
        left = Quantity(left - taken)
    return found


def _net_of(place: Place, price_e4: int) -> Decimal:
    price = from_e4(price_e4)
    return price - place.terms.taker_rate * price * (1 - price)


def _within(case: ExitCase, collar: Decimal) -> Decimal:
    """Return how many hedged contracts both books take within the collar."""
    depths = (_down_to(case.places[platform], collar) for platform in Platform)
    return min(case.position.hedged, *depths)


def _down_to(place: Place, collar: Decimal) -> Decimal:
    return place.bears(place.leg.outcome, Side.SELL, collar)


def _blocked(case: ExitCase, platforms: Iterable[Platform]) -> Hold | None:
    for platform in platforms:
        if case.now >= case.places[platform].contract.close_time:
            return Hold(Why.CLOSED, platform.value)
        if (reason := case.untrusted_because.get(platform)) is not None:
            return Hold(Why.BOOK, f"{platform.value}: {reason}")
    return None


# Unhedged quantity
# ---------------------------------------------------------------------------------------


def _unhedged(case: ExitCase, rules: ExitRules) -> Decision:
    """Decide about the unhedged contracts."""
    position = case.position
    if not position.imbalanced():
        return Hold(Why.NOT_HELD)
    longer = position.longer
    if (blocked := _blocked(case, (longer,))) is not None:
        return blocked
    exposure = exposure_of(case, rules)
    remedies = [each for each in exposure.scenarios() if _open(each, position.status)]
    if not remedies:
        return Hold(Why.THIN)
    best = max(remedies, key=lambda remedy: remedy.each or ZERO)
    found = _taken(exposure, best)
    if position.status is _S.EXIT_PARTIAL:
        return replace(found, reason=Why.UNFINISHED)
    if case.forced is not None:
        return replace(found, reason=case.forced)
    if not rules.unhedged_stop:
        return Hold(Why.NO_STOP)
    if case.born is None:
        return Hold(Why.NO_MARK)
    profit = best.each or ZERO
    if profit - case.born > -rules.stop_loss_share * case.edge:
        return Hold(Why.WITHIN_LIMITS)
    return found


def exposure_of(case: ExitCase, rules: ExitRules) -> Exposure:
    """Return the unhedged contracts as an exposure, with remedies within the collar."""
    longer = case.position.longer
    return Exposure(
        quantity=Quantity(abs(case.position.imbalance)),
        held=case.places[longer],
        missing=case.places[longer.other],
        sellable=case.sellable[longer],
        now=case.now,
        untrusted_because=case.untrusted_because,
        collar=rules.collar,
    )


def _open(remedy: Scenario, status: PositionStatus) -> bool:
    """Return whether a remedy is available; RETRY is one only for an unfinished exit."""
    names = (*ENDING, RETRY) if status is _S.EXIT_PARTIAL else ENDING
    return remedy.name in names and remedy.blocked is None and remedy.pnl is not None


def _taken(exposure: Exposure, remedy: Scenario) -> Leave:
    """Return the exit that carries out a remedy for an exposure."""
    place, outcome, side = exposure.trade(remedy.name)
    # A possible remedy has a size, a price and a result.
    assert remedy.size is not None
    assert remedy.price is not None
    assert remedy.pnl is not None
    brought = due(remedy.pnl + exposure.paid * remedy.size / exposure.quantity)
    leg = LegExit(place.platform, outcome, side, remedy.size, remedy.price, brought)
    kind = {CLOSE: Way.SELL, COMPLEMENT: Way.REVERSE, RETRY: Way.COMPLETE}[remedy.name]
    return Leave(Why.STOP, kind, remedy.size, (leg,), brought, remedy.detail)


def mark_of(case: ExitCase, rules: ExitRules) -> Decimal | None:
    """Return the mark stored as `born`: net dollars per contract of an exit now.

    Proceeds for hedged contracts, profit for unhedged ones; None if the books do not allow a
    measurement.
    """
    if case.position.status is _S.OPEN:
        if _blocked(case, Platform) is not None:
            return None
        found = out_of_both(case, _within(case, rules.collar), rules)
        return found.net / found.size if isinstance(found, Leave) else None
    if not case.position.imbalanced() or _blocked(case, (case.position.longer,)):
        return None
    return mark_of_remedies(exposure_of(case, rules).scenarios())
