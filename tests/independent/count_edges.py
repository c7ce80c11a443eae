"""Count the edges of the World Cup recording from its own rows.

``python tests/independent/count_edges.py FOLDER``. After each row, compare it with the latest
row of the other platform in the same file. Each direction of the pair counts in which both
asks exist and ``1 - ask YES - ask NO``, less both unrounded taker fees on one contract, is
above zero. The ask of NO is one less the bid of YES. Fees: Kalshi 7 %, Polymarket 3 % of
p(1-p).
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import zstandard

RATE = {"kalshi": Decimal("0.07"), "polymarket": Decimal("0.03")}
Row = dict[str, Any]


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of one file, numbers as exact decimals."""
    with path.open("rb") as packed:
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        for line in io.TextIOWrapper(reader, encoding="utf-8"):
            yield json.loads(line, parse_float=Decimal, parse_int=Decimal)


def count(folder: Path) -> int:
    """Return the number of edges in all files of the recording."""
    return sum(_count_file(path) for path in sorted(folder.glob("cross_venue_*.jsonl.zst")))


def _count_file(path: Path) -> int:
    latest: dict[tuple[str, str], Row] = {}
    found = 0
    for row in rows(path):
        latest[row["pair"], row["venue"]] = row
        other = "polymarket" if row["venue"] == "kalshi" else "kalshi"
        match = latest.get((row["pair"], other))
        if match is not None:
            found += _edge(row, match) + _edge(match, row)
    return found


def _edge(yes: Row, no: Row) -> bool:
    """Return whether YES from one row and NO from the other cost less than they pay."""
    if yes["ask"] is None or no["bid"] is None:
        return False
    ask_yes, ask_no = yes["ask"] / 100, 1 - no["bid"] / 100
    fees = RATE[yes["venue"]] * ask_yes * (1 - ask_yes) + RATE[no["venue"]] * ask_no * (
        1 - ask_no
    )
    return bool(1 - ask_yes - ask_no - fees > 0)


if __name__ == "__main__":
    sys.stdout.write(f"{count(Path(sys.argv[1]))}\n")
