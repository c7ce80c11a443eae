"""Prints exposed positions, one whole position, and its timeline, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dutchbook.application.records.log import Entry
from dutchbook.application.views.attributions import line as edge_line
from dutchbook.application.views.unanswered import in_words as unanswered_in_words
from dutchbook.application.views.unfinished import in_words
from dutchbook.cli.console import answers
from dutchbook.cli.console.literal import Lines
from dutchbook.cli.console.sentences import STATES, numbers, sentence, way
from dutchbook.cli.output import inert
from dutchbook.domain.events import SingleLegExposureReminder
from dutchbook.domain.positions.exposure_words import (
    COMMANDS,
    SHORT,
    WAYS,
    command,
    dollars,
    exposed_in_words,
)
from dutchbook.domain.values.units import due, plain

Row = Mapping[str, Any]
DISPUTED = "RECONCILIATION_REQUIRED"
ANSWERS = {
    "acknowledge": "what we hold is so, and the same difference is not asked again",
    "adopt-platform": "what the platform says now is so; it is asked again, and that is booked",
    "force-close": "nothing is left of the position; --paid says what each contract brought",
}
"""What a person can answer to a discrepancy, and what each answer means."""


def _say(console: Console, line: str = "", indent: int = 0) -> None:
    """Print a line, wrapped to the console's width with an indent."""
    wrapped = textwrap.wrap(
        inert(line, console.encoding),
        console.width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(Lines(*wrapped), soft_wrap=True)


def _count(quantity: Any) -> str:
    return plain(Decimal(quantity))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def begun(console: Console, rows: Iterable[Row], engine: str | None) -> None:
    """Print the executions that began and did not end: what they hold, and what is open."""
    runs = f"the engine {engine} runs" if engine else "no engine runs: start one"
    for row in rows:
        name = f"{row['question']}, execution {row['execution_id'][:SHORT]}"
        _say(console, f"{name}: {in_words(row)}; {runs}", 2)


def doubted(console: Console, question: str, orders: Iterable[Row]) -> None:
    """Print the orders of a position whose outcome is unknown, and what to do about each."""
    for order in orders:
        _say(console, f"{question}: {unanswered_in_words(order)}", 2)


def exposed(
    console: Console,
    rows: Iterable[Row],
    unfinished: Sequence[Row] = (),
    engine: str | None = None,
) -> None:
    """Print the unhedged legs: those without a position yet, then a sentence for each other."""
    rows = list(rows)
    begun(console, unfinished, engine)
    if not rows and not unfinished:
        _say(console, "nothing is exposed")
    for row in rows:
        facts = {
            **row,
            "exposed_quantity": row["quantity"],
            "scenarios": row["choices"],
            "recommended_actions": row["actions"],
        }
        words = exposed_in_words(row["question"], facts)
        _say(console, f"{_time(row['since'])}  {words}", 21)
        doubted(console, row["question"], row["unanswered"])
    if rows:
        _say(
            console,
            "In dollars, as last priced. Look at one, and at every choice: dutchbook position"
            " ID. How it came to that: dutchbook explain ID.",
        )


def listed(
    console: Console,
    rows: Iterable[Row],
    unfinished: Sequence[Row] = (),
    engine: str | None = None,
) -> None:
    """Print every position as a table, and before it what has no position yet."""
    rows = list(rows)
    begun(console, unfinished, engine)
    if not rows and not unfinished:
        _say(console, "nothing yet")
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("position", overflow="fold")
    for name in ("state", "opened", "holds", "paid", "at the least"):
        right = name in ("paid", "at the least")
        table.add_column(name, justify="right" if right else "left")
    for row in rows:
        table.add_row(
            Lines(row["position"], row["question"]),
            str(row["status"]).replace("_", " ").lower(),
            Lines(*_time(row["opened_at"]).split()),
            Lines(*(f"{row[each]} {each}" for each in ("kalshi", "polymarket"))),
            dollars(row["paid"]),
            dollars(row["at_least"]),
        )
    console.print(table)
    _say(
        console,
        "In dollars; at the least: what it brings whichever way both resolve alike. Look at"
        " one: dutchbook position ID.",
    )


def _unhedged(row: Row) -> str:
    return f"{_count(row['quantity'])} {row['outcome'].upper()} on {row['platform']}"


def whole(console: Console, row: Row) -> None:
    """Print all of one position."""
    _say(console, f"{row['question']}")
    _say(console, f"position {row['position_id']}")
    _say(console, f"execution {row['execution_id']}, pair {row['pair_id']}")
    _say(console, f"It is {STATES[row['status']]}. Opened {_time(row['opened_at'])}.")
    console.print(_legs(row))
    console.print(_results(row))
    if row["edge"] is not None:
        _say(console, edge_line(row["edge"]))
    for order in row["orders"]:
        _order(console, order)
    _say(console)
    choices(console, row)


def _legs(row: Row) -> Table:
    table = Table(title="In dollars", title_justify="left")
    for name in ("leg", "holds", "cost", "fees", "cash", "complement"):
        table.add_column(name, justify="left" if name == "leg" else "right", overflow="fold")
    for leg in row["legs"]:
        table.add_row(
            leg["platform"],
            f"{_count(leg['size'])} {leg['outcome'].upper()}",
            *(dollars(leg[name]) for name in ("cost", "fees", "cash")),
            _count(leg["complement"]) if leg["complement"] else "-",
        )
    return table


def _results(row: Row) -> Table:
    table = Table()
    names = {
        "expected_edge": "expected",
        "locked_profit": "at the least",
        "marked_pnl": "marked",
        "realised_pnl": "realised so far",
        "divergence_reserve": "reserve",
    }
    for shown in names.values():
        table.add_column(shown, justify="right")
    table.add_row(*(dollars(row[name]) for name in names))
    return table


def _order(console: Console, order: Row) -> None:
    size, filled = (_count(order[name]) for name in ("size", "fill_size"))
    what = f"{order['side']} {size} {order['outcome'].upper()} at {dollars(order['price'])}"
    state = str(order["status"]).lower()
    if _unknown(order):
        state = "nobody knows what became of it"
    _say(
        console, f"{_time(order['created_at'])} {order['platform']}, {order['purpose']}: {what}"
    )
    refusal = f" ({order['refusal'].replace('_', ' ')})" if order["refusal"] else ""
    _say(console, f"  {state}{refusal}: {filled} of {size}. Order {order['order_id']}", 4)
    if order["stated"]:
        waits = f"  the trades of {_count(order['stated'])} are not listed yet"
        _say(console, waits, 4)
    for fill in order["fills"]:
        price, fee = dollars(fill["price"]), dollars(fill["fee"])
        done = f"  filled {_count(fill['size'])} at {price}, fee {fee}: {fill['finality']}"
        _say(console, done, 4)


def _unknown(order: Row) -> bool:
    return order["outcome_unknown_since"] is not None


def choices(console: Console, row: Row) -> None:
    """Print what is unhedged and what can be done about it, as last priced."""
    if row["unhedged"] is None:
        if row["status"] == DISPUTED:
            disputed(console, row["discrepancies"])
        return
    since = _time(row["since"])
    risk = dollars(row["unhedged"]["at_risk"])
    _say(
        console,
        f"Unhedged since {since}: {_unhedged(row['unhedged'])}, {risk} dollars at risk.",
    )
    waits = [o | {"quantity": o["working_size"]} for o in row["orders"] if _unknown(o)]
    doubted(console, row["question"], waits)
    if not row["choices"]:
        _say(console, "What can be done was not priced yet.")
        return
    _say(console, f"What can be done, as priced at {_time(row['priced_at'])}:")
    ranked = {name: place for place, name in enumerate(row["recommended"])}
    for choice in sorted(row["choices"], key=lambda c: ranked.get(c["name"], len(ranked))):
        _say(console, f"- {way(choice)}", 2)
    for choice in row["choices"]:
        if choice["name"] in COMMANDS and not choice["blocked"]:
            _say(console, f"  {command(row['position_id'], choice)}")


def disputed(console: Console, rows: Iterable[Row]) -> None:
    """Print where our record and the platforms differ, and what a person can answer."""
    rows = list(rows)
    if not rows:
        _say(console, "our record and the platforms agree, as far as they were compared")
        return
    for row in rows:
        kind, ours = str(row["kind"]).replace("_", " "), dict(row["ours"])
        about = ours.pop("about", {}).get("subject") or "-"
        subject = row["position_id"] or row["discrepancy_id"]
        _say(console, f"{_time(row['detected_at'])}  {kind} on {row['platform']}: {about}", 2)
        _say(console, f"  ours: {_facts(ours)}", 10)
        _say(console, f"  theirs: {_facts(row['theirs'])}", 10)
        _say(console, f"  to do: {row['recommended_action']}", 10)
        where = f"position {subject}" if row["position_id"] else f"discrepancy {subject}"
        _say(console, f"  {where}", 4)
    _say(console, "Look at the platform's own page, then one of", 2)
    for choice, means in ANSWERS.items():
        _say(console, f"- dutchbook resolve ID --choice {choice} --rationale WHY: {means}", 4)


def _facts(facts: Mapping[str, Any]) -> str:
    parts = (f"{name.replace('_', ' ')} {_fact(value)}" for name, value in facts.items())
    return ", ".join(parts) or "nothing"


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_facts(value)})"
    if isinstance(value, list):
        return "; ".join(_fact(each) for each in value) or "none"
    return "unknown" if value is None else str(value)


