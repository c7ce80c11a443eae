"""The dependencies that nearly every part of an engine shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dutchbook.application.capital.risk import RiskManager
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.application.records.committer import Committer
from dutchbook.config import Settings
from dutchbook.domain.detection.quote import Hurdles
from dutchbook.domain.market.contract import Platform
from dutchbook.ports.gateway import PlatformGateway
from dutchbook.ports.journal import Journal
from dutchbook.ports.time import Clock, Ids


@dataclass(frozen=True, slots=True)
class Base:
    """Dependencies of nearly every part.

    `lease_reader` reads the lease before each send, on a connection of its own where there is
    one, so that no queued commit delays a hedge.
    """

    settings: Settings
    hurdles: Hurdles
    journal: Journal
    lease_reader: Journal
    committer: Committer
    risk: RiskManager
    watchlist: Watchlist
    gateways: Mapping[Platform, PlatformGateway]
    clock: Clock
    ids: Ids
