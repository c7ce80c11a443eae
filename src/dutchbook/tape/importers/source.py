"""Finds a recording's files, detects their layout by content, and reads their lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from dutchbook.errors import InvalidInput, TapeError
from dutchbook.tape.format import Progress
from dutchbook.tape.importers.continuity import Notices
from dutchbook.tape.importers.facts import Overrides
from dutchbook.tape.importers.rebuild import KALSHI_MS, KALSHI_NS, WORLD_CUP
from dutchbook.tape.message import TapeMeta
from dutchbook.tape.metadata import Recording
from dutchbook.tape.rows import Rows

SUFFIXES = (".jsonl", ".ndjson")
ZSTD = ".zst"
CHUNK = 1 << 16
LONGEST_LINE = 1 << 24
"""Bytes; the longest line of any known recording has some 20,000."""
REPORT_EVERY = 5_000
STEP_BACK_SECONDS = 10
"""How far a recorder's clock may be set back; what came meanwhile is replayed at one time."""
KNOWN = "a World Cup recording of both platforms, or a Kalshi websocket recording (gold, BTC)"


class Layout(StrEnum):
    """Layout of a recording's files."""

    WORLD_CUP = WORLD_CUP
    KALSHI_MS = KALSHI_MS
    KALSHI_NS = KALSHI_NS
    CHECKPOINTS = "checkpoints"


_MARKS: tuple[tuple[frozenset[str], Layout], ...] = (
    (frozenset({"ts", "t_fetch", "venue", "pair"}), Layout.WORLD_CUP),
    (frozenset({"recv_ms", "event"}), Layout.KALSHI_MS),
    (frozenset({"recv_ns", "event"}), Layout.KALSHI_NS),
    (frozenset({"checkpoint_ts", "market_ticker"}), Layout.CHECKPOINTS),
)
"""Fields of a first line that identify each layout."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording: the given path, and its files in the order of their first times."""

    path: Path
    layout: Layout
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of all files on disk."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an import is given beside the recording.

    Attributes:
        overrides: Facts that the recording lacks.
        rows: Where the tape's rows go.
        progress: Called with the bytes read.
        partial: Whether the recording has only some contracts of each subscription.
    """

    overrides: Overrides
    rows: Rows
    progress: Progress
    partial: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """A recording that was read and is ready to be written."""

    rows: Rows
    meta: TapeMeta
    recording: Recording


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one file."""

    file: Path
    number: int
    text: bytes
    cut: bool = False
    """Whether the file ends in it without a line's end: a crash may have cut it off."""

    def error(self, reason: object) -> TapeError:
        """Return an error that names this line and the reason."""
        return TapeError(f"{self.file}:{self.number}: {reason}")


@dataclass(slots=True)
class Meter:
    """Sums the bytes read from several files, for a progress bar."""

    total: int
    progress: Progress
    _read: dict[Path, int] = field(default_factory=dict)

    def note(self, file: Path, position: int) -> None:
        """Record that `file` was read up to `position`."""
        self._read[file] = position
        self.progress(min(sum(self._read.values()), self.total), self.total)


def find(path: Path) -> Source:
    """Find the recording at `path`, a folder or one of its files.

    Raises:
        TapeError: There is none, it is of no known kind, or it is of several.
    """
    if not path.exists():
        raise TapeError(f"{path}: no such file or folder; it should be {KNOWN}")
    files = _files(path)
    layouts = {file: layout_of(file) for file in files}
    if path.is_file() and layouts[path] is Layout.CHECKPOINTS:
        raise TapeError(
            f"{path}: checkpoints are a recorder's own summary; import the messages beside it"
        )
    chosen = [file for file in files if layouts[file] is not Layout.CHECKPOINTS]
    kinds = sorted({layouts[file] for file in chosen})
    if not chosen:
        raise TapeError(f"{path}: holds no *.jsonl or *.ndjson file; it should be {KNOWN}")
    if len(kinds) > 1:
        raise TapeError(f"{path}: recordings of several kinds ({', '.join(kinds)}); import one")
    times = {file: _first_time(file, kinds[0]) for file in chosen}
    return Source(path, kinds[0], tuple(sorted(chosen, key=lambda file: (times[file], file))))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(
        file
        for file in path.rglob("*")
        if plain_name(file).endswith(SUFFIXES) and file.is_file()
    )
    twice = [file for file in files if file.suffix == ZSTD and file.with_suffix("") in files]
    if twice:
        raise TapeError(f"{twice[0]}: its plain form is there too; keep one of them")
    return files


