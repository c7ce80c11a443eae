"""One writer (I-29): the lease is taken once, renewed by commits, and fences off old epochs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.clocks import Hand
from support.databases import AnyJournal, event
from support.rows import everything, order_row

from dutchbook.application.operator.command_rows import halting
from dutchbook.application.records.committer import Committer
from dutchbook.application.records.lease import ENGINE, Fence, take, turn
from dutchbook.domain.capital.limits import Grade
from dutchbook.errors import Conflict, Halted, LeaseHeld, LeaseLost
from dutchbook.persistence.database import Database
from dutchbook.ports.halt_file import HaltNote
from dutchbook.ports.journal import Batch, Insert, Receipt, Update
from dutchbook.runtime.halt_file import FileOfHalt
from dutchbook.runtime.ids import RandomIds
from dutchbook.runtime.virtual_time import turnstile

TERM = timedelta(seconds=10)


async def _until(clock: Hand, elapsed: float) -> None:
    """Wait until sleeping tasks have moved the clock this far."""
    while clock.elapsed < elapsed:  # noqa: ASYNC110 - there is nobody to set an event
        await asyncio.sleep(0.001)


def never(holder: str) -> bool:
    assert holder
    return False


def on(url: str, work: Callable[[AnyJournal, Hand], Awaitable[Any]]) -> Any:
    """Prepare a database, and run `work` on it."""
    Database.at(url).prepare("paper")

    async def main() -> Any:
        journal = Database.at(url).journal(turnstile())
        await journal.open()
        try:
            return await work(journal, Hand())
        finally:
            await journal.close()

    return asyncio.run(main())


def metadata(key: str) -> Batch:
    return Batch((Insert("system_metadata", {"key": key, "value": "x"}),))


def test_the_lease_is_not_granted_while_another_engine_has_it(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> list[int]:
        first = await take(journal, clock, "a", TERM, never)
        clock.elapsed = 9.999
        with pytest.raises(LeaseHeld, match=r"\(a\) holds the lease until .*--standby"):
            await take(journal, clock, "b", TERM, never)
        clock.elapsed = 10.0
        second = await take(journal, clock, "b", TERM, never)
        return [first.epoch, second.epoch]

    assert on(database_url, work) == [1, 2]


def test_a_released_lease_can_be_taken_at_once(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> list[bool]:
        first = await take(journal, clock, "a", TERM, never)
        await first.release(journal)
        second = await take(journal, clock, "b", TERM, never)
        clock.elapsed = 100
        third = await take(journal, clock, "c", TERM, never)
        return [first.unclean, second.unclean, third.unclean]

    assert on(database_url, work) == [False, False, True]


def test_a_release_by_an_old_epoch_is_a_conflict_and_frees_nothing(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> tuple[str, int]:
        old = await take(journal, clock, "a", TERM, never)
        clock.elapsed = 11
        await take(journal, clock, "b", TERM, never)
        with pytest.raises(Conflict):
            await old.release(journal)
        with pytest.raises(LeaseHeld, match=r"\(b\)"):
            await take(journal, clock, "c", TERM, never)
        lease = (await journal.rows("leases", ENGINE))[0]
        return lease["holder"], lease["epoch"]

    assert on(database_url, work) == ("b", 2)


def test_the_lease_of_a_process_that_has_ended_can_be_taken_at_once(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> Fence:
        await take(journal, clock, "dead", TERM, never)
        return await take(journal, clock, "b", TERM, lambda holder: holder == "dead")

    fence = on(database_url, work)

    assert (fence.epoch, fence.unclean) == (2, True)


def test_of_many_that_take_the_lease_at_once_one_gets_it(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> int:
        async def one(name: str) -> bool:
            try:
                await take(journal, clock, name, TERM, never)
            except LeaseHeld:
                return False
            return True

        return sum(await asyncio.gather(*(one(str(n)) for n in range(8))))

    assert on(database_url, work) == 1


def test_a_stale_epoch_can_never_write(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> tuple[list[str], list[str]]:
        old = await take(journal, clock, "a", TERM, never)
        committer = Committer(journal, clock, RandomIds(), old)
        await committer.commit(metadata("kept"))
        clock.elapsed = 11
        await take(journal, clock, "b", TERM, never)
        for batch in (metadata("late"), Batch(events=(event("late"),)), Batch()):
            with pytest.raises(LeaseLost, match="taken over by b"):
                await committer.commit(batch)
        assert not old.held
        keys = [row["key"] for row in await journal.rows("system_metadata")]
        names = [row["name"] for row in await journal.rows("audit_log")]
        return sorted(keys), names

    assert on(database_url, work) == (["kept", "mode"], ["system.records.changed"])


def test_every_commit_renews_and_so_does_an_idle_engine(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> None:
        fence = await take(journal, clock, "a", TERM, never)
        committer = Committer(journal, clock, RandomIds(), fence)
        clock.elapsed = 8
        await committer.commit(metadata("x"))
        clock.elapsed = 17.999
        assert fence.held
        with pytest.raises(LeaseHeld):
            await take(journal, clock, "b", TERM, never)
        clock.elapsed = 18
        seen = [fence.held]
        await fence.renew(journal)
        seen.append(fence.held)
        keeping = asyncio.ensure_future(fence.keep(journal))
        await _until(clock, 60)
        keeping.cancel()
        assert [*seen, fence.held] == [False, True, True]

    on(database_url, work)


def test_a_clock_that_was_set_forward_ends_the_belief_in_a_lease(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> list[bool]:
        fence = await take(journal, clock, "a", TERM, never)
        held = [fence.held]
        clock.ahead = timedelta(hours=1)
        return [*held, fence.held]

    assert on(database_url, work) == [True, False]


def _order(purpose: str, working: int = 1) -> Batch:
    row = order_row(f"{purpose}{working}", purpose=purpose, working_size=working)
    return Batch((Insert("orders", row),))


@pytest.mark.parametrize("grade", Grade)
@pytest.mark.parametrize("purpose", ["entry", "hedge", "exit", "unwind"])
def test_a_halt_of_another_process_stops_orders_from_its_commit_on(
    database_url: str, grade: Grade, purpose: str
) -> None:
    """I-16: the caller that places the order knows nothing of the halt."""

    async def work(journal: AnyJournal, clock: Hand) -> tuple[bool, int]:
        parents = ("contract_matches", "opportunities", "executions")
        await journal.commit(Batch(tuple(w for w in everything() if w.table in parents)))
        fence = await take(journal, clock, "a", TERM, never)
        committer = Committer(journal, clock, RandomIds(), fence)
        if grade:
            lease = (await journal.rows("leases", ENGINE))[0]
            await journal.commit(Batch((halting(lease, grade),)))
        kept = True
        try:
            await committer.commit(_order(purpose))
        except Halted:
            kept = False
        await committer.commit(_order(purpose, working=0))  # a record, never to be sent
        await committer.commit(metadata("facts"))
        return kept, len(await journal.rows("orders"))

    allowed = grade is Grade.TRADING or (grade is Grade.NO_ENTRIES and purpose != "entry")
    assert on(database_url, work) == (allowed, 1 + allowed)


def test_a_halt_that_arrives_while_another_is_lifted_stays(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> list[int]:
        fence = await take(journal, clock, "a", TERM, never)
        committer = Committer(journal, clock, RandomIds(), fence)

        async def halt() -> None:
            lease = (await journal.rows("leases", ENGINE))[0]
            await journal.commit(Batch((halting(lease, Grade.NO_ENTRIES),)))

        async def halted() -> int:
            return int((await journal.rows("leases", ENGINE))[0]["halted"])

        await halt()
        lease = await fence.look(journal)
        assert lease is not None
        fence.known(lease, 1)
        waiting = fence.lifted()
        fence.pending = 0
        await halt()
        with pytest.raises(Conflict):
            await committer.commit(Batch(fence.lifted()))
        seen = [len(waiting), await halted()]
        lease = await fence.look(journal)
        assert lease is not None
        fence.known(lease, 0)
        await committer.commit(Batch(fence.lifted()))
        return [*seen, await halted(), int(fence.halted)]

    assert on(database_url, work) == [0, 1, 0, 0]


def test_a_stronger_halt_is_not_weakened_by_a_weaker_one() -> None:
    lease = {"halted": 2}

    assert halting(lease, Grade.NO_ENTRIES).put == {"halted": 2}


def test_a_standby_waits_for_the_end_of_a_term_that_it_observed_itself(
    database_url: str,
) -> None:
    """The standby's clock is an hour ahead, and yet the holder keeps a lease that it renews."""

    async def work(journal: AnyJournal, clock: Hand) -> tuple[float, bool]:
        theirs = Hand()
        fence = await take(journal, theirs, "a", TERM, never)

        class Watching(Hand):
            async def sleep(self, seconds: float) -> None:
                await super().sleep(seconds)
                if self.elapsed <= 12:
                    theirs.elapsed = self.elapsed
                    await fence.renew(journal)

        standby = Watching()
        standby.ahead = timedelta(hours=1)
        frozen = await turn(journal, standby, TERM, never)
        assert clock is not standby
        return standby.elapsed - theirs.elapsed, frozen

    waited, frozen = on(database_url, work)

    assert waited == TERM.total_seconds()
    assert frozen


