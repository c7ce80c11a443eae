"""Options and helpers that the command files share."""

from __future__ import annotations

import sys
from datetime import timedelta
from decimal import Decimal
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
Standby = Annotated[
    bool, typer.Option("--standby", help="Wait until no other engine has the database.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Move the database aside, and begin a new one.")
]
Details = Annotated[bool, typer.Option("--details", help="Print every figure of the summary.")]
OnExposure = Annotated[
    str,
    typer.Option(metavar="CMD", help="Start this when a leg is unhedged, still is, or ends."),
]
OnHalt = Annotated[
    str, typer.Option(metavar="CMD", help="Start this when a halt begins or is lifted.")
]
SHORTEST, WEEK = Decimal("0.1"), Decimal(10_080)
"""Minutes that a command may wait for an engine."""
Expires = Annotated[
    str,
    typer.Option(
        "--expires",
        metavar="MINUTES",
        help="Without an engine, for how long one that starts may still do it.",
    ),
]
EXPIRES = "15"
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


def sure(*, yes: bool, as_json: bool) -> None:
    """Require ``--yes`` where nobody can be asked because the output is JSON.

    Raises:
        InvalidInput: It was not given.
    """
    from dutchbook.errors import InvalidInput

    if as_json and not yes:
        raise InvalidInput("--json", "alone", "possible without --yes: nobody can be asked")


def hook_settings(on_exposure: str, on_halt: str) -> list[str]:
    """Return the settings that ``--on-exposure`` and ``--on-halt`` of a run stand for."""
    given = {"on_exposure": on_exposure, "on_halt": on_halt}
    return [f"hooks.{name}={command}" for name, command in given.items() if command]


def askable(command: str, *, yes: bool) -> None:
    """Require ``--yes`` where no person is at the other end of the input.

    Raises:
        InvalidInput: It was not given.
    """
    from dutchbook.errors import InvalidInput

    if not yes and not sys.stdin.isatty():
        wanted = "possible where the input is no terminal: nobody can be asked"
        raise InvalidInput(command, "without --yes", wanted)


def expiry_of(minutes: str) -> timedelta:
    """Return how long a command may wait for an engine.

    Raises:
        InvalidInput: It is not a number of minutes from 0.1 to 10,080, a week.
    """
    from dutchbook.errors import InvalidInput

    try:
        number = Decimal(minutes)
    except ArithmeticError:
        number = Decimal(0)
    if not number.is_finite() or not SHORTEST <= number <= WEEK:
        raise InvalidInput("--expires", minutes, f"minutes from {SHORTEST} to {WEEK}")
    return timedelta(seconds=float(number * 60))
