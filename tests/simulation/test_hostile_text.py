"""Whatever a title, reason or name holds, each view shows it literally and inert."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, TextIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from support.memory_journal import MemoryJournal

from dutchbook.application.records.log import Entry
from dutchbook.application.views.result import document
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.cli import options
from dutchbook.cli.console import lists, positions, report, tables
from dutchbook.cli.console.lines import line
from dutchbook.cli.console.literal import LiteralConsole
from dutchbook.cli.console.live import LiveView
from dutchbook.cli.console.screen import TerminalScreen
from dutchbook.cli.main import app
from dutchbook.cli.outcome import outcome
from dutchbook.cli.output import CONTROLS, Output, inert, tell
from dutchbook.config import load
from dutchbook.domain.events import PairDecided
from dutchbook.domain.events.base import Stamp
from dutchbook.domain.positions.result import Result
from dutchbook.errors import DutchbookError
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.info import TapeInfo

WIDE = 4000
AT = datetime(2026, 7, 5, 18, tzinfo=UTC)
OWN = re.compile(r"\x1b\[[\d;]*m")
"""The codes with which a console colours its own output."""
HOSTILE = st.text(
    st.one_of(
        st.sampled_from([*"[]/:\\", "\x1b", "\x9b", "\n", "\r", "\u202e", "\u2028", "\ud800"]),
        st.characters(exclude_categories=["Zs"]),
    ),
    max_size=30,
).map(lambda text: f"x{text}x")
"""Texts that begin and end visibly, so that no view trims them."""
LEG = {"platform": "kalshi", "outcome": "yes", "size": 1, "complement": 0} | dict.fromkeys(
    ("cost", "fees", "cash"), "0.5"
)


def order(text: str) -> dict[str, Any]:
    fill = {"size": 1, "price": "0.4", "fee": "0", "finality": text}
    named = dict.fromkeys(
        ("order_id", "platform", "purpose", "side", "status", "refusal"), text
    )
    sizes = {"size": 2, "fill_size": 1, "price": "0.4", "stated": 1, "working_size": 1}
    times = {"created_at": AT, "outcome_unknown_since": None, "outcome": text}
    return named | sizes | times | {"fills": [fill]}


def choice(text: str) -> dict[str, Any]:
    costs = {"cash_needed": "1", "pnl": "0.1", "fees": "0", "size": "1"}
    return {"name": "retry_leg", "detail": text, "blocked": "", "price": "0.4"} | costs


def position(text: str, status: str = "SINGLE_LEG_EXPOSED") -> dict[str, Any]:
    unhedged = {"platform": text, "outcome": text, "quantity": 1, "at_risk": "0.5"}
    results = dict.fromkeys(
        ("expected_edge", "locked_profit", "marked_pnl", "realised_pnl", "divergence_reserve"),
        "0.1",
    )
    return {
        **dict.fromkeys(("question", "position_id", "execution_id", "pair_id"), text),
        **results,
        "status": status,
        "opened_at": AT,
        "legs": [LEG],
        "orders": [order(text)],
        "edge": None,
        "unhedged": unhedged if status == "SINGLE_LEG_EXPOSED" else None,
        "since": AT,
        "priced_at": AT,
        "hedged": 0,
        "choices": [choice(text)],
        "recommended": ["retry_leg"],
        "discrepancies": [discrepancy(text)],
    }


def discrepancy(text: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(("kind", "platform", "position_id", "recommended_action"), text),
        "detected_at": AT,
        "ours": {"about": {"subject": text}, "size": text},
        "theirs": {"size": [text]},
    }


def entries(text: str) -> list[Entry]:
    asked = {"name": text, "arguments": {}, "requested_by": text, "rationale": text}
    facts: list[tuple[str, Mapping[str, Any]]] = [
        ("operator.command.begun", asked),
        ("execution.order.failed", {"platform": text, "reason": text, "code": text}),
        (text, {text: text}),
    ]
    return [Entry(n, AT, name, told, "", None) for n, (name, told) in enumerate(facts)]


def lost(text: str) -> dict[str, Any]:
    """Return an order whose outcome is unknown."""
    names = dict.fromkeys(("question", "order_id", "platform", "outcome"), text)
    return {**names, "side": "buy", "quantity": "1"}


def exposures(console: Console, text: str) -> None:
    row = {"position_id": text, "question": text, "since": AT, "actions": [text]}
    row |= {"quantity": 1, "outcome": text, "platform": text, "at_risk": "1"}
    row["choices"] = [{"name": text, "blocked": text}]
    positions.exposed(console, [row | {"unanswered": [lost(text)]}])


def every_position(console: Console, text: str) -> None:
    row = {"position": text, "question": text, "status": text, "opened_at": AT}
    row |= {"kalshi": text, "polymarket": text, "paid": "1", "at_least": "1"}
    positions.listed(console, [row])


def summary(console: Console, text: str) -> None:
    counts = {"total": 1, text: 1}
    groups = dict.fromkeys(("executions", "orders", "positions", "fills"), counts)
    found: dict[str, Any] = {
        **groups,
        "capital": {text: {text: text}},
        "edges_seen": 1,
        "opportunities": 1,
        "completed_at_loss": 0,
        "fees": {"total": "1"},
        "filtered": {text: 1},
        "shortfall": {text: "1"},
        "realised": {text: text, "by_status": {}},
        "positions": counts | {"CLOSED": 1},
        "expected_profit": text,
        "event_log_sha256": text,
        "result": document(Result()),
    }
    numbers = {"run": 2, "opened": 1, "closed": 1, "closed_pnl": "1", "fees": {"total": "1"}}
    found["this_run"] = {**groups, **numbers}
    report.show(console, found, details=True)
    amounts = dict.fromkeys(("free", "reserved", "committed", "deposited"), "1")
    report.show(console, found | {"capital": {text: amounts}})


def status(console: Console, text: str) -> None:
    found = dict.fromkeys(("mode", "engine", "daily_pnl", "last_event"), text)
    more = {"runs": 1, "halted": [text], "halt_grade": 0, "positions": {text: 1}}
    more["halts"] = [{"reason": text, "since": AT.isoformat(), "detail": text}]
    bought = {"platform": text, "outcome": text, "quantity": "1", "cost": "2"}
    begun = {"execution_id": text, "question": text, "bought": [bought], "unanswered": [bought]}
    more |= {"limits": {text: text}, "unfinished": [begun], "unanswered": [lost(text)]}
    more |= {"second_legs": [{"pair_id": text, "chance": "0.5", "looks": "3"}] * 2}
    more |= {"result": document(Result())}
    report.standing(console, found | more | {"capital": {text: {text: text}}})


def tape_info(console: Console, text: str) -> None:
    meta = generated_tape(5, minutes=1).meta
    pairs = tuple(replace(pair, match_id=text) for pair in meta.pairs)
    meta = replace(meta, name=text, source=text, pairs=pairs, assumed=(text,))
    report.tape(console, TapeInfo(size=1, meta=meta, sessions=1, steps=1))


def rows(console: Console, text: str) -> None:
    tables.show(console, [{"note": text, "payload": {"a": text}}], ["note"], as_text=True)


def ledger(console: Console, text: str) -> None:
    row = {"booked_at": AT, "account_id": text, "kind": text, "bucket": text}
    row |= {"amount": "1", "reference": text, "note": text}
    lists.show(console, [row], lists.LEDGER)


def event_line(console: Console, text: str) -> None:
    told = PairDecided(Stamp("e", AT, text), text, "approved", f"as {text}", text)
    TerminalScreen(console).line(line(told, {}))


def first_line(console: Console, text: str) -> None:
    TerminalScreen(console).line(f"{text}: starts without positions")


@cache
def paper() -> PaperRun:
    tape = generated_tape(7, minutes=1)
    clock = TapeClock(tape.meta.first)
    return build_paper(load(None), tape, MemoryJournal(), clock, seed=7)


def live_view(console: Console, text: str) -> None:
    async def drawn() -> None:
        engine = paper().engine
        view = LiveView(engine, replace(paper().tape.meta, name=text), text)
        for pair in engine.watchlist.pairs.values():
            kalshi = replace(pair.match.kalshi, title=text)
            pair.match = replace(pair.match, kalshi=kalshi)
        view(PairDecided(Stamp("e", AT, text), text, "approved", f"as {text}", text), 1)
        console.print(view.draw())

    run_virtual(drawn())


def before(console: Console, text: str) -> None:
    positions.before(console, position(text), "retry_leg", choice(text))


def after(console: Console, text: str) -> None:
    answer = {"done": False, "why": text, "code": text, "subject": text, "became": text}
    positions.after(console, {"answer": answer | {"scenarios": [choice(text)]}})


VIEWS: dict[str, Callable[[Console, str], None]] = {
    "live view": live_view,
    "event line": event_line,
    "first line": first_line,
    "summary": summary,
    "status": status,
    "tape info": tape_info,
    "lists": rows,
    "ledger": ledger,
    "positions": every_position,
    "exposures": exposures,
    "position": lambda console, text: positions.whole(console, position(text)),
    "disputed": lambda console, text: positions.disputed(console, [discrepancy(text)]),
    "explain": lambda console, text: positions.story(console, entries(text), position(text)),
    "before a command": before,
    "after a command": after,
}


def shown(paper: io.TextIOWrapper) -> str:
    paper.flush()
    paper.seek(0)
    return paper.read()


def plain(shown: str) -> str:
    """Return what a terminal shows, after proving that it acts on nothing but colours."""
    text = OWN.sub("", shown)
    assert set(CONTROLS.findall(text)) <= {"\n"}, repr(text)
    return text


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=25)
@given(HOSTILE)
@example("Map 3 [/OT] winner")
@example("Reds [total] goals, [red]:smile:[/red]")
@example("x\x1b[2Jx\x1b]8;;file:///etc/passwd\x07x")
@example("x\n18:03:00.000  execution.order.filled  platform kalshix")
def test_a_view_shows_text_from_outside_literally(view: str, text: str) -> None:
    paper = io.StringIO()

    VIEWS[view](LiteralConsole(paper, width=WIDE, force_terminal=True), text)

    shown = plain(paper.getvalue())
    words = inert(text).replace("_", " ")
    assert words in shown.replace("_", " ") or words.lower() in shown.lower()


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=25)
@given(HOSTILE)
def test_a_view_fits_any_terminal(view: str, text: str) -> None:
    paper = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    VIEWS[view](
        LiteralConsole(cast("TextIO", Output(paper)), width=60, force_terminal=True), text
    )

    assert plain(shown(paper))


# What is no view ------------------------------------------------------------------------------


def ended(command: Callable[[], object], *, debug: bool = False) -> tuple[int, str, str]:
    """Return the exit code of a command, and what it printed on either stream."""
    out, complaints = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(complaints),
    ):
        patch.setattr(sys, "stdin", io.StringIO())
        code = outcome(command, debug=debug)
    return code, plain(out.getvalue()), plain(complaints.getvalue())


def fail(error: BaseException) -> Callable[[], object]:
    def command() -> None:
        raise error

    return command


@settings(max_examples=25)
@given(HOSTILE)
def test_an_error_quotes_text_from_outside_in_one_inert_line(text: str) -> None:
    code, out, line = ended(fail(DutchbookError(f"{text}: cannot be read")))

    assert (code, out) == (2, "")
    assert line.startswith("dutchbook: x")
    assert line.count("\n") == 1


@settings(max_examples=25)
@given(HOSTILE)
def test_a_traceback_is_inert(text: str) -> None:
    code, _, lines = ended(fail(RuntimeError(text)), debug=True)

    assert code == 1
    assert lines.startswith("Traceback")


@settings(max_examples=25)
@given(HOSTILE)
def test_an_answer_and_a_question_are_one_inert_line(text: str) -> None:
    def command() -> None:
        tell(f"halted by {text}")
        options.confirmed(f"Do {text}?")

    code, out, _ = ended(command)

    assert code == 1  # nobody answers
    assert f"halted by {inert(text)}\n" in out


@settings(max_examples=25)
@given(HOSTILE)
def test_a_log_record_of_a_library_is_inert(text: str) -> None:
    def command() -> None:
        assert logging.lastResort is not None
        facts = {"msg": f"{text} was never retrieved", "levelno": logging.ERROR}
        logging.lastResort.handle(logging.makeLogRecord(facts))

    _, _, lines = ended(command)

    assert "was never retrieved" in lines


@settings(max_examples=25)
@given(HOSTILE)
def test_a_word_that_is_no_command_is_quoted_inertly(text: str) -> None:
    code, _, lines = ended(lambda: app([text], standalone_mode=False))

    assert code == 2
    assert "No such command" in lines
