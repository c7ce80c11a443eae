"""Checks that the log is intact and that the tables match its replay.

Only rows and anchors are used. Entries are read once, in order, and none is retained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dutchbook.persistence.log.chain import GENESIS, Head, link_stored
from dutchbook.persistence.log.replay import AUDITED, Replay
from dutchbook.ports.anchors import Anchor

Row = Mapping[str, Any]
Read = Callable[[str], Iterable[Row]]
"""Reads the rows of a table as stored, those of `audit_log` ordered by `sequence`."""
SHOWN = 20
"""Number of broken entries that are listed; the rest are only counted."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Findings of an audit.

    Attributes:
        problems: One line each; empty when everything is intact.
        entries: Number of entries in the log.
        head: Hash of the newest entry.
        since: First entry that records changes: 1 unless an older program began the log, 0
            when no entry records any.
        anchored: Newest anchor that the log matches.
    """

    problems: tuple[str, ...]
    entries: int
    head: str
    since: int
    anchored: Anchor | None


def audited(read: Read, anchors: Iterable[Anchor] = ()) -> Audit:
    """Check the chain, the anchored heads and the replay (I-26)."""
    chain, replay = Chain(anchors), Replay()
    for row in chain.through(read("audit_log")):
        replay.take(row)
    differences = (line for table in AUDITED for line in replay.compared(table, read(table)))
    mismatches = replay.broken or differences
    return Audit(
        (*chain.problems(), *mismatches),
        chain.count,
        chain.head[1],
        replay.since,
        chain.anchored,
    )


def unlogged(read: Read) -> list[str]:
    """Return a problem if a database that a run began on has a log without an entry."""
    runs = next((row["value"] for row in read("system_metadata") if row["key"] == "runs"), "")
    if not runs or any(True for _ in read("audit_log")):
        return []
    times = "a run" if runs == "1" else f"{runs} runs"
    return [f"audit log: {times} began on this database, and no entry of the log is there"]


class Chain:
    """Checks each entry against the previous one and against the anchors.

    Attributes:
        head: The last entry read.
        count: Number of entries read.
        anchored: Newest anchor that an entry matched.
    """

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self.head: Head = (0, GENESIS)
        self.count = 0
        self.anchored: Anchor | None = None
        self._waiting: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._waiting.setdefault(anchor.sequence, []).append(anchor)
        self._broken: list[str] = []
        self._unlisted = 0
        self._refuted: list[Anchor] = []

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Check each entry and yield it."""
        for row in rows:
            for problem in self._check(row):
                self._note(problem)
            yield row

    def problems(self) -> Iterator[str]:
        """Yield the problems, once every entry has been read."""
        yield from (f"audit log: {line}" for line in self._broken)
        if self._unlisted:
            yield f"audit log: {self._unlisted} more entries are not what was written"
        yield from (f"audit log: {line}" for line in self._against_anchors())

    def _check(self, row: Row) -> Iterator[str]:
        sequence, previous = self.head
        number, expected = row["sequence"], sequence + 1
        if number > expected:
            gap = f"entry {expected} is" if number == expected + 1 else ""
            yield f"{gap or f'entries {expected} to {number - 1} are'} missing"
        elif number < expected:
            yield f"entry {number} is there again, after {sequence}"
        elif row["previous_hash"] != previous:
            yield f"entry {number} does not follow the one before it"
        # An absent field is NULL: an empty string in its place would have the same hash.
        emptied = row["causation_id"] == "" or row["changes"] == ""
        if emptied or row["hash"] != link_stored(row, row["previous_hash"]):
            yield f"entry {number} is not what was written"
        self.head = (number, row["hash"])
        self.count += 1
        for anchor in self._waiting.pop(number, ()):
            if anchor.hash == row["hash"]:
                self.anchored = anchor
            else:
                self._refuted.append(anchor)

    def _note(self, problem: str) -> None:
        if len(self._broken) < SHOWN:
            self._broken.append(problem)
        else:
            self._unlisted += 1

    def _against_anchors(self) -> Iterator[str]:
        """Yield the first anchor that an entry contradicts, and the last without an entry."""
        good = self.anchored
        kept = f"; it is intact up to {good.sequence} ({good.where})" if good else ""
        if self._refuted:
            first = self._refuted[0]
            yield (
                f"entry {first.sequence} is not the one that was anchored ({first.where}):"
                f" the log was written anew, or it is another one{kept}"
            )
        absent = [each for group in self._waiting.values() for each in group]
        if absent:
            last = max(absent, key=lambda each: each.sequence)
            yield (
                f"entry {last.sequence} was anchored ({last.where}) and is not there: the log"
                f" ends with {self.head[0]}; its end was cut off, or an older copy restored"
            )


def shown(audit: Audit, note: str = "") -> str:
    """Return a one-line description of an intact log, ending with `note`."""
    parts = [f"whole: {audit.entries} entries up to {audit.head}"]
    if audit.anchored:
        parts.append(f"anchored at {audit.anchored.sequence} ({audit.anchored.where})")
    else:
        parts.append("not anchored")
    if audit.since > 1:
        parts.append(f"the log tells changes since entry {audit.since} only")
    elif audit.entries and not audit.since:
        parts.append("the log tells no changes: an older program wrote it")
    return ", ".join([*parts, note] if note else parts)
