"""The command line: one function for each command, no logic; each imports what it needs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dutchbook import __version__
from dutchbook.cli import commands as operator_commands
from dutchbook.cli import lists
from dutchbook.cli import positions as position_commands
from dutchbook.cli.audit import audit
from dutchbook.cli.capital import capital
from dutchbook.cli.database import database
from dutchbook.cli.grouped import Grouped, panel
from dutchbook.cli.options import AsJson, Db, Seed, console, hook_settings, url_of
from dutchbook.cli.outcome import outcome
from dutchbook.cli.output import engine_output, tell
from dutchbook.cli.pairs import pairs
from dutchbook.cli.study import study
from dutchbook.cli.tape import tapes

if TYPE_CHECKING:
    from dutchbook.bootstrap.paper_run import Options

EXIT_CODES = (
    "Exit codes: 0 done · 1 there is something to report · 2 usage or configuration ·"
    " 3 database · 4 another engine writes to that database · 5 platform · 130 interrupted."
)
app = typer.Typer(
    cls=Grouped,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
for name, group in {
    "pairs": pairs,
    "capital": capital,
    "tape": tapes,
    "db": database,
    "audit": audit,
}.items():
    app.add_typer(group, name=name, rich_help_panel=panel(name))
position_commands.add_to(app)
operator_commands.add_to(app)
lists.add_to(app)
app.command("study", rich_help_panel=panel("study"))(study)

Tape = Annotated[
    str,
    typer.Option(
        metavar="FILE", help="What to trade on: demo, or a tape (`dutchbook tape --help`)."
    ),
]
Speed = Annotated[
    str,
    typer.Option(
        metavar="N", help="How many times as fast as it was recorded; max for at once."
    ),
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A TOML file of settings instead of yours.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting once."),
]
Results = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What the tape's contracts resolve to at its end: TOML, or JSON if its name ends"
        ' in .json, with a line for each contract, such as: "KXDEMO-26-00" = 1 (YES pays),'
        ' 0 (NO pays) or "void". `dutchbook tape info FILE` lists the contracts,'
        " docs/tape-format.md the rest.",
    ),
]
Summary = Annotated[
    str,
    typer.Option(
        metavar="json",
        show_default=False,
        help="json: print nothing but the summary, as one object.",
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
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Buy what an earlier run on the same tape bought, and count it once more.",
    ),
]


@app.callback(invoke_without_command=True)
def dutchbook(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the trace of an error; anywhere in a command."),
    ] = False,
) -> None:
    """Buy YES on one prediction market and NO on the other for less than they pay together."""
    del debug  # `main` takes it from wherever it stands
    if version:
        tell(__version__)
        raise typer.Exit


@app.command(rich_help_panel=panel("init"))
def init() -> None:
    """Write the commented settings and make the data directory, where there are none."""
    from dutchbook.bootstrap import paths

    for path in paths.initialise():
        tell(f"made {path}")
    tell(f"settings: {paths.default_config()}")


@app.command(rich_help_panel=panel("run"), epilog=EXIT_CODES)
def run(
    *,
    tape: Tape = "demo",
    speed: Speed = "20",
    db: Db = "",
    seed: Seed = 1,
    config: Config = None,
    override: Overrides = None,
    results: Results = None,
    summary: Summary = "",
    details: Details = False,
    standby: Standby = False,
    fresh: Fresh = False,
    again: Again = False,
    on_exposure: OnExposure = "",
    on_halt: OnHalt = "",
) -> None:
    """Run the engine on paper, to the end of the tape or until Ctrl-C.

    A second run on a tape goes on from what the database holds, and takes no edge twice.
    """
    from dutchbook.bootstrap import paper_run, paths
    from dutchbook.config import load

    if summary not in ("", "json"):
        raise typer.BadParameter("json is the only form", param_hint="--summary")
    paths.initialise()
    once = [*(override or ()), *hook_settings(on_exposure, on_halt)]
    options = paper_run.Options(
        settings=load(config or paths.default_config(), tuple(once), os.environ),
        tape=tape,
        database=url_of(db),
        speed=paper_run.speed(speed),
        seed=seed,
        standby=standby,
        results=results,
        again=again,
    )
    with options.signals:
        _trade(options, as_json=summary == "json", details=details, fresh=fresh)


def _trade(options: Options, *, as_json: bool, details: bool, fresh: bool) -> None:
    """Run the engine, on a new database if it is to begin afresh, and sum its run up."""
    from dutchbook.bootstrap import paper_run
    from dutchbook.cli.console import report
    from dutchbook.cli.console.screen import TerminalScreen
    from dutchbook.operations.fresh import set_aside

    screen = console()
    shown = paper_run.NoScreen() if as_json else TerminalScreen(screen, options.database)
    if fresh and options.standby:
        raise typer.BadParameter("a standby takes over what is there", param_hint="--fresh")
    if fresh:
        paper_run.check(options)
        for line in set_aside(options.database):
            shown.line(line)
    with engine_output(live=options.speed is not None):
        found = paper_run.run(options, shown)
    if as_json:
        tell(json.dumps(found, sort_keys=True, separators=(",", ":")))
    else:
        report.show(screen, found, details=details)


@app.command(rich_help_panel=panel("halt"))
def halt(
    rationale: Annotated[
        str, typer.Option(metavar="WHY", show_default=False, help="Why; it is recorded.")
    ] = "",
    db: Db = "",
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Nothing but cancels: no hedge and no exit either.")
    ] = False,
    cancel_all: Annotated[
        bool, typer.Option("--cancel-all", help="Cancel every order that works, too.")
    ] = False,
) -> None:
    """Enter nothing more, from now on; works while the engine hangs."""
    from dutchbook.domain.capital.limits import Grade
    from dutchbook.operations import requests

    grade = Grade.CANCELS_ONLY if everything else Grade.NO_ENTRIES
    tell(requests.halt(url_of(db), grade, rationale, cancel_all=cancel_all))


@app.command(rich_help_panel=panel("status"))
def status(db: Db = "", *, as_json: AsJson = False) -> None:
    """Where a database stands: capital, positions, halts."""
    from dutchbook.operations import requests

    found = requests.status(url_of(db))
    if as_json:
        tell(json.dumps(found))
    else:
        from dutchbook.cli.console import report

        report.standing(console(), found)


def main() -> None:
    """Run a command; an error of ours becomes one line on standard error and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    sys.exit(outcome(lambda: app(standalone_mode=False), debug=debug))
