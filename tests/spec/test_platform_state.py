"""What a platform has reported: statements, and reports of the same trade merged."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support.examined import ORDER
from support.pairs import NOW
from support.reconciliation import (
    CENT,
    FOUR,
    SENT,
    SIX,
    account,
    order,
    report,
)

from dutchbook.domain.capital.ledger import EntryKind
from dutchbook.domain.execution.order import Fill, Finality
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.reconciliation.findings import (
    Discrepancy,
    DiscrepancyType,
    Involvement,
)
from dutchbook.domain.reconciliation.our_state import (
    OurOrder,
)
from dutchbook.domain.reconciliation.platform_state import (
    FillReport,
    NamedCash,
    PlatformState,
    Statement,
    Unavailable,
    fill_of,
    strongest,
)
from dutchbook.domain.values.units import Money, Price
from dutchbook.errors import InvalidInput

POLY, KALSHI = Platform.POLYMARKET, Platform.KALSHI
PROVISIONAL, SETTLED, FAILED = Finality.PROVISIONAL, Finality.SETTLED, Finality.FAILED


def test_a_trade_report_is_a_fill_of_its_order() -> None:
    placed = order(side=Side.SELL, outcome=Outcome.YES)
    trade = report("t9", SIX, SETTLED, KALSHI, price=Price(Decimal("0.25")), matched_at=NOW)

    fill = Fill(
        trade_id="t9",
        platform=KALSHI,
        order_id=ORDER,
        outcome=Outcome.YES,
        side=Side.SELL,
        price=Price(Decimal("0.25")),
        size=SIX,
        fee=CENT,
        finality=SETTLED,
        matched_at=NOW,
    )
    assert fill_of(placed, trade) == fill
    assert OurOrder(placed, account(POLY)).fill_of(trade) == fill


def test_a_cash_movement_of_a_kind_without_a_name_is_refused_with_the_names() -> None:
    with pytest.raises(InvalidInput) as refused:
        NamedCash("m", EntryKind.TRADE, account(POLY), CENT, NOW)

    assert str(refused.value) == (
        "kind: 'trade' is not one of interest, rebate, reward, deposit, withdrawal,"
        " in_transit, redemption"
    )
    assert refused.value.field == "kind"


def test_a_statement_has_no_trades_if_its_list_was_not_received() -> None:
    trades = (report("t1", FOUR),)

    assert Statement(fills=trades).trades == trades
    assert Statement(fills=Unavailable("timed out")).trades == ()


def test_a_platform_that_was_not_reached_has_received_no_list() -> None:
    silent = Unavailable("the platform was not reached")
    known = Statement(fills=(report("t1", FOUR),))
    state = PlatformState(NOW, {KALSHI: known})

    assert state.of(KALSHI) is known
    assert state.of(POLY) == Statement(fills=silent, orders=silent)


def seen_as(name: str, finality: Finality = PROVISIONAL, **facts: Any) -> FillReport:
    return replace(report(name, FOUR, finality), **facts)


DEARER: dict[str, Any] = {"price": Price(Decimal("0.6"))}
LARGER: dict[str, Any] = {"size": SIX}
HIGHER: dict[str, Any] = {"fee": Money(Decimal("0.02"))}


@pytest.mark.parametrize(
    ("reports", "kept", "contradictory"),
    [
        ((), [], ()),
        (
            (seen_as("a", SETTLED), seen_as("a")),
            [seen_as("a", SETTLED)],
            (),
        ),
        ((seen_as("a", FAILED), seen_as("a")), [seen_as("a", FAILED)], ()),
        (
            (seen_as("a", FAILED), seen_as("a", SETTLED), seen_as("a")),
            [seen_as("a", FAILED)],
            ("a",),
        ),
        ((seen_as("a", **DEARER), seen_as("a")), [seen_as("a", **DEARER)], ("a",)),
        ((seen_as("a", **LARGER), seen_as("a")), [seen_as("a", **LARGER)], ("a",)),
        ((seen_as("a", **HIGHER), seen_as("a")), [seen_as("a", **HIGHER)], ()),
        (
            (
                seen_as("c", matched_at=SENT),
                seen_as("b"),
                seen_as("d", SETTLED),
                seen_as("a"),
            ),
            [
                seen_as("c", matched_at=SENT),
                seen_as("a"),
                seen_as("b"),
                seen_as("d", SETTLED),
            ],
            (),
        ),
        (
            (
                seen_as("b"),
                seen_as("b", **DEARER),
                seen_as("a", SETTLED),
                seen_as("a", FAILED),
            ),
            [seen_as("a", FAILED), seen_as("b", **DEARER)],
            ("a", "b"),
        ),
    ],
)
def test_reports_of_a_trade_are_merged_and_contradictions_named(
    reports: tuple[FillReport, ...], kept: list[FillReport], contradictory: tuple[str, ...]
) -> None:
    merged, named = strongest(reports)

    assert list(merged.items()) == [(each.trade_id, each) for each in kept]
    assert named == contradictory
    assert strongest(reports[::-1]) == (merged, named)


def test_a_discrepancy_is_known_again_by_its_kind_platform_subject_and_position() -> None:
    found = Discrepancy(DiscrepancyType.FILL_FAILED, POLY, "t1", position_id="position-1")

    assert found.key == "fill_failed:polymarket:t1:position-1"
    assert replace(found, position_id=None).key == "fill_failed:polymarket:t1:"
    assert (found.recommended_action, found.involvement) == ("", Involvement.NONE)
