from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support.recordings import (
    BITCOIN_MARKET,
    GOLD_MARKET,
    PAIR,
    START_MS,
    bitcoin,
    both,
    delta,
    gold,
    parsed,
    polled,
    rebuilt,
    snapshot,
    trade,
    write,
)

from dutchbook.domain.market.contract import Alignment, DivergenceClass, Platform
from dutchbook.domain.values.units import PriceGrid
from dutchbook.errors import TapeError
from dutchbook.ports.market_data import BookUpdate
from dutchbook.tape.format import StoredTape, open_tape, write_tape
from dutchbook.tape.importers.recording import import_recording

Rows = list[dict[str, Any]]
MAKERS: dict[str, Callable[[], Rows]] = {
    "both.jsonl": lambda: both(6),
    "gold.ndjson": gold,
    "bitcoin.ndjson": bitcoin,
}


def imported(source: Path, dest: Path, contracts: Path | None = None) -> StoredTape:
    import_recording(source, dest / "made.tape", contracts)
    return open_tape(dest / "made.tape")


def rejected(source: Path, dest: Path, contracts: Path | None = None) -> str:
    """Expect an import to fail without a trace of a tape, and return the one-line reason."""
    before = sorted(dest.iterdir())
    with pytest.raises(TapeError) as refusal:
        import_recording(source, dest / "made.tape", contracts)
    assert sorted(dest.iterdir()) == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


# Lossless -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize("folder", [False, True])
def test_a_recording_can_be_rebuilt_from_its_tape(
    name: str, zstd: bool, folder: bool, tmp_path: Path
) -> None:
    rows = MAKERS[name]()
    file = write(tmp_path / "recorded" / name, rows, zstd=zstd)

    tape = imported(file.parent if folder else file, tmp_path)

    assert list(rebuilt(tape)) == [(name, parsed(json.dumps(row))) for row in rows]


ODD = {
    "an unknown field": delta(START_MS, 9, colour="red"),
    "a shorter price": delta(START_MS, 9, price="0.41"),
    "more decimals of a size": delta(START_MS, 9, change="0.125000"),
    "no time": {
        **(row := delta(START_MS, 9)),
        "event": {
            **row["event"],
            "msg": {k: v for k, v in row["event"]["msg"].items() if k not in ("ts", "ts_ms")},
        },
    },
    "a time with idle zeros": delta(START_MS, 9, ts="2026-09-01T12:00:00.100000Z"),
    "two times that disagree": delta(START_MS, 9, ts_ms=5),
    "another market id": delta(START_MS, 9, market_id="other"),
    "a trade whose sides disagree": trade(START_MS, 9, taker_outcome_side="no"),
    "a block trade": trade(START_MS, 9, is_block_trade=True),
    "an id in capitals": trade(START_MS, 9, trade_id="00000000-0000-5000-8000-0000000000FF"),
    "an empty book": snapshot(yes_dollars_fp=None, no_dollars_fp=None),
    "an empty side, written": snapshot(yes_dollars_fp=[]),
    "a size of nanos": snapshot(yes_dollars_fp=[["0.4000", "10"]]),
    "another type": {"recv_ms": START_MS, "event": {"type": "news", "sid": 3, "msg": None}},
}


@pytest.mark.parametrize("row", ODD.values(), ids=ODD)
def test_messages_that_the_columns_cannot_represent_are_kept_as_text(
    row: dict[str, Any], tmp_path: Path
) -> None:
    file = write(tmp_path / "gold.ndjson", [snapshot(), row])

    tape = imported(file, tmp_path)

    assert [each for _, each in rebuilt(tape)] == [snapshot(), row]


