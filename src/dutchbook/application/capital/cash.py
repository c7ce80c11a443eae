"""Cash that comes in or goes out: deposits, withdrawals, adjustments, interest and rebates."""

from __future__ import annotations

from dutchbook.application.capital.capital import Capital
from dutchbook.application.records.changes import ledger_writes
from dutchbook.application.records.committer import Committer
from dutchbook.domain.capital.ledger import AccountKey, EntryKind, external
from dutchbook.domain.events import CapitalMoved
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation import NamedCash
from dutchbook.domain.values.units import Money
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Batch
from dutchbook.ports.time import Clock, Ids


class Cash:
    """Books movements of cash that no pair trade explains."""

    def __init__(self, capital: Capital, committer: Committer, clock: Clock, ids: Ids) -> None:
        self._capital = capital
        self._committer = committer
        self._clock = clock
        self._ids = ids

    async def deposit(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book cash that came in from outside."""
        await self._external(EntryKind.DEPOSIT, platform, amount, note)

    async def withdraw(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book cash that went out. Only free capital can leave.

        Raises:
            InvalidInput: More than is free.
        """
        free = self._capital.free(platform)
        if amount > free:
            raise InvalidInput("amount", str(amount), f"at most the {free} that is free")
        await self._external(EntryKind.WITHDRAWAL, platform, Money(-amount), note)

    async def adjust(self, account: AccountKey, amount: Money, note: str) -> None:
        """Book cash that nothing explains, because a person said that it is so.

        Raises:
            Conflict: More would leave than is free; nothing was kept.
        """
        reference = self._ids.new("movement", str(account))
        await self._moved(EntryKind.ADJUSTMENT, account, amount, note, reference)

    async def book_named(self, movement: NamedCash) -> None:
        """Book a movement of cash that a platform has named, under the platform's own id.

        Raises:
            Conflict: More would leave than is free; nothing was kept.
        """
        reference = named_reference(movement)
        await self._moved(movement.kind, movement.account, movement.amount, "", reference)

    async def _external(
        self, kind: EntryKind, platform: Platform, amount: Money, note: str
    ) -> None:
        account = self._capital.accounts[platform]
        reference = self._ids.new("movement", str(account))
        await self._moved(kind, account, amount, note, reference)

    async def _moved(
        self, kind: EntryKind, account: AccountKey, amount: Money, note: str, reference: str
    ) -> None:
        movement, at = external(kind, account, amount), self._clock.now()
        moved = CapitalMoved(
            self._committer.stamp(reference),
            account=str(account),
            kind=kind.value,
            amount=amount,
            note=note,
        )
        rows = ledger_writes([(movement, reference, note or None)], self._ids, at)
        await self._committer.commit(Batch(tuple(rows), (moved,)))
        self._capital.apply([movement])


def named_reference(movement: NamedCash) -> str:
    """Return what the ledger calls a movement that its platform names: it is booked once."""
    return f"{movement.account.platform}:{movement.movement_id}"
