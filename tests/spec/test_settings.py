"""Settings: what is read from where, and the one clear line for what is not acceptable.

That each one reaches what it is judged by is in `tests/simulation/test_every_setting.py`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from dutchbook.config import commented, field_of, load, places
from dutchbook.config.environment import NO_SETTINGS, variable
from dutchbook.config.fields import bounds, words
from dutchbook.domain.values.units import MICRO
from dutchbook.errors import DutchbookError, InvalidInput, UnknownSetting

NUMBERS = [place for place in places() if field_of(*place).annotation not in (str, bool)]
DECIMALS = [place for place in NUMBERS if field_of(*place).annotation is Decimal]
CANARY = "canary-text"


def refusal(*settings: str, **how: object) -> DutchbookError:
    """Return the error that settings end in."""
    with pytest.raises(DutchbookError) as refused:
        load(None, settings, **how)  # type: ignore[arg-type]
    return refused.value


def another(section: str, key: str) -> str:
    """Return a value of a setting that is not its default, and that no other one forbids."""
    field = field_of(section, key)
    if limits := bounds(field):
        step = MICRO if field.annotation is Decimal else 1
        default = limits[0] if field.default is None else field.default
        return str(default + step if key in UPWARDS or default == limits[0] else default - step)
    texts = {"pairs": "cup:classic", "silences": "kalshi:1-2", "outages": "kalshi:1-2"}
    told = words(field) or ("true", "false")
    return texts.get(key) or next(w for w in told if w != str(field.default).lower())


UPWARDS = ("kalshi_lag_most_ms", "order_share", "critical_ms", "halt_ms")


def file_of(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_commented_file_contains_the_defaults(tmp_path: Path) -> None:
    assert load(file_of(tmp_path, commented())) == load()
    assert "kalshi_interest" in commented()
    assert "\n# book_age_seconds = 5 " in commented()


# Bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_every_number_has_a_least_and_a_greatest_value_and_nothing_beyond_is_accepted(
    section: str, key: str
) -> None:
    limits = bounds(field_of(section, key))
    assert limits is not None
    least, most = limits
    step = MICRO if (section, key) in DECIMALS else 1

    for beyond in (least - step, most + step, "NaN", "Infinity", "-1e400", "1e400", "many"):
        error = refusal(f"{section}.{key}={beyond}")

        assert isinstance(error, InvalidInput)
        assert error.field == f"{section}.{key}"
        assert f"from {least} to {most}" in str(error)
        assert str(beyond) in str(error)


@pytest.mark.parametrize(("section", "key"), DECIMALS)
def test_a_number_finer_than_the_records_hold_is_rejected(section: str, key: str) -> None:
    limits = bounds(field_of(section, key))
    assert limits is not None

    error = refusal(f"{section}.{key}={limits[0] + MICRO / 10}")

    assert "with at most 6 decimals" in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[risk]\nmax_open_pairs = true", "max_open_pairs: True is not a whole number from 1"),
        ("[risk]\nbankroll = inf", "risk.bankroll: inf is not a number from 0.000001"),
        ("[risk]\nbankroll = 1e400", "risk.bankroll: inf is not a number"),
        ("[risk]\nbankroll = nan", "risk.bankroll: nan is not a number"),
        ("[risk]\nbankroll = [1]", "risk.bankroll: [1] is not a number"),
        ("[exits]\nrule = 'sell'", "exits.rule: 'sell' is not one of hold, classic"),
        ("[exits]\npairs = 'cup'", "exits.pairs: 'cup' is not a list of pairs"),
        ("[exposure]\nhalt_on_weekly = 2", "exposure.halt_on_weekly: 2 is not true or false"),
        ("[paper]\nsilences = 'kalshi:0-999999999'", "paper.silences: 'kalshi:0-999999999' is"),
        ("risk = 3", "risk: 3 is not a table of settings"),
        (f"[risk]\nmax_open_pairs = {'9' * 5_000}", "--config"),
    ],
)
def test_a_wrong_value_in_a_file_is_named_with_what_would_be_right(
    text: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(file_of(tmp_path, text), ("risk.reset_hour_utc=1",))

    assert told in str(refused.value)


@pytest.mark.parametrize(
    "text", ["risk = 3", "[risk]\nl = 1", "[risk]\nbankroll = -1", "l = 1"]
)
def test_what_is_wrong_in_a_file_is_told_with_the_file(text: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, text)

    with pytest.raises(DutchbookError, match=f"^{re.escape(str(path))}: (risk|l)"):
        load(path)


@pytest.mark.parametrize(
    ("text", "given"), [("[risk]\nbankroll = 1", "risk.bankroll=-1"), ("l = 1", "risk.m=1")]
)
def test_what_is_wrong_beside_a_file_is_not_told_with_the_file(
    text: str, given: str, tmp_path: Path
) -> None:
    with pytest.raises(DutchbookError, match=r"^risk"):
        load(file_of(tmp_path, text), (given,))


@pytest.mark.parametrize(
    "text",
    [
        f"[kalshi]\napi_key = '{CANARY}'",
        f"api_key = '{CANARY}'",
        f"api_key = {CANARY}",
        f"risk = '{CANARY}'",
        f"[risk]\napi_secret = '{CANARY}'",
        f"[risk]\nbankroll = {{ key = '{CANARY}' }}",
        f"[risk]\nbankroll = ['{CANARY}']",
        f"[risk]\nbankroll = '{CANARY}",
    ],
)
def test_the_value_of_a_key_that_is_not_known_is_never_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(DutchbookError) as refused:
        load(file_of(tmp_path, text))

    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "given", [f"api_key={CANARY}", CANARY, f"kalshi.key={CANARY}", f"risk.token={CANARY}"]
)
def test_nor_is_what_was_given_for_one_on_the_command_line(given: str) -> None:
    assert CANARY not in str(refusal(given))


def test_the_end_of_a_very_long_value_is_left_out() -> None:
    assert len(str(refusal(f"risk.max_open_pairs={'9' * 3_000}"))) < 300


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = file_of(tmp_path, "\ufeff[risk]\nbankroll = 1_000\n")

    assert load(path).risk.bankroll == 1_000


# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("section", "key"), places())
def test_every_setting_has_a_variable_that_overrides_the_file_and_is_overridden_by_a_word(
    section: str, key: str, tmp_path: Path
) -> None:
    name, default = f"{section}.{key}", getattr(getattr(load(), section), key)
    same = "" if default is None else f"{key} = '{str(default).lower()}'"
    path, other = file_of(tmp_path, f"[{section}]\n{same}"), another(section, key)
    environment = {variable(section, key): other}

    by_word = load(path, (f"{name}={other}",))

    assert by_word != load(path)
    assert load(path, (), environment) == by_word
    if same:
        assert load(path, (f"{name}={str(default).lower()}",), environment) == load()


@pytest.mark.parametrize(
    "name",
    [
        "DUTCHBOOK_RISK_BANKROLL",
        "DUTCHBOOK_RISK__BANKROL",
        "DUTCHBOOK__RISK__BANKROLL",
        "dutchbook_risk__bankroll",
        "DUTCHBOOK.RISK.BANKROLL",
        "DUTCHBOOKRISK__BANKROLL",
    ],
)
def test_a_variable_that_sets_nothing_is_an_error_that_names_the_nearest(name: str) -> None:
    error = refusal(environment={"PATH": "/bin", name: CANARY})

    assert isinstance(error, UnknownSetting)
    assert (error.name, error.nearest) == (name, "DUTCHBOOK_RISK__BANKROLL")
    assert CANARY not in str(error)


def test_variables_of_others_and_those_that_are_no_settings_are_left_alone() -> None:
    others = dict.fromkeys((*NO_SETTINGS, "DUTCH_RISK__BANKROLL", "DUTCHBOOKS", "RISK"), "1")

    assert load(None, (), others) == load()


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        (f"[risk]\nbankrol = '{CANARY}'", "risk.bankroll"),
        (f"[kalshi]\napi_key = '{CANARY}'", ""),
        (f"[risks]\nbankroll = '{CANARY}'", "risk"),
    ],
)
def test_the_value_of_an_unknown_setting_is_never_told(
    text: str, nearest: str, tmp_path: Path
) -> None:
    with pytest.raises(UnknownSetting) as refused:
        load(file_of(tmp_path, text))

    assert CANARY not in str(refused.value)
    assert nearest in (refused.value.nearest, "")


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
    age = load(None, settings).hurdles(polled=polled).book_age

    assert age.total_seconds() == seconds
