"""Plain sentences for what happened to an execution and its position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from dutchbook.domain.positions.exposure_words import WAYS, dollars

Facts = Mapping[str, Any]
SECONDS = len("2026-07-05T18:00:00")
STATES = {
    "OPEN": "open: both legs are held in equal contracts",
    "SINGLE_LEG_EXPOSED": "exposed: one leg is held without the other",
    "EXIT_PARTIAL": "partly left: its legs are uneven",
    "CLOSED": "closed",
    "RECONCILIATION_REQUIRED": "disputed: a person must resolve it",
}


def way(choice: Facts) -> str:
    """Return one choice as a sentence, with its cost."""
    name = WAYS[choice["name"]]
    if choice["name"] == "hold":
        return f"{name}: {choice['detail']}"
    if choice["blocked"]:
        return f"{name}: not now, {choice['blocked'].replace('_', ' ')}"
    return f"{name}: {choice['detail']}; {numbers(choice)}"


def numbers(choice: Facts) -> str:
    """Return the cash that one choice needs and its result."""
    cash, pnl = dollars(choice["cash_needed"]), dollars(choice["pnl"])
    need = "no cash" if cash == "0" else f"{cash} dollars"
    fees = f", fees of {dollars(choice['fees'])} included" if choice.get("fees") else ""
    return f"needs {need}, result {pnl}{fees}"


def sentence(name: str, facts: Facts) -> str:
    """Return one log entry as a sentence, or its plain facts if it has no sentence."""
    template = SENTENCES.get(name)
    if template is not None:
        return template(facts)
    plain = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in facts.items())
    return f"{name}: {plain}" if plain else f"{name}."


def _identified(f: Facts) -> str:
    other = "polymarket" if f["yes_platform"] == "kalshi" else "kalshi"
    return (
        f"Decided to buy {f['quantity']} pairs: YES on {f['yes_platform']} at "
        f"{dollars(f['yes_price'])} and NO on {other} at {dollars(f['no_price'])}, "
        f"{dollars(f['net_edge'])} dollars a pair after fees, "
        f"{dollars(f['expected_profit'])} expected in all."
    )


def _reserved(f: Facts) -> str:
    return (
        f"Set aside {dollars(f['kalshi_amount'])} dollars on kalshi and "
        f"{dollars(f['polymarket_amount'])} on polymarket."
    )


def _committed(f: Facts) -> str:
    return (
        f"Spent {dollars(f['committed'])} dollars and {dollars(f['fees'])} of fees of that; "
        f"{dollars(f['released'])} went back."
    )


def _placed(f: Facts) -> str:
    verb = f"{f['side']} {f['size']} {str(f['outcome']).upper()}"
    return f"Sent to {f['platform']}: {verb} at {dollars(f['price'])} or better."


def _filled(f: Facts) -> str:
    return (
        f"{f['platform']} filled {f['filled_size']} of {f['requested_size']} at "
        f"{dollars(f['filled_price'])}, fee {dollars(f['fee'])}."
    )


def _failed(f: Facts) -> str:
    return f"The order on {f['platform']} came to nothing: {_words(f['reason'])} ({f['code']})."


def _exposure(f: Facts) -> str:
    held, lost = f["filled_leg"], f["failed_leg"]
    return (
        f"One leg is unhedged: {f['exposed_quantity']} {str(held['outcome']).upper()} on "
        f"{held['platform']}. {lost['platform']}: {_words(lost['reason'])} ({lost['code']})."
    )


def _resolved(f: Facts) -> str:
    if f["resolution"] == "retried":
        return (
            f"The missing leg was bought at {dollars(f['retry_price'])} or better: the pair "
            f"locks {dollars(f['new_edge'])} dollars, {dollars(f['original_edge'])} were meant."
        )
    if f["realised_pnl"] is None:
        return f"The unhedged leg is closed; the rest locks {dollars(f['new_edge'])} dollars."
    return f"The unhedged leg is closed: result {dollars(f['realised_pnl'])} dollars."


def _tried(f: Facts) -> str:
    what = WAYS[f["step"]]
    if f["reason"] is None:
        return f"The engine set out by itself to {what}."
    if f["step"] == "hold":
        return f"The engine waits for a way out: {_words(f['reason'])}."
    return f"The engine did not {what} by itself: {_words(f['reason'])}."


def _asked(f: Facts) -> str:
    what = WAYS.get(f["name"], f["name"])
    price, least = f["arguments"].get("price"), f["arguments"].get("at_least")
    at = f" at {price} or better" if price else f" for {least} or more" if least else ""
    return f"{f['requested_by']} asked to {what}{at}{_why(f)}."


def _answered(f: Facts) -> str:
    became = "done" if f["done"] else f"not done, {f['detail']}"
    what = WAYS.get(f["name"], f["name"])
    return f"Answered {f['requested_by']}, who asked to {what}{_why(f)}: {became}."


def _why(f: Facts) -> str:
    return f" ({f['rationale']})" if f["rationale"] else ""


def _marked(f: Facts) -> str:
    mark = dollars(f["mark"])
    if f["hedged"]:
        return (
            f"An exit at once would have brought {mark} dollars a pair: exits count from that."
        )
    return f"An exit at once would have brought {mark} a contract: the stop counts from that."


def _settled(f: Facts) -> str:
    text = f"Both contracts have paid: result {dollars(f['realised_pnl'])} dollars"
    if Decimal(f["divergence_pnl"]):
        text += (
            f", {dollars(f['divergence_pnl'])} of it because they resolved differently;"
            f" {dollars(f['reserve_used'])} of the reserve for that was used"
        )
    return f"{text}."


def _instant(text: str) -> str:
    return text[:SECONDS].replace("T", " ")


def _words(reason: str) -> str:
    return reason.replace("_", " ")


SENTENCES: dict[str, Callable[[Facts], str]] = {
    "detection.opportunity.identified": _identified,
    "risk.budget.reserved": _reserved,
    "risk.budget.committed": _committed,
    "risk.budget.released": lambda f: f"What was set aside went back: {_words(f['reason'])}.",
    "execution.order.placed": _placed,
    "execution.order.filled": _filled,
    "execution.order.failed": _failed,
    "execution.order.outcome_unknown": lambda f: (
        f"Nobody knows what became of the order on {f['platform']}: {_words(f['reason'])}. "
        "It is asked about and never sent again."
    ),
    "execution.order.needs_person": lambda f: (
        f"A person must look at the order on {f['platform']}: {f['detail']}."
    ),
    "execution.fill.listed": lambda f: (
        f"{f['platform']} lists a trade: {f['size']} at {dollars(f['price'])}, "
        f"fee {dollars(f['fee'])}."
    ),
    "execution.fill.settled": lambda f: f"A fill on {f['platform']} is settled for good.",
    "execution.fill.failed": lambda f: (
        f"A fill of {f['size']} on {f['platform']} failed to settle: it never happened."
    ),
    "execution.position.opened": lambda f: (
        f"Both legs are held, {f['quantity']} pairs: {dollars(f['paid'])} paid, "
        f"{dollars(f['locked_profit'])} dollars locked, if both resolve alike."
    ),
    "execution.position.moved": lambda f: f"The position is {STATES[f['after']]}.",
    "execution.position.closed": lambda f: (
        f"It brought {dollars(f['realised_pnl'])} dollars, fees of {dollars(f['fees'])} paid."
    ),
    "execution.single_leg.exposure": _exposure,
    "execution.single_leg.exposure_changed": lambda f: (
        f"Unhedged now: {f['exposed_quantity']} {str(f['outcome']).upper()} on {f['platform']}."
    ),
    "execution.single_leg.exposure_reminder": lambda f: (
        f"Still unhedged: {f['exposed_quantity']} contracts,"
        f" since {_instant(f['exposed_since'])}."
    ),
    "execution.single_leg.policy_tried": _tried,
    "execution.single_leg.resolved": _resolved,
    "execution.exit.marked": _marked,
    "execution.exit.triggered": lambda f: (
        f"It is to be left ({_words(f['rule'])}): {_words(f['detail'])}."
    ),
    "execution.exit.paused": lambda f: (
        f"An exit was tried {f['tries']} times in vain, a person must look:"
        f" {_words(f['reason'])}."
    ),
    "execution.pairs.merged": lambda f: (
        f"{f['size']} pairs of both outcomes on {f['platform']} became a dollar each."
    ),
    "execution.leg.settled": lambda f: (
        f"{f['platform']} resolved and paid {dollars(f['cash'])} dollars."
    ),
    "execution.position.settled": _settled,
    "execution.settlement.needs_person": lambda f: (
        f"A person must look at a {f['kind']} on {f['platform']}: {f['detail']}."
    ),
    "system.records.changed": lambda f: f"Kept: {', '.join(f['tables'])}.",
    "operator.command.begun": _asked,
    "operator.command.answered": _answered,
}
