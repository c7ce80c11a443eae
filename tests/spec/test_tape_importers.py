from __future__ import annotations

import json
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

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Alignment, DivergenceClass, Platform
from dutchbook.domain.values.units import PriceGrid
from dutchbook.errors import TapeError
from dutchbook.platforms.kalshi.book_codec import KalshiBooks
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
        (polled(2, "kalshi", bid=-1), "strictly between 0 and 1"),
        (polled(2, "kalshi", bid=100.5), "strictly between 0 and 1"),
        (polled(2, "kalshi", bid=36.305), "a multiple of 0.0001"),
        (polled(2, "kalshi", bid="NaN"), "bid: 'NaN' is not a finite"),
        (json.dumps(polled(2, "kalshi")).replace("36.3", "1e400"), "bid: "),
        (json.dumps(polled(2, "kalshi")).replace("36.3", "Infinity"), "not JSON"),
        (polled(2, "kalshi", bid=None), "bid: None is not a decimal"),
        (polled(2, "kalshi", ask_sz="-1"), "ask_sz: '-1' is not above zero"),
        (polled(2, "kalshi", ask_sz=3.5), "ask_sz"),
        (polled(2, "kalshi", t_fetch=5), "t_fetch: 5 is not milliseconds"),
        (polled(2, "kalshi", t_fetch=None), "t_fetch: None"),
        (polled(2, "kalshi", t_fetch=START_MS - 10_001), "or later, as the line above"),
        (polled(2, "kalshi", ts=START_MS - 10_001), "or later, as the line above"),
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
        (delta(START_MS - 10_001, 9), "or later, as the line above"),
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


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_zstd_file_that_a_crash_cut_off_is_read_as_far_as_it_goes(
    share: float, tmp_path: Path
) -> None:
    rows = gold(4_000)
    file = write(tmp_path / "gold.ndjson", rows)
    frame = zstandard.ZstdCompressor().compressobj()
    text = b"".join(
        frame.compress(line) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for line in file.read_bytes().splitlines(keepends=True)
    )
    file.unlink()
    (tmp_path / "gold.ndjson.zst").write_bytes(text[: int(len(text) * share)])

    tape = imported(tmp_path / "gold.ndjson.zst", tmp_path)

    assert share * 0.9 < tape.meta.messages / len(rows) < share * 1.1
    assert "gold.ndjson.zst: its end is missing; read as far as it goes" in tape.meta.noticed


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


# What is wrong with a recording --------------------------------------------------------------


def line_of(
    rows: Rows, tmp_path: Path, *, partial: bool = False
) -> tuple[StoredTape, tuple[str, ...]]:
    """Import messages; return the tape, and what was noticed."""
    file = write(tmp_path / "gold.ndjson", rows)
    import_recording(file, tmp_path / "made.tape", partial=partial)
    tape = open_tape(tmp_path / "made.tape")
    assert [each for _, each in rebuilt(tape)] == [parsed(json.dumps(row)) for row in rows]
    return tape, tape.meta.noticed


