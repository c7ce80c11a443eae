"""All exceptions that Dutchbook raises deliberately.

Three platform errors are handled differently: `PlatformRejected` is final, `OutcomeUnknown` is
queried and never resent, and only `NotSent` may be retried. `exit_code` is the exit status of
the command line when the error reaches it.
"""

from __future__ import annotations

from decimal import Decimal


class DutchbookError(Exception):
    """Base class. The message is one line: what is wrong, where, and what would be right."""

    exit_code = 2


LONGEST = 200
"""Characters of a value that an error quotes."""

# Bad input -----------------------------------------------------------------------------------


class InvalidInput(DutchbookError):
    """An input value is not acceptable; names the field, the value and what is expected.

    `source` is the file that it stands in, if it stands in one.
    """

    def __init__(self, field: str, value: object, expected: str, source: str = "") -> None:
        super().__init__(f"{_within(source)}{field}: {_shown(value)} is not {expected}")
        self.field = field
        self.value = value
        self.expected = expected


def _shown(value: object) -> str:
    """Return a value as an error quotes it; the end of a very long one is left out."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _within(source: str) -> str:
    return f"{source}: " if source else ""


class UnknownSetting(DutchbookError):
    """A setting has a name that there is none of; names the nearest right one.

    The value is not told: who mistypes a name may have put a secret there. `source` is the file
    that it stands in, if it stands in one.
    """

    def __init__(self, name: str, nearest: str, source: str = "") -> None:
        none = f"there is no such setting; the nearest is {nearest}"
        super().__init__(f"{_within(source)}{name}: {none}")
        self.name = name
        self.nearest = nearest


class InvalidSecret(DutchbookError):
    """A key or secret is not usable, or a text is not what it should be and may be a secret.

    Names the field, describes in words what was found, and what is expected; never quotes it.
    `source` is the file that it stands in, if it stands in one.
    """

    def __init__(self, field: str, found: str, expected: str, source: str = "") -> None:
        super().__init__(f"{_within(source)}{field}: {found} is not {expected}")
        self.field = field
        self.found = found
        self.expected = expected


class UnknownId(DutchbookError):
    """Nothing is recorded under this id."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"no {kind} has the id {identifier!r}")
        self.kind = kind
        self.identifier = identifier


class FactsError(DutchbookError):
    """A facts file is missing, malformed or contradictory; names the file and the place."""


# The domain ----------------------------------------------------------------------------------


class IllegalTransition(DutchbookError):
    """A state machine has no row for this change of state."""

    exit_code = 1

    def __init__(self, machine: str, before: object, after: object) -> None:
        super().__init__(f"{machine}: {before} cannot become {after}")
        self.machine = machine
        self.before = before
        self.after = after


class InvalidPositionState(DutchbookError):
    """Code 2005: the requested action is not possible in the position's state."""

    exit_code = 1
    code = 2005

    def __init__(self, position_id: str, status: object, detail: str) -> None:
        super().__init__(f"position {position_id} is {status}: {detail}")
        self.position_id = position_id
        self.status = status
        self.detail = detail


class OrderOut(DutchbookError):
    """A leg has an order in flight or with unknown outcome, so no other is placed (I-3)."""

    exit_code = 1

    def __init__(self, execution_id: str, reason: str) -> None:
        super().__init__(reason)
        self.execution_id = execution_id
        self.reason = reason


class InvariantBroken(DutchbookError):
    """An invariant does not hold; trading stops."""

    exit_code = 1

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant} is broken: {detail}")
        self.invariant = invariant
        self.detail = detail


class ReservationFailed(DutchbookError):
    """Code 3005: capital could not be set aside, because of a halt, a limit or a shortage."""

    exit_code = 1
    code = 3005

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"no reservation ({reason}): {detail}")
        self.reason = reason
        self.detail = detail


class UnknownFee(DutchbookError):
    """A platform reports a fee whose formula is not known, so nothing is traded."""

    def __init__(self, platform: str, fee: str) -> None:
        super().__init__(f"{platform}: no published formula for the fee {fee!r}")
        self.platform = platform
        self.fee = fee


# Platforms -----------------------------------------------------------------------------------


class PlatformError(DutchbookError):
    """Communication with a platform failed, or the platform rejected a request."""

    exit_code = 5

    def __init__(self, platform: str, reason: str) -> None:
        super().__init__(f"{platform}: {reason}")
        self.platform = platform
        self.reason = reason


class PlatformRejected(PlatformError):
    """The platform answered with a rejection that its documentation lists. Final."""


class OutcomeUnknown(PlatformError):
    """No trustworthy answer arrived: query the outcome, never resend."""


class NotSent(PlatformError):
    """No byte left this machine. The only error after which a request may be retried."""


class TimeUnknown(DutchbookError):
    """A time server did not answer, or its answer makes no sense."""

    exit_code = 5

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"time server {server}: {reason}")
        self.server = server
        self.reason = reason


class MalformedMessage(PlatformError):
    """A platform sent a message that its documentation does not allow; `raw` is its bytes."""

    def __init__(self, platform: str, reason: str, raw: bytes) -> None:
        super().__init__(platform, f"unreadable message: {reason}")
        self.raw = raw


# Storage -------------------------------------------------------------------------------------


class StorageError(DutchbookError):
    """The database is locked, read-only, full, damaged, or has another schema or mode."""

    exit_code = 3


class Unanswered(StorageError):
    """The database is locked, restarting or unreachable: the call may succeed when repeated.

    A batch that was being committed may have been stored or not: it is looked up.
    """


class DatabaseLost(StorageError):
    """The database did not answer for the set time, or is no longer the one it was."""


UNREADABLE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
"""Errors of whoever reads a stored value that nobody wrote."""


class Damaged(StorageError):
    """What is stored is not what was written: pages of the database are damaged."""

    def __init__(self, where: str, error: BaseException) -> None:
        kind = type(error).__name__
        super().__init__(
            f"{where}: what is stored there cannot be read ({kind}): it is damaged; dutchbook"
            " db verify looks at all of it, and a backup can be restored"
        )
        self.where = where


class Conflict(StorageError):
    """A guarded write found an unexpected state; nothing in its batch was stored."""

    def __init__(self, table: str, key: object, detail: str) -> None:
        super().__init__(f"{table} {key}: {detail}")
        self.table = table
        self.key = key
        self.detail = detail


class Unfit(Conflict):
    """A value that its column cannot store; nothing in its batch was stored."""

    def __init__(self, table: str, column: str, detail: str) -> None:
        super().__init__(table, column, detail)
        self.column = column


class Halted(Conflict):
    """Another process has halted trading: the order in this batch is not allowed."""


class ForeignFile(StorageError):
    """A SQLite file of another program; nothing of it is changed."""


class UnfitFile(StorageError):
    """A file has a second name, so that another engine may write to it under that one.

    Without a lock that both respect, nobody can tell whether one does.
    """

    exit_code = 4


class LeaseHeld(StorageError):
    """Another engine writes to this database."""

    exit_code = 4


class LeaseLost(LeaseHeld):
    """Another engine took the lease from this one, so this one must stop."""


class MarketDataBroken(DutchbookError):
    """Market data cannot be read on; an engine ends what it has begun, and then itself."""


class TapeError(MarketDataBroken):
    """A tape or recording is missing, malformed or of an unknown kind."""
