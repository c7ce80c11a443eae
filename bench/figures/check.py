"""``python -m bench.figures.check``: which figures of the pages may be out of date?

Changed code is only told of. A table outside of a block, a block that nothing declares or that
is missing, and a commit that is not in the history are errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from bench.figures.blocks import BadPage, Block, blocks, tables_outside
from bench.figures.declared import DECLARED, ROOT, STRICT, Figures
from bench.figures.history import History, NoHistory


@dataclass
class Report:
    """What a check found."""

    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def check(
    root: Path = ROOT,
    declared: Mapping[str, Figures] = DECLARED,
    strict: Sequence[str] = STRICT,
) -> Report:
    """Return what is told and what is wrong about the figures of a tree."""
    report = Report()
    history: History | None = None
    try:
        history = History.of(root)
    except NoHistory as reason:
        report.told.append(f"figures: commits and changes are not checked, {reason}")
    for page in dict.fromkeys((*strict, *(each.page for each in declared.values()))):
        text = (root / page).read_text(encoding="utf-8")
        try:
            found = blocks(text)
        except BadPage as error:
            report.wrong.append(f"{page}: {error}")
            continue
        report.wrong += [f"{page}: {line}" for line in _misplaced(page, found, declared)]
        if page in strict:
            report.wrong += [
                f"{page}: line {number}: a table outside of a block of figures"
                for number in tables_outside(text, found)
            ]
        for block in found:
            if history is not None and block.name in declared:
                _follow(report, page, block, declared[block.name].paths, history)
    for name, figures in declared.items():
        absent = [path for path in figures.paths if not (root / path).exists()]
        report.wrong += [f"{name} depends on {path}, which does not exist" for path in absent]
    return report


def _misplaced(
    page: str, found: Sequence[Block], declared: Mapping[str, Figures]
) -> Iterator[str]:
    """Yield what does not fit between the blocks of a page and those declared for it."""
    names = {block.name for block in found}
    expected = {name for name, figures in declared.items() if figures.page == page}
    yield from (f"no programme writes the block {name}" for name in sorted(names - expected))
    yield from (f"the block {name} is missing" for name in sorted(expected - names))
    for block in found:
        if block.stamp is None:
            yield f"{block.name} was never measured; run make figures ONLY={block.name}"


def _follow(
    report: Report, page: str, block: Block, paths: Sequence[str], history: History
) -> None:
    """Tell what has changed since a block was measured."""
    stamp = block.stamp
    if stamp is None:
        return
    measured = f"{page}: {block.name} was measured at {stamp.commit}"
    if not history.holds(stamp.commit):
        if history.shallow:
            report.told.append(f"{measured}, which this shallow clone does not reach")
        else:
            report.wrong.append(f"{measured}, which is not in the history")
        return
    if stamp.changes:
        measured += " with changes that were not committed"
    changed = history.changed(stamp.commit, paths)
    since = (
        f"changed since: {', '.join(_counted(changed, paths))}"
        if changed
        else "no change since"
    )
    report.told.append(f"{measured}; {since}")


def _counted(changed: Sequence[str], paths: Sequence[str]) -> Iterator[str]:
    """Yield each path below which files changed, with their number if it is a folder."""

    def place(file: str) -> int:
        return next(
            number
            for number, path in enumerate(paths)
            if file == path or file.startswith(f"{path}/")
        )

    for number, files in groupby(sorted(changed, key=place), key=place):
        found = list(files)
        count = f" ({len(found)} file{'s' * (len(found) > 1)})"
        yield paths[number] + count * (found != [paths[number]])


def main() -> int:
    """Print the report and return the exit code."""
    report = check()
    sys.stdout.write("".join(f"{line}\n" for line in report.told))
    sys.stderr.write("".join(f"{line}\n" for line in report.wrong))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
