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

MOST_YEARS = 100
"""As `records.snapshot_years`."""
_LARGEST = 2**63 - 1
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        min=-_LARGEST,
        max=_LARGEST,
        help="Makes the same again: ids, faults, a made-up tape.",
    ),
]
Last = Annotated[
    int | None,
    typer.Option(min=1, max=1_000_000_000, help="Show only this many, the newest."),
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


def hook_settings(on_exposure: str, on_halt: str) -> list[str]:
    """Return the settings that ``--on-exposure`` and ``--on-halt`` of a run stand for."""
    given = {"on_exposure": on_exposure, "on_halt": on_halt}
    return [f"hooks.{name}={command}" for name, command in given.items() if command]
