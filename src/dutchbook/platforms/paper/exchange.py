"""Pure, deterministic matching engine for one platform.

It covers price-time priority, fees, collateral and netting. Recorded books are the liquidity;
our own resting orders stand behind what the recording offers at the same price. Our orders
never trade with one another: an order that reaches one of ours keeps its fills, and its rest is
cancelled. No clock and no randomness: every call passes the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from dutchbook.domain.execution.order import Finality, Order, TimeInForce
from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Contract, Outcome, Platform, Side
from dutchbook.domain.market.fees import FeeTerms
from dutchbook.domain.positions.settlement import Result
from dutchbook.domain.values.units import (
    E4,
    Money,
    Price,
    PriceGrid,
    Quantity,
    from_e4,
    from_e6,
    owed,
    to_e4,
    to_e6,
)
from dutchbook.errors import OutcomeUnknown, PlatformRejected
from dutchbook.platforms.paper.fees import Charges
from dutchbook.platforms.paper.liquidity import Liquidity, Replenishment
from dutchbook.platforms.paper.wallet import Wallet
from dutchbook.platforms.paper.working import Taken, Working, ignore, side_of
from dutchbook.ports.orders import FillReport, OrderReport

WORST_FILLS = 50


class PaperExchange:
    """One platform's books, our wallet on it, and the orders it knows.

    `trade_ids` names its trades, else their orders do. `top_only`: see `Liquidity`.
    """

    def __init__(
        self,
        platform: Platform,
        contracts: Iterable[Contract],
        replenishment: Replenishment,
        cash: Money,
        trade_ids: Iterator[str] | None = None,
        *,
        top_only: bool = False,
    ) -> None:
        self.platform = platform
        self.contracts = {each.contract_id: each for each in contracts}
        self.liquidity = {
            each: Liquidity(replenishment, top_only=top_only) for each in self.contracts
        }
        self.wallet = Wallet(cash, nets=platform is Platform.KALSHI)
        self.final_at_once = platform is Platform.KALSHI
        self._orders: dict[str, Working] = {}
        self._by_client: dict[str, str] = {}
        self._counter = 0
        self._trade_ids = trade_ids
        self.paused = False
        self.results: dict[str, Result] = {}
        self.on_taken: Taken = ignore

    def subscribe(self, taken: Taken) -> None:
        """Call `taken` after each trade of ours, in place of the earlier subscriber."""
        self.on_taken = taken

    def regrid(self, contract_id: str, grid: PriceGrid) -> None:
        """Accept orders of a contract on another grid; those that rest stay where they are."""
        if contract_id in self.contracts:
            before = self.contracts[contract_id]
            self.contracts[contract_id] = replace(before, grid=grid)

    # Orders
    # ------------------------------------------------------------------------------------

    def submit(self, order: Order, now: datetime) -> OrderReport:
        """Accept and match an order, or reject it as the platform would.

        Raises:
            PlatformRejected: A rejection; its reason is that of a row of the platform's table.
            OutcomeUnknown: The id was used before; that answer proves nothing.
        """
        if order.client_order_id in self._by_client:
            raise OutcomeUnknown(self.platform, "order_already_exists")
        contract, terms = self._checked(order, now)
        self._counter += 1
        working = Working(
            order,
            self.order_id(order.client_order_id),
            Charges(terms, order.side),
            to_e6(order.size),
            self._counter,
        )
        self._by_client[order.client_order_id] = working.platform_order_id
        plan = self._plan(working, contract)
        if order.time_in_force is TimeInForce.FOK and not plan.whole:
            raise PlatformRejected(self.platform, "fill_or_kill_insufficient_resting_volume")
        self._orders[working.platform_order_id] = working
        for price_e4, size_e6 in plan.takes:
            own_e4 = price_e4 if order.outcome is Outcome.YES else E4 - price_e4
            self._trade(working, price_e4, own_e4, size_e6, now)
        if order.time_in_force in (TimeInForce.FOK, TimeInForce.IOC) or plan.self_cross:
            working.end()
        self._hold()
        return working.report()

    def restore(self, known: Iterable[tuple[Order, Iterable[FillReport]]]) -> list[OrderReport]:
        """Load orders of an earlier run; the wallet already includes their fills."""
        restored = [self._restored(order, fills) for order, fills in known]
        self._hold()
        return [each.report() for each in restored]

    def _restored(self, order: Order, fills: Iterable[FillReport]) -> Working:
        fees = self.contracts[order.contract_id].fees
        terms = fees.at(order.created_at) if fees else None
        assert terms is not None, "nothing was traded without known fees"
        self._counter += 1
        name = order.platform_order_id or self.order_id(order.client_order_id)
        left = to_e6(order.working_size)
        made = [replace(fill, platform_order_id=name) for fill in fills]
        working = Working(order, name, Charges(terms, order.side), left, self._counter, made)
        self._by_client[order.client_order_id] = name
        self._orders[name] = working
        return working

    def resting(self) -> list[tuple[Order, OrderReport]]:
        """Return the orders that can still fill, in order of arrival."""
        return [(each.order, each.report()) for each in self._orders.values() if each.left > 0]

    def cancel(self, platform_order_id: str) -> OrderReport:
        """Cancel what still works of an order."""
        working = self._orders.get(platform_order_id)
        if working is None or working.left <= 0:
            raise PlatformRejected(self.platform, "not_found")
        working.end()
        self._hold()
        return working.report()

    def find(self, client_order_id: str) -> OrderReport | None:
        """Return the report of the order sent under this id; None if it never arrived."""
        working = self._orders.get(self._by_client.get(client_order_id, ""))
        return working.report() if working else None

    def known(self, client_order_id: str) -> Order | None:
        """Return the order sent under this id; None if it never arrived."""
        working = self._orders.get(self._by_client.get(client_order_id, ""))
        return working.order if working else None

    def order_id(self, client_order_id: str) -> str:
        """Return the platform's id of an order, derived from our id."""
        return f"{self.platform}-{client_order_id}"

    @property
    def orders(self) -> list[Order]:
        """All orders that arrived, in order of arrival."""
        return [each.order for each in self._orders.values()]

    def since(self, contract_id: str, at: datetime) -> list[Order]:
        """Return the orders of a contract created at `at` or later, newest first."""
        mine = (order for order in self.orders if order.contract_id == contract_id)
        found = [order for order in mine if order.created_at >= at]
        return sorted(found, key=lambda order: order.created_at, reverse=True)

    def kill(self, order: Order, now: datetime) -> None:
        """Record an order that was taken, held back, and then matched nothing."""
        terms = self.contracts[order.contract_id].fees
        at = terms.at(now) if terms else None
        if at is not None:
            self._counter += 1
            name = self.order_id(order.client_order_id)
            self._by_client[order.client_order_id] = name
            self._orders[name] = Working(order, name, Charges(at, order.side), 0, self._counter)

    def _checked(self, order: Order, now: datetime) -> tuple[Contract, FeeTerms]:
        contract = self.contracts.get(order.contract_id)
        if self.paused:
            raise PlatformRejected(self.platform, "trading_is_paused")
        over = order.contract_id in self.results
        if contract is None or now >= contract.close_time or over:
            raise PlatformRejected(self.platform, "market_closed")
        terms = contract.fees.at(now) if contract.fees else None
        if terms is None:
            raise PlatformRejected(self.platform, "market_inactive")
        if not contract.on_grid(order.price, order.outcome):
            raise PlatformRejected(self.platform, "invalid_price")
        sizing = contract.sizing
        if order.size % sizing.step or order.size < sizing.minimum:
            raise PlatformRejected(self.platform, "invalid_order_size")
        if order.size * order.price < sizing.minimum_notional:
            raise PlatformRejected(self.platform, "below_minimum_amount")
        if self._in_dollars(order, contract) and (order.size * order.price) % Decimal("0.01"):
            raise PlatformRejected(self.platform, "invalid_amounts")
        self._affordable(order, terms)
        return contract, terms

    def _affordable(self, order: Order, terms: FeeTerms) -> None:
        wallet = self.wallet
        if order.side is Side.SELL:
            if wallet.of(order.contract_id, order.outcome) < order.size:
                raise PlatformRejected(self.platform, "insufficient_balance")
            return
        worst = terms.worst(order.price, order.size, fills=WORST_FILLS)
        if order.price * order.size + worst > wallet.cash - wallet.held:
            raise PlatformRejected(self.platform, "insufficient_balance")

    def _in_dollars(self, order: Order, contract: Contract) -> bool:
        """Return whether the order spends dollars instead of buying a number of contracts."""
        immediate = order.time_in_force in (TimeInForce.FOK, TimeInForce.IOC)
        return contract.sizing.cent_exact and immediate and order.side is Side.BUY

    # Matching
    # ----------------------------------------------------------------------------------

    def _plan(self, working: Working, contract: Contract) -> _Plan:
        """Find what the order would take, by price then time, without taking it."""
        order = working.order
        budget = to_e6(order.size) * to_e4(order.price)
        dollars = self._in_dollars(order, contract)
        takes: list[tuple[int, int]] = []
        left = working.left
        for price, size, maker in self._offers(order, side_of(order)):
            own = price if order.outcome is Outcome.YES else E4 - price
            beyond = (
                own > to_e4(order.price) if order.side is Side.BUY else own < to_e4(order.price)
            )
            if beyond or left <= 0:
                break
            if maker is not None:
                # It would trade with our own order: earlier fills stand, the rest is cancelled.
                return _Plan(takes, whole=False, self_cross=True)
            taken = min(size, budget // own if dollars else left)
            if taken <= 0:
                break
            takes.append((price, taken))
            budget -= taken * own
            left = budget // to_e4(order.price) if dollars else left - taken
        return _Plan(takes, whole=left <= 0, self_cross=False)

    def _offers(self, order: Order, side: int) -> list[_Offer]:
        """Return recorded liquidity and our resting orders on `side`, in matching order."""
        offers: list[_Offer] = [
            (price, size, None)
            for price, size in self.liquidity[order.contract_id].offered(side)
        ]
        for resting in self._resting(order.contract_id):
            other = resting.order
            bids = (other.outcome is Outcome.YES) == (other.side is Side.BUY)
            if bids == (side == BID):
                own = to_e4(other.price)
                price = own if other.outcome is Outcome.YES else E4 - own
                offers.append((price, resting.left, resting))
        offers.sort(key=lambda offer: offer[0], reverse=side == BID)
        return offers

    def _trade(
        self, working: Working, price_e4: int, own_e4: int, size_e6: int, now: datetime
    ) -> None:
        """Take liquidity at `price_e4` of a YES, and fill an order at its own price."""
        order = working.order
        self._take(order.contract_id, side_of(order), price_e4, size_e6)
        self._filled(working, own_e4, size_e6, now)

    def _filled(self, working: Working, own_e4: int, size_e6: int, now: datetime) -> None:
        order = working.order
        price, size = Price(from_e4(own_e4)), Quantity(from_e6(size_e6))
        fee = working.charge(own_e4, size_e6)
        own_name = f"{order.client_order_id}.{len(working.fills) + 1}"
        report = FillReport(
            platform=self.platform,
            platform_order_id=working.platform_order_id,
            client_order_id=order.client_order_id,
            trade_id=next(self._trade_ids) if self._trade_ids else own_name,
            price=price,
            size=size,
            fee=fee,
            finality=Finality.SETTLED if self.final_at_once else Finality.PROVISIONAL,
            matched_at=now,
        )
        working.fills.append(report)
        self.wallet.book(order, report, sign=1)

    def _take(self, contract_id: str, side: int, price_e4: int, size_e6: int) -> None:
        """Take liquidity; from now on the platform shows a book without it."""
        liquidity = self.liquidity[contract_id]
        liquidity.take(side, price_e4, size_e6)
        self.on_taken(contract_id, side, price_e4, liquidity.left(side, price_e4))

    def _hold(self) -> None:
        """Set the collateral of resting buys: price times what is left, plus the worst fee."""
        held = Decimal(0)
        for working in self._orders.values():
            order = working.order
            if working.left > 0 and order.side is Side.BUY:
                left = Quantity(from_e6(working.left))
                terms = working.charges.terms
                held += owed(order.price * left) + terms.worst(order.price, left, fills=1)
        self.wallet.hold(Money(held))

    # The tape
    # ----------------------------------------------------------------------------------

    def update(
        self,
        contract_id: str,
        bids: Iterable[tuple[int, int]],
        asks: Iterable[tuple[int, int]],
        *,
        whole: bool,
        now: datetime,
    ) -> tuple[FillReport, ...]:
        """Apply one tape message and return the fills of our resting orders that it caused."""
        liquidity = self.liquidity[contract_id]
        if whole:
            liquidity.snapshot(bids, asks)
        else:
            for side, levels in ((BID, bids), (ASK, asks)):
                for price, size in levels:
                    liquidity.set(side, price, size)
        liquidity.seen(now)
        return self._rest_meets(contract_id, now) if self._resting(contract_id) else ()

    def quoted_since(self, order: Order, now: datetime) -> datetime:
        """Return since when the best quote that an order would meet is as it is."""
        return self.liquidity[order.contract_id].since(side_of(order)) or now

    def _resting(self, contract_id: str) -> list[Working]:
        return sorted(
            (
                each
                for each in self._orders.values()
                if each.left > 0 and each.order.contract_id == contract_id
            ),
            key=lambda each: each.arrived,
        )

    def _rest_meets(self, contract_id: str, now: datetime) -> tuple[FillReport, ...]:
        """Fill resting orders that the recorded book now crosses, at their own price."""
        reports: list[FillReport] = []
        for working in self._resting(contract_id):
            for price_e4, size_e6 in self._plan(working, self.contracts[contract_id]).takes:
                self._trade(working, price_e4, to_e4(working.order.price), size_e6, now)
                reports.append(working.fills[-1])
        self._hold()
        return tuple(reports)

    def clear_books(self) -> None:
        """Empty the books, because a session of the tape begins."""
        for each in self.liquidity.values():
            each.clear()

    # Finality and settlement
    # -------------------------------------------------------------------

    def finalise(self, platform_order_id: str, trade_id: str, *, failed: bool) -> FillReport:
        """Make a provisional fill final, or reverse it if it failed."""
        working = self._orders[platform_order_id]
        index = next(i for i, f in enumerate(working.fills) if f.trade_id == trade_id)
        report = working.fills[index]
        assert report.finality is Finality.PROVISIONAL, "a fill becomes final once"
        finality = Finality.FAILED if failed else Finality.SETTLED
        after = replace(report, finality=finality)
        working.fills[index] = after
        if failed:
            self.wallet.book(working.order, report, sign=-1)
        return after

    def resolve(self, contract_id: str, yes_pays: Decimal, now: datetime) -> None:
        """Record a contract's result: its orders end, and nothing is paid yet."""
        for working in self._resting(contract_id):
            working.end()
        self._hold()
        self.results[contract_id] = Result(yes_pays, now, cash=False)

    def settle(self, contract_id: str) -> Money:
        """Pay a resolved contract: its result per YES, the rest of a dollar per NO."""
        result = self.results[contract_id]
        self.results[contract_id] = replace(result, cash=True)
        return self.wallet.settle(contract_id, result.yes_pays)


_Offer = tuple[int, int, Working | None]
"""Price of a YES, size, and the order of ours that offers it, if one does."""


@dataclass(frozen=True, slots=True)
class _Plan:
    takes: list[tuple[int, int]]
    whole: bool
    self_cross: bool
