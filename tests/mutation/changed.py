"""Which mutants are of functions that changed since a commit."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache

from mutmut.mutation.file_mutation import compute_function_hashes

from mutation.decorated import undecorated
from mutation.mutants import Mutant
from mutation.tree import ROOT


def changed(mutants: Sequence[Mutant], commit: str) -> list[Mutant]:
    """Return the mutants of functions that are new or different since a commit.

    Raises:
        ValueError: There is no such commit.
    """
    if _git("rev-parse", "--verify", f"{commit}^{{commit}}") is None:
        raise ValueError(f"there is no commit {commit!r}")

    @cache
    def before(file: str) -> dict[str, str]:
        source = _git("show", f"{commit}:src/dutchbook/{file}")
        return {} if source is None else compute_function_hashes(undecorated(source))

    return [
        mutant
        for mutant in mutants
        if before(mutant.file).get(mutant.tested.rpartition(".")[2]) != mutant.digest
    ]


def different(files: Sequence[str], commit: str) -> list[str]:
    """Return the files below `src/dutchbook` that are new or different since a commit."""

    def now(file: str) -> str:
        return (ROOT / "src/dutchbook" / file).read_text(encoding="utf-8")

    def then(file: str) -> str | None:
        return _git("show", f"{commit}:src/dutchbook/{file}")

    return [file for file in files if then(file) != now(file)]


def _git(*words: str) -> str | None:
    """Return what git prints, None if it refuses."""
    command = ["git", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None
