from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.episodes import Episode, episodes, quantile

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.market.contract import Outcome, Platform
from dutchbook.domain.values.units import from_e4
from dutchbook.runtime.randomness import Seeded
from dutchbook.tape.demo import MINUTES, PATH, SEED
from dutchbook.tape.format import open_tape, write_tape
from dutchbook.tape.generate import generate
from dutchbook.tape.info import describe
from dutchbook.tape.message import MemoryTape

# Quantiles of the 76 episodes in the World Cup recording: best edge in cents, polls, contracts.
EDGE = {".5": Decimal("0.187"), ".9": Decimal("1.003"), ".95": Decimal("1.411")}
POLLS = {".5": 3, ".75": 8, ".9": 34}
CONTRACTS = {".1": 12, ".5": 166, ".9": 1_139}


def made(seed: int = 1, **options: int) -> MemoryTape:
    settings = {"minutes": 10} | options
    return generate(Seeded(seed), seed, **settings)


def test_equal_seeds_make_equal_tapes_and_different_seeds_different_ones() -> None:
    first, again, other = (made(seed) for seed in (1, 1, 2))

    assert first == again
    assert first.rows != other.rows


@pytest.fixture(scope="module")
def many() -> list[Episode]:
    """Return the episodes of 48 pair-hours."""
    return [each for seed in range(12) for each in episodes(made(seed, minutes=120))]


def test_episodes_are_as_large_as_in_the_recording(many: list[Episode]) -> None:
    cents = [each.peak * 100 for each in many]

    for share, measured in EDGE.items():
        assert measured * Decimal("0.75") < quantile(cents, Decimal(share))
        assert quantile(cents, Decimal(share)) < measured * Decimal("1.5")


def test_episodes_are_as_long_as_in_the_recording(many: list[Episode]) -> None:
    polls = [Decimal(each.steps) for each in many]

    for share, measured in POLLS.items():
        assert abs(quantile(polls, Decimal(share)) - measured) <= max(1, measured // 3)


def test_episodes_offer_as_many_contracts_as_in_the_recording(many: list[Episode]) -> None:
    sizes = [each.size for each in many]

    for share, measured in CONTRACTS.items():
        assert Decimal("0.6") < quantile(sizes, Decimal(share)) / measured < Decimal("1.6")


def test_at_the_recordings_pace_episodes_are_as_frequent_as_in_it() -> None:
    count = sum(len(episodes(made(seed, minutes=120, pace=1))) for seed in range(12))

    assert 4 <= count / 48 <= 7


def test_without_news_there_is_no_edge() -> None:
    assert episodes(made(minutes=120, pairs=4, pace=0)) == []


def test_every_book_is_deep_sorted_uncrossed_and_on_its_grid() -> None:
    tape = made(pairs=4, minutes=60)
    contracts = {(each.platform, each.contract_id): each for each in tape.meta.contracts}

    for row in tape.rows:
        update = row.update
        grid = contracts[update.platform, update.contract_id].grid
        bids, asks = [price for price, _ in update.bids], [price for price, _ in update.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]
        assert all(grid.contains(from_e4(price)) for price in (*bids, *asks))
        assert all(size > 0 for _, size in (*update.bids, *update.asks))
        assert 2 <= len(bids) <= 10
        assert 2 <= len(asks) <= 10


def test_the_ticks_differ_from_pair_to_pair() -> None:
    ticks = {
        (pair.kalshi.grid.finest, pair.polymarket.grid.finest)
        for pair in made(pairs=4).meta.pairs
    }

    assert len(ticks) == 4


def test_the_engine_can_trade_every_contract() -> None:
    tape = made(pairs=5)

    for pair in tape.meta.pairs:
        assert pair.tradable
        assert timedelta(0) < pair.resolution_date - tape.meta.last < timedelta(days=10)
        for contract in (pair.kalshi, pair.polymarket):
            assert contract.rules
            assert contract.fees
            assert contract.fees.at(tape.meta.first)
    assert len({pair.match_id for pair in tape.meta.pairs}) == 5
    assert len({pair.kalshi.title for pair in tape.meta.pairs}) == 5


def test_a_poll_asks_every_book_once_in_order() -> None:
    tape = made(pairs=2)

    steps: dict[int, list[tuple[Platform, str]]] = {}
    for row in tape.rows:
        steps.setdefault(row.step, []).append((row.update.platform, row.update.contract_id))

    assert list(steps) == list(range(len(steps)))
    assert all(len(set(asked)) == len(asked) == 4 for asked in steps.values())
    times = [row.at for row in tape.rows]
    assert times == sorted(times)


def test_an_episode_is_measured_from_its_first_step_to_its_last() -> None:
    tape = made(minutes=120)
    first = next(each for each in episodes(tape) if each.steps > 2)

    assert first.outcome in Outcome
    assert timedelta(0) < first.ended - first.began
    assert round((first.ended - first.began) / timedelta(milliseconds=3_700)) == first.steps - 1
    assert 0 < first.peak < Decimal("0.05")


# The demo tape -------------------------------------------------------------------------------


def test_the_demo_tape_can_be_generated_from_its_seed(tmp_path: Path) -> None:
    made_again, tape = tmp_path / "demo.tape", generated_tape(SEED, minutes=MINUTES)

    write_tape(made_again, tape)

    shipped = open_tape(PATH)
    assert shipped.meta == tape.meta
    assert list(shipped.messages()) == list(tape.rows)
    if (
        pa.__version__ in pq.read_metadata(PATH).created_by
    ):  # other versions compress differently
        assert made_again.read_bytes() == PATH.read_bytes()


def test_the_demo_tape_is_small_and_has_early_episodes() -> None:
    info, tape = describe(PATH), open_tape(PATH)

    early = [
        each
        for each in episodes(tape)
        if each.peak > Decimal("0.009") and each.began - tape.meta.first < timedelta(minutes=5)
    ]
    assert info.size < 300_000
    assert timedelta(minutes=19) < tape.meta.last - tape.meta.first < timedelta(minutes=21)
    assert len(tape.meta.pairs) == 2
    assert len(early) >= 3
    assert {each.match_id for each in early} == {pair.match_id for pair in tape.meta.pairs}