def test_a_standby_takes_a_released_lease_at_once(database_url: str) -> None:
    async def work(journal: AnyJournal, clock: Hand) -> tuple[bool, float]:
        fence = await take(journal, clock, "a", TERM, never)
        await fence.release(journal)
        return await turn(journal, clock, TERM, never), clock.elapsed

    assert on(database_url, work) == (False, 0.0)


def test_a_lease_whose_grade_cannot_be_read_stops_entries() -> None:
    class Damaged:
        async def rows(self, *_: Any) -> list[dict[str, Any]]:
            return [{"epoch": 1, "halted": 7, "holder": "a"}]

    async def main() -> tuple[Grade, bool]:
        fence = Fence(1, TERM, Hand(), unclean=False)
        await fence.look(Damaged())  # type: ignore[arg-type]
        return fence.halted, fence.blind

    assert asyncio.run(main()) == (Grade.NO_ENTRIES, True)


@pytest.mark.parametrize("grade", Grade)
@pytest.mark.parametrize("purpose", ["entry", "hedge"])
def test_a_halt_by_a_file_stops_orders_without_the_database(
    grade: Grade, purpose: str, tmp_path: Path
) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    if grade:
        file.write(HaltNote(grade, False, "why", "me"))

    class Kept:
        async def commit(self, batch: Batch) -> Receipt:
            assert batch
            return Receipt(1, "")

    async def main() -> bool:
        fence = Fence(1, TERM, Hand(), unclean=False)
        fence.file = file
        try:
            await fence.commit(Kept(), _order(purpose))  # type: ignore[arg-type]
        except Halted:
            return False
        return True

    allowed = grade is Grade.TRADING or (grade is Grade.NO_ENTRIES and purpose == "hedge")
    assert asyncio.run(main()) is allowed


