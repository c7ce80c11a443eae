"""A console that shows every text literally: no markup, no emoji codes, nothing highlighted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.style import Style
from rich.text import Text

from dutchbook.cli.output import inert

NARROW = 8
"""Cells that a clipped text takes at the least."""


class LiteralConsole(Console):
    """Shows each `str`, wherever a renderable holds it, as one inert line; see `inert`.

    Several lines of one cell are `Lines`.
    """

    def __init__(self, file: TextIO, **options: Any) -> None:
        options |= {"markup": False, "emoji": False, "highlight": False}
        super().__init__(file=file, **options)

    def render_str(self, text: str, *, style: str | Style = "", **options: Any) -> Text:
        """Return text as it is, whatever the options say about markup and emoji."""
        justify, overflow = options.get("justify"), options.get("overflow")
        shown = inert(text, self.encoding)
        return Text(shown, style=style, justify=justify, overflow=overflow)


class Lines:
    """Texts below one another."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def _text(self, console: Console) -> Text:
        return Text("\n").join(console.render_str(line) for line in self._lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        yield self._text(console)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._text(console))


class Styled:
    """Rows below one another, each of texts with a style; none is wrapped."""

    def __init__(self, rows: Iterable[Iterable[tuple[str, str]]]) -> None:
        self._rows = [list(row) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        texts = (
            Text("").join(console.render_str(text, style=style) for text, style in row)
            for row in self._rows
        )
        yield Text("\n", no_wrap=True).join(texts)


class Clipped:
    """A text on one line, cut with an ellipsis where a narrow table has no room for it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        yield Text(inert(self._text, console.encoding), no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = console.render_str(self._text).cell_len
        return Measurement(min(width, NARROW), width)
