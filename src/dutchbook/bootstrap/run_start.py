"""What an engine reads and says before it trades: halts, anchors, what it starts from."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator

from dutchbook.application.records.runs import IDENTITY
from dutchbook.application.views.halts import clearing, halts
from dutchbook.application.views.unfinished import in_words, unfinished
from dutchbook.bootstrap import paths
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.log.anchors import AnchorFile, owner_of
from dutchbook.ports.journal import Journal
from dutchbook.runtime.clock import SystemClock
from dutchbook.runtime.engine_register import EngineRegister
from dutchbook.runtime.halt_file import HaltFiles
from dutchbook.runtime.process import myself
from dutchbook.runtime.virtual_time import turnstile


@contextlib.contextmanager
def registered(
    database: Database, files: HaltFiles, line: Callable[[str], None]
) -> Iterator[None]:
    """Say to this machine which HALT files the engine reads, if they are not next to a file."""
    served = files.files if database.dialect != SQLITE else ()
    names = [name for file in served for name in file.names]
    with EngineRegister(paths.machine_folder()).entered(names, myself()) as failed:
        if failed:
            line(f"{failed}: no halt without the database can be sure to be read")
        yield


async def anchor_file(journal: Journal, database: Database) -> AnchorFile:
    """Return the file of this database's heads, in which other databases may have theirs."""
    rows = await journal.rows("system_metadata", {"key": IDENTITY})
    owner = owner_of(rows[0]["value"] if rows else "")
    return AnchorFile(paths.anchor_path(database), SystemClock(), turnstile(), owner)


async def first_line(
    journal: Journal, database: Database, files: HaltFiles, book_age: str
) -> str:
    """Describe the state a run starts from, so that neither capital nor halt is overlooked."""
    halted, _ = await halts(journal, files.standing(), starting=True)
    usual = database.url == paths.default_database()
    more = "" if usual else f" --db {shlex.quote(database.shown)}"
    state = f"{clearing(halted, more)}; " if halted else ""
    held = await journal.rows("open_positions")
    count = sum(row["status"] != "CLOSED" for row in held)
    standing = f"resumes with {count} open positions" if count else "starts without positions"
    begun = "".join(
        f"; an execution of the last run did not end: {in_words(each)}"
        for each in await unfinished(journal)
    )
    return f"{database.shown}: {state}{standing}{begun}{book_age}"
