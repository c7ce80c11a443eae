"""A person lifts limits for one execution of a pair: for what, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from support.pairs import NOW
from support.purse import KALSHI, POLYMARKET, Purse, balance, reservation, usd

from dutchbook.application.capital.overrides import OverrideVerdict
from dutchbook.domain.capital.limits import HaltReason, Override
from dutchbook.domain.detection.quote import Caps, Reason, Room
from dutchbook.domain.events import OverrideApplied, OverrideDenied
from dutchbook.ports.journal import Batch, Update

WHY = "ten  chars"
GRANTED = OverrideVerdict(approved=True, pair_id="one")
UNSTORED = Decimal("0.0000001")


def played(work: Callable[[Purse], Coroutine[Any, Any, Any]]) -> Purse:
    """Do some work with two pairs, one approved, and with opportunities of both."""

    async def main() -> Purse:
        purse = await Purse().opened()
        for name, approved in (("one", True), ("two", False)):
            await purse.journal.insert(
                "contract_matches",
                match_id=name,
                kalshi_contract_id=name,
                operator_approved=approved,
            )
        for name, pair_id, reason in (
            ("refused", "one", "position_size"),
            ("taken", "one", None),
            ("of two", "two", "no_edge"),
            ("of none", "gone", "no_edge"),
        ):
            await purse.journal.insert(
                "opportunities", opportunity_id=name, pair_id=pair_id, reason=reason
            )
        await work(purse)
        return purse

    return asyncio.run(main())


def asked(
    subject: str = "one", amount: object = 100, rationale: str = WHY, *halts: HaltReason
) -> tuple[OverrideVerdict, Purse]:
    found: list[OverrideVerdict] = []

    async def work(purse: Purse) -> None:
        for reason in halts:
            purse.capital.halt(reason)
        overrides = purse.risk.overrides
        found.append(await overrides.process_override(subject, usd(amount), rationale))

    purse = played(work)
    return found[0], purse


def row(purse: Purse) -> dict[str, Any]:
    (batch,) = purse.journal.batches
    (write,) = batch.writes
    assert write.table == "risk_override_logs"
    assert not isinstance(write, Update)
    return dict(write.row)


@pytest.mark.parametrize(
    ("subject", "original"),
    [("one", "none"), ("refused", "position_size"), ("taken", "none")],
)
def test_an_override_is_granted_for_a_pair_or_an_opportunity_of_it(
    subject: str, original: str
) -> None:
    verdict, purse = asked(subject)

    assert verdict == GRANTED
    assert purse.risk.overrides.override("one") == Override(subject, "one", usd(100))
    assert row(purse) == {
        "override_id": Purse().ids.new("override", subject),
        "opportunity_id": subject,
        "rationale": WHY,
        "approved": True,
        "original_rejection_reason": original,
        "override_amount_usd": 100,
        "denial_reason": None,
        "recorded_at": NOW,
    }
    (event,) = purse.events
    assert event == OverrideApplied(event.stamp, subject, WHY, original, usd(100))
    assert event.stamp.correlation_id == subject


FEW = "a rationale has at least 10 characters"
NO_SUCH = "no opportunity and no pair has this id"
BETWEEN = "an amount is above zero, exact to 0.000001 and at most 300.00"


@pytest.mark.parametrize(
    ("subject", "amount", "rationale", "pair_id", "denial", "code"),
    [
        ("one", 100, "ten chars", "one", FEW, 3001),
        ("one", 100, "   ten chars   ", "one", FEW, 3001),
        ("never", 100, WHY, None, NO_SUCH, 3001),
        ("two", 100, WHY, "two", "the pair is not approved", 3001),
        ("of two", 100, WHY, "two", "the pair is not approved", 3001),
        ("of none", 100, WHY, "gone", "the pair is not approved", 3001),
        ("one", 0, WHY, "one", BETWEEN, 3001),
        ("one", -1, WHY, "one", BETWEEN, 3001),
        ("one", "300.000001", WHY, "one", BETWEEN, 3001),
        ("one", UNSTORED, WHY, "one", BETWEEN, 3001),
    ],
)
def test_an_override_is_denied_with_its_reason(
    subject: str, amount: Any, rationale: str, pair_id: str | None, denial: str, code: int
) -> None:
    verdict, purse = asked(subject, amount, rationale)

    assert verdict == OverrideVerdict(False, pair_id, denial, code)
    assert purse.risk.overrides.override("one") is None
    assert row(purse)["denial_reason"] == denial
    assert row(purse)["approved"] is False
    (event,) = purse.events
    assert event == OverrideDenied(event.stamp, subject, rationale, denial)
    assert event.stamp.correlation_id == subject


@pytest.mark.parametrize("amount", ["0.000001", "1", "300"])
def test_an_amount_is_above_nothing_and_at_most_a_position(amount: str) -> None:
    assert asked(amount=amount)[0] == GRANTED


@pytest.mark.parametrize(
    ("amount", "stored"),
    [
        ("9999.999999", "9999.999999"),
        ("-9999.999999", "-9999.999999"),
        ("10000", None),
        ("-10000", None),
        (UNSTORED, None),
    ],
)
def test_an_amount_is_recorded_if_it_can_be_stored(amount: object, stored: str | None) -> None:
    recorded = row(asked(amount=amount)[1])["override_amount_usd"]

    assert recorded == (None if stored is None else Decimal(stored))


@pytest.mark.parametrize("reason", HaltReason)
def test_only_the_halt_of_the_days_loss_denies_every_override(reason: HaltReason) -> None:
    verdict, _ = asked("one", 100, WHY, reason)

    denied = OverrideVerdict(False, "one", "the daily-loss halt stands", 3004)
    assert verdict == (denied if reason is HaltReason.DAILY_LOSS_LIMIT else GRANTED)


def test_what_answers_a_person_is_in_the_same_commit() -> None:
    told: list[OverrideVerdict] = []
    account = {"account_id": "kalshi:shard-0:USD"}
    write = Update("accounts", account, add={"free": usd(1)})

    def answered(verdict: OverrideVerdict) -> Batch:
        told.append(verdict)
        return Batch((write,), ())

    async def work(purse: Purse) -> None:
        await purse.risk.overrides.process_override("one", usd(100), WHY, answered)

    purse = played(work)

    assert told == [GRANTED]
    (batch,) = purse.journal.batches
    assert [each.table for each in batch.writes] == ["risk_override_logs", "accounts"]


def test_an_event_that_answers_a_person_follows_that_of_the_override() -> None:
    async def work(purse: Purse) -> None:
        stamp = purse.committer.stamp("person")
        event = OverrideDenied(stamp, "another", WHY, "an answer")
        await purse.risk.overrides.process_override(
            "one", usd(100), WHY, lambda _: Batch((), (event,))
        )

    assert [type(event) for event in played(work).events] == [OverrideApplied, OverrideDenied]


def test_each_override_has_its_own_id() -> None:
    async def work(purse: Purse) -> None:
        for _ in range(2):
            await purse.risk.overrides.process_override("one", usd(100), WHY)
        rows = await purse.journal.rows("risk_override_logs")
        assert len({each["override_id"] for each in rows}) == 2

    played(work)


def test_an_override_is_used_once() -> None:
    async def work(purse: Purse) -> None:
        overrides = purse.risk.overrides
        await overrides.process_override("one", usd(100), WHY)
        overrides.consumed("two")
        assert overrides.override("one") is not None
        overrides.consumed("one")
        overrides.consumed("one")

    purse = played(work)

    assert purse.risk.overrides.override("one") is None


def test_a_pair_with_an_override_may_cost_its_amount_and_all_that_is_free() -> None:
    async def work(purse: Purse) -> None:
        await purse.risk.overrides.process_override("one", usd(100), WHY)

    purse = played(work)
    purse.hold(balance(2_000, 4_900), balance(1_000, 2_100))

    with purse.capital.approved(reservation("r", 50, 20, "two")):
        found = [purse.risk.overrides.caps_for(name) for name in ("one", "two")]

    assert found == [
        Caps(usd(100), {KALSHI: usd(1_950), POLYMARKET: usd(980)}),
        Caps(
            usd(300),
            {KALSHI: usd(50), POLYMARKET: usd(980)},
            Room(usd(2_930), Reason.PAIR_LIMIT),
            Decimal("0.99"),
        ),
    ]
