from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW, contract

from dutchbook.domain.execution.order import Finality, Order, Purpose, TimeInForce
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Leg, Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity
from dutchbook.errors import OutcomeUnknown, PlatformRejected
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.liquidity import Liquidity, Replenishment

K, P = Platform.KALSHI, Platform.POLYMARKET


def exchange(
    platform: Platform = K,
    asks: tuple[tuple[int, int], ...] = ((40, 100), (41, 100)),
    bids: tuple[tuple[int, int], ...] = ((38, 100),),
    cash: int = 1_000,
) -> PaperExchange:
    made = PaperExchange(
        platform, [contract(platform)], Replenishment.NEVER, Money(Decimal(cash))
    )
    show(made, bids, asks)
    return made


def show(
    made: PaperExchange, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]
) -> None:
    def scaled(levels: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
        return [(price * 100, size * 1_000_000) for price, size in levels]

    key = f"{made.platform}-cup"
    made.update(key, scaled(bids), scaled(asks), whole=True, now=NOW)


_number = iter(range(10**6))


def order(
    platform: Platform = K, price: str = "0.41", size: str = "100", **facts: object
) -> Order:
    name = f"c{next(_number)}"
    made = Order(
        order_id=name,
        client_order_id=name,
        platform=platform,
        contract_id=f"{platform}-cup",
        pair_id="cup",
        execution_id="e",
        leg=Leg.PRIMARY,
        purpose=Purpose.ENTRY,
        outcome=Outcome.YES,
        side=Side.BUY,
        price=Price(Decimal(price)),
        size=Quantity(Decimal(size)),
        time_in_force=TimeInForce.IOC,
        created_at=NOW,
    )
    return replace(made, **facts)  # type: ignore[arg-type]


def test_an_order_takes_the_best_price_first_and_pays_the_makers_price() -> None:
    report = exchange().submit(order(size="150"), NOW)

    assert [(f.price, f.size) for f in report.fills] == [
        (Decimal("0.40"), 100),
        (Decimal("0.41"), 50),
    ]


def test_no_is_bought_from_the_yes_bids() -> None:
    report = exchange().submit(order(outcome=Outcome.NO, price="0.62"), NOW)

    assert [(f.price, f.size) for f in report.fills] == [(Decimal("0.62"), 100)]


def test_an_ioc_takes_what_is_there_and_rests_nothing() -> None:
    report = exchange().submit(order(size="500"), NOW)

    assert (sum(f.size for f in report.fills), report.working) == (200, 0)


def test_a_fok_is_all_or_nothing() -> None:
    made = exchange()

    with pytest.raises(PlatformRejected, match="fill_or_kill"):
        made.submit(order(size="500", time_in_force=TimeInForce.FOK), NOW)

    assert made.wallet.cash == 1_000


def test_liquidity_is_taken_only_once() -> None:
    made = exchange()
    made.submit(order(size="200"), NOW)

    again = made.submit(order(size="200"), NOW)

    assert again.fills == ()


@pytest.mark.parametrize(
    ("policy", "same", "grown", "shrunk"),
    [
        (Replenishment.ADDED, 0, 20, 0),
        (Replenishment.NEVER, 0, 120, 80),
        (Replenishment.NEW, 0, 20, 0),
        (Replenishment.EVERY, 100, 120, 80),
    ],
)
def test_taken_liquidity_returns_according_to_the_setting(
    policy: Replenishment, same: int, grown: int, shrunk: int
) -> None:
    found = []
    for size in (100, 120, 80):
        liquidity = Liquidity(policy)
        liquidity.snapshot([], [(4_000, 100)])
        liquidity.take(ASK, 4_000, 100)
        liquidity.snapshot([], [(4_000, size)])
        found.append(sum(left for _, left in liquidity.available(ASK)))

    assert found == [same, grown, shrunk]


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((100,), 40),
        ((70,), 10),
        ((30,), 0),
        ((30, 50), 20),
        ((120, 130), 70),
        ((0, 50), 50),
        ((60, 61, 60), 0),
    ],
)
def test_of_what_we_took_only_what_is_added_afterwards_comes_back(
    sizes: tuple[int, ...], left: int
) -> None:
    """Sixty of a hundred were taken: others can have taken no more than the other forty."""
    liquidity = Liquidity(Replenishment.ADDED)
    liquidity.set(ASK, 4_000, 100)
    liquidity.take(ASK, 4_000, 60)

    for size in sizes:
        liquidity.set(ASK, 4_000, size)

    assert sum(size for _, size in liquidity.available(ASK)) == left


TOPS = pytest.mark.parametrize(
    ("side", "first", "better", "worse"),
    [(ASK, 4_500, 4_400, 4_600), (BID, 4_500, 4_600, 4_400)],
    ids=["asks", "bids"],
)


