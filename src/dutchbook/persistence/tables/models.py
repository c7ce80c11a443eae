"""The tables as ORM models: the eight required ones and those that the design adds.

They serve migrations, repositories and reads. Hot writes go through a journal.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dutchbook.domain.capital.ledger import Bucket, EntryKind
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.order import Finality, OrderStatus, Purpose, TimeInForce
from dutchbook.domain.market.contract import (
    Alignment,
    DivergenceClass,
    Leg,
    Outcome,
    Platform,
    Side,
)
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.values.units import E6
from dutchbook.persistence.tables import operations, record
from dutchbook.persistence.tables.base import (
    Amount,
    Base,
    Count,
    Document,
    Flag,
    MaybeAmount,
    MaybeTime,
    MaybeWords,
    Time,
    Words,
    ruled,
    words,
)

METADATA = record.METADATA
assert operations.METADATA is METADATA, "one root for all tables"


class Contract(Base):
    """A contract as its platform describes it."""

    __tablename__ = "contracts"
    platform: Mapped[Words]
    contract_id: Mapped[Words]
    title: Mapped[Words]
    rules: Mapped[Words]
    price_bands: Mapped[Document]
    sizing: Mapped[Document]
    fees: Mapped[Document | None]
    close_time: Mapped[Time]
    resolution_time: Mapped[Time]
    cash_delay_seconds: Mapped[Count]
    tokens: Mapped[Document | None]
    assumed: Mapped[Document]
    taker_delay_ms: Mapped[Count]
    __table_args__ = ruled("contracts", platform=words(Platform))


class ContractMatch(Base):
    """A pair of contracts, and a person's approval that they ask the same question."""

    __tablename__ = "contract_matches"
    match_id: Mapped[Words]
    polymarket_contract_id: Mapped[Words]
    kalshi_contract_id: Mapped[Words]
    polymarket_description: Mapped[Words]
    kalshi_description: Mapped[Words]
    alignment: Mapped[Words]
    divergence_class: Mapped[Words]
    divergence_probability: Mapped[Amount]
    cluster: Mapped[MaybeWords]
    primary_leg: Mapped[MaybeWords]
    resolution_date: Mapped[Time]
    operator_approved: Mapped[Flag]
    operator_approval_timestamp: Mapped[MaybeTime]
    operator_rationale: Mapped[MaybeWords]
    approved_digest: Mapped[MaybeWords]
    first_traded_timestamp: Mapped[MaybeTime]
    last_traded_timestamp: Mapped[MaybeTime]
    total_cycles_traded: Mapped[Count]
    version: Mapped[Count]
    confidence: Mapped[Amount]
    orders: Mapped[list[Order]] = relationship(back_populates="pair", lazy="raise")
    positions: Mapped[list[OpenPosition]] = relationship(back_populates="pair", lazy="raise")
    __table_args__ = (
        *ruled(
            "contract_matches",
            alignment=words(Alignment),
            divergence_class=words(DivergenceClass),
            primary_leg=words(Platform),
        ),
        CheckConstraint(f"confidence > 0 AND confidence <= {E6}", name="confidence_share"),
    )


class RiskState(Base):
    """The risk state, one row."""

    __tablename__ = "risk_states"
    singleton_key: Mapped[Words]
    daily_pnl: Mapped[Amount]
    open_position_count: Mapped[Count]
    last_reset_timestamp: Mapped[Time]
    total_capital_deployed: Mapped[Amount]
    trading_halted: Mapped[Flag]
    halt_reason: Mapped[Document]
    reserved_capital: Mapped[Amount]
    reserved_position_slots: Mapped[Count]
    epoch: Mapped[Count]
    __table_args__ = ruled("risk_states", singleton_key=["default"])


class Account(Base):
    """Balances by platform, account and currency."""

    __tablename__ = "accounts"
    account_id: Mapped[Words]
    platform: Mapped[Words]
    account: Mapped[Words]
    currency: Mapped[Words]
    free: Mapped[Amount]
    reserved: Mapped[Amount]
    committed: Mapped[Amount]
    __table_args__ = ruled("accounts", platform=words(Platform))


class LedgerEntry(Base):
    """One posting of a transaction."""

    __tablename__ = "ledger_entries"
    entry_id: Mapped[Words]
    transaction_id: Mapped[Words]
    account_id: Mapped[Words] = mapped_column(ForeignKey("accounts.account_id"))
    kind: Mapped[Words]
    bucket: Mapped[Words]
    amount: Mapped[Amount]
    reference: Mapped[Words]
    note: Mapped[MaybeWords]
    booked_at: Mapped[Time]
    __table_args__ = (
        *ruled("ledger_entries", kind=words(EntryKind), bucket=words(Bucket)),
        Index(None, "account_id", "booked_at"),
    )


