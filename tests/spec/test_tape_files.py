from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import Alignment, Contract, DivergenceClass, Platform
from dutchbook.domain.values.units import PriceGrid
from dutchbook.errors import TapeError
from dutchbook.ports.market_data import BookUpdate, GridChange
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape import metadata
from dutchbook.tape.columns import Reader
from dutchbook.tape.format import KEY, described, open_tape, write_rows, write_tape
from dutchbook.tape.generate import generate
from dutchbook.tape.info import describe
from dutchbook.tape.message import MemoryTape, TapeMessage
from dutchbook.tape.metadata import FORMAT, RecordedFile, Recording
from dutchbook.tape.rows import Rows
from dutchbook.tape.stored import Level, StoredKind, StoredMessage, replayed

TAPE = generate(Seeded(3), 3, minutes=2)
CONTRACTS = [(each.platform, each.contract_id) for each in TAPE.meta.contracts]
START = datetime(2026, 7, 5, tzinfo=UTC)

prices = st.integers(1, 9_999)
sizes = st.integers(1, 10**15)
ladders = st.lists(st.tuples(prices, sizes), max_size=4, unique_by=lambda level: level[0])
changes = st.lists(
    st.tuples(prices, st.integers(0, 10**12)), max_size=3, unique_by=lambda level: level[0]
)


@st.composite
def tape_rows(draw: st.DrawFn) -> list[TapeMessage]:
    at, step, session = START, 0, 0
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        at += timedelta(microseconds=draw(st.integers(0, 10**7)))
        step += draw(st.integers(0, 2))
        session += draw(st.sampled_from([0, 0, 0, 1]))
        platform, contract_id = draw(st.sampled_from(CONTRACTS))
        whole = draw(st.booleans())
        levels = ladders if whole else changes
        lag = draw(st.none() | st.integers(-(10**6), 10**10))
        update = BookUpdate(
            platform=platform,
            contract_id=contract_id,
            whole=whole,
            bids=tuple(draw(levels)),
            asks=tuple(draw(levels)),
            sequence=draw(st.integers(0, 2**40)),
            platform_time=None if lag is None else at - timedelta(microseconds=lag),
        )
        rows.append(TapeMessage(at, update, step, session))
    return rows


def tape_of(rows: list[TapeMessage]) -> MemoryTape:
    meta = replace(TAPE.meta, messages=len(rows), first=rows[0].at, last=rows[-1].at)
    return MemoryTape(meta, rows)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=tape_rows())
def test_rows_written_to_a_tape_are_read_back_unchanged(
    rows: list[TapeMessage], tmp_path: Path
) -> None:
    written = tape_of(rows)

    write_tape(tmp_path / "some.tape", written)
    found = open_tape(tmp_path / "some.tape")

    assert found.meta == written.meta
    assert list(found.messages()) == rows


stored_messages = st.builds(
    StoredMessage,
    at_ns=st.integers(10**18, 2 * 10**18),
    step=st.integers(0, 10**9),
    session=st.integers(0, 3),
    platform=st.sampled_from(Platform),
    contract_id=st.none() | st.text(max_size=5),
    kind=st.sampled_from(StoredKind),
    levels=st.lists(
        st.tuples(st.sampled_from([BID, ASK]), prices, st.integers(-(10**17), 10**17)),
        max_size=3,
    ).map(tuple),
    cycle_ns=st.none() | st.integers(10**18, 2 * 10**18),
    stream=st.none() | st.integers(0, 9),
    sequence=st.none() | st.integers(0, 2**60),
    platform_us=st.none() | st.integers(10**15, 2 * 10**15),
    trade_id=st.none() | st.binary(min_size=16, max_size=16),
    raw=st.none() | st.text(max_size=20),
)


@settings(deadline=None, max_examples=40)
@given(messages=st.lists(stored_messages, min_size=1, max_size=12), rows=st.integers(1, 9))
def test_columns_keep_every_attribute_of_every_message(
    messages: list[StoredMessage], rows: int
) -> None:
    columns = Rows(group=rows)
    for message in messages:
        columns.add(message)

    reader = Reader()
    found = [each for table in columns.slices() for each in reader.feed(table)]
    found += reader.last()

    assert found == messages


def test_times_prices_and_sizes_are_stored_in_the_coarsest_exact_unit(tmp_path: Path) -> None:
    write_tape(tmp_path / "some.tape", TAPE)

    schema = pq.read_schema(tmp_path / "some.tape")

    assert schema.field("received_at").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("price").type == pa.decimal128(9, 3)
    assert schema.field("size").type == pa.decimal128(9, 2)


