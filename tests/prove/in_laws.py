"""Bugs that only the body of a law finds: each needs inputs that reach it."""

from __future__ import annotations

from prove.bug import Bug

DETECT, DETECTION = "domain/detection/detect.py", "tests/spec/test_detection.py"

IN_LAWS = (
    Bug(
        "no pair is ever accepted",
        DETECT,
        "if gross <= 0:",
        "if gross <= 1:",
        f"{DETECTION} -k filter_never_misses",
    ),
    Bug(
        "an accepted pair forgets a fee",
        DETECT,
        "cost = first.cost + second.cost + fees[0] + fees[1]",
        "cost = first.cost + second.cost + fees[0]",
        f"{DETECTION} -k whichever_way_it_resolves",
    ),
    Bug(
        "interest on Polymarket does not lower the hurdle",
        DETECT,
        "from_e4(price_b) * (hurdle - self.hurdles.polymarket_interest)",
        "from_e4(price_b) * hurdle",
        f"{DETECTION} -k hurdle_is_exact",
    ),
    Bug(
        "the counter of edges forgets a fee",
        DETECT,
        "return gross > fee_a + rate_b_e6 * ask_b_e4 * (E4 - ask_b_e4)",
        "return gross > fee_a + rate_b_e6",
        f"{DETECTION} -k edge_counter_agrees",
    ),
    Bug(
        "a platform recovers with one good check",
        "domain/market/health.py",
        "if good >= limits.recoveries:",
        "if good:",
        "tests/spec/test_health.py -k better_status",
    ),
    Bug(
        "three weeks in a row are no run",
        "domain/positions/exposure_counts.py",
        "max(sides) < bound <= joined:",
        "max(sides) < bound < joined:",
        "tests/spec/test_exposure_counts.py -k plain_calendar",
    ),
    Bug(
        "an answer without permission says nothing",
        "platforms/kalshi/order_codec.py",
        "(403,),\n        Family.REJECTED,",
        "(403,),\n        Family.UNKNOWN,",
        "tests/spec/test_kalshi_answers.py -k any_bytes",
    ),
)
