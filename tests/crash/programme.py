"""The cases of a run: every point several times, recoveries, random instants, drains."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dutchbook.ports.crash_points import points

from .awaits import WAYS
from .kills import ANY, AWAIT, TERM, TIME, Case, Kill, Profile, drawn
from .life import WITHIN
from .scenario import COMBINED

FOLLOWS = "follows"
ELSEWHERE: dict[str, str] = {
    "commit detection.opportunity.identified": f"{FOLLOWS} risk.budget.reserved",
    "commit execution.position.closed": f"{FOLLOWS} what closes it",
    "commit execution.position.opened": (
        f"{FOLLOWS} the fill that completes it; it comes first only where a restart gives up on"
        " the last order of legs that a failed fill has made even meanwhile"
    ),
    "commit execution.position.settled": f"{FOLLOWS} execution.leg.settled",
    "commit execution.single_leg.exposure_changed": (
        f"{FOLLOWS} execution.order.filled; alone only where a person's bound refuses"
    ),
    "commit execution.single_leg.resolved": f"{FOLLOWS} the fill that resolves it",
    "commit platform.health.degraded": f"{FOLLOWS} platform.health.updated",
    "commit platform.health.disconnected": f"{FOLLOWS} platform.health.updated",
    "commit platform.health.recovered": f"{FOLLOWS} platform.health.updated",
    "commit risk.budget.committed": f"{FOLLOWS} what ended the execution",
    "commit risk.limit.breached": f"{FOLLOWS} what breached it",
    "unit of work": "the engine writes batches alone, and the desk reads",
}
"""Points that the scenarios do not pass, and why.

