"""The report and the table of a study, from runs whose results are known."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from dutchbook.application.views.measured import Entry, Measured
from dutchbook.domain.pair_trades.attribution import Attribution
from dutchbook.domain.values.units import ZERO, Money
from dutchbook.runtime.randomness import Seeded
from dutchbook.study.columns import KEY, rows
from dutchbook.study.conclusions import percent
from dutchbook.study.files import files
from dutchbook.study.findings import find
from dutchbook.study.folds import Sitting, parts
from dutchbook.study.grid import grid, varied
from dutchbook.study.report import report
from dutchbook.study.runs import Run, Study, Taped, Variant, mean, means

START = datetime(2026, 7, 4, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVENINGS = tuple(
    Sitting(0, n, START + 24 * n * HOUR, START + (24 * n + 3) * HOUR, 100) for n in (0, 1)
)
LAGS = ("paper.lag_ms=0,300",)
WHOLE = Variant(0)
CONTROL = "Polymarket 1 min late"


def dollars(text: str) -> Money:
    return Money(Decimal(text))


def run(setting: int, seed: int, *kept: str, variant: Variant = WHOLE) -> Run:
    """Return a run with an entry an hour, each of which has kept so much."""
    entries = tuple(
        Entry("cup", START + n * HOUR, dollars(each)) for n, each in enumerate(kept)
    )
    total = Money(sum((each.kept for each in entries), start=Decimal(0)))
    found = Measured(
        worst=total,
        best=Money(total + 1),
        closed=Money(total - 1),
        locked=dollars("1"),
        open_positions=1,
        dollar_days=Decimal(8),
        entries=len(entries),
        hedged=len(entries),
        exposures=0,
        unhedged=ZERO,
        in_use=ZERO,
        parts=Attribution(edge=total, kept=total),
    )
    return Run(variant, setting, seed, found, entries)


def study(
    runs: Iterable[Run],
    *,
    seeds: int = 1,
    sittings: tuple[Sitting, ...] = EVENINGS,
    texts: tuple[str, ...] = LAGS,
) -> Study:
    taped = Taped("my|own.tape", "d1", 2, 3, sittings)
    chosen = grid(varied(texts))
    made = tuple(runs)
    return Study((taped,), chosen, seeds, parts(sittings), made, len(made), "9.9")


def told(found: Study) -> str:
    return "\n".join(report(find(found, Seeded(1))))


def test_amounts_are_summed_over_tapes_and_means_over_seeds() -> None:
    twice = [run(0, 1, "1", "2"), run(0, 2, "0.000001"), run(0, 1, "4", variant=Variant(1))]

    found = means(twice, 2)

    assert found.parts.kept == dollars("3.5")  # 7.000001 over two, to the even millionth
    assert (found.least, found.most) == (dollars("0.000001"), dollars("7"))
    assert (found.entries, found.dollar_days) == (Decimal("2.0"), Decimal(12))
    assert found.per_thousand == Decimal("291.666667")
    assert mean(3, 2) == dollars("0.000002")


def test_what_is_closed_and_what_is_locked_are_told_beside_the_worst_and_the_best() -> None:
    text = told(study([run(0, 1, "4"), run(1, 1, "8")]))

    assert "| setting | at worst, $ | at best, $ | closed, $ | locked, $ |" in text
    assert "| 2 | 8.00 | 9.00 | 7.00 | 1.00 |" in text


def test_means_of_no_run_are_refused() -> None:
    with pytest.raises(ValueError, match="no run"):
        means([], 1)


def test_few_episodes_make_every_difference_a_hint() -> None:
    text = told(study([run(0, 1, "1", "1"), run(1, 1, "2", "2")]))

    assert "| 2 | 300 | 4.00 | 4.00 to 4.00 | +2.00 | +2.00 to +2.00 |" in text
    assert "With 2 episodes, fewer than 20, the intervals are too narrow" in text
    assert "Setting 2 keeps more than setting 1 in 19 of 20 draws or more." in text


def test_enough_episodes_are_no_hint() -> None:
    better = [run(0, 1, *["1"] * 20), run(1, 1, *["2"] * 20)]

    assert "fewer than" not in told(study(better))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (("1", "1"), "Setting 2 keeps exactly what setting 1 keeps, of every episode."),
        (("9", "-9"), "Setting 2 cannot be told from setting 1"),
        (("0", "0"), "Setting 2 keeps less than setting 1 in 19 of 20 draws or more."),
    ],
)
def test_what_a_difference_is_worth_is_said_in_words(
    other: tuple[str, str], words: str
) -> None:
    assert words in told(study([run(0, 1, "1", "1"), run(1, 1, *other)]))


def test_the_number_of_settings_tried_and_what_it_means_are_told() -> None:
    text = told(study([run(0, 1, "1", "3"), run(1, 1, "3", "2")]))

    assert "Settings tried: 2." in text
    assert "Setting 2 keeps most." in text
    assert "of 2,000 draws" in text


def test_seeds_that_made_no_difference_are_told() -> None:
    alike = [run(n, seed, "1") for n in (0, 1) for seed in (1, 2)]

    assert "Every seed kept the same" in told(study(alike, seeds=2))
    assert "it adds runs, and no evidence" in told(
        study([*alike[:-1], run(1, 2, "7")], seeds=2)
    )


def test_the_best_of_one_evening_is_judged_on_the_other() -> None:
    evenings = [
        run(n, 1, kept, variant=Variant(0, sessions=(evening,)))
        for evening, both in enumerate((("5", "8"), ("9", "2")))
        for n, kept in enumerate(both)
    ]

    text = told(study([run(0, 1, "14"), run(1, 1, "10"), *evenings]))

    one, other = (f"2026-07-0{day} 20:00 to 2026-07-0{day} 23:00 UTC" for day in (4, 5))
    assert f"| {one} (1 session) | 1 | 9.00 | 5.00 | 2 of 2 | 8.00 |" in text
    assert f"| {other} (1 session) | 2 | 8.00 | 2.00 | 2 of 2 | 9.00 |" in text
    assert (
        "settings keep 7.00 in all; setting 1, without a choice, 14.00; setting 1, the best in"
        " hindsight, 14.00."
    ) in text


def test_one_session_has_no_fold_and_the_reason_is_told() -> None:
    text = told(study([run(0, 1, "1"), run(1, 1, "2")], sittings=EVENINGS[:1]))

    assert "Not possible: there is one session, and its halves are not independent" in text


def test_what_a_control_makes_is_told_beside_what_was_recorded() -> None:
    late = run(0, 1, "70", variant=Variant(0, CONTROL))

    text = told(study([run(0, 1, "1"), run(1, 1, "2"), late]))

    assert "| as recorded | 1 | 1 | 1.00 | 1.00 | 2.00 | 0.00 | 1 |" in text
    assert f"| {CONTROL} | 1 | 1 | 70.00 | 70.00 | 71.00 | 0.00 | 1 |" in text
    line = (
        f"- {CONTROL}: setting 1 makes 70.00 of what was never there, the size of the artefact"
    )
    assert f"{line} (+69.00 against the same tapes as recorded). Such a fault" in text


def test_a_control_that_makes_less_explains_nothing() -> None:
    late = run(0, 1, "0.5", variant=Variant(0, CONTROL))

    text = told(study([run(0, 1, "1"), run(1, 1, "2"), late]))

    assert "(-0.50 against the same tapes as recorded)." in text
    assert "Such a fault" not in text


def test_a_control_of_one_tape_is_held_against_the_same_tape_and_no_other() -> None:
    crossed = run(0, 1, "6", variant=Variant(1, "pairs crossed"))
    runs = [run(n, 1, kept, variant=Variant(n)) for n, kept in enumerate(("50", "5"))]
    both = [replace(each, setting=setting) for setting in (0, 1) for each in runs]
    one = study([*both, crossed])

    text = told(replace(one, tapes=one.tapes * 2))

    assert "of the artefact (+1.00 against the same tapes as recorded)." in text


def test_without_controls_it_is_told_that_an_artefact_is_not_excluded() -> None:
    text = told(study([run(0, 1, "1"), run(1, 1, "2")]))

    assert "None were run." in text
    assert "- That it is no artefact: no control was run." in text


def test_what_may_not_be_concluded_is_told() -> None:
    text = told(study([run(0, 1, "1"), run(1, 1, "2")]))

    assert "## What may not\n\n- That so much will be made." in text
    assert "- Anything of other events: these were 2 sessions and 2 pairs." in text
    assert "- Anything that hangs on 3 facts of contracts that are assumed" in text


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (["2"] * 9, "by as much in 0 % of draws: more than luck explains."),
        (["10", *["1"] * 8], "of draws: the number of tries may explain it all."),
    ],
)
def test_a_lead_is_held_against_what_so_many_tries_make_by_luck(
    other: list[str], words: str
) -> None:
    text = told(study([run(0, 1, *["1"] * 9), run(1, 1, *other)]))

    assert "- Setting 2 keeps most of 2 that were tried." in text
    assert words in text


def test_a_share_below_one_per_cent_is_not_none() -> None:
    assert [percent(n, 2_000) for n in (0, 1, 20, 707, 2_000)] == [
        "0 %", "less than 1 %", "1 %", "35 %", "100 %",
    ]  # fmt: skip


def test_nothing_bought_is_nothing_to_compare() -> None:
    assert "No setting bought anything" in told(study([run(0, 1), run(1, 1)]))


def test_a_name_breaks_no_table() -> None:
    assert "| my\\|own.tape |" in told(study([run(0, 1), run(1, 1)]))


def test_a_study_cut_short_before_its_first_run_writes_nothing(tmp_path: Path) -> None:
    whole = study([run(0, 1), run(1, 1)])

    words = files(str(tmp_path)).rescue(replace(whole, runs=()))

    assert words == "stopped before the first of 2 runs ended: nothing is written"
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_exact_money_and_says_what_it_is() -> None:
    found = rows(study([run(0, 1, "0.000001"), run(1, 1, "2")]))

    assert found.column("kept_usd").to_pylist() == [Decimal("0.000001"), Decimal(2)]
    assert found.column("closed_usd").to_pylist() == [Decimal("-0.999999"), Decimal(1)]
    assert found.column("paper.lag_ms").to_pylist() == [0, 300]
    money = {each.name for each in found.schema if each.type == pa.decimal128(38, 6)}
    assert {"worst_usd", "dollar_days", "per_1000_dollar_days_usd", "rescue_usd"} <= money
    assert not any(pa.types.is_floating(each.type) for each in found.schema)
    document = json.loads(found.schema.metadata[KEY])
    assert (document["schema"], document["version"]) == (1, "9.9")
    assert document["parts"] == [[[0, 0]], [[0, 1]]]
    assert document["runs"] == {"made": 2, "planned": 2}


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("exits.unhedged_stop=false,true", pa.bool_(), [False, True]),
        ("paper.replenishment=never,every", pa.string(), ["never", "every"]),
        ("detection.book_age_seconds=5,7", pa.int64(), [5, 7]),
        ("risk.bankroll=1,2.5", pa.decimal128(38, 6), [Decimal(1), Decimal("2.5")]),
    ],
)
def test_a_setting_is_a_column_of_its_own_type(
    text: str, kind: pa.DataType, values: list[object]
) -> None:
    found = rows(study([run(0, 1), run(1, 1)], texts=(text,)))

    column = found.column(text.split("=", maxsplit=1)[0])
    assert (column.type, column.to_pylist()) == (kind, values)
