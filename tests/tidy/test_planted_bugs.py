"""Every planted bug can still be planted; whether it is caught is what `make mutants` tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from prove.alone import ALONE
from prove.bug import SIMULATION, Bug, place
from prove.planted import PLANTED

ROOT = Path(__file__).resolve().parents[2]
EVERY = {f"{bug.check or 'all'} {bug.name}": bug for bug in (*PLANTED, *ALONE)}


@pytest.mark.parametrize("bug", EVERY.values(), ids=EVERY)
def test_the_text_that_a_bug_replaces_stands_exactly_once(bug: Bug) -> None:
    places = {file: place(ROOT, file) for file, _, _ in bug.edits}
    texts = {file: path.read_text(encoding="utf-8") for file, path in places.items()}

    found = {(file, old): texts[file].count(old) for file, old, _ in bug.edits}

    assert found == dict.fromkeys(found, 1)
    assert all(old != new for _, old, new in bug.edits)


def test_no_two_bugs_have_one_name_and_each_names_tests_that_exist() -> None:
    names = Counter(bug.name for bug in PLANTED)
    files = {
        word
        for bug in PLANTED
        if bug.caught_by != SIMULATION
        for word in bug.caught_by.split()
        if word.startswith("tests/")
    }

    assert max(names.values()) == 1
    assert all((ROOT / file).exists() for file in files)