A run fails if it passes such a point after all, or if an event that is said to follow another
in its batch is never committed.
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many kills of each kind; `served`: on PostgreSQL.

    `awaits`: how many of those that wait are struck, each `at_awaits` times; None for all.
    """

    at_points: int
    in_recovery: int
    three_times: int
    at_random: int
    least_at_random: int
    drains: int
    served_at_points: int
    served_in_recovery: int
    served_at_random: int
    at_awaits: int
    awaits: int | None = None
    scenarios: int = COMBINED


FULL = Size(
    at_points=20, in_recovery=140, three_times=30, at_random=600, least_at_random=500,
    drains=50,
    served_at_points=2, served_in_recovery=40, served_at_random=100,
    at_awaits=1,
)  # fmt: skip
SHORT = Size(
    at_points=1, in_recovery=10, three_times=3, at_random=20, least_at_random=10, drains=5,
    served_at_points=0, served_in_recovery=3, served_at_random=10,
    at_awaits=1, awaits=12, scenarios=20,
)  # fmt: skip


class Programme:
    """What the scenarios pass, and the cases that follow from it."""

    def __init__(self, seed: int, size: Size) -> None:
        self._seed = seed
        self._size = size
        self.profiles: dict[int, Profile] = {}
        self.recoveries: dict[Case, Profile] = {}
        self.seconds: dict[int, float] = {}

    def unharmed(self) -> list[Case]:
        """Return the cases that are measured first: every scenario, without a kill."""
        return [Case(self._seed, number, ()) for number in range(self._size.scenarios)]

    def recovering(self) -> list[Case]:
        """Return the cases that are measured next: engines that recover what a killed one left.

        Only they pass some of the points.
        """
        found = []
        for number, profile in self.profiles.items():
            last = profile.counts["before request"]
            visits = sorted({1, 2, last - 1, last} & set(range(1, last + 1)))
            kills = (Kill("before request", visit) for visit in visits)
            found += [Case(self._seed, number, (kill,)) for kill in kills]
        return found

    @property
    def wrong(self) -> list[str]:
        """What the oracle finds wrong in cases without a kill."""
        every = [*self.profiles.items(), *self.recoveries.items()]
        return [f"{case}, not killed: {each}" for case, seen in every for each in seen.wrong]

    def unreached(self) -> list[str]:
        """Return the errors in the list of points that the scenarios do not pass."""
        every = (*self.profiles.values(), *self.recoveries.values())
        total = sum((each.counts for each in every), start=Counter[str]())
        kept = sum((each.within for each in every), start=Counter[str]())
        whole = self._size.scenarios >= COMBINED
        found = []
        for name in points():
            what = name.partition(" ")[2]
            reason = ELSEWHERE.get(what)
            if reason is None and whole and not total[name]:
                found.append(f"no scenario comes by: {name}")
            if reason is not None and total[name]:
                found.append(f"a scenario comes by after all: {name}")
            if whole and (reason or "").startswith(FOLLOWS) and not kept[f"{WITHIN} {what}"]:
                found.append(f"it {reason} and is never kept: {what}")
        return found

    def cases(self, *, served: bool) -> Iterator[Case]:
        """Yield every case of the run; the same for the same seed."""
        size = self._size
        yield from self._at_points("", size.at_points)
        yield from self._in_recovery("", size.in_recovery, size.three_times)
        yield from self._timed(TIME, "", size.at_random)
        yield from self._timed(TERM, "", size.drains)
        yield from self._at_awaits()
        if served:
            more = (
                self._at_points("served", size.served_at_points),
                self._in_recovery("served", size.served_in_recovery, 0),
                self._timed(TIME, "served", size.served_at_random),
            )
            for each in more:
                yield from (replace(case, on_server=True) for case in each)

    def timed_again(self, turn: int, left: int) -> Iterator[Case]:
        """Yield more random instants, as `left` of the earlier ones met an ended engine."""
        yield from self._timed(TIME, f"again {turn}", left + left // 2)

    def _at_points(self, salt: str, times: int) -> Iterator[Case]:
        for name in points():
            chance = drawn(self._seed, name + salt)
            for turn in range(times):
                kill = self._drawn(name, chance, turn)
                if kill is not None:
                    yield Case(self._seed, kill[0], (kill[1],))
                elif found := self._drawn_later(name, chance, turn):
                    yield found

    def waits(self) -> dict[str, list[tuple[Case, int]]]:
        """Return, by site, the cases in which a task waits there, and how often."""
        found: dict[str, list[tuple[Case, int]]] = {}
        unharmed = ((Case(self._seed, n, ()), seen) for n, seen in self.profiles.items())
        for case, seen in (*unharmed, *self.recoveries.items()):
            for site, times in seen.awaits.items():
                found.setdefault(site, []).append((case, times))
        return found

    def _at_awaits(self) -> Iterator[Case]:
        """Cancel and fail, at drawn visits, the awaits at which a task waits, or drawn ones."""
        found = sorted(self.waits().items())
        if self._size.awaits is not None:
            found = drawn(self._seed, AWAIT).sample(found, min(len(found), self._size.awaits))
        for site, cases in found:
            chance = drawn(self._seed, site)
            for way, _ in itertools.product(WAYS, range(self._size.at_awaits)):
                name = f"{AWAIT}{way} {site.removeprefix(AWAIT)}"
                case, times = chance.choice(cases)
                kill = Kill(name, chance.randint(1, times))
                yield replace(case, kills=(*case.kills, kill))

    def _in_recovery(self, salt: str, once: int, twice: int) -> Iterator[Case]:
        chance = drawn(self._seed, "recovery" + salt)
        busy = [
            name
            for name in points()
            if name.partition(" ")[2].startswith(BUSY) or name.endswith("risk.budget.reserved")
        ]
        for turn in range(once + twice):
            kill = None
            while kill is None:
                kill = self._drawn(chance.choice(busy), chance, turn)
            later = 1 if turn < once else 2
            again = tuple(Kill(ANY, chance.randint(1, RECOVERING)) for _ in range(later))
            yield Case(self._seed, kill[0], (kill[1], *again))

    def _timed(self, kind: str, salt: str, times: int) -> Iterator[Case]:
        chance = drawn(self._seed, kind + salt)
        for turn in range(times):
            number = turn % self._size.scenarios
            whole = int(self.seconds[number] * 1000)
            first = 0 if kind == TIME else whole // 5
            yield Case(self._seed, number, (Kill(kind, chance.randint(first, whole)),))

    def _drawn(self, name: str, chance: random.Random, turn: int) -> tuple[int, Kill] | None:
        """Draw a visit of a point, from each scenario in turn."""
        numbers = [number for number, seen in self.profiles.items() if seen.counts[name]]
        if not numbers:
            return None
        number = numbers[turn % len(numbers)]
        return number, Kill(name, chance.randint(1, self.profiles[number].counts[name]))

    def _drawn_later(self, name: str, chance: random.Random, turn: int) -> Case | None:
        """Draw a visit of a point by an engine that recovers what a killed one left."""
        found = [case for case, seen in self.recoveries.items() if seen.counts[name]]
        if not found:
            return None
        case = found[turn % len(found)]
        kill = Kill(name, chance.randint(1, self.recoveries[case].counts[name]))
        return replace(case, kills=(*case.kills, kill))


BUSY = ("send", "request", "commit execution", "commit operator", "merge", "redeem")
"""Points at which a killed engine leaves something half done."""
RECOVERING = 120
"""Points, at least, that an engine passes until it trades again."""
