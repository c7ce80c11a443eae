from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.laws import reached, reaches
from support.pairs import NOW, pair

from dutchbook.application.market.feed_age import Streams
from dutchbook.application.market.sessions import Sessions
from dutchbook.application.market.watchlist import Watchlist
from dutchbook.config import commented, load
from dutchbook.domain.market.contract import Platform
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
from dutchbook.errors import InvalidInput

LIMITS = HealthLimits()
HEALTHY, DEGRADED, DISCONNECTED = HealthStatus


def stream(seconds: int, *silent: str, received: bool = True) -> Stream:
    return Stream(timedelta(seconds=seconds), received, silent)


FRESH = Sample(5, stream(1))
NO_ANSWER = Sample(None, stream(1))


def after(*samples: Sample, health: PlatformHealth | None = None) -> PlatformHealth:
    health = health or PlatformHealth()
    for sample in samples:
        health = health.after(sample, LIMITS)
    return health


# Platforms ------------------------------------------------------------------------------------


def test_a_single_unanswered_ping_is_not_an_outage() -> None:
    once = after(FRESH, NO_ANSWER)
    now_and_then = after(*[NO_ANSWER, FRESH] * 10)

    assert (once.status, once.connection_state) == (HEALTHY, "unanswered")
    assert now_and_then.status is HEALTHY


def test_two_unanswered_pings_in_a_row_are_a_lost_connection() -> None:
    health = after(FRESH, NO_ANSWER, NO_ANSWER)

    assert (health.status, health.connection_state) == (DISCONNECTED, "disconnected")


def test_recovery_from_an_outage_takes_two_good_checks_in_a_row() -> None:
    lost = after(NO_ANSWER, NO_ANSWER)

    assert after(FRESH, health=lost).status is DISCONNECTED
    assert after(FRESH, NO_ANSWER, FRESH, health=lost).status is DISCONNECTED
    assert after(FRESH, FRESH, health=lost).status is HEALTHY


def test_a_restored_connection_without_data_is_degraded() -> None:
    lost = after(NO_ANSWER, NO_ANSWER)
    silent = Sample(5, stream(70))

    assert after(silent, silent, health=lost).status is DEGRADED


@pytest.mark.parametrize(("seconds", "status"), [(59, HEALTHY), (60, DEGRADED)])
def test_a_minute_without_any_book_update_is_degraded(
    seconds: int, status: HealthStatus
) -> None:
    assert after(Sample(5, stream(seconds))).status is status


def test_recovery_needs_data_fresher_than_half_a_minute() -> None:
    silent = after(Sample(5, stream(60)))
    old, young = Sample(5, stream(30)), Sample(5, stream(29))
    no_update = Sample(5, stream(0, received=False))

    assert after(old, old, old, health=silent).status is DEGRADED
    assert after(no_update, no_update, no_update, health=silent).status is DEGRADED
    assert after(young, young, health=silent).status is HEALTHY


def test_a_frozen_book_is_detected_despite_quick_answers_and_other_updates() -> None:
    health = after(*[FRESH] * 20, Sample(5, stream(1, "KXCUP")))

    assert health.response_time_ms == 5
    assert (health.status, health.detail) == (DEGRADED, "silent: KXCUP")


def test_a_platform_is_degraded_by_two_slow_answers_but_not_by_one() -> None:
    slow = Sample(2_001, stream(1))

    assert after(slow, FRESH, FRESH).status is HEALTHY
    assert after(slow, FRESH, slow).status is DEGRADED
    assert after(Sample(2_000, stream(1)), Sample(2_000, stream(1))).status is HEALTHY


def test_answers_outside_the_window_do_not_count() -> None:
    slow = after(*[Sample(3_000, stream(1))] * 2)

    assert slow.status is DEGRADED
    assert after(*[FRESH] * 18, health=slow).status is DEGRADED
    assert after(*[FRESH] * 21, health=slow).status is HEALTHY


def test_the_response_time_is_the_95th_percentile_by_nearest_rank() -> None:
    counted = after(*[Sample(ms, stream(1)) for ms in range(1, 21)])

    assert counted.response_time_ms == 19
    assert PlatformHealth().response_time_ms is None


def test_a_platform_without_followed_books_is_judged_only_by_its_answers() -> None:
    bare = Sample(5, None)

    assert after(bare, bare).status is HEALTHY
    assert after(Sample(None, None), Sample(None, None), bare, bare).status is HEALTHY


samples = st.builds(
    Sample,
    st.one_of(st.none(), st.integers(0, 5_000)),
    st.builds(
        Stream,
        st.integers(0, 120).map(lambda seconds: timedelta(seconds=seconds)),
        st.booleans(),
        st.sampled_from([(), ("a",)]),
    ),
)


runs = st.lists(st.tuples(samples, st.integers(1, 4)), max_size=20).map(
    lambda drawn: [sample for sample, times in drawn for _ in range(times)]
)
"""Histories in which a sample repeats, as most do: nothing recovers in one check."""


@reaches(better=8)
@given(runs)
def test_a_better_status_takes_at_least_two_checks_in_a_row(history: list[Sample]) -> None:
    worse = list(HealthStatus).index
    health, since = PlatformHealth(), 0
    for sample in history:
        before, health = health, health.after(sample, LIMITS)
        since += 1
        if worse(health.status) < worse(before.status):
            reached("better")
            assert since >= LIMITS.recoveries
            assert sample.response_ms is not None
        if health.status is not before.status:
            since = 0


