"""Tables of what is traded: contracts, pairs, opportunities and books."""

from __future__ import annotations

from datetime import timedelta

from dutchbook.domain.detection.quote import Opportunity
from dutchbook.domain.events import as_json
from dutchbook.domain.market.book import OrderBook
from dutchbook.domain.market.contract import Contract, ContractMatch, Platform
from dutchbook.domain.market.fees import schedule_from_json, schedule_to_json
from dutchbook.domain.values.units import E6, PriceGrid
from dutchbook.domain.values.units import plain as as_text
from dutchbook.ports.tables.column import Column, Kind, plain, stored, words
from dutchbook.ports.tables.table import Table

MILLISECOND = timedelta(milliseconds=1)

CONTRACTS = Table(
    "contracts",
    of=Contract,
    columns=(
        *stored(Contract, "platform", "contract_id", "title", "rules"),
        Column(
            "price_bands",
            Kind.JSON,
            path="grid",
            write=lambda grid: as_json(grid.bands),
            read=PriceGrid.of_ranges,
        ),
        *stored(Contract, "sizing"),
        Column(
            "fees",
            Kind.JSON,
            optional=True,
            path="fees",
            write=schedule_to_json,
            read=schedule_from_json,
        ),
        *stored(Contract, "close_time", "resolution_time"),
        Column(
            "cash_delay_seconds",
            Kind.WHOLE,
            path="cash_delay",
            write=lambda delay: int(delay.total_seconds()),
            read=lambda seconds: timedelta(seconds=seconds),
        ),
        *stored(Contract, "tokens", "assumed"),
        Column(
            "taker_delay_ms",
            Kind.WHOLE,
            path="taker_delay",
            write=lambda delay: delay // MILLISECOND,
            read=lambda count: count * MILLISECOND,
        ),
    ),
    key=("platform", "contract_id"),
    floor=("taker_delay_ms",),
)
"""Contracts as their platforms describe them."""

CONTRACT_MATCHES = Table(
    "contract_matches",
    of=ContractMatch,
    columns=(
        *stored(ContractMatch, "match_id"),
        *stored(Contract, "contract_id", under="polymarket"),
        *stored(Contract, "contract_id", under="kalshi"),
        *stored(Contract, "title", under="polymarket", renamed={"title": "description"}),
        *stored(Contract, "title", under="kalshi", renamed={"title": "description"}),
        *stored(ContractMatch, "alignment", "divergence_class", "divergence_probability"),
        *stored(ContractMatch, "cluster", "confidence", "primary_leg", "resolution_date"),
        *stored(ContractMatch, "operator_approved"),
        *plain(Kind.INSTANT, "operator_approval_timestamp", optional=True),
        *plain(Kind.TEXT, "operator_rationale", optional=True),
        *stored(ContractMatch, "approved_digest"),
        *plain(Kind.INSTANT, "first_traded_timestamp", "last_traded_timestamp", optional=True),
        *plain(Kind.WHOLE, "total_cycles_traded", "version"),
    ),
    key=("match_id",),
    unique=(("polymarket_contract_id", "kalshi_contract_id"),),
    checks={"confidence_share": f"confidence > 0 AND confidence <= {E6}"},
    audited=True,
)
"""Pairs of contracts, and a person's approval that they ask the same question."""

OPPORTUNITIES = Table(
    "opportunities",
    of=Opportunity,
    columns=(
        *stored(Opportunity, "opportunity_id"),
        *stored(Opportunity, "match.match_id", renamed={"match.match_id": "pair_id"}),
        *stored(Opportunity, "direction", "detected_at"),
        *plain(Kind.TEXT, "reason", optional=True),
        Column("quantity", Kind.MICROS, optional=True, path="quantity"),
        Column("gross_edge", Kind.TEXT, path="gross_edge", write=as_text),
        Column("net_edge", Kind.TEXT, optional=True, path="net_edge", write=as_text),
        Column("expected_profit", Kind.MICROS, optional=True, path="expected_profit"),
        *plain(Kind.TEXT, "detail", optional=True),
    ),
    key=("opportunity_id",),
    refers={"pair_id": "contract_matches.match_id"},
    indexes=(("pair_id", "detected_at"),),
    frozen=True,
)
"""Edges that were acted on, or rejected although they existed."""

ORDER_BOOK_SNAPSHOTS = Table(
    "order_book_snapshots",
    of=OrderBook,
    columns=(
        *plain(Kind.TEXT, "snapshot_id"),
        Column("platform", Kind.TEXT, words=words(Platform), path="platform"),
        Column("contract_id", Kind.TEXT, path="contract_id"),
        *plain(Kind.JSON, "bids", "asks"),
        Column("sequence_number", Kind.WHOLE, path="sequence"),
        Column("book_time", Kind.INSTANT, optional=True, path="updated_at"),
        *plain(Kind.INSTANT, "captured_at"),
        *plain(Kind.TEXT, "opportunity_id"),
    ),
    key=("snapshot_id",),
    indexes=(("platform", "contract_id", "captured_at"), ("captured_at",)),
    frozen=True,
)
"""The full-depth order books that the engine saw when it acted."""
