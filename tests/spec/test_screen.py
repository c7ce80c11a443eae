"""The screen of a run: what it shows at which size, by its exact text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.cells import cell_len

from dutchbook.cli.console.frame import age, frame
from dutchbook.cli.console.state import Account, Alone, Held, Note, Quote, State, Tone
from dutchbook.domain.positions.result import Result
from dutchbook.domain.values.units import Money

NOW = datetime(2026, 7, 5, 18, 11, 54, tzinfo=UTC)
ROVERS, ALBION = "Northern Rovers win the cup", "Southern Albion win the cup"


def usd(text: str) -> Money:
    return Money(Decimal(text))


def held(name: str, question: str, contracts: int, *amounts: str) -> Held:
    paid, locked, now = map(Decimal, amounts)
    return Held(name, question, Decimal(contracts), paid, locked, now)


def note(seconds: int, *texts: str, amount: str = "", tone: Tone = Tone.PLAIN) -> Note:
    return Note(NOW - timedelta(seconds=seconds), texts, amount, tone)


LEG = Alone(
    held="60 NO Kalshi",
    question=ROVERS,
    at_risk=Decimal("29.41"),
    seconds=162,
    way="complete at 0.458: +1.12",
    command="dutchbook retry-leg 0a78c1b2 --price 0.458",
)
STATE = State(
    mode="paper",
    tape="demo",
    database="paper.db, run 3",
    at=NOW,
    speed="20x",
    percent=59,
    status="trading",
    tone=Tone.GOOD,
    result=Result(
        closed=usd("13.5417"),
        locked=usd("10.41555"),
        open_positions=5,
        fees=usd("34.68335"),
        worst=usd("23.45"),
        best=usd("23.96"),
    ),
    accounts=(
        Account("Kalshi", Decimal("5006.38"), Decimal("4161.5")),
        Account("Polymarket", Decimal("5017.58"), Decimal("4415.2")),
    ),
    alone=(LEG,),
    held=(
        replace(held("0a78c1b2", ROVERS, 250, "275.29", "0", "0"), locked=None, now=None,
                state="one leg"),
        held("fa7155a4", ALBION, 310, "304.88", "5.11", "3.9"),
        held("6503d051", ROVERS, 250, "246.07", "3.92", "4.4"),
        held("99e741ff", ROVERS, 90, "89.16", "0.83", "-1.2"),
        held("a6c8caa3", ROVERS, 80, "79.25", "0.55", "-0.7"),
    ),
    notes=(
        note(0, f"bought 310 {ALBION}: NO Kalshi 0.5 + YES Polymarket 0.4",
             f"bought 310 {ALBION}, 0.983 a pair", amount="+5.11 locked"),
        note(34, f"not taken: {ALBION}, 0.9c after fees: book too old (2.1 s)",
             f"not taken: {ALBION}: book too old"),
        note(162, f"ONE LEG: 60 NO Kalshi, {ROVERS}; Polymarket: book too thin",
             "ONE LEG: 60 NO Kalshi; Polymarket: book too thin", tone=Tone.ALARM),
        note(291, f"left early: {ROVERS}: worth more now", f"left early: {ROVERS}",
             amount="+5.43 closed"),
        note(300, "started"),
    ),
    quotes=(
        Quote(ALBION, ("0.357", "0.359"), ("0.396", "0.398"), Decimal("0.003")),
        Quote(ROVERS, ("0.508", "0.511"), ("0.455", "0.458"), Decimal("-0.006")),
    ),
    seen=(1234, 7),
)  # fmt: skip

TERMINAL = """\
DUTCHBOOK  paper, tape demo at 2026-07-05 18:11:54, 20x, 59 %       Ctrl-C stops
trading                                                          paper.db, run 3
Result +23.96   13.54 closed, 10.42 locked in 5   worst +23.45   best +23.96
Capital  Kalshi 5,006.38 (4,161.50 free)   Polymarket 5,017.58 (4,415.20 free)
─
! ONE LEG  60 NO Kalshi  Northern Rovers win the cup       29.41 at risk  2m 42s
           complete at 0.458: +1.12   dutchbook retry-leg 0a78c1b2 --price 0.458
─
POSITIONS  5 open                         contracts       paid   locked      now
 0a78c1b2 Northern Rovers win the cup           250     275.29  one leg        -
 fa7155a4 Southern Albion win the cup           310     304.88    +5.11    +3.90
 6503d051 Northern Rovers win the cup           250     246.07    +3.92    +4.40
 99e741ff Northern Rovers win the cup            90      89.16    +0.83    -1.20
 a6c8caa3 Northern Rovers win the cup            80      79.25    +0.55    -0.70
