"""A platform's health check by check, in whole values: its status, its words, its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from dutchbook.domain.market.health import (
    DriftLevel,
    DriftLimits,
    HealthLimits,
    HealthStatus,
    PlatformHealth,
    Sample,
    Stream,
    out_of_use,
)

LIMITS = HealthLimits()
HEALTHY, DEGRADED, DISCONNECTED = HealthStatus


def stream(seconds: float, *silent: str, received: bool = True) -> Stream:
    return Stream(timedelta(seconds=seconds), received, silent)


FRESH = stream(1)


# Data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "fresh"),
    [
        (stream(29.999), True),
        (stream(30), False),
        (stream(31), False),
        (stream(0, received=False), False),
    ],
)
def test_data_is_fresh_if_it_was_received_less_than_half_a_minute_ago(
    data: Stream, fresh: bool
) -> None:
    assert data.fresh(LIMITS) is fresh


# Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "p95"),
    [(0, None), (1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (100, 95), (101, 96)],
)
def test_the_response_time_is_the_95th_percentile_of_the_answers(
    answers: int, p95: int | None
) -> None:
    slowest_first = tuple(range(answers, 0, -1))

    assert PlatformHealth(responses=slowest_first).response_time_ms == p95


@pytest.mark.parametrize(
    ("status", "failures", "state"),
    [
        (HEALTHY, 0, "connected"),
        (DEGRADED, 0, "connected"),
        (HEALTHY, 1, "unanswered"),
        (DEGRADED, 1, "unanswered"),
        (DISCONNECTED, 0, "disconnected"),
        (DISCONNECTED, 2, "disconnected"),
    ],
)
def test_the_connection_is_judged_by_the_status_and_the_missed_pings(
    status: HealthStatus, failures: int, state: str
) -> None:
    assert PlatformHealth(status, failures=failures).connection_state == state


# Checks ---------------------------------------------------------------------------------------

WORN = PlatformHealth(DEGRADED, "silent: KXCUP", (5, 6))
LOST = PlatformHealth(DISCONNECTED, "2 pings in a row unanswered", (5,), 2)


@pytest.mark.parametrize(
    ("before", "sample", "after"),
    [
        pytest.param(
            PlatformHealth(), Sample(5, FRESH), PlatformHealth(responses=(5,)), id="all is well"
        ),
        pytest.param(
            PlatformHealth(), Sample(5, None), PlatformHealth(responses=(5,)), id="no books"
        ),
        pytest.param(
            PlatformHealth(responses=(5,)),
            Sample(None, FRESH),
            PlatformHealth(responses=(5,), failures=1),
            id="a missed ping",
        ),
        pytest.param(
            PlatformHealth(responses=(5,), failures=1),
            Sample(7, FRESH),
            PlatformHealth(responses=(5, 7)),
            id="an answer after a missed ping",
        ),
        pytest.param(
            PlatformHealth(responses=(5,), failures=1), Sample(None, FRESH), LOST, id="lost"
        ),
        pytest.param(
            LOST,
            Sample(None, FRESH),
            replace(LOST, detail="3 pings in a row unanswered", failures=3),
            id="still lost",
        ),
        pytest.param(
            LOST,
            Sample(9, FRESH),
            replace(LOST, responses=(5, 9), failures=0, good=1),
            id="a good check of a lost platform",
        ),
        pytest.param(
            replace(LOST, failures=0, good=1),
            Sample(9, FRESH),
            PlatformHealth(responses=(5, 9)),
            id="two good checks of a lost platform",
        ),
        pytest.param(
            replace(LOST, failures=0, good=1),
            Sample(9, stream(61.9)),
            PlatformHealth(DEGRADED, "no book update for 61 s", (5, 9)),
            id="from lost to silent",
        ),
        pytest.param(
            replace(LOST, failures=0, good=1),
            Sample(9, stream(30)),
            replace(LOST, responses=(5, 9), failures=0),
            id="not healthy without fresh data",
        ),
        pytest.param(
            replace(LOST, failures=0, good=1),
            Sample(9, None),
            PlatformHealth(responses=(5, 9)),
            id="healthy without books",
        ),
        pytest.param(
            replace(LOST, failures=0, good=1),
            Sample(None, FRESH),
            replace(LOST, failures=1),
            id="a missed ping begins the recovery anew",
        ),
        pytest.param(
            WORN,
            Sample(7, stream(1, "KXRACE")),
            PlatformHealth(DEGRADED, "silent: KXRACE", (5, 6, 7)),
            id="another reason",
        ),
        pytest.param(
            replace(WORN, good=1),
            Sample(7, stream(1, "KXCUP")),
            replace(WORN, responses=(5, 6, 7)),
            id="the same reason again",
        ),
        pytest.param(
            PlatformHealth(),
            Sample(5, stream(60)),
            PlatformHealth(DEGRADED, "no book update for 60 s", (5,)),
            id="a minute of silence",
        ),
        pytest.param(
            PlatformHealth(),
            Sample(5, stream(59.9)),
            PlatformHealth(responses=(5,)),
            id="almost a minute of silence",
        ),
        pytest.param(
            PlatformHealth(),
            Sample(5, stream(1, "a", "b", "c")),
            PlatformHealth(DEGRADED, "silent: a, b, c", (5,)),
            id="three silent books",
        ),
        pytest.param(
            PlatformHealth(),
            Sample(5, stream(1, "a", "b", "c", "d", "e")),
            PlatformHealth(DEGRADED, "silent: a, b, c and 2 more", (5,)),
            id="five silent books",
        ),
        pytest.param(
            PlatformHealth(responses=(2_001,)),
            Sample(2_001, FRESH),
            PlatformHealth(DEGRADED, "answers take 2001 ms", (2_001, 2_001)),
            id="two slow answers",
        ),
        pytest.param(
            PlatformHealth(responses=(2_000,)),
            Sample(2_001, FRESH),
            PlatformHealth(responses=(2_000, 2_001)),
            id="one slow answer",
        ),
        pytest.param(
            PlatformHealth(responses=tuple(range(20))),
            Sample(50, FRESH),
            PlatformHealth(responses=(*range(1, 20), 50)),
            id="the window",
        ),
    ],
)
def test_a_check_makes_of_one_health_the_next(
    before: PlatformHealth, sample: Sample, after: PlatformHealth
) -> None:
    assert before.after(sample, LIMITS) == after


@pytest.mark.parametrize(
    ("slow", "status", "detail"),
    [
        ((2_000, 2_001, 2_001), HEALTHY, ""),
        ((2_001, 2_001, 2_001), DEGRADED, "answers take 2001 ms"),
    ],
)
def test_slow_answers_are_a_trend_only_if_the_95th_percentile_is_slow(
    slow: tuple[int, ...], status: HealthStatus, detail: str
) -> None:
    limits = replace(LIMITS, window=40)

    found = PlatformHealth(responses=(*[5] * 36, *slow)).after(Sample(5, FRESH), limits)

    assert (found.status, found.detail) == (status, detail)


def test_the_limits_decide_how_much_is_too_much() -> None:
    limits = replace(LIMITS, failures=3, recoveries=1, fresh=timedelta(seconds=2))
    missed = PlatformHealth(failures=1).after(Sample(None, FRESH), limits)

    assert missed == PlatformHealth(failures=2)
    assert missed.after(Sample(None, FRESH), limits).status is DISCONNECTED
    assert WORN.after(Sample(5, FRESH), limits) == PlatformHealth(responses=(5, 6, 5))
    assert WORN.after(Sample(5, stream(2)), limits) == replace(WORN, responses=(5, 6, 5))


# Use ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "connected", "already", "why"),
    [
        (None, True, False, None),
        (None, True, True, None),
        (None, False, False, "no connection"),
        (FRESH, False, False, "no connection"),
        (FRESH, True, False, None),
        (FRESH, True, True, None),
        (stream(30), True, False, None),
        (stream(30), True, True, "no fresh data yet"),
        (stream(80.9), True, False, None),
        (stream(81), True, False, "stream silent for 81 s"),
        (stream(83.9), True, True, "stream silent for 83 s"),
    ],
)
def test_a_platform_that_is_out_of_use_says_why(
    data: Stream | None, connected: bool, already: bool, why: str | None
) -> None:
    assert out_of_use(data, LIMITS, connected=connected, already=already) == why


# Our clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "level", "bound"),
    [
        ("0", DriftLevel.NONE, 0),
        ("9.9", DriftLevel.NONE, 0),
        ("10", DriftLevel.WARNING, 10),
        ("-19.9", DriftLevel.WARNING, 10),
        ("20", DriftLevel.CRITICAL, 20),
        ("-29.9", DriftLevel.CRITICAL, 20),
        ("30", DriftLevel.HALT, 30),
        ("-300", DriftLevel.HALT, 30),
    ],
)
def test_a_drift_has_the_highest_level_whose_bound_it_reaches(
    drift: str, level: DriftLevel, bound: int
) -> None:
    assert DriftLimits(10, 20, 30).judge(Decimal(drift)) == (level, bound)