def test_an_odd_poll_is_kept_as_text(tmp_path: Path) -> None:
    rows = [
        polled(0, "kalshi", bid=36, mid=36.35, spread=0.7),
        polled(1, "polymarket", spread=0.5, note="by hand"),
        polled(2, "kalshi", bid=None, mid=None, spread=None, bid_sz=None),
        polled(3, "polymarket", bid_sz="120.500"),
    ]
    file = write(tmp_path / "both.jsonl", rows)

    tape = imported(file, tmp_path)

    assert [each for _, each in rebuilt(tape)] == [parsed(json.dumps(row)) for row in rows]


# Meaning ------------------------------------------------------------------------------------


def test_a_poll_is_a_step_and_prices_in_cents_become_exact_dollars(tmp_path: Path) -> None:
    rows = both(2)
    rows[2] |= {"bid": None, "bid_sz": None, "mid": None, "spread": None}
    file = write(tmp_path / "both.jsonl", rows)

    messages = list(imported(file, tmp_path).messages())

    assert [each.step for each in messages] == [0, 0, 1, 1]
    assert messages[1].at == datetime(2026, 9, 1, 12, 0, 0, 100_000, tzinfo=UTC)
    assert messages[1].update == BookUpdate(
        platform=Platform.POLYMARKET,
        contract_id="1234567890",
        whole=True,
        bids=((3_630, 120_500_000),),
        asks=((3_670, 80_000_000),),
        platform_time=datetime(2026, 9, 1, 11, 59, 59, 600_000, tzinfo=UTC),
    )
    assert messages[2].update.bids == ()


