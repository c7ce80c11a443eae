"""Environment variables that are settings: ``DUTCHBOOK_SECTION__KEY``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from dutchbook.errors import UnknownSetting

PREFIX = "DUTCHBOOK_"
NO_SETTINGS = {
    "DUTCHBOOK_KALSHI_RECORDING": "where `make bench` finds a recording of Kalshi",
    "DUTCHBOOK_MACHINE_FOLDER": "where the HALT files of servers' databases are",
    "DUTCHBOOK_TEST_POSTGRES_URL": "the PostgreSQL server that the tests use",
}
"""Variables with our prefix that are no settings, and what each is."""
Places = Mapping[str, tuple[str, str]]
"""The section and the key of each variable."""


def variable(section: str, key: str) -> str:
    """Return the name of the variable that sets one setting."""
    return f"{PREFIX}{section}__{key}".upper()


def settings_in(
    environment: Mapping[str, str], known: Places
) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each variable that is a setting.

    Raises:
        UnknownSetting: A variable looks like ours and sets nothing. Its value, which may be a
            secret, is not told.
    """
    for name, value in sorted(environment.items()):
        if name in known:
            yield *known[name], value
        elif name not in NO_SETTINGS and _looks_ours(name, known):
            raise UnknownSetting(name, nearest(name.upper(), known))


def nearest(name: str, known: Mapping[str, object]) -> str:
    """Return the known name that is most like `name`."""
    return max(known, key=lambda each: difflib.SequenceMatcher(None, name, each).ratio())


def _looks_ours(name: str, known: Places) -> bool:
    """Return whether a variable has our prefix, or the letters of one of our names."""
    upper = name.upper()
    return upper.startswith(PREFIX) or _letters(upper) in {_letters(each) for each in known}


def _letters(name: str) -> str:
    return "".join(each for each in name if each.isalnum())
