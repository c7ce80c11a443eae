"""One word per thing, nothing left unfinished, and the project speaks of itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidy.tree import ROOT, assert_finds

PLACES = ("src", "docs", "README.md", "CHANGELOG.md", "Makefile", ".ci")
TEXT = frozenset({"", ".py", ".md", ".toml", ".txt", ".sql", ".mako", ".ini", ".json", ".html"})

# What must not stand in source or prose, and why.
BANNED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![a-z])venues?(?![a-z])", re.IGNORECASE), "say platform"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b"), "finish it"),
    (re.compile(r"\bfor now\b", re.IGNORECASE), "finish it, or say until when"),
    (re.compile(r"\bassistants?\b|\b(agent|llm|ai)-made\b", re.IGNORECASE), "out of place"),
    (re.compile(r"(?<!\w)shared/"), "nothing outside the tree is needed"),
)


def misused_words(root: Path) -> list[str]:
    """Every banned word in source and prose, with what to do about it."""
    return [
        f"{path.relative_to(root)}:{number} {match[0]}: {advice}"
        for path in _texts(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for pattern, advice in BANNED
        for match in pattern.finditer(line)
    ]


def _texts(root: Path) -> Iterator[Path]:
    for place in PLACES:
        start = root / place
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            generated = any(part.endswith(".egg-info") for part in path.parts)
            if path.is_file() and path.suffix in TEXT and not generated:
                yield path


def test_no_banned_word_stands_in_source_or_prose() -> None:
    assert misused_words(ROOT) == []


def test_source_and_prose_are_both_read() -> None:
    read = {path.relative_to(ROOT).parts[0] for path in _texts(ROOT)}

    assert read == set(PLACES)


@pytest.mark.parametrize(
    "line",
    [
        "Venue = str",
        "both_venues = 2",
        "# TODO: finish",
        "raise NotImplementedError",
        "# good enough for now",
        "An assistant wrote it.",
        "Agent-made.",
        "../shared/design.md",
    ],
)
@pytest.mark.parametrize("place", ["src/dutchbook/a.py", "docs/a.md", "README.md", "Makefile"])
def test_a_banned_word_is_found(tmp_path: Path, place: str, line: str) -> None:
    assert_finds(misused_words, tmp_path, {place: f"\n{line}\n"}, f"{place}:2 ")


@pytest.mark.parametrize("line", ["revenue", "an avenue", "hackney", "until then", "shared by"])
def test_a_word_that_only_resembles_one_is_passed(tmp_path: Path, line: str) -> None:
    assert_finds(misused_words, tmp_path, {"docs/a.md": line})