def test_each_polled_file_is_a_session_in_order_of_time(tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    write(folder / "a_later.jsonl", both(6)[6:])
    write(folder / "b_sooner.jsonl", both(6)[:6], zstd=True)

    tape = imported(folder, tmp_path)

    assert [each.session for each in tape.messages()] == [0] * 6 + [1] * 6
    assert [each.step for each in tape.messages()][::2] == list(range(6))
    assert tape.meta.polled
    assert tape.meta.messages == 12


def test_facts_missing_from_a_polled_recording_are_assumed_and_listed(tmp_path: Path) -> None:
    tape = imported(write(tmp_path / "both.jsonl", both(1)), tmp_path)

    (pair,) = tape.meta.pairs
    assert pair.tradable
    assert pair.divergence_class is DivergenceClass.IDENTICAL
    assert pair.divergence_probability == Decimal("0.0005")
    assert pair.kalshi.contract_id == "KXCUP-26-AA"
    at = tape.meta.first.replace(month=7, day=5)
    rates = [each.fees.at(at).taker_rate for each in tape.meta.contracts]  # type: ignore[union-attr]
    assert rates == [Decimal("0.07"), Decimal("0.03")]
    assert {each.grid for each in tape.meta.contracts} == {PriceGrid.of_tick("0.001")}
    assert pair.resolution_date == datetime(2026, 7, 19, tzinfo=UTC)
    assert pair.kalshi.cash_delay == timedelta(days=1)
    assert pair.polymarket.cash_delay == timedelta(days=2)
    for contract in tape.meta.contracts:
        assert {"fees", "grid", "rules", "resolution_time"} <= set(contract.assumed)
    assert "kalshi fees: taker 7 %" in tape.meta.assumed


def test_each_message_of_a_stream_gets_its_own_step_and_absolute_sizes(tmp_path: Path) -> None:
    rows = [snapshot(), delta(START_MS, 8), delta(START_MS + 1, 9, "0.5500", "2.25", "no")]

    tape = imported(write(tmp_path / "gold.ndjson", rows), tmp_path)
    messages = list(tape.messages())
    first, second, third = (each.update for each in messages)

    assert set(first.bids) == {(4_000, 10_000_000), (4_100, 5_500_000)}
    assert first.asks == ((4_500, 20_000_000),)
    assert (second.bids, second.asks) == (((4_100, 0),), ())
    assert (third.bids, third.asks) == ((), ((4_500, 22_250_000),))
    assert [each.step for each in messages] == [0, 1, 2]
    assert [each.sequence for each in (first, second, third)] == [7, 8, 9]
    assert second.platform_time == datetime(2026, 9, 1, 12, 0, 0, 123_400, tzinfo=UTC)
    assert not tape.meta.polled
    assert tape.meta.pairs == ()


def test_trades_are_stored_but_not_replayed(tmp_path: Path) -> None:
    tape = imported(write(tmp_path / "gold.ndjson", gold(4)), tmp_path)

    assert tape.meta.messages == 5
    assert len(list(tape.messages())) == 3


def test_markets_that_overlap_are_merged_by_time(tmp_path: Path) -> None:
    folder = tmp_path / "events"
    other: dict[str, Any] = {"market_ticker": "KXGOLD15M-26SEP011215-15"}
    write(folder / "a.ndjson", [snapshot(START_MS), delta(START_MS + 20, 9)])
    write(folder / "b.ndjson", [snapshot(START_MS + 10, **other)])

    tape = imported(folder, tmp_path)

    assert [each.at.microsecond for each in tape.messages()] == [0, 10_000, 20_000]
    assert [name for name, _ in rebuilt(tape)] == ["a.ndjson", "b.ndjson", "a.ndjson"]
    assert {each.session for each in tape.messages()} == {0}


def test_each_run_of_the_bitcoin_recorder_is_a_session(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    write(folder / "one.ndjson", bitcoin())
    later = [row | {"recv_ns": row["recv_ns"] + 10**12} for row in bitcoin()]
    write(folder / "two.ndjson", later)
    write(folder / "one.checkpoints.ndjson", [{"checkpoint_ts": "", "market_ticker": "a"}])

    tape = imported(folder, tmp_path)

    assert [each.session for each in tape.messages()] == [0, 0, 1, 1]
    (contract,) = tape.meta.contracts
    assert contract.close_time == datetime(2026, 9, 1, 12, 15, tzinfo=UTC)
    assert "close_time" not in contract.assumed
    assert contract.grid == PriceGrid.of_tick("0.001")


def described(**fields: Any) -> dict[str, Any]:
    market = {
        "ticker": GOLD_MARKET,
        "title": "Gold up?",
        "rules_primary": "Gold at noon.",
        "rules_secondary": "Rounded.",
        "close_time": "2026-09-01T12:00:00Z",
        "expected_expiration_time": "2026-09-01T12:05:00Z",
        "settlement_timer_seconds": 30,
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }
    return {"response": {"event": {}, "markets": [market | fields]}}


@pytest.mark.parametrize("start", ["", "events", "events/gold.ndjson"])
def test_kalshis_description_next_to_a_recording_is_used(start: str, tmp_path: Path) -> None:
    write(tmp_path / "rec" / "events" / "gold.ndjson", gold())
    document = described()
    document["response"]["event"] = {"title": "gold"}
    write(tmp_path / "rec" / "metadata" / "event.json", [document])

    tape = imported(tmp_path / "rec" / start, tmp_path)

    (contract,) = tape.meta.contracts
    assert contract.title == "Gold up?"
    assert contract.rules == "Gold at noon.\nRounded."
    assert contract.grid == PriceGrid.of_tick("0.01")
    assert contract.resolution_time == datetime(2026, 9, 1, 12, 5, tzinfo=UTC)
    assert contract.cash_delay == timedelta(seconds=30)
    assert contract.assumed == ("fees", "sizing")


# The contracts file -------------------------------------------------------------------------

GIVEN = """
[[contracts]]
platform = "kalshi"
contract_id = "KXCUP-26-*"
title = "A wins"
rules = "If A wins."
price_ranges = [{start = "0", end = "1", step = "0.01"}]
fee_type = "quadratic_with_maker_fees"
fee_multiplier = "0.5"
close_time = 2026-07-18
resolution_time = 2026-07-19T12:00:00+02:00
cash_delay_hours = 6
size_step = 0.5
size_minimum = "1"

[[contracts]]
platform = "polymarket"
contract_id = "1234567890"
tick = 0.01
fee_rate = 0.0625
notional_minimum = "2"
cent_exact = false
tokens = ["1234567890", "99"]

[[pairs]]
kalshi = "KXCUP-26-AA"
polymarket = "1234567890"
match_id = "aa"
alignment = "inverse"
divergence_class = "different_sources"
divergence_probability = 0.01
primary_leg = "polymarket"
cluster = "cup"
confidence = "0.9"
"""


def test_a_contracts_file_replaces_assumptions(tmp_path: Path) -> None:
    given = tmp_path / "given.toml"
    given.write_text(GIVEN)

    tape = imported(write(tmp_path / "both.jsonl", both(1)), tmp_path, given)

    (pair,) = tape.meta.pairs
    kalshi, polymarket = pair.kalshi, pair.polymarket
    assert (kalshi.title, kalshi.rules) == ("A wins", "If A wins.")
    assert kalshi.assumed == ()
    assert kalshi.grid == PriceGrid.of_tick("0.01")
    assert kalshi.resolution_time == datetime(2026, 7, 19, 10, tzinfo=UTC)
    assert kalshi.sizing.step == Decimal("0.5")
    assert kalshi.fees is not None
    assert kalshi.fees.terms[0].taker_rate == Decimal("0.035")
    assert polymarket.fees is not None
    assert polymarket.fees.terms[0].taker_rate == Decimal("0.0625")
    assert polymarket.tokens == ("1234567890", "99")
    assert not polymarket.sizing.cent_exact
    assert "grid" not in polymarket.assumed
    assert not any(line.startswith("kalshi") for line in tape.meta.assumed)
    assert (pair.match_id, pair.cluster) == ("aa", "cup")
    assert pair.confidence == Decimal("0.9")
    assert pair.alignment is Alignment.INVERSE
    assert pair.primary_leg is Platform.POLYMARKET
    assert pair.tradable


def test_a_contracts_file_can_be_json(tmp_path: Path) -> None:
    given = tmp_path / "given.json"
    ticker = PAIR.split(":", maxsplit=1)[0]
    row = {"platform": "kalshi", "contract_id": ticker, "title": "A wins"}
    given.write_text(json.dumps({"contracts": [row]}))

    tape = imported(write(tmp_path / "both.jsonl", both(1)), tmp_path, given)

    assert tape.meta.contracts[0].title == "A wins"


KALSHI = '[[contracts]]\nplatform = "kalshi"\ncontract_id = "KXCUP-26-AA"\n'
POLYMARKET = '[[contracts]]\nplatform = "polymarket"\ncontract_id = "1234567890"\n'
PAIRED = '[[pairs]]\nkalshi = "KXCUP-26-AA"\npolymarket = "1234567890"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[contracts", "not TOML"),
        ("[other]", "'other' is not one of its tables"),
        ("contracts = 3", "contracts is not a list of tables"),
        (KALSHI + 'colour = "red"', "colour: 'red' is not a field of it"),
        ('[[contracts]]\ncontract_id = "a"', "platform: None is not a text"),
        (KALSHI.replace("kalshi", "elsewhere"), "one of kalshi, polymarket"),
        (KALSHI.replace("KXCUP-26-AA", "KXCUP-26-ZZ"), "KXCUP-26-ZZ is not in the recording"),
        (KALSHI + 'tick = "0.3"', "a tick that divides 1"),
        (KALSHI + 'tick = "NaN"', "tick: 'NaN' is not a finite number"),
        (KALSHI + "price_ranges = 3", "price_ranges: 3 is not a list of tables"),
        (KALSHI + 'title = ""', "title: '' is not a text that is not empty"),
        (KALSHI + 'close_time = "soon"', "close_time: 'soon' is not a date and time"),
        (KALSHI + "close_time = 2026-07-19T00:00:00", "a date and time with its zone"),
        (KALSHI + 'fee_type = "flat"', "no published formula for the fee 'flat'"),
        (KALSHI + "fee_multiplier = 2", "fee_multiplier: '2' is not from 0 to 1"),
        (KALSHI + 'fee_rate = "0.05"', "a field of kalshi contracts"),
        (POLYMARKET + 'fee_type = "quadratic"', "a field of polymarket contracts"),
        (POLYMARKET + 'fee_category = "weddings"', "one of crypto, sports"),
        (POLYMARKET + "fee_rate = 1", "from 0 to below 1"),
        (KALSHI + "fees = 3", "fees: 3 is not a list of tables"),
        (KALSHI + 'fees = [{taker_rate = "0.07"}]', "maker_rate: None"),
        (KALSHI + "fee_type = [1]", "fee_type: [1] is not a text"),
        (POLYMARKET + "fee_category = [1]", "fee_category: [1] is not a text"),
        (POLYMARKET + 'tokens = ["1"]', "the YES and the NO token"),
        (
            KALSHI + 'taker_delay_seconds = "0.0005"',
            "taker_delay_seconds: '0.0005' is not from 0 to 60, in whole milliseconds",
        ),
        (KALSHI + "cash_delay_hours = -1", "cash_delay_hours: '-1' is not from 0"),
        (KALSHI + 'size_step = "0"', "size_step: '0' is not above zero"),
        (KALSHI + 'size_minimum = "0.015"', "a multiple of 0.01"),
        (KALSHI + "cent_exact = 1", "cent_exact: 1 is not true or false"),
        (PAIRED + 'alignment = "askew"', "one of same, inverse"),
        (PAIRED + "divergence_probability = 1", "from 0 to below 1"),
        (PAIRED.replace("KXCUP-26-AA", "ZZ"), "ZZ with 1234567890 is not in the recording"),
    ],
)
def test_an_invalid_contracts_file_is_rejected_by_field(
    text: str, reason: str, tmp_path: Path
) -> None:
    given = tmp_path / "given.toml"
    given.write_text(text)
    file = write(tmp_path / "both.jsonl", both(1))

    line = rejected(file, tmp_path, given)

    assert line.startswith(str(given))
    assert reason in line