def top(side: int, *levels: tuple[int, int]) -> tuple[Any, Any]:
    """Return bids and asks of a recording of best prices."""
    return (levels, ()) if side == BID else ((), levels)


@TOPS
def test_a_better_level_hides_the_last_one_from_us_and_not_from_an_order(
    side: int, first: int, better: int, worse: int
) -> None:
    liquidity = Liquidity(Replenishment.ADDED, top_only=True)
    liquidity.snapshot(*top(side, (first, 100)))
    liquidity.take(side, first, 30)

    liquidity.snapshot(*top(side, (better, 10)))

    assert liquidity.available(side) == ((better, 10),)
    assert liquidity.offered(side) == ((better, 10), (first, 70))
    assert liquidity.left(side, first) <= 0
    liquidity.take(side, first, 70)
    assert liquidity.offered(side) == ((better, 10),)
    liquidity.snapshot(*top(side, (first, 100)))
    assert liquidity.offered(side) == liquidity.available(side) == ()
    liquidity.snapshot(*top(side, (first, 120)))
    assert liquidity.offered(side) == liquidity.available(side) == ((first, 20),)
    liquidity.snapshot(*top(side, (worse, 50)))
    assert liquidity.offered(side) == ((worse, 50),)
    liquidity.snapshot(*top(side, (first, 5)))
    assert liquidity.offered(side) == ((first, 5), (worse, 50))


@TOPS
def test_a_side_that_is_empty_hides_nothing(
    side: int, first: int, better: int, worse: int
) -> None:
    liquidity = Liquidity(Replenishment.ADDED, top_only=True)
    for levels in ([(first, 100)], [(better, 10)], []):
        liquidity.snapshot(*top(side, *levels))

    assert liquidity.offered(side) == ()
    liquidity.snapshot(*top(side, (worse, 7)))
    assert liquidity.offered(side) == ((worse, 7),)


def test_a_whole_ladder_hides_nothing() -> None:
    liquidity = Liquidity(Replenishment.ADDED)
    liquidity.snapshot([], [(4_500, 100)])
    liquidity.snapshot([], [(4_400, 10)])

    assert liquidity.offered(ASK) == ((4_400, 10),)


def test_an_order_takes_what_a_better_level_hides() -> None:
    made = PaperExchange(
        Platform.KALSHI,
        [contract(Platform.KALSHI)],
        Replenishment.ADDED,
        Money(Decimal(1_000)),
        top_only=True,
    )
    for ask in ((4_500, 100_000_000), (4_400, 10_000_000)):
        made.update("kalshi-cup", (), (ask,), whole=True, now=NOW)

    report = made.submit(order(size="60", price="0.45"), NOW)

    fills = [(fill.price, fill.size) for fill in report.fills]
    assert fills == [(Decimal("0.44"), 10), (Decimal("0.45"), 50)]


def test_a_quote_is_as_old_as_its_price_and_size() -> None:
    made = exchange()
    asked = order(size="1")
    later = NOW + timedelta(seconds=3)
    since = []
    for at, asks in (
        (NOW, ((4_000, 5), (4_100, 7))),
        (later, ((4_000, 5), (4_100, 9))),
    ):
        made.update("kalshi-cup", (), asks, whole=True, now=at)
        since.append(made.quoted_since(asked, later))
    made.update("kalshi-cup", (), ((4_000, 6),), whole=True, now=later)
    since.append(made.quoted_since(asked, later + timedelta(seconds=9)))
    made.clear_books()
    since.append(made.quoted_since(asked, later))

    assert since == [NOW, NOW, later, later]


def test_a_level_that_was_removed_and_added_again_is_new() -> None:
    liquidity = Liquidity(Replenishment.NEVER)
    liquidity.set(BID, 4_000, 100)
    liquidity.take(BID, 4_000, 100)

    liquidity.set(BID, 4_000, 0)
    liquidity.set(BID, 4_000, 100)

    assert liquidity.available(BID) == ((4_000, 100),)


def test_a_purchase_costs_cash_and_its_fee() -> None:
    made = exchange()

    report = made.submit(order(size="100", price="0.40"), NOW)

    assert report.fills[0].fee == Decimal("1.68")
    assert made.wallet.cash == 1_000 - 40 - Decimal("1.68")
    assert made.wallet.of("kalshi-cup", Outcome.YES) == 100


def test_kalshi_nets_yes_and_no_into_cash_at_once() -> None:
    made = exchange()
    made.submit(order(size="100", price="0.40"), NOW)
    before = made.wallet.cash

    report = made.submit(order(size="60", price="0.62", outcome=Outcome.NO), NOW)

    assert made.wallet.of("kalshi-cup", Outcome.YES) == 40
    assert made.wallet.of("kalshi-cup", Outcome.NO) == 0
    fees = sum(f.fee for f in report.fills)
    assert made.wallet.cash == before - 60 * Decimal("0.62") - fees + 60


