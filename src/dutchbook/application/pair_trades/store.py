"""What we hold: every position that can still change, with its orders, fills and payouts.

One that is over stays for a while: a fill of it may come to light late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.execution.order import Fill, Finality, Order, Purpose
from dutchbook.domain.market.contract import ContractMatch, Leg, Outcome, Platform, Side
from dutchbook.domain.positions.fold import Fact, Merge, Payout
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.values.units import NOTHING, Quantity
from dutchbook.errors import UnknownId

LATE = timedelta(minutes=10)
"""So long after its end a position, or an execution that bought nothing, is asked about.

A fill that comes to light later still is found by what its platform's stream tells of it.
"""
TradeKey = tuple[Platform, str]
LegKey = tuple[Platform, str, Outcome]


@dataclass(frozen=True, slots=True)
class Held:
    """A position with all that it follows from; `reservations` are by the order they cover.

    `waiting`: its execution has not ended. What it bought is still covered by the execution's
    reservation and is booked, status and all, when that ends.
    """

    position: OpenPosition
    orders: Mapping[str, Order] = field(default_factory=dict)
    fills: Mapping[TradeKey, Fill] = field(default_factory=dict)
    payments: tuple[Merge | Payout, ...] = ()
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    waiting: bool = False

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything that `accounting.folded` asks for."""
        return (*self.fills.values(), *self.payments)

    @property
    def contracts(self) -> Mapping[Platform, str]:
        """What its orders are for, by platform: it may be of a pair that is not followed."""
        return {order.platform: order.contract_id for order in self.orders.values()}

    @property
    def legs(self) -> tuple[LegKey, ...]:
        """What it holds: platform, contract, and the outcome that its leg was opened with."""
        return tuple(
            (platform, contract_id, leg.outcome)
            for platform, contract_id in self.contracts.items()
            if (leg := self.position.holding(platform)).size
        )

    @property
    def unknown(self) -> bool:
        """Whether an order of it is out and nobody knows what became of it."""
        return any(order.outcome_unknown_since is not None for order in self.orders.values())

    @property
    def working(self) -> bool:
        """Whether an order of it can still fill."""
        return any(order.working_size > 0 for order in self.orders.values())

    @property
    def settled_sizes(self) -> Mapping[tuple[Platform, Outcome], Quantity]:
        """Contracts, by platform and outcome, that no platform can take back."""
        held: dict[tuple[Platform, Outcome], Quantity] = {}
        for fill in self.fills.values():
            if fill.finality is Finality.SETTLED:
                key = (fill.platform, fill.outcome)
                change = fill.size if fill.side is Side.BUY else -fill.size
                held[key] = Quantity(held.get(key, NOTHING) + change)
        return held

    @property
    def planned_edge(self) -> Decimal:
        """Return the dollars a contract that the entry expected to lock."""
        planned = max(
            (
                order.size
                for order in self.orders.values()
                if order.purpose is Purpose.ENTRY and order.leg is Leg.PRIMARY
            ),
            default=NOTHING,
        )
        return self.position.expected_edge / planned if planned else Decimal(0)

    def sellable(self, platform: Platform) -> Quantity:
        """Return how many contracts of a leg are there for good: settled, not merged away."""
        leg = self.position.holding(platform)
        bought = sum(
            fill.size if fill.side is Side.BUY else -fill.size
            for fill in self.fills.values()
            if fill.platform is platform
            and fill.outcome is leg.outcome
            and fill.finality is not Finality.FAILED
        )
        settled = self.settled_sizes.get((platform, leg.outcome), NOTHING)
        return Quantity(max(min(settled - (bought - leg.size), leg.net), NOTHING))

    @property
    def over(self) -> bool:
        """Whether nothing that can still happen concerns it."""
        return (
            self.position.status is PositionStatus.CLOSED
            and not any(leg.unpaid for leg in self.position.legs)
            and not self.working
            and all(f.finality is not Finality.PROVISIONAL for f in self.fills.values())
        )

    def with_orders(self, orders: Iterable[Order]) -> Held:
        """Return it with some orders added or replaced."""
        return replace(self, orders={**self.orders, **{o.order_id: o for o in orders}})

    def order_out(self) -> str | None:
        """Return why no further order may be placed for it now."""
        if self.unknown:
            return "the outcome of an order of this position is unknown"
        return "an order of this position still works" if self.working else None

    def with_fills(self, fills: Iterable[Fill]) -> Held:
        """Return it with some fills added or replaced."""
        more = {(fill.platform, fill.trade_id): fill for fill in fills}
        return replace(self, fills={**self.fills, **more})