def story(
    console: Console,
    entries: Iterable[Entry],
    position: Row | None,
    unfinished: Sequence[Row] = (),
    engine: str | None = None,
) -> None:
    """Print what happened in plain sentences, then what is open and what can be done."""
    reminders: list[Entry] = []
    for entry in entries:
        if entry.name == SingleLegExposureReminder.wire:
            reminders.append(entry)
            continue
        _reminded(console, reminders)
        reminders = []
        _say(console, f"{_time(entry.at)}  {sentence(entry.name, entry.facts)}", 21)
    _reminded(console, reminders)
    _say(console)
    if position is None:
        begun(console, unfinished, engine)
        if not unfinished:
            _say(console, "No position came of it.")
        return
    _say(console, f"Now it is {STATES[position['status']]}.")
    if position["edge"] is not None:
        _say(console, edge_line(position["edge"]))
    out = [o for o in position["orders"] if o["working_size"]]
    for order in out:
        _say(console, f"Order {order['order_id']} on {order['platform']} is still out.")
    choices(console, position)


def _reminded(console: Console, reminders: list[Entry]) -> None:
    if reminders:
        last, count = reminders[-1], len(reminders)
        times = "once" if count == 1 else f"{count} times"
        text = sentence(last.name, last.facts).removesuffix(".")
        _say(console, f"{_time(last.at)}  {text}; repeated {times}.", 21)


