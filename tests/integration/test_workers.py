"""Work in several processes: what comes back, and that nothing is left."""

from __future__ import annotations

import os
import signal
import time
from itertools import islice
from multiprocessing import active_children

import pytest

from dutchbook.runtime.workers import WorkerLost, in_processes


def later(tenths: int) -> tuple[int, int]:
    time.sleep(tenths / 10)
    return tenths, os.getpid()


def refused(number: int) -> int:
    if number == 1:
        raise ValueError("one is no number")
    return number


def killed(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_the_order_of_the_work_and_from_several_processes() -> None:
    found = list(in_processes(later, [6, 0, 1, 0, 2], 2))

    assert [each for each, _ in found] == [6, 0, 1, 0, 2]
    workers = {worker for _, worker in found}
    assert len(workers) == 2
    assert os.getpid() not in workers


def test_no_more_processes_are_started_than_there_is_work() -> None:
    assert len({worker for _, worker in in_processes(later, [0], 8)}) == 1
    assert list(in_processes(later, [], 8)) == []


def test_what_a_worker_raises_is_raised_where_its_result_is_awaited() -> None:
    with pytest.raises(ValueError, match="one is no number"):
        list(in_processes(refused, [0, 1, 2], 1))

    assert active_children() == []


def test_a_worker_that_is_killed_is_told_and_the_others_end() -> None:
    with pytest.raises(WorkerLost):
        list(in_processes(killed, [0, 1, 2, 3], 2))

    assert active_children() == []


def test_work_that_is_no_longer_wanted_is_ended_at_once() -> None:
    begun = time.monotonic()
    results = in_processes(later, [0, 300, 300], 2)
    assert [each for each, _ in islice(results, 1)] == [0]

    results.close()  # type: ignore[attr-defined]

    assert active_children() == []
    assert time.monotonic() - begun < 20
