"""What exiting each position now would bring, at the books that the record has.

The decisions are those of a wind-down (`next_exit`), so that what is shown is what it would do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from dutchbook.application.market.pairs import recorded_pairs
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.positions.exit_case import ExitCase, ExitRules, Leave, Why
from dutchbook.domain.positions.exits import next_exit
from dutchbook.domain.positions.exposure import Place
from dutchbook.domain.positions.position import (
    UNHEDGED,
    Holding,
    OpenPosition,
    PositionStatus,
)
from dutchbook.domain.positions.result import unhedged_cost
from dutchbook.domain.values.units import ZERO, Money, due, to_e4, to_e6
from dutchbook.ports.journal import Journal
from dutchbook.ports.tables.trading import OPEN_POSITIONS

Row = dict[str, Any]


async def exit_prices(journal: Journal, rules: ExitRules) -> list[Row]:
    """Return every position that is not closed with its exit as a wind-down would decide it.

    Oldest first. `size`, `brings`, `costs`, `result` and `detail` are those of the exit, in
    contracts and dollars with fees; without one they are None, and `why` is the reason. `costs`
    is how much less it brings than waiting: a dollar for each hedged contract. `result` is the
    profit on these contracts. `priced_at` is when the older of both books was recorded.
    """
    order = ("opened_at", "position_id")
    rows = await journal.rows("open_positions", None, order)
    positions = [OPEN_POSITIONS.value(row) for row in rows]
    held = [each for each in positions if each.status is not PositionStatus.CLOSED]
    if not held:
        return []
    matches = await recorded_pairs(journal)
    newest = await journal.rows("audit_log", None, ("sequence",), descending=True, limit=1)
    at = newest[0]["occurred_at"] if newest else held[-1].opened_at
    return [await _priced(journal, each, matches[each.pair_id], at, rules) for each in held]


async def _priced(
    journal: Journal,
    position: OpenPosition,
    match: ContractMatch,
    at: datetime,
    rules: ExitRules,
) -> Row:
    unhedged = position.status in UNHEDGED
    row: Row = {
        "position_id": position.position_id,
        "question": match.kalshi.title,
        "status": position.status.value,
        "hedged": position.hedged,
        "unhedged": abs(position.imbalance) if unhedged else Decimal(0),
        **dict.fromkeys(("size", "brings", "costs", "result", "detail", "why", "priced_at")),
    }
    if position.status is PositionStatus.RECONCILIATION_REQUIRED:
        return row | {"why": "disputed: a person must resolve it first"}
    places: dict[Platform, Place] = {}
    captured: list[datetime] = []
    for platform in Platform:
        contract = match.contract(platform)
        found, terms = await _book(journal, contract), _terms(contract, at)
        if found is None:
            return row | {"why": f"no book of {platform} is on record"}
        if terms is None:
            return row | {"why": f"the fees on {platform} are not known"}
        book, recorded = found
        captured.append(recorded)
        places[platform] = Place(contract, book, terms, position.holding(platform))
    row["priced_at"] = min(captured)
    decision = next_exit(_case(position, match, places, at), rules)
    if not isinstance(decision, Leave):
        detail = f" ({decision.detail})" if decision.detail else ""
        return row | {"why": f"{decision.reason.value}{detail}".replace("_", " ")}
    costs = None if unhedged else Money(decision.size - decision.net)
    return row | {
        "size": decision.size,
        "brings": decision.net,
        "costs": costs,
        "result": _result(position, decision, costs),
        "detail": decision.detail,
    }


def _case(
    position: OpenPosition,
    match: ContractMatch,
    places: dict[Platform, Place],
    at: datetime,
) -> ExitCase:
    """Return the case of a wind-down; shares that may not have settled count as settled."""
    return ExitCase(
        match=match,
        position=position,
        places=places,
        sellable={platform: position.holding(platform).size for platform in Platform},
        untrusted_because=dict.fromkeys(Platform),
        now=at,
        edge=ZERO,
        resolved=_paid(position.legs),
        forced=Why.WIND_DOWN,
    )


def _paid(legs: Iterable[Holding]) -> bool:
    return any(leg.payout is not None for leg in legs)


def _result(position: OpenPosition, exit_: Leave, costs: Money | None) -> Money:
    """Return the profit on the contracts that an exit closes."""
    if costs is None:
        share = unhedged_cost(position) * exit_.size / abs(position.imbalance)
        return due(exit_.net - share)
    return due(position.locked_profit * exit_.size / position.hedged - costs)


def _terms(contract: Contract, at: datetime) -> Any:
    return contract.fees.at(at) if contract.fees else None


async def _book(journal: Journal, contract: Contract) -> tuple[OrderBook, datetime] | None:
    """Return the newest book of a contract on record, and when it was recorded."""
    of = {"platform": contract.platform, "contract_id": contract.contract_id}
    newest = await journal.rows(
        "order_book_snapshots", of, ("captured_at", "snapshot_id"), descending=True, limit=1
    )
    if not newest:
        return None
    book = OrderBook(contract.platform, contract.contract_id)
    book.replace(*(_levels(newest[0][side]) for side in ("bids", "asks")))
    return book, newest[0]["captured_at"]


def _levels(kept: Iterable[dict[str, str]]) -> list[tuple[int, int]]:
    return [(to_e4(Decimal(x["price"])), to_e6(Decimal(x["quantity"]))) for x in kept]
