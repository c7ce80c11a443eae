"""Text reaches a person through `cli/output.py` and `cli/console/literal.py` alone."""

from __future__ import annotations

import ast

import pytest

from tidy.tree import meanings, modules

WAYS = {"cli/output.py", "cli/console/literal.py"}
"""What writes to a stream, and what shows a text on a console: literally and inert."""
STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
PASSED_ON = {"cli/options.py": {"sys.stdout"}, "cli/console/progress.py": {"sys.stderr"}}
"""Streams that are handed to a `LiteralConsole`."""
ASKED = {"cli/options.py": {"typer.confirm"}}
"""The question is made inert there."""
PRINTERS = {
    "print",
    *(f"typer.{each}" for each in ("echo", "secho", "prompt", "confirm", "style")),
    *(f"click.{each}" for each in ("echo", "secho", "prompt", "confirm", "style")),
    "rich.print",
    "rich.get_console",
    "rich.console.Console",
    "rich.panel.Panel",
}
"""Print text as it is, or read markup in it: a panel does so in its title."""
READERS = ("rich.text", "rich.markup", "rich.emoji", "rich.prompt", "rich.ansi", "rich.rule")
"""Make a text that a console no longer touches."""
TREES = modules()


def outside(path: str, tree: ast.Module) -> set[str]:
    """Return what a module prints with, reads markup with, or writes to directly."""
    if path in WAYS:
        return set()
    known = meanings(tree)
    found = {meant for meant in known.values() if meant.startswith(READERS)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            first, _, rest = name.partition(".")
            meant = f"{known[first]}.{rest}".rstrip(".") if first in known else name
            found |= {meant} & PRINTERS
            found |= {f"markup in {name}" for each in node.keywords if each.arg == "markup"}
        elif isinstance(node, ast.Attribute):
            found |= {ast.unparse(node)} & STREAMS
    return found - PASSED_ON.get(path, set()) - ASKED.get(path, set())


@pytest.mark.parametrize("path", TREES)
def test_no_view_prints_past_the_one_way(path: str) -> None:
    assert outside(path, TREES[path]) == set()


@pytest.mark.parametrize(
    "line",
    [
        "print(title)",
        "import typer\ntyper.echo(title)",
        "from typer import echo as say\nsay(title)",
        "import sys\nsys.stdout.write(title)",
        "from rich.console import Console\nConsole().print(title)",
        "from rich.panel import Panel\nPanel('', title=title)",
        "from rich.text import Text\nText.from_markup(title)",
        "console.print(title, markup=True)",
    ],
)
def test_a_view_that_prints_past_it_would_be_found(line: str) -> None:
    assert outside("cli/console/live.py", ast.parse(line))
