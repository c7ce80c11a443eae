"""The event catalogue: what happened, in the past tense, frozen, each with its wire name.

The thirty of the requirement keep their names; the rest stand beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dutchbook.domain.events.base import (
    Event,
    Stamp,
    as_json,
)
from dutchbook.domain.events.capital import (
    BudgetCommitted,
    BudgetReleased,
    BudgetReserved,
    CapitalMoved,
    LimitApproached,
    LimitBreached,
    OverrideApplied,
    OverrideDenied,
    TradingHalted,
    TradingResumed,
)
from dutchbook.domain.events.system import (
    DegradationProtocolActivated,
    DegradationProtocolDeactivated,
    PairDecided,
    PlatformHealthDegraded,
    PlatformHealthDisconnected,
    PlatformHealthRecovered,
    PlatformHealthUpdated,
    ReconciliationComplete,
    ReconciliationDiscrepancy,
    RecordsChanged,
    SystemHealthCritical,
    SystemStarted,
    SystemStopped,
    TimeDriftCritical,
    TimeDriftHalt,
    TimeDriftWarning,
    WindDownStarted,
)
from dutchbook.domain.events.trading import (
    ExecutionFailed,
    ExitTriggered,
    FailedLeg,
    FilledLeg,
    FillFailed,
    FillSettled,
    OpportunityFiltered,
    OpportunityIdentified,
    OrderbookUpdated,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderPlaced,
    PositionOpened,
    Scenario,
    SingleLegExposure,
    SingleLegExposureReminder,
    SingleLegResolved,
    TopOfBook,
)

__all__ = [
    "BudgetCommitted",
    "BudgetReleased",
    "BudgetReserved",
    "CapitalMoved",
    "DegradationProtocolActivated",
    "DegradationProtocolDeactivated",
    "Event",
    "ExecutionFailed",
    "ExitTriggered",
    "FailedLeg",
    "FillFailed",
    "FillSettled",
    "FilledLeg",
    "LimitApproached",
    "LimitBreached",
    "OpportunityFiltered",
    "OpportunityIdentified",
    "OrderFilled",
    "OrderOutcomeUnknown",
    "OrderPlaced",
    "OrderbookUpdated",
    "OverrideApplied",
    "OverrideDenied",
    "PairDecided",
    "PlatformHealthDegraded",
    "PlatformHealthDisconnected",
    "PlatformHealthRecovered",
    "PlatformHealthUpdated",
    "PositionOpened",
    "ReconciliationComplete",
    "ReconciliationDiscrepancy",
    "RecordsChanged",
    "Scenario",
    "SingleLegExposure",
    "SingleLegExposureReminder",
    "SingleLegResolved",
    "Stamp",
    "SystemHealthCritical",
    "SystemStarted",
    "SystemStopped",
    "TimeDriftCritical",
    "TimeDriftHalt",
    "TimeDriftWarning",
    "TopOfBook",
    "TradingHalted",
    "TradingResumed",
    "WindDownStarted",
    "as_json",
    "catalogue",
]


def catalogue() -> dict[str, type[Event]]:
    """Return every event type by its wire name, sorted."""
    return {each.wire: each for each in sorted(_leaves(Event), key=lambda each: each.wire)}


def _leaves(root: type[Event]) -> Iterator[type[Event]]:
    for each in root.__subclasses__():
        # A dataclass with slots is made twice; the one that counts is the one its module names.
        named = vars(sys.modules[each.__module__]).get(each.__name__) is each
        if each.__subclasses__():
            yield from _leaves(each)
        elif named and hasattr(each, "wire"):
            yield each
