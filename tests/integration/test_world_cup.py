"""The World Cup recording, end to end, against counters that share no code with us."""

from __future__ import annotations

import json
import shutil
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from independent.count_edges import count, rows
from independent.recompute import recompute
from support.attributed import unattributed_at
from support.goldens import ADVICE, STORIES, Story, differences, golden, tables
from support.program import call_here
from support.recordings import WORLD_CUP as RECORDING
from support.recordings import needs

from dutchbook.persistence.database import Database

RUN = ["run", "--speed", "max", "--seed", "7", "--set", "detection.minimum_net_edge=0.001",
       "--set", "exits.minimum_gain=0.9", "--set", "exits.unhedged_stop=false",
       "--summary", "json"]  # fmt: skip

pytestmark = [needs(RECORDING), pytest.mark.usefixtures("own_home")]


def trade(tape: Path, path: Path) -> str:
    """Trade as the documents and the stored result describe it, by the default settings."""
    return call_here(*RUN, "--tape", str(tape), "--db", f"sqlite:///{path}")


@pytest.fixture(scope="module")
def traded(
    own_home: Path,
    world_cup_tape: Path,
    prepared_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, str]:
    assert own_home.exists()
    path = tmp_path_factory.mktemp("traded") / "paper.db"
    shutil.copy(prepared_file, path)
    return path, trade(world_cup_tape, path)


@pytest.mark.parametrize("story", [each for each in STORIES if each.recording == RECORDING])
def test_the_run_produces_its_stored_result(story: Story, traded: tuple[Path, str]) -> None:
    """Here alone, and in a file alone: no other run is as long."""
    path, printed = traded

    found = golden(json.loads(printed), tables(f"sqlite:///{path}"))

    assert not differences(story.kept, found), ADVICE


def test_the_edges_are_those_that_an_independent_counter_finds(
    traded: tuple[Path, str],
) -> None:
    assert json.loads(traded[1])["edges_seen"] == count(RECORDING)


def test_profit_and_fees_follow_from_the_fills_alone(traded: tuple[Path, str]) -> None:
    path, printed = traded
    summary = json.loads(printed)

    profit, fees = recompute(path)

    assert profit == Decimal(summary["result"]["locked"]) > 0
    assert fees == Decimal(summary["fees"]["total"]) > 0


def test_every_dollar_of_its_edges_is_told_as_the_fills_alone_say(
    traded: tuple[Path, str],
) -> None:
    assert unattributed_at(f"sqlite:///{traded[0]}") == []


def test_every_open_position_is_hedged_and_costs_less_than_it_pays(
    traded: tuple[Path, str],
) -> None:
    with sqlite3.connect(traded[0]) as connection:
        found = connection.execute(
            "SELECT kalshi_size, polymarket_size, kalshi_cost + kalshi_fees + polymarket_cost"
            " + polymarket_fees, completed_at_loss FROM open_positions WHERE status = 'OPEN'"
        ).fetchall()
    connection.close()

    assert found
    for kalshi, polymarket, paid, at_loss in found:
        assert abs(kalshi - polymarket) < 10_000
        assert paid < min(kalshi, polymarket) or at_loss


def _offered() -> dict[tuple[str, str], list[tuple[int, Any, Any]]]:
    """Return each book's times of change, with its two best levels."""
    books = defaultdict[tuple[str, str], list[tuple[int, Any, Any]]](list)
    for path in sorted(RECORDING.glob("cross_venue_*.jsonl.zst"), key=_begins):
        for row in rows(path):
            kalshi, _, polymarket = row["pair"].partition(":")
            contract = kalshi if row["venue"] == "kalshi" else polymarket
            bid, ask = (_level(row[name], row[f"{name}_sz"]) for name in ("bid", "ask"))
            books[row["venue"], contract].append((int(row["t_fetch"]), bid, ask))
    return books


def _begins(path: Path) -> int:
    return int(next(rows(path))["ts"])


def _level(price: Decimal | None, size: str) -> tuple[Decimal, Decimal] | None:
    return None if price is None else (price / 100, Decimal(size))


def test_no_fill_is_larger_or_better_than_the_book_and_nothing_is_taken_twice(
    traded: tuple[Path, str],
) -> None:
    books = _offered()
    taken = defaultdict[Any, Decimal](Decimal)
    with sqlite3.connect(traded[0]) as connection:
        found = connection.execute(
            "SELECT f.platform, o.contract_id, f.outcome, o.side, f.price, f.size, f.matched_at"
            " FROM fills f JOIN orders o USING (order_id) ORDER BY f.matched_at"
        ).fetchall()
    connection.close()
    for platform, contract, outcome, way, price_e6, size_e6, matched in found:
        history: Any = books[platform, contract]
        price, size = (Decimal(number).scaleb(-6) for number in (price_e6, size_e6))
        # A purchase of YES and a sale of NO take what is asked for YES.
        side = 2 if (outcome == "yes") == (way == "buy") else 1
        paid = price if outcome == "yes" else 1 - price
        now = bisect_right([at for at, *_ in history], matched // 1_000) - 1
        # Behind a better price that is new stands what was the best one before.
        while now > 0 and _better(history[now][side], paid, side):
            now -= 1
        since = now
        while since and history[since - 1][side] == history[now][side]:
            since -= 1
        level = history[now][side]
        taken[platform, contract, side, since] += size

        assert level is not None
        assert level[0] == paid
        assert taken[platform, contract, side, since] <= level[1]


def _better(level: tuple[Decimal, Decimal] | None, paid: Decimal, side: int) -> bool:
    return level is not None and (level[0] < paid if side == 2 else level[0] > paid)


def test_an_inverted_recording_is_rejected_as_suspicious(
    paper_url: str, tmp_path: Path
) -> None:
    """Every Polymarket row is inverted: the pair's alignment is wrong."""
    folder = tmp_path / "inverted"
    folder.mkdir()
    lines = []
    for row in rows(RECORDING / "cross_venue_mexico_england.jsonl.zst"):
        turned = _inverted(row) if row["venue"] == "polymarket" else row
        lines.append(json.dumps(turned, default=_number) + "\n")
    (folder / "cross_venue_inverted.jsonl").write_text("".join(lines), encoding="utf-8")
    path = tmp_path / "inverted.tape"
    call_here("tape", "import", str(folder), str(path))

    summary = json.loads(trade(path, Path(Database.at(paper_url).path)))

    assert summary["filtered"]["suspicious_edge"] > 0
    assert summary["fills"]["total"] == 0


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _inverted(row: dict[str, Any]) -> dict[str, Any]:
    bid, ask = row["bid"], row["ask"]
    flip = {
        "bid": None if ask is None else 100 - ask,
        "ask": None if bid is None else 100 - bid,
        "bid_sz": row["ask_sz"],
        "ask_sz": row["bid_sz"],
        "mid": None if row["mid"] is None else 100 - row["mid"],
    }
    return row | flip
