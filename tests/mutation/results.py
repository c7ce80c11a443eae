"""What became of each mutant, kept between runs: a change runs only its own mutants again.

A mutant that was caught stays caught while its function and the test that caught it are the
same; one that survived, while its function and all tests are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation.mutants import Mutant
from mutation.session import CAUGHT, CUT, ENDLESS

NOTICED = {CAUGHT, ENDLESS}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant.

    Attributes:
        outcome: One of the session's.
        by: The test that caught it, empty if none did.
        seconds: How long its tests were run at most, without one that caught it.
    """

    outcome: str
    by: str
    seconds: float

    @property
    def noticed(self) -> bool:
        """Whether a test noticed it."""
        return self.outcome in NOTICED


class Results:
    """The results of earlier runs.

    Args:
        path: The file that keeps them.
        tests: Where the tests are: the folder that holds `tests`.
    """

    def __init__(self, path: Path, tests: Path) -> None:
        self._path = path
        self._place = tests
        self._kept: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._kept = json.loads(path.read_text(encoding="utf-8"))
        self.tests = self._digest(sorted((tests / "tests").rglob("*.py")))

    def of(self, mutant: Mutant, seconds: float) -> Result | None:
        """Return the result that still counts, None if it must be tried.

        Args:
            mutant: The mutant.
            seconds: How long its tests are to be run at most.
        """
        if (row := self._kept.get(mutant.identity)) is None:
            return None
        result = Result(row["outcome"], row["by"], row["seconds"])
        if result.noticed:
            return result if row["tests"] == self._file(result.by) else None
        longer = result.outcome == CUT and seconds > result.seconds
        return None if row["tests"] != self.tests or longer else result

    def keep(self, mutant: Mutant, result: Result) -> None:
        """Keep a result until its function or its tests change."""
        tests = self._file(result.by) if result.noticed else self.tests
        self._kept[mutant.identity] = {
            "outcome": result.outcome,
            "by": result.by,
            "seconds": result.seconds,
            "tests": tests,
        }

    def write(self, known: Iterable[Mutant]) -> None:
        """Write what is kept, of the mutants that there still are."""
        wanted = {mutant.identity for mutant in known}
        modules = {_module(identity) for identity in wanted}
        for identity in [each for each in self._kept if each not in wanted]:
            if _module(identity) in modules:
                del self._kept[identity]
        self._path.write_text(json.dumps(self._kept), encoding="utf-8")

    def _file(self, test: str) -> str:
        """Return the digest of the file of a test; an endless mutant names none."""
        name = test.partition("::")[0]
        return self._digest([self._place / name]) if name else ""

    def _digest(self, paths: Iterable[Path]) -> str:
        whole = hashlib.sha256()
        for path in paths:
            whole.update(str(path.relative_to(self._place)).encode())
            whole.update(path.read_bytes() if path.exists() else b"")
        return whole.hexdigest()[:16]


def _module(identity: str) -> str:
    """Return the module of a mutant's identity."""
    return identity.partition(" ")[0].rpartition(".")[0]
