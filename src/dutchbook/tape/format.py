"""Tape files: Parquet with zstd, one row per level, the tape's metadata in the footer.

`docs/tape-format.md` describes the format. A file is written under a temporary name, synced and
renamed, so that a tape is either complete or absent. Pages have checksums.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dutchbook.errors import DutchbookError, TapeError
from dutchbook.tape import metadata
from dutchbook.tape.columns import COLUMNS, ENCODINGS, NAMED, Reader, check_schema
from dutchbook.tape.message import Tape, TapeMessage, TapeMeta
from dutchbook.tape.metadata import FORMAT, Recording
from dutchbook.tape.rows import Rows
from dutchbook.tape.stored import StoredMessage, instant, microseconds, replayed, store

Progress = Callable[[int, int], None]
"""Called with the amount done and the total."""

KEY = b"dutchbook.tape"
DIGEST_KEY = b"dutchbook.tape.sha256"
"""Key of the metadata's SHA-256: Parquet has checksums for its pages, not for its footer."""
PAGE_BYTES = 1 << 23
_DAMAGE = (ValueError, TypeError, ArithmeticError, LookupError, OSError, pa.ArrowException)
"""Exceptions from reading a file whose bytes are not those of a tape."""
LEVEL = 22
"""Compression level of zstd; a tape is written once and read often."""


RISING = {"step": "step", "session": "session", "at_ns": "received_at"}
"""Attributes that never fall from message to message, and the columns that store them."""


def no_progress(done: int, total: int) -> None:
    """Ignore progress."""


def write_tape(path: Path, tape: Tape, progress: Progress = no_progress) -> None:
    """Write `tape` to `path`, completely or not at all.

    Raises:
        TapeError: The tape has no messages, or the file cannot be written.
    """
    rows = Rows(path.parent)
    for message in tape.messages():
        for each in store(message):
            rows.add(each)
        if not rows.messages % 10_000:
            progress(rows.messages, tape.meta.messages)
    write_rows(path, rows, tape.meta)
    progress(rows.messages, rows.messages)


def write_rows(
    path: Path, rows: Rows, meta: TapeMeta, recording: Recording | None = None
) -> None:
    """Write collected rows and the tape's metadata."""
    if not rows.messages:
        raise TapeError(f"{path}: a tape needs at least one message")
    with whole_file(path) as partial:
        tables = rows.slices()
        first = next(tables)
        with pq.ParquetWriter(
            partial,
            first.schema,
            compression="zstd",
            compression_level=LEVEL,
            use_dictionary=list(NAMED),
            column_encoding=ENCODINGS,
            store_decimal_as_integer=True,
            data_page_size=PAGE_BYTES,
            write_page_checksum=True,
            write_statistics=["received_at", "message", "step", "session", "contract"],
        ) as writer:
            for table in chain((first,), tables):
                writer.write_table(table)
            writer.add_key_value_metadata(described(metadata.encode(meta, recording)))


