"""Standing by: waiting for the lease of a database, whatever happens to the database meanwhile.

Whoever stands by holds nothing, and so has nothing to lose by waiting.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

from dutchbook.application.records.lease import turn
from dutchbook.errors import LeaseHeld, StorageError, UnfitFile
from dutchbook.persistence.database import Database
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.live import run_live
from dutchbook.runtime.process import gone
from dutchbook.runtime.service_manager import READY, ServiceManager
from dutchbook.runtime.virtual_time import turnstile

TIMEOUT_SECONDS = 5
AGAIN_SECONDS = 1
FINAL = (LeaseHeld, UnfitFile)
"""What no waiting ends, or ends of itself."""


class Standby:
    """Waits for the lease of a database; says once of each outage that there is one.

    Args:
        database: The database, which was there when waiting began.
        term: How long a lease lasts that is not renewed.
        tell: Shows a line to a person.
    """

    def __init__(
        self, database: Database, term: timedelta, tell: Callable[[str], None]
    ) -> None:
        self._database = database
        self._term = term
        self._tell = tell
        self._away = False
        self._manager = ServiceManager(os.environ)

    def wait(self) -> bool:
        """Wait until the lease can be taken, for as long as it takes.

        Must not be called from a running event loop: it runs its own.

        Returns:
            Whether the holder may still be there, frozen, with its locks.
        """
        self._manager.tell(READY, "STATUS=stands by")
        while True:
            try:
                frozen = run_live(self._turn())
                self._database.check("paper")
            except FINAL:
                raise
            except StorageError as error:
                self.failed(error)
            else:
                return frozen

    def failed(self, error: StorageError) -> None:
        """Note that the database did not answer, and rest before the next try."""
        if not self._away:
            self._away = True
            self._tell(f"{error}; standing by until it answers")
        run_live(SystemClock().sleep(AGAIN_SECONDS))

    async def _turn(self) -> bool:
        """Wait for the lease over one connection; see `turn`.

        Raises:
            StorageError: The database does not answer, or its file is gone.
        """
        database = self._database
        database.require_file()
        journal = database.journal(turnstile(), timeout=TIMEOUT_SECONDS)

        def looked() -> None:
            if (what := journal.misplaced()) is not None:
                raise StorageError(f"{database.shown}: {what}")
            self._away = False

        alive = asyncio.ensure_future(self._manager.watched(SystemClock(), lambda: True))
        try:
            await journal.open()
            return await turn(journal, SystemClock(), self._term, gone, looked)
        finally:
            alive.cancel()
            await journal.close(fenced_off=True)