class Reservation(Base):
    """Capital set aside for an execution on one account."""

    __tablename__ = "reservations"
    reservation_id: Mapped[Words]
    account_id: Mapped[Words] = mapped_column(ForeignKey("accounts.account_id"))
    execution_id: Mapped[Words]
    order_id: Mapped[MaybeWords]
    amount: Mapped[Amount]
    committed: Mapped[Amount]
    fees: Mapped[Amount]
    released: Mapped[Amount]
    status: Mapped[Words]
    reserved_at: Mapped[Time]
    resolved_at: Mapped[MaybeTime]
    __table_args__ = ruled("reservations", status=["reserved", "committed", "released"])


class Opportunity(Base):
    """An edge that was acted on, or rejected although it existed."""

    __tablename__ = "opportunities"
    opportunity_id: Mapped[Words]
    pair_id: Mapped[Words] = mapped_column(ForeignKey("contract_matches.match_id"))
    direction: Mapped[Words]
    detected_at: Mapped[Time]
    reason: Mapped[MaybeWords]
    quantity: Mapped[MaybeAmount]
    gross_edge: Mapped[Words]
    net_edge: Mapped[MaybeWords]
    expected_profit: Mapped[MaybeAmount]
    detail: Mapped[MaybeWords]
    __table_args__ = (*ruled("opportunities"), Index(None, "pair_id", "detected_at"))


class OrderBookSnapshot(Base):
    """The full-depth order book that the engine saw when it acted."""

    __tablename__ = "order_book_snapshots"
    snapshot_id: Mapped[Words]
    platform: Mapped[Words]
    contract_id: Mapped[Words]
    bids: Mapped[Document]
    asks: Mapped[Document]
    sequence_number: Mapped[Count]
    book_time: Mapped[MaybeTime]
    captured_at: Mapped[Time]
    opportunity_id: Mapped[Words]
    __table_args__ = (
        *ruled("order_book_snapshots", platform=words(Platform)),
        Index(None, "platform", "contract_id", "captured_at"),
        Index(None, "captured_at"),
    )


class Execution(Base):
    """One attempt at an opportunity."""

    __tablename__ = "executions"
    execution_id: Mapped[Words]
    opportunity_id: Mapped[Words] = mapped_column(ForeignKey("opportunities.opportunity_id"))
    pair_id: Mapped[Words] = mapped_column(ForeignKey("contract_matches.match_id"))
    direction: Mapped[Words]
    primary_platform: Mapped[Words]
    planned_quantity: Mapped[Amount]
    started_at: Mapped[Time]
    ended_at: Mapped[MaybeTime]
    shortfall: Mapped[Document | None]
    phase: Mapped[Words]
    primary_state: Mapped[Document]
    secondary_state: Mapped[Document]
    version: Mapped[Count]
    __table_args__ = ruled("executions", primary_platform=words(Platform), phase=words(Phase))


class Order(Base):
    """One of our orders; its status is a function of its facts."""

    __tablename__ = "orders"
    order_id: Mapped[Words]
    client_order_id: Mapped[Words]
    platform: Mapped[Words]
    contract_id: Mapped[Words]
    pair_id: Mapped[Words] = mapped_column(ForeignKey("contract_matches.match_id"))
    execution_id: Mapped[Words] = mapped_column(ForeignKey("executions.execution_id"))
    leg: Mapped[Words]
    purpose: Mapped[Words]
    outcome: Mapped[Words]
    side: Mapped[Words]
    price: Mapped[Amount]
    size: Mapped[Amount]
    time_in_force: Mapped[Words]
    created_at: Mapped[Time]
    status: Mapped[Words]
    fill_size: Mapped[Amount]
    fill_cost: Mapped[Amount]
    fees: Mapped[Amount]
    working_size: Mapped[Amount]
    refusal: Mapped[MaybeWords]
    platform_order_id: Mapped[MaybeWords]
    outcome_unknown_since: Mapped[MaybeTime]
    position_id: Mapped[MaybeWords]
    version: Mapped[Count]
    pair: Mapped[ContractMatch] = relationship(back_populates="orders", lazy="raise")
    position: Mapped[OpenPosition | None] = relationship(
        back_populates="orders",
        lazy="raise",
        primaryjoin="foreign(Order.position_id) == OpenPosition.position_id",
    )
    __table_args__ = (
        *ruled(
            "orders",
            platform=words(Platform),
            leg=words(Leg),
            purpose=words(Purpose),
            outcome=words(Outcome),
            side=words(Side),
            time_in_force=words(TimeInForce),
            status=words(OrderStatus),
        ),
        Index(None, "pair_id"),
        Index(None, "execution_id"),
        Index(None, "platform", "status"),
        Index(None, "created_at"),
    )


