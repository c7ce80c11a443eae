"""Commands for single positions: what happened, what can be done, and doing it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dutchbook.cli.grouped import panel
from dutchbook.cli.options import (
    EXPIRES,
    Db,
    Expires,
    confirmed,
    console,
    expiry_of,
    sure,
    url_of,
)
from dutchbook.cli.output import tell
from dutchbook.errors import InvalidInput, InvalidPositionState

if TYPE_CHECKING:
    from dutchbook.domain.values.units import Money, Price

FOUND = 1
Id = Annotated[str, typer.Argument(metavar="ID", help="An id, or how it begins.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Why = Annotated[
    str, typer.Option("--rationale", metavar="WHY", help="Why, in a sentence; it is recorded.")
]
Choice = Annotated[
    str,
    typer.Option(
        metavar="CHOICE",
        help="acknowledge (what we hold is so), adopt-platform (what the platform says is so)"
        " or force-close (nothing is left; --paid says what each contract brought).",
    ),
]
Paid = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PLATFORM=DOLLARS",
        help="For force-close: kalshi=0.30, what each contract left there brought.",
    ),
]
Least = Annotated[
    str,
    typer.Option(
        "--at-least",
        metavar="DOLLARS",
        show_default=False,
        help="Dollars that closing all of it must bring to be done, and a part of it its part;"
        " else what is shown, less 2 cents a contract.",
    ),
]
SLACK = Decimal("0.02")
"""Default for how much worse than shown a result may be, in dollars a contract."""
CHOICES = ("acknowledge", "force-close", "adopt-platform")


def _print(found: Any) -> None:
    from dutchbook.domain.events import as_json as as_json_of

    tell(json.dumps(as_json_of(found)))


def exposures(db: Db = "", *, as_json: AsJson = False) -> None:
    """Every unhedged leg: what is at risk, and what to do. Ends with 1 if there is one."""
    from dutchbook.application.views import timeline
    from dutchbook.bootstrap import paths
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    often = paths.settings().reminding()
    found = requests.reading(url_of(db), lambda journal: timeline.exposures(journal, often))
    unfinished, engine = requests.begun(url_of(db))
    alone = [row for row in unfinished if row["unhedged"]]
    if as_json:
        _print([*found, *alone])
    else:
        shown.exposed(console(), found, alone, engine)
    if found or alone:
        raise typer.Exit(FOUND)


def position(id_: Id, db: Db = "", *, as_json: AsJson = False) -> None:
    """All of one position: legs, orders, fills, results, and what can be done."""
    from dutchbook.application.views import timeline
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    found = requests.reading(url_of(db), lambda journal: timeline.position(journal, id_))
    if as_json:
        _print(found)
    else:
        shown.whole(console(), found)


def explain(id_: Id, db: Db = "", *, as_json: AsJson = False) -> None:
    """The story of a position, order or execution, in sentences."""
    from dutchbook.application.views import timeline
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    entries, found, orders = requests.reading(url_of(db), lambda j: timeline.explain(j, id_))
    begun, engine = requests.begun(url_of(db))
    mine = [row for row in begun if {order["order_id"] for order in orders} & {*row["orders"]}]
    if as_json:
        under_way = mine[0] if mine else None
        _print({"story": entries, "position": found, "orders": orders, "under_way": under_way})
    else:
        shown.story(console(), entries, found, mine, engine)


def discrepancies(db: Db = "", *, as_json: AsJson = False) -> None:
    """Where our record and the platforms' differ, and what a person can answer."""
    from dutchbook.application.views import timeline
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    found = requests.reading(url_of(db), timeline.discrepancies)
    if as_json:
        _print(found)
    else:
        shown.disputed(console(), found)


