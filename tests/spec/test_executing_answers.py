"""What an execution does about rejections, halts and unknown outcomes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.clocks import Hand
from support.executing import (
    FIRST,
    HALTED,
    KALSHI,
    NOTHING_FILLED,
    POLYMARKET,
    SECOND,
    Answer,
    Executing,
    ended,
    fills,
)
from support.pairs import NOW

from dutchbook.application.execution.attempt import Timeouts
from dutchbook.domain.capital.limits import HaltReason
from dutchbook.domain.events import FailedLeg
from dutchbook.domain.execution.decide import Phase
from dutchbook.domain.execution.pre_trade_checks import Refused
from dutchbook.domain.pair_trades.facts import (
    CameToNothing,
    Ended,
    OutcomeUnknown,
    RejectedByGate,
    Waits,
)
from dutchbook.errors import (
    NotSent,
    PlatformRejected,
    Unfit,
)
from dutchbook.errors import OutcomeUnknown as Silence

SILENCE = Silence("polymarket", "silence")


# Rejections and halts
# ----------------------------------------------------------------------------------------


REJECTIONS = [
    (PlatformRejected("kalshi", "not_filled"), ("not_filled", 2002, True)),
    (NotSent("kalshi", "no connection"), ("no connection", 2002, False)),
    (lambda _: Refused("order_size", "too big", 3001), ("order_size", 3001, False)),
]


@pytest.mark.parametrize(("answer", "known"), REJECTIONS)
def test_a_rejected_order_is_booked_with_its_reason_its_code_and_whether_it_was_sent(
    answer: Answer, known: tuple[str, int, bool]
) -> None:
    at = Executing(answers=[answer])

    execution = at.run()

    assert at.booked[1][0] == CameToNothing(NOW, FIRST.order_id, *known)
    assert ended(at) == Ended(NOW, execution, None, known[0])
    assert ("answered", FIRST.order_id) in at.told


@pytest.mark.parametrize("broken", [True, False])
def test_trading_halts_if_the_gate_finds_what_only_a_bug_can_make(broken: bool) -> None:
    at = Executing(answers=[lambda _: Refused("duplicate", "sent before", 3009, broken=broken)])

    at.run()

    halts = [each for each in at.told if each[0] == "halted"]
    halt = ("halted", HaltReason.INVARIANT_BROKEN, "duplicate: sent before")
    assert halts == ([halt] if broken else [])


def test_a_halt_rejects_the_hedge_but_not_what_was_reported_before() -> None:
    at = Executing(answers=[fills("100")], errors=[None, HALTED])

    at.run()

    assert at.sent == [FIRST]
    assert at.kinds[1:] == [["Reported", "Advanced", "RejectedByGate"], ["Advanced", "Ended"]]
    assert at.booked[1][2] == RejectedByGate(NOW, SECOND, "trading_halted", 4001)
    rejected = next(each[1] for each in at.told if each[0] == "rejected")
    assert at.booked[1][0] == rejected[0]
    assert ended(at).failed == FailedLeg(
        POLYMARKET, "trading_halted", 2004, SECOND.price, SECOND.size
    )


def test_a_report_that_no_table_can_store_halts_trading_and_ends_the_execution() -> None:
    unfit = Unfit("fills", "size", "too large")
    at = Executing(answers=[fills("100")], errors=[None, unfit])

    at.run()

    assert at.told[-4:] == [
        ("halted", HaltReason.INVARIANT_BROKEN, str(unfit)),
        ("unclaimed", "execution of q"),
        ("ended", "execution of q"),
        ("follow up", Phase.DECIDED, 64),
    ]
    assert at.kinds == [["Begun"]]


# Unknown outcomes
# ----------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_booked_before_it_is_asked_about_with_growing_waits() -> None:
    at = Executing(
        answers=[fills("100"), SILENCE],
        found=[None, NotSent("polymarket", "no connection"), None, NOTHING_FILLED],
    )

    at.run()

    assert at.booked[2][1] == OutcomeUnknown(NOW, SECOND.order_id, "silence")
    assert at.kinds[2:] == [["Advanced", "OutcomeUnknown"], ["Reported", "Advanced", "Ended"]]
    assert at.asked_at == [1, 3, 7, 15]
    assert len(at.sent) == 2
    assert ended(at).at == Hand().now() + timedelta(seconds=15)


@pytest.mark.parametrize(("queries", "first_wait"), [(2, 3), (3, 1)])
def test_the_number_of_questions_and_the_first_wait_are_settings(
    queries: int, first_wait: int
) -> None:
    at = Executing(
        answers=[fills("100"), SILENCE],
        timeouts=Timeouts(answer_seconds=9, queries=queries, first_query_seconds=first_wait),
    )

    at.run()

    waits = [first_wait << number for number in range(queries)]
    assert at.asked_at == [sum(waits[: number + 1]) for number in range(queries)]
    assert at.told[-1] == ("follow up", Phase.WAITING, first_wait << queries)


def test_without_an_answer_the_execution_waits_with_what_it_holds() -> None:
    at = Executing(answers=[fills("100"), SILENCE])

    execution = at.run()

    assert execution.phase is Phase.WAITING
    assert at.kinds[2:] == [["Advanced", "OutcomeUnknown"], ["Advanced", "Waits"]]
    failed = FailedLeg(
        POLYMARKET,
        "the outcome of the other leg is unknown",
        2003,
        SECOND.price,
        SECOND.size,
    )
    assert at.booked[-1][-1] == Waits(at.clock.now(), execution, failed)


def test_without_an_answer_for_the_first_leg_the_first_leg_is_missing() -> None:
    at = Executing(answers=[SILENCE])

    execution = at.run()

    failed = FailedLeg(
        KALSHI, "the outcome of the other leg is unknown", 2003, FIRST.price, FIRST.size
    )
    assert at.booked[-1][-1] == Waits(at.clock.now(), execution, failed)


def test_a_fill_that_a_question_finds_is_hedged() -> None:
    at = Executing(answers=[SILENCE, fills("100")])
    at.found.append(fills("100")(FIRST))
    at.before_send = lambda at: at.show(POLYMARKET, {47: 100}, {49: 500})

    execution = at.run()

    assert execution.phase is Phase.HEDGED
    assert [each.order_id for each in at.sent] == [FIRST.order_id, SECOND.order_id]
    assert at.sent[1].created_at == NOW + timedelta(seconds=1)
