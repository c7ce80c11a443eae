"""Mutants that the type checker rejects: no program comes of them, whatever the tests see.

One that only makes a condition always true or false is none of them: it stands for a condition
that someone forgot, which the checker would not see.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from mutation.mutants import Mutant

FORGOTTEN = {"redundant-expr", "unreachable", "truthy-bool", "comparison-overlap"}
"""Errors that a mutant's artificial condition causes; the bug that it stands for does not."""
COPIED = {"no-redef"}
"""Errors of the copies of a function that stand beside each other."""


def rejected(place: Path, files: Sequence[str], mutants: Iterable[Mutant]) -> dict[str, str]:
    """Return what the type checker says of each mutant that it rejects, by key.

    Args:
        place: The copy of the repository in which the mutants stand.
        files: The mutated files, below `src/dutchbook`.
        mutants: All mutants of these files.

    Raises:
        RuntimeError: The type checker itself failed.
    """
    spans: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        spans[mutant.file].append(mutant)
    found: dict[str, str] = {}
    for file, line, message in _known(place, files):
        here = sorted(spans[file], key=lambda each: each.first)
        until = bisect_right(here, line, key=lambda each: each.first)
        if until and line <= here[until - 1].last:
            found.setdefault(here[until - 1].key, message)
    return found


def _known(place: Path, files: Sequence[str]) -> Sequence[tuple[str, int, str]]:
    """Return the errors, those of the last time if nothing has changed since."""
    kept, code = place.parent / "mistyped.json", hashlib.sha256(repr(files).encode())
    for path in sorted((place / "src").rglob("*.py")):
        code.update(str(path.relative_to(place)).encode() + path.read_bytes())
    if kept.exists():
        digest, known = json.loads(kept.read_text(encoding="utf-8"))
        if digest == code.hexdigest():
            return [(file, line, message) for file, line, message in known]
    found = _errors(place, files)
    kept.write_text(json.dumps([code.hexdigest(), found]), encoding="utf-8")
    return found


def _errors(place: Path, files: Sequence[str]) -> list[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--output", "json", "--no-error-summary"]
    home = place / "src/dutchbook"
    done = subprocess.run(
        [*command, *(str(home / file) for file in files)],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={"MYPYPATH": "src", "PATH": "/usr/bin:/bin", "MYPY_CACHE_DIR": "../mypy"},
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the type checker failed: {done.stderr or done.stdout}")
    errors = []
    for line in done.stdout.splitlines():
        each = json.loads(line)
        path = (place / each["file"]).resolve()
        kind = each["severity"] == "error" and each["code"] not in FORGOTTEN | COPIED
        if kind and path.is_relative_to(home.resolve()):
            file = path.relative_to(home.resolve()).as_posix()
            errors.append((file, each["line"], each["message"]))
    return errors
