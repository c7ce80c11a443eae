"""The ORM models that the requirement names; each has the columns of its table.

They serve the repositories. Hot reads and writes go through a journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import DeclarativeBase, Mapped, relationship

from dutchbook.persistence.tables.base import METADATA


class Base(DeclarativeBase):
    """The root of all models."""

    metadata = METADATA
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return a column of a row: they are declared in `ports.tables`."""


class SystemMetadata(Base):
    """Generic key-value store: schema, mode, number of runs."""

    __table__ = METADATA.tables["system_metadata"]


class OrderBookSnapshot(Base):
    """The full-depth order book that the engine saw when it acted."""

    __table__ = METADATA.tables["order_book_snapshots"]


class PlatformHealthLog(Base):
    """Health of a platform at one moment."""

    __table__ = METADATA.tables["platform_health_logs"]


class RiskState(Base):
    """The risk state, one row."""

    __table__ = METADATA.tables["risk_states"]


class RiskOverrideLog(Base):
    """A person's request to lift a limit, granted or not."""

    __table__ = METADATA.tables["risk_override_logs"]


class ContractMatch(Base):
    """A pair of contracts, and a person's approval that they ask the same question."""

    __table__ = METADATA.tables["contract_matches"]
    orders: Mapped[list[Order]] = relationship(back_populates="pair", lazy="raise")
    positions: Mapped[list[OpenPosition]] = relationship(back_populates="pair", lazy="raise")


class Order(Base):
    """One of our orders; its status is a function of its facts."""

    __table__ = METADATA.tables["orders"]
    pair: Mapped[ContractMatch] = relationship(back_populates="orders", lazy="raise")
    position: Mapped[OpenPosition | None] = relationship(
        back_populates="orders",
        lazy="raise",
        primaryjoin="foreign(Order.position_id) == OpenPosition.position_id",
    )


class OpenPosition(Base):
    """A position: contracts held on both platforms."""

    __table__ = METADATA.tables["open_positions"]
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
