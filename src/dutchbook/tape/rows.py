"""The rows of a tape while it is written: in memory up to a row group, then on disk.

Which units hold every value of a column exactly is known only after the last message. So full
row groups wait in a temporary file, as the integers they are, and are converted at the end.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from dutchbook.errors import TapeError
from dutchbook.tape.columns import (
    COLUMNS,
    FINEST,
    INT32,
    KINDS,
    LARGE_DECIMAL,
    NOTHING,
    PLATFORMS,
    SIDES,
    SMALL_DECIMAL,
    TIME_UNITS,
)
from dutchbook.tape.stored import Level, StoredKind, StoredMessage

ROW_GROUP = 1 << 18
ALWAYS = StoredKind.GAP
"""Kinds before this one are named in every tape, whether it has them or not."""
_NUMBERS = (
    *("message", "session", "step", "polled_at", "received_at", "platform", "contract"),
    *("kind", "side", "price", "size", "stream", "sequence_gap", "platform_lag_us"),
)
_TIMES = ("received_at", "polled_at")
_SPOOLED = pa.schema(
    [
        *((name, pa.int64()) for name in _NUMBERS),
        ("trade_id", pa.binary()),
        ("raw", pa.string()),
    ]
)


class Rows:
    """Columns that grow message by message.

    Args:
        folder: Where full row groups wait, in a file that has no name; None for the system's
            folder for temporary files.
        group: Rows of a row group; so many are held in memory, and the rest of one message.

    Attributes:
        messages: Number of messages, notes of ours not counted.
    """

    def __init__(self, folder: Path | None = None, group: int = ROW_GROUP) -> None:
        self.messages = 0
        self._folder = folder
        self._group = group
        self._entries = 0
        self._numbers = {name: array("q") for name in _NUMBERS}
        self._trade_ids: list[bytes | None] = []
        self._raws: list[str | None] = []
        self._contracts: dict[str, int] = {}
        self._sequences: dict[tuple[object, ...], int] = {}
        self._exact = _Exact()
        self._file: IO[bytes] | None = None
        self._spool: pa.RecordBatchStreamWriter | None = None

    def add(self, message: StoredMessage) -> None:
        """Append a message's rows: one per level, or a single row if it has no levels.

        Raises:
            TapeError: There is no room on the disk for the rows that wait.
        """
        gap = self._gap(message)
        head = (
            self._entries,
            message.session,
            message.step,
            NOTHING if message.cycle_ns is None else message.cycle_ns,
            message.at_ns,
            PLATFORMS.index(message.platform),
            self._contract(message.contract_id),
            int(message.kind),
        )
        lag = message.platform_us
        tail = (
            NOTHING if message.stream is None else message.stream,
            gap,
            NOTHING if lag is None else message.at_ns // 1_000 - lag,
        )
        levels: tuple[Level, ...] = message.levels or ((NOTHING, NOTHING, NOTHING),)
        for number, level in enumerate(levels):
            if number and gap != NOTHING:
                tail = (tail[0], 0, tail[2])
            values = (*head, *level, *tail)
            for column, value in zip(self._numbers.values(), values, strict=True):
                column.append(value)
            self._trade_ids.append(None if number else message.trade_id)
            self._raws.append(None if number else message.raw)
        self._entries += 1
        self.messages += not message.is_note
        while len(self._raws) >= self._group:
            try:
                self._put_away()
            except (OSError, pa.ArrowException) as error:
                raise TapeError(
                    f"{self._folder}: rows cannot be kept there: {error}"
                ) from error

    def _contract(self, contract_id: str | None) -> int:
        if contract_id is None:
            return NOTHING
        return self._contracts.setdefault(contract_id, len(self._contracts))

    def _gap(self, message: StoredMessage) -> int:
        if message.sequence is None:
            return NOTHING
        key = message.session, message.platform, message.contract_id, message.stream
        gap = message.sequence - self._sequences.get(key, 0)
        self._sequences[key] = message.sequence
        return gap

    def _put_away(self) -> None:
        """Move one row group to the disk."""
        batch = self._batch()
        if self._spool is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - kept
            packed = pa.ipc.IpcWriteOptions(compression="lz4")
            self._spool = pa.ipc.new_stream(self._file, _SPOOLED, options=packed)
        self._spool.write_batch(batch)
        for column in self._numbers.values():
            del column[: self._group]
        del self._trade_ids[: self._group], self._raws[: self._group]

    def _batch(self) -> pa.RecordBatch:
        """Return the first rows that are in memory, as integers."""
        rows = self._group
        self._exact.see({name: column[:rows] for name, column in self._numbers.items()})
        numbers = [_integers(column[:rows]) for column in self._numbers.values()]
        texts = [pa.array(self._trade_ids[:rows], pa.binary())]
        texts.append(pa.array(self._raws[:rows], pa.string()))
        return pa.RecordBatch.from_arrays([*numbers, *texts], schema=_SPOOLED)

    def slices(self) -> Iterator[pa.Table]:
        """Yield the columns, a row group at a time, all of one schema; then they are gone."""
        rest = self._batch() if self._raws else None
        layout = self._exact.layout()
        if self._spool is not None and self._file is not None:
            self._spool.close()
            self._file.seek(0)
            with self._file, pa.ipc.open_stream(self._file) as spooled:
                for batch in spooled:
                    yield self._table(batch, layout)
        if rest is not None:
            yield self._table(rest, layout)

    def _table(self, batch: pa.RecordBatch, layout: dict[str, pa.DataType]) -> pa.Table:
        names = {
            "platform": [each.value for each in PLATFORMS],
            "contract": list(self._contracts),
            "kind": list(KINDS[: max(ALWAYS, self._exact.kind + 1)]),
            "side": list(SIDES),
        }
        columns: dict[str, Any] = {}
        for name in _NUMBERS:
            column = batch.column(name)
            if name in names:
                codes = column.cast(pa.int32())
                columns[name] = pa.DictionaryArray.from_arrays(codes, names[name])
            elif name in _TIMES:
                unit = TIME_UNITS[layout[name].unit]
                columns[name] = pc.divide(column, unit).cast(layout[name])
            elif name in FINEST:
                columns[name] = _decimals(column, layout[name], FINEST[name])
            else:
                columns[name] = column.cast(layout.get(name, pa.int64()))
        columns["trade_id"] = batch.column("trade_id").cast(pa.binary(16))
        columns["raw"] = batch.column("raw")
        return pa.table({name: columns[name] for name in COLUMNS})


@dataclass(slots=True)
class _Exact:
    """The coarsest units that hold every value seen, and the highest kind."""

    kind: int = 0
    _unit: int = 0
    _small_lags: bool = True
    _largest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FINEST, 0))
    _shift: dict[str, int] = field(default_factory=lambda: dict(FINEST))

    def see(self, numbers: dict[str, array[int]]) -> None:
        """Take values into account."""
        units = tuple(TIME_UNITS.values())
        for name in _TIMES:
            for value in _present(numbers[name]):
                while value % units[self._unit]:
                    self._unit += 1
        for name in FINEST:
            self._see_decimals(name, numbers[name])
        lags = _present(numbers["platform_lag_us"])
        self._small_lags = self._small_lags and all(-INT32 <= lag < INT32 for lag in lags)
        self.kind = max((self.kind, *numbers["kind"]))

    def _see_decimals(self, name: str, values: array[int]) -> None:
        largest, shift = self._largest[name], self._shift[name]
        for value in _present(values):
            largest = max(largest, abs(value))
            while value % 10**shift:
                shift -= 1
        self._largest[name], self._shift[name] = largest, shift

    def layout(self) -> dict[str, pa.DataType]:
        """Return the types of the columns whose type depends on their values."""
        times = pa.timestamp(tuple(TIME_UNITS)[self._unit], tz="UTC")
        return {
            **dict.fromkeys(_TIMES, times),
            **{name: self._decimal(name) for name in FINEST},
            "platform_lag_us": pa.int32() if self._small_lags else pa.int64(),
        }

    def _decimal(self, name: str) -> pa.DataType:
        """Return the narrowest decimal; values are in units of 10⁻ᶠⁱⁿᵉˢᵗ."""
        digits = len(str(self._largest[name] // 10 ** self._shift[name]))
        width = SMALL_DECIMAL if digits <= SMALL_DECIMAL else LARGE_DECIMAL
        return pa.decimal128(width, FINEST[name] - self._shift[name])


def _present(values: Iterable[int]) -> Iterator[int]:
    return (value for value in values if value != NOTHING)


def _integers(values: array[int]) -> pa.Array:
    column = pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    return pc.if_else(pc.equal(column, NOTHING), None, column)


def _decimals(column: pa.Array, kind: pa.DataType, finest: int) -> pa.Array:
    scaled = pc.divide(column, 10 ** (finest - kind.scale)).cast(pa.decimal128(19, 0))
    return pa.Array.from_buffers(kind, len(scaled), scaled.buffers(), scaled.null_count)