def test_a_change_becomes_a_whole_size_and_never_one_below_zero() -> None:
    def message(kind: StoredKind, size: int, session: int = 0) -> StoredMessage:
        levels = ((BID, 4_000, size),)
        return StoredMessage(0, 0, session, Platform.KALSHI, "a", kind, levels)

    stored = [
        message(StoredKind.SNAPSHOT, 10),
        message(StoredKind.CHANGE, -4),
        message(StoredKind.TRADE, 4),
        message(StoredKind.CHANGE, -9),
        message(StoredKind.CHANGE, 5),
        message(StoredKind.CHANGE, 1, session=1),
        message(StoredKind.LEVEL, 3, session=1),
    ]

    found = [(each.update.whole, each.update.bids[0][1]) for each in replayed(stored)]

    assert found == [
        (True, 10),
        (False, 6),
        (False, 0),
        (False, 5),
        (False, 1),
        (False, 3),
    ]


def test_a_description_keeps_every_field_of_contracts_and_pairs() -> None:
    pair = TAPE.meta.pairs[0]
    kalshi = replace(
        pair.kalshi,
        grid=PriceGrid.of_ranges(
            [
                {"start": "0", "end": "0.1", "step": "0.001"},
                {"start": "0.1", "end": "1", "step": "0.01"},
            ]
        ),
        fees=None,
        assumed=("fees", "grid"),
        cash_delay=timedelta(hours=5, microseconds=1),
        taker_delay=timedelta(seconds=3),
    )
    match = replace(
        pair,
        kalshi=kalshi,
        alignment=Alignment.INVERSE,
        divergence_class=DivergenceClass.SHORT_CRYPTO,
        divergence_probability=Decimal("0.057"),
        primary_leg=Platform.POLYMARKET,
        cluster="cup",
        confidence=Decimal("0.85"),
    )
    meta = replace(
        TAPE.meta,
        contracts=(kalshi, pair.polymarket),
        pairs=(metadata.approved(match),),
        assumed=("kalshi fees: unknown",),
        seed=None,
    )
    recording = Recording("layout", [RecordedFile("a", 2)], {"m": "1"}, {"c": "p"})

    found = metadata.decode(metadata.encode(meta, recording))

    assert found == (meta, recording)


def test_a_tape_without_the_polled_field_was_not_polled() -> None:
    document = json.loads(metadata.encode(replace(TAPE.meta, polled=True), None))
    del document["polled"]

    assert not metadata.decode(json.dumps(document).encode())[0].polled


def test_default_values_are_omitted_from_a_description() -> None:
    document = json.loads(metadata.encode(TAPE.meta, None))

    assert "taker_delay_us" not in document["contracts"][0]
    assert "confidence" not in document["pairs"][0]


def test_a_pair_in_a_tape_is_approved_by_the_tape(tmp_path: Path) -> None:
    meta = replace(
        TAPE.meta,
        pairs=tuple(replace(each, operator_approved=False) for each in TAPE.meta.pairs),
    )

    write_tape(tmp_path / "some.tape", MemoryTape(meta, TAPE.rows))

    assert all(pair.tradable for pair in open_tape(tmp_path / "some.tape").meta.pairs)


def test_the_info_of_a_tape_describes_its_content(tmp_path: Path) -> None:
    write_tape(tmp_path / "some.tape", TAPE)

    info = describe(tmp_path / "some.tape")

    assert info.meta == open_tape(tmp_path / "some.tape").meta
    assert info.meta.messages == len(TAPE.rows)
    assert info.sessions == 1
    assert info.steps == TAPE.rows[-1].step + 1
    assert info.size == (tmp_path / "some.tape").stat().st_size
    assert info.bytes_per_message * len(TAPE.rows) <= info.size + len(TAPE.rows)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    write_tape(tmp_path / "some.tape", TAPE, lambda done, total: seen.append((done, total)))

    assert seen[-1] == (len(TAPE.rows), len(TAPE.rows))


# Invalid files --------------------------------------------------------------------------------


def test_a_missing_tape_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"gone\.tape: no such tape"):
        open_tape(tmp_path / "gone.tape")


