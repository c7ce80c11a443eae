"""Commands for the database itself; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dutchbook.cli.options import MOST_YEARS, Db, url_of
from dutchbook.cli.output import complain, tell

if TYPE_CHECKING:
    from dutchbook.operations.backup import Copied

database = typer.Typer(no_args_is_help=True, help="The database itself.")
FOUND = 1


@database.command("upgrade")
def db_upgrade(db: Db = "") -> None:
    """Bring the schema up to this program's; back it up first (`db backup`)."""
    from dutchbook.operations import admin

    tell(admin.upgrade(url_of(db)))


@database.command("prune")
def db_prune(
    db: Db = "",
    years: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_YEARS,
            show_default=False,
            help="Keep this many years; else as the settings say.",
        ),
    ] = None,
) -> None:
    """Delete book snapshots that are older than they must be kept."""
    from dutchbook.bootstrap import paths
    from dutchbook.operations import admin

    kept = years or paths.settings().records.snapshot_years
    tell(f"{admin.prune(url_of(db), kept)} snapshots deleted")


@database.command("verify")
def db_verify(db: Db = "") -> None:
    """Check pages, references, the event log (`audit verify`), the ledger and the sums."""
    from dutchbook.operations import admin

    problems = admin.problems(url_of(db))
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(FOUND)
    tell("whole")


@database.command("backup")
def db_backup(
    dest: Annotated[
        Path, typer.Argument(metavar="FILE", help="A new file; nothing is overwritten.")
    ],
    db: Db = "",
) -> None:
    """Copy the database and its anchors as of now, also while an engine runs, and verify it."""
    from dutchbook.operations import backup

    made = backup.backup(url_of(db), dest)
    _complain(made)
    sequence, head = made.head
    what = f"{made.path}: {sequence} entries up to {head}"
    tell(f"{what}, anchors in {made.anchors}" if made.anchors else f"{what}, no anchors")
    if made.problems:
        complain("copied all the same; it is not whole")
        raise typer.Exit(FOUND)


@database.command("restore")
def db_restore(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A backup, its .anchors file next to it.")
    ],
    db: Db = "",
) -> None:
    """Copy a backup to where there is no database, if it verifies."""
    from dutchbook.operations import backup

    made = backup.restore(url_of(db), source)
    _complain(made)
    if made.problems:
        complain("nothing was restored")
        raise typer.Exit(FOUND)
    tell(f"{made.path}: {made.head[0]} entries up to {made.head[1]}")
    for note in made.notes:
        tell(f"heads kept here before tell of another log: {note}")


def _complain(made: Copied) -> None:
    for problem in made.problems:
        complain(problem)
