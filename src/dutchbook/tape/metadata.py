"""Converts a tape's metadata to the JSON in its footer, and back.

Numbers are text, instants ISO 8601. A tape approves its own pairs, in paper mode only: reading
a pair sets `operator_approved` and its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from dutchbook.domain.market.contract import (
    Alignment,
    Contract,
    ContractMatch,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import schedule_from_json, schedule_to_json
from dutchbook.domain.values.units import MICRO, PriceGrid, Quantity, money, plain
from dutchbook.tape.message import TapeMeta
from dutchbook.tape.stored import MICROSECOND

FORMAT = 1


class _Sizing(msgspec.Struct, forbid_unknown_fields=True):
    step: Decimal
    minimum: Decimal
    minimum_notional: Decimal
    cent_exact: bool


class _Contract(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    platform: Platform
    contract_id: str
    title: str
    rules: str
    price_ranges: list[dict[str, str]]
    sizing: _Sizing
    fees: list[dict[str, str]] | None
    close_time: datetime
    resolution_time: datetime
    cash_delay_us: int
    tokens: tuple[str, str] | None
    assumed: list[str]
    taker_delay_us: int = 0


class _Pair(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    match_id: str
    kalshi: str
    polymarket: str
    alignment: Alignment
    divergence_class: DivergenceClass
    divergence_probability: Decimal
    primary_leg: Platform | None
    cluster: str | None
    confidence: Decimal | None = None


class RecordedFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One file of a recording: its name and its number of messages."""

    name: str
    messages: int


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """What is needed to reconstruct the original messages of an import; see `rebuild`."""

    layout: str
    files: list[RecordedFile]
    market_ids: dict[str, str] = {}
    pairs: dict[str, str] = {}

    def count(self, name: str) -> None:
        """Count one message of a file; each return to a file is an entry of its own."""
        if self.files and self.files[-1].name == name:
            self.files[-1] = RecordedFile(name, self.files[-1].messages + 1)
        else:
            self.files.append(RecordedFile(name, 1))