def test_a_missing_contracts_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "both.jsonl", both(1))

    assert "gone.toml: cannot be read" in rejected(file, tmp_path, tmp_path / "gone.toml")


# Invalid recordings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["{"], "not JSON"),
        (["[1]"], "not a message of a known recording"),
        (['{"a":1}'], "not a message of a known recording"),
        (["\x00\xff"], "not JSON"),
    ],
)
def test_a_file_of_an_unknown_format_is_rejected(
    rows: list[str], reason: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "odd.ndjson", rows)

    line = rejected(file, tmp_path)

    assert line.startswith(f"{file}:1: ")
    assert reason in line
    assert "World Cup recording" in line


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not JSON"),
        ("3", "not a JSON object"),
        (polled(2, "elsewhere"), "venue: 'elsewhere' is not kalshi or polymarket"),
        (polled(2, "kalshi", pair="KXCUP"), "pair: 'KXCUP' is not"),
        (polled(2, "kalshi", bid=0), "strictly between 0 and 1"),
        (polled(2, "kalshi", bid=100.0), "strictly between 0 and 1"),
        (polled(2, "kalshi", bid=36.305), "a multiple of 0.0001"),
        (polled(2, "kalshi", bid="NaN"), "bid: 'NaN' is not a finite"),
        (json.dumps(polled(2, "kalshi")).replace("36.3", "1e400"), "bid: "),
        (json.dumps(polled(2, "kalshi")).replace("36.3", "Infinity"), "not JSON"),
        (polled(2, "kalshi", bid=None), "bid: None is not a decimal"),
        (polled(2, "kalshi", ask_sz="-1"), "ask_sz: '-1' is not above zero"),
        (polled(2, "kalshi", ask_sz=3.5), "ask_sz"),
        (polled(2, "kalshi", t_fetch=5), "t_fetch: 5 is not milliseconds"),
        (polled(2, "kalshi", t_fetch=None), "t_fetch: None"),
        (polled(2, "kalshi", t_fetch=START_MS - 1), "or later, as the line above"),
        (polled(2, "kalshi", ts=START_MS - 1), "or later, as the line above"),
        (polled(3, "polymarket", venue_ts="soon"), "venue_ts: 'soon'"),
        ({k: v for k, v in polled(2, "kalshi").items() if k != "ask"}, "ask: None is not"),
        (polled(2, "kalshi", pair="\ud800:1"), "pair: "),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_malformed_poll_is_named_by_file_and_line(
    row: dict[str, Any] | str, reason: str, tmp_path: Path
) -> None:
    if isinstance(row, dict) and row.get("ask_sz") == 3.5:
        row = json.dumps(row).replace("3.5,", "1e400,")
    file = write(tmp_path / "both.jsonl", [*both(1), row])

    line = rejected(file, tmp_path)

    assert line.startswith(f"{file}:3: ")
    assert reason in line


