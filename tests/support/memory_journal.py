"""The journal in memory, by the name that the tests know."""

from __future__ import annotations

from dutchbook.persistence.journals.memory import MemoryJournal

__all__ = ["MemoryJournal"]
