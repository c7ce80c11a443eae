"""Tables and amounts in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from dutchbook.study.resampling import Interval
from dutchbook.study.runs import mean

CENT = Decimal("0.01")
NOTHING = "-"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> list[str]:
    """Return a table; all columns but the first `left` are aligned to the right."""
    rule = ["---" if n < left else "---:" for n in range(len(heads))]
    return [_row(heads), "|" + "|".join(rule) + "|", *map(_row, rows)]


def dollars(amount: Decimal | None) -> str:
    """Return dollars and cents, rounded half even; a dash for nothing."""
    if amount is None:
        return NOTHING
    cents = amount.quantize(CENT, ROUND_HALF_EVEN)
    return f"{cents or Decimal(0):.2f}"


def signed(amount: Decimal) -> str:
    """Return the same with a plus sign where it is above zero."""
    shown = dollars(amount)
    return f"+{shown}" if amount > 0 and Decimal(shown) else shown


def span(found: Interval, seeds: int, *, plus: bool = False) -> str:
    """Return an interval of totals over seeds as means, from its least to its greatest."""
    show = signed if plus else dollars
    return f"{show(mean(found.low, seeds))} to {show(mean(found.high, seeds))}"


def plural(count: int, noun: str) -> str:
    """Return a count and its noun: 1 seed, 2 seeds."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(each).replace("|", "\\|") for each in cells) + " |"