def changed(**fields: Any) -> dict[str, Any]:
    row = delta(START_MS, 9)
    return row | {"event": row["event"] | fields}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "truncated"),
        (json.dumps(changed(msg=None)).replace("null", "[" * 100_000), "recursion"),
        ({"event": {}}, "recv_ms: None is not the time of receipt"),
        ({"recv_ms": START_MS}, "event"),
        (delta(START_MS - 1, 9), "at or after that of the line above"),
        (delta(START_MS, 9, price="1.0000"), "strictly between 0 and 1"),
        (delta(START_MS, 9, price="0.41005"), "a multiple of 0.0001"),
        (delta(START_MS, 9, price="abc"), "price: 'abc' is not a decimal number"),
        (delta(START_MS, 9, change="0.00"), "delta_fp: '0.00' is not contracts"),
        (delta(START_MS, 9, change="NaN"), "delta_fp: 'NaN' is not a finite"),
        (delta(START_MS, 9, change="1e400"), "delta_fp: '1e400' is not"),
        (delta(START_MS, 9, side="maybe"), "Invalid enum value 'maybe'"),
        (delta(START_MS, 9, ts="noon"), "ts: 'noon' is not an instant"),
        (delta(START_MS, 9, price_dollars=0.41), "Expected `str`, got `float`"),
        (trade(START_MS, 9, trade_id="x"), "trade_id"),
        (trade(START_MS, 9, count_fp="-1.00"), "count_fp: '-1.00' is not above zero"),
        (trade(START_MS, 9, ts_ms=-1), "ts_ms: -1 is not milliseconds"),
        (snapshot(yes_dollars_fp=[["0.4", "-1"]]), "sizes above zero"),
        (snapshot(yes_dollars_fp=[["0.4", "1"], ["0.4000", "2"]]), "each price once"),
        (changed(type=7), "event.type: 7 is not the name"),
        (changed(seq=-1), "event.seq: -1 is not a whole number"),
        (changed(seq=True), "event.seq: True"),
        (changed(msg=None), "Expected `object`, got `null`"),
    ],
)
def test_a_malformed_message_is_named_by_file_and_line(
    row: dict[str, Any] | str, reason: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "gold.ndjson", [snapshot(), row])

    line = rejected(file, tmp_path)

    assert line.startswith(f"{file}:2: ")
    assert reason in line