def plain_name(file: Path) -> str:
    """Return a file's name without the suffix of zstd."""
    return file.name.removesuffix(ZSTD)


def layout_of(file: Path) -> Layout:
    """Detect a file's layout by its first line."""
    line = next(lines(file), None)
    if line is None:
        raise TapeError(f"{file}: empty; it should be {KNOWN}")
    try:
        found = msgspec.json.decode(line.text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise line.error(f"not JSON ({error}); it should be {KNOWN}") from error
    if isinstance(found, dict):
        for marks, layout in _MARKS:
            if marks <= found.keys():
                return layout
    raise line.error(f"not a message of a known recording; it should be {KNOWN}")


_TIMES = {Layout.WORLD_CUP: "t_fetch", Layout.KALSHI_MS: "recv_ms", Layout.KALSHI_NS: "recv_ns"}


def _first_time(file: Path, layout: Layout) -> int:
    line = next(lines(file))
    found = msgspec.json.decode(line.text)[_TIMES[layout]]
    if not isinstance(found, int):
        raise line.error(f"{_TIMES[layout]}: {found!r} is not a whole number")
    return found


def lines(
    file: Path, meter: Meter | None = None, notices: Notices | None = None
) -> Iterator[Line]:
    """Yield the lines of a file, decompressed if its content is zstd.

    A compressed file that a crash cut off is read to where it ends, which is noticed.

    Raises:
        TapeError: Unreadable, damaged, or a line is longer than `LONGEST_LINE`.
    """
    number = 0
    try:
        with file.open("rb") as disk:
            for text, cut in _split(_unpacked(disk, file, notices), file):
                number += 1
                if text.strip():
                    yield Line(file, number, text, cut)
                if meter and not number % REPORT_EVERY:
                    meter.note(file, disk.tell())
            if meter:
                meter.note(file, disk.tell())
    except (OSError, zstandard.ZstdError) as error:
        raise TapeError(f"{file}: cannot be read after line {number}: {error}") from error


def _split(chunks: Iterator[bytes], file: Path) -> Iterator[tuple[bytes, bool]]:
    """Yield each line, and whether it lacks its end."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from ((line, False) for line in whole)
        if len(rest) > LONGEST_LINE:
            raise TapeError(f"{file}: a line of over {LONGEST_LINE} bytes; {KNOWN} has none")
    if rest:
        yield rest, True


def _unpacked(disk: BinaryIO, file: Path, notices: Notices | None) -> Iterator[bytes]:
    """Yield a file's content, decompressed if it is zstd, of one frame or several."""
    chunk = disk.read(CHUNK)
    if chunk[:4] != zstandard.FRAME_HEADER:
        while chunk:
            yield chunk
            chunk = disk.read(CHUNK)
        return
    frame = zstandard.ZstdDecompressor().decompressobj()
    while chunk:
        if frame.eof:
            frame = zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(chunk)
        chunk = frame.unused_data if frame.eof else b""
        chunk = chunk or disk.read(CHUNK)
    if not frame.eof and notices is not None:
        notices.note(f"{file.name}: its end is missing; read as far as it goes")


def cut_off(line: Line, notices: Notices) -> bool:
    """Return whether an unreadable line is one that a crash cut off, and note it."""
    if line.cut:
        notices.note(f"{line.file.name}:{line.number}: cut off at the file's end; left out")
    return line.cut


def in_order(line: Line, at: int, last: int, per_second: int, notices: Notices) -> int:
    """Return the time of a line, or that of the line before if the clock was set back a bit.

    Args:
        line: The line.
        at: Its time, in parts of a second.
        last: The time of the line before.
        per_second: How many parts a second has.
        notices: Where it is noted.

    Raises:
        InvalidInput: It was set back by more than `STEP_BACK_SECONDS`.
    """
    if at >= last:
        return at
    if last - at > STEP_BACK_SECONDS * per_second:
        raise InvalidInput("the time of receipt", at, f"{last} or later, as the line above")
    notices.note(f"{line.file.name}: the clock stepped back; the time before is taken")
    return last


def objects(line: Line) -> dict[str, object]:
    """Parse a line that is one JSON object; numbers with a point become decimals.

    Raises:
        TapeError: It is not a JSON object.
    """
    try:
        found = json.loads(
            line.text.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise line.error(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise line.error("not a JSON object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")
