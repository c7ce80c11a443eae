"""Options and helpers that the command files share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

Db = Annotated[
    str,
    typer.Option(
        "--db",
        help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; else a file of yours.",
    ),
]


def url_of(db: str) -> str:
    """Return the URL that was given, else that of the user's default database."""
    from dutchbook.bootstrap import paths

    return db or paths.default_database()


def console() -> Console:
    """Return a console for output to people."""
    from rich.console import Console

    return Console()
