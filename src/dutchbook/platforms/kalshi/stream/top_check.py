"""Compares a book's best prices with those that another channel reports."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TypeAlias

Top: TypeAlias = tuple[int, int]
"""Best bid and best ask in 10⁻⁴ dollars: 0 without a bid, 10,000 without an ask."""
RECENT = timedelta(seconds=2)
"""How much later than the book the other channel may be."""
PATIENCE = timedelta(seconds=5)
"""How long the two may disagree."""
MOST = 1_000


class TopCheck:
    """Whether a book and the reported best prices agree, though neither is up to the instant.

    A report agrees if the book had these prices within `RECENT`, or has them later. If none
    has agreed for `PATIENCE`, the book is wrong.
    """

    def __init__(self) -> None:
        self._tops: deque[tuple[datetime, Top]] = deque(maxlen=MOST)
        self._unmet: tuple[datetime, Top] | None = None

    def clear(self) -> None:
        """Forget everything: the book is another one."""
        self._tops.clear()
        self._unmet = None

    def seen(self, top: Top, now: datetime) -> None:
        """Take the best prices of the book."""
        if self._tops and self._tops[-1][1] == top:
            return
        self._tops.append((now, top))
        if self._unmet is not None and self._unmet[1] == top:
            self._unmet = None

    def reported(self, top: Top, now: datetime) -> None:
        """Take the best prices that the other channel reports."""
        while len(self._tops) > 1 and self._tops[1][0] < now - RECENT:
            self._tops.popleft()
        if any(top == each for _, each in self._tops):
            self._unmet = None
        else:
            self._unmet = (now if self._unmet is None else self._unmet[0], top)

    def disagrees(self, now: datetime) -> bool:
        """Return whether no report has agreed for `PATIENCE`."""
        return self._unmet is not None and now - self._unmet[0] >= PATIENCE
