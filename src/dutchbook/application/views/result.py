"""Read model of what was made: in total, by day, by pair and by platform."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any

from dutchbook.application.views.timeline import questions
from dutchbook.domain.events import as_json
from dutchbook.domain.market.contract import ALIKE, Platform
from dutchbook.domain.positions.position import OpenPosition, PositionStatus
from dutchbook.domain.positions.result import Result, result_of
from dutchbook.errors import InvalidInput
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import OPEN_POSITIONS

Row = dict[str, Any]
GROUPS = ("day", "pair", "platform")


def document(found: Result) -> Row:
    """Return a result as JSON values."""
    return {
        "total": as_json(found.total),
        "closed": as_json(found.closed),
        "locked": as_json(found.locked),
        "unsure": as_json(found.unsure),
        "positions": found.open_positions,
        "fees": as_json(found.fees),
        "unhedged": {
            "contracts": as_json(found.unhedged),
            "at_risk": as_json(found.at_risk),
        },
        "worst": as_json(found.worst),
        "best": as_json(found.best),
    }


def line(found: Row) -> str:
    """Return a result, as `document` gives it, in one line."""
    count, unsure = found["positions"], Decimal(found["unsure"])
    text = (
        f"Result {_signed(found['total'])} dollars: {_cents(found['closed'])} closed and"
        f" {_cents(found['locked'])} locked in {count} open position{'s' * (count != 1)},"
        f" {_cents(found['fees'])} of fees in it; at worst {_signed(found['worst'])},"
        f" at best {_signed(found['best'])}"
    )
    if unsure:
        text += f"; {_cents(unsure)} is locked only if contracts that may differ resolve alike"
    alone = found["unhedged"]
    if Decimal(alone["contracts"]):
        text += (
            f"; unhedged: {alone['contracts']} contracts, {_cents(alone['at_risk'])} at risk"
        )
    return text


def _cents(amount: Any) -> str:
    return f"{Decimal(amount):.2f}"


def _signed(amount: Any) -> str:
    return f"{Decimal(amount):+.2f}"


async def unsure_pairs(journal: Journal) -> frozenset[str]:
    """Return the pairs whose profit is locked only if both contracts resolve alike."""
    rows = await journal.rows("contract_matches")
    return frozenset(r["match_id"] for r in rows if r["divergence_class"] not in ALIKE)


async def in_total(journal: Journal, positions: Iterable[Row]) -> Row:
    """Return the result of some rows of positions together, as `document` gives it."""
    held = map(OPEN_POSITIONS.value, positions)
    return document(result_of(held, await unsure_pairs(journal)))


async def report(journal: Journal, by: str) -> list[Row]:
    """Return results grouped by the day of opening or closing (UTC), by pair, or by platform.

    A closed position belongs to the day on which it closed, any other to that on which it
    opened. A platform's row shows what its legs have cost, brought and still hold.

    Raises:
        InvalidInput: `by` is none of `GROUPS`.
    """
    rows = await journal.rows("open_positions", order_by=("opened_at", "position_id"))
    unsure = await unsure_pairs(journal)
    held = [OPEN_POSITIONS.value(row) for row in rows]
    if by == "platform":
        return [_platform(platform, held) for platform in Platform]
    if by == "day":
        return [{"day": day, **_flat(result)} for day, result in _grouped(held, _day, unsure)]
    if by == "pair":
        asked = await questions(journal)
        return [
            {"pair": pair, "question": asked.get(pair, pair), **_flat(result)}
            for pair, result in _grouped(held, lambda each: each.pair_id, unsure)
        ]
    raise InvalidInput("--by", by, " or ".join(GROUPS))


def _day(position: OpenPosition) -> str:
    closed = position.status is PositionStatus.CLOSED
    at = (position.closed_at if closed else None) or position.opened_at
    return at.astimezone(UTC).date().isoformat()


def _grouped(
    held: Iterable[OpenPosition],
    key: Callable[[OpenPosition], str],
    unsure: Collection[str],
) -> list[tuple[str, Result]]:
    groups: dict[str, list[OpenPosition]] = {}
    for each in held:
        groups.setdefault(key(each), []).append(each)
    return [(name, result_of(groups[name], unsure)) for name in sorted(groups)]


def _flat(found: Result) -> Row:
    facts = document(found)
    alone = facts.pop("unhedged")
    return facts | {"unhedged": alone["contracts"], "at_risk": alone["at_risk"]}


def _platform(platform: Platform, held: Iterable[OpenPosition]) -> Row:
    legs = [each.holding(platform) for each in held]
    return {
        "platform": platform.value,
        "legs": len(legs),
        "fees": as_json(sum((leg.fees for leg in legs), start=Decimal(0))),
        "cash": as_json(sum((leg.cash for leg in legs), start=Decimal(0))),
        "contracts": as_json(
            sum((leg.size + leg.complement for leg in legs if leg.unpaid), start=Decimal(0))
        ),
        "cost": as_json(sum((leg.basis for leg in legs if leg.unpaid), start=Decimal(0))),
    }