@pytest.mark.parametrize("text", ["", "{", "[]", '{"grade": 9}', "\x00"])
def test_a_halt_file_that_cannot_be_read_is_a_halt(text: str, tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    absent = file.standing()
    file.path.write_text(text, encoding="utf-8")

    note = file.standing()

    assert absent is None
    assert note is not None
    assert note.grade is Grade.NO_ENTRIES
    file.clear(note)
    assert file.standing() is None


def test_a_weaker_halt_does_not_replace_a_stronger_file(tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    strong = HaltNote(Grade.CANCELS_ONLY, True, "why", "me")
    file.write(strong)

    file.write(HaltNote(Grade.NO_ENTRIES, False, "later", "you"))

    assert file.standing() == strong


def test_a_halt_that_arrived_while_another_was_processed_is_not_removed(tmp_path: Path) -> None:
    file = FileOfHalt(tmp_path / "x.HALT")
    first, second = (HaltNote(Grade.NO_ENTRIES, False, why, "me") for why in ("a", "b"))
    file.write(first)
    file.write(second)

    file.clear(first)

    assert file.standing() == second


def test_a_batchs_change_of_the_lease_is_merged_with_the_fence() -> None:
    """A batch updates a row at most once."""
    fence = Fence(3, TERM, Hand(), unclean=False)
    lifted = Update("leases", ENGINE, {"halts": 2}, {"halted": 0})

    writes = fence.on(Batch((lifted, *metadata("x").writes))).writes

    first = writes[0]
    assert isinstance(first, Update)
    assert (first.guard, first.put["halted"]) == ({"epoch": 3, "halts": 2}, 0)
    assert [write.table for write in writes] == ["leases", "system_metadata"]
