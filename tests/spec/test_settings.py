"""Settings reach the limits that use them, and the commented file changes nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dutchbook.config import commented, load


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("detection.kalshi_interest=0.0325", "kalshi_interest"),
        ("detection.polymarket_interest=0.0325", "polymarket_interest"),
        ("detection.yearly_return=0.0325", "yearly_return"),
    ],
)
def test_a_rate_in_the_settings_becomes_a_hurdle(setting: str, name: str) -> None:
    assert getattr(load(None, (setting,)).hurdles(), name) == Decimal("0.0325")


@pytest.mark.parametrize(
    ("setting", "name", "dollars"),
    [("risk.pair_share=0.05", "pair", 500), ("risk.cluster_share=0.2", "cluster", 2_000)],
)
def test_a_share_in_the_settings_becomes_a_limit_in_dollars(
    setting: str, name: str, dollars: int
) -> None:
    assert getattr(load(None, (setting,)).limits(), name) == dollars


@pytest.mark.parametrize(
    ("settings", "polled", "seconds"),
    [
        ((), False, 5),
        ((), True, 10),
        (("detection.book_age_seconds=5",), True, 5),
        (("detection.book_age_seconds=7",), False, 7),
    ],
)
def test_a_polled_tape_may_have_older_books_unless_the_age_is_set(
    settings: tuple[str, ...], polled: bool, seconds: int
) -> None:
    assert load(None, settings).hurdles(polled=polled).book_age == timedelta(seconds=seconds)


def test_the_commented_file_contains_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(commented(), encoding="utf-8")

    assert load(file) == load()
    assert "kalshi_interest" in commented()
    assert "\n# book_age_seconds = 5 " in commented()
