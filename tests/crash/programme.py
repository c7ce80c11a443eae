"""Which cases a run tries: every point so often, recoveries, random instants, drains."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dutchbook.crashpoints import points

from .kills import ANY, TERM, TIME, Case, Ground, Kill, drawn

SCENARIOS = 39
ELSEWHERE: dict[str, str] = {
    "commit detection.opportunity.identified": "follows risk.budget.reserved in its batch",
    "commit execution.position.closed": "follows the fill that closes it",
    "commit execution.position.moved": "follows the fill that moves it",
    "commit execution.single_leg.resolved": "follows the fill that resolves it",
    "commit platform.health.degraded": "follows platform.health.updated in its batch",
    "commit platform.health.disconnected": "follows platform.health.updated in its batch",
    "commit platform.health.recovered": "follows platform.health.updated in its batch",
    "commit risk.budget.committed": "follows what ended the execution in its batch",
    "commit risk.limit.approached": "follows what approached it in its batch",
    "commit risk.limit.breached": "follows what breached it in its batch",
    "commit system.wind_down.started": "follows system.trading.halted in its batch",
    "cancel": "no order of these scenarios rests",
    "unit of work": "the engine writes batches alone",
}
"""What the scenarios do not come by, and why; a run fails if it does come by after all."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many kills of each kind."""

    at_points: int
    in_recovery: int
    three_times: int
    at_random: int
    drains: int
    scenarios: int = SCENARIOS


FULL = Size(at_points=20, in_recovery=100, three_times=25, at_random=600, drains=50)
SHORT = Size(at_points=1, in_recovery=10, three_times=3, at_random=20, drains=5, scenarios=13)


class Programme:
    """What the scenarios come by, and the cases that follow from it."""

    def __init__(self, seed: int, size: Size) -> None:
        self._seed = seed
        self._size = size
        self.profiles: dict[int, Counter[str]] = {}
        self.recoveries: dict[Case, Counter[str]] = {}
        self.seconds: dict[int, float] = {}
        self.wrong: list[str] = []

    def measure(self, ground: Ground, tell: Callable[[int, int], None]) -> None:
        """Live through every scenario unharmed, and note what is passed.

        Some points are passed only by an engine that takes up what another one left.
        """
        for number in range(self._size.scenarios):
            case = Case(self._seed, number, ())
            self.profiles[number], _, wrong = ground.profile(case, fresh=True)
            self.seconds[number] = ground.profile(case, fresh=False)[1]
            self.wrong += [f"scenario {number}, unharmed: {each}" for each in wrong]
            last = self.profiles[number]["before request"]
            for visit in sorted({1, 2, last - 1, last} & set(range(1, last + 1))):
                killed = Case(self._seed, number, (Kill("before request", visit),))
                self.recoveries[killed] = ground.profile(killed, fresh=False)[0]
            tell(number + 1, self._size.scenarios)

    def unreached(self) -> list[str]:
        """Return what is wrong with the list of points that the scenarios do not come by."""
        every = (*self.profiles.values(), *self.recoveries.values())
        total = sum(every, start=Counter[str]())
        found = []
        for name in points():
            excused = name.partition(" ")[2] in ELSEWHERE
            if not excused and not total[name] and self._size.scenarios >= SCENARIOS:
                found.append(f"no scenario comes by: {name}")
            if excused and total[name]:
                found.append(f"a scenario comes by after all: {name}")
        return found

    def cases(self) -> Iterator[Case]:
        """Yield every case of the run; the same for the same seed."""
        yield from self._at_points()
        yield from self._in_recovery()
        yield from self._timed(TIME, self._size.at_random)
        yield from self._timed(TERM, self._size.drains)

    def _at_points(self) -> Iterator[Case]:
        for name in points():
            chance = drawn(self._seed, name)
            for turn in range(self._size.at_points):
                kill = self._drawn(name, chance, turn)
                if kill is not None:
                    yield Case(self._seed, kill[0], (kill[1],))
                elif found := self._drawn_later(name, chance, turn):
                    yield found

    def _in_recovery(self) -> Iterator[Case]:
        size, chance = self._size, drawn(self._seed, "recovery")
        busy = [
            name
            for name in points()
            if name.partition(" ")[2].startswith(("send", "request", "commit execution"))
            or name.endswith("risk.budget.reserved")
        ]
        for turn in range(size.in_recovery + size.three_times):
            kill = None
            while kill is None:
                kill = self._drawn(chance.choice(busy), chance, turn)
            later = 1 if turn < size.in_recovery else 2
            again = tuple(Kill(ANY, chance.randint(1, 120)) for _ in range(later))
            yield Case(self._seed, kill[0], (kill[1], *again))

    def _timed(self, kind: str, times: int) -> Iterator[Case]:
        chance = drawn(self._seed, kind)
        for turn in range(times):
            number = turn % self._size.scenarios
            whole = int(self.seconds[number] * 1000)
            first = 0 if kind == TIME else whole // 5
            yield Case(self._seed, number, (Kill(kind, chance.randint(first, whole)),))

    def _drawn(self, name: str, chance: random.Random, turn: int) -> tuple[int, Kill] | None:
        """Draw a visit of a point, in one scenario after the other."""
        numbers = [number for number, counts in self.profiles.items() if counts[name]]
        if not numbers:
            return None
        number = numbers[turn % len(numbers)]
        return number, Kill(name, chance.randint(1, self.profiles[number][name]))

    def _drawn_later(self, name: str, chance: random.Random, turn: int) -> Case | None:
        """Draw a visit by an engine that takes up what another one left."""
        found = [case for case, counts in self.recoveries.items() if counts[name]]
        if not found:
            return None
        case = found[turn % len(found)]
        kill = Kill(name, chance.randint(1, self.recoveries[case][name]))
        return Case(case.seed, case.number, (*case.kills, kill))