def described(document: bytes) -> dict[bytes, bytes]:
    """Return the footer's entries for a tape's encoded metadata."""
    return {KEY: document, DIGEST_KEY: sha256(document).hexdigest().encode()}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it is renamed to `path`.

    Raises:
        TapeError: `path` cannot be written, or is a file other than a tape.
    """
    if path.exists() and not is_tape(path):
        raise TapeError(f"{path}: it exists and is not a tape; choose another name")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except (OSError, pa.ArrowException) as error:
        raise TapeError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_tape(path: Path) -> bool:
    """Return whether `path` is a tape of any version, with at least an intact footer."""
    try:
        with pq.ParquetFile(path) as file:
            return KEY in (file.metadata.metadata or {})
    except (OSError, ValueError, pa.ArrowException):
        return False


@dataclass(frozen=True, slots=True)
class StoredTape:
    """A tape file, read one row group at a time."""

    path: Path
    meta: TapeMeta
    recording: Recording | None

    def digest(self) -> str:
        """Return the SHA-256 of the file in hexadecimal: the same tape under any name.

        Raises:
            TapeError: The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TapeError(f"{self.path}: cannot be read: {error.strerror}") from error

    def messages(self) -> Iterator[TapeMessage]:
        """Iterate over the book updates, from the first.

        Raises:
            TapeError: The file is damaged.
        """
        return replayed(self.stored())

    def stored(self) -> Iterator[StoredMessage]:
        """Iterate over every message that the tape stores, including trades and others."""
        known = {(each.platform, each.contract_id) for each in self.meta.contracts}
        first, last = microseconds(self.meta.first), microseconds(self.meta.last)
        count = 0
        for message in _checked(self.path, _read(self.path)):
            contract_id = message.contract_id
            if contract_id is not None and (message.platform, contract_id) not in known:
                raise TapeError(
                    f"{self.path}: message {count} is about {contract_id}, "
                    "which is none of its contracts"
                )
            if not first <= message.at_ns // 1_000 <= last:
                at = instant(message.at_ns // 1_000).isoformat()
                raise TapeError(f"{self.path}: message {count} is of {at}, outside its times")
            count += not message.is_note
            yield message
        if count != self.meta.messages:
            raise TapeError(
                f"{self.path}: it says {self.meta.messages} messages and holds {count}"
            )


def open_tape(path: Path) -> StoredTape:
    """Open a tape; its messages are read on demand.

    Raises:
        TapeError: Missing, not a tape, damaged, or of an unsupported version.
    """
    document = _describe(path)
    try:
        found = metadata.version(document)
        known = metadata.decode(document) if found == FORMAT else None
    except (*_DAMAGE, DutchbookError) as error:
        raise TapeError(f"{path}: its description is malformed: {_one_line(error)}") from error
    if known is None:
        raise TapeError(f"{path}: tape format {found!r}; this program reads {FORMAT}")
    return StoredTape(path, *known)


def _describe(path: Path) -> bytes:
    """Return the JSON in a tape's footer."""
    if not path.exists():
        raise TapeError(f"{path}: no such tape")
    if not path.is_file():
        raise TapeError(f"{path}: not a file; import a recording with `dutchbook tape import`")
    try:
        with pq.ParquetFile(path) as file:
            found = file.metadata.metadata or {}
    except (ValueError, pa.ArrowException) as error:
        raise TapeError(
            f"{path}: not a tape, or cut short: {_one_line(error)}; "
            "import a recording with `dutchbook tape import`"
        ) from error
    except OSError as error:
        raise TapeError(f"{path}: cannot be read: {_one_line(error)}") from error
    document: bytes | None = found.get(KEY)
    if document is None:
        raise TapeError(f"{path}: a Parquet file, but not a tape: it has no {KEY.decode()!r}")
    if found.get(DIGEST_KEY) != described(document)[DIGEST_KEY]:
        raise TapeError(f"{path}: damaged: its description is not what was written")
    return document


def _read(path: Path) -> Iterator[StoredMessage]:
    """Read the rows.

    Raises:
        ValueError, OSError, ArrowException: The file is damaged.
    """
    reader = Reader()
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        check_schema(file.schema_arrow)
        for group in range(file.num_row_groups):
            yield from reader.feed(file.read_row_group(group, columns=list(COLUMNS)))
    yield from reader.last()


def _checked(path: Path, messages: Iterable[StoredMessage]) -> Iterator[StoredMessage]:
    """Pass messages on and turn any damage into an error of one clear line."""
    before = dict.fromkeys(RISING, 0)
    number = -1
    try:
        for message in messages:
            number += 1
            here = {name: getattr(message, name) for name in RISING}
            fallen = [name for name, value in here.items() if value < before[name]]
            if fallen or message.impossible:
                break
            before = here
            yield message
        else:
            return
    except _DAMAGE as error:
        raise TapeError(f"{path}: damaged: {_one_line(error)}") from error
    wrong = message.impossible or f"{RISING[fallen[0]]} falls below that of the one before"
    raise TapeError(f"{path}: damaged: message {number}: {wrong}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