def test_a_folder_is_not_a_tape(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="not a file"):
        open_tape(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no tape", b"PAR1", b"PAR1" + bytes(400) + b"PAR1"])
def test_a_file_of_another_format_is_not_a_tape(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.tape").write_bytes(content)

    with pytest.raises(TapeError, match=r"odd\.tape: (not a tape|cannot be read)") as refusal:
        open_tape(tmp_path / "odd.tape")

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_tape_is_rejected(share: float, tmp_path: Path) -> None:
    path = tmp_path / "short.tape"
    write_tape(path, TAPE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(TapeError, match=r"short\.tape: not a tape, or cut short"):
        open_tape(path)


def test_a_flipped_bit_in_the_pages_of_any_column_is_found(tmp_path: Path) -> None:
    path = tmp_path / "worn.tape"
    write_tape(path, TAPE)
    whole = path.read_bytes()
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    found = 0

    for chunk in chunks:
        begin = chunk.dictionary_page_offset or chunk.data_page_offset
        end = begin + chunk.total_compressed_size
        for place in range((begin + end) // 2, end, 11):  # page headers have no checksum
            worn = bytearray(whole)
            worn[place] ^= 4
            path.write_bytes(worn)
            try:
                assert list(open_tape(path).messages()) == list(TAPE.rows)
            except TapeError:
                found += 1

    assert found > len(chunks)


def test_plain_parquet_is_not_a_tape(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "plain.parquet")

    with pytest.raises(TapeError, match="a Parquet file, but not a tape"):
        open_tape(tmp_path / "plain.parquet")


def with_description(path: Path, document: bytes) -> Path:
    write_tape(path, TAPE)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(described(document)), path)
    return path


def test_a_tape_of_another_version_is_rejected(tmp_path: Path) -> None:
    path = with_description(tmp_path / "new.tape", b'{"format":99,"surprise":true}')

    with pytest.raises(TapeError, match=f"tape format 99; this program reads {FORMAT}"):
        open_tape(path)


@pytest.mark.parametrize("document", [b"not json", b"[]", b'{"format":1}'])
def test_a_malformed_description_is_rejected(document: bytes, tmp_path: Path) -> None:
    path = with_description(tmp_path / "odd.tape", document)

    with pytest.raises(TapeError, match=r"odd\.tape: "):
        open_tape(path)


def test_a_flipped_bit_in_the_description_is_found(tmp_path: Path) -> None:
    path = tmp_path / "worn.tape"
    write_tape(path, TAPE)
    path.write_bytes(path.read_bytes().replace(b'"taker_rate":"0.07"', b'"taker_rate":"0.03"'))

    with pytest.raises(TapeError, match="its description is not what was written"):
        open_tape(path)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("received_at", pa.int64()),
        ("price", pa.float64()),
        ("message", pa.string()),
        ("kind", pa.int8()),
        ("trade_id", pa.binary()),
    ],
)
def test_a_column_of_another_type_is_named(
    column: str, kind: pa.DataType, tmp_path: Path
) -> None:
    path = tmp_path / "odd.tape"
    write_tape(path, TAPE)
    document = pq.read_metadata(path).metadata[KEY]
    table = pq.read_table(path)
    nothing = pa.nulls(table.num_rows, kind)
    table = table.set_column(table.column_names.index(column), column, nothing)
    pq.write_table(table.replace_schema_metadata(described(document)), path)

    with pytest.raises(TapeError, match=f"column {column} is of type {kind}"):
        list(open_tape(path).messages())


def altered(path: Path, column: str, value: object, row: int = -1) -> Path:
    """Write a tape with one altered value."""
    write_tape(path, TAPE)
    table = pq.read_table(path)
    document = pq.read_metadata(path).metadata[KEY]
    values = table.column(column).to_pylist()
    values[row] = value
    kind = table.schema.field(column).type
    kind = pa.string() if pa.types.is_dictionary(kind) else kind
    index = table.column_names.index(column)
    table = table.set_column(index, column, pa.array(values, kind))
    pq.write_table(table.replace_schema_metadata(described(document)), path)
    return path


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("contract", "stranger", "none of its contracts"),
        ("platform", "elsewhere", "platform 'elsewhere'"),
        ("kind", "rumour", "kind 'rumour'"),
        ("side", "middle", "side 'middle'"),
        ("message", 0, "message 0 after"),
        ("step", -1, "message 0: step falls below"),
        ("price", Decimal(5), r"message \d+: a price of 5 dollars is not between 0 and 1"),
        ("price", Decimal("-0.5"), "a price of -0.5 dollars is not between 0 and 1"),
        ("size", Decimal(-3), "a size of -3 is below zero"),
        ("received_at", TAPE.meta.last, "message 1: received_at falls below"),
        ("received_at", datetime(2020, 1, 1, tzinfo=UTC), "outside its times"),
        ("received_at", datetime(2040, 1, 1, tzinfo=UTC), "outside its times"),
    ],
)
def test_invalid_rows_are_rejected(
    column: str, value: object, reason: str, tmp_path: Path
) -> None:
    first = column in ("step", "contract", "received_at")
    path = altered(tmp_path / "odd.tape", column, value, row=0 if first else -1)

    with pytest.raises(TapeError, match=reason):
        list(open_tape(path).messages())


