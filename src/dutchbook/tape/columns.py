"""Columns of a tape (`docs/tape-format.md`), and Arrow tables back to stored messages.

A row is one level of one message. Each column has the encoding that made the gold recording
smallest: slowly rising numbers as packed differences, small numbers as split bytes (whose high
halves vanish under zstd), prices and sizes as decimals of the coarsest scale that holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dutchbook.domain.market.contract import Platform
from dutchbook.tape.stored import Level, StoredKind, StoredMessage

NOTHING = -(2**63)
"""Represents null while a column is an array of integers."""
PLATFORMS = tuple(Platform)
KINDS = ("snapshot", "level", "change", "trade", "other", "gap", "grid")
SIDES = ("bid", "ask")
TIME_UNITS = {"ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds per unit, coarsest first."""
INT32 = 2**31
SMALL_DECIMAL, LARGE_DECIMAL = 9, 18
"""Digits that Parquet stores in 32 and in 64 bits."""

FINEST = {"price": 4, "size": 6}
"""Decimal places of Dutchbook's integer prices and sizes."""
_WORDS = ("platform", "contract", "kind", "side")

PACKED = ("message", "step", "session", "received_at", "polled_at")
SPLIT = ("price", "sequence_gap", "platform_lag_us")
NAMED = ("platform", "contract", "kind", "side", "stream")
COLUMNS = (
    "message",
    "session",
    "step",
    "polled_at",
    "received_at",
    "platform",
    "contract",
    "kind",
    "side",
    "price",
    "size",
    "stream",
    "sequence_gap",
    "platform_lag_us",
    "trade_id",
    "raw",
)
ENCODINGS = (
    dict.fromkeys(PACKED, "DELTA_BINARY_PACKED")
    | dict.fromkeys(SPLIT, "BYTE_STREAM_SPLIT")
    | dict.fromkeys(("size", "trade_id", "raw"), "PLAIN")
)


@dataclass(slots=True)
class Reader:
    """Converts tables, in order, back into messages."""

    _sequences: dict[tuple[object, ...], int] = field(default_factory=dict)
    _first: tuple[Any, ...] | None = None
    _number: int = -1
    _levels: list[Level] = field(default_factory=list)

    def feed(self, table: pa.Table) -> Iterator[StoredMessage]:
        """Yield each message once a row of the next one was read.

        Raises:
            ValueError: The table has values that no tape has.
        """
        columns = [_values(table, name) for name in COLUMNS]
        for row in zip(*columns, strict=True):
            number, side, price, size = row[0], row[8], row[9], row[10]
            if number != self._number or self._first is None:
                if self._first is not None:
                    yield self._message(self._first)
                self._begin(row)
            if side is not None:
                self._levels.append((side, price, size))

    def last(self) -> Iterator[StoredMessage]:
        """Yield the message that was still open when the tables ended."""
        if self._first is not None:
            yield self._message(self._first)

    def _begin(self, row: tuple[Any, ...]) -> None:
        number = row[0]
        if number <= self._number:
            raise ValueError(f"message {number} after {self._number}")
        if number and self._number < 0:
            raise ValueError(f"it begins at message {number}")
        self._first, self._number, self._levels = row, number, []

    def _message(self, first: tuple[Any, ...]) -> StoredMessage:
        """Return the message that began with the row `first`, with all its levels."""
        _, session, step, cycle, at, platform, contract, kind, *_ = first
        stream, gap, lag, trade_id, raw = first[11:]
        sequence = None
        if gap is not None:
            key = session, platform, contract, stream
            sequence = self._sequences[key] = self._sequences.get(key, 0) + gap
        return StoredMessage(
            at,
            step,
            session,
            platform,
            contract,
            kind,
            tuple(self._levels),
            cycle,
            stream,
            sequence,
            None if lag is None else at // 1_000 - lag,
            trade_id,
            raw,
        )


def check_schema(schema: pa.Schema) -> None:
    """Check that a file has the columns of a tape, with their types.

    Raises:
        ValueError: A column is missing or has another type.
    """
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        raise ValueError(f"columns are missing: {', '.join(missing)}")
    for name in COLUMNS:
        kind = schema.field(name).type
        if not _is_kind_of(name, kind):
            raise ValueError(f"column {name} is of type {kind}")


def _is_kind_of(name: str, kind: pa.DataType) -> bool:
    if name in ("received_at", "polled_at"):
        return bool(pa.types.is_timestamp(kind)) and kind.unit in TIME_UNITS
    if name in ("price", "size"):
        return bool(pa.types.is_decimal128(kind)) and 0 <= int(kind.scale) <= FINEST[name]
    if name in _WORDS or name == "raw":
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
    if name == "trade_id":
        return bool(kind == pa.binary(16))
    return bool(pa.types.is_integer(kind))


_MEANINGS: dict[str, dict[str, Any]] = {
    "platform": {each.value: each for each in Platform},
    "kind": {name: StoredKind(code) for code, name in enumerate(KINDS)},
    "side": {name: code for code, name in enumerate(SIDES)},
}


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if name in _WORDS:
        column = column.dictionary_encode()
        words = column.dictionary.to_pylist()
        meanings = [_meaning(name, word) for word in words]
        return [None if code is None else meanings[code] for code in column.indices.to_pylist()]
    if name in ("received_at", "polled_at"):
        return _scaled(column.cast(pa.int64()), TIME_UNITS[column.type.unit])
    if name in ("price", "size"):
        whole = pa.Array.from_buffers(
            pa.decimal128(19, 0), len(column), column.buffers(), offset=column.offset
        )
        return _scaled(whole.cast(pa.int64()), 10 ** (FINEST[name] - column.type.scale))
    values: list[Any] = column.to_pylist()
    return values


def _meaning(name: str, word: str) -> Any:
    if name == "contract":
        return word
    if word not in _MEANINGS[name]:
        raise ValueError(f"{name} {word!r}")
    return _MEANINGS[name][word]


def _scaled(column: pa.Array, factor: int) -> list[Any]:
    values: list[Any] = pc.multiply(column, factor).to_pylist()
    return values