─
18:11:54  bought 310 Southern Albion win the cup, 0.983 a pair      +5.11 locked
18:11:20  not taken: Southern Albion win the cup: book too old
18:09:12  ONE LEG: 60 NO Kalshi; Polymarket: book too thin
18:07:03  left early: Northern Rovers win the cup: worth more now   +5.43 closed
18:06:54  started
─
BOOKS  1,234 edges                Kalshi bid/ask  Polymarket bid/ask  gross edge
 Southern Albion win the cup       0.357   0.359       0.396   0.398       +0.3c
 Northern Rovers win the cup       0.508   0.511       0.455   0.458       -0.6c
"""
SMALL = """\
tape demo at 2026-07-05 18:11:54, 20x, 59 %     Ctrl-C stops
trading                                      paper.db, run 3
Result +23.96   13.54 closed, 10.42 locked in 5
Free  Kalshi 4,161.50  Polymarket 4,415.20
! ONE LEG  60 NO Kalshi  Northern Ro…  29.41 at risk  2m 42s
  complete at 0.458: +1.12  retry-leg 0a78c1b2 --price 0.458
POSITIONS  5 open     contracts       paid   locked      now
 Northern Rovers wi…        250     275.29  one leg        -
 Southern Albion wi…        310     304.88    +5.11    +3.90
 Northern Rovers wi…        250     246.07    +3.92    +4.40
 Northern Rovers wi…         90      89.16    +0.83    -1.20
 Northern Rovers wi…         80      79.25    +0.55    -0.70
