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
from dutchbook.cli import positions as position_commands
from dutchbook.cli.audit import audit
from dutchbook.cli.database import database
from dutchbook.cli.options import (
    Db,
    Details,
    Fresh,
    Last,
    OnExposure,
    OnHalt,
    Seed,
    Standby,
    confirmed,
    console,
    hook_settings,
    sure,
    url_of,
)
from dutchbook.cli.outcome import outcome
from dutchbook.cli.output import engine_output, tell
from dutchbook.cli.tape import tapes

if TYPE_CHECKING:
    from dutchbook.bootstrap.paper_run import Options

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
pairs = typer.Typer(no_args_is_help=True, help="Pairs of contracts, and their approval.")
capital = typer.Typer(no_args_is_help=True, help="Cash that comes in or goes out.")
app.add_typer(pairs, name="pairs")
app.add_typer(capital, name="capital")
app.add_typer(tapes, name="tape")
app.add_typer(database, name="db")
app.add_typer(audit, name="audit")

position_commands.add_to(app)
operator_commands.add_to(app)

AsJson = Annotated[bool, typer.Option("--json", help="Print every column as JSON.")]
Rationale = Annotated[str, typer.Option(help="Why, in a sentence.")]
Note = Annotated[str, typer.Option(help="What it was.")]


def _list(
    db: str,
    table: str,
    order_by: tuple[str, ...],
    columns: str,
    last: int | None = None,
    *,
    as_json: bool,
) -> None:
    from dutchbook.cli.console import tables
    from dutchbook.operations import requests

    rows = requests.rows(url_of(db), table, order_by, last)
    tables.show(console(), rows, columns.split(), as_text=not as_json)