def test_polymarket_holds_both_until_they_are_merged() -> None:
    made = exchange(P)
    made.submit(order(P, size="100", price="0.40"), NOW)
    made.submit(order(P, size="100", price="0.62", outcome=Outcome.NO), NOW)
    before = made.wallet.cash

    made.wallet.merge("polymarket-cup", Quantity(Decimal(100)), P)

    assert made.wallet.cash == before + 100


def test_a_polymarket_buy_spends_its_dollars_and_a_better_price_buys_more() -> None:
    made = exchange(P, asks=((39, 1_000),))

    report = made.submit(order(P, size="100", price="0.41"), NOW)

    assert sum(f.size for f in report.fills) == Decimal("105.128205")
    assert 41 - sum(f.size * f.price for f in report.fills) < Decimal("0.000001")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"price": Price(Decimal("0.415"))}, "invalid_price"),
        ({"size": Quantity(Decimal("0.005"))}, "invalid_order_size"),
        ({"size": Quantity(Decimal(5_000))}, "insufficient_balance"),
        ({"side": Side.SELL}, "insufficient_balance"),
        ({"contract_id": "unheard-of"}, "market_closed"),
    ],
)
def test_kalshi_rejects_orders_for_the_reasons_on_its_page(
    facts: dict[str, object], reason: str
) -> None:
    with pytest.raises(PlatformRejected, match=reason):
        exchange().submit(order(**facts), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [
        ("0.41", "4", "invalid_order_size"),
        ("0.10", "5", "below_minimum_amount"),
        ("0.41", "100.07", "invalid_amounts"),
    ],
)
def test_polymarket_rejects_orders_that_are_too_small_or_not_in_whole_cents(
    price: str, size: str, reason: str
) -> None:
    with pytest.raises(PlatformRejected, match=reason):
        exchange(P).submit(order(P, price=price, size=size), NOW)


def test_an_id_that_was_used_proves_nothing() -> None:
    made, first = exchange(), order()
    made.submit(first, NOW)

    with pytest.raises(OutcomeUnknown, match="order_already_exists"):
        made.submit(first, NOW)


def test_a_resting_order_holds_collateral_and_fills_when_the_book_comes_to_it() -> None:
    made = exchange()
    resting = order(price="0.39", size="50", time_in_force=TimeInForce.GTC)
    report = made.submit(resting, NOW)
    held = made.wallet.held

    show(made, ((37, 100),), ((39, 30),))

    assert (report.working, held > Decimal("19.5")) == (50, True)
    later = made.find(resting.client_order_id)
    assert later is not None
    assert ([(f.price, f.size) for f in later.fills], later.working) == (
        [(Decimal("0.39"), 30)],
        20,
    )


def test_cancelling_returns_the_collateral_once() -> None:
    made = exchange()
    report = made.submit(order(price="0.39", time_in_force=TimeInForce.GTC), NOW)

    made.cancel(report.platform_order_id)

    assert made.wallet.held == 0
    with pytest.raises(PlatformRejected, match="not_found"):
        made.cancel(report.platform_order_id)


def test_our_orders_are_never_matched_with_each_other() -> None:
    made = exchange(asks=((45, 100),), bids=())
    made.submit(order(price="0.41", size="50", time_in_force=TimeInForce.GTC), NOW)

    crossing = made.submit(order(price="0.60", size="50", outcome=Outcome.NO), NOW)

    assert crossing.fills == ()
    assert crossing.working == 0


def test_a_polymarket_fill_is_provisional_until_it_is_final() -> None:
    made = exchange(P)
    report = made.submit(order(P, price="0.40"), NOW)
    fill = report.fills[0]

    after = made.finalise(report.platform_order_id, fill.trade_id, failed=False)

    assert (fill.finality, after.finality) == (Finality.PROVISIONAL, Finality.SETTLED)


def test_a_fill_that_fails_gives_its_money_back_and_takes_its_contracts() -> None:
    made = exchange(P)
    report = made.submit(order(P, price="0.40"), NOW)

    made.finalise(report.platform_order_id, report.fills[0].trade_id, failed=True)

    assert made.wallet.cash == 1_000
    assert made.wallet.of("polymarket-cup", Outcome.YES) == 0


@pytest.mark.parametrize(("yes_pays", "paid"), [("1", 100), ("0", 0), ("0.5", 50)])
def test_settlement_pays_for_yes_for_no_or_a_fraction(yes_pays: str, paid: int) -> None:
    made = exchange()
    made.submit(order(size="100", price="0.40"), NOW)
    before = made.wallet.cash

    made.resolve("kalshi-cup", Decimal(yes_pays), NOW)

    assert made.settle("kalshi-cup") == paid
    assert made.wallet.cash == before + paid
