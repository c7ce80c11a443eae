"""Commands for the audit log; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dutchbook.cli.options import Db, url_of
from dutchbook.cli.output import complain, tell

audit = typer.Typer(no_args_is_help=True, help="The event log, and the proof that it is whole.")
FOUND = 1


@audit.command("verify")
def audit_verify(
    db: Db = "",
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQUENCE:HASH", help="A head that you kept elsewhere."),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file of anchors instead of the engine's own."),
    ] = None,
) -> None:
    """Check the chain of the log, the heads that were anchored, and the tables by replay."""
    from dutchbook.operations.audit import verified
    from dutchbook.persistence.log.audit import shown

    found, note = verified(url_of(db), tuple(anchor or ()), anchors)
    for problem in found.problems:
        complain(problem)
    if found.problems:
        raise typer.Exit(FOUND)
    tell(shown(found, note))


@audit.command("anchor")
def audit_anchor(db: Db = "") -> None:
    """Print the head of the log, to be kept elsewhere, and keep it among the anchors."""
    from dutchbook.operations.audit import anchor, head

    url = url_of(db)
    sequence, digest = found = head(url)
    tell(f"{sequence}:{digest}")
    anchor(url, found)
