"""Ids: random ones for real trading, seeded ones that a replay reproduces."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter


class RandomIds:
    """Ids that are unique everywhere."""

    def new(self, kind: str, owner: str) -> str:
        """Return a random uuid; `kind` and `owner` name what it is for."""
        assert kind, "an id is an id of something"
        assert owner, "and of somebody"
        return str(uuid.uuid4())


class SeededIds:
    """Ids derived from the seed, the run number, the kind, the owner and a counter.

    Each owner has its own counter: an event more or less does not change any other id. A second
    run on the same database has another run number, so its ids never collide.
    """

    def __init__(self, seed: int, run: int) -> None:
        self._prefix = f"{seed}\x1f{run}\x1f".encode()
        self._made: Counter[tuple[str, str]] = Counter()

    def new(self, kind: str, owner: str) -> str:
        """Return the next id of its kind and owner, in the form of a uuid."""
        self._made[kind, owner] += 1
        text = self._prefix + f"{kind}\x1f{owner}\x1f{self._made[kind, owner]}".encode()
        return str(uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest()))
