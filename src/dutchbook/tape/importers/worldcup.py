"""The World Cup recording: both platforms' best prices, polled together.

Each line is one poll of one book: ``ts`` (start of the poll, ms), ``t_fetch`` (when this book
was fetched, ms), ``venue``, ``pair`` ("<Kalshi ticker>:<Polymarket YES token>"), ``bid`` and
``ask`` in cents of YES with their sizes as text, null where a side is empty, ``venue_ts``
(Polymarket's own time, ms). A file is a session, a poll a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from dutchbook.domain.market.book import ASK, BID
from dutchbook.domain.market.contract import (
    Contract,
    ContractMatch,
    DivergenceClass,
    Platform,
    Sizing,
)
from dutchbook.domain.market.fees import FeeSchedule, kalshi_terms, polymarket_schedule
from dutchbook.domain.values.units import (
    Money,
    PriceGrid,
    Quantity,
    decimal,
    price,
    quantity,
    to_e4,
    to_e6,
)
from dutchbook.errors import InvalidInput, TapeError
from dutchbook.tape.importers.continuity import Notices
from dutchbook.tape.importers.facts import Facts, Grids, assumptions
from dutchbook.tape.importers.rebuild import NS_PER_MS, WORLD_CUP, polled_line
from dutchbook.tape.importers.source import (
    Imported,
    Line,
    Meter,
    Source,
    Wish,
    cut_off,
    in_order,
    lines,
    objects,
    plain_name,
)
from dutchbook.tape.message import TapeMeta
from dutchbook.tape.metadata import RecordedFile, Recording
from dutchbook.tape.rows import Rows
from dutchbook.tape.stored import Level, StoredKind, StoredMessage, grid_levels, instant

SOURCE = "Kalshi and Polymarket polled together, World Cup winner contracts, July 2026"
EARLIEST_MS, LATEST_MS = 1_262_304_000_000, 4_102_444_800_000
"""The years 2010 and 2100; no recording is from another time."""

MS_PER_SECOND = 1_000
NO_QUOTE = (0, 100)
"""Cents that a platform reports for a side on which nobody quotes."""
RESOLUTION = datetime(2026, 7, 19, tzinfo=UTC)
TICK = "0.001"
KALSHI_SIZING = Sizing(
    Quantity(Decimal("0.01")), Quantity(Decimal("0.01")), Money(Decimal(0)), cent_exact=False
)
POLYMARKET_SIZING = Sizing(
    Quantity(Decimal("0.01")), Quantity(Decimal(5)), Money(Decimal(1)), cent_exact=True
)
IDENTICAL_PROBABILITY = Decimal("0.0005")


@dataclass(slots=True)
class _Reading:
    """State of an import: what is known about the recording so far."""

    rows: Rows
    grids: Grids
    notices: Notices = field(default_factory=Notices)
    recording: Recording = field(default_factory=lambda: Recording(WORLD_CUP, []))
    contracts: dict[tuple[Platform, str], None] = field(default_factory=dict)
    pairs: dict[tuple[str, str], None] = field(default_factory=dict)
    step: int = -1
    cycle: int = 0
    fetched: int = 0
    first: int = 0

    def take(self, line: Line, session: int) -> None:
        """Store one line."""
        try:
            row = objects(line)
        except TapeError:
            if cut_off(line, self.notices):
                return
            raise
        try:
            message = self._message(line, row, session)
        except InvalidInput as error:
            raise line.error(error) from error
        if polled_line(message, self.recording) != row:
            message = replace(message, raw=line.text.decode())
        assert message.contract_id is not None, "every row is about a contract"
        if found := self.grids.proven(message.platform, message.contract_id, message.levels):
            grid, words = found
            self.notices.note(words)
            note = replace(message, kind=StoredKind.GRID, levels=grid_levels(grid), raw=None)
            self.rows.add(replace(note, cycle_ns=None, platform_us=None))
        self.rows.add(message)

    def _message(self, line: Line, row: Mapping[str, Any], session: int) -> StoredMessage:
        cycle, fetched = (
            in_order(line, _time(row, name), last, MS_PER_SECOND, self.notices)
            for name, last in (("ts", self.cycle), ("t_fetch", self.fetched))
        )
        if cycle != self.cycle:
            self.step += 1
        self.first = self.first or fetched
        self.cycle, self.fetched = cycle, fetched
        platform = _platform(row)
        contract_id = self._contract(row, platform)
        theirs = row.get("venue_ts")
        return StoredMessage(
            at_ns=fetched * NS_PER_MS,
            cycle_ns=cycle * NS_PER_MS,
            step=self.step,
            session=session,
            platform=platform,
            contract_id=contract_id,
            kind=StoredKind.SNAPSHOT,
            levels=_levels(row),
            platform_us=None
            if theirs is None
            else _time({"venue_ts": theirs}, "venue_ts") * 1_000,
        )

    def _contract(self, row: Mapping[str, Any], platform: Platform) -> str:
        name = row.get("pair")
        readable = isinstance(name, str) and name.isascii() and name.isprintable()
        halves = str(name).split(":") if readable else []
        if len(halves) != len(Platform) or not all(halves):
            raise InvalidInput("pair", name, "'<Kalshi ticker>:<Polymarket YES token>'")
        kalshi, polymarket = halves
        self.pairs.setdefault((kalshi, polymarket))
        for each, contract_id in zip(Platform, halves, strict=True):
            self.contracts.setdefault((each, contract_id))
            self.recording.pairs.setdefault(contract_id, f"{kalshi}:{polymarket}")
        return kalshi if platform is Platform.KALSHI else polymarket


def read(source: Source, wish: Wish) -> Imported:
    """Read the recording at `source`.

    Raises:
        TapeError: Names the file and the line.
    """
    overrides = wish.overrides
    grids = Grids(lambda *key: overrides.grid(_facts(*key)))
    reading = _Reading(wish.rows, grids)
    meter = Meter(source.size, wish.progress)
    for session, file in enumerate(source.files):
        before = reading.rows.messages
        for line in lines(file, meter, reading.notices):
            reading.take(line, session)
        held = reading.rows.messages - before
        reading.recording.files.append(RecordedFile(plain_name(file), held))
    facts = {key: _facts(*key) for key in reading.contracts}
    for each in facts.values():
        overrides.apply(each)
    contracts = {key: each.contract() for key, each in facts.items()}
    pairs = tuple(
        overrides.pair(
            _pair(contracts[Platform.KALSHI, kalshi], contracts[Platform.POLYMARKET, token])
        )
        for kalshi, token in reading.pairs
    )
    meta = TapeMeta(
        name=_name(source.path),
        source=SOURCE,
        contracts=tuple(contracts.values()),
        pairs=pairs,
        polled=True,
        top_only=True,
        assumed=assumptions(facts.values()),
        seed=None,
        messages=reading.rows.messages,
        first=instant(reading.first * 1_000),
        last=instant(reading.fetched * 1_000),
        noticed=reading.notices.lines(),
    )
    return Imported(reading.rows, meta, reading.recording)


def _name(path: Path) -> str:
    return path.resolve().name.split(".")[0]


def _pair(kalshi: Contract, polymarket: Contract) -> ContractMatch:
    return ContractMatch(
        match_id=kalshi.contract_id,
        kalshi=kalshi,
        polymarket=polymarket,
        divergence_class=DivergenceClass.IDENTICAL,
        divergence_probability=IDENTICAL_PROBABILITY,
    )


def _time(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if name == "venue_ts" and isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or not EARLIEST_MS <= value <= LATEST_MS:
        raise InvalidInput(name, row.get(name), "milliseconds since 1970")
    return value


def _platform(row: Mapping[str, Any]) -> Platform:
    try:
        return Platform(row.get("venue"))  # type: ignore[arg-type]
    except ValueError:
        raise InvalidInput("venue", row.get("venue"), "kalshi or polymarket") from None


def _levels(row: Mapping[str, Any]) -> tuple[Level, ...]:
    found = []
    for side, name in ((BID, "bid"), (ASK, "ask")):
        for each in (name, f"{name}_sz"):
            if each not in row:
                raise InvalidInput(each, None, "there; null says that the side is empty")
        cents, size = row[name], row[f"{name}_sz"]
        if cents is None and size is None:
            continue
        quoted = decimal(cents, name)
        if quoted in NO_QUOTE:
            continue
        dollars = price(quoted / 100, field=f"{name} (in dollars)")
        found.append((side, to_e4(dollars), to_e6(quantity(size, field=f"{name}_sz"))))
    return tuple(found)


def _facts(platform: Platform, contract_id: str) -> Facts:
    """Return the assumed facts of a contract; the recording has only its prices."""
    facts = Facts(platform, contract_id)
    kalshi = platform is Platform.KALSHI
    team = "the team named by its ticker" if kalshi else "the team of its Kalshi contract"
    facts.assume("title", f"World Cup winner 2026: {contract_id}", "made of its id")
    facts.assume("rules", f"Resolves to YES if {team} wins the 2026 World Cup.", "not recorded")
    facts.assume("grid", PriceGrid.of_tick(TICK), f"tick {TICK}")
    if kalshi:
        facts.assume("sizing", KALSHI_SIZING, "steps of 0.01 contracts")
        facts.assume("fees", FeeSchedule((kalshi_terms("quadratic"),)), "taker 7 %")
        facts.assume("cash_delay", timedelta(days=1), "one day after resolution")
    else:
        facts.assume("sizing", POLYMARKET_SIZING, "5 shares and 1 dollar at least, whole cents")
        facts.assume(
            "fees", polymarket_schedule("sports"), "sports, taker 3 % until 2026-07-10"
        )
        facts.assume("cash_delay", timedelta(days=2), "two days after resolution")
    for name in ("close_time", "resolution_time"):
        facts.assume(name, RESOLUTION, f"{RESOLUTION:%Y-%m-%d}")
    return facts
