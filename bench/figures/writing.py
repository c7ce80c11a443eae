"""Writing figures into their page, with the commit and the day of their measurement."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.figures.blocks import BadPage, Stamp, replaced
from bench.figures.declared import DECLARED, ROOT, Figures
from bench.figures.history import History, NoHistory


class Measurement:
    """The measurement of one block, from before its first step until it is written.

    What is written is the commit at the beginning, with ``+changes`` if a file that the
    figures depend on is not as in that commit, then or at the end.
    """

    def __init__(
        self, name: str, root: Path = ROOT, declared: Mapping[str, Figures] = DECLARED
    ) -> None:
        """Note the tree and the day.

        Raises:
            NoHistory: Without git nobody could say what was measured.
            BadPage: The page has no such block, or its blocks cannot be told apart.
        """
        self._name, self._figures, self._history = name, declared[name], History.of(root)
        self._path = root / self._figures.page
        commit, today = self._history.head, datetime.now(UTC).date()
        self._stamp = Stamp(commit, self._changed(commit), today)
        replaced(self._path.read_text(encoding="utf-8"), name, self._stamp, [])

    def _changed(self, commit: str) -> bool:
        return bool(self._history.changed(commit, self._figures.paths))

    def write(self, figures: Sequence[str]) -> str:
        """Replace the block, and return a line that says so.

        If the page was broken since the beginning, return the figures, so that a long run is
        not lost.
        """
        changes = self._stamp.changes or self._changed(self._stamp.commit)
        stamp = replace(self._stamp, changes=changes)
        text = self._path.read_text(encoding="utf-8")
        try:
            written = replaced(text, self._name, stamp, figures)
        except BadPage as error:
            return "\n".join([f"{self._figures.page}: {error}; {stamp}:", *figures])
        self._path.write_text(written, encoding="utf-8", newline="\n")
        return f"{self._figures.page}: {self._name} written, {stamp}"


def begin(names: Sequence[str]) -> dict[str, Measurement]:
    """Return the measurements of several blocks that one run gives; exit if one is impossible.

    A run of hours must not find out at its end.
    """
    try:
        return {name: Measurement(name) for name in names}
    except (BadPage, NoHistory) as reason:
        sys.exit(f"figures cannot be written: {reason}")


def add_option(parser: argparse.ArgumentParser, programme: str) -> None:
    """Add ``--figures`` to a programme that can write the blocks named after it."""
    names = [name for name in DECLARED if name.startswith(f"{programme}.")]
    parser.add_argument(
        "--figures",
        nargs="+",
        default=[],
        choices=names,
        metavar="BLOCK",
        help=f"write the result into the page: {', '.join(names)}",
    )
