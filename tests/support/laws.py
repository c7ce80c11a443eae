"""Laws that say how often their examples must reach what they assert.

A law with a condition (`if the pair is accepted, ...`) holds of inputs that never meet it, and
then it proves nothing. `reaches` lets it fail for that.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_seen: ContextVar[set[str] | None] = ContextVar("seen", default=None)


def reached(case: str) -> None:
    """Note that the example under way has reached a case of its law."""
    seen = _seen.get()
    assert seen is not None, f"{case!r} is reached outside a law with a share"
    seen.add(case)


def reaches(**least: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a law fail unless enough of its examples reach each of its cases.

    It stands above `given`. Examples that the law itself gives up (`assume`) do not count.

    Args:
        least: For each case that the law notes with `reached`, how many of a hundred examples.
    """

    def deco(law: Callable[..., None]) -> Callable[..., None]:
        handle: Any = law.hypothesis  # type: ignore[attr-defined]
        body, counts = handle.inner_test, Counter[str]()

        @functools.wraps(body)
        def counted(*args: Any, **kwargs: Any) -> None:
            token = _seen.set(set())
            try:
                body(*args, **kwargs)
                counts.update(("examples", *(_seen.get() or ())))
            finally:
                _seen.reset(token)

        @functools.wraps(law)
        def checked(*args: Any, **kwargs: Any) -> None:
            counts.clear()
            law(*args, **kwargs)
            _check(counts, least)

        handle.inner_test = counted
        return checked

    return deco


def _check(counts: Counter[str], least: dict[str, int]) -> None:
    examples = counts.pop("examples", 0)
    unnamed = counts.keys() - least.keys()
    assert not unnamed, f"{sorted(unnamed)} are reached, and no share of them is stated"
    told = {case: f"{counts[case]} of {examples}" for case in least}
    rare = [
        case
        for case, share in least.items()
        if counts[case] * 100 < share * examples or not counts[case]
    ]
    assert not rare, f"too few examples reach {rare}: {told}"
