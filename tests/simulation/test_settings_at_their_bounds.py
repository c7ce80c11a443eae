"""Both ends of every setting start an engine, and trade a short tape to its end on a database.

A number that is accepted must be one that the whole program can compute with and store.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.tapes import CHEAP, FAIR, RICH, polls

from dutchbook.bootstrap.paper_run import NoScreen, Options, run
from dutchbook.config import field_of, load, places
from dutchbook.config.fields import bounds, words
from dutchbook.operations.admin import problems
from dutchbook.tape.format import write_tape

SELDOM = ("reconciliation.every_seconds=3600", "reconciliation.grace_seconds=3600")
"""For an engine that waits for a day."""
ALONG = {
    "risk.position_share=1": ("risk.order_share=10",),
    "risk.order_share=0.000001": (
        "risk.order_share=0.000002",
        "risk.position_share=0.000001",
    ),
    "health.silence_seconds=1": ("health.fresh_seconds=1", "health.silence_seconds=2"),
    "health.protocol_seconds=1": ("health.fresh_seconds=1", "health.protocol_seconds=2"),
    "health.fresh_seconds=31536000": (
        "health.fresh_seconds=31535999",
        "health.silence_seconds=31536000",
        "health.protocol_seconds=31536000",
    ),
    "exposure.reminder_seconds=1": ("exposure.reminder_gap_seconds=1",),
    "exposure.reminder_gap_seconds=31536000": ("exposure.reminder_seconds=31536000",),
    "time.warning_ms=86400000": ("time.critical_ms=86400000", "time.halt_ms=86400000"),
    "time.critical_ms=1": ("time.warning_ms=1",),
    "time.critical_ms=86400000": ("time.halt_ms=86400000",),
    "time.halt_ms=1": ("time.warning_ms=1", "time.critical_ms=1"),
    "paper.kalshi_lag_least_ms=86400000": ("paper.kalshi_lag_most_ms=86400000", *SELDOM),
    "paper.kalshi_lag_most_ms=86400000": SELDOM,
    "paper.kalshi_lag_most_ms=0": ("paper.kalshi_lag_least_ms=0",),
}
"""What is set with it, mostly because one setting bounds another."""
TEXTS = {
    "exits.pairs": ("cup:classic", "nobody:hold"),
    "paper.silences": ("kalshi:0-99999999", "polymarket:1-2"),
    "paper.outages": ("kalshi:0-99999999", "polymarket:1-2"),
}


def ends(section: str, key: str) -> tuple[str, ...]:
    """Return the values of a setting that are farthest apart."""
    field, name = field_of(section, key), f"{section}.{key}"
    if limits := bounds(field):
        return tuple(map(str, limits))
    return TEXTS.get(name) or words(field) or ("true", "false")


EVERY = [f"{s}.{key}={value}" for s, key in places() for value in ends(s, key)]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape with entries, exits and nothing to do, half a minute long."""
    path = tmp_path_factory.mktemp("tape") / "short.tape"
    write_tape(path, polls(CHEAP, CHEAP, FAIR, CHEAP, RICH, FAIR, FAIR, CHEAP))
    return path


@pytest.mark.parametrize("setting", EVERY)
def test_an_engine_runs_at_both_ends_of_every_setting(
    setting: str, tape: Path, prepared_file: Path, tmp_path: Path
) -> None:
    shutil.copy(prepared_file, tmp_path / "paper.db")
    url = f"sqlite:///{tmp_path}/paper.db"
    settings = load(None, (setting, *ALONG.get(setting, ())))

    summary = run(Options(settings, str(tape), url, speed=None, seed=1), NoScreen())

    assert summary["executions"] is not None
    assert problems(url) == []
