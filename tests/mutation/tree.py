"""A copy of the repository in which the mutants stand, made anew where the source changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mutation.mutants import Mutant, digest, kept, loaded, mutated

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "tests", "bench", "docs", "deploy")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")


class Tree:
    """The copy below `build/mutate`.

    Args:
        root: The repository.
        place: The folder of the copy.
    """

    def __init__(self, root: Path = ROOT, place: Path | None = None) -> None:
        self.root = root
        self.place = place or root / "build/mutate/tree"
        self._made = self.place.parent / "mutants"

    def prepare(self, files: Sequence[str], workers: int) -> list[Mutant]:
        """Bring the copy up to date, and return the mutants of some files.

        Every other file is as it is in the repository.

        Args:
            files: The files to mutate, below `src/dutchbook`.
            workers: How many processes make mutants.
        """
        found: dict[str, tuple[Mutant, ...]] = {}
        stale = []
        for file in files:
            if (there := self._known(file)) is None:
                stale.append(file)
            else:
                found[file] = there
        self._copy({self._target(file) for file in files})
        with ProcessPoolExecutor(workers) as pool:
            found |= dict(zip(stale, pool.map(self._make, stale), strict=True))
        for file in files:
            code = (self._made / f"{file}.py").read_text(encoding="utf-8")
            _write(self._target(file), code)
        return [mutant for file in files for mutant in found[file]]

    def _source(self, file: str) -> str:
        return (self.root / "src/dutchbook" / file).read_text(encoding="utf-8")

    def _target(self, file: str) -> Path:
        return self.place / "src/dutchbook" / file

    def _known(self, file: str) -> tuple[Mutant, ...] | None:
        try:
            was, mutants = loaded((self._made / f"{file}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return mutants if was == digest(self._source(file)) else None

    def _make(self, file: str) -> tuple[Mutant, ...]:
        made = mutated(file, self._source(file))
        _write(self._made / f"{file}.py", made.code)
        _write(self._made / f"{file}.json", kept(made))
        return made.mutants

    def _copy(self, but: Iterable[Path]) -> None:
        """Copy what has changed, and remove what is gone."""
        wanted = set(but)
        for source in _sources(self.root):
            target = self.place / source.relative_to(self.root)
            if target not in wanted:
                _write(target, source.read_bytes())
            wanted.add(target)
        for path in self.place.rglob("*.py"):
            if path not in wanted:
                path.unlink()
        for cache in self.place.rglob("__pycache__"):
            if not list(cache.parent.glob("*.py")):
                shutil.rmtree(cache)


def _sources(root: Path) -> Iterable[Path]:
    yield from (root / name for name in FILES if (root / name).exists())
    for part in PARTS:
        for path in (root / part).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and ".egg" not in str(path):
                yield path


def _write(path: Path, content: str | bytes) -> None:
    """Write a file, unless it is so already: what is unchanged keeps its time."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
