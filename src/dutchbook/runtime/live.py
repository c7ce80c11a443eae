"""The event loop for live time: uvloop where available, else the standard one."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
FAST = "uvloop"
"""It has no build for Windows."""


def run_live(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end, like ``asyncio.run``."""
    if importlib.util.find_spec(FAST) is None:
        return asyncio.run(main)
    result: T = importlib.import_module(FAST).run(main)
    return result
