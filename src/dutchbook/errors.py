"""Every deliberate error of Dutchbook.

Three platform families matter most, because they are handled differently: `PlatformRejected` is
final, `OutcomeUnknown` is asked about and never resent, `NotSent` alone may be retried.
`exit_code` is what the command line ends with when the error reaches it.
"""

from __future__ import annotations


class DutchbookError(Exception):
    """The base of all; its text is one line that says what, where, and what would be right."""

    exit_code = 2


# Bad input -----------------------------------------------------------------------------------


class InvalidInput(DutchbookError):
    """A value from outside is not acceptable; names the field, the value and what is right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: {value!r} is not {expected}")
        self.field = field
        self.value = value
        self.expected = expected


class UnknownId(DutchbookError):
    """Nothing is recorded under this id."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"no {kind} has the id {identifier!r}")
        self.kind = kind
        self.identifier = identifier


class FactsError(DutchbookError):
    """A file of facts is missing or malformed, or says what cannot be; names file and place."""


# The domain ----------------------------------------------------------------------------------


class IllegalTransition(DutchbookError):
    """A state machine has no row for this trigger in this state."""

    exit_code = 1

    def __init__(self, machine: str, state: object, trigger: object) -> None:
        super().__init__(f"{machine}: {trigger} is not possible in {state}")
        self.machine = machine
        self.state = state
        self.trigger = trigger


class InvalidPositionState(DutchbookError):
    """Code 2005: what is asked of a position is not possible in its state."""

    exit_code = 1
    code = 2005

    def __init__(self, position_id: str, status: object, detail: str) -> None:
        super().__init__(f"position {position_id} is {status}: {detail}")
        self.position_id = position_id
        self.status = status
        self.detail = detail


class InvariantBroken(DutchbookError):
    """What must always hold does not; trading stops."""

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
    """A platform states a fee whose formula is not known: no trade."""

    def __init__(self, platform: str, fee: str) -> None:
        super().__init__(f"{platform}: no published formula for the fee {fee!r}")
        self.platform = platform
        self.fee = fee


# Platforms -----------------------------------------------------------------------------------


class PlatformError(DutchbookError):
    """Something between us and a platform."""

    exit_code = 5

    def __init__(self, platform: str, reason: str) -> None:
        super().__init__(f"{platform}: {reason}")
        self.platform = platform
        self.reason = reason


class PlatformRejected(PlatformError):
    """The platform answered with what its page lists as a refusal. Final."""


class OutcomeUnknown(PlatformError):
    """No trustworthy answer came: ask, never send again."""


class NotSent(PlatformError):
    """No byte left this machine. The only case that may be tried again."""


class TimeUnknown(DutchbookError):
    """A time server gave no answer, or none that makes sense."""

    exit_code = 5

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"time server {server}: {reason}")
        self.server = server
        self.reason = reason


class MalformedMessage(PlatformError):
    """A platform sent what its own pages do not allow; the bytes are kept."""

    def __init__(self, platform: str, reason: str, raw: bytes) -> None:
        super().__init__(platform, f"unreadable message: {reason}")
        self.raw = raw


# Storage -------------------------------------------------------------------------------------


class StorageError(DutchbookError):
    """The database is locked, read-only, full, damaged, or of another schema or mode."""

    exit_code = 3


class Conflict(StorageError):
    """A guarded write found another state than it expected; nothing of its batch was kept."""

    def __init__(self, table: str, key: object, detail: str) -> None:
        super().__init__(f"{table} {key}: {detail}")
        self.table = table
        self.key = key
        self.detail = detail


class Halted(Conflict):
    """Another process has halted trading: the order that this batch brings is not allowed."""


class LeaseHeld(StorageError):
    """Another engine writes to this database."""

    exit_code = 4


class LeaseLost(LeaseHeld):
    """Another engine took the lease from this one, which must end."""


class TapeError(DutchbookError):
    """A tape or recording is missing, malformed or of an unknown kind."""
