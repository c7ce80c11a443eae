"""The specification of reconciliation: every cell of local x platform x settlement.

A cell consists of: `+` if a person is notified, `!` if a person decides; the discrepancies, as
pairs of lower-case letters; after the colon, the proposals in order. A dash means that nothing
is found and nothing proposed.

The axes: *local* is our state of an order; our fills are provisional. *Platform* is what the
platform's order record or its answer to our query shows; "none" is a complete answer without
the order, from reads newer than the end of its window. *Settlement* is the finality of the
order's fills in the account's list of trades, n/a where it lists none. A trade in the list
names its order. Every difference has been in doubt for longer than the grace; before that, a
person who would decide is only notified, and the platform is queried again.
"""

from __future__ import annotations

from dataclasses import dataclass

from support.reconciliation import LOCAL, PLATFORM, SETTLEMENT

DISCREPANCIES = {
    "os": "order_status_mismatch",
    "nf": "order_not_found",
    "pf": "pending_filled",
    "pu": "platform_unavailable",
    "fm": "fill_missing",
    "fu": "fill_unknown",
    "ff": "fill_failed",
    "ou": "order_unknown",
}
PROPOSALS = {
    "b": "BookFill",
    "t": "StateTotals",
    "s": "SettleFill",
    "f": "FailFill",
    "a": "AcknowledgeOrder",
    "e": "EndOrder",
    "r": "RefuseOrder",
    "g": "GiveUpOrder",
    "A": "AskAgain",
    "P": "AskPerson",
}
PERSON = {"": "none", "+": "told", "!": "decides"}
IMPOSSIBLE = "a refused order never reached matching, so no trade can name it"

