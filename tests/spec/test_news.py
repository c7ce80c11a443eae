"""What a run's screen tells of each event, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import pair

from dutchbook.cli.console.news import LEFT_OUT, News
from dutchbook.cli.console.state import Note, Tone
from dutchbook.domain import events
from dutchbook.domain.events import Event, FailedLeg, FilledLeg, Stamp, TopOfBook, catalogue
from dutchbook.domain.market.contract import Outcome, Platform, Side
from dutchbook.domain.values.units import Money, Price, Quantity

NOW = datetime(2026, 7, 5, 18, 0, tzinfo=UTC)
MATCH = pair()
PAIR, TITLE = MATCH.match_id, MATCH.kalshi.title
IDS: dict[str, Any] = {"position_id": "p", "pair_id": PAIR}
KALSHI, POLYMARKET = Platform.KALSHI, Platform.POLYMARKET
BOOK = TopOfBook(None, None)


def usd(text: str) -> Money:
    return Money(Decimal(text))


def told(*given: Event) -> tuple[Note, ...]:
    news = News({PAIR: MATCH})
    for number, event in enumerate(given, 1):
        news(event, number)
    return news.notes


def made(kind: Any, second: int = 0, **facts: Any) -> Event:
    event: Event = kind(Stamp(f"e{second}", NOW + timedelta(seconds=second), "x"), **facts)
    return event


def filled(platform: Platform, outcome: Outcome, price: str) -> Event:
    return made(
        events.OrderFilled,
        order_id="o",
        pair_id=PAIR,
        platform=platform,
        side=Side.BUY,
        outcome=outcome,
        requested_price=Price(Decimal(price)),
        requested_size=Quantity(Decimal(310)),
        filled_price=Decimal(price),
        filled_size=Quantity(Decimal(310)),
        fee=usd("1"),
        position_id="p",
    )


def opened(*, loss: bool = False) -> Event:
    return made(
        events.PositionOpened,
        **IDS,
        quantity=Quantity(Decimal(310)),
        paid=usd("304.89"),
        locked_profit=usd("-2.5" if loss else "5.11"),
        completed_at_loss=loss,
    )


def refused(second: int, reason: str = "book_too_old", detail: str = "") -> Event:
    edge = usd("0.009")
    facts = {"direction": "kalshi_no", "gross_edge": edge, "net_edge": edge}
    return made(
        events.OpportunityFiltered, second, pair_id=PAIR, reason=reason, detail=detail, **facts
    )


def test_every_kind_of_event_is_told_or_left_out_by_name() -> None:
    kinds, news = frozenset(catalogue().values()), News({})

    assert news.told | LEFT_OUT == kinds
    assert not news.told & LEFT_OUT


def test_records_that_changed_are_no_news() -> None:
    assert told(made(events.RecordsChanged, tables=("orders",))) == ()


def test_an_entry_is_told_with_both_prices_and_what_it_locks() -> None:
    (note,) = told(
        filled(KALSHI, Outcome.NO, "0.49"), filled(POLYMARKET, Outcome.YES, "0.458"), opened()
    )

    assert note.texts == (
        f"bought 310 {TITLE}: NO Kalshi 0.49 + YES Polymarket 0.458",
        f"bought 310 {TITLE}, 0.984 a pair",
        f"bought 310 {TITLE}",
    )
    assert note.amount == "+5.11 locked"
    assert note.at == NOW


def test_an_entry_that_locks_a_loss_stands_out() -> None:
    (note,) = told(opened(loss=True))

    assert (note.amount, note.tone) == ("-2.50 locked", Tone.CAUTION)


def test_of_the_edges_that_were_not_taken_the_last_one_is_told() -> None:
    notes = told(refused(1, "cooling_down"), opened(), refused(3, detail="2.1 s"))

    assert [note.texts[0] for note in notes] == [
        f"not taken: {TITLE}, 0.9c after fees: book too old (2.1 s)",
        f"bought 310 {TITLE}, 0.984 a pair",
    ]


def test_a_single_leg_is_told_with_what_went_wrong_with_the_other() -> None:
    held = FilledLeg(
        KALSHI, "o", Side.BUY, Outcome.NO, Price(Decimal("0.49")), Quantity(Decimal(310)),
        Decimal("0.49"), Quantity(Decimal(60)),
    )  # fmt: skip
    failed = FailedLeg(POLYMARKET, "book_too_thin", 2003, None, Quantity(Decimal(310)))
    (note,) = told(
        made(
            events.SingleLegExposure,
            **IDS,
            expected_edge=usd("1"),
            exposed_quantity=Decimal(60),
            filled_leg=held,
            failed_leg=failed,
            kalshi_book=BOOK,
            polymarket_book=BOOK,
            scenarios=(),
            recommended_actions=(),
        )
    )

    assert note.texts[0] == f"ONE LEG: 60 NO Kalshi, {TITLE}; Polymarket: book too thin"
    assert note.tone is Tone.ALARM


def closed(pnl: str = "5.43") -> Event:
    zero = usd("0")
    facts = {"divergence_pnl": zero, "fees": zero, "expected_edge": zero}
    return made(events.PositionClosed, 2, **IDS, realised_pnl=usd(pnl), **facts)


def triggered() -> Event:
    return made(events.ExitTriggered, 1, **IDS, rule="worth_more_now", detail="sell 66")


def settled() -> Event:
    zero = usd("0")
    facts = {"divergence_pnl": zero, "reserve_used": zero, "reserve_released": zero}
    paid = {"kalshi_payout": Decimal(1), "polymarket_payout": Decimal(0)}
    return made(events.PositionSettled, 2, **IDS, realised_pnl=usd("5.43"), **facts, **paid)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((triggered(), closed()), f"left early: {TITLE}: worth more now"),
        ((closed(),), f"closed: {TITLE}"),
        ((settled(), closed()), f"paid out: {TITLE}"),
    ],
)
def test_the_end_of_a_position_is_told_once_with_its_result(
    given: Sequence[Event], text: str
) -> None:
    ends = [note for note in told(*given) if note.amount]

    assert [(note.texts[0], note.amount) for note in ends] == [(text, "+5.43 closed")]


@pytest.mark.parametrize(
    ("event", "text", "tone"),
    [
        (
            made(
                events.TradingHalted, reason="daily_loss_limit", reasons=(), detail="500 of 500"
            ),
            "HALTED: daily loss limit: 500 of 500",
            Tone.ALARM,
        ),
        (
            made(events.TradingResumed, reason="operator", reasons=(), rationale="all is well"),
            "resumed: operator: all is well",
            Tone.PLAIN,
        ),
        (
            made(
                events.LimitBreached, limit="open_pairs", value=Decimal(10), bound=Decimal(10)
            ),
            "limit reached, open pairs: 10 of 10",
            Tone.CAUTION,
        ),
        (
            made(events.SystemStopped, reason="the tape ended"),
            "stopped: the tape ended",
            Tone.PLAIN,
        ),
        (
            made(events.SystemHealthCritical, component="output", detail="it is lost"),
            "output: it is lost",
            Tone.ALARM,
        ),
    ],
)
def test_what_a_trader_must_know_is_told_in_words(event: Event, text: str, tone: Tone) -> None:
    (note,) = told(event)

    assert (note.texts[0], note.tone) == (text, tone)


def test_an_event_that_was_not_kept_is_not_told() -> None:
    news = News({PAIR: MATCH})

    news(opened(), 0)

    assert news.notes == ()