def retry_leg(
    id_: Id,
    price: Annotated[
        str, typer.Option(metavar="PRICE", help="The worst price, in dollars of that leg.")
    ],
    db: Db = "",
    rationale: Why = "",
    expires: Expires = EXPIRES,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Buy the missing leg at a price or better."""
    from dutchbook.domain.positions.exposure import RETRY
    from dutchbook.domain.values.units import price as checked_price

    _leg(
        RETRY,
        id_,
        checked_price(price, field="--price"),
        db,
        rationale,
        expires,
        yes=yes,
        as_json=as_json,
    )


def close_leg(
    id_: Id,
    db: Db = "",
    rationale: Why = "",
    at_least: Least = "",
    expires: Expires = EXPIRES,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Close the unhedged leg at once, the cheaper way."""
    from dutchbook.domain.positions.exposure import CLOSE

    _leg(CLOSE, id_, None, db, rationale, expires, at_least, yes=yes, as_json=as_json)


def complement(
    id_: Id,
    db: Db = "",
    rationale: Why = "",
    at_least: Least = "",
    expires: Expires = EXPIRES,
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Buy the opposite outcome of the unhedged leg: each pair is a dollar."""
    from dutchbook.domain.positions.exposure import COMPLEMENT

    _leg(COMPLEMENT, id_, None, db, rationale, expires, at_least, yes=yes, as_json=as_json)


def resolve(
    id_: Id,
    choice: Choice,
    rationale: Why,
    paid: Paid = None,
    db: Db = "",
    *,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Resolve a discrepancy between our record and a platform's: a position's, or by its id."""
    from dutchbook.application.views import timeline
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    if choice not in CHOICES:
        raise InvalidInput("--choice", choice, ", ".join(CHOICES))
    requests.meaningful(rationale)
    found, other = requests.reading(url_of(db), lambda journal: timeline.disputed(journal, id_))
    subject = found["position_id"] if found else other["discrepancy_id"] if other else id_
    if not as_json and found:
        shown.whole(console(), found)
    elif not as_json and other:
        shown.disputed(console(), [other])
    figures = dict(each.partition("=")[::2] for each in paid) if paid else None
    arguments: dict[str, Any] = {"subject": subject, "choice": choice.replace("-", "_")}
    arguments["paid"] = figures
    _send("resolve", arguments, db, rationale, yes=yes, as_json=as_json)


def _leg(
    name: str,
    id_: str,
    price: Price | None,
    db: str,
    rationale: str,
    expires: str,
    at_least: str = "",
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from dutchbook.application.views import timeline
    from dutchbook.cli.console import positions as shown
    from dutchbook.domain.events import as_json as as_json_of
    from dutchbook.domain.values.units import money, plain
    from dutchbook.operations import requests

    least = money(at_least, field="--at-least") if at_least else None
    found = requests.reading(url_of(db), lambda journal: timeline.position(journal, id_))
    if found["unhedged"] is None:
        raise InvalidPositionState(found["position_id"], found["status"], "no leg is unhedged")
    arguments = {"position": found["position_id"], "version": found["version"]}
    worst = None
    if price is not None:
        arguments["price"] = plain(price)
        worst = requests.reading(url_of(db), lambda j: timeline.at_price(j, found, price))
    elif (least := least if least is not None else _least(found, name)) is not None:
        arguments["at_least"] = plain(least)
    if not as_json:
        at_worst = as_json_of(worst) if worst else None
        shown.before(console(), found, name, at_worst, least)
    _send(name, arguments, db, rationale, expires, yes=yes, as_json=as_json)


def _least(found: dict[str, Any], name: str) -> Money | None:
    """Return the default of what closing all must bring, None if it was not priced."""
    from dutchbook.cli.console import positions as shown
    from dutchbook.domain.values.units import due

    choice = shown.priced(found, name)
    if choice is None or choice["pnl"] is None:
        return None
    return due((shown.per_contract(choice) - SLACK) * found["unhedged"]["quantity"])


def _send(
    name: str,
    arguments: dict[str, Any],
    db: str,
    rationale: str,
    expires: str = EXPIRES,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a command once it is confirmed, and print its result."""
    from dutchbook.cli.console import positions as shown
    from dutchbook.operations import requests

    sure(yes=yes, as_json=as_json)
    lasts = expiry_of(expires)
    if not yes and not confirmed("Do it?"):
        tell("nothing was requested")
        return
    result = requests.ask(url_of(db), name, arguments, rationale, lasts)
    if as_json:
        _print(result)
    else:
        shown.after(console(), result)
    if result["answer"] is not None and not result["answer"]["done"]:
        raise typer.Exit(FOUND)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for work in (
        exposures,
        position,
        explain,
        discrepancies,
        retry_leg,
        close_leg,
        complement,
        resolve,
    ):
        name = work.__name__.replace("_", "-")
        app.command(name, rich_help_panel=panel(name))(work)
