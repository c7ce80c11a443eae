"""Hostile text goes in by every door and comes out of every list as it is, and inert."""

from __future__ import annotations

import json

from support.program import titled_tape

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
        tape = titled_tape(ground.folder / "hostile.tape", text, minutes=MINUTES)
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
