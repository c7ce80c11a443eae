"""Columns of a tape (`docs/tape-format.md`): stored messages to Arrow tables and back.

A row is one level of one message. Each column has the encoding that made the gold recording
smallest: slowly rising numbers as packed differences, small numbers as split bytes (whose high
halves vanish under zstd), prices and sizes as decimals of the coarsest scale that holds them.
"""

from __future__ import annotations

from array import array
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
KINDS = ("snapshot", "level", "change", "trade", "other")
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
_NUMBERS = (
    *("message", "session", "step", "polled_at", "received_at", "platform", "contract"),
    *("kind", "side", "price", "size", "stream", "sequence_gap", "platform_lag_us"),
)


@dataclass(slots=True)
class Rows:
    """Columns that grow message by message, held in memory until they are written."""

    numbers: dict[str, array[int]] = field(
        default_factory=lambda: {name: array("q") for name in _NUMBERS}
    )
    trade_ids: list[bytes | None] = field(default_factory=list)
    raws: list[str | None] = field(default_factory=list)
    contracts: dict[str, int] = field(default_factory=dict)
    messages: int = 0
    _sequences: dict[tuple[object, ...], int] = field(default_factory=dict)

    def add(self, message: StoredMessage) -> None:
        """Append a message's rows: one per level, or a single row if it has no levels."""
        gap = self._gap(message)
        head = (
            self.messages,
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
            for column, value in zip(self.numbers.values(), values, strict=True):
                column.append(value)
            self.trade_ids.append(None if number else message.trade_id)
            self.raws.append(None if number else message.raw)
        self.messages += 1

    def __len__(self) -> int:
        return len(self.raws)

    def _contract(self, contract_id: str | None) -> int:
        if contract_id is None:
            return NOTHING
        return self.contracts.setdefault(contract_id, len(self.contracts))

    def _gap(self, message: StoredMessage) -> int:
        if message.sequence is None:
            return NOTHING
        key = _stream_key(message)
        gap = message.sequence - self._sequences.get(key, 0)
        self._sequences[key] = message.sequence
        return gap

    def slices(self, rows: int) -> Iterator[pa.Table]:
        """Yield the columns as tables of up to `rows` rows, all of one schema."""
        layout = self._layout()
        for start in range(0, len(self), rows):
            yield self._table(layout, start, min(start + rows, len(self)))

    def _layout(self) -> dict[str, pa.DataType]:
        numbers = self.numbers
        unit = next(
            unit
            for unit, ns in TIME_UNITS.items()
            if all(
                value == NOTHING or not value % ns
                for name in ("received_at", "polled_at")
                for value in numbers[name]
            )
        )
        lags = [value for value in numbers["platform_lag_us"] if value != NOTHING]
        small = all(-INT32 <= value < INT32 for value in lags)
        return {
            "received_at": pa.timestamp(unit, tz="UTC"),
            "polled_at": pa.timestamp(unit, tz="UTC"),
            "price": _decimal(numbers["price"], FINEST["price"]),
            "size": _decimal(numbers["size"], FINEST["size"]),
            "platform_lag_us": pa.int32() if small else pa.int64(),
        }

    def _table(self, layout: dict[str, pa.DataType], start: int, end: int) -> pa.Table:
        names = {
            "platform": [each.value for each in PLATFORMS],
            "contract": list(self.contracts),
            "kind": list(KINDS),
            "side": list(SIDES),
        }
        columns: dict[str, Any] = {}
        for name, values in self.numbers.items():
            column = _integers(values[start:end])
            if name in names:
                codes = column.cast(pa.int32())
                columns[name] = pa.DictionaryArray.from_arrays(codes, names[name])
            elif name in ("received_at", "polled_at"):
                columns[name] = _times(column, layout[name])
            elif name in ("price", "size"):
                columns[name] = _decimals(column, layout[name], FINEST[name])
            else:
                columns[name] = column.cast(layout.get(name, pa.int64()))
        columns["trade_id"] = pa.array(self.trade_ids[start:end], pa.binary(16))
        columns["raw"] = pa.array(self.raws[start:end], pa.string())
        return pa.table({name: columns[name] for name in COLUMNS})


def _stream_key(message: StoredMessage) -> tuple[object, ...]:
    return message.session, message.platform, message.contract_id, message.stream


def _integers(values: array[int]) -> pa.Array:
    column = pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])
    return pc.if_else(pc.equal(column, NOTHING), None, column)


def _times(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return pc.divide(column, TIME_UNITS[kind.unit]).cast(kind)


def _decimal(values: array[int], finest: int) -> pa.DataType:
    """Return the narrowest decimal that holds `values`, which are in units of 10⁻ᶠⁱⁿᵉˢᵗ."""
    largest = 0
    shift = finest
    for value in values:
        if value != NOTHING:
            largest = max(largest, abs(value))
            while value % 10**shift:
                shift -= 1
    digits = len(str(largest // 10**shift))
    width = SMALL_DECIMAL if digits <= SMALL_DECIMAL else LARGE_DECIMAL
    return pa.decimal128(width, finest - shift)


def _decimals(column: pa.Array, kind: pa.DataType, finest: int) -> pa.Array:
    scaled = pc.divide(column, 10 ** (finest - kind.scale)).cast(pa.decimal128(19, 0))
    return pa.Array.from_buffers(kind, len(scaled), scaled.buffers(), scaled.null_count)


# Reading
# -----------------------------------------------------------------------------------------


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
