"""Lays out the screen of a run: a state, a width and a height become rows of text.

What is most urgent comes first and is never pushed out by what is less so: state and result,
unhedged legs, positions, what happened last, and books where rows are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.cells import cell_len, set_cell_size

from dutchbook.cli.console.state import Alone, Held, Note, Quote, State, Tone
from dutchbook.cli.output import inert
from dutchbook.domain.values.units import plain

STOP = "Ctrl-C stops"
RULED = 20
"""From this many rows on, a line separates the sections."""
NOTES, FEWEST_NOTES = 5, 2
"""How many events are shown before the books, and at least, where there is room."""
GAP = 2
"""Cells between the two ends of a row."""
SECTION = 2
"""The fewest rows of a section: its heading and one more."""
NAME = 24
"""The most cells that a name of a tape or a database takes."""
WITH_ID, WITH_COSTS, WITH_COUNT = 72, 60, 44
"""From these widths on, a position's row has its id, what was paid, and its contracts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: texts beside one another, each with the tone in which it is shown."""

    parts: tuple[tuple[str, Tone], ...]

    @property
    def plain(self) -> str:
        """The text of the row."""
        return "".join(text for text, _ in self.parts)


Rows = list[Row]


def frame(state: State, width: int, height: int, encoding: str = "utf-8") -> Rows:
    """Return the rows of the screen: at most `height`, none wider than `width` cells."""
    page = _Page(width, encoding)
    rows = page.head(state)
    rule = [Row((("─" * width, Tone.QUIET),))] if height >= RULED else []
    left = height - len(rows)
    positions = len(rule) + 1 if state.held else 0
    alone = page.alone(state.alone, left - len(rule) - positions)
    rows += [*rule, *alone] if alone else []
    left = height - len(rows)
    few = min(len(state.notes), NOTES if height >= RULED else FEWEST_NOTES)
    events = len(rule) + few if few else 0
    held = page.held(state.held, max(left - len(rule) - events, 1))
    rows += [*rule, *held] if held else []
    left = height - len(rows)
    books = page.quotes(state, left - events - len(rule))
    used = len(rule) + len(books) if books else 0
    notes = [page.note(each) for each in state.notes[: max(left - used - len(rule), 0)]]
    rows += [*rule, *notes] if notes else []
    rows += [*rule, *books] if books else []
    return rows[:height]


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows of one width, for a terminal of one encoding."""

    width: int
    encoding: str

    def head(self, state: State) -> Rows:
        """Return where it stands: tape and time, status, result, capital."""
        tape = self._cut(state.tape, NAME)
        at, speed = state.at.strftime("%Y-%m-%d %H:%M:%S"), f"{state.speed}, {state.percent} %"
        titles = (
            f"DUTCHBOOK  {state.mode}, tape {tape} at {at}, {speed}",
            f"{state.mode}, tape {tape} at {at}, {speed}",
            f"tape {tape} at {at}, {speed}",
            f"tape at {at}, {speed}",
            f"tape {at[5:]} {state.percent}%",
        )
        room = self.width - len(STOP) - GAP
        database = self._cut(state.database, NAME)
        return [
            self._row([(self._fitting(titles, room), Tone.HEADING)], STOP),
            self._row([(state.status, state.tone)], database),
            self._row(self._result(state)),
            self._row([(self._fitting(_capital(state), self.width), Tone.PLAIN)]),
        ]

    def _result(self, state: State) -> list[tuple[str, Tone]]:
        found = state.result
        parts = [f"{found.closed:,.2f} closed, {found.locked:,.2f} locked"]
        parts[0] += f" in {found.open_positions}"
        if found.unsure:
            parts.append(f"{found.unsure:,.2f} of it unsure")
        parts += [f"worst {found.worst:+,.2f}", f"best {found.best:+,.2f}"]
        parts.append(f"fees in it {found.fees:,.2f}")
        total, text = f"Result {found.total:+,.2f}", ""
        for part in parts:
            if cell_len(f"{total}{text}   {part}") <= self.width:
                text += f"   {part}"
        tone = Tone.GOOD if found.total >= 0 else Tone.ALARM
        return [(total, tone), (text, Tone.PLAIN)]

    def alone(self, legs: Sequence[Alone], room: int) -> Rows:
        """Return the unhedged legs with their ways out, in at most `room` rows."""
        if not legs or room < 1:
            return []
        shown = len(legs) if 2 * len(legs) <= room else (room - 1) // 2
        rows = [row for leg in legs[:shown] for row in self._leg(leg)]
        rest = legs[shown:]
        if rest:
            risk = sum((each.at_risk for each in rest), start=Decimal(0))
            more = f"! {len(rest)} {'more legs' if shown else 'legs'} alone"
            right = f"{risk:,.2f} at risk: dutchbook exposures"
            rows.append(self._row([(more, Tone.ALARM)], right, Tone.ALARM))
        return rows

    def _leg(self, leg: Alone) -> Rows:
        right = f"{leg.at_risk:,.2f} at risk  {age(leg.seconds)}"
        whole = f"! ONE LEG  {leg.held}  {leg.question}"
        first = self._row([(whole, Tone.ALARM)], right, Tone.ALARM)
        room = self.width - cell_len(leg.way) - GAP
        short = leg.command.removeprefix("dutchbook ")
        command = self._fitting((leg.command, short), max(room, cell_len(short)))
        indent = " " * min(max(room - cell_len(command), 0), len("! ONE LEG  "))
        way = f"{indent}{leg.way}" if cell_len(command) <= room else ""
        return [first, self._row([(way, Tone.PLAIN)], command, Tone.HEADING)]

    def held(self, positions: Sequence[Held], room: int) -> Rows:
        """Return positions under a heading, in at most `room` rows; the rest as a sum."""
        if not positions:
            return []
        shown = len(positions) if len(positions) < room else max(room - 2, 0)
        rest = positions[shown:]
        if room < SECTION:
            locked = sum((each.locked or Decimal(0) for each in positions), start=Decimal(0))
            sum_up = f"{locked:+,.2f} locked"
            return [self._row([(f"POSITIONS  {len(positions)} open", Tone.HEADING)], sum_up)]
        names = self._figures("contracts", "paid", "locked", "now")
        rows = [self._row([(f"POSITIONS  {len(positions)} open", Tone.HEADING)], names)]
        rows += [self._position(each) for each in positions[:shown]]
        if rest:
            paid = sum((each.paid for each in rest), start=Decimal(0))
            locked = sum((each.locked or Decimal(0) for each in rest), start=Decimal(0))
            figures = self._figures("", f"{paid:,.2f}", f"{locked:+,.2f}", "")
            name = f" … {len(rest)} more" if shown else f" … {len(rest)} positions"
            rows.append(self._row([(name, Tone.QUIET)], figures, Tone.QUIET))
        return rows

    def _position(self, each: Held) -> Row:
        locked = each.state if each.locked is None else f"{each.locked:+,.2f}"
        now = "-" if each.now is None else f"{each.now:+,.2f}"
        figures = self._figures(f"{plain(each.contracts)}", f"{each.paid:,.2f}", locked, now)
        name = f"{each.position} " if self.width >= WITH_ID else ""
        return self._row([(f" {name}{each.question}", Tone.PLAIN)], figures)

    def _figures(self, contracts: str, paid: str, locked: str, now: str) -> str:
        shown = f"{locked:>8} {now:>8}"
        if self.width >= WITH_COUNT:
            shown = f"{contracts:>9} {shown}"
        if self.width >= WITH_COSTS:
            shown = f"{contracts:>9} {paid:>10} {locked:>8} {now:>8}"
        return shown

    def note(self, note: Note) -> Row:
        """Return one event; of its texts the longest that fits."""
        before = f"{note.at:%H:%M:%S}  "
        room = self.width - len(before) - (cell_len(note.amount) + GAP if note.amount else 0)
        text = self._fitting(note.texts, room)
        tone = Tone.GOOD if note.tone is Tone.PLAIN and note.amount else note.tone
        return self._row([(before, Tone.QUIET), (text, note.tone)], note.amount, tone)

    def quotes(self, state: State, room: int) -> Rows:
        """Return the best prices under a heading, if at least one row of them fits."""
        if not state.quotes or room < SECTION:
            return []
        seen, taken = state.seen
        names = self._prices("Kalshi", "bid/ask", "Polymarket", "bid/ask", "gross edge")
        headings = (
            f"BOOKS  {seen:,} edges seen, {taken:,} opportunities",
            f"BOOKS  {seen:,} edges",
        )
        heading = self._fitting(headings, self.width - len(names) - GAP)
        rows = [self._row([(heading, Tone.HEADING)], names)]
        rows += [self._quote(each) for each in state.quotes[: room - 1]]
        return rows

    def _quote(self, each: Quote) -> Row:
        edge = "-" if each.edge is None else f"{each.edge * 100:+.1f}c"
        tone = Tone.GOOD if each.edge is not None and each.edge > 0 else Tone.PLAIN
        figures = self._prices(*each.kalshi, *each.polymarket, edge)
        return self._row([(f" {each.question}", Tone.PLAIN)], figures, tone)

    def _prices(self, one: str, two: str, three: str, four: str, edge: str) -> str:
        if self.width < WITH_ID:
            return f"{edge:>10}"
        return f"{one:>7} {two:>7}  {three:>10} {four:>7}  {edge:>10}"

    # Cells
    # ---------------------------------------------------------------------------------

    def _row(
        self, left: Iterable[tuple[str, Tone]], right: str = "", tone: Tone = Tone.PLAIN
    ) -> Row:
        """Return one row: `left` is cut, so that `right` ends at the last cell."""
        right = self._cut(right, self.width)
        room = self.width - (cell_len(right) + GAP if right else 0)
        parts: list[tuple[str, Tone]] = []
        used = 0
        for text, style in left:
            cut = self._cut(text, room - used)
            parts.append((cut, style))
            used += cell_len(cut)
        if right:
            parts.append((" " * (self.width - used - cell_len(right)), Tone.PLAIN))
            parts.append((right, tone))
        return Row(tuple(parts))

    def _cut(self, text: str, width: int) -> str:
        """Return text as one inert line of at most `width` cells, with … where it was cut."""
        shown = inert(text, self.encoding)
        if cell_len(shown) <= width:
            return shown
        return f"{set_cell_size(shown, width - 1).rstrip()}…" if width > 0 else ""

    def _fitting(self, texts: Sequence[str], width: int) -> str:
        """Return the first of some texts that fits, else the last one, cut."""
        fits = (each for each in texts if cell_len(inert(each, self.encoding)) <= width)
        return next(fits, None) or self._cut(texts[-1], width)


def _capital(state: State) -> tuple[str, ...]:
    """Return the capital, from the most to the least detailed."""
    wide = (f"{a.platform} {a.total:,.2f} ({a.free:,.2f} free)" for a in state.accounts)
    short = (f"{a.platform} {a.free:,.2f}" for a in state.accounts)
    least = (f"{a.free:,.2f} {a.platform[:1]}" for a in state.accounts)
    return (
        f"Capital  {'   '.join(wide)}",
        f"Free  {'  '.join(short)}",
        f"Free  {'  '.join(least)}",
    )


def age(seconds: int) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
