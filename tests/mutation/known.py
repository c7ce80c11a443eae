"""What each test calls, kept between runs until it may have changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Known:
    """The file that a session reads and writes.

    Args:
        path: That file.
        root: The repository.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self._root = root
        self._digests = path.with_suffix(".digests.json")

    def refresh(self) -> None:
        """Forget the tests whose file has changed; all of them if anything else has."""
        own = set((self._root / "tests").rglob("test_*.py"))
        every = {
            path for part in ("src", "tests") for path in (self._root / part).rglob("*.py")
        }
        now = {"": _digest(every - own)}
        now |= {str(path.relative_to(self._root)): _digest([path]) for path in sorted(own)}
        was = self._read(self._digests)
        known = self._read(self.path)
        if was.get("") != now[""]:
            known = {}
        kept = {
            name: calls
            for name, calls in known.items()
            if was.get(name.partition("::")[0]) == now.get(name.partition("::")[0])
        }
        self.path.write_text(json.dumps(kept), encoding="utf-8")
        self._digests.write_text(json.dumps(now), encoding="utf-8")

    def _read(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


def _digest(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(str(path).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
