"""The mutants of a file: the program in one small way different, as `mutmut` makes them.

Each function of the file stands there once as it is and once for each mutant; a switch chooses
which of them is called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

from mutmut.mutation.file_mutation import mutate_file_contents

from mutation.decorated import PREFIX, undecorated

VERSION = 1
"""Part of each file's digest: counts up when mutants are made in another way."""
ORIGINAL, OF = "orig", "__mutmut_"
LABELS = ("x_", "xǁ")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant.

    Attributes:
        key: Its module and generated name, by which it is switched on.
        file: The source file, below `src/dutchbook`.
        function: The function that it changes, with its class.
        digest: Of the function's source: a result counts as long as it stays the same.
        first: First line of the changed function in the generated file, from 1.
        last: Its last line.
        old: The lines that it replaces, without indentation.
        new: The lines that replace them.
    """

    key: str
    file: str
    function: str
    digest: str
    first: int
    last: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def tested(self) -> str:
        """Return the name under which the tester notes that a test called the function."""
        return self.key.partition(OF)[0]

    @property
    def identity(self) -> str:
        """Return what stays the same while the function does."""
        return f"{self.key} {self.digest}"

    def __str__(self) -> str:
        lines = [f"{self.file} {self.function}"]
        lines += [f"  - {line}" for line in self.old]
        return "\n".join([*lines, *(f"  + {line}" for line in self.new)])


@dataclass(frozen=True, slots=True)
class Mutated:
    """A source file with its mutants.

    Attributes:
        digest: Of the source that they were made from.
        code: The generated module.
        mutants: In the order of their functions.
    """

    digest: str
    code: str
    mutants: tuple[Mutant, ...]


def digest(source: str) -> str:
    """Return what changes whenever a source's mutants could."""
    return hashlib.sha256(f"{VERSION}\n{source}".encode()).hexdigest()


def mutated(file: str, source: str) -> Mutated:
    """Make every mutant of a file below `src/dutchbook`."""
    made = mutate_file_contents(f"src/dutchbook/{file}", undecorated(source))
    lines = made.code.splitlines()
    spans = made.line_span_by_function_name
    mutants = []
    for name in made.mutant_names:
        function, _, _ = name.partition(OF)
        span, was = spans[name], spans[f"{function}{OF}{ORIGINAL}"]
        old, new = _difference(
            lines[was.start - 1 : was.end], lines[span.start - 1 : span.end], name, function
        )
        mutants.append(
            Mutant(
                f"{module(file)}.{name}",
                file,
                _readable(function),
                made.hash_by_function_name[function],
                span.start,
                span.end,
                old,
                new,
            )
        )
    return Mutated(digest(source), made.code, tuple(mutants))


def module(file: str) -> str:
    """Return the name of the module of a file below `src/dutchbook`."""
    name = f"dutchbook.{file.removesuffix('.py').replace('/', '.')}"
    return name.removesuffix(".__init__")


def _difference(
    was: list[str], now: list[str], name: str, function: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines of a function that a mutant replaces, and what replaces them."""
    now = [line.replace(name, f"{function}{OF}{ORIGINAL}") for line in now]
    old, new = [], []
    for line in ndiff(was, now):
        if line.startswith("- "):
            old.append(line[2:].strip())
        elif line.startswith("+ "):
            new.append(line[2:].strip())
    return tuple(old), tuple(new)


def _readable(function: str) -> str:
    """Return a function's name as it stands in the source, with its class."""
    parts = function.removeprefix("x_").split("ǁ")
    parts[-1] = parts[-1].removeprefix(PREFIX)
    return ".".join(part for part in parts if part not in ("", "x"))


def kept(made: Mutated) -> str:
    """Return a file's mutants as text, without the code."""
    rows = [asdict(mutant) for mutant in made.mutants]
    return json.dumps({"digest": made.digest, "mutants": rows}, ensure_ascii=False)


def loaded(text: str) -> tuple[str, tuple[Mutant, ...]]:
    """Return the digest and the mutants that `kept` wrote."""
    found: Mapping[str, Any] = json.loads(text)
    return found["digest"], tuple(_mutants(found["mutants"]))


def _mutants(rows: list[dict[str, Any]]) -> Iterator[Mutant]:
    for row in rows:
        yield Mutant(**row | {"old": tuple(row["old"]), "new": tuple(row["new"])})


def below(root: Path, places: tuple[str, ...]) -> list[str]:
    """Return the files to mutate below `src/dutchbook`, sorted."""
    home = root / "src/dutchbook"
    found = {path for place in places for path in (home / place).rglob("*.py")}
    found |= {home / place for place in places if place.endswith(".py")}
    return sorted(path.relative_to(home).as_posix() for path in found)
