"""The event catalogue: frozen dataclasses named in the past tense, each with a wire name.

The thirty events of the requirement keep their names; the others are additions.
"""

from __future__ import annotations

from dutchbook.domain.events.base import (
    Event as Event,
    Stamp as Stamp,
    as_json as as_json,
)
from dutchbook.domain.events.capital import (
    BudgetCommitted as BudgetCommitted,
    BudgetReleased as BudgetReleased,
    BudgetReserved as BudgetReserved,
    CapitalMoved as CapitalMoved,
    LimitApproached as LimitApproached,
    LimitBreached as LimitBreached,
    OverrideApplied as OverrideApplied,
    OverrideDenied as OverrideDenied,
    TradingHalted as TradingHalted,
    TradingResumed as TradingResumed,
)
from dutchbook.domain.events.closing import (
    ExitMarked as ExitMarked,
    ExitPaused as ExitPaused,
    LegSettled as LegSettled,
    PairsMerged as PairsMerged,
    PositionSettled as PositionSettled,
    SettlementNeedsPerson as SettlementNeedsPerson,
)
from dutchbook.domain.events.decoding import (
    decode as decode,
)
from dutchbook.domain.events.kinds import (
    catalogue as catalogue,
)
from dutchbook.domain.events.system import (
    CommandAnswered as CommandAnswered,
    CommandBegun as CommandBegun,
    ContractChanged as ContractChanged,
    DegradationProtocolActivated as DegradationProtocolActivated,
    DegradationProtocolDeactivated as DegradationProtocolDeactivated,
    PairDecided as PairDecided,
    PlatformHealthDegraded as PlatformHealthDegraded,
    PlatformHealthDisconnected as PlatformHealthDisconnected,
    PlatformHealthRecovered as PlatformHealthRecovered,
    PlatformHealthUpdated as PlatformHealthUpdated,
    ReconciliationComplete as ReconciliationComplete,
    ReconciliationDiscrepancy as ReconciliationDiscrepancy,
    ReconciliationResolved as ReconciliationResolved,
    RecordsChanged as RecordsChanged,
    SystemHealthCritical as SystemHealthCritical,
    SystemStarted as SystemStarted,
    SystemStopped as SystemStopped,
    TimeDriftCritical as TimeDriftCritical,
    TimeDriftHalt as TimeDriftHalt,
    TimeDriftWarning as TimeDriftWarning,
    WindDownStarted as WindDownStarted,
)
from dutchbook.domain.events.trading import (
    ExecutionFailed as ExecutionFailed,
    ExitTriggered as ExitTriggered,
    FailedLeg as FailedLeg,
    FilledLeg as FilledLeg,
    FillFailed as FillFailed,
    FillListed as FillListed,
    FillSettled as FillSettled,
    OpportunityFiltered as OpportunityFiltered,
    OpportunityIdentified as OpportunityIdentified,
    OrderbookUpdated as OrderbookUpdated,
    OrderFilled as OrderFilled,
    OrderNeedsPerson as OrderNeedsPerson,
    OrderOutcomeUnknown as OrderOutcomeUnknown,
    OrderPlaced as OrderPlaced,
    PolicyTried as PolicyTried,
    PositionClosed as PositionClosed,
    PositionMoved as PositionMoved,
    PositionOpened as PositionOpened,
    Scenario as Scenario,
    SingleLegExposure as SingleLegExposure,
    SingleLegExposureChanged as SingleLegExposureChanged,
    SingleLegExposureReminder as SingleLegExposureReminder,
    SingleLegResolved as SingleLegResolved,
    TopOfBook as TopOfBook,
)
