"""Reports an error that should never have happened, before the engine ends."""

from __future__ import annotations

import contextlib

from dutchbook.application.records.committer import Committer
from dutchbook.domain.events import SystemHealthCritical
from dutchbook.errors import DutchbookError, LeaseLost, StorageError


async def report_crash(committer: Committer, died: BaseExceptionGroup[BaseException]) -> None:
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
        event = SystemHealthCritical(
            committer.stamp("health"), component=component, detail=detail
        )
        with contextlib.suppress(StorageError):
            await committer.commit_crash_report(event)
            if not committer.stopped_publishing:
                continue
        with contextlib.suppress(DutchbookError):
            committer.publish(event)


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for each in group.exceptions
        for leaf in (_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])
    ]