# Unusable -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent", "received", "connected", "already", "out"),
    [
        (80, True, True, False, False),
        (81, True, True, False, True),
        (81, False, True, False, True),
        (0, True, False, False, True),
        (30, True, True, True, True),
        (29, True, True, True, False),
        (0, False, True, True, True),
    ],
)
def test_a_platform_is_unusable_after_81_s_of_silence_and_until_its_data_is_fresh(
    silent: int, received: bool, connected: bool, already: bool, out: bool
) -> None:
    data = stream(silent, received=received)

    reason = out_of_use(data, LIMITS, connected=connected, already=already)

    assert (reason is not None) is out


def test_a_platform_without_followed_books_is_unusable_only_if_unreachable() -> None:
    assert out_of_use(None, LIMITS, connected=True, already=True) is None
    assert out_of_use(None, LIMITS, connected=False, already=False) == "no connection"


# Streams --------------------------------------------------------------------------------------


def followed(*, heartbeat: bool) -> tuple[Watchlist, Streams]:
    """Follow two pairs in a session that began 90 seconds before `NOW`."""
    other = replace(pair().kalshi, contract_id="kalshi-other")
    watchlist = Watchlist([pair(), pair(match_id="other", kalshi=other)])
    sessions = Sessions()
    sessions.began(NOW - timedelta(seconds=90))
    return watchlist, Streams(watchlist, sessions, heartbeat=heartbeat)


def test_the_age_of_a_platforms_data_is_that_of_its_newest_book() -> None:
    watchlist, streams = followed(heartbeat=True)
    watchlist.books[Platform.KALSHI, "kalshi-cup"].touch(NOW - timedelta(seconds=3), 1)

    found = streams.of(Platform.KALSHI, NOW, LIMITS.silence)

    assert found == stream(3)
    assert streams.of(Platform.POLYMARKET, NOW, LIMITS.silence) == stream(90, received=False)


@pytest.mark.parametrize("heartbeat", [True, False])
def test_a_silent_book_is_named_where_every_book_has_heartbeats(heartbeat: bool) -> None:
    watchlist, streams = followed(heartbeat=heartbeat)
    watchlist.books[Platform.KALSHI, "kalshi-cup"].touch(NOW - timedelta(seconds=3), 1)
    watchlist.books[Platform.KALSHI, "kalshi-other"].touch(NOW - timedelta(seconds=60), 1)

    found = streams.of(Platform.KALSHI, NOW, LIMITS.silence)

    assert found == stream(3, *(["kalshi-other"] if heartbeat else []))


def test_no_updates_are_expected_of_a_closed_contract() -> None:
    watchlist, streams = followed(heartbeat=True)
    closed = pair().kalshi.close_time + timedelta(minutes=5)
    watchlist.books[Platform.KALSHI, "kalshi-cup"].touch(closed - timedelta(minutes=6), 1)
    watchlist.books[Platform.KALSHI, "kalshi-other"].touch(closed, 1)

    assert streams.of(Platform.KALSHI, closed, LIMITS.silence) == stream(0)


# Drift ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drift", "level", "bound"),
    [
        ("99.999", DriftLevel.NONE, 0),
        ("100", DriftLevel.WARNING, 100),
        ("-499.9", DriftLevel.WARNING, 100),
        ("-500", DriftLevel.CRITICAL, 500),
        ("999.9", DriftLevel.CRITICAL, 500),
        ("-1000", DriftLevel.HALT, 1_000),
    ],
)
def test_a_drift_is_judged_by_its_size_in_either_direction(
    drift: str, level: DriftLevel, bound: int
) -> None:
    assert DriftLimits().judge(Decimal(drift)) == (level, bound)


# Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "right"),
    [
        ("paper.outages=kalshi:10", "platform:from-to in seconds"),
        ("paper.silences=kalshi:20-10", "platform:from-to in seconds"),
        ("paper.silences=nyse:10-20", "platform:from-to in seconds"),
        ("health.fresh_seconds=60", "below silence_seconds and protocol_seconds, 60"),
        ("time.critical_ms=99", "at least warning_ms, 100"),
        ("exposure.reminder_seconds=0", "a whole number from 1 to 31536000"),
    ],
)
def test_an_invalid_setting_is_rejected_by_name(setting: str, right: str) -> None:
    with pytest.raises(InvalidInput, match=right) as refused:
        load(None, (setting,))

    assert refused.value.field in setting


def test_the_defaults_are_those_of_the_domain() -> None:
    assert load().health_limits() == HealthLimits()
    assert load().drift_limits() == DriftLimits()


def test_the_commented_settings_contain_the_defaults(tmp_path: object) -> None:
    path = tmp_path / "config.toml"  # type: ignore[operator]
    path.write_text(commented(), encoding="utf-8")

    assert load(path) == load()
    assert "halt_on_weekly = true" in commented()


def test_a_running_session_has_its_start_time() -> None:
    sessions, at = Sessions(), datetime(2026, 7, 5, tzinfo=UTC)

    sessions.began(at)

    assert (sessions.running, sessions.began_at) == (True, at)
    sessions.ended()
    assert not sessions.running
