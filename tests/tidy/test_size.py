"""A file that outgrows these bounds is two ideas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tidy.tree import ROOT, Source, assert_finds, functions, plant, sources, unexplained

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
COLUMNS_MAX = 96

# "path" or "path:function" to the reason why it may be larger.
EXCEPTIONS: dict[str, str] = {}


def oversized(root: Path) -> list[str]:
    """Every file, function and line that is too long and has no reason for it."""
    files = [*sources(root), *sources(root, Path("tests"))]
    return unexplained((pair for source in files for pair in _oversized(source)), EXCEPTIONS, root)


def _oversized(source: Source) -> Iterator[tuple[str, str]]:
    name = str(source.path)
    lines = source.text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield name, f"{name}: {len(lines)} lines"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield name, f"{name}:{number} {len(line)} columns"
    for function in functions(source.tree):
        size = (function.end_lineno or function.lineno) - function.lineno + 1
        if size > FUNCTION_LINES_MAX:
            key = f"{name}:{function.name}"
            yield key, source.at(function, f"{function.name}: {size} lines")


def test_files_functions_and_lines_stay_within_bounds() -> None:
    assert oversized(ROOT) == []


def test_what_is_one_too_long_is_found(tmp_path: Path) -> None:
    body = "    pass\n" * FUNCTION_LINES_MAX
    planted = {
        "src/dutchbook/a.py": "x = 1\n" * (FILE_LINES_MAX + 1),
        "src/dutchbook/b.py": f"async def long():\n{body}",
        "tests/spec/c.py": f"#{'x' * COLUMNS_MAX}\n",
    }

    assert_finds(oversized, tmp_path, planted, "401 lines", "long: 51 lines", "97 columns")


def test_what_fills_the_bounds_is_passed(tmp_path: Path) -> None:
    body = "    pass\n" * (FUNCTION_LINES_MAX - 1)
    line = f"#{'x' * (COLUMNS_MAX - 1)}\n"
    filler = line * (FILE_LINES_MAX - FUNCTION_LINES_MAX)
    root = plant(tmp_path, {"src/dutchbook/a.py": f"def full():\n{body}{filler}"})

    assert oversized(root) == []


def test_an_exception_without_need_is_found() -> None:
    rows = unexplained([("kept", "kept: 401 lines")], {"kept": "why", "stale": "why"}, ROOT)

    assert rows == ["stale: an exception that nothing needs"]
