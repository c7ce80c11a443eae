"""How much capital may be at risk on one pair, and on related pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.memory_journal import MemoryJournal
from support.pairs import NOW, contract, pair
from support.reserving import Limited
from support.runs import HELD, Check, Finished, play
from support.tapes import Quote, quotes

from dutchbook.application.capital.at_risk import CapitalAtRisk
from dutchbook.application.capital.capital import Alone
from dutchbook.bootstrap.paper import PaperRun, build_paper, generated_tape
from dutchbook.config import load
from dutchbook.domain.capital.limits import RiskLimits
from dutchbook.domain.capital.reservation import Spent
from dutchbook.domain.market.contract import Platform
from dutchbook.domain.pair_trades.capital import CapitalChange
from dutchbook.domain.values.units import NOTHING, Money, Quantity
from dutchbook.errors import Conflict
from dutchbook.runtime.clock import TapeClock
from dutchbook.runtime.ids import SeededIds
from dutchbook.runtime.virtual_time import run_virtual
from dutchbook.tape.message import MemoryTape

Tables = dict[str, list[dict[str, Any]]]
FAULTS = (
    "paper.fault_lost_answer=200000",
    "paper.fault_failed_fill=200000",
    "paper.fault_partial=200000",
    "paper.fault_rejected=100000",
)
TIGHT = ("risk.pair_share=0.02", "risk.cluster_share=0.03", *HELD)


def at_stake(tables: Tables) -> Counter[str]:
    """Sum, from rows, reservations and the cost of what is held, by pair."""
    pairs = {row["execution_id"]: row["pair_id"] for row in tables["executions"]}
    found: Counter[str] = Counter()
    standing = set()
    for row in tables["reservations"]:
        if row["status"] == "reserved":
            if row["order_id"] is None:
                standing.add(row["execution_id"])
            found[pairs[row["execution_id"]]] += row["amount"]
    for row in tables["open_positions"]:
        if row["execution_id"] not in standing:
            names = [
                f"{p.value}_{part}" for p in Platform for part in ("cost", "complement_cost")
            ]
            found[row["pair_id"]] += sum(row[name] for name in names)
    return Counter({pair_id: dollars for pair_id, dollars in found.items() if dollars})


def within(
    dollars: int, of: Callable[[str], str] = lambda pair: pair
) -> tuple[Check, list[Any]]:
    """Return a check that no pair, or group of pairs, ever has more capital at risk."""
    most: list[Any] = [Decimal(0)]

    def check(tables: Tables) -> None:
        groups: Counter[str] = Counter()
        for pair_id, each in at_stake(tables).items():
            groups[of(pair_id)] += each
        most[0] = max((most[0], *groups.values()))
        assert most[0] <= dollars

    return check, most


def related(seed: int, *, minutes: int = 60, **facts: Any) -> MemoryTape:
    """Generate a tape whose pairs all have the same facts."""
    tape = generated_tape(seed, minutes=minutes)
    pairs = tuple(replace(each, **facts) for each in tape.meta.pairs)
    return MemoryTape(replace(tape.meta, pairs=pairs), tape.rows)


@pytest.mark.parametrize(("faults", "seed"), [((), 7), (FAULTS, 10)], ids=["well", "faults"])
def test_re_entries_never_take_a_pair_beyond_its_limit(
    faults: tuple[str, ...], seed: int
) -> None:
    check, most = within(300)

    run = play("risk.pair_share=0.03", *HELD, *faults, seed=seed, minutes=30, check=check)

    assert most[0] > 200
    held = Counter(row["pair_id"] for row in run.tables["open_positions"])
    assert max(held.values()) > 1
    assert run.summary["filtered"]["pair_limit"] > 0


def test_without_the_limit_the_same_tape_concentrates_on_one_pair() -> None:
    check, most = within(300)

    with pytest.raises((AssertionError, ExceptionGroup)):
        play(seed=7, minutes=30, check=check)

    assert most[0] > 300


@pytest.mark.parametrize("faults", [(), FAULTS], ids=["well", "faults"])
def test_related_pairs_together_never_exceed_the_limit_of_their_cluster(
    faults: tuple[str, ...],
) -> None:
    check, most = within(300, of=lambda _: "cup")

    run = play(*TIGHT, *faults, tape=related(7, cluster="cup"), check=check)

    assert most[0] > 250
    assert len({row["pair_id"] for row in run.tables["open_positions"]}) > 1


def test_entries_approved_in_one_moment_share_what_their_cluster_has_left() -> None:
    """Each of two fits alone, and neither is committed when the other is checked."""
    check, most = within(150, of=lambda _: "cup")
    matches = [
        pair(
            match_id=name,
            cluster="cup",
            kalshi=contract(Platform.KALSHI, contract_id=f"K-{name}"),
            polymarket=contract(Platform.POLYMARKET, contract_id=f"P-{name}"),
        )
        for name in ("one", "two")
    ]
    books = [
        row
        for name in ("one", "two")
        for row in (
            (Platform.KALSHI, f"K-{name}", (38, 500), (40, 300)),
            (Platform.POLYMARKET, f"P-{name}", (47, 400), (49, 500)),
        )
    ]
    shown = quotes(matches, *books)
    rows = [replace(row, at=NOW, step=0) for row in shown.rows]
    rows += [replace(row, at=NOW + timedelta(seconds=4), step=1) for row in rows]
    tape = MemoryTape(replace(shown.meta, polled=True, last=rows[-1].at), rows)
    limits = ("risk.bankroll=10000", "risk.position_share=0.01", "risk.cluster_share=0.015")

    run = play(*HELD, *limits, tape=tape, check=check)

    assert most[0] > 90
    assert run.engine.queue.refused["cluster_limit"] == 1


def test_a_full_cluster_is_named_as_the_reason() -> None:
    run = play(*TIGHT, tape=related(5, cluster="cup"))

    assert run.summary["filtered"]["cluster_limit"] > 0


def test_pairs_without_a_cluster_have_no_common_limit() -> None:
    run = play("risk.cluster_share=0.04", seed=4, minutes=20)

    assert "cluster_limit" not in run.summary["filtered"]
    assert sum(at_stake(run.tables).values()) > 400


def test_an_uncertain_match_gets_smaller_positions() -> None:
    def largest(confidence: str) -> Decimal:
        run = play(tape=related(7, minutes=20, confidence=Decimal(confidence)))
        positions = run.tables["open_positions"]
        return max(Decimal(sum(row[f"{p}_cost"] for p in Platform)) for row in positions)

    assert largest("1") > 200
    assert largest("0.25") <= 300 * Decimal("0.25") * Decimal("1.1")


@pytest.mark.parametrize("seed", [4, 7])
def test_capital_at_risk_in_memory_is_what_a_new_start_counts(seed: int) -> None:
    run = play(*FAULTS, seed=seed, tape=related(seed, minutes=20, cluster="cup"))

    ours = run.engine.risk.capital.at_risk
    counted = CapitalAtRisk(run.engine.journal)
    run_virtual(counted.load())
    assert ours.dollars == counted.dollars == dict(at_stake(run.tables))
    assert ours.measures() == counted.measures()
    assert sum(ours.dollars.values()) > 0


# The gate itself -------------------------------------------------------------------------

LIMITS = RiskLimits(pair_share=Decimal("0.03"), cluster_share=Decimal("0.05"))


def test_the_gate_rejects_by_the_name_of_the_limit() -> None:
    async def main() -> list[str]:
        gate = Limited(LIMITS)
        await gate.open()
        await gate.reserve("one", 300)
        found = [await gate.refused("one", 2)]
        await gate.reserve("two", 150)
        return [*found, await gate.refused("three", 52), await gate.refused("two", 52)]

    assert run_virtual(main()) == ["pair_limit", "cluster_limit", "cluster_limit"]


def test_released_capital_can_be_reserved_again() -> None:
    async def main() -> Money:
        gate = Limited(LIMITS)
        await gate.open()
        reservation = await gate.reserve("one", 300)
        bought = {p: Spent(Money(Decimal(60)), Money(Decimal(1))) for p in Platform}
        await gate.entries.commit(reservation, bought)
        released = await gate.reserve("one", 179)
        await gate.entries.release(released)
        return gate.risk.capital.at_risk.on("one")

    assert run_virtual(main()) == 120


def test_a_reservation_that_the_database_rejects_leaves_no_capital_at_risk() -> None:
    async def main() -> Money:
        gate = Limited(replace(LIMITS, max_open_pairs=100))
        await gate.open()
        rows = gate.journal._tables
        rows["risk_states"]["default",]["trading_halted"] = True
        await gate.refused("one", 100)
        return gate.risk.capital.at_risk.on("one")

    assert run_virtual(main()) == 0


def test_a_limit_is_reported_once_for_each_crossing_and_when_it_is_reached() -> None:
    async def main() -> list[tuple[str, str, Decimal]]:
        gate = Limited(LIMITS)
        await gate.open()
        await gate.reserve("one", 239)
        second = await gate.reserve("one", 1)
        await gate.reserve("one", 2)
        await gate.entries.release(second)
        await gate.reserve("two", 160)
        await gate.reserve("one", 59)
        return gate.told

    approached, breached = "LimitApproached", "LimitBreached"
    assert run_virtual(main()) == [
        (approached, "pair_capital:one", Decimal(240)),
        (approached, "cluster_capital:cup", Decimal(401)),
        (breached, "pair_capital:one", Decimal(300)),
    ]


def test_a_cluster_that_a_later_tape_names_is_kept() -> None:
    async def main() -> list[Any]:
        journal = MemoryJournal()
        for tape in (related(7, minutes=1), related(7, minutes=1, cluster="cup")):
            clock = TapeClock(tape.meta.first)
            engine = build_paper(load(), tape, journal, clock, seed=7).engine
            engine.committer._ids = SeededIds(7, len(await journal.rows("audit_log")) + 1)
            await engine.lifecycle.start(
                tape.meta.contracts, tape.meta.pairs, {}, mode="paper", run=1, version="x"
            )
        return [(r["cluster"], r["version"]) for r in await journal.rows("contract_matches")]

    assert run_virtual(main()) == [("cup", 2), ("cup", 2)]


# The day's loss -------------------------------------------------------------------------------

LOSS = Decimal(2)
"""Dollars: a hundredth of a percent of the bankroll below, twice."""
LOW = ("risk.bankroll=10000", "risk.daily_loss_share=0.0002")


@pytest.mark.parametrize(
    "faults",
    [
        ("paper.fault_failed_fill=300000",),
        ("paper.fault_rejected=400000", "execution.auto_policy=unwind"),
        ("exits.leave=risk",),
    ],
    ids=["failed fills", "sold legs", "exits"],
)
def test_no_commit_leaves_a_loss_at_its_limit_without_a_halt(faults: tuple[str, ...]) -> None:
    """Whatever lost it: the halt is in the commit that books the loss."""
    reached: list[bool] = []

    def check(tables: Tables) -> None:
        (row,) = tables["risk_states"]
        if -row["daily_pnl"] >= LOSS:
            reached.append(row["trading_halted"])

    play(*LOW, *faults, seed=11, minutes=60, check=check)

    assert reached
    assert all(reached)


def alone(*settings: str, bids: Sequence[int]) -> Finished:
    """Buy 100 at 42 cents on Kalshi, miss the other leg, and show these bids in turn."""

    def paused(paper: PaperRun) -> None:
        paper.platforms.exchanges[Platform.POLYMARKET].paused = True

    match = pair()
    here, there = match.kalshi.contract_id, match.polymarket.contract_id
    steps: list[Quote] = [
        (Platform.POLYMARKET, there, (47, 100), (49, 100)),
        (Platform.KALSHI, here, (40, 100), (42, 100)),
        *(
            row
            for bid in bids
            for row in (
                (Platform.KALSHI, here, (bid, 100), (bid + 2, 100)),
                (Platform.POLYMARKET, there, (2, 100), (4, 100)),
            )
        ),
    ]
    off = ("execution.auto_policy=off", "exits.unhedged_stop=off", "paper.lag_steps=0")
    return play(*HELD, *off, *settings, tape=quotes([match], *steps), prepare=paused)


@pytest.mark.parametrize(
    ("counted", "share", "halted"),
    [
        ("true", "0.0030", True),
        ("true", "0.0060", False),
        ("false", "0.0030", False),
    ],
    ids=["at its worst", "within the limit", "not counted"],
)
def test_an_unhedged_leg_counts_in_the_days_loss_with_its_worst_mark(
    counted: str, share: str, halted: bool
) -> None:
    run = alone(
        "risk.bankroll=10000",
        f"risk.daily_loss_share={share}",
        f"risk.count_unhedged={counted}",
        bids=[3, 40, 40],
    )

    (row,) = run.tables["risk_states"]
    assert row["halt_reason"] == (["daily_loss_limit"] if halted else [])
    assert -row["daily_pnl"] < 30, "nothing of it is realised"


def test_losses_whose_commits_are_under_way_add_up() -> None:
    """Neither alone reaches the limit, and each is committed before the other is known."""
    lost = CapitalChange("one", "one", state={"daily_pnl": Money(Decimal("-1.5"))})

    async def main() -> tuple[bool, bool, bool]:
        gate = Limited(replace(LIMITS, daily_loss_share=2 / LIMITS.bankroll))
        await gate.open()
        halts, capital = gate.risk.halts, gate.risk.capital
        async with (
            halts.with_loss(lost, Alone("p1", NOTHING)) as (first, _),
            halts.with_loss(lost, Alone("p2", NOTHING)) as (second, _),
        ):
            return bool(first), bool(second), capital.state.trading_halted

    assert run_virtual(main()) == (False, True, True)


def test_a_loss_that_the_database_rejects_halts_nothing() -> None:
    lost = CapitalChange("one", "one", state={"daily_pnl": Money(Decimal(-3))})

    async def main() -> tuple[bool, Decimal]:
        gate = Limited(replace(LIMITS, daily_loss_share=2 / LIMITS.bankroll))
        await gate.open()
        capital = gate.risk.capital
        mark = Alone("p1", Quantity(Decimal(1)), Decimal(-1))
        with pytest.raises(Conflict):
            async with gate.risk.halts.with_loss(lost, mark):
                raise Conflict("open_positions", "p1", "another version")
        return capital.state.trading_halted, capital.lost

    assert run_virtual(main()) == (False, Decimal(0))
