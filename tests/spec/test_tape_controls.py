"""Parts of tapes, and tapes that are wrong in a known way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from dutchbook.bootstrap.paper import generated_tape
from dutchbook.domain.market.contract import Platform
from dutchbook.tape.controls import crossed, late, part, sessions
from dutchbook.tape.message import MemoryTape, TapeMessage

MINUTE = timedelta(minutes=1)
ONE = generated_tape(1, minutes=4)
HALF = len(ONE.rows) // 2
TWO = MemoryTape(
    ONE.meta,
    [replace(each, session=number // HALF) for number, each in enumerate(ONE.rows[: 2 * HALF])],
)
"""The same with a second session at once after the first."""


def of(tape: MemoryTape, platform: Platform) -> list[TapeMessage]:
    return [each for each in tape.rows if each.update.platform is platform]


def test_the_sessions_of_a_tape_are_counted_and_dated() -> None:
    found = sessions(TWO)

    assert [(each.number, each.messages) for each in found] == [(0, HALF), (1, HALF)]
    assert [each.first for each in found] == [TWO.rows[0].at, TWO.rows[HALF].at]
    assert [each.last for each in found] == [TWO.rows[HALF - 1].at, TWO.rows[-1].at]


def test_a_part_is_a_tape_of_its_sessions() -> None:
    found = part(TWO, (1,))

    assert found.rows == TWO.rows[HALF:]
    assert (found.meta.first, found.meta.last) == (TWO.rows[HALF].at, TWO.rows[-1].at)
    assert found.meta.messages == HALF


def test_one_platform_is_late_and_the_other_is_as_it_was() -> None:
    found = late(ONE, Platform.POLYMARKET, MINUTE)

    assert [each.at for each in of(found, Platform.KALSHI)] == [
        each.at for each in of(ONE, Platform.KALSHI)
    ]
    shifted = [(m.at + MINUTE, m.update) for m in of(ONE, Platform.POLYMARKET)]
    assert [(m.at, m.update) for m in of(found, Platform.POLYMARKET)] == [
        each for each in shifted if each[0] <= ONE.rows[-1].at
    ]


@pytest.mark.parametrize("polled", [True, False])
@pytest.mark.parametrize("tape", [ONE, TWO], ids=["one session", "two"])
def test_time_and_steps_of_a_late_tape_never_fall(tape: MemoryTape, *, polled: bool) -> None:
    played = MemoryTape(replace(tape.meta, polled=polled), tape.rows)

    found = late(played, Platform.POLYMARKET, MINUTE)

    order = [(each.session, each.at) for each in found.rows]
    assert order == sorted(order)
    assert all(one.at <= other.at for one, other in pairwise(found.rows))
    assert all(one.step <= other.step for one, other in pairwise(found.rows))


def test_an_order_on_a_late_tape_waits_for_the_next_poll_of_the_other_platform() -> None:
    found = late(ONE, Platform.POLYMARKET, MINUTE)

    own = {each.at: each.step for each in of(ONE, Platform.KALSHI)}
    after = [each.step for each in found.rows if each.update.platform is Platform.KALSHI]
    assert after == list(own.values())
    assert len({each.step for each in found.rows}) == len(set(own.values()))


def test_a_streamed_late_tape_has_a_step_for_each_message() -> None:
    streamed = MemoryTape(replace(ONE.meta, polled=False), ONE.rows)

    found = late(streamed, Platform.POLYMARKET, MINUTE)

    assert [each.step for each in found.rows] == list(range(len(found.rows)))


def test_crossed_pairs_are_approved_and_of_two_questions() -> None:
    found = crossed(ONE)

    assert found is not None
    assert [each.kalshi for each in found.meta.pairs] == [p.kalshi for p in ONE.meta.pairs]
    one, other = ONE.meta.pairs
    assert [p.polymarket for p in found.meta.pairs] == [other.polymarket, one.polymarket]
    assert all(each.tradable for each in found.meta.pairs)


def test_a_tape_of_one_pair_has_nothing_to_cross_it_with() -> None:
    assert crossed(generated_tape(1, minutes=1, pairs=1)) is None
