"""Cash that comes in or goes out: deposits, withdrawals, adjustments, interest and rebates."""

from __future__ import annotations

import asyncio

from dutchbook.application.capital.capital import Capital
from dutchbook.application.records.changes import ledger_writes
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.shielding import to_its_end
from dutchbook.domain.capital.ledger import AccountKey, EntryKind, external
from dutchbook.domain.events import CapitalMoved
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.reconciliation.platform_state import NamedCash
from dutchbook.domain.values.units import Money
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Batch, Journal
from dutchbook.ports.time import Clock, Ids


class Cash:
    """Books cash movements that belong to no pair trade."""

    def __init__(
        self, journal: Journal, capital: Capital, committer: Committer, clock: Clock, ids: Ids
    ) -> None:
        self._journal = journal
        self._capital = capital
        self._committer = committer
        self._clock = clock
        self._ids = ids
        self._naming = asyncio.Lock()

    async def deposit(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book cash that came in from outside."""
        await self._external(EntryKind.DEPOSIT, platform, amount, note)

    async def withdraw(self, platform: Platform, amount: Money, note: str = "") -> None:
        """Book a withdrawal; only free capital can be withdrawn.

        Raises:
            InvalidInput: The amount exceeds the free capital.
        """
        free = self._capital.free(platform)
        if amount > free:
            raise InvalidInput("amount", str(amount), f"at most the {free} that is free")
        await self._external(EntryKind.WITHDRAWAL, platform, Money(-amount), note)

    async def adjust(self, account: AccountKey, amount: Money, note: str) -> None:
        """Book an unexplained cash difference that a person has confirmed.

        Raises:
            Conflict: The amount exceeds the free capital; nothing was committed.
        """
        reference = self._ids.new("movement", str(account))
        await self._book(EntryKind.ADJUSTMENT, account, amount, note, reference)

    @to_its_end
    async def book_named(self, movement: NamedCash) -> bool:
        """Book a cash movement that a platform lists, once, under the platform's id for it.

        Comparisons and persons' decisions find it at the same time, and whenever it is listed.

        Returns:
            Whether it was not booked before.

        Raises:
            Conflict: The amount exceeds the free capital; nothing was committed.
        """
        reference = named_reference(movement)
        async with self._naming:
            if await self._journal.rows("ledger_entries", {"reference": reference}, limit=1):
                return False
            await self._book(movement.kind, movement.account, movement.amount, "", reference)
        return True

    async def _external(
        self, kind: EntryKind, platform: Platform, amount: Money, note: str
    ) -> None:
        account = self._capital.accounts[platform]
        reference = self._ids.new("movement", str(account))
        await self._book(kind, account, amount, note, reference)

    @to_its_end
    async def _book(
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
    """Return the ledger's reference of a listed movement, by which it is booked once."""
    return f"{movement.account.platform}:{movement.movement_id}"