class Fill(Base):
    """A trade report of a platform for one of our orders."""

    __tablename__ = "fills"
    platform: Mapped[Words]
    trade_id: Mapped[Words]
    order_id: Mapped[Words] = mapped_column(ForeignKey("orders.order_id"))
    execution_id: Mapped[Words]
    outcome: Mapped[Words]
    side: Mapped[Words]
    price: Mapped[Amount]
    size: Mapped[Amount]
    fee: Mapped[Amount]
    finality: Mapped[Words]
    matched_at: Mapped[Time]
    reported_at: Mapped[Time]
    __table_args__ = (
        *ruled(
            "fills",
            platform=words(Platform),
            outcome=words(Outcome),
            side=words(Side),
            finality=words(Finality),
        ),
        Index(None, "order_id"),
        Index(None, "execution_id"),
    )


class Settlement(Base):
    """A merge of both outcomes, or the payout of a resolved contract, for one position."""

    __tablename__ = "settlements"
    settlement_id: Mapped[Words]
    position_id: Mapped[Words] = mapped_column(ForeignKey("open_positions.position_id"))
    platform: Mapped[Words]
    contract_id: Mapped[Words]
    kind: Mapped[Words]
    size: Mapped[Amount]
    yes_pays: Mapped[MaybeAmount]
    status: Mapped[Words]
    requested_at: Mapped[Time]
    paid_at: Mapped[MaybeTime]
    __table_args__ = (
        *ruled(
            "settlements",
            platform=words(Platform),
            kind=["merge", "payout"],
            status=["pending", "paid", "abandoned"],
        ),
        Index(None, "position_id"),
        Index(None, "status"),
    )


class OpenPosition(Base):
    """A position: contracts held on both platforms."""

    __tablename__ = "open_positions"
    position_id: Mapped[Words]
    pair_id: Mapped[Words] = mapped_column(ForeignKey("contract_matches.match_id"))
    execution_id: Mapped[Words] = mapped_column(ForeignKey("executions.execution_id"))
    polymarket_order_id: Mapped[MaybeWords]
    kalshi_order_id: Mapped[MaybeWords]
    polymarket_side: Mapped[Words]
    kalshi_side: Mapped[Words]
    entry_prices: Mapped[Document]
    sizes: Mapped[Document]
    expected_edge: Mapped[Amount]
    divergence_reserve: Mapped[Amount]
    opened_at: Mapped[Time]
    completed_at_loss: Mapped[Flag]
    kalshi_size: Mapped[Amount]
    kalshi_cost: Mapped[Amount]
    kalshi_fees: Mapped[Amount]
    polymarket_size: Mapped[Amount]
    polymarket_cost: Mapped[Amount]
    polymarket_fees: Mapped[Amount]
    kalshi_complement: Mapped[Amount]
    kalshi_complement_cost: Mapped[Amount]
    kalshi_borrowed: Mapped[Amount]
    kalshi_cash: Mapped[Amount]
    kalshi_payout: Mapped[MaybeAmount]
    kalshi_settled: Mapped[Amount]
    polymarket_complement: Mapped[Amount]
    polymarket_complement_cost: Mapped[Amount]
    polymarket_borrowed: Mapped[Amount]
    polymarket_cash: Mapped[Amount]
    polymarket_payout: Mapped[MaybeAmount]
    polymarket_settled: Mapped[Amount]
    realised_pnl: Mapped[Amount]
    marked_pnl: Mapped[Amount]
    divergence_pnl: Mapped[Amount]
    closed_at: Mapped[MaybeTime]
    status: Mapped[Words]
    reconciliation_context: Mapped[Document | None]
    version: Mapped[Count]
    pair: Mapped[ContractMatch] = relationship(back_populates="positions", lazy="raise")
    orders: Mapped[list[Order]] = relationship(
        back_populates="position",
        lazy="raise",
        primaryjoin="foreign(Order.position_id) == OpenPosition.position_id",
    )
    polymarket_order: Mapped[Order | None] = relationship(
        lazy="raise", foreign_keys="OpenPosition.polymarket_order_id"
    )
    kalshi_order: Mapped[Order | None] = relationship(
        lazy="raise", foreign_keys="OpenPosition.kalshi_order_id"
    )
    __table_args__ = (
        *ruled(
            "open_positions",
            polymarket_side=words(Outcome),
            kalshi_side=words(Outcome),
            status=words(PositionStatus),
        ),
        ForeignKeyConstraint(
            ["polymarket_order_id"], ["orders.order_id"], name="fk_PolymarketOrder"
        ),
        ForeignKeyConstraint(["kalshi_order_id"], ["orders.order_id"], name="fk_KalshiOrder"),
        Index(None, "status"),
        Index(None, "pair_id"),
    )
