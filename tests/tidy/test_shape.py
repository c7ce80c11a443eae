"""Limits on size, banned words, hidden addresses and unused code."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tidy.tree import ROOT, SOURCE, modules

FILE, FUNCTION, LINE = 400, 50, 96
LONG: dict[str, str] = {
    "persistence/migrations/versions/v0001_tables.py": "a migration is one step, written once",
}
BANNED = re.compile(
    r"\bvenues?\b|\bTODO\b|\bFIXME\b|\bXXX\b|raise NotImplementedError|\bfor now\b|\.\./shared",
    re.IGNORECASE,
)
HOSTS = re.compile(r"--(extra-)?index-url|pythonhosted|/simple/|\"resolved\": ?\"http")


def too_long(path: str, text: str) -> list[str]:
    """Return the lines and functions of a file that exceed the limits, and its length."""
    lines = text.splitlines()
    found = [f"line {n}" for n, line in enumerate(lines, 1) if len(line) > LINE]
    if len(lines) > FILE:
        found.append(f"{len(lines)} lines")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            if size > FUNCTION:
                found.append(f"{node.name}: {size} lines")
    return found if path not in LONG else []


@pytest.mark.parametrize("path", modules())
def test_no_file_function_or_line_is_too_long(path: str) -> None:
    text = (SOURCE / path).read_text(encoding="utf-8")

    assert too_long(path, text) == []


def test_a_file_function_or_line_that_is_too_long_would_be_found() -> None:
    assert too_long("x.py", "x = 1\n" * 401)
    assert too_long("x.py", "def f():\n" + "    x = 1\n" * 51)
    assert too_long("x.py", f"x = '{'y' * 100}'")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [ROOT / name for name in listed.stdout.splitlines()]
    return [each for each in names if each.is_file()]


def test_the_project_uses_no_banned_word() -> None:
    foreign = {"tests", "importers"}  # recordings use other names
    pages = [p for p in _tracked() if p.suffix in (".py", ".md") and not foreign & set(p.parts)]

    found = [
        f"{page.relative_to(ROOT)}: {match.group()}"
        for page in pages
        for match in BANNED.finditer(page.read_text(encoding="utf-8"))
    ]

    assert pages
    assert found == []


def test_no_file_names_a_package_index() -> None:
    found = []
    for path in _tracked():
        if path == Path(__file__).resolve() or path.suffix == ".tape":
            continue
        if HOSTS.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(str(path.relative_to(ROOT)))

    assert found == []


def test_a_banned_word_and_an_address_would_be_found() -> None:
    assert BANNED.search("on this venue")
    assert BANNED.search("# TODO later")
    assert HOSTS.search("--index-url https://example.org")


def _registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Return whether it is used without its name being mentioned: a command or a table."""
    bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
    return bool(node.decorator_list) or "Base" in bases


def test_everything_public_is_used_by_the_program_itself() -> None:
    trees = modules()
    words = "\n".join((SOURCE / path).read_text(encoding="utf-8") for path in trees) + (
        ROOT / "pyproject.toml"
    ).read_text(encoding="utf-8")
    uses = Counter(re.findall(r"\w+", words))
    unused = []
    for path, tree in trees.items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if uses[node.name] < 2 and not _registered(node):
                unused.append(f"{path}: {node.name}")

    assert sorted(set(unused) - UNUSED.keys()) == []


UNUSED: dict[str, str] = {
    "platforms/kalshi/book_codec.py: KalshiBooks": "the bench measures it",
    "ports/crash_points.py: points": "what a crash test must have killed the engine at",
    "ports/crash_points.py: listen": "called by crash tests alone",
    **dict.fromkeys(
        (
            "platforms/kalshi/signing.py: KalshiKey",
            "platforms/polymarket/authentication.py: ApiCredentials",
            "platforms/polymarket/authentication.py: RelayerKey",
            "platforms/polymarket/authentication.py: l1_headers",
            "platforms/polymarket/book_hash.py: book_hash",
            "platforms/polymarket/calls.py: merge_call",
            "platforms/polymarket/calls.py: redeem_call",
            "platforms/polymarket/order_amounts.py: limit_amounts",
            "platforms/polymarket/order_amounts.py: market_amounts",
            "platforms/polymarket/relayer_signing.py: sign_batch",
            "platforms/polymarket/relayer_signing.py: sign_proxy",
            "platforms/polymarket/relayer_signing.py: sign_safe",
            "platforms/polymarket/signing.py: OrderSigner",
            "platforms/polymarket/signing.py: exchange_of",
            "platforms/polymarket/transactions.py: sign_transaction",
        ),
        "for requests to a real platform; paper checks no signature",
    ),
}
