"""Work in several processes that share no thread and no lock: they can be ended at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from dutchbook.runtime.stop_signals import SIGNALS

A = TypeVar("A")
B = TypeVar("B")
MASKED = hasattr(signal, "pthread_sigmask")
"""Whether this system lets a thread, and what it starts, not hear a signal."""


class WorkerLost(RuntimeError):
    """A process ended before its work: it was killed, or there was no memory for it."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and the way to it."""

    process: SpawnProcess
    pipe: Connection


def in_processes(work: Callable[[A], B], items: Sequence[A], workers: int) -> Iterator[B]:
    """Yield what `work` returns for each item, in order.

    However it ends, no process is left: one whose work is no longer wanted is killed. Ctrl-C
    reaches this process alone, and each of the others ends with it.

    Args:
        work: A function of a module; the items, what it returns and what it raises can be
            pickled.
        items: What it is called with.
        workers: How many processes, at least one.

    Raises:
        WorkerLost: A process ended before its work.
        Exception: What `work` raises.
    """
    crew: list[_Worker] = []
    if MASKED:
        # Its start unblocks signals: that of the first worker must not start it.
        resource_tracker.ensure_running()
    try:
        for _ in range(min(workers, len(items))):
            with _uninterrupted():
                crew.append(_begun(work))
        yield from _ordered(crew, items)
    finally:
        for each in crew:
            each.process.kill()
            each.process.join()
            each.pipe.close()


def _ordered(crew: Sequence[_Worker], items: Sequence[A]) -> Iterator[Any]:
    """Give each worker its next item once it is free, and yield what comes back in order."""
    waiting = iter(enumerate(items))
    busy: dict[Connection, int] = {}
    done: dict[int, Any] = {}
    free = [each.pipe for each in crew]
    for wanted in range(len(items)):
        while wanted not in done:
            for pipe, (number, item) in zip(free, waiting, strict=False):
                pipe.send(item)
                busy[pipe] = number
            free = [pipe for pipe in wait(list(busy)) if isinstance(pipe, Connection)]
            for pipe in free:
                done[busy.pop(pipe)] = _answer(pipe)
        yield done.pop(wanted)


def _answer(pipe: Connection) -> Any:
    """Return what a worker has returned, or raise what it has raised."""
    try:
        failed, found = pipe.recv()
    except (EOFError, OSError):
        raise WorkerLost("a process ended before its work") from None
    if failed:
        raise found
    return found


def _begun(work: Callable[[Any], Any]) -> _Worker:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, work), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold what asks this process to stop back, and start processes that never hear Ctrl-C.

    What is blocked is inherited, but a thread of a library may still take the signal for this
    process: so its handler waits as well.
    """
    held: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in SIGNALS if here}
    waiting = [each for each, handler in before.items() if callable(handler)]
    for each in waiting:
        signal.signal(each, lambda number, _frame: held.append(number))
    try:
        with _blocked():
            yield
    finally:
        for each in waiting:
            signal.signal(each, before[each])
    if held:
        signal.raise_signal(held[0])


@contextmanager
def _blocked() -> Iterator[None]:
    if not MASKED:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """Do what comes, one after the other, until this process is killed or its parent ends."""
    parent = parent_process()
    assert parent is not None, "another process started this one"

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    while True:
        item = pipe.recv()
        try:
            answer = False, work(item)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is awaited
            answer = True, error
        pipe.send(answer)
