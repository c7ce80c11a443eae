"""What a run says of where its edges went, held against its fills."""

from __future__ import annotations

from typing import Any

from independent import edges

from dutchbook.application.views import attributions
from dutchbook.operations import requests
from dutchbook.ports.journal import Journal

Tables = dict[str, list[dict[str, Any]]]


def told(tables: Tables) -> dict[str, dict[str, str]]:
    """Return where the edge of each ended execution went, as the program says."""
    found = attributions.by_execution(tables)
    return {name: attributions.document(each) for name, each in found.items()}


def unattributed(tables: Tables) -> list[str]:
    """Return what of it differs from the fills alone, or does not add up (I-33)."""
    return list(edges.wrong(tables, told(tables)))


def unattributed_at(url: str) -> list[str]:
    """Return the same of a database."""

    async def read(journal: Journal) -> list[str]:
        return unattributed({name: await journal.rows(name) for name in attributions.TABLES})

    return requests.reading(url, read)
