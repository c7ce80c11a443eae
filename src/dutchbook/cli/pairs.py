"""Commands for pairs of contracts and their approval; no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dutchbook.cli.options import AsJson, Db, Rationale, confirmed, console, sure, url_of
from dutchbook.cli.output import tell

pairs = typer.Typer(no_args_is_help=True, help="Pairs of contracts, and their approval.")
PairId = Annotated[
    str, typer.Argument(metavar="PAIR", help="The pair's id, as `pairs list` shows it.")
]
File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="TOML, or JSON if its name ends in .json: a table for each pair with kalshi and"
        " polymarket (contract ids), and for each contract that the database does not know"
        " its rules, dates, ticks and fees. docs/tape-format.md lists every field.",
    ),
]


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
def pairs_add(file: File, db: Db = "") -> None:
    """Add the pairs of a file, and show both questions; a person approves each afterwards."""
    from dutchbook.bootstrap import paths
    from dutchbook.cli.console import pairs as shown
    from dutchbook.operations import admin

    for pair in admin.add_pairs(url_of(db), file, paths.settings()):
        shown.compared(console(), admin.pair_in_full(url_of(db), pair))
        tell(f"added {pair}: not traded until you approve it")


@pairs.command("approve")
def pairs_approve(
    pair: PairId,
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
    pair: PairId, rationale: Rationale, db: Db = "", *, as_json: AsJson = False
) -> None:
    """Take an approval back: no new entry on this pair."""
    from dutchbook.operations import admin

    admin.decide_pair(url_of(db), pair, rationale, approve=False)
    done = f"revoked {pair}: no new entry; what is held of it is managed as before"
    tell(json.dumps({"pair": pair, "approved": False}) if as_json else done)
