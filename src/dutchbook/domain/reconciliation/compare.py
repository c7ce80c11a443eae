"""`diff` and `propose`: from our state and the platforms' to differences and repairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.absence import Rules
from dutchbook.domain.reconciliation.accounts import Accounts, joined, named_cash
from dutchbook.domain.reconciliation.examination import Examination
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    AskPerson,
    Choice,
    Discrepancy,
    DiscrepancyType,
    Involvement,
    Proposal,
    Repair,
    RequireReconciliation,
)
from dutchbook.domain.reconciliation.orders import examine
from dutchbook.domain.reconciliation.our_state import Ours
from dutchbook.domain.reconciliation.platform_state import Theirs
from dutchbook.domain.reconciliation.repairs import apply, in_order


def diff(ours: Ours, theirs: Theirs, rules: Rules) -> tuple[Discrepancy, ...]:
    """Return every difference between our record and the platforms', each once.

    The order is fixed: by our order first, then by platform.
    """
    return _compared(ours, theirs, rules).discrepancies


def propose(
    discrepancies: Iterable[Discrepancy], ours: Ours, theirs: Theirs, rules: Rules
) -> tuple[Proposal, ...]:
    """Return the repairs that the platforms have proven, and the questions that remain.

    Args:
        discrepancies: What `diff` found on the same states, or those of them that are open.
        ours: Our state, as it was compared.
        theirs: The platforms' state.
        rules: The rules of the comparison.

    Returns:
        Repairs first, in the order in which they are applied; then questions to repeat; then
        questions to a person. Repairs include progress that is not a discrepancy: a fill that
        became final, an acknowledged order, a named cash movement. None sends an order.
    """
    compared = _compared(ours, theirs, rules)
    decisions = [each for each in discrepancies if each.involvement is Involvement.DECIDES]
    return (
        *compared.repairs,
        *_required(ours, decisions, theirs),
        *compared.questions,
        *(AskPerson(each, _choices(each)) for each in decisions),
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    repairs: tuple[Repair, ...]
    discrepancies: tuple[Discrepancy, ...]
    questions: tuple[AskAgain, ...]


def _compared(ours: Ours, theirs: Theirs, rules: Rules) -> _Compared:
    trades = {platform: joined(ours, theirs, platform) for platform in Platform}
    positions = {each.position_id: each for each in ours.positions}
    examined = []
    for each in ours.orders:
        position = positions.get(each.position_id or "")
        closed = position is not None and position.status is PositionStatus.CLOSED
        case = Examination(ours.doubted, each, theirs, rules, closed, each)
        examined.append(examine(case, trades[each.order.platform]))
    repairs = in_order(
        (*named_cash(ours, theirs), *(r for case in examined for r in case.repairs))
    )
    after = apply(ours, repairs, dust=rules.dust)
    found = {key: each for case in examined for key, each in case.found.items()}
    questions = {
        AskAgain(case.order.platform, case.order.order_id, rules.again): None
        for case in examined
        if case.ask_again
    }
    for platform in Platform:
        accounts = Accounts(after, theirs, rules, platform, trades[platform])
        for finding in accounts.findings():
            if isinstance(finding, AskAgain):
                questions[finding] = None
            else:
                found[finding.key] = finding
        silent = [c for c in examined if c.unanswered and c.order.platform is platform]
        unread = accounts.unread()
        questions |= {accounts.again(name): None for name in unread}
        if silent or unread:
            unavailable = _unavailable(platform, silent, unread)
            found[unavailable.key] = unavailable
    return _Compared(repairs, tuple(found.values()), tuple(questions))


def _unavailable(
    platform: Platform, silent: list[Examination], unread: tuple[str, ...]
) -> Discrepancy:
    reasons = dict.fromkeys(case.unanswered for case in silent if case.unanswered)
    return Discrepancy(
        kind=DiscrepancyType.PLATFORM_UNAVAILABLE,
        platform=platform,
        subject=platform.value,
        ours={"orders": [case.order.order_id for case in silent]},
        theirs={"reasons": list(reasons), "lists": list(unread)},
        recommended_action="none: it is asked again",
        involvement=Involvement.TOLD,
    )


def _required(
    ours: Ours, decisions: list[Discrepancy], theirs: Theirs
) -> tuple[RequireReconciliation, ...]:
    """Return one status change for each position that a person has to decide about."""
    first: dict[str, Discrepancy] = {}
    positions = {each.position_id: each for each in ours.positions}
    for each in decisions:
        position = positions.get(each.position_id or "")
        if position and position.status is not PositionStatus.RECONCILIATION_REQUIRED:
            first.setdefault(position.position_id, each)
    return tuple(
        RequireReconciliation(position_id, _context(each, theirs))
        for position_id, each in first.items()
    )


def _context(found: Discrepancy, theirs: Theirs) -> dict[str, Any]:
    return {
        "discrepancy_type": found.kind.value,
        "order_id": found.order_id,
        "recommended_action": found.recommended_action,
        "our_state": found.ours,
        "platform_state": found.theirs,
        "detected_at": theirs.asked_at.isoformat(),
    }


def _choices(found: Discrepancy) -> tuple[Choice, ...]:
    """Return the choices of a person; closing by force needs a position."""
    if found.position_id is None:
        return (Choice.ACKNOWLEDGE, Choice.ADOPT_PLATFORM)
    return tuple(Choice)
