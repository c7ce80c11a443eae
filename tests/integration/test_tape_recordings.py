"""The real recordings, where this machine has them: complete, small, and correct."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from support.episodes import episodes, quantile
from support.recordings import BITCOIN, GOLD, WORLD_CUP, needs, parsed, rebuilt

from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.values.units import E4
from dutchbook.tape.format import StoredTape, open_tape
from dutchbook.tape.importers.recording import import_recording
from dutchbook.tape.importers.source import find, lines, plain_name
from dutchbook.tape.info import describe

WINDOW = "KXGOLD15M-26AUG102130-30"
RUNS = ("20260511T053113Z", "20260513T152239Z")


def imported(source: Path, folder: Path) -> StoredTape:
    import_recording(source, folder / "made.tape")
    return open_tape(folder / "made.tape")


# World Cup ----------------------------------------------------------------------------------


@needs(WORLD_CUP)
def test_every_row_of_the_world_cup_recording_can_be_rebuilt(world_cup_tape: Path) -> None:
    tape = open_tape(world_cup_tape)

    told = rebuilt(tape)
    count = 0
    for file in find(WORLD_CUP).files:
        for line in lines(file):
            assert next(told) == (plain_name(file), parsed(line.text))
            count += 1
    assert next(told, None) is None
    assert count == tape.meta.messages == 25_104


@needs(WORLD_CUP)
def test_the_quiet_control_precedes_the_match_and_each_file_is_a_session(
    world_cup_tape: Path,
) -> None:
    tape = open_tape(world_cup_tape)

    assert tape.recording is not None
    assert [
        (file.name.removesuffix(".jsonl"), file.messages) for file in tape.recording.files
    ] == [
        ("cross_venue_paraguay_france", 10_672),
        ("cross_venue_mexico_england", 988),
        ("cross_venue_mexico_england_main", 13_444),
    ]
    sessions = Counter(message.session for message in tape.messages())
    assert sessions == {0: 10_672, 1: 988, 2: 13_444}


@needs(WORLD_CUP)
def test_the_world_cup_recording_has_the_episodes_that_generated_tapes_imitate(
    world_cup_tape: Path,
) -> None:
    info = describe(world_cup_tape)
    found = episodes(open_tape(world_cup_tape))

    edges = [each.peak * 100 for each in found]
    polls = [Decimal(each.steps) for each in found]
    sizes = [each.size for each in found]
    cents = Decimal("0.01")
    assert len(found) == 76
    assert [quantile(edges, Decimal(q)).quantize(cents) for q in ("0.5", "0.9", "0.95")] == [
        Decimal("0.19"),
        Decimal("1.00"),
        Decimal("1.41"),
    ]
    assert [int(quantile(polls, Decimal(q))) for q in ("0.5", "0.75", "0.9")] == [3, 8, 34]
    assert [int(quantile(sizes, Decimal(q))) for q in ("0.1", "0.5", "0.9")] == [12, 165, 1_139]
    assert (info.sessions, info.steps) == (3, 6_276)


@needs(WORLD_CUP)
@pytest.mark.parametrize("name", ["paraguay_france", "mexico_england"])
def test_any_file_of_the_world_cup_recording_is_a_tape_of_its_own(
    name: str, tmp_path: Path
) -> None:
    tape = imported(WORLD_CUP / f"cross_venue_{name}.jsonl.zst", tmp_path)

    assert len(tape.meta.pairs) == 2
    assert all(pair.tradable for pair in tape.meta.pairs)
    assert sum(1 for _ in tape.messages()) == tape.meta.messages


# Gold ---------------------------------------------------------------------------------------


@needs(GOLD)
def test_a_gold_recording_is_kept_complete_in_at_most_five_bytes_a_message(
    tmp_path: Path,
) -> None:
    """Two of its windows; `make bench` measures all of them."""
    folder = tmp_path / "gold"
    shutil.copytree(GOLD, folder, ignore=_other_windows, copy_function=os.symlink)

    tape = imported(folder, tmp_path)

    size = tape.path.stat().st_size
    assert tape.meta.messages == 98_981
    assert size <= 5 * tape.meta.messages
    assert len(tape.meta.contracts) == 2
    assert all(set(each.assumed) == {"fees", "sizing"} for each in tape.meta.contracts)
    told = rebuilt(tape)
    decoder = msgspec.json.Decoder()
    for file in find(folder).files:
        name = plain_name(file)
        for line in lines(file):
            assert next(told) == (name, decoder.decode(line.text))
    assert next(told, None) is None


def _other_windows(folder: str, names: list[str]) -> list[str]:
    """Return the files to leave out: all windows but the last two."""
    return sorted(names)[:-2] if Path(folder).name == "events" else []


@needs(GOLD)
def test_a_gold_window_rebuilt_from_its_tape_equals_the_recorded_snapshots(
    tmp_path: Path,
) -> None:
    tape = imported(GOLD / "events" / f"{WINDOW}__2026-08-11.ndjson.zst", tmp_path)
    recorded: dict[int, dict[tuple[str, int], int]] = {}
    table = pq.read_table(GOLD / "snapshots_100ms" / f"{WINDOW}.parquet").to_pydict()
    for at, *level, size in zip(*(table[name] for name in _GRID), strict=True):
        recorded.setdefault(at, {})[level[0], level[1]] = size

    book = OrderBook(Platform.KALSHI, WINDOW)
    instants = sorted(recorded)
    equal = Counter[bool]()
    passed = 0
    for message in tape.messages():
        at = (message.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        while passed < len(instants) and at > instants[passed]:
            equal[_levels(book) == recorded[instants[passed]]] += 1
            passed += 1
        message.update.apply_to(book)

    assert sum(equal.values()) == len(recorded) == 8_845
    assert equal[False] <= 5  # the recorder looked between two messages of one millisecond


_GRID = ("ts_ms", "side", "price_1e4", "size_1e2")


def _levels(book: OrderBook) -> dict[tuple[str, int], int]:
    bids = {("yes", price): size // 10_000 for price, size in book.bids.items()}
    asks = {("no", E4 - price): size // 10_000 for price, size in book.asks.items()}
    return bids | asks


# Bitcoin ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=RUNS)
def bitcoin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, StoredTape]:
    """A run of the recorder, and its tape."""
    run: str = request.param
    return run, imported(BITCOIN / f"{run}.ndjson.zst", tmp_path_factory.mktemp(run))


@needs(BITCOIN)
def test_every_line_of_a_bitcoin_run_can_be_rebuilt(bitcoin: tuple[str, StoredTape]) -> None:
    run, tape = bitcoin

    told = rebuilt(tape)
    for line in lines(BITCOIN / f"{run}.ndjson.zst"):
        assert next(told) == (f"{run}.ndjson", parsed(line.text))
    assert next(told, None) is None


@needs(BITCOIN)
def test_a_bitcoin_book_agrees_with_the_recorders_checkpoints(
    bitcoin: tuple[str, StoredTape],
) -> None:
    run, tape = bitcoin
    points: dict[tuple[str, int], list[tuple[datetime, list[int], list[int]]]] = {}
    for line in lines(BITCOIN / f"{run}.checkpoints.ndjson.zst"):
        row = parsed(line.text)
        at = datetime.fromisoformat(row["checkpoint_ts"])
        prices = (at, row["yes_bid_prices"], row["no_bid_prices"])
        points.setdefault((row["market_ticker"], row["sequence_number"]), []).append(prices)

    books: dict[str, OrderBook] = {}
    off: list[int] = []
    for message in tape.messages():
        update = message.update
        book = books.setdefault(update.contract_id, OrderBook(Platform.KALSHI, ""))
        update.apply_to(book)
        for at, yes, no in points.get((update.contract_id, update.sequence), ()):
            if abs(at - message.at) < timedelta(seconds=2):  # sequence numbers restart
                ours = (book.best_bid, E4 - book.best_ask)
                theirs = ((side[0] if side else 0) * 100 for side in (yes, no))
                off.append(max(abs(a - b) for a, b in zip(ours, theirs, strict=True)))

    assert len(off) == sum(len(each) for each in points.values())
    assert sum(each < 100 for each in off) >= 0.98 * len(off)
    assert max(off) < 200  # the recorder cut a price to whole cents
