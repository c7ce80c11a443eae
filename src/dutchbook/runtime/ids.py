"""Ids: random ones for real trading, seeded ones that a replay makes again."""

from __future__ import annotations

import hashlib
import uuid


class RandomIds:
    """Ids that nobody has made before."""

    def new(self, kind: str) -> str:
        """Return a random uuid; `kind` names what it is for."""
        assert kind, "an id is an id of something"
        return str(uuid.uuid4())


class SeededIds:
    """Ids that follow from the seed, the database's run number and the order of asking.

    A second run on the same database has another run number, so its ids never collide.
    """

    def __init__(self, seed: int, run: int) -> None:
        self._prefix = f"{seed}\x1f{run}\x1f".encode()
        self._made = 0

    def new(self, kind: str) -> str:
        """Return the next id in the shape of a uuid."""
        self._made += 1
        text = self._prefix + f"{kind}\x1f{self._made}".encode()
        return str(uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest()))
