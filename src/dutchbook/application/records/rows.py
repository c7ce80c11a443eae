"""How domain values become rows: one function a table, the same for every journal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from dutchbook.domain.capital.ledger import AccountKey, Bucket, Posting
from dutchbook.domain.capital.reservation import Reservation
from dutchbook.domain.detection.quote import Opportunity, Refusal
from dutchbook.domain.events import as_json
from dutchbook.domain.execution.decide import Execution, LegState
from dutchbook.domain.execution.order import Fill, Order
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.market.fees import schedule_to_json
from dutchbook.domain.pair_trades.capital import Resolution
from dutchbook.domain.pair_trades.trade import PairTrade
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.values.units import Money
from dutchbook.ports.journal import Update

BALANCES = (Bucket.FREE, Bucket.RESERVED, Bucket.COMMITTED)
SINGLETON = {"singleton_key": "default"}


def contract_row(contract: Contract) -> dict[str, Any]:
    """Return the row of `contracts`: what the platform says a contract is."""
    return {
        "platform": contract.platform,
        "contract_id": contract.contract_id,
        "title": contract.title,
        "rules": contract.rules,
        "price_bands": as_json(contract.grid.bands),
        "sizing": as_json(contract.sizing),
        "fees": schedule_to_json(contract.fees) if contract.fees else None,
        "close_time": contract.close_time,
        "resolution_time": contract.resolution_time,
        "cash_delay_seconds": int(contract.cash_delay.total_seconds()),
        "tokens": list(contract.tokens) if contract.tokens else None,
        "assumed": list(contract.assumed),
        "taker_delay_ms": contract.taker_delay // timedelta(milliseconds=1),
    }


def match_row(match: ContractMatch, *, at: datetime, rationale: str | None) -> dict[str, Any]:
    """Return the row of `contract_matches`."""
    return {
        "match_id": match.match_id,
        "polymarket_contract_id": match.polymarket.contract_id,
        "kalshi_contract_id": match.kalshi.contract_id,
        "polymarket_description": match.polymarket.title,
        "kalshi_description": match.kalshi.title,
        "alignment": match.alignment,
        "divergence_class": match.divergence_class,
        "divergence_probability": match.divergence_probability,
        "cluster": match.cluster,
        "confidence": match.confidence,
        "primary_leg": match.primary_leg,
        "resolution_date": match.resolution_date,
        "operator_approved": match.operator_approved,
        "operator_approval_timestamp": at if match.operator_approved else None,
        "operator_rationale": rationale,
        "approved_digest": match.approved_digest,
        "first_traded_timestamp": None,
        "last_traded_timestamp": None,
        "total_cycles_traded": 0,
        "version": 1,
    }


def opportunity_row(opportunity: Opportunity) -> dict[str, Any]:
    """Return the row of `opportunities` for one that is acted on."""
    return {
        "opportunity_id": opportunity.opportunity_id,
        "pair_id": opportunity.match.match_id,
        "direction": opportunity.direction,
        "detected_at": opportunity.detected_at,
        "reason": None,
        "quantity": opportunity.quantity,
        "gross_edge": as_json(opportunity.gross_edge),
        "net_edge": as_json(opportunity.net_edge),
        "expected_profit": opportunity.expected_profit,
        "detail": None,
    }


def refusal_row(
    opportunity_id: str, pair_id: str, direction: str, refusal: Refusal, at: datetime
) -> dict[str, Any]:
    """Return the row of `opportunities` for a gross edge that was refused."""
    return {
        "opportunity_id": opportunity_id,
        "pair_id": pair_id,
        "direction": direction,
        "detected_at": at,
        "reason": refusal.reason.value,
        "quantity": None,
        "gross_edge": as_json(refusal.gross_edge),
        "net_edge": as_json(refusal.net_edge),
        "expected_profit": None,
        "detail": refusal.detail or None,
    }


def snapshot_row(
    snapshot_id: str, book: OrderBook, at: datetime, *, opportunity_id: str
) -> dict[str, Any]:
    """Return the row of `order_book_snapshots`: what the engine saw when it acted."""
    levels = {
        side: [{"price": price, "quantity": size} for price, size in each]
        for side, each in book.top(levels=1_000).items()
    }
    return {
        "snapshot_id": snapshot_id,
        "platform": book.platform,
        "contract_id": book.contract_id,
        "bids": levels["bids"],
        "asks": levels["asks"],
        "sequence_number": book.sequence,
        "book_time": book.updated_at,
        "captured_at": at,
        "opportunity_id": opportunity_id,
    }


def order_row(order: Order) -> dict[str, Any]:
    """Return the row of `orders`."""
    row = {
        name: getattr(order, name)
        for name in (
            "order_id", "client_order_id", "platform", "contract_id", "pair_id", "execution_id",
            "leg", "purpose", "outcome", "side", "price", "size", "time_in_force", "created_at",
        )
    }  # fmt: skip
    return row | order_facts(order) | {"position_id": None}


def order_facts(order: Order) -> dict[str, Any]:
    """Return the columns of an order that change after it was placed."""
    return {
        "status": order.status,
        "fill_size": order.filled,
        "fill_cost": order.cost,
        "fees": order.fees,
        "working_size": order.working_size,
        "refusal": order.refusal,
        "platform_order_id": order.platform_order_id,
        "outcome_unknown_since": order.outcome_unknown_since,
        "version": order.version,
    }


def order_update(before: Order, after: Order, **facts: Any) -> Update:
    """Return the guarded change from `before` to `after`."""
    return Update(
        "orders",
        key={"order_id": before.order_id},
        guard={"status": before.status, "version": before.version},
        put=order_facts(after) | facts,
    )


def fill_row(fill: Fill, execution_id: str, reported_at: datetime) -> dict[str, Any]:
    """Return the row of `fills`: a fact, never updated but for its finality."""
    return {
        "platform": fill.platform,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "execution_id": execution_id,
        "outcome": fill.outcome,
        "side": fill.side,
        "price": fill.price,
        "size": fill.size,
        "fee": fill.fee,
        "finality": fill.finality,
        "matched_at": fill.matched_at,
        "reported_at": reported_at,
    }


def execution_row(trade: PairTrade) -> dict[str, Any]:
    """Return the row of `executions`: the attempt, from its first intent on."""
    execution = trade.execution
    return {
        "execution_id": execution.execution_id,
        "opportunity_id": trade.plan.opportunity_id,
        "pair_id": execution.pair_id,
        "direction": trade.plan.direction,
        "primary_platform": execution.primary.platform,
        "planned_quantity": execution.primary.planned,
        "started_at": trade.plan.started_at,
        "ended_at": None,
        "shortfall": None,
    } | execution_facts(execution)


def execution_facts(execution: Execution) -> dict[str, Any]:
    """Return the columns of an execution that change as it goes on."""
    return {
        "phase": execution.phase,
        "primary_state": _leg_state(execution.primary),
        "secondary_state": _leg_state(execution.secondary),
        "version": execution.version,
    }


def execution_update(before: PairTrade, after: PairTrade) -> Update:
    """Return the guarded change of an execution, and its end where it ends."""
    ends = after.ended and not before.ended
    ending = {"ended_at": after.ended_at, "shortfall": as_json(after.shortfall)}
    return Update(
        "executions",
        key={"execution_id": before.execution_id},
        guard={"version": before.execution.version},
        put=execution_facts(after.execution) | (ending if ends else {}),
    )


def _leg_state(state: LegState) -> dict[str, Any]:
    fields: dict[str, Any] = as_json(asdict(state))
    return fields


def position_row(position: OpenPosition) -> dict[str, Any]:
    """Return the row of `open_positions`."""
    return {
        "position_id": position.position_id,
        "pair_id": position.pair_id,
        "execution_id": position.execution_id,
        "polymarket_order_id": position.polymarket.order_id,
        "kalshi_order_id": position.kalshi.order_id,
        "polymarket_side": position.polymarket.outcome,
        "kalshi_side": position.kalshi.outcome,
        "expected_edge": position.expected_edge,
        "opened_at": position.opened_at,
    } | position_facts(position)


def position_facts(position: OpenPosition) -> dict[str, Any]:
    """Return the columns of a position that change.

    Costs and sizes are exact, prices derived.
    """
    legs = {platform: position.holding(platform) for platform in Platform}
    facts = {
        f"{platform.value}_{name}": getattr(leg, name)
        for platform, leg in legs.items()
        for name in LEG
    }
    return facts | {
        "entry_prices": {p.value: as_json(_price(leg.average)) for p, leg in legs.items()},
        "sizes": {p.value: as_json(leg.size) for p, leg in legs.items()},
        "divergence_reserve": position.divergence_reserve,
        "realised_pnl": position.realised_pnl,
        "marked_pnl": position.marked_pnl,
        "divergence_pnl": position.divergence_pnl,
        "closed_at": position.closed_at,
        "completed_at_loss": position.completed_at_loss,
        "status": position.status,
        "reconciliation_context": position.reconciliation_context,
        "version": position.version,
    }


LEG = (
    "size", "cost", "fees", "complement", "complement_cost", "borrowed", "cash", "payout",
    "settled",
)  # fmt: skip
"""The columns of each leg of a position."""


def _price(average: Decimal | None) -> Decimal | None:
    return average.quantize(Decimal("0.000001")) if average is not None else None


def position_update(before: OpenPosition, after: OpenPosition) -> Update:
    """Return the guarded change from `before` to `after`."""
    return Update(
        "open_positions",
        key={"position_id": before.position_id},
        guard={"status": before.status, "version": before.version},
        put=position_facts(after),
    )


def finality_update(before: Fill, after: Fill) -> Update:
    """Return the guarded change of how final a fill is."""
    return Update(
        "fills",
        key={"platform": after.platform, "trade_id": after.trade_id},
        guard={"finality": before.finality},
        put={"finality": after.finality},
    )


def reservation_row(
    reservation: Reservation,
    platform: Platform,
    account: AccountKey,
    at: datetime,
    *,
    order_id: str | None = None,
) -> dict[str, Any]:
    """Return the row of `reservations` for one account's part; it is resolved once.

    `order_id` names the one order that it is for, where that order came after its execution.
    """
    return {
        "reservation_id": reservation.reservation_id,
        "account_id": str(account),
        "execution_id": reservation.execution_id,
        "order_id": order_id,
        "amount": reservation.amounts[platform],
        "committed": Decimal(0),
        "fees": Decimal(0),
        "released": Decimal(0),
        "status": "reserved",
        "reserved_at": at,
        "resolved_at": None,
    }


def resolution_update(
    ended: Resolution, platform: Platform, account: AccountKey, at: datetime
) -> Update:
    """Return the end of one account's part of a reservation."""
    amount, spent = ended.reservation.amounts[platform], ended.spent[platform]
    return Update(
        "reservations",
        key={
            "reservation_id": ended.reservation.reservation_id,
            "account_id": str(account),
        },
        guard={"status": "reserved"},
        put={
            "status": "committed" if platform in ended.committed else "released",
            "committed": spent.cost,
            "fees": spent.fees,
            "released": Money(amount - spent.cost - spent.fees),
            "resolved_at": at,
        },
    )


def ledger_row(
    posting: Posting, entry_id: str, transaction: str, reference: str, at: datetime
) -> dict[str, Any]:
    """Return the row of `ledger_entries` for one posting of a transaction, without a note."""
    return {
        "entry_id": entry_id,
        "transaction_id": transaction,
        "account_id": str(posting.account),
        "kind": posting.kind,
        "bucket": posting.bucket,
        "amount": posting.amount,
        "reference": reference,
        "note": None,
        "booked_at": at,
    }
