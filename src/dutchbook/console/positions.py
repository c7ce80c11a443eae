"""Exposed positions, all of one position, and its story, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table

from dutchbook.console.sentences import COMMANDS, STATES, WAYS, dollars, sentence, way
from dutchbook.domain.events import SingleLegExposureReminder
from dutchbook.domain.units import plain

Row = Mapping[str, Any]
SHORT = 8
"""Characters of an id that are shown where there is little room; they may be typed."""


class Entry(Protocol):
    """One line of the audit log."""

    @property
    def at(self) -> datetime:
        """When it happened."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it says."""
        ...


def _say(console: Console, line: str = "", indent: int = 0) -> None:
    """Print a line; what does not fit goes on below, indented."""
    text = textwrap.fill(
        line,
        console.width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _count(quantity: Any) -> str:
    return plain(Decimal(quantity))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def exposed(console: Console, rows: Iterable[Row]) -> None:
    """Print the positions with one leg alone as a table."""
    rows = list(rows)
    if not rows:
        _say(console, "nothing is exposed")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("position", overflow="fold")
    table.add_column("alone", min_width=10)
    for name in ("since", "at risk", "do", "reminder"):
        right = name == "at risk"
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    for row in rows:
        table.add_row(
            f"{str(row['position_id'])[:SHORT]}\n{row['question']}",
            _alone(row),
            _time(row["since"]).replace(" ", "\n"),
            dollars(row["at_risk"]),
            COMMANDS.get(row["recommended"], row["recommended"] or "-"),
            _time(row["next_reminder"]).replace(" ", "\n"),
        )
    console.print(table)
    _say(
        console,
        "Look at one: dutchbook position ID. How it came to that: dutchbook explain ID.",
    )


def _alone(row: Row) -> str:
    return f"{_count(row['quantity'])} {row['outcome'].upper()} on {row['platform']}"


def whole(console: Console, row: Row) -> None:
    """Print all of one position."""
    _say(console, f"{row['question']}")
    _say(console, f"position {row['position_id']}")
    _say(console, f"execution {row['execution_id']}, pair {row['pair_id']}")
    _say(console, f"It is {STATES[row['status']]}. Opened {_time(row['opened_at'])}.")
    console.print(_legs(row))
    console.print(_results(row))
    for order in row["orders"]:
        _order(console, order)
    _say(console)
    choices(console, row)


def _legs(row: Row) -> Table:
    table = Table()
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
        "locked_profit": "locked",
        "marked_pnl": "marked",
        "realised_pnl": "realised",
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
    if order["outcome_unknown_since"]:
        state = "nobody knows what became of it"
    _say(
        console, f"{_time(order['created_at'])} {order['platform']}, {order['purpose']}: {what}"
    )
    refusal = f" ({order['refusal'].replace('_', ' ')})" if order["refusal"] else ""
    _say(console, f"  {state}{refusal}: {filled} filled. Order {order['order_id']}", 4)
    for fill in order["fills"]:
        price, fee = dollars(fill["price"]), dollars(fill["fee"])
        done = f"  filled {_count(fill['size'])} at {price}, fee {fee}: {fill['finality']}"
        _say(console, done, 4)


def choices(console: Console, row: Row) -> None:
    """Print what is alone and what can be done about it, as last priced."""
    if row["alone"] is None:
        if row["status"] == "RECONCILIATION_REQUIRED":
            context = row["reconciliation_context"] or {}
            kind = str(context.get("discrepancy_type", "discrepancy")).replace("_", " ")
            advice = f"dutchbook resolve {row['position_id'][:SHORT]} --choice CHOICE"
            _say(console, f"Disputed ({kind}). {advice} --rationale WHY")
        return
    since = _time(row["since"])
    risk = dollars(row["alone"]["at_risk"])
    _say(console, f"Alone since {since}: {_alone(row['alone'])}, {risk} dollars at risk.")
    if not row["choices"]:
        _say(console, "What can be done was not priced yet.")
        return
    _say(console, f"What can be done, as priced at {_time(row['priced_at'])}:")
    ranked = {name: place for place, name in enumerate(row["recommended"])}
    for choice in sorted(row["choices"], key=lambda c: ranked.get(c["name"], len(ranked))):
        _say(console, f"- {way(choice)}", 2)
    for choice in row["choices"]:
        if choice["name"] in COMMANDS and not choice["blocked"]:
            _say(console, f"  {_command(row['position_id'], choice)}")


def _command(position_id: str, choice: Row) -> str:
    price = f" --price {dollars(choice['price'])}" if choice["name"] == "retry_leg" else ""
    return f"dutchbook {COMMANDS[choice['name']]} {position_id[:SHORT]}{price}"


def story(console: Console, told: Iterable[Entry], position: Row | None) -> None:
    """Print what happened in plain sentences, then what is open and what can be done."""
    reminders: list[Entry] = []
    for entry in told:
        if entry.name == SingleLegExposureReminder.wire:
            reminders.append(entry)
            continue
        _reminded(console, reminders)
        reminders = []
        _say(console, f"{_time(entry.at)}  {sentence(entry.name, entry.facts)}", 21)
    _reminded(console, reminders)
    _say(console)
    if position is None:
        _say(console, "No position came of it.")
        return
    _say(console, f"Now it is {STATES[position['status']]}.")
    out = [o for o in position["orders"] if o["working_size"]]
    for order in out:
        _say(console, f"Order {order['order_id']} on {order['platform']} is still out.")
    choices(console, position)


def _reminded(console: Console, reminders: list[Entry]) -> None:
    if reminders:
        last, count = reminders[-1], len(reminders)
        times = "once" if count == 1 else f"{count} times"
        text = sentence(last.name, last.facts).removesuffix(".")
        _say(console, f"{_time(last.at)}  {text}; told again {times}.", 21)


def before(console: Console, row: Row, name: str, price: str | None) -> None:
    """Print what a command would do, with its numbers as last priced, before it is given."""
    alone, choice = row["alone"], _choice(row, name)
    _say(
        console, f"{row['question']}: {_alone(alone)} alone, {dollars(alone['at_risk'])} paid."
    )
    if price is not None:
        _say(console, f"Buy what is missing at {price} or better.")
    if choice is None:
        _say(console, "It was not priced yet; the engine prices it when it acts.")
    else:
        _say(console, f"As priced at {_time(row['priced_at'])}, {way(choice)}.")
    kept = f"{_count(row['hedged'])} hedged pairs" if row["hedged"] else "nothing"
    more = f"{_count(row['hedged'] + alone['quantity'])} hedged pairs"
    _say(console, f"All filled, it leaves {more if name == 'retry_leg' else kept}.")


def _choice(row: Row, name: str) -> Row | None:
    return next((each for each in row["choices"] if each["name"] == name), None)


def after(console: Console, told: Row) -> None:
    """Print what became of a command."""
    answer = told["answer"]
    if answer is None:
        late = "no engine runs: it is done at the next start"
        if told["engine"]:
            late = "the engine has not answered yet: it is done when the engine comes to it"
        _say(console, f"Asked for, and {late}. Command {told['command']}")
        return
    if answer["done"]:
        _say(console, "Done.")
    else:
        code = f" ({answer['code']})" if answer.get("code") else ""
        _say(console, f"Not done: {answer.get('why') or 'no reason given'}{code}.")
    _came_of(console, answer)


def _came_of(console: Console, answer: Row) -> None:
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
