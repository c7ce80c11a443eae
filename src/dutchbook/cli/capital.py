"""Commands for cash that comes in or goes out; no logic."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dutchbook.cli.options import AsJson, Db, url_of
from dutchbook.cli.output import tell

capital = typer.Typer(no_args_is_help=True, help="Cash that comes in or goes out.")
Platform = Annotated[str, typer.Argument(metavar="PLATFORM", help="kalshi or polymarket.")]
Amount = Annotated[str, typer.Argument(metavar="DOLLARS", help="How much, such as 250.50.")]
Note = Annotated[
    str, typer.Option(metavar="TEXT", show_default=False, help="What it was; it is recorded.")
]


@capital.command("deposit")
def deposit(
    platform: Platform,
    amount: Amount,
    note: Note = "",
    db: Db = "",
    *,
    as_json: AsJson = False,
) -> None:
    """Book dollars that came in."""
    _moved(platform, amount, note, db, out=False, as_json=as_json)


@capital.command("withdraw")
def withdraw(
    platform: Platform,
    amount: Amount,
    note: Note = "",
    db: Db = "",
    *,
    as_json: AsJson = False,
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
