"""A console that shows every text literally: no markup, no emoji codes, nothing highlighted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

from dutchbook.cli.output import inert


class LiteralConsole(Console):
    """Shows each `str`, wherever a renderable holds it, as one inert line; see `inert`.

    Several lines of one cell or panel are `Lines`.
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


def panel(title: str, *lines: str) -> Panel:
    """Return lines in a frame with a title, which a `Panel` would read as markup."""
    return Panel(Lines(*lines), title=Text(inert(title)), title_align="left")
