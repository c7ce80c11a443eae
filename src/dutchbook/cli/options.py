"""Options and helpers that the command files share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from dutchbook.cli.output import inert
from dutchbook.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console


def _named(value: str, context: typer.Context, parameter: typer.CallbackParam) -> str:
    """Reject a URL that was given and is empty: a variable of the shell that is not set.

    Raises:
        InvalidInput: It is.
    """
    source = context.get_parameter_source(parameter.name or "")
    if not value and source is not None and source.name == "COMMANDLINE":
        raise InvalidInput("--db", value, "a database; leave --db out for your own")
    return value


Db = Annotated[
    str,
    typer.Option(
        "--db",
        metavar="URL",
        callback=_named,
        show_default=False,
        help="sqlite:///FILE or postgresql://USER@HOST/NAME; default: a file of yours.",
    ),
]


def _in_range(value: int) -> int:
    """Reject a seed that no column holds.

    Raises:
        InvalidInput: It is one.
    """
    if not -_LARGEST <= value <= _LARGEST:
        raise InvalidInput("--seed", value, f"from {-_LARGEST} to {_LARGEST}")
    return value


MOST_YEARS = 100
"""As `records.snapshot_years`."""
_LARGEST = 2**63 - 1
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        callback=_in_range,
        help="Makes the same again: ids, faults, a made-up tape.",
    ),
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
AsJson = Annotated[
    bool, typer.Option("--json", help="Print every column, exact, as JSON for programs.")
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print every column, exact, as CSV (RFC 4180).")
]
Rationale = Annotated[
    str,
    typer.Option(
        metavar="WHY", help="Why, in a sentence of at least 10 characters; it is recorded."
    ),
]
Last = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=1_000_000_000,
        show_default=False,
        help="Only the newest N. Default: 20 in a table, all as JSON or CSV.",
    ),
]
Since = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        show_default=False,
        help="Only from then on: 2026-07-05T18:00 (UTC unless it says its zone), or 30m, 2h"
        " or 3d before the newest row of the list.",
    ),
]
Pair = Annotated[
    str,
    typer.Option(
        metavar="PAIR", show_default=False, help="Only this pair; `pairs list` shows their ids."
    ),
]


@dataclass(frozen=True, slots=True)
class Form:
    """How a list is printed: as a table for people unless one of these is asked for.

    Raises:
        InvalidInput: Both are.
    """

    json: bool
    csv: bool

    def __post_init__(self) -> None:
        if self.json and self.csv:
            raise InvalidInput("--csv", "with --json", "possible: choose one of them")

    @property
    def table(self) -> bool:
        """Whether it is for people."""
        return not (self.json or self.csv)


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
