"""The settings of a study, as they are given on the command line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dutchbook.errors import InvalidInput, UnknownSetting
from dutchbook.study.grid import Grid, Varied, grid, varied


def made(*texts: str, most: int | None = None) -> Grid:
    return grid(varied(texts), most=most)


def test_every_combination_is_tried_and_the_last_key_changes_fastest() -> None:
    found = made("detection.minimum_net_edge=0.001,0.008", "paper.lag_ms=0, 300")

    assert found.keys == ("detection.minimum_net_edge", "paper.lag_ms")
    assert [each.values for each in found.settings] == [
        (Decimal("0.001"), 0), (Decimal("0.001"), 300),
        (Decimal("0.008"), 0), (Decimal("0.008"), 300),
    ]  # fmt: skip
    assert [each.settings.paper.lag_ms for each in found.settings] == [0, 300, 0, 300]


def test_without_a_value_there_is_one_setting() -> None:
    assert [each.values for each in made().settings] == [()]


def test_a_backslash_makes_a_comma_part_of_a_value() -> None:
    text = r"paper.silences=kalshi:1-2\,polymarket:3-4,kalshi:5-6"

    assert varied([text]) == (
        Varied("paper.silences", ("kalshi:1-2,polymarket:3-4", "kalshi:5-6")),
    )


def test_an_empty_text_is_a_value_beside_others() -> None:
    assert made("paper.silences=,kalshi:5-6").settings[0].values == ("",)


def test_what_is_set_beside_the_grid_is_told_if_it_is_not_the_default() -> None:
    chosen = grid(
        varied(["paper.lag_ms=0,300"]),
        environment={"DUTCHBOOK_RISK__BANKROLL": "77", "DUTCHBOOK_HOOKS__ON_HALT": "canary"},
    )

    assert chosen.others() == {"risk.bankroll": "77"}


BAD: list[tuple[tuple[str, ...], type[Exception], str]] = [
    (("paper.lag_ms",), InvalidInput, "section.key=value"),
    (("lag_ms=1,2",), InvalidInput, "section.key=value"),
    (("paper.lag_ms=",), InvalidInput, "at least one value"),
    (("paper.lag_ms=1,2", "paper.lag_ms=3"), InvalidInput, "given once"),
    (("paper.lag_ms=1,2,1",), InvalidInput, "stands twice"),
    (("detection.minimum_net_edge=0.001,0.0010",), InvalidInput, "stands twice"),
    (("paper.lag_ms=1,-2",), InvalidInput, "paper.lag_ms: '-2' is not a whole number"),
    (("paper.lag_ms=1,",), InvalidInput, "paper.lag_ms: '' is not"),
    (("database.url=canary,1",), InvalidInput, "database.url' is not a setting that a run"),
    (("hooks.on_halt=a,b",), InvalidInput, "in memory uses"),
    (("paper.lagms=1,2",), UnknownSetting, "paper.lag_ms"),
    (("paper.kalshi_lag_most_ms=100,2000",), InvalidInput, "at least kalshi_lag_least_ms"),
]


@pytest.mark.parametrize(("texts", "kind", "told"), BAD)
def test_what_is_no_grid_is_refused(texts: tuple[str, ...], kind: Any, told: str) -> None:
    with pytest.raises(kind, match=told):
        made(*texts)


def test_more_combinations_than_allowed_are_refused() -> None:
    assert len(made("paper.lag_ms=0,1,2", most=3).settings) == 3
    with pytest.raises(InvalidInput, match="settings: 4 is not at most 3"):
        made("paper.lag_ms=0,1", "paper.lag_steps=0,1", most=3)
