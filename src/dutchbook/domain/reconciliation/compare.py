"""`compare`: from our state and the platforms' to differences, repairs and questions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dutchbook.domain.market.contract import Platform
from dutchbook.domain.positions.position import PositionStatus
from dutchbook.domain.reconciliation.accounts import Accounts, joined, named_cash
from dutchbook.domain.reconciliation.examination import Examination
from dutchbook.domain.reconciliation.findings import (
    AskAgain,
    Discrepancy,
    DiscrepancyType,
    Involvement,
    Repair,
)
from dutchbook.domain.reconciliation.orders import examine
from dutchbook.domain.reconciliation.our_state import OurState
from dutchbook.domain.reconciliation.platform_state import PlatformState
from dutchbook.domain.reconciliation.repairs import in_order, totals_after


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison of our state with the platforms' has found.

    Attributes:
        discrepancies: Every difference, once; by our order first, then by platform.
        repairs: What the platforms have proven, in the order in which it is applied. Includes
            progress that is not a discrepancy: a fill that became final, an acknowledged order,
            a named cash movement. None sends an order.
        questions: What the platforms are to be asked again.
    """

    discrepancies: tuple[Discrepancy, ...]
    repairs: tuple[Repair, ...]
    questions: tuple[AskAgain, ...]


def compare(ours: OurState, theirs: PlatformState, grace: timedelta) -> Comparison:
    """Compare our state with the platforms', once.

    Args:
        ours: Our state.
        theirs: The platforms' state.
        grace: How long after it was first seen a difference may be a delay, so that the
            platform is asked again. After that, a person is asked.
    """
    trades = {platform: joined(ours, theirs, platform) for platform in Platform}
    ended = {p.position_id for p in ours.positions if p.status is PositionStatus.CLOSED}
    examined = []
    for each in ours.orders:
        closed = each.position_id in ended
        case = Examination(ours.doubted, each, theirs, grace, closed, each)
        examined.append(examine(case, trades[each.order.platform]))
    repairs = in_order(
        (*named_cash(ours, theirs), *(r for case in examined for r in case.repairs))
    )
    after = totals_after(ours, repairs)
    found = {key: each for case in examined for key, each in case.found.items()}
    questions = {
        AskAgain(case.order.platform, case.order.order_id): None
        for case in examined
        if case.ask_again
    }
    for platform in Platform:
        accounts = Accounts(after, theirs, grace, platform)
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
    return Comparison(tuple(found.values()), repairs, tuple(questions))


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
        involvement=Involvement.NOTIFIED,
    )
