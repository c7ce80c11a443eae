"""`make mutate` itself, on a few lines of code: what it changes, tries, counts and keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mutation import equivalents, figures
from mutation.__main__ import tried
from mutation.decorated import undecorated
from mutation.equivalents import Equivalent
from mutation.known import Known
from mutation.mutants import Mutant, mutated
from mutation.results import Result, Results
from mutation.session import CAUGHT, ENDLESS, SURVIVED, UNTESTED
from mutation.tree import Tree
from mutation.typing_errors import rejected

FILE = "domain/small.py"
SOURCE = '''
"""A small module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stake:
    """A stake."""

    dollars: int

    @property
    def doubled(self) -> int:
        """Twice the stake."""
        return self.dollars * 2


def least(limit: int) -> bool:
    """Return whether a limit is enough."""
    return limit >= 10


def steps(number: int) -> int:
    """Count down."""
    count = 0
    while number > 0:
        number -= 1
        count += 1
    return count


def unseen() -> int:
    """Return what no test asks for."""
    return 7
'''
TESTS = """
from dutchbook.domain.small import Stake, least, steps


def test_a_stake_is_doubled() -> None:
    assert Stake(3).doubled == 6


def test_a_limit_far_above_is_enough() -> None:
    assert least(100)
    assert not least(1)


def test_steps_are_counted() -> None:
    assert steps(3) == 3
"""
WHY = "so it is in this test"
CONFIGURED = "[tool.mypy]\nstrict = true\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    for path, text in {
        "src/dutchbook/__init__.py": "",
        "src/dutchbook/domain/__init__.py": "",
        f"src/dutchbook/{FILE}": SOURCE,
        "tests/spec/test_small.py": TESTS,
        "pyproject.toml": CONFIGURED,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def found(small: Path) -> tuple[list[Mutant], dict[str, str], dict[str, Result]]:
    tree = Tree(small)
    mutants = tree.prepare([FILE], 1)
    mistyped = rejected(tree.place, [FILE], mutants)
    kept = Results(tree.place.parent / "results.json", tree.place)
    chosen = [mutant for mutant in mutants if mutant.key not in mistyped]
    return mutants, mistyped, tried(tree, chosen, kept, 5.0, 2, ["tests/spec"])


def outcomes(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]], function: str
) -> dict[str, str]:
    """Return what became of the mutants of a function, by the line that replaces another."""
    mutants, _, results = found
    mine = (each for each in mutants if each.function == function and each.key in results)
    return {each.new[0]: results[each.key].outcome for each in mine}


def test_a_property_is_changed_and_its_test_sees_it(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    assert outcomes(found, "Stake.doubled")["return self.dollars * 3"] == CAUGHT


def test_an_edge_that_no_test_reaches_survives(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    seen = outcomes(found, "least")

    assert seen["return limit > 10"] == SURVIVED
    assert seen["return limit >= 11"] == SURVIVED


def test_a_function_that_no_test_calls_is_untested(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    assert set(outcomes(found, "unseen").values()) == {UNTESTED}


def test_a_change_that_never_ends_is_noticed(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    seen = outcomes(found, "steps")

    assert seen["number = 1"] == ENDLESS
    assert seen["number += 1"] == ENDLESS


def test_a_change_that_the_type_checker_rejects_counts_nowhere(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    mutants, mistyped, results = found

    told = {mutant.new[0] for mutant in mutants if mutant.key in mistyped}
    (score,) = figures.scores(mutants, mistyped, (), results)

    assert "count = None" in told
    assert score.mistyped == len(mistyped)
    assert score.counted == len(mutants) - len(mistyped)
    assert score.noticed == sum(result.noticed for result in results.values())


def test_a_second_run_tries_nothing_until_a_test_changes(
    small: Path, found: tuple[list[Mutant], dict[str, str], dict[str, Result]]
) -> None:
    mutants, mistyped, results = found
    tree = Tree(small)
    chosen = [mutant for mutant in mutants if mutant.key not in mistyped]

    def open_() -> set[str]:
        kept = Results(tree.place.parent / "results.json", tree.place)
        return {each.new[0] for each in chosen if kept.of(each, 5.0) is None}

    assert open_() == set()
    assert not all(result.noticed for result in results.values())
    other = tree.place / "tests/spec/test_other.py"
    other.write_text("def test_nothing() -> None:\n    pass\n", encoding="utf-8")
    survivors = {m.new[0] for m in chosen if not results[m.key].noticed}
    assert open_() == survivors
    other.unlink()


def test_an_entry_of_the_list_fits_a_change_that_no_test_sees(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    mutants, _, results = found
    same = Equivalent(FILE, "least", "return limit >= 10", "return limit > 10", WHY)
    told = Equivalent(
        FILE,
        "Stake.doubled",
        "return self.dollars * 2",
        "return self.dollars * 3",
        "wrong here",
    )
    gone = Equivalent(
        FILE, "least", "return limit >= 9", "return limit > 9", "it was here once"
    )

    def wrong(*entries: Equivalent) -> list[str]:
        return equivalents.wrong(entries, mutants, results, {FILE: 1000})

    assert wrong(same) == []
    assert "test_a_stake_is_doubled tells 'return self.dollars * 3' apart" in wrong(told)[0]
    assert "no mutant is 'return limit > 9' any more" in wrong(gone)[0]


def test_no_more_than_three_in_a_hundred_may_be_listed(
    found: tuple[list[Mutant], dict[str, str], dict[str, Result]],
) -> None:
    mutants, _, results = found
    same = Equivalent(FILE, "least", "return limit >= 10", "return limit > 10", WHY)

    assert "more than 3%" in equivalents.wrong([same] * 2, mutants, results, {FILE: 50})[0]
    assert equivalents.wrong([same], mutants, results, {FILE: 50}) == []


def test_arguments_of_every_kind_are_passed_on() -> None:
    source = "@cache\ndef f(a, /, b, *c, d, **e):\n    return a\n"

    assert undecorated(source) == (
        "def _of_f(a, /, b, *c, d, **e):\n    return a\n"
        "@cache\ndef f(a, /, b, *c, d, **e):\n    return _of_f(a, b, *c, d = d, **e)\n"
    )


def test_the_same_function_has_the_same_mutants_wherever_it_stands() -> None:
    before, after = mutated(FILE, SOURCE), mutated(FILE, SOURCE + "\n\nLAST = 1\n")

    assert [each.identity for each in before.mutants] == [
        each.identity for each in after.mutants
    ]
    assert json.dumps([each.old for each in before.mutants])


def test_what_a_test_calls_is_known_until_it_or_what_it_calls_has_changed(
    tmp_path: Path,
) -> None:
    tests = ("tests/test_one.py", "tests/test_two.py", "tests/test_three.py")
    places = (*tests, "src/dutchbook/domain/small.py", "src/dutchbook/domain/large.py")
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("", encoding="utf-8")
    known = Known(tmp_path / "known.json", tmp_path)
    known.refresh()
    calls = ("small.x_least", "large.x_most", "large.x_most")
    noted = {
        f"{test}::test_it": {"calls": [f"dutchbook.domain.{call}"], "seconds": 0.1}
        for test, call in zip(tests, calls, strict=True)
    }
    known.path.write_text(json.dumps(noted), encoding="utf-8")

    known.refresh()
    assert json.loads(known.path.read_text(encoding="utf-8")) == noted
    (tmp_path / "src/dutchbook/domain/small.py").write_text("1\n", encoding="utf-8")
    (tmp_path / "tests/test_two.py").write_text("1\n", encoding="utf-8")
    known.refresh()

    left = json.loads(known.path.read_text(encoding="utf-8"))
    assert list(left) == ["tests/test_three.py::test_it"]