class _Meta(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: int
    name: str
    source: str
    contracts: list[_Contract]
    pairs: list[_Pair]
    polled: bool = False
    assumed: list[str]
    seed: int | None
    messages: int
    first: datetime
    last: datetime
    recording: Recording | None
    noticed: list[str] | msgspec.UnsetType = msgspec.UNSET
    top_only: bool | msgspec.UnsetType = msgspec.UNSET


def encode(meta: TapeMeta, recording: Recording | None) -> bytes:
    """Encode `meta` as JSON with keys in a fixed order."""
    return msgspec.json.encode(
        _Meta(
            format=FORMAT,
            name=meta.name,
            source=meta.source,
            contracts=[_stored_contract(each) for each in meta.contracts],
            pairs=[_stored_pair(each) for each in meta.pairs],
            polled=meta.polled,
            assumed=list(meta.assumed),
            seed=meta.seed,
            messages=meta.messages,
            first=meta.first,
            last=meta.last,
            recording=recording,
            noticed=list(meta.noticed) or msgspec.UNSET,
            top_only=meta.top_only or msgspec.UNSET,
        ),
        order="deterministic",
    )


def version(document: bytes) -> Any:
    """Return the format number of a tape's metadata, without checking the rest."""
    found = msgspec.json.decode(document)
    return found.get("format") if isinstance(found, dict) else None


def decode(document: bytes) -> tuple[TapeMeta, Recording | None]:
    """Decode the output of `encode`.

    Raises:
        ValueError, InvalidInput: It is malformed; `msgspec.DecodeError` is a `ValueError`.
    """
    meta = msgspec.json.decode(document, type=_Meta)
    contracts = tuple(_contract(each) for each in meta.contracts)
    found = {(each.platform, each.contract_id): each for each in contracts}
    _check_once("contract", (f"{each.platform} {each.contract_id}" for each in contracts))
    _check_once("pair", (each.match_id for each in meta.pairs))
    _check_once("pair", (f"{each.kalshi} and {each.polymarket}" for each in meta.pairs))
    return TapeMeta(
        name=meta.name,
        source=meta.source,
        contracts=contracts,
        pairs=tuple(_pair(each, found) for each in meta.pairs),
        polled=meta.polled,
        assumed=tuple(meta.assumed),
        seed=meta.seed,
        messages=meta.messages,
        first=_zoned(meta.first),
        last=_zoned(meta.last),
        format=meta.format,
        noticed=() if meta.noticed is msgspec.UNSET else tuple(meta.noticed),
        top_only=meta.top_only is True,
    ), meta.recording


def _check_once(kind: str, names: Iterable[str]) -> None:
    """Reject what is there twice.

    Raises:
        ValueError: It names the first.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"a {kind} is there twice: {name}")
        seen.add(name)


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value


def _stored_contract(contract: Contract) -> _Contract:
    sizing = contract.sizing
    return _Contract(
        platform=contract.platform,
        contract_id=contract.contract_id,
        title=contract.title,
        rules=contract.rules,
        price_ranges=[
            {"start": plain(band.start), "end": plain(band.end), "step": plain(band.step)}
            for band in contract.grid.bands
        ],
        sizing=_Sizing(sizing.step, sizing.minimum, sizing.minimum_notional, sizing.cent_exact),
        fees=None if contract.fees is None else schedule_to_json(contract.fees),
        close_time=contract.close_time,
        resolution_time=contract.resolution_time,
        cash_delay_us=contract.cash_delay // MICROSECOND,
        tokens=contract.tokens,
        assumed=list(contract.assumed),
        taker_delay_us=contract.taker_delay // MICROSECOND,
    )


def _contract(stored: _Contract) -> Contract:
    sizing = stored.sizing
    return Contract(
        platform=stored.platform,
        contract_id=stored.contract_id,
        title=stored.title,
        rules=stored.rules,
        grid=PriceGrid.of_ranges(stored.price_ranges),
        sizing=Sizing(
            Quantity(sizing.step),
            Quantity(sizing.minimum),
            money(sizing.minimum_notional),
            sizing.cent_exact,
        ),
        fees=None if stored.fees is None else schedule_from_json(stored.fees),
        close_time=_zoned(stored.close_time),
        resolution_time=_zoned(stored.resolution_time),
        cash_delay=timedelta(microseconds=stored.cash_delay_us),
        tokens=stored.tokens,
        assumed=tuple(stored.assumed),
        taker_delay=timedelta(microseconds=stored.taker_delay_us),
    )


def _stored_pair(match: ContractMatch) -> _Pair:
    return _Pair(
        match_id=match.match_id,
        kalshi=match.kalshi.contract_id,
        polymarket=match.polymarket.contract_id,
        alignment=match.alignment,
        divergence_class=match.divergence_class,
        divergence_probability=match.divergence_probability,
        primary_leg=match.primary_leg,
        cluster=match.cluster,
        confidence=None if match.confidence == 1 else match.confidence,
    )


def _pair(stored: _Pair, contracts: dict[tuple[Platform, str], Contract]) -> ContractMatch:
    try:
        kalshi = contracts[Platform.KALSHI, stored.kalshi]
        polymarket = contracts[Platform.POLYMARKET, stored.polymarket]
    except KeyError as missing:
        raise ValueError(f"pair {stored.match_id} names no contract of it: {missing}") from None
    likely = stored.divergence_probability
    if not likely.is_finite() or not 0 <= likely <= 1 or likely % MICRO:
        raise ValueError(
            f"pair {stored.match_id}: divergence_probability: {likely} is not from 0 to 1,"
            f" exact to {MICRO}"
        )
    return approved(
        ContractMatch(
            match_id=stored.match_id,
            kalshi=kalshi,
            polymarket=polymarket,
            alignment=stored.alignment,
            divergence_class=stored.divergence_class,
            divergence_probability=stored.divergence_probability,
            primary_leg=stored.primary_leg,
            cluster=stored.cluster,
            confidence=Decimal(1) if stored.confidence is None else stored.confidence,
        )
    )


def approved(match: ContractMatch) -> ContractMatch:
    """Return `match`, approved as it is now; a tape approves its own pairs so."""
    return replace(match, operator_approved=True, approved_digest=match.digest)
