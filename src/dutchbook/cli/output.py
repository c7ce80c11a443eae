"""Standard output and error: what they show is literal and inert, and they never fail a writer.

Titles, questions, reasons and names come from outside. `inert` decides how they are shown;
`Output` decides what becomes of text that a stream cannot show or take.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from queue import Full, Queue
from typing import TextIO

CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls of terminals and of writing direction, invisible characters, lone surrogates."""
BACKLOG = 4096
"""Writes of an engine that may wait for the reader of its output."""
PATIENCE_SECONDS = 1.0


def inert(text: str, encoding: str = "utf-8") -> str:
    r"""Return text as one line that no terminal acts on.

    Control characters and what `encoding` lacks are shown as escapes: ``\n``, ``\x1b``.
    """
    shown = CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


class Output(io.TextIOBase):
    """A stream that shows what it can and never fails its writer.

    A character that the encoding lacks is replaced. Where nothing can be written (the reader
    is gone, the disk is full, the terminal is dead), text is dropped; each write tries again.

    Attributes:
        lost: Why text was dropped the first time; empty if none was.
        unwanted: Whether it was dropped because the reader had closed the pipe.
        incidental: Whether the command did its work even if its output was lost.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._encoding = str(getattr(stream, "encoding", None) or "utf-8")
        self._encoder = codecs.getincrementalencoder(self._encoding)("replace")
        self._terminal = self._descriptor is not None and os.isatty(self._descriptor)
        self._backlog: Queue[bytes | None] | None = None
        self._patience = self._stalled_for = PATIENCE_SECONDS
        self.lost = ""
        self.unwanted = False
        self.incidental = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of a character that the encoding lacks."""
        return "replace"

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether it was a terminal at the start."""
        return self._terminal

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            UnsupportedOperation: The stream has none.
        """
        if self._descriptor is None:
            raise io.UnsupportedOperation("fileno")
        return self._descriptor

    def write(self, text: str) -> int:
        """Write text, or drop it; return its length either way."""
        data = self._encoder.encode(text)
        if self._backlog is not None:
            self._queue(self._backlog, data)
        elif self._descriptor is not None:
            self._send(data)
        elif self._stream is not None:
            self._stream.write(data.decode(self._encoding))
        return len(text)

    def _send(self, data: bytes) -> None:
        assert self._descriptor is not None, "the stream has a descriptor"
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # another program made the stream non-blocking
                    select.select([], [self._descriptor], [])
        except OSError as error:
            self.unwanted = self.unwanted or (not self.lost and error.errno == errno.EPIPE)
            self.lost = self.lost or error.strerror or str(error)

    def _queue(self, backlog: Queue[bytes | None], data: bytes) -> None:
        try:
            backlog.put(data, timeout=self._stalled_for)
            self._stalled_for = self._patience
        except Full:
            self._stalled_for = 0.0
            self.lost = self.lost or "nobody reads it"

    @contextmanager
    def in_background(self, *, live: bool) -> Iterator[None]:
        """Write in a thread: an engine is not stopped by a reader that stops reading.

        From now on the output is incidental.

        Args:
            live: Whether the writer never waits; otherwise it waits a second for a slow reader.
        """
        self.incidental = True
        if self._descriptor is None:
            yield
            return
        self._patience = self._stalled_for = 0.0 if live else PATIENCE_SECONDS
        backlog: Queue[bytes | None] = Queue(BACKLOG)
        writer = threading.Thread(target=self._work, args=(backlog,), daemon=True)
        writer.start()
        self._backlog = backlog
        try:
            yield
        finally:
            self._backlog = None
            backlog.put(None)
            writer.join()

    def _work(self, backlog: Queue[bytes | None]) -> None:
        while (data := backlog.get()) is not None:
            self._send(data)


def _descriptor(stream: TextIO | None) -> int | None:
    """Return the descriptor of a stream after flushing it, None if it has none."""
    if stream is None:
        return None
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return None


@contextmanager
def standard_streams() -> Iterator[Output]:
    """Write standard output and error through an `Output` each; yield that of the first."""
    out = Output(sys.stdout)
    with redirect_stdout(out), redirect_stderr(Output(sys.stderr)):
        yield out


@contextmanager
def engine_output(*, live: bool) -> Iterator[None]:
    """Write standard output as an engine does; see `Output.in_background`."""
    if isinstance(sys.stdout, Output):
        with sys.stdout.in_background(live=live):
            yield
    else:
        yield


def lost_output() -> str:
    """Return why output was lost, empty if none was."""
    return sys.stdout.lost if isinstance(sys.stdout, Output) else ""


def tell(text: str, end: str = "\n") -> None:
    """Print one line to standard output."""
    _print(text, sys.stdout, end)


def complain(text: str) -> None:
    """Print one line to standard error."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO, end: str = "\n") -> None:
    stream.write(f"{inert(text, stream.encoding or 'utf-8')}{end}")