MATRIX = {
    "none": """
none          | -               | !fu: P          | !fu: P          | !fu: P
working       | !ou: P          | !ou: P          | !ou: P          | !ou: P
partly filled | !ou: P          | !ou: P          | !ou: P          | !ou: P
filled        | !ou: P          | !ou: P          | !ou: P          | !ou: P
cancelled     | !ou: P          | !ou: P          | !ou: P          | !ou: P
rejected      | !ou: P          | impossible      | impossible      | impossible
query failed  | +pu: A          | !fu pu: AP      | !fu pu: AP      | !fu pu: AP
query stale   | A               | !fu: AP         | !fu: AP         | !fu: AP
""",
    "intent": """
none          | g               | pf: be          | pf: be          | !ff nf: bAP
working       | a               | pf: ba          | pf: ba          | +ff: ba
partly filled | !pf fm: taAP    | pf: ba          | pf: ba          | +ff: ba
filled        | !pf fm: teAP    | pf: be          | pf: be          | +ff: be
cancelled     | e               | pf: be          | pf: be          | +ff: be
rejected      | r               | impossible      | impossible      | impossible
query failed  | +pu: A          | +pf pu: beA     | +pf pu: beA     | +ff pu: bA
query stale   | !nf: AP        | pf: beA         | pf: be          | !ff nf: bAP
""",
    "unknown": """
none          | g               | pf: be          | pf: be          | !ff nf: bAP
working       | a               | pf: ba          | pf: ba          | +ff: ba
partly filled | !pf fm: taAP    | pf: ba          | pf: ba          | +ff: ba
filled        | !pf fm: teAP    | pf: be          | pf: be          | +ff: be
cancelled     | e               | pf: be          | pf: be          | +ff: be
rejected      | r               | impossible      | impossible      | impossible
query failed  | +pu: A          | +pf pu: beA     | +pf pu: beA     | +ff pu: bA
query stale   | !nf: AP        | pf: beA         | pf: be          | !ff nf: bAP
""",
    "working": """
none          | !nf: AP        | pf: b           | pf: b           | !ff nf: bAP
working       | -               | pf: b           | pf: b           | +ff: b
partly filled | !pf fm: tAP     | pf: b           | pf: b           | +ff: ba
filled        | !pf fm: tAP     | pf: b           | pf: b           | +ff os: be
cancelled     | +os: e          | +pf os: be      | +pf os: be      | +ff os: be
rejected      | +os: r          | impossible      | impossible      | impossible
query failed  | +pu: A          | +pf pu: bA      | +pf pu: bA      | +ff pu: bA
query stale   | A               | pf: bA          | pf: b           | +ff: bA
""",
    "partly filled": """
none          | !nf: AP        | !nf: AP        | !nf: sAP       | !ff nf: fAP
working       | !os: AP        | -               | s               | +ff: fa
partly filled | -               | -               | s               | +ff: f
filled        | !fm: tAP        | +fm: b          | +fm: bs         | +ff os: bfe
cancelled     | !os: AP        | +os: e          | +os: se         | +ff os: fe
rejected      | !os: AP        | impossible      | impossible      | impossible
query failed  | +pu: A          | +pu: A          | +pu: sA         | +ff pu: fA
query stale   | A               | A               | sA              | +ff: fA
""",
    "filled": """
none          | !nf: AP        | -               | s               | +ff: f
working       | !os: AP        | !os: AP        | !os: sAP       | !ff os: fAP
partly filled | !os: AP        | !os: AP        | !os: sAP       | !ff os: fAP
filled        | -               | -               | s               | +ff: f
cancelled     | !os: AP        | !os: AP        | !os: sAP       | !ff os: fAP
rejected      | !os: AP        | impossible      | impossible      | impossible
query failed  | +pu: A          | +pu: A          | +pu: sA         | +ff pu: fA
query stale   | A               | A               | s               | +ff: f
""",
    "cancelled": """
none          | -               | !fm os: bP     | !fm os: bP     | +ff: b
working       | !os: AP        | !fm os: bAP    | !fm os: bAP    | !ff os: bAP
partly filled | !fm os: tAP     | !fm os: bAP    | !fm os: bAP    | !ff os: bAP
filled        | !fm os: tAP     | !fm os: bP     | !fm os: bP     | +ff: b
cancelled     | -               | !fm os: bP     | !fm os: bP     | +ff: b
rejected      | -               | impossible      | impossible      | impossible
query failed  | +pu: A          | !fm os pu: bAP | !fm os pu: bAP | +ff pu: bA
query stale   | -               | !fm os: bAP    | !fm os: bP     | +ff: b
""",
    "rejected": """
none          | -               | !fm os: bP     | !fm os: bP     | +ff: b
working       | !os: AP        | !fm os: bAP    | !fm os: bAP    | !ff os: bAP
partly filled | !fm os: tAP     | !fm os: bAP    | !fm os: bAP    | !ff os: bAP
filled        | !fm os: tAP     | !fm os: bP     | !fm os: bP     | +ff: b
cancelled     | -               | !fm os: bP     | !fm os: bP     | +ff: b
rejected      | -               | impossible      | impossible      | impossible
query failed  | +pu: A          | !fm os pu: bAP | !fm os pu: bAP | +ff pu: bA
query stale   | -               | !fm os: bAP    | !fm os: bP     | +ff: b
""",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The expectation for one cell; `impossible` gives the reason where it cannot occur."""

    local: str
    platform: str
    settlement: str
    discrepancies: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()
    person: str = "none"
    impossible: str | None = None

    def __str__(self) -> str:
        return f"{self.local}, {self.platform}, {self.settlement}"


def cells() -> tuple[Cell, ...]:
    """Return all 256 cells, in the order of their axes."""
    return tuple(
        _cell(local, platform, settlement, text)
        for local in LOCAL
        for platform, texts in _rows(MATRIX[local])
        for settlement, text in zip(SETTLEMENT, texts, strict=True)
    )


def _rows(block: str) -> list[tuple[str, list[str]]]:
    rows = [[part.strip() for part in line.split("|")] for line in block.strip().splitlines()]
    assert [row[0] for row in rows] == list(PLATFORM), "every answer once, in order"
    return [(row[0], row[1:]) for row in rows]


def _cell(local: str, platform: str, settlement: str, text: str) -> Cell:
    if text == "impossible":
        return Cell(local, platform, settlement, impossible=IMPOSSIBLE)
    if text == "-":
        return Cell(local, platform, settlement)
    mark = text[0] if text[0] in PERSON else ""
    found, _, proposed = text.removeprefix(mark).rpartition(":")
    return Cell(
        local,
        platform,
        settlement,
        tuple(DISCREPANCIES[code] for code in found.split()),
        tuple(PROPOSALS[code] for code in proposed.strip()),
        PERSON[mark],
    )
