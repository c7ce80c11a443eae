"""Commands to the engine that are not about one position, and those that wait for it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dutchbook.cli.grouped import panel
from dutchbook.cli.options import (
    EXPIRES,
    AsJson,
    Db,
    Expires,
    Rationale,
    askable,
    confirmed,
    console,
    expiry_of,
    sure,
    url_of,
)
from dutchbook.cli.output import tell

FOUND = 1
Reason = Annotated[
    str,
    typer.Argument(
        metavar="REASON",
        help="A reason that `status` shows beside halted, or the id of a pair that failed too"
        " often.",
    ),
]
Amount = Annotated[
    str, typer.Option(metavar="DOLLARS", help="What the position may cost, such as 250.")
]
Target = Annotated[
    str,
    typer.Argument(metavar="PAIR", help="A pair, or an opportunity that was refused: its id."),
]
Why = Annotated[str, typer.Option(metavar="WHY", help="Why, in a sentence.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An id, or how it begins.")]
commands = typer.Typer(help="Commands that wait for an engine.", invoke_without_command=True)


def resume(
    reason: Reason, rationale: Rationale, db: Db = "", *, as_json: AsJson = False
) -> None:
    """Clear one reason of a halt, or give a pair back that failed too often."""
    from dutchbook.operations import requests

    result = requests.command(url_of(db), "resume", {"reason": reason}, rationale)
    _answered("resume", result, as_json=as_json)


def override(
    target: Target,
    amount: Amount,
    rationale: Rationale,
    db: Db = "",
    expires: Expires = EXPIRES,
    *,
    as_json: AsJson = False,
) -> None:
    """Lift size, slots and platform share for the next execution of an opportunity or pair."""
    from dutchbook.domain.capital.limits import Grade
    from dutchbook.domain.values.units import money
    from dutchbook.operations import requests

    money(amount, field="--amount")
    arguments, lasts = {"target": target, "amount": amount}, expiry_of(expires)
    grade = Grade.TRADING
    result = requests.command(url_of(db), "override", arguments, rationale, grade, lasts)
    _answered("override", result, as_json=as_json)


def wind_down(
    rationale: Rationale,
    db: Db = "",
    expires: Expires = EXPIRES,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Enter nothing more, leave every position, then stop. Shows the cost, and asks."""
    from dutchbook.application.views.exit_prices import exit_prices
    from dutchbook.bootstrap import paths
    from dutchbook.cli.console import winding_down as shown
    from dutchbook.domain.capital.limits import Grade
    from dutchbook.operations import requests

    requests.meaningful(rationale)
    sure(yes=yes, as_json=as_json)
    lasts = expiry_of(expires)
    askable("wind-down", yes=yes)
    if not as_json:
        rules = paths.settings().exit_rules()
        rows = requests.reading(url_of(db), lambda journal: exit_prices(journal, rules))
        shown.priced(console(), rows, rules.urgent_cost)
    if not yes and not confirmed("Enter nothing more, and leave all of it?"):
        tell("nothing was requested")
        return
    grade = Grade.NO_ENTRIES
    result = requests.command(url_of(db), "wind_down", {}, rationale, grade, lasts)
    _answered("wind_down", result, as_json=as_json)


def reconcile(db: Db = "", *, as_json: AsJson = False) -> None:
    """Compare our record with the platforms' as soon as possible."""
    from dutchbook.operations import requests

    result = requests.command(url_of(db), "reconcile", {}, "asked for from a shell")
    _answered("reconcile", result, as_json=as_json)


def _answered(name: str, result: dict[str, Any], *, as_json: bool) -> None:
    """Print the result of a command; exit with code 1 if it was rejected."""
    from dutchbook.cli.console import answers

    tell(json.dumps(result, sort_keys=True) if as_json else answers.answered(name, result))
    if result["answer"] is not None and not result["answer"].get("done"):
        raise typer.Exit(FOUND)


@commands.callback()
def waiting(context: typer.Context, db: Db = "", *, as_json: AsJson = False) -> None:
    """List the commands that wait for an engine, oldest first."""
    from dutchbook.cli.console import answers
    from dutchbook.domain.events import as_json as as_json_of
    from dutchbook.operations import waiting as there

    if context.invoked_subcommand is not None:
        return
    rows, engine = there.waiting(url_of(db))
    if as_json:
        tell(json.dumps(as_json_of(rows)))
        return
    for row in rows:
        tell(answers.waiting(row))
    runs = f"the engine {engine} runs" if engine else "no engine runs"
    tell(f"{len(rows)} waiting; {runs}" if rows else f"no command waits; {runs}")


@commands.command()
def withdraw(id_: Id, db: Db = "", rationale: Why = "", *, as_json: AsJson = False) -> None:
    """Withdraw a command that waits: no engine carries it out. A halt is not withdrawn."""
    from dutchbook.operations import waiting as there

    found = there.withdraw(url_of(db), id_, rationale)
    if as_json:
        tell(json.dumps(found))
        return
    stays = (
        "; its halt stays: `dutchbook resume operator` lifts it" if found["halt_stays"] else ""
    )
    tell(f"withdrawn: {found['name'].replace('_', '-')} {found['command']}{stays}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for work in (resume, override, wind_down, reconcile):
        name = work.__name__.replace("_", "-")
        app.command(name, rich_help_panel=panel(name))(work)
    app.add_typer(commands, name="commands", rich_help_panel=panel("commands"))
