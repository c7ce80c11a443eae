"""Hostile text goes in by every door and comes out of every list as it is, and inert."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.tape.format import write_tape
from dutchbook.tape.message import MemoryTape
from torment import hostile, judging
from torment.ground import DONE, FOUND, MINUTES, Ground

LISTS = (
    ("status",), ("positions",), ("exposures",), ("discrepancies",), ("orders",), ("events",),
    ("opportunities",), ("ledger",), ("pairs", "list"), ("report",), ("audit", "verify"),
)  # fmt: skip


def attempt(ground: Ground) -> list[str]:
    """Halt, deposit and title with a hostile text; then read every list."""
    text = f"because {hostile.text(ground.rng)} was written".replace("\0", "")
    wrong: list[str] = []
    if ground.rng.random() < 0.5:
        ground.traded()
    else:
        tape = _titled(ground.folder / "hostile.tape", text)
        run = ("run", "--tape", str(tape), "--speed", "max", "--db", ground.url)
        wrong += judging.said(ground.call(*run), {DONE})
        wrong += judging.said(ground.call("tape", "info", str(tape)), {DONE})
    done = [
        ground.call("halt", "--rationale", text, "--db", ground.url),
        ground.call("capital", "deposit", "kalshi", "5", "--note", text, "--db", ground.url),
    ]
    for each in done:
        wrong += judging.said(each)
    for words in ground.rng.sample(LISTS, 4):
        shown = ground.call(*words, "--db", ground.url)
        wrong += judging.said(shown, {DONE, FOUND})
    kept = ground.call("ledger", "--json", "--db", ground.url)
    if done[1].code == DONE and text not in [row["note"] for row in json.loads(kept.out)]:
        wrong.append(f"a note is kept otherwise than it was written: {text!r}")
    return [*wrong, *judging.record(ground.database)]


def _titled(path: Path, title: str) -> Path:
    """Write a tape whose contracts have this title."""
    made = generated_tape(7, minutes=MINUTES)
    contracts = tuple(replace(each, title=title) for each in made.meta.contracts)
    known = {(each.platform, each.contract_id): each for each in contracts}
    pairs = tuple(
        replace(
            pair,
            kalshi=known[pair.kalshi.platform, pair.kalshi.contract_id],
            polymarket=known[pair.polymarket.platform, pair.polymarket.contract_id],
        )
        for pair in made.meta.pairs
    )
    write_tape(
        path, MemoryTape(replace(made.meta, contracts=contracts, pairs=pairs), made.rows)
    )
    return path
