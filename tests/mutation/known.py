"""What each test calls, kept between runs until it may have changed."""

from __future__ import annotations

import hashlib
import json
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
        """Forget the tests whose file has changed, and those that call what has changed.

        Another change, to what tests share for example, may make a test call more than is known
        here. Its mutants then count as missed, never as noticed, until the cache is emptied.
        """
        tests = (self._root / "tests").rglob("test_*.py")
        sources = (self._root / "src").rglob("*.py")
        now = {
            str(path.relative_to(self._root)): _digest(path)
            for path in sorted((*tests, *sources))
        }
        was = self._read(self._digests)
        changed = {name for name in {*was, *now} if was.get(name) != now.get(name)}
        modules = {
            name.removeprefix("src/").removesuffix(".py").replace("/", ".") for name in changed
        }
        kept = {
            name: found
            for name, found in self._read(self.path).items()
            if name.partition("::")[0] not in changed
            and not modules & {call.partition(".x")[0] for call in found["calls"]}
        }
        self.path.write_text(json.dumps(kept), encoding="utf-8")
        self._digests.write_text(json.dumps(now), encoding="utf-8")

    def _read(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
