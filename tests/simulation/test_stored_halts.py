"""A stored halt that cannot be read, or contradicts itself, is a halt (I-18)."""

from __future__ import annotations

import pytest
from support.reserving import Limited

from dutchbook.application.records.rows import SINGLETON
from dutchbook.domain.capital.limits import HaltReason, RiskLimits, RiskState
from dutchbook.ports.journal import Batch, Insert
from dutchbook.ports.tables.capital import RISK_STATES
from dutchbook.runtime.virtual_time import run_virtual

OPERATOR, UNREADABLE = HaltReason.OPERATOR, HaltReason.UNREADABLE


async def started(*, halted: bool, reasons: object) -> Limited:
    """Return a risk manager that has read a stored risk state."""
    gate = Limited(RiskLimits())
    row = RISK_STATES.row_of(RiskState(), **SINGLETON)
    row |= {"trading_halted": halted, "halt_reason": reasons}
    await gate.journal.commit(Batch((Insert("risk_states", row),)))
    await gate.open()
    return gate


async def enters(gate: Limited) -> bool:
    """Return whether capital can be reserved for an entry."""
    if gate.risk.capital.state.trading_halted:
        assert await gate.refused("one", 30) == "trading_halted"
        return False
    await gate.reserve("one", 30)
    return True


@pytest.mark.parametrize("reasons", [["operator"], ["operator", "no such reason"], ["x"], None])
def test_halt_reasons_beside_a_state_that_is_not_halted_are_an_unreadable_halt(
    reasons: object,
) -> None:
    async def main() -> tuple[bool, frozenset[HaltReason]]:
        gate = await started(halted=False, reasons=reasons)
        return await enters(gate), gate.risk.capital.state.halt_reasons

    entered, found = run_virtual(main())

    assert not entered
    assert UNREADABLE in found
    assert (OPERATOR in found) == ("operator" in (reasons or ()))  # type: ignore[operator]


@pytest.mark.parametrize("reasons", [[], None, "operator", ["no such reason"]])
def test_a_halt_whose_reasons_cannot_be_read_is_an_unreadable_halt(reasons: object) -> None:
    async def main() -> tuple[bool, frozenset[HaltReason]]:
        gate = await started(halted=True, reasons=reasons)
        return await enters(gate), gate.risk.capital.state.halt_reasons

    assert run_virtual(main()) == (False, frozenset({UNREADABLE}))


@pytest.mark.parametrize(
    ("halted", "reasons"), [(False, []), (True, ["operator"]), (True, ["unreadable"])]
)
def test_a_state_that_agrees_with_its_reasons_is_taken_as_it_is(
    halted: bool, reasons: list[str]
) -> None:
    async def main() -> tuple[bool, list[str]]:
        gate = await started(halted=halted, reasons=reasons)
        return await enters(gate), [str(each) for each in gate.risk.capital.state.halt_reasons]

    assert run_virtual(main()) == (not halted, reasons)


def test_an_unreadable_halt_ends_only_when_a_person_has_cleared_every_reason() -> None:
    async def main() -> tuple[list[bool], object]:
        gate = await started(halted=False, reasons=["operator"])
        seen = []
        for reason in (OPERATOR, UNREADABLE):
            await gate.risk.halts.resume_trading(reason, "looked at it")
            seen.append(await enters(gate))
        (row,) = await gate.journal.rows("risk_states")
        return seen, (row["trading_halted"], row["halt_reason"])

    assert run_virtual(main()) == ([False, True], (False, []))