def best_bids(tape: StoredTape) -> list[int]:
    """Return the sizes of the updates' first bids, in contracts."""
    return [each.update.bids[0][1] // 1_000_000 for each in tape.messages()]


def grow(at: int, seq: int, change: str = "5.00") -> dict[str, Any]:
    return delta(START_MS + at, seq, "0.4000", change)


def gaps(tape: StoredTape) -> list[bool]:
    """Return, for each update, whether messages may be missing before it."""
    return [bool(each.gaps) for each in tape.messages()]


def test_a_continuous_recording_has_nothing_to_notice(tmp_path: Path) -> None:
    tape, noticed = line_of([snapshot(), grow(1, 8), grow(2, 9)], tmp_path)

    assert noticed == ()
    assert gaps(tape) == [False, False, False]
    assert best_bids(tape) == [10, 15, 20]


def test_a_message_that_was_recorded_twice_counts_once(tmp_path: Path) -> None:
    again = grow(2, 8)
    again["event"] = grow(1, 8)["event"]

    tape, noticed = line_of([snapshot(), grow(1, 8), again, grow(3, 9)], tmp_path)

    assert noticed == (f"{GOLD_MARKET}, stream 1: 1 recorded twice, counted once",)
    assert best_bids(tape) == [10, 15, 20]
    assert gaps(tape) == [False, False, False]
    assert tape.meta.messages == 4


def test_a_number_that_is_left_out_is_a_gap_until_a_whole_book_comes(tmp_path: Path) -> None:
    rows = [snapshot(), grow(1, 9), grow(2, 12), snapshot(START_MS + 3, 13), grow(4, 20)]

    tape, noticed = line_of(rows, tmp_path)

    words = "3 gaps before its messages, 9 messages missing"
    assert noticed == (f"{GOLD_MARKET}, stream 1: {words}",)
    assert gaps(tape) == [False, True, False, False, True]
    assert tape.meta.messages == len(rows)


def test_a_number_that_falls_is_a_gap_and_its_change_is_not_counted(tmp_path: Path) -> None:
    rows = [snapshot(seq=20), grow(1, 21), grow(2, 8), grow(3, 22)]

    tape, noticed = line_of(rows, tmp_path)

    assert noticed == (f"{GOLD_MARKET}, stream 1: 1 out of order, not counted",)
    assert best_bids(tape) == [10, 15, 20]
    assert gaps(tape) == [False, False, True]


def test_numbers_begin_again_with_a_whole_book_and_other_books_are_unknown(
    tmp_path: Path,
) -> None:
    rows = [snapshot(seq=20), snapshot(START_MS + 1, 1, market_ticker="KXGOLD-B"), grow(2, 2)]

    tape, noticed = line_of(rows, tmp_path)

    assert noticed == ()
    assert gaps(tape) == [False, True, False]


def test_numbers_of_some_contracts_of_a_subscription_say_nothing_of_the_others(
    tmp_path: Path,
) -> None:
    tape, noticed = line_of([snapshot(), grow(1, 90), grow(2, 900)], tmp_path, partial=True)

    assert noticed == ()
    assert gaps(tape) == [False, False, False]


def test_a_change_that_takes_more_than_there_was_leaves_nothing_as_in_the_codec(
    tmp_path: Path,
) -> None:
    rows = [snapshot(), grow(1, 8, "-500.00"), grow(2, 9)]
    book = OrderBook(Platform.KALSHI, GOLD_MARKET)
    codec = KalshiBooks({GOLD_MARKET: book})

    tape, noticed = line_of(rows, tmp_path)
    for row in rows:
        codec.feed(json.dumps(row["event"]).encode())

    assert noticed == (f"{GOLD_MARKET}, stream 1: 1 took more than there was",)
    assert best_bids(tape) == [10, 0, 5]
    assert book.bids[4_000] == 5_000_000
    assert gaps(tape) == [False, True, False]


@pytest.mark.parametrize("name", ["gold.ndjson", "both.jsonl"])
def test_a_last_line_that_a_crash_cut_off_costs_that_line(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / name, MAKERS[name]())
    whole = file.read_bytes()
    lines = whole.count(b"\n")
    file.write_bytes(whole[:-20])

    tape = imported(file, tmp_path)

    assert tape.meta.messages == lines - 1
    assert f"{name}:{lines}: cut off at the file's end; left out" in tape.meta.noticed


def test_a_line_without_its_end_that_is_whole_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "gold.ndjson", gold())
    file.write_bytes(file.read_bytes().rstrip())

    assert imported(file, tmp_path).meta.messages == len(gold())


def test_a_cut_line_in_the_middle_of_a_recording_is_rejected(tmp_path: Path) -> None:
    file = write(tmp_path / "gold.ndjson", [snapshot(), '{"recv_ms": 1', grow(1, 8)])

    assert rejected(file, tmp_path).startswith(f"{file}:2: ")


