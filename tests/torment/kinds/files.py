"""Files that are damaged, of another kind, or not there."""

from __future__ import annotations

import json
from pathlib import Path

from torment import hostile, judging
from torment.ground import DONE, FOUND, MISUSED, STORAGE, Ground, untouched

PAIRS = '[[pairs]]\nkalshi = "KXDEMO-26-00"\npolymarket = "demo-token-00"\n'
RESULTS = '"KXDEMO-26-00" = 1\n'
CONFIG = "[risk]\nbankroll = 1000\n"
LINE = {
    "type": "orderbook_snapshot",
    "sid": 1,
    "seq": 1,
    "msg": {"market_ticker": "KX-A", "yes_dollars_fp": [["0.40", "5"]], "no_dollars_fp": []},
}


def attempt(ground: Ground) -> list[str]:
    """Damage one file and call a command that reads it."""
    rng = ground.rng
    kind = rng.choice(("tape", "replay", "pairs", "results", "config", "recording", "restore"))
    path = ground.folder / f"{kind}.file"
    _made(path, hostile.damaged(_sound(kind, ground), rng), ground)
    if kind in {"pairs", "results"}:
        ground.traded()
    before = judging.entries(ground.database)
    wrong: list[str] = []
    with untouched(path, wrong, kind):
        ended = ground.call(*_words(kind, str(path), ground), typed="")
    codes = {DONE, MISUSED, STORAGE} | ({FOUND} if kind == "restore" else set())
    wrong += judging.said(ended, codes)
    if ended.code == MISUSED and judging.entries(ground.database) != before:
        # Only a tape that is damaged where nobody has read yet is found out while trading.
        told = kind in {"tape", "replay"} and "damaged" in ended.err
        wrong += judging.drained(ground.database) if told else [f"refused, and kept: {ended}"]
    if ended.code not in (DONE, None) and path.name not in ended.err and kind != "restore":
        wrong.append(f"the refusal does not name the file: {ended}")
    return [*wrong, *judging.record(ground.database)]


def _sound(kind: str, ground: Ground) -> bytes:
    match kind:
        case "tape" | "replay":
            return ground.tape.read_bytes()
        case "restore":
            return (ground.shared / "traded.db").read_bytes()
        case "pairs":
            return PAIRS.encode()
        case "results":
            return RESULTS.encode()
        case "config":
            return CONFIG.encode()
        case _:
            return "".join(json.dumps(LINE | {"seq": n}) + "\n" for n in range(1, 9)).encode()


def _made(path: Path, data: bytes, ground: Ground) -> None:
    match ground.rng.randrange(12):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path)
        case 2:
            return
        case 3:
            path.symlink_to("/dev/null")
        case _:
            path.write_bytes(data)


def _words(kind: str, path: str, ground: Ground) -> tuple[str, ...]:
    run = ("run", "--speed", "max", "--db", ground.url)
    match kind:
        case "tape":
            return ("tape", "info", path)
        case "replay":
            return (*run, "--tape", path)
        case "pairs":
            return ("pairs", "add", path, "--db", ground.url)
        case "results":
            return (*run, "--tape", str(ground.tape), "--results", path)
        case "config":
            return (*run, "--tape", str(ground.tape), "--config", path)
        case "restore":
            return ("db", "restore", path, "--db", ground.url)
        case _:
            return ("tape", "import", path, str(ground.folder / "made.tape"))