18:11:54  bought 310 Southern Albion win the…   +5.11 locked
18:11:20  not taken: Southern Albion win the cup: book too…
18:09:12  ONE LEG: 60 NO Kalshi; Polymarket: book too thin
"""


WIDE = """\
DUTCHBOOK paper, tape demo at 2026-07-05 18:11:54, 20x, 59 % Ctrl-C stops
trading paper.db, run 3
Result +23.96 13.54 closed, 10.42 locked in 5 worst +23.45 best +23.96 fees in it 34.68
Capital Kalshi 5,006.38 (4,161.50 free) Polymarket 5,017.58 (4,415.20 free)
─
! ONE LEG 60 NO Kalshi Northern Rovers win the cup 29.41 at risk 2m 42s
complete at 0.458: +1.12 dutchbook retry-leg 0a78c1b2 --price 0.458
─
POSITIONS 5 open contracts paid locked now
0a78c1b2 Northern Rovers win the cup 250 275.29 one leg -
fa7155a4 Southern Albion win the cup 310 304.88 +5.11 +3.90
6503d051 Northern Rovers win the cup 250 246.07 +3.92 +4.40
99e741ff Northern Rovers win the cup 90 89.16 +0.83 -1.20
a6c8caa3 Northern Rovers win the cup 80 79.25 +0.55 -0.70
─
18:11:54 bought 310 Southern Albion win the cup: NO Kalshi 0.5 + YES Polymarket 0.4 +5.11 locked
18:11:20 not taken: Southern Albion win the cup, 0.9c after fees: book too old (2.1 s)
18:09:12 ONE LEG: 60 NO Kalshi, Northern Rovers win the cup; Polymarket: book too thin
18:07:03 left early: Northern Rovers win the cup: worth more now +5.43 closed
18:06:54 started
─
BOOKS 1,234 edges seen, 7 opportunities Kalshi bid/ask Polymarket bid/ask gross edge
Southern Albion win the cup 0.357 0.359 0.396 0.398 +0.3c
Northern Rovers win the cup 0.508 0.511 0.455 0.458 -0.6c
"""
"""Each run of spaces as one."""


def shown(state: State, width: int, height: int) -> str:
    """Return a screen as text; a rule is one dash, and what ends a row blank is left out."""
    rows = [row.plain.rstrip() for row in frame(state, width, height)]
    return "".join("─\n" if set(row) == {"─"} else f"{row}\n" for row in rows)


def test_a_terminal_of_80_by_24_answers_the_first_questions() -> None:
    assert shown(STATE, 80, 24) == TERMINAL


def test_a_smaller_one_keeps_what_is_urgent_and_leaves_out_the_books() -> None:
    assert shown(STATE, 60, 15) == SMALL


def test_a_larger_one_shows_more_of_each() -> None:
    lines = shown(STATE, 120, 40).splitlines()

    assert "".join(f"{' '.join(line.split())}\n" for line in lines) == WIDE


# At any size
# -----------------------------------------------------------------------------------

SIZES = [(40, 10), (40, 24), (57, 11), (60, 15), (80, 20), (80, 24), (132, 43), (200, 60)]
HOSTILE = "\x1b[2J\x1b[31m[bold]win\nthe\x9bcup[/]\u202e\ud800"
BROAD = "北方流浪者隊贏得冠軍杯決賽" * 4
TITLES = ["Rovers", "Rovers " * 40, HOSTILE * 5, BROAD, "x", ""]


def titled(title: str) -> State:
    """Return the state with a title from outside in every place that shows one."""
    return replace(
        STATE,
        tape=title,
        database=title,
        status=f"HALTED, no entries: {title}",
        tone=Tone.HALTED,
        alone=tuple(replace(LEG, question=title, way=title) for _ in range(2)),
        held=tuple(replace(each, question=title) for each in STATE.held),
        notes=tuple(replace(each, texts=(f"told: {title}",)) for each in STATE.notes),
        quotes=tuple(replace(each, question=title) for each in STATE.quotes),
    )


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_row_is_wider_and_no_screen_higher_than_the_terminal(
    width: int, height: int, title: str
) -> None:
    rows = frame(titled(title), width, height)

    assert len(rows) <= height
    assert max(cell_len(row.plain) for row in rows) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_hostile_title_is_shown_and_commands_nothing(width: int, height: int) -> None:
    text = "".join(row.plain for row in frame(titled(HOSTILE), width, height))

    assert text.isprintable()
    assert "\\x1b" in text


def test_a_title_of_wide_characters_is_cut_by_its_cells() -> None:
    (row,) = (r.plain for r in frame(titled(BROAD), 80, 24) if "fa7155a4" in r.plain)

    assert cell_len(row) == 80
    assert "北方" in row
    assert "…" in row


def test_what_an_encoding_lacks_is_escaped_before_it_is_cut() -> None:
    rows = frame(titled("Ünion"), 80, 24, "ascii")

    assert any("\\xdcnion" in row.plain for row in rows)


# What comes first
# --------------------------------------------------------------------------------

MANY_NOTES = tuple(note(n, f"event {n}") for n in range(100))
MANY_QUOTES = STATE.quotes * 30
MANY_HELD = tuple(held(f"p{n:07}", ALBION, 10, "9.5", "0.25", "0.1") for n in range(40))
CROWDED = replace(STATE, notes=MANY_NOTES, quotes=MANY_QUOTES, held=MANY_HELD)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_pushes_an_unhedged_leg_and_its_way_out_off_the_screen(
    width: int, height: int
) -> None:
    text = shown(CROWDED, width, height)

    assert "! ONE LEG  60 NO" in text
    assert "29.41 at risk  2m 42s" in text
    assert "retry-leg 0a78c1b2 --price 0.458" in text


@pytest.mark.parametrize("legs", [3, 30])
def test_more_legs_than_fit_are_counted_with_what_they_risk(legs: int) -> None:
    state = replace(
        CROWDED, alone=tuple(replace(LEG, at_risk=Decimal(10)) for _ in range(legs))
    )

    text = shown(state, 80, 10)

    assert text.count("! ONE LEG") == 2
    rest = f"{(legs - 2) * 10:,.2f} at risk: dutchbook exposures"
    assert rest in text


def test_positions_that_do_not_fit_are_a_sum() -> None:
    lines = shown(CROWDED, 80, 24).splitlines()

    (rest,) = (line for line in lines if "more" in line)
    shown_ones = sum(" p00000" in line for line in lines)
    left = 40 - shown_ones
    assert rest.split() == ["…", f"{left}", "more", f"{left * 9.5:.2f}", f"+{left * 0.25:.2f}"]


def test_events_are_shown_before_books_and_more_of_them_where_rows_are_left() -> None:
    crowded = shown(replace(CROWDED, held=()), 80, 24)
    alone = shown(replace(CROWDED, held=(), quotes=()), 80, 24)

    assert crowded.count("event ") == 5
    assert "BOOKS" in crowded
    assert alone.count("event ") == 16


def test_where_nothing_is_held_the_screen_has_no_empty_sections() -> None:
    text = shown(replace(STATE, alone=(), held=(), notes=(), quotes=()), 80, 24)

    assert text.count("\n") == 4


# Halts
# -------------------------------------------------------------------------------


def test_a_halt_and_a_halt_of_everything_look_different() -> None:
    looks = []
    for tone in (Tone.HALTED, Tone.STOPPED):
        (_, status, *_) = frame(replace(STATE, status="HALTED", tone=tone), 80, 24)
        looks.append(next(style.value for text, style in status.parts if text.strip()))

    assert looks == ["bold black on yellow", "bold white on red"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (162, "2m 42s"),
        (3_900, "1h 05m"),
        (200_000, "2d 07h"),
        (-1, "0s"),
    ],
)
def test_an_age_is_told_in_two_units(seconds: int, text: str) -> None:
    assert age(seconds) == text