def test_a_clock_that_stepped_back_costs_a_time_and_no_message(tmp_path: Path) -> None:
    rows = [snapshot(START_MS), grow(5, 8), grow(4, 9), grow(6, 10)]
    file = write(tmp_path / "gold.ndjson", rows)

    tape = imported(file, tmp_path)

    assert [each.at.microsecond // 1_000 for each in tape.messages()] == [0, 5, 5, 6]
    assert best_bids(tape) == [10, 15, 20, 25]
    assert tape.meta.noticed == (
        "gold.ndjson: the clock stepped back; the time before is taken",
    )


def test_a_poll_whose_clock_stepped_back_is_kept(tmp_path: Path) -> None:
    rows = both(2)
    rows[2] |= {"t_fetch": rows[1]["t_fetch"] - 1, "ts": rows[1]["ts"] - 1}

    tape = imported(write(tmp_path / "both.jsonl", rows), tmp_path)

    assert tape.meta.messages == 4
    assert [each.step for each in tape.messages()] == [0, 0, 0, 1]
    assert len(tape.meta.noticed) == 1


def test_a_price_of_nothing_or_of_a_dollar_is_no_quote(tmp_path: Path) -> None:
    rows = [polled(0, "kalshi", bid=0, bid_sz="0"), polled(1, "polymarket", ask=100.0)]

    tape = imported(write(tmp_path / "both.jsonl", rows), tmp_path)

    first, second = (each.update for each in tape.messages())
    assert (first.bids, len(first.asks)) == ((), 1)
    assert (len(second.bids), second.asks) == (1, ())
    assert [each for _, each in rebuilt(tape)] == [parsed(json.dumps(row)) for row in rows]


@pytest.mark.parametrize(
    ("price", "tick"), [("0.4500", "0.01"), ("0.4510", "0.001"), ("0.4511", "0.0001")]
)
def test_the_tick_that_is_assumed_is_the_coarsest_that_all_prices_allow(
    price: str, tick: str, tmp_path: Path
) -> None:
    rows = [snapshot(), delta(START_MS + 1, 8, price, "1.00")]

    (contract,) = imported(write(tmp_path / "gold.ndjson", rows), tmp_path).meta.contracts

    assert contract.grid == PriceGrid.of_tick(tick)


def test_what_was_noticed_is_listed_up_to_a_bound(tmp_path: Path) -> None:
    names = (f"KX-{number}" for number in range(80))
    rows = [snapshot(seq=3 * n, market_ticker=name) for n, name in enumerate(names)]

    _, noticed = line_of(rows, tmp_path)

    assert len(noticed) == 51
    assert noticed[-1] == "and 29 more lines like these"


# Grids ---------------------------------------------------------------------------------------


def lifecycle(at: int, step: str, market: str = GOLD_MARKET, **fields: Any) -> dict[str, Any]:
    ranges = [{"start": "0.0000", "end": "1.0000", "step": step}]
    payload = {"market_ticker": market, "event_type": "price_level_structure_updated"}
    msg = payload | {"price_ranges": ranges} | fields
    return {"recv_ms": START_MS + at, "event": {"type": "market_lifecycle_v2", "msg": msg}}


def grids(tape: StoredTape) -> list[list[str]]:
    """Return, for each update, the ticks that its contract has from there on."""
    return [[str(c.grid.finest.normalize()) for c in each.grids] for each in tape.messages()]


def test_a_grid_that_kalshi_announces_is_on_the_tape_from_there_on(tmp_path: Path) -> None:
    rows = [snapshot(), lifecycle(1, "0.0010"), delta(START_MS + 2, 8, "0.4510", "1.00")]

    tape, noticed = line_of(rows, tmp_path)

    assert noticed == ()
    assert grids(tape) == [[], ["0.001"]]
    (contract,) = tape.meta.contracts
    assert contract.grid == PriceGrid.of_tick("0.01")


def test_a_grid_that_is_announced_before_its_market_is_the_one_it_begins_with(
    tmp_path: Path,
) -> None:
    rows = [lifecycle(0, "0.0001"), lifecycle(0, "0.0001", "KX-OTHER"), snapshot(START_MS + 1)]

    tape, noticed = line_of(rows, tmp_path)

    assert (noticed, grids(tape)) == ((), [[]])
    (contract,) = tape.meta.contracts
    assert contract.grid == PriceGrid.of_tick("0.0001")


def test_a_malformed_grid_is_named_by_file_and_line(tmp_path: Path) -> None:
    for odd in (None, "0.01", [3], [{"start": "0"}], []):
        row = lifecycle(1, "0.01", price_ranges=odd)
        file = write(tmp_path / "gold.ndjson", [snapshot(), row])

        line = rejected(file, tmp_path)

        assert line.startswith(f"{file}:2: ")
        assert "price_ranges" in line


def contracts_file(tmp_path: Path, platform: str, contract: str, tick: str) -> Path:
    path = tmp_path / "facts.toml"
    lines = ("[[contracts]]", f'platform = "{platform}"', f'contract_id = "{contract}"')
    path.write_text("\n".join((*lines, f'tick = "{tick}"')))
    return path


def test_a_price_off_the_grid_that_was_told_proves_a_finer_one_from_there_on(
    tmp_path: Path,
) -> None:
    rows = [*both(1), polled(2, "kalshi"), polled(3, "polymarket", ask=36.75)]
    file = write(tmp_path / "both.jsonl", [row | {"bid": 36, "spread": None} for row in rows])
    told = contracts_file(tmp_path, "polymarket", "*", "0.01")

    tape = imported(file, tmp_path, told)

    assert grids(tape) == [[], ["0.001"], [], ["0.0001"]]
    first, second = tape.meta.noticed
    assert "polymarket 1234567890: a price of 0.367 is off its grid (0 to 1 by 0.01)" in first
    assert "0.0001 is taken from there on" in second
    assert tape.meta.messages == 4


def test_a_price_off_kalshis_own_description_proves_a_finer_grid(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    rows = [snapshot(), delta(START_MS + 1, 8, "0.4515", "1.00")]
    write(folder / "events" / "gold.ndjson", rows)
    write(folder / "metadata" / "event.json", [described()])

    tape = imported(folder, tmp_path)

    assert grids(tape) == [[], ["0.0001"]]
    assert "a price of 0.4515 is off its grid" in tape.meta.noticed[0]


def test_a_level_that_goes_away_proves_no_grid(tmp_path: Path) -> None:
    rows = [snapshot(), delta(START_MS + 1, 8, "0.4515", "-1.00")]
    told = contracts_file(tmp_path, "kalshi", "*", "0.01")

    tape = imported(write(tmp_path / "gold.ndjson", rows), tmp_path, told)

    assert grids(tape) == [[], []]
