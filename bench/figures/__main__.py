"""``python -m bench.figures [BLOCK...]`` measures figures and writes them into their pages.

Without a name it writes every block that takes no more than a few minutes. BENCH_SHORT=1 prints
the blocks of `bench`, and no other, instead of writing them: a try that no page should show.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from bench.figures.declared import DECLARED, ROOT
from bench.sizes import is_short


def main() -> int:
    """Parse the command line, and measure what it names."""
    parser = argparse.ArgumentParser(
        prog="make figures", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", metavar="BLOCK")
    parser.add_argument("--list", action="store_true", help="list the blocks, and do nothing")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in DECLARED]
    if unknown:
        parser.error(f"no block {', '.join(unknown)}; --list names them all")
    if given.list:
        sys.stdout.write("".join(f"{_described(name)}\n" for name in DECLARED))
        return 0
    names = given.names or [name for name, each in DECLARED.items() if not each.long]
    if is_short():
        names = [name for name in names if not DECLARED[name].words]
    runs: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(names):
        words = DECLARED[name].words or ("bench.figures.measure", name)
        runs.setdefault(words, []).append(name)
    failed = [
        name for words, written in runs.items() if not _run(words, written) for name in written
    ]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _described(name: str) -> str:
    figures = DECLARED[name]
    when = "only if named" if figures.long else "by default"
    return f"{name:20} {figures.page:22} {when}"


def _run(words: Sequence[str], names: Sequence[str]) -> bool:
    """Run the programme that writes some blocks, and return whether it ended well."""
    command = [sys.executable, "-m", *words]
    if DECLARED[names[0]].words:
        command += ["--figures", *names]
    sys.stdout.write(f"{' '.join(command[1:])}\n")
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0  # noqa: S603 - ours


if __name__ == "__main__":
    sys.exit(main())
