"""Results of contracts, requests for their cash, and the use of the divergence reserve.

A result is a platform's final ruling: `yes_pays` dollars for each YES, the rest of a dollar for
each NO. One for the winner, zero for the loser, something in between for a scalar or void
contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dutchbook.domain.market.contract import Contract, Platform
from dutchbook.domain.positions.position import OpenPosition
from dutchbook.domain.values.units import MICRO, ZERO, Money, Quantity, decimal
from dutchbook.errors import FactsError, InvalidInput

Key = tuple[Platform, str]
VOID = "void"
HALF = Decimal("0.5")
FIELDS = ("yes_pays", "void_pays", "at")


@dataclass(frozen=True, slots=True)
class Result:
    """A final result as its platform reports it.

    Attributes:
        yes_pays: Dollars that a YES pays, 0 to 1; a NO pays the rest of one.
        at: When the result became final.
        cash: Whether the payout can be spent: Kalshi pays automatically once its settlement
            timer is over, Polymarket once we have redeemed.
    """

    yes_pays: Decimal
    at: datetime
    cash: bool


@dataclass(frozen=True, slots=True)
class Ruling:
    """A result that a person sets for a contract of a tape; `at` None: at the tape's end."""

    yes_pays: Decimal
    at: datetime | None = None


class SettlementKind(StrEnum):
    """What is to become cash: pairs of both outcomes, or what a result pays."""

    MERGE = "merge"
    PAYOUT = "payout"


class SettlementStatus(StrEnum):
    """What has become of a settlement."""

    PENDING = "pending"
    PAID = "paid"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Settlement:
    """Contracts of one position that are to become cash; durable before a platform is called.

    Attributes:
        settlement_id: Its id, which also names the request to the platform.
        position_id: The position whose contracts are merged or paid.
        platform: Where they are.
        contract_id: The contract.
        kind: Whether they are merged or paid.
        size: Pairs that are merged, or contracts that are paid.
        yes_pays: For a payout, the result when it was requested.
        requested_at: When it was first requested.
        status: What has become of it.
        paid_at: When the cash was booked.
    """

    settlement_id: str
    position_id: str
    platform: Platform
    contract_id: str
    kind: SettlementKind
    size: Quantity
    yes_pays: Decimal | None
    requested_at: datetime
    status: SettlementStatus = SettlementStatus.PENDING
    paid_at: datetime | None = None

    def paid(self, at: datetime) -> Settlement:
        """Return it after its cash was booked."""
        return replace(self, status=SettlementStatus.PAID, paid_at=at)

    def abandoned(self) -> Settlement:
        """Return it after its request was rejected, or proven not to have happened."""
        return replace(self, status=SettlementStatus.ABANDONED)


def reserve_used(position: OpenPosition) -> tuple[Money, Money]:
    """Return the used and the free part of a settled position's divergence reserve."""
    loss = max(-position.divergence_pnl, ZERO)
    used = Money(min(position.divergence_reserve, loss))
    return used, Money(position.divergence_reserve - used)


# Results that a person provides for a tape
# ---------------------------------------------------------------------------------------------


def read_results(
    name: str, document: Mapping[str, Any], contracts: Iterable[Contract]
) -> dict[Key, Ruling]:
    """Read the results of a tape's contracts, by platform and id.

    Each entry is a contract, by its id or as ``platform:id``, and a value: "1", "0", a share
    of a dollar, or "void" (half a dollar each); or a table of `yes_pays`, `void_pays` (what a
    YES pays if void) and `at`.

    Raises:
        FactsError: A contract is not on the tape or appears in both spellings, a value is
            outside 0 to 1, or an instant is invalid.
    """
    known = {(each.platform, each.contract_id) for each in contracts}
    found: dict[Key, Ruling] = {}
    spelled: dict[Key, str] = {}
    for word, value in document.items():
        key = _named(name, word, known)
        if key in found:
            raise FactsError(
                f"{name}: {spelled[key]!r} and {word!r} are the same contract: give it once"
            )
        try:
            found[key] = _ruling(value)
        except InvalidInput as error:
            raise FactsError(f"{name}: {word}: {error}") from None
        spelled[key] = word
    return found


def _named(name: str, word: str, known: set[Key]) -> Key:
    fits = [key for key in sorted(known) if word in (key[1], f"{key[0].value}:{key[1]}")]
    if not fits:
        some = ", ".join(contract for _, contract in sorted(known)[:EXAMPLES])
        raise FactsError(
            f"{name}: {word!r} is no contract of the tape; it has {some or 'none'}"
            f"{', …' if len(known) > EXAMPLES else ''}"
        )
    if len(fits) > 1:
        raise FactsError(
            f"{name}: {word!r} is a contract of both platforms: write kalshi:{word} or"
            f" polymarket:{word}"
        )
    return fits[0]


def _ruling(value: Any) -> Ruling:
    if not isinstance(value, dict):
        return Ruling(_share(value, "yes_pays", HALF))
    for field in value:
        if field not in FIELDS:
            raise InvalidInput(field, value[field], f"a field of it; there are {_FIELDS}")
    if "void_pays" in value and value.get("yes_pays") != VOID:
        raise InvalidInput("void_pays", value["void_pays"], 'to stand beside yes_pays = "void"')
    void = _share(value.get("void_pays", str(HALF)), "void_pays", HALF)
    return Ruling(_share(value.get("yes_pays"), "yes_pays", void), _at(value.get("at")))


def _share(value: Any, field: str, void: Decimal) -> Decimal:
    if value == VOID:
        return void
    wanted = f'from 0 to 1, exact to {MICRO}, or "{VOID}": 1 if YES pays, 0 if NO does'
    try:
        number = decimal(value, field)
    except InvalidInput:
        raise InvalidInput(field, value, wanted) from None
    if not 0 <= number <= 1 or number % MICRO:
        raise InvalidInput(field, str(value), wanted)
    return number


def _at(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidInput("at", value, "an instant with its zone") from None
    if not isinstance(value, date) or not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput("at", str(value), "an instant with its zone")
    return value


_FIELDS = ", ".join(FIELDS)
EXAMPLES = 3
"""Contracts that an error names."""