class Holdings:
    """The image of every position that is not over; the database holds the truth."""

    def __init__(self, matches: Mapping[str, ContractMatch]) -> None:
        self._matches = matches
        self._held: dict[str, Held] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._trades: dict[TradeKey, str] = {}
        self._legs: dict[LegKey, set[str]] = {}
        self.version = 0
        self.contested: Callable[[str], bool] = _by_nobody

    @property
    def positions(self) -> dict[str, OpenPosition]:
        """Every position that is not closed, oldest first."""
        return {
            position_id: held.position
            for position_id, held in self._held.items()
            if held.position.status is not PositionStatus.CLOSED
        }

    @property
    def pairs(self) -> Mapping[str, ContractMatch]:
        """Every pair that is followed, by its id."""
        return self._matches

    def all(self) -> list[Held]:
        """Everything that can still change, closed positions with open ends included."""
        return list(self._held.values())

    @property
    def followed(self) -> list[Held]:
        """The same, of pairs that are followed: of others nobody knows the contracts."""
        return [one for one in self._held.values() if one.position.pair_id in self._matches]

    def of(self, position_id: str) -> Held:
        """Return a position with its facts.

        Raises:
            UnknownId: None that can still change has this id.
        """
        if position_id not in self._held:
            raise UnknownId("open position", position_id)
        return self._held[position_id]

    def known(self, position_id: str) -> Held | None:
        """Return a position with its facts, None when nothing can change it any more."""
        return self._held.get(position_id)

    def of_order(self, order_id: str) -> Held:
        """Return the position that an order belongs to.

        Raises:
            UnknownId: It belongs to none that can still change.
        """
        for held in self._held.values():
            if order_id in held.orders:
                return held
        raise UnknownId("order of an open position", order_id)

    def by_trade(self, key: TradeKey) -> Held | None:
        """Return the position that a fill belongs to, if it is known yet."""
        return self._held.get(self._trades.get(key, ""))

    def lock(self, position_id: str) -> asyncio.Lock:
        """Return what whoever changes a position holds meanwhile."""
        return self._locks.setdefault(position_id, asyncio.Lock())

    def busy(self, position_id: str) -> bool:
        """Tell whether somebody is changing a position right now."""
        return position_id in self._locks and self._locks[position_id].locked()

    def match(self, position: OpenPosition) -> ContractMatch:
        """Return the pair of a position."""
        return self._matches[position.pair_id]

    def put(self, held: Held) -> None:
        """Take up a position, or what has become of it, once that is durable.

        `version` counts these.
        """
        self.version += 1
        position_id = held.position.position_id
        self._unlist(position_id)
        self._held[position_id] = held
        self._trades.update(dict.fromkeys(held.fills, position_id))
        for key in held.legs:
            self._legs.setdefault(key, set()).add(position_id)

    def retire(self, position_id: str) -> None:
        """Forget a position if it is over.

        Until then a fill that comes to light late still finds it at once.
        """
        held = self._held.get(position_id)
        if held is not None and held.over:
            self.drop(position_id)

    def drop(self, position_id: str) -> None:
        """Forget a position that has come to nothing."""
        self._unlist(position_id)
        self._held.pop(position_id, None)
        self._locks.pop(position_id, None)

    def _unlist(self, position_id: str) -> None:
        """Take a position out of what is looked up by trade or by leg."""
        held = self._held.get(position_id)
        if held is None:
            return
        for trade in held.fills:
            self._trades.pop(trade, None)
        for key in held.legs:
            self._legs[key].discard(position_id)

    def opened(
        self,
        position: OpenPosition,
        orders: Iterable[Order],
        fills: Iterable[Fill],
        payments: Iterable[Merge | Payout] = (),
        reservations: Mapping[str, Reservation] | None = None,
        *,
        waiting: bool = False,
    ) -> None:
        """Take up a position that has just become durable."""
        bare = Held(position, {}, {}, tuple(payments), reservations or {}, waiting)
        self.put(bare.with_orders(orders).with_fills(fills))

    def opposes(self, match: ContractMatch, kalshi_outcome: Outcome) -> bool:
        """Tell whether we hold, of either contract, the outcome that a new entry would not buy.

        A position of a pair that is not followed counts too. Kalshi would net the two into cash
        and so undo the other position's leg: buying against a position is a way out of it, not
        an entry.
        """
        others = (
            (Platform.KALSHI, match.kalshi.contract_id, kalshi_outcome.opposite),
            (
                Platform.POLYMARKET,
                match.polymarket.contract_id,
                match.hedge(kalshi_outcome).opposite,
            ),
        )
        return any(self._legs.get(key) for key in others)

    def against(self, position_id: str, outcome: Outcome) -> bool:
        """Tell whether buying an outcome on Kalshi for one position would undo another's leg.

        Kalshi nets both outcomes of a contract over the whole account: what the position holds
        of the opposite itself is meant to go, what another one holds is not.
        """
        mine = self.of(position_id).contracts.get(Platform.KALSHI)
        if mine is None:
            return False
        opposed = self._legs.get((Platform.KALSHI, mine, outcome.opposite), set())
        return bool(opposed - {position_id})

    def disputed(self, pair_id: str) -> bool:
        """Tell whether a discrepancy on a pair is open: nothing new is begun on it (I-23)."""
        disputed = PositionStatus.RECONCILIATION_REQUIRED
        return self.contested(pair_id) or any(
            held.position.status is disputed
            for held in self._held.values()
            if held.position.pair_id == pair_id
        )

    def held(self, platform: Platform, contract_id: str, outcome: Outcome) -> Quantity:
        """Return how many contracts of an outcome our positions hold on a platform."""
        total = Decimal(0)
        for one in self._held.values():
            match = self._matches.get(one.position.pair_id)
            if match is None or match.contract(platform).contract_id != contract_id:
                continue
            leg = one.position.holding(platform)
            total += leg.size if leg.outcome is outcome else leg.complement
        return Quantity(total)

    @property
    def unsettled(self) -> int:
        """Fills that their platform can still take back."""
        return sum(
            fill.finality is Finality.PROVISIONAL
            for held in self._held.values()
            for fill in held.fills.values()
        )


def _by_nobody(pair_id: str) -> bool:
    """No discrepancy is known on any pair."""
    return not pair_id