def test_a_truncated_zstd_file_is_rejected(tmp_path: Path) -> None:
    file = write(tmp_path / "gold.ndjson", gold(4_000), zstd=True)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])

    assert re.match(re.escape(f"{file}") + "(:| cannot)", rejected(file, tmp_path))


def test_a_zstd_file_without_its_end_is_rejected(tmp_path: Path) -> None:
    text = write(tmp_path / "plain.ndjson", gold(3)).read_bytes()
    frame = zstandard.ZstdCompressor().compressobj()
    started = frame.compress(text) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    file = tmp_path / "gold.ndjson.zst"
    file.write_bytes(started)

    assert "cannot be read after line 4: its end is missing" in rejected(file, tmp_path)


def test_a_zstd_file_of_several_frames_is_read_completely(tmp_path: Path) -> None:
    lines = [f"{json.dumps(row)}\n".encode() for row in gold(9)]
    file = tmp_path / "gold.ndjson.zst"
    file.write_bytes(b"".join(zstandard.compress(line) for line in lines))

    assert imported(file, tmp_path).meta.messages == 10


def test_a_damaged_zstd_file_is_rejected(tmp_path: Path) -> None:
    file = write(tmp_path / "gold.ndjson", gold(400), zstd=True)
    whole = bytearray(file.read_bytes())
    whole[40:60] = bytes(20)
    file.write_bytes(whole)

    assert str(file) in rejected(file, tmp_path)


