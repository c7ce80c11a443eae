"""Which fault can strike while the engine is about what: every other cell has a reason.

A run that is long enough, and never hit a cell that it can hit, proves nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prove.catalogue import FAULTS, PHASES

FIRST, SECOND, ADJUSTMENT, QUESTION, SETTLEMENT, BOOKS, COMMIT = PHASES
ORDERS = (FIRST, SECOND, ADJUSTMENT)
REQUESTS = (*ORDERS, QUESTION, SETTLEMENT)
"""Phases in which the engine asks a platform for something."""
STREAMED = (SETTLEMENT, BOOKS)

_ASKED = (*range(1, 21), 42, 43, 44, 46, *range(47, 52))
"""What happens to a request, to an order or in an answer."""

BECAUSE: tuple[tuple[Iterable[int], Iterable[str], str], ...] = (
    (_ASKED, (BOOKS,), "books are streamed, and nothing is asked for them"),
    (
        (*range(1, 14), 15, 16, 18, 19, 20, 42, 43, 44, 46, *range(47, 52)),
        (COMMIT,),
        "a commit asks no platform for anything",
    ),
    (
        (3, 6, 7, 12, 13, 15, 16, 18, 42, 43, 44),
        (QUESTION,),
        "this happens to an order when it is sent or matched, not to a question about it",
    ),
    ((1,), (QUESTION,), "a question that is not sent is one that got no answer, X02"),
    (
        (*range(3, 21), 42, 43, 44, 46, *range(47, 52)),
        (SETTLEMENT,),
        "merges and redemptions are lost before or after they are carried out, and no more",
    ),
    ((15,), (SECOND, ADJUSTMENT), "only a first leg is to be filled whole or not at all"),
    (
        (14, 19, 20, 46, *range(47, 52)),
        ORDERS,
        "this shows in lists and in answers to questions",
    ),
    (range(21, 24), (*ORDERS, QUESTION, COMMIT), "this happens to what is streamed"),
    (
        (24, 25, 26, 27),
        (*REQUESTS, COMMIT),
        "this happens to the stream of books; that of trades breaks off as H45",
    ),
    (
        (28, 29, 30, 31, 32),
        (*ORDERS, QUESTION, BOOKS, COMMIT),
        "this is how a trade or a contract settles",
    ),
    (
        (33,),
        (FIRST, SECOND, QUESTION, SETTLEMENT, BOOKS, COMMIT),
        "a person's action is what is cancelled, and counted as an adjustment",
    ),
    ((34, 35), (BOOKS,), "an engine ends at a request or a commit, and books ask for neither"),
    ((36,), (*REQUESTS, COMMIT), "a clock is set between two polls, and counted there"),
    ((37, 38, 40), (*REQUESTS, BOOKS), "this happens to the database"),
    (
        (39,),
        (FIRST, SECOND, QUESTION, SETTLEMENT, BOOKS, COMMIT),
        "alerts are of exposures, and counted as an adjustment",
    ),
    ((41, 45), (*ORDERS, QUESTION, BOOKS, COMMIT), "this happens to the stream of trades"),
)
"""Faults, phases, and why none of these faults can strike in any of these phases."""


def _impossible() -> Iterator[tuple[tuple[int, str], str]]:
    for faults, phases, reason in BECAUSE:
        for number in faults:
            for phase in phases:
                yield (number, phase), reason


IMPOSSIBLE = dict(_impossible())
"""The reason for each cell that cannot be hit."""
POSSIBLE = tuple(
    (number, phase)
    for number in FAULTS
    for phase in PHASES
    if (number, phase) not in IMPOSSIBLE
)
"""Every cell that can be hit."""
