"""Reconciliation, the pure part: our record compared with the platforms' reports.

`compare` finds the differences, the repairs and the questions. No clock, no I/O: all answers
and their times come in as values. Repairs contain only what a platform has proven; nothing here
sends an order.
"""

from dutchbook.domain.reconciliation.absence import Rules, Window, proven_absent
from dutchbook.domain.reconciliation.compare import Comparison, compare
from dutchbook.domain.reconciliation.findings import (
    AcknowledgeOrder,
    AskAgain,
    AskPerson,
    BookCash,
    BookFill,
    Choice,
    Discrepancy,
    DiscrepancyType,
    DropStated,
    EndOrder,
    FailFill,
    GiveUpOrder,
    Involvement,
    Proposal,
    RefuseOrder,
    Repair,
    SettleFill,
    StateTotals,
)
from dutchbook.domain.reconciliation.our_state import (
    ContractKey,
    OurOrder,
    OurState,
)
from dutchbook.domain.reconciliation.platform_state import (
    Answer,
    FillReport,
    ListedCash,
    ListedContracts,
    ListedOrder,
    NamedCash,
    NotFound,
    OrderReport,
    PlatformState,
    Stale,
    Statement,
    Unavailable,
    fill_of,
)

__all__ = [
    "AcknowledgeOrder",
    "Answer",
    "AskAgain",
    "AskPerson",
    "BookCash",
    "BookFill",
    "Choice",
    "Comparison",
    "ContractKey",
    "Discrepancy",
    "DiscrepancyType",
    "DropStated",
    "EndOrder",
    "FailFill",
    "FillReport",
    "GiveUpOrder",
    "Involvement",
    "ListedCash",
    "ListedContracts",
    "ListedOrder",
    "NamedCash",
    "NotFound",
    "OrderReport",
    "OurOrder",
    "OurState",
    "PlatformState",
    "Proposal",
    "RefuseOrder",
    "Repair",
    "Rules",
    "SettleFill",
    "Stale",
    "StateTotals",
    "Statement",
    "Unavailable",
    "Window",
    "compare",
    "fill_of",
    "proven_absent",
]