def before(
    console: Console,
    row: Row,
    name: str,
    worst: Row | None = None,
    at_least: Decimal | None = None,
) -> None:
    """Print what a command would do, with its numbers, before it is sent.

    Args:
        console: The console.
        row: The position.
        name: The command.
        worst: Result of a leg bought at the given price, None without a price.
        at_least: Dollars that closing all that is unhedged must bring to be done.
    """
    unhedged, choice = row["unhedged"], priced(row, name)
    leg, paid = _unhedged(unhedged), dollars(unhedged["at_risk"])
    _say(console, f"{row['question']}: {leg} unhedged, {paid} paid.")
    if worst is not None:
        _say(console, f"At worst, {worst['detail']}: {numbers(worst)}.")
    if choice is None:
        _say(console, "It was not priced yet; the engine prices it when it acts.")
    else:
        _say(console, f"As priced at {_time(row['priced_at'])}, {way(choice)}.")
    retried = name == "retry_leg"
    rest = Decimal(0) if retried else _rest(unhedged["quantity"], choice)
    if at_least is not None:
        share = due(at_least * (unhedged["quantity"] - rest) / unhedged["quantity"])
        _say(console, f"It is not done if it would bring less than {dollars(share)}.")
    pairs = row["hedged"] + (unhedged["quantity"] if retried else 0)
    left = [f"{_count(pairs)} hedged pairs"] if pairs else []
    left += [f"{_count(rest)} unhedged"] if rest else []
    _say(console, f"All filled, it leaves {' and '.join(left) or 'nothing'}.")


def _rest(unhedged: Decimal, choice: Row | None) -> Decimal:
    """Return how many contracts stay unhedged after a choice."""
    size = choice and not choice["blocked"] and choice["size"]
    return unhedged - Decimal(size) if size else Decimal(0)


def priced(row: Row, name: str) -> Row | None:
    """Return the choice of a command as last priced; closing takes the cheaper one."""
    names = ("close_leg", "complement") if name == "close_leg" else (name,)
    named = [each for each in row["choices"] if each["name"] in names]
    possible = [each for each in named if not each["blocked"]]
    best = max(possible, key=per_contract, default=None)
    return best or next(iter(named), None)


def per_contract(way: Row) -> Decimal:
    """Return the result of a choice in dollars a contract."""
    return Decimal(way["pnl"]) / Decimal(way["size"])


def after(console: Console, request: Row) -> None:
    """Print the result of a command."""
    answer = request["answer"]
    if answer is None:
        _say(console, answers.late(request), 2)
        return
    if answer["done"]:
        _say(console, "Done.")
    else:
        code = f" ({answer['code']})" if answer.get("code") else ""
        _say(console, f"Not done: {answer.get('why') or 'no reason given'}{code}.")
    _consequences(console, answer)


def _consequences(console: Console, answer: Row) -> None:
    if answer.get("order_id"):
        _say(console, f"Order {answer['order_id']} filled {answer['filled']}.")
    if answer.get("new_edge") is not None:
        _say(console, f"The pair locks {dollars(answer['new_edge'])} dollars now.")
    if answer.get("realised_pnl") is not None:
        _say(console, f"Result: {dollars(answer['realised_pnl'])} dollars.")
    if answer.get("became"):
        _say(console, f"{answer['subject']} is {answer['became']} now.")
    if answer.get("status"):
        _say(console, f"The position is {STATES[answer['status']]}.")
    for choice in answer.get("scenarios") or ():
        _say(console, f"- {way(choice)}", 2)
    if actions := answer.get("recommended_actions"):
        _say(console, f"Best now: {WAYS[actions[0]]}.")
