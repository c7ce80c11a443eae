"""What an entry or an order reserves, and the rows of the risk state."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support.answers import order
from support.pairs import NOW
from support.purse import KALSHI, POLYMARKET, Purse, balance, reservation, usd
from support.rows import sample

from dutchbook.application.capital.rows import account_row, day_of, halt_update, state_of
from dutchbook.application.records.changes import Gate
from dutchbook.domain.capital.limits import HaltReason, Override, RiskState, Validation
from dutchbook.domain.capital.reservation import BudgetRequest, Reservation
from dutchbook.errors import ReservationFailed
from dutchbook.platforms.paper.wallet import ACCOUNTS
from dutchbook.ports.journal import Update

POSITIONS = ("open_position_count", "reserved_position_slots")


def request(kalshi: int, polymarket: int, size: object = 0) -> BudgetRequest:
    amounts = {KALSHI: usd(kalshi), POLYMARKET: usd(polymarket)}
    return BudgetRequest("e1", "one", amounts, usd(size))


def granted(purse: Purse, amount: int) -> Purse:
    purse.risk.overrides._granted["one"] = Override("o", "one", usd(amount))
    return purse


# Entries


def test_an_entry_reserves_its_worst_case_in_the_present_epoch() -> None:
    purse = Purse()
    purse.capital.state = RiskState(epoch=7)

    found = purse.risk.reserve_budget(request(100, 30, 120))

    amounts = {KALSHI: usd(100), POLYMARKET: usd(30)}
    expected_id = Purse().ids.new("reservation", "e1")
    assert found == Reservation(expected_id, "e1", "one", amounts, 7)


@pytest.mark.parametrize(
    ("kalshi", "size", "reason"),
    [
        (6_001, 0, "insufficient_capital"),
        (2_990, 0, "pair_limit"),
        (100, 301, "position_size"),
    ],
)
def test_an_entry_beyond_a_limit_reserves_nothing(kalshi: int, size: int, reason: str) -> None:
    with pytest.raises(ReservationFailed) as caught:
        Purse().risk.reserve_budget(request(kalshi, 30, size))

    assert str(caught.value) == f"no reservation ({reason}): for e1"


def test_a_request_is_checked_with_all_claims_in_flight() -> None:
    purse = Purse()
    purse.capital.state = RiskState(daily_pnl=usd(-3))
    amounts = {KALSHI: usd(100), POLYMARKET: usd(30)}

    with purse.capital.approved(reservation("r", 2_000, 800, "one")):
        found = purse.risk.validate_position("one", amounts)

    assert found == Validation(
        approved=True, reason=None, maximum_size=usd(200), open_pairs=1, daily_pnl=usd(-3)
    )


def test_without_a_size_that_of_the_position_is_not_checked() -> None:
    purse, amounts = Purse(), {KALSHI: usd(400), POLYMARKET: usd(400)}

    assert purse.risk.validate_position("one", amounts).reason is None
    assert purse.risk.validate_position("one", amounts, usd(301)).reason == "position_size"


def test_an_override_sets_the_size_of_the_next_entry() -> None:
    purse = granted(Purse(), 200)
    for number in range(20):
        purse.capital.at_risk.move(f"pair {number}", usd(1), 1)

    amounts = {KALSHI: usd(100), POLYMARKET: usd(100)}

    assert purse.risk.validate_position("one", amounts, usd(200)).approved
    assert purse.risk.validate_position("one", amounts, usd(201)).reason == "position_size"
    assert purse.risk.validate_position("two", amounts, usd(1)).reason == "max_open_pairs"


def test_the_commit_of_an_entry_is_bound_to_its_limit_of_positions() -> None:
    purse = Purse()
    purse.capital.at_risk.move("one", usd(1), 3)

    assert purse.risk.entry_gate("one") == Gate({"trading_halted": False}, {POSITIONS: 13})
    assert purse.risk.entry_gate("two") == Gate({"trading_halted": False}, {POSITIONS: 12})


def test_an_override_lifts_the_limit_of_positions_and_no_halt() -> None:
    purse = granted(Purse(), 200)

    assert purse.risk.entry_gate("one") == Gate({"trading_halted": False}, {})
    assert purse.risk.entry_gate("two") == Gate({"trading_halted": False}, {POSITIONS: 10})


# Orders of a position


def test_another_order_of_a_position_reserves_its_cost_whatever_the_limits() -> None:
    purse = Purse()
    purse.capital.state = RiskState(epoch=7).halted(HaltReason.OPERATOR)

    found = purse.risk.reserve_order(order(POLYMARKET), usd(4_000))

    expected_id = Purse().ids.new("reservation", "o1")
    assert found == Reservation(expected_id, "e1", "cup", {POLYMARKET: usd(4_000)}, 8)


def test_an_order_beyond_what_is_free_reserves_nothing() -> None:
    purse = Purse()

    with (
        purse.capital.approved(reservation("r", 100, 30)),
        pytest.raises(ReservationFailed) as caught,
    ):
        purse.risk.reserve_order(order(POLYMARKET), usd("3970.01"))

    assert str(caught.value) == "no reservation (insufficient_capital): 3970.01 of 3970 free"
    assert purse.capital.balance(POLYMARKET) == balance(4_000)


# Rows


def at(day: int, hour: int, minute: int = 0, micro: int = 0) -> datetime:
    return datetime(2026, 7, day, hour, minute, minute, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "hour", "began"),
    [
        (at(5, 18, 37, 9), 0, at(5, 0)),
        (at(5, 18, 37, 9), 18, at(5, 18)),
        (at(5, 18), 18, at(5, 18)),
        (at(5, 17, 59, 999_999), 18, at(4, 18)),
        (at(1, 0), 23, datetime(2026, 6, 30, 23, tzinfo=UTC)),
    ],
)
def test_a_day_begins_when_its_hour_last_struck(
    now: datetime, hour: int, began: datetime
) -> None:
    assert day_of(now, hour) == began


def test_the_row_of_an_account_has_no_money_yet() -> None:
    assert account_row(ACCOUNTS[KALSHI]) == {
        "account_id": "kalshi:shard-0:USD",
        "platform": "kalshi",
        "account": "shard-0",
        "currency": "USD",
        "free": 0,
        "reserved": 0,
        "committed": 0,
    }


OPERATOR, UNREADABLE = HaltReason.OPERATOR, HaltReason.UNREADABLE


@pytest.mark.parametrize(
    ("stored", "halted", "reasons"),
    [
        ([], False, set()),
        (["operator"], True, {OPERATOR}),
        (["operator", "time_drift"], True, {OPERATOR, HaltReason.TIME_DRIFT}),
        (["operator", "of a later program"], True, {OPERATOR, UNREADABLE}),
        ([7], True, {UNREADABLE}),
        ([], True, {UNREADABLE}),
        (["operator"], False, {OPERATOR, UNREADABLE}),
        ("operator", True, {UNREADABLE}),
        (None, False, {UNREADABLE}),
        ({"operator": True}, True, {UNREADABLE}),
    ],
)
def test_a_halt_that_cannot_be_read_is_a_halt(
    stored: Any, halted: bool, reasons: set[HaltReason]
) -> None:
    row = sample("risk_states", halt_reason=stored, trading_halted=halted, daily_pnl=usd(-4))

    found = state_of(row)

    assert found.halt_reasons == reasons
    assert (found.daily_pnl, found.last_reset) == (Decimal(-4), NOW)


def test_the_change_of_a_halt_leaves_the_rest_of_the_risk_state() -> None:
    state = RiskState(daily_pnl=usd(-4)).halted(HaltReason.TIME_DRIFT).halted(OPERATOR)

    assert halt_update(state) == Update(
        "risk_states",
        {"singleton_key": "default"},
        put={
            "trading_halted": True,
            "halt_reason": ["operator", "time_drift"],
            "epoch": 3,
        },
    )
