"""Signals that ask to stop: an interruption before an engine, a drain of it, nothing after."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.program import signals_kept

from dutchbook.runtime.stop_signals import SIGNALS, StopSignals

PATIENCE = 60
ALL = pytest.mark.parametrize("asked", SIGNALS)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with signals_kept():
        yield


def send(asked: signal.Signals) -> None:
    os.kill(os.getpid(), asked)


def handlers() -> list[object]:
    return [signal.getsignal(each) for each in SIGNALS]


async def traded(signals: StopSignals, asked: signal.Signals) -> bool:
    """Be asked to stop while an engine trades; return whether it heard of it."""
    heard = asyncio.Event()
    with signals.stopping(heard.set):
        send(asked)
        with suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), PATIENCE if handled(asked) else 0)
    return heard.is_set()


def handled(asked: signal.Signals) -> bool:
    return signal.getsignal(asked) is not signal.SIG_IGN


@ALL
def test_before_an_engine_trades_it_is_an_interruption(asked: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), StopSignals():
        send(asked)


@ALL
def test_an_engine_hears_of_it(asked: signal.Signals) -> None:
    with StopSignals() as signals:
        assert asyncio.run(traded(signals, asked))


@ALL
def test_after_the_engine_it_no_longer_keeps_the_result_from_being_told(
    asked: signal.Signals,
) -> None:
    with StopSignals() as signals:
        asyncio.run(traded(signals, asked))
        send(asked)


def test_after_an_engine_they_are_ignored_to_the_end_of_the_process() -> None:
    with StopSignals() as signals:
        asyncio.run(traded(signals, signal.SIGTERM))
    assert handlers() == [signal.SIG_IGN] * len(SIGNALS)


def test_without_an_engine_they_do_what_they_did() -> None:
    before = handlers()
    with StopSignals():
        assert handlers() != before
    assert handlers() == before


def test_a_hangup_that_was_ignored_from_the_start_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals:
        send(signal.SIGHUP)
        assert not asyncio.run(traded(signals, signal.SIGHUP))


def test_without_having_been_entered_it_leaves_the_default_behind() -> None:
    signals = StopSignals()
    asyncio.run(traded(signals, signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
