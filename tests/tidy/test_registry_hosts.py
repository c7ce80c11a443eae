"""No file names a package index: where packages come from is the machine's business."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidy.tree import ROOT, assert_finds

SKIPPED = frozenset(
    {".git", ".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__", "build", "dist"}
)
LARGEST_BYTES = 2_000_000

# Each pattern is written so that it does not match itself.
HOSTS = re.compile(
    rb"--(?:extra-)?index-url|[p]ythonhosted|[p]ypi\.org|/[s]imple/|\"[r]esolved\": ?\"http"
)


def named_indexes(root: Path) -> list[str]:
    """Every file that names a package index, with the bytes that do."""
    return [
        f"{path.relative_to(root)}: {match[0].decode()}"
        for path in _files(root)
        if (match := HOSTS.search(path.read_bytes()))
    ]


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        skipped = SKIPPED.intersection(path.relative_to(root).parts)
        if not skipped and path.is_file() and path.stat().st_size < LARGEST_BYTES:
            yield path


def test_no_file_names_a_package_index() -> None:
    assert named_indexes(ROOT) == []


def test_the_files_that_install_packages_are_read() -> None:
    read = {str(path.relative_to(ROOT)) for path in _files(ROOT)}

    assert read >= {"Makefile", ".ci/run", "pyproject.toml", "requirements/run.txt"}


@pytest.mark.parametrize(
    "line",
    [
        "-" + "-index-url https://index.example",
        "pip install -" + "-extra-index-url=x",
        "https://files.python" + "hosted.org/x",
        "https://pypi" + ".org/project/x",
        "https://index.example/sim" + "ple/x",
        '"resol' + 'ved": "https://index.example"',
    ],
)
def test_a_named_index_is_found(tmp_path: Path, line: str) -> None:
    assert_finds(named_indexes, tmp_path, {"requirements/run.txt": line}, "requirements/run.txt")


def test_the_flag_that_keeps_an_index_out_is_passed(tmp_path: Path) -> None:
    assert_finds(named_indexes, tmp_path, {"Makefile": "pip-compile --no-emit-index-url"})
