"""The command line: one function a command, no logic."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dutchbook import __version__, session
from dutchbook.config import load
from dutchbook.console import report
from dutchbook.errors import DutchbookError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

INTERRUPTED = 130


@app.callback(invoke_without_command=True)
def dutchbook(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Buy YES on one prediction market and NO on the other for less than they pay together."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    assert context is not None, "typer gives a context"


@app.command()
def run(
    *,
    tape: Annotated[str, typer.Option(help="What to trade on: demo.")] = "demo",
    speed: Annotated[
        str, typer.Option(help="How many times as fast as it was recorded; max for at once.")
    ] = "20",
    db: Annotated[
        str, typer.Option(help="sqlite:///FILE or postgresql://…; a file of yours by default.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Makes ids and faults the same again.")] = 1,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting once."),
    ] = None,
    summary: Annotated[
        str, typer.Option(help="json: print nothing but the summary, as one object.")
    ] = "",
) -> None:
    """Run the engine on paper, to the end of the tape or until Ctrl-C."""
    if summary not in ("", "json"):
        raise typer.BadParameter("json is the only form", param_hint="--summary")
    options = session.Options(
        settings=load(config, tuple(override or ())),
        tape=tape,
        database=db or session.default_database(),
        speed=session.speed(speed),
        seed=seed,
        quiet=summary == "json",
    )
    console = Console()
    found = session.run(options, console)
    if summary == "json":
        typer.echo(json.dumps(found, sort_keys=True, separators=(",", ":")))
    else:
        report.show(console, found)


def main() -> None:
    """Run a command; an error of ours is one line on standard error and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except DutchbookError as error:
        if debug:
            raise
        typer.echo(f"dutchbook: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
