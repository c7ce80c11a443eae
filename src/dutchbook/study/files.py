"""The files of a study, each of them whole or not at all; what a study cut short leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dutchbook.errors import InvalidInput, StorageError
from dutchbook.study.columns import KEY, rows
from dutchbook.study.report import TITLE
from dutchbook.study.runs import Study

OPTION, NAME = "--out", "study"
LEVEL = 9
"""Compression level of zstd."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a study goes.

    Attributes:
        report: The report, Markdown.
        table: The runs, Parquet.
        unfinished: The runs of a study that was cut short, instead of both.
    """

    report: Path
    table: Path
    unfinished: Path

    def write(self, lines: Sequence[str], table: pa.Table) -> None:
        """Write both; what stood there before is replaced, and what was unfinished removed.

        Raises:
            StorageError: One cannot be written; what stood there is still there.
        """
        text = "".join(f"{line}\n" for line in lines)
        with _whole(self.table) as first, _whole(self.report) as second:
            _put(table, first)
            second.write_text(text, encoding="utf-8")
        self.unfinished.unlink(missing_ok=True)

    def rescue(self, study: Study) -> str:
        """Write the runs of a study that was cut short, and return in words what is left.

        Raises:
            StorageError: They cannot be written.
        """
        made, all_of_them = f"{len(study.runs):,}", f"{study.planned:,}"
        if not study.runs:
            return f"stopped before the first of {all_of_them} runs ended: nothing is written"
        with _whole(self.unfinished) as partial:
            _put(rows(study), partial)
        return (
            f"stopped after {made} of {all_of_them} runs: {self.unfinished} has a row for each"
            " of these; there is no report"
        )


def files(out: str) -> Files:
    """Return the files of a study: ``out.md`` and ``out.parquet``, or ``study.*`` in a folder.

    Raises:
        InvalidInput: The folder is not there or takes no files, or a file there is no study.
    """
    path = Path(out)
    base = path / NAME if path.is_dir() else path
    folder = base.parent
    if not base.name or (out.endswith(os.sep) and not path.is_dir()) or not folder.is_dir():
        raise InvalidInput(OPTION, out, "the name of files in a folder that exists")
    names = (f"{base.name}.{end}" for end in ("md", "parquet", "unfinished.parquet"))
    found = Files(*map(base.with_name, names))
    tables = ((each, _is_table) for each in (found.table, found.unfinished))
    for each, known in ((found.report, _is_report), *tables):
        if each.exists() and not known(each):
            raise InvalidInput(OPTION, out, f"free: {each} is there and is no study")
        _try(each, out)
    return found


def _try(path: Path, out: str) -> None:
    """Refuse a file that cannot be written now, not after all runs."""
    partial = _partial(path)
    try:
        partial.touch()
        partial.unlink()
    except OSError:
        raise InvalidInput(OPTION, out, "in a folder that you may write to") from None


def _put(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", compression_level=LEVEL)


def _is_report(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n") == TITLE
    except (OSError, ValueError):
        return False


def _is_table(path: Path) -> bool:
    try:
        with pq.ParquetFile(path) as file:
            return KEY in (file.metadata.metadata or {})
    except (OSError, ValueError, pa.ArrowException):
        return False


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; once it is written, it is renamed to it."""
    partial = _partial(path)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")
