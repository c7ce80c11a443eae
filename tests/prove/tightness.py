"""The limits of each seed: wide in most, and tight in one seed of four."""

from __future__ import annotations

import random
from decimal import Decimal

TIGHT = 4
"""One seed in this many has tight limits, drawn by its number, so that each run meets them."""
OTHERS = 4
"""Odds (one limit in n) of tightening a further limit beside the first."""
HELD = Decimal(2_000_000)
"""Dollars that the accounts hold to begin with."""
SMALL = Decimal(20)
"""Dollars of a position where another limit is tight, so that many entries come up to it."""
USUAL = {
    "position": Decimal("0.03"),
    "pair": Decimal("0.3"),
    "platform": Decimal("0.5"),
    "cluster": Decimal("0.25"),
    "daily_loss": Decimal("0.05"),
}
"""Shares of the bankroll where that is tight."""


WIDE = {
    "bankroll": Decimal(10_000_000),
    "position": Decimal(40),
    "pair": HELD * Decimal("0.3"),
    "platform": HELD * Decimal("0.5"),
    "cluster": HELD * Decimal("0.15"),
    "daily_loss": HELD * Decimal("0.05"),
    "slots": Decimal(100_000),
}
"""Limits in dollars, or slots. None is met but that of a position, which bounds every entry."""
CHOICES: dict[str, tuple[int, ...]] = {
    "bankroll": (600, 1_000, 1_800),
    "position": (12, 16),
    "pair": (60, 120, 200),
    "platform": (60, 90, 140),
    "cluster": (90, 180, 300),
    "daily_loss": (2, 2, 4),
    "slots": (4, 5, 6),
}
"""Dollars of each tight limit, or slots."""


def limits(seed: int) -> tuple[str, ...]:
    """Return the settings of every limit in a seed.

    Each kind has its turn to be tight, and others may be tight beside it. Where the bankroll is
    tight, the usual shares of it bound everything.
    """
    tight = tightened(seed)
    chance = random.Random(f"limits {seed}")  # noqa: S311
    drawn = WIDE | ({"position": SMALL} if tight else {})
    drawn |= {kind: Decimal(chance.choice(CHOICES[kind])) for kind in tight}
    shares = {name: drawn[name] / HELD for name in USUAL}
    return (
        f"risk.bankroll={drawn['bankroll']}",
        *(
            f"risk.{name}_share={each:f}"
            for name, each in (USUAL if "bankroll" in tight else shares).items()
        ),
        f"risk.max_open_pairs={drawn['slots']}",
    )


def tightened(seed: int) -> tuple[str, ...]:
    """Return the limits that are tight in a seed."""
    if seed % TIGHT != 1:
        return ()
    kinds = tuple(CHOICES)
    first = kinds[seed // TIGHT % len(kinds)]
    chance = random.Random(f"tight {seed}")  # noqa: S311
    others = ("slots",) if first == "bankroll" else kinds[1:]
    more = [kind for kind in others if not chance.randrange(OTHERS)]
    return tuple(kind for kind in kinds if kind in (first, *more))
