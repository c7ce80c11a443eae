"""Reports an error that should never have happened, before the engine ends."""

from __future__ import annotations

import contextlib

from dutchbook.application.records.committer import EventBus
from dutchbook.domain.events import SystemHealthCritical
from dutchbook.errors import DutchbookError, LeaseLost, StorageError


async def last_words(bus: EventBus, died: BaseExceptionGroup[BaseException]) -> None:
    """Report what a task died of: durably if the database still answers, else in process.

    The detail is our own text: the message of a foreign error could contain a secret. Losing
    the lease is not reported: the engine that took it continues.
    """
    for error in _leaves(died):
        if isinstance(error, LeaseLost):
            continue
        component = "database" if isinstance(error, StorageError) else "task"
        detail = type(error).__name__
        if isinstance(error, DutchbookError):
            detail += f": {error}"
        event = SystemHealthCritical(bus.stamp("health"), component=component, detail=detail)
        with contextlib.suppress(StorageError):
            await bus.last_word(event)
            if not bus.silenced:
                continue
        with contextlib.suppress(DutchbookError):
            bus.publish(event)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for each in group.exceptions
        for leaf in (_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])
    ]
