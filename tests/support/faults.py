"""Faults for whole runs, as settings of the paper platforms."""

from __future__ import annotations

from dutchbook.platforms.paper.faults import Fault

FAULTS = [
    (),
    ("paper.fault_lost_answer=300000",),
    ("paper.fault_failed_fill=300000",),
    ("paper.fault_partial=400000",),
    ("paper.fault_rejected=300000",),
    ("paper.fault_not_sent=300000",),
    ("paper.fault_paused=300000", "paper.latency_ms=150", "paper.jitter_ms=400"),
    (
        "paper.fault_lost_answer=200000",
        "paper.fault_failed_fill=200000",
        "paper.fault_partial=200000",
        "paper.fault_rejected=100000",
        "paper.fault_not_sent=100000",
        "paper.jitter_ms=2000",
    ),
]
REFUSED = (Fault.RATE_LIMIT_429, Fault.CLOCK_SKEW)
UNANSWERED = (
    Fault.LOST_ANSWER,
    Fault.LATE_ANSWER,
    Fault.ANSWERED_TWICE,
    Fault.TIMEOUT_408,
    Fault.DUPLICATE_409,
    Fault.SERVER_ERROR_500,
    Fault.BAD_GATEWAY_502,
    Fault.TRUNCATED,
    Fault.WRONG_TYPE,
)
BUSY = (
    "risk.max_open_pairs=100",
    "execution.cool_down_seconds=1",
    "detection.minimum_net_edge=0.002",
)
"""Settings with enough entries for every fault to occur."""
ALL = tuple(f"paper.fault_{each.value}=70000" for each in (*REFUSED, *UNANSWERED))