def test_sources_that_cannot_be_imported_are_rejected_with_the_reason(tmp_path: Path) -> None:
    empty, mixed, twice = (tmp_path / name for name in ("empty", "mixed", "twice"))
    empty.mkdir()
    write(mixed / "a.jsonl", both(1))
    write(mixed / "b.ndjson", gold())
    write(twice / "a.jsonl", both(1))
    write(twice / "a.jsonl", both(1), zstd=True)
    nothing = write(tmp_path / "nothing.jsonl", [])
    points = write(tmp_path / "c.ndjson", [{"checkpoint_ts": "", "market_ticker": "a"}])
    quiet = write(tmp_path / "q.ndjson", [bitcoin()[0]])

    assert "no such file or folder" in rejected(tmp_path / "gone", tmp_path)
    assert "holds no *.jsonl or *.ndjson file" in rejected(empty, tmp_path)
    assert "recordings of several kinds" in rejected(mixed, tmp_path)
    assert "its plain form is there too" in rejected(twice, tmp_path)
    assert "nothing.jsonl: empty" in rejected(nothing, tmp_path)
    assert "a recorder's own summary" in rejected(points, tmp_path)
    assert "holds no book of any market" in rejected(quiet, tmp_path)


def test_runs_that_overlap_are_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    write(folder / "one.ndjson", bitcoin())
    write(folder / "two.ndjson", [row | {"recv_ns": row["recv_ns"] + 1} for row in bitcoin()])

    assert "two.ndjson:1: received before" in rejected(folder, tmp_path)


@pytest.mark.parametrize(
    "fields", [{"price_ranges": []}, {"close_time": "soon"}, {"rules_primary": None}]
)
def test_a_malformed_description_is_rejected(fields: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "rec" / "events" / "gold.ndjson", gold())
    write(tmp_path / "rec" / "metadata" / "event.json", [described(**fields)])

    assert rejected(tmp_path / "rec", tmp_path)


def test_an_invalid_destination_is_rejected_before_anything_is_read(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "both.jsonl", both(1))

    with pytest.raises(TapeError, match="no folder"):
        import_recording(file, tmp_path / "nowhere" / "a.tape")
    with pytest.raises(TapeError, match="exists and is not a tape"):
        import_recording(file, file)


def test_an_import_replaces_an_older_tape_of_that_name(tmp_path: Path) -> None:
    file = write(tmp_path / "both.jsonl", both(2))
    write_tape(tmp_path / "made.tape", imported(file, tmp_path))

    assert imported(file, tmp_path).meta.messages == 4


def test_progress_counts_the_bytes_of_the_recording(tmp_path: Path) -> None:
    file = write(tmp_path / "gold.ndjson", gold(12_000))
    seen: list[tuple[int, int]] = []

    import_recording(file, tmp_path / "made.tape", None, lambda *counts: seen.append(counts))

    size = file.stat().st_size
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)


def test_the_market_names_in_the_examples_belong_to_their_recordings() -> None:
    assert GOLD_MARKET.startswith("KXGOLD15M")
    assert BITCOIN_MARKET.startswith("KXBTC15M")
