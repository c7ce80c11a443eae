"""The source tree as data, for the checks of this folder."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/dutchbook")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: where it is below the root, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        """The top-level name in the package that the file belongs to: `domain`, `cli`."""
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    def at(self, node: ast.expr | ast.stmt | ast.ExceptHandler, what: str) -> str:
        """Say what stands at a node, in the form that an editor can jump to."""
        return f"{self.path}:{node.lineno} {what}"


def sources(root: Path, folder: Path = PACKAGE) -> list[Source]:
    """Parse every Python file below a folder of the tree, in the order of their paths."""
    found = []
    for path in sorted((root / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path.relative_to(root), text, ast.parse(text, str(path))))
    return found


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method below a node."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def dotted(node: ast.AST) -> str | None:
    """Spell a chain of attributes, `datetime.datetime.now`; None for anything else."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            owner = dotted(value)
            return None if owner is None else f"{owner}.{name}"
        case _:
            return None


def imported_modules(source: Source) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Every import in a file, wherever it stands, as the absolute dotted name it brings in.

    `from a.b import c` gives `a.b.c`: whether `c` is a module or a name in one is not known here.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = _base(source.path, node)
            for alias in node.names:
                yield node, f"{base}.{alias.name}"


def _base(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(PACKAGE.parent).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def unexplained(
    found: Iterable[tuple[str, str]], exceptions: Mapping[str, str], root: Path
) -> list[str]:
    """Drop the findings that have a reason, and report each reason that no finding needs.

    Args:
        found: Pairs of the name that an exception would carry, and the finding.
        exceptions: Name to reason.
        root: The tree looked at; reasons belong to this project's own tree only.
    """
    pairs = list(found)
    rows = [row for name, row in pairs if name not in exceptions]
    if root == ROOT:
        needed = {name for name, _ in pairs}
        rows += [f"{name}: an exception that nothing needs" for name in exceptions.keys() - needed]
    return sorted(rows)


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write a small tree that a checker can be tried on, and return its root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def assert_finds(
    checker: Callable[[Path], list[str]], root: Path, files: Mapping[str, str], *parts: str
) -> None:
    """Plant files and expect one finding for each of `parts`, in order, and no other."""
    found = checker(plant(root, files))

    assert len(found) == len(parts), found
    assert all(part in row for part, row in zip(parts, found, strict=True)), found
