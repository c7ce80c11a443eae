"""What the platforms know, in a file that outlives the engine: each change is one write.

A killed process loses none of its writes: they are in the system's cache, not in its own.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

HEAD = struct.Struct("<I")
SENT, DONE, STATE, HEARD = "sent", "done", "state", "heard"


@dataclass(slots=True)
class Truth:
    """Everything that was written so far.

    Attributes:
        sent: How often each order reached the platform, by client order id.
        flying: Orders that left and were neither accepted nor rejected, by client order id.
        states: The last state of each platform.
        heard: Sequence and id of the events that each life received, in order of receipt.
        began: The first instant that was written.
        now: The latest.
    """

    path: Path
    life: int
    sent: Counter[str] = field(default_factory=Counter)
    flying: dict[str, Any] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    heard: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    began: datetime | None = None
    now: datetime | None = None
    _file: int = -1

    @classmethod
    def read(cls, path: Path, life: int = 0) -> Truth:
        """Read a file and cut off an incomplete last record."""
        truth = cls(path, life)
        data = path.read_bytes() if path.exists() else b""
        at = 0
        while at + HEAD.size <= len(data):
            (size,) = HEAD.unpack_from(data, at)
            if at + HEAD.size + size > len(data):
                break
            truth._take(*pickle.loads(data[at + HEAD.size : at + HEAD.size + size]))  # noqa: S301 - we wrote it
            at += HEAD.size + size
        if at < len(data):
            os.truncate(path, at)
        return truth

    def open(self) -> None:
        """Open the file for further records."""
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, kind: str, what: Any, now: datetime | None = None) -> None:
        """Write a record before anybody is notified of it."""
        record = (kind, self.life, what, now)
        body = pickle.dumps(record, protocol=5)
        os.write(self._file, HEAD.pack(len(body)) + body)
        self._take(*record)

    def _take(self, kind: str, life: int, what: Any, now: datetime | None) -> None:
        if now is not None:
            self.began = self.began or now
            self.now = max(now, self.now or now)
        match kind:
            case "sent":
                self.sent[what.client_order_id] += 1
                self.flying[what.client_order_id] = what
            case "done":
                self.flying.pop(what, None)
            case "state":
                self.states[what[0]] = what[1]
            case "heard":
                self.heard.setdefault(life, []).append(what)
