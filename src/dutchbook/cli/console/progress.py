"""A progress bar on standard error, where there is a terminal to draw it on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress

from dutchbook.cli.console.literal import LiteralConsole

Tell = Callable[[int, int], None]


@contextmanager
def bar(title: str) -> Iterator[Tell]:
    """Show the progress of a long task; yields a function of the work done and the total."""
    console = LiteralConsole(sys.stderr)
    # Without a terminal, it would still print an empty line at the end.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield tell
