"""Options and helpers that the command files share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dutchbook.cli.output import inert

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
    from dutchbook.cli.console.literal import LiteralConsole

    return LiteralConsole(sys.stdout)


def confirmed(question: str) -> bool:
    """Ask a person a question of yes and no; the default is no."""
    return typer.confirm(inert(question))
