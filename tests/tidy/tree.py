"""The project's source as syntax trees, with helpers to query them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "dutchbook"


@cache
def modules(root: Path = SOURCE) -> dict[str, ast.Module]:
    """Return every module below `root`, by path in sorted order; the trees are shared."""
    return {
        str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.py"))
    }


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def meanings(tree: ast.Module) -> dict[str, str]:
    """Return the dotted name of what each imported name of a module means."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.asname or a.name: a.name for a in node.names}
    return found


def module_of(path: str) -> str:
    """Return the dotted name of a module."""
    return "dutchbook." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def part(path: str) -> str:
    """Return the package or top-level module that a path belongs to."""
    return path.split("/", maxsplit=1)[0].removesuffix(".py")
