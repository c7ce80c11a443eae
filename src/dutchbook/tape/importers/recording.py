"""`dutchbook tape import`: converts an external recording into a tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dutchbook.errors import TapeError
from dutchbook.tape.format import Progress, is_tape, no_progress, write_rows
from dutchbook.tape.importers import kalshi_ws, worldcup
from dutchbook.tape.importers.facts import Overrides
from dutchbook.tape.importers.source import Imported, Layout, Source, Wish, find
from dutchbook.tape.message import TapeMeta
from dutchbook.tape.rows import Rows

IMPORTERS: Mapping[Layout, Callable[[Source, Wish], Imported]] = {
    Layout.WORLD_CUP: worldcup.read,
    Layout.KALSHI_MS: kalshi_ws.read,
    Layout.KALSHI_NS: kalshi_ws.read,
}


def import_recording(
    source: Path,
    dest: Path,
    contracts: Path | None = None,
    progress: Progress = no_progress,
    *,
    partial: bool = False,
) -> TapeMeta:
    """Read a recording and write it as a tape, completely or not at all.

    Args:
        source: A folder of a recording or one of its files, plain or zstd.
        dest: Path of the tape; an existing tape is replaced.
        contracts: File of facts that the recording lacks; see `docs/tape-format.md`.
        progress: Called with the bytes read of the recording's files.
        partial: Whether it has only some contracts of what was subscribed to; see `Continuity`.

    Raises:
        TapeError: Names the file, the line or field, and what would be valid.
    """
    _check_dest(dest)
    overrides = Overrides.load(contracts)
    found = find(source)
    wish = Wish(overrides, Rows(dest.parent), progress, partial)
    imported = IMPORTERS[found.layout](found, wish)
    overrides.refuse_unused()
    write_rows(dest, imported.rows, imported.meta, imported.recording)
    return imported.meta


def _check_dest(dest: Path) -> None:
    """Raise early if `dest` could not be written in the end."""
    if not dest.parent.is_dir():
        raise TapeError(f"{dest}: no folder {dest.parent} to write it in")
    if dest.exists() and not is_tape(dest):
        raise TapeError(f"{dest}: it exists and is not a tape; choose another name")
