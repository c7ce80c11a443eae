"""Cash that a platform moves for no trade of ours: interest, rebates, deposits and others.

Every platform does so now and then, at a rate of the plan. Most movements are listed at once,
and some only after a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.values.units import Money
from dutchbook.platforms.paper.exchange import PaperExchange
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.account import NamedCash
from dutchbook.ports.time import Clock
from prove.catalogue import DEPOSITED, INTEREST, REBATE, REDEEMED, WITHDRAWN, Tally
from prove.plan import Plan

KINDS = {
    INTEREST: EntryKind.INTEREST,
    REBATE: EntryKind.REBATE,
    DEPOSITED: EntryKind.DEPOSIT,
    WITHDRAWN: EntryKind.WITHDRAWAL,
}
LATE = 4
"""One movement in this many is listed some seconds after it was made."""
LONGEST = 20
MOST = 5_000_000
"""The largest movement, in millionths of a dollar."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A movement, the habit that it is one of, and since when it is listed."""

    habit: int
    movement: NamedCash
    listed: datetime


class NamedCashBook:
    """The movements of one platform."""

    def __init__(self, exchange: PaperExchange, clock: Clock, plan: Plan, tally: Tally) -> None:
        self._exchange = exchange
        self._clock = clock
        self._plan = plan
        self._tally = tally
        self._shown: set[str] = set()
        self.moved: list[Moved] = []

    def stepped(self, step: int) -> None:
        """Move cash in a step of the tape, or do not."""
        plan, key = self._plan, f"cash.{self._exchange.platform}.{step}"
        for number, kind in KINDS.items():
            if not plan.habit(number, key, plan.cash_rate):
                continue
            amount = Decimal(1 + plan.draw(number, f"{key}.amount") % MOST).scaleb(-6)
            amount = -amount if number == WITHDRAWN else amount
            self._exchange.wallet.fund(Money(self._exchange.wallet.cash + amount))
            self._note(number, kind, amount, key)

    def redeemed(self, contract_id: str, paid: Decimal) -> None:
        """Note a payout, which the platform lists as well."""
        if paid:
            self._note(REDEEMED, EntryKind.REDEMPTION, paid, f"cash.{contract_id}")

    def _note(self, number: int, kind: EntryKind, amount: Decimal, key: str) -> None:
        now, platform = self._clock.now(), self._exchange.platform
        late = self._plan.draw(number, f"{key}.late") % LATE == 0
        seconds = self._plan.draw(number, f"{key}.after") % LONGEST if late else 0
        name = f"moved-{len(self.moved) + 1}"
        made = NamedCash(name, kind, ACCOUNTS[platform], Money(amount), now)
        self.moved.append(Moved(number, made, now + timedelta(seconds=seconds)))

    def listed(self, since: datetime | None) -> list[NamedCash]:
        """Return what is listed by now of the movements since an instant."""
        now = self._clock.now()
        found = [each for each in self.moved if each.listed <= now]
        for each in found:
            if each.movement.movement_id not in self._shown:
                self._shown.add(each.movement.movement_id)
                self._tally.hit(each.habit, "question")
        return [m.movement for m in found if since is None or m.movement.at >= since]


class Exchange(PaperExchange):
    """A paper exchange whose payouts are listed as movements of cash."""

    cash: NamedCashBook

    def settle(self, contract_id: str) -> Money:
        """Pay a resolved contract, and list what was paid."""
        paid = super().settle(contract_id)
        self.cash.redeemed(contract_id, paid)
        return paid