def test_notes_of_a_tape_are_read_back_before_the_message_that_they_precede(
    tmp_path: Path,
) -> None:
    path, contract = tmp_path / "some.tape", TAPE.meta.contracts[0]
    bands = [("0", "0.1", "0.001"), ("0.1", "0.9", "0.01"), ("0.9", "1", "0.0001")]
    names = ("start", "end", "step")
    grid = PriceGrid.of_ranges([dict(zip(names, band, strict=True)) for band in bands])
    change = GridChange(contract.platform, contract.contract_id, grid)
    rows = list(TAPE.rows)
    rows[3] = replace(rows[3], gaps=tuple(Platform), grids=(change,))

    write_tape(path, MemoryTape(TAPE.meta, rows))

    assert list(open_tape(path).messages()) == rows


@pytest.mark.parametrize(
    "levels",
    [
        ((BID, 0, 10_000),),
        ((ASK, 10_000, 0), (BID, 0, 10_000)),
        ((BID, 0, 0), (ASK, 10_000, 0)),
        ((BID, 9_000, 10_000), (ASK, 1_000, 0)),
    ],
)
def test_a_grid_that_none_can_be_is_rejected(levels: tuple[Level, ...]) -> None:
    message = StoredMessage(0, 0, 0, Platform.KALSHI, "a", StoredKind.GRID, levels)

    assert message.impossible


def test_a_pair_that_is_there_twice_is_rejected(tmp_path: Path) -> None:
    path, meta = tmp_path / "twice.tape", TAPE.meta
    again = replace(meta.pairs[0], match_id="again")

    for pairs in ((*meta.pairs, meta.pairs[0]), (*meta.pairs, again)):
        write_tape(path, MemoryTape(replace(meta, pairs=pairs), TAPE.rows))
        with pytest.raises(TapeError, match="a pair is there twice"):
            open_tape(path)


@pytest.mark.parametrize("probability", ["NaN", "5", "-0.1", "0.0000001"])
def test_a_probability_that_none_can_be_is_rejected(probability: str, tmp_path: Path) -> None:
    path, meta = tmp_path / "sure.tape", TAPE.meta
    pair = replace(meta.pairs[0], divergence_probability=Decimal(probability))
    write_tape(path, MemoryTape(replace(meta, pairs=(pair,)), TAPE.rows))

    with pytest.raises(TapeError, match=f"{pair.match_id}: divergence_probability"):
        open_tape(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.tape"
    write_tape(path, TAPE)
    document = pq.read_metadata(path).metadata[KEY]
    table = pq.read_table(path).drop_columns(["size"])
    pq.write_table(table.replace_schema_metadata(described(document)), path)

    with pytest.raises(TapeError, match="columns are missing: size"):
        list(open_tape(path).messages())


def test_a_tape_with_missing_messages_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "less.tape"
    write_tape(path, MemoryTape(replace(TAPE.meta, messages=5), TAPE.rows))

    with pytest.raises(TapeError, match=f"says 5 messages and holds {len(TAPE.rows)}"):
        list(open_tape(path).messages())


# Writing --------------------------------------------------------------------------------------


def test_a_tape_without_messages_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="at least one message"):
        write_rows(tmp_path / "none.tape", Rows(), TAPE.meta)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_a_tape_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")

    with pytest.raises(TapeError, match="it exists and is not a tape"):
        write_tape(tmp_path / "letter.txt", TAPE)

    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_tape_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "some.tape"
    write_tape(path, tape_of(list(TAPE.rows[:3])))

    write_tape(path, TAPE)

    assert open_tape(path).meta == TAPE.meta
    assert [each.name for each in tmp_path.iterdir()] == ["some.tape"]


def test_a_failure_while_writing_keeps_the_old_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.tape"
    write_tape(path, TAPE)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TapeError, match="No space left"):
        write_tape(path, tape_of(list(TAPE.rows[:3])))

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["some.tape"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="cannot be written"):
        write_tape(tmp_path / "nowhere" / "some.tape", TAPE)


def test_every_contract_of_a_generated_tape_survives_encoding_and_decoding() -> None:
    contracts: tuple[Contract, ...] = TAPE.meta.contracts

    assert metadata.decode(metadata.encode(TAPE.meta, None))[0].contracts == contracts
