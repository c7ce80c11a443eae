"""What each platform promises about orders and reads; other code asks here, never by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from dutchbook.domain.market.contract import Platform


@dataclass(frozen=True, slots=True)
class Capability:
    """The promises of one platform.

    Attributes:
        accepts_for: How long after its creation an order can be accepted; None if nothing ends
            that time, so that the absence of an order is never proven.
        dates_reads: Whether it says how recent its reads are.
        knows_ids: Whether an order has its platform's id before it is sent.
        holds_back_from: The shortest hold of takers' orders that it answers with "delayed";
            during a shorter one, the answer just takes longer. None if it holds nothing back.
    """

    accepts_for: timedelta | None
    dates_reads: bool
    knows_ids: bool
    holds_back_from: timedelta | None


CAPABILITIES: Mapping[Platform, Capability] = {
    # A signature's time may be off by 5 to 20 s; one off by 60 s was rejected (answers recorded
    # on the demo platform, 2026-06-11). Reads lag 0.3 to 1 s (quick_start_create_order,
    # 2026-10), and `GET /exchange/user_data_timestamp` dates them.
    Platform.KALSHI: Capability(
        accepts_for=timedelta(seconds=60),
        dates_reads=True,
        knows_ids=False,
        holds_back_from=None,
    ),
    # A signature has no end; an order's id is the digest of what is signed (py-clob-client-v2
    # 1.2.1). Orders in play are held back for seconds, others for 50 to 250 ms
    # (order-lifecycle, 2026-06; changelog, 2026-08-17).
    Platform.POLYMARKET: Capability(
        accepts_for=None,
        dates_reads=False,
        knows_ids=True,
        holds_back_from=timedelta(seconds=1),
    ),
}
