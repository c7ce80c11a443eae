"""A pytest plugin: which tests call which function, and each mutant against those tests.

The tests are collected once. Each mutant runs in a fork of that process until a test fails:
first the tests that caught other mutants of the function or of its module, the last one first,
then the most specific ones.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

JOB = "MUTATION_JOB"
"""The variable that names the file of the job."""
STATS, NONE = "stats", ""
SURVIVED, CAUGHT, ENDLESS, UNTESTED, CUT = "survived", "caught", "endless", "untested", "cut"
CODES = {0: SURVIVED, 1: CAUGHT, 24: ENDLESS, 25: CUT}
LIMIT = "support.time_limit"
PATIENCE, LEAST = 20, 3.0
"""A mutant is endless once a test takes so many times as long, and at least these seconds."""
MEMORY = 4 << 30


class Session:
    """Runs in the place of pytest's own loop over the tests.

    The job, a JSON file, has: `known`, the file that keeps what tests call; `results`, a file
    to append to; `mutants`, each with `key`, `tested` and `identity`; `seconds`, at most for
    one mutant; and `workers`. Results are JSON lines: identity, outcome, and the test that
    caught it.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._known = Path(job["known"])
        self._results = Path(job["results"])
        self._mutants: Sequence[Mapping[str, str]] = job["mutants"]
        self._seconds: float = job["seconds"]
        self._workers: int = job["workers"]
        self._failed = False
        self._caches: list[Callable[[], None]] = []
        self._running: dict[int, tuple[Mapping[str, str], Path]] = {}
        self._found: dict[str, dict[str, None]] = defaultdict(dict)

    # What pytest calls
    # ------------------------------------------------------------------------------------

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Note what each test calls, then try the mutants."""
        items = {item.nodeid: item for item in session.items}
        self._caches = list(_caches())
        known = self._stats(items)
        self._try_all(items, known)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test has failed."""
        if report.failed:
            self._failed = True

    # What tests call
    # ------------------------------------------------------------------------------------

    def _stats(self, items: Mapping[str, pytest.Item]) -> dict[str, dict[str, Any]]:
        """Return for each test the functions that it calls, and its seconds."""
        known: dict[str, dict[str, Any]] = {}
        if self._known.exists():
            known = json.loads(self._known.read_text(encoding="utf-8"))
        unknown = [item for name, item in items.items() if name not in known]
        set_mutant_under_test(STATS)
        for number, item in enumerate(unknown):
            self._forget()
            state()._stats.clear()
            began = time.process_time()
            following = unknown[number + 1] if number + 1 < len(unknown) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                pytest.exit(f"{item.nodeid} fails without a mutant", 1)
            seconds = round(time.process_time() - began, 4)
            known[item.nodeid] = {"calls": sorted(state()._stats), "seconds": seconds}
        set_mutant_under_test(NONE)
        self._known.write_text(json.dumps(known), encoding="utf-8")
        return known

    def _forget(self) -> None:
        """Clear what cached functions know from before: their mutants would not be called."""
        for clear in self._caches:
            clear()

    # Mutants
    # ------------------------------------------------------------------------------------

    def _try_all(
        self, items: Mapping[str, pytest.Item], known: Mapping[str, Mapping[str, Any]]
    ) -> None:
        covering: dict[str, list[str]] = {}
        for name in items:
            for function in known[name]["calls"]:
                covering.setdefault(function, []).append(name)
        for tests in covering.values():
            tests.sort(key=lambda name: (len(known[name]["calls"]), known[name]["seconds"]))
        with self._results.open("a", encoding="utf-8") as results:
            for mutant in self._mutants:
                tests = covering.get(mutant["tested"], [])
                if not tests:
                    _note(results, mutant["identity"], UNTESTED, "")
                    continue
                while len(self._running) >= self._workers:
                    self._reap(results)
                ordered = self._likeliest(mutant["tested"], tests)
                self._fork(mutant, [(items[name], known[name]["seconds"]) for name in ordered])
            while self._running:
                self._reap(results)

    def _likeliest(self, tested: str, tests: Sequence[str]) -> list[str]:
        """Return the tests of a function, those first that caught a mutant of it or near it."""
        calling = dict.fromkeys(tests)
        near = (name for scope in _scopes(tested) for name in reversed(self._found[scope]))
        return list(dict.fromkeys(name for name in (*near, *tests) if name in calling))

    def _fork(
        self, mutant: Mapping[str, str], tests: Sequence[tuple[pytest.Item, float]]
    ) -> None:
        told = self._results.with_name(f"told.{time.monotonic_ns()}")
        sys.stdout.flush()
        child = os.fork()
        if child:
            self._running[child] = (mutant, told)
            return
        code = 1
        try:
            code = self._child(mutant["key"], tests, told)
        finally:
            os._exit(code)

    def _child(self, key: str, tests: Sequence[tuple[pytest.Item, float]], told: Path) -> int:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGALRM, lambda *_: os._exit(24))
        plugins = tests[0][0].config.pluginmanager
        plugins.unregister(name="terminalreporter")
        if plugins.has_plugin(LIMIT):  # its alarm would take the place of ours
            plugins.unregister(name=LIMIT)
        self._forget()
        set_mutant_under_test(key)
        self._failed, spent = False, 0.0
        for number, (item, seconds) in enumerate(tests):
            if spent > self._seconds:
                return 25
            signal.setitimer(signal.ITIMER_REAL, max(LEAST, PATIENCE * seconds))
            began = time.process_time()
            following = tests[number + 1][0] if number + 1 < len(tests) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                told.write_text(item.nodeid, encoding="utf-8")
                return 1
            spent += time.process_time() - began
        return 0

    def _reap(self, results: TextIO) -> None:
        child, status = os.wait()
        if child not in self._running:
            return
        mutant, told = self._running.pop(child)
        code = os.waitstatus_to_exitcode(status)
        by = ""
        if told.exists():
            by = told.read_text(encoding="utf-8")
            told.unlink()
            for scope in _scopes(mutant["tested"]):
                self._found[scope].pop(by, None)
                self._found[scope][by] = None
        _note(results, mutant["identity"], CODES.get(code, CAUGHT), by)


def _caches() -> Iterator[Callable[[], None]]:
    """Yield what clears each cached function or method of the program."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "dutchbook":
            places = [
                module,
                *(each for each in vars(module).values() if isinstance(each, type)),
            ]
            for each in (value for place in places for value in vars(place).values()):
                if callable(clear := getattr(each, "cache_clear", None)):
                    yield clear


def _scopes(tested: str) -> Sequence[str]:
    """Return a function's name, and that of its module, as it stands in a job."""
    return tested, tested.rpartition(".")[0]


def _note(results: TextIO, identity: str, outcome: str, by: str) -> None:
    results.write(json.dumps({"identity": identity, "outcome": outcome, "by": by}) + "\n")
    results.flush()


def pytest_configure(config: pytest.Config) -> None:
    """Take over the loop if there is a job."""
    if JOB in os.environ:
        job = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
        config.pluginmanager.register(Session(job), "mutation")


def results_of(lines: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the outcome and the catching test of each mutant, by identity."""
    found = (json.loads(line) for line in lines if line.endswith("}"))
    return {each["identity"]: (each["outcome"], each["by"]) for each in found}
