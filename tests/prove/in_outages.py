"""Bugs in what an engine does while its database does not answer, and when it is gone."""

from __future__ import annotations

from prove.bug import Bug

OUTAGES, JOURNALS = "application/records/outages.py", "persistence/journals"
RECONNECTING = "tests/simulation/test_reconnecting.py"
ENGINES = "tests/simulation/test_engines_in_outages.py"
DATABASES = "tests/integration/test_database_outages.py"

IN_OUTAGES = (
    Bug(
        "a commit that got no answer is made again without a look",
        OUTAGES,
        "if sent and (receipt := await self._stored(batch)) is not None:",
        "if (receipt := await self._stored(Batch((Insert('outbox', {}),)))) is not None:",
        f"{RECONNECTING} -k no_answer",
        also=(
            (
                OUTAGES,
                "            except Conflict:\n                # The statement",
                "            except ZeroDivisionError:\n                # The statement",
            ),
        ),
    ),
    Bug(
        "a batch that arrived after it was looked up is refused",
        OUTAGES,
        "            except Conflict:\n                # The statement",
        "            except ZeroDivisionError:\n                # The statement",
        f"{RECONNECTING} -k arrives_after",
    ),
    Bug(
        "calls that wait for the database overtake each other",
        OUTAGES,
        "            async with self._turn:",
        "            async with asyncio.Lock():",
        f"{RECONNECTING} -k order",
    ),
    Bug(
        "an entry that waited for the database is sent",
        "application/monitoring/database_outages.py",
        "await self._risk.halts.halt_trading(REASON, detail)",
        "await self._reconciliation.reconcile()",
        f"{ENGINES} -k waited",
    ),
    Bug(
        "a lease that ran out during a commit is not renewed",
        "application/records/lease.py",
        "        if not self.held:\n            await self._commit(journal, Batch())\n",
        "",
        f"{RECONNECTING} -k ran_out",
    ),
    Bug(
        "an idle engine goes on without its database",
        "application/records/lease.py",
        "except (LeaseLost, DatabaseLost):",
        "except LeaseLost:",
        f"{RECONNECTING} -k idle",
    ),
    Bug(
        "an older copy is taken for the database",
        f"{JOURNALS}/postgres.py",
        "if sequence and await self._open.fetchval(query, sequence) != known:",
        "if await self._open.fetchval(query, sequence) and not known:",
        f"{DATABASES} -k older_copy",
    ),
    Bug(
        "a locked file is a failure",
        "persistence/sqlite_connection.py",
        "kind = Unanswered if code & PRIMARY in BUSY else StorageError",
        "kind = StorageError",
        f"{DATABASES} -k locked_for_longer",
    ),
    Bug(
        "a deleted file is not noticed",
        "persistence/sqlite_file.py",
        'return "it was deleted or moved"',
        "return None",
        f"{DATABASES} -k is_noticed",
    ),
    Bug(
        "a standby makes the file that it waits for",
        "bootstrap/standby.py",
        "        database.require_file()\n",
        "",
        f"{DATABASES} -k makes_none",
    ),
    Bug(
        "market data that break end an engine before what it has begun",
        "application/market/feed.py",
        "self.broken = broken",
        "raise",
        "tests/integration/test_bad_files.py -k further_on",
    ),
)