@app.callback(invoke_without_command=True)
def dutchbook(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Buy YES on one prediction market and NO on the other for less than they pay together."""
    if version:
        tell(__version__)
        raise typer.Exit


@app.command()
def init() -> None:
    """Write the commented settings and make the data directory, where there are none."""
    from dutchbook.bootstrap import paths

    for path in paths.initialise():
        tell(f"made {path}")
    tell(f"settings: {paths.default_config()}")


@app.command()
def run(
    *,
    tape: Annotated[
        str, typer.Option(help="What to trade on: demo, or a tape's path.")
    ] = "demo",
    speed: Annotated[
        str, typer.Option(help="How many times as fast as it was recorded; max for at once.")
    ] = "20",
    db: Db = "",
    seed: Seed = 1,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of settings instead of yours.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting once."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="What the tape's contracts resolve to at its end, TOML or JSON."),
    ] = None,
    summary: Annotated[
        str, typer.Option(help="json: print nothing but the summary, as one object.")
    ] = "",
    details: Details = False,
    standby: Standby = False,
    fresh: Fresh = False,
    on_exposure: OnExposure = "",
    on_halt: OnHalt = "",
) -> None:
    """Run the engine on paper, to the end of the tape or until Ctrl-C."""
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


@app.command()
def halt(
    rationale: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
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


@app.command()
def status(db: Db = "", *, as_json: AsJson = False) -> None:
    """Where a database stands: capital, positions, halts."""
    from dutchbook.operations import requests

    found = requests.status(url_of(db))
    if as_json:
        tell(json.dumps(found))
    else:
        from dutchbook.cli.console import report

        report.standing(console(), found)


@app.command()
def positions(db: Db = "", *, as_json: AsJson = False) -> None:
    """Every position, oldest first."""
    from dutchbook.cli.console import positions as shown
    from dutchbook.cli.console import tables
    from dutchbook.operations import admin, requests

    unfinished, engine = requests.begun(url_of(db))
    if as_json:
        order = ("opened_at", "position_id")
        rows = requests.rows(url_of(db), "open_positions", order)
        tables.show(console(), [*rows, *unfinished], [], as_text=False)
        return
    shown.listed(console(), admin.positions(url_of(db)), unfinished, engine)


@app.command("report")
def results(
    db: Db = "",
    by: Annotated[str, typer.Option(help="day, pair or platform.")] = "day",
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print it as CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """What was made, by day, by pair or by platform, in dollars."""
    from dutchbook.application.views import result
    from dutchbook.cli.console import tables
    from dutchbook.operations import requests

    rows = requests.reading(url_of(db), lambda journal: result.report(journal, by))
    if csv:
        tables.as_csv(rows)
    else:
        tables.show(console(), rows, [*rows[0]] if rows else [], as_text=not as_json)


@app.command()
def orders(db: Db = "", *, last: Last = None, as_json: AsJson = False) -> None:
    """Every order, oldest first."""
    columns = "created_at platform leg side outcome price size status fill_size refusal"
    _list(db, "orders", ("created_at", "order_id"), columns, last, as_json=as_json)


@app.command()
def opportunities(db: Db = "", *, last: Last = None, as_json: AsJson = False) -> None:
    """Every edge that was acted on, or refused although it was there."""
    columns = (
        "detected_at pair_id direction reason quantity gross_edge net_edge expected_profit"
    )
    order = ("detected_at", "opportunity_id")
    _list(db, "opportunities", order, columns, last, as_json=as_json)


@app.command()
def events(db: Db = "", *, last: Last = None, as_json: AsJson = False) -> None:
    """The event log."""
    columns = "sequence occurred_at name payload"
    _list(db, "audit_log", ("sequence",), columns, last, as_json=as_json)


@app.command()
def ledger(db: Db = "", *, last: Last = None, as_json: AsJson = False) -> None:
    """Every posting: each movement sums to zero."""
    columns = "booked_at account_id kind bucket amount reference note"
    _list(db, "ledger_entries", ("booked_at", "entry_id"), columns, last, as_json=as_json)


@pairs.command("list")
def pairs_list(db: Db = "", *, as_json: AsJson = False) -> None:
    """Every pair that is known."""
    from dutchbook.cli.console import tables
    from dutchbook.operations import admin

    columns = (
        "match_id kalshi_description polymarket_description divergence_class approval"
        " resolution_date"
    )
    rows = admin.known_pairs(url_of(db))
    tables.show(console(), rows, columns.split(), as_text=not as_json)


@pairs.command("add")
def pairs_add(file: Path, db: Db = "") -> None:
    """Add the pairs of a file, and show both questions; a person approves each afterwards."""
    from dutchbook.bootstrap import paths
    from dutchbook.cli.console import pairs as shown
    from dutchbook.operations import admin

    for pair in admin.add_pairs(url_of(db), file, paths.settings()):
        shown.compared(console(), admin.pair_in_full(url_of(db), pair))
        tell(f"added {pair}: not traded until you approve it")


@pairs.command("approve")
def pairs_approve(
    pair: str,
    rationale: Rationale,
    db: Db = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve a pair: both contracts ask the same question. Shows both, and asks."""
    from dutchbook.cli.console import pairs as shown
    from dutchbook.operations import admin, requests

    requests.meaningful(rationale)
    sure(yes=yes, as_json=as_json)
    if not as_json:
        shown.compared(console(), admin.pair_in_full(url_of(db), pair))
    if not yes and not confirmed("Do both ask the same question, and may it be traded?"):
        tell("nothing was approved")
        return
    admin.decide_pair(url_of(db), pair, rationale, approve=True)
    done = f"approved {pair}: entries from the next run on"
    tell(json.dumps({"pair": pair, "approved": True}) if as_json else done)


@pairs.command("revoke")
def pairs_revoke(
    pair: str, rationale: Rationale, db: Db = "", *, as_json: AsJson = False
) -> None:
    """Take an approval back: no new entry on this pair."""
    from dutchbook.operations import admin

    admin.decide_pair(url_of(db), pair, rationale, approve=False)
    done = f"revoked {pair}: no new entry; what is held of it is managed as before"
    tell(json.dumps({"pair": pair, "approved": False}) if as_json else done)


@capital.command("deposit")
def deposit(
    platform: str, amount: str, note: Note = "", db: Db = "", *, as_json: AsJson = False
) -> None:
    """Book dollars that came in."""
    _moved(platform, amount, note, db, out=False, as_json=as_json)


@capital.command("withdraw")
def withdraw(
    platform: str, amount: str, note: Note = "", db: Db = "", *, as_json: AsJson = False
) -> None:
    """Book dollars that went out; only free capital can."""
    _moved(platform, amount, note, db, out=True, as_json=as_json)


def _moved(platform: str, amount: str, note: str, db: str, *, out: bool, as_json: bool) -> None:
    from dutchbook.operations import admin

    held = admin.move_cash(url_of(db), platform, amount, note, out=out)
    if as_json:
        tell(json.dumps(held))
        return
    way = "out of" if out else "into"
    now = ", ".join(f"{dollars} {name}" for name, dollars in held.items())
    tell(f"booked {amount} dollars {way} {platform}, which holds {now} now")


def main() -> None:
    """Run a command; an error of ours becomes one line on standard error and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    sys.exit(outcome(lambda: app(standalone_mode=False), debug=debug))
