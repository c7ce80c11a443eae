"""Stands between a program and PostgreSQL on a socket, and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Forwards bytes both ways, in a thread of its own.

    Attributes:
        url: The database as it is reached through this.
        connections: How many connections were made.
    """

    def __init__(self, folder: Path, url: str) -> None:
        parts = urlsplit(url)
        (self._server,) = parse_qs(parts.query)["host"]
        self._folder = folder
        self.url = parts._replace(query=f"host={folder}").geturl()
        self.connections = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._swallows = self._refuses = False
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def cut(self, *, refuse: bool = False) -> None:
        """Cut every connection; `refuse` new ones until `restore`."""
        self._refuses = refuse
        self._do(self._cut)

    def restore(self) -> None:
        """Let new connections through."""
        self._refuses = False

    def swallow(self) -> None:
        """Cut the connection of the next answer, which is lost: what it answers was done."""
        self._swallows = True

    def close(self) -> None:
        """End the thread."""
        self._do(self._closing.set)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_unix_server(self._serve, self._folder / SOCKET)
        self._ready.set()
        await self._closing.wait()
        server.close()
        self._cut()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        self.connections += 1
        path = Path(self._server) / SOCKET
        there, back = await asyncio.open_unix_connection(path)
        self._open |= {writer, back}
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(self._forward(reader, back), self._return(there, writer))
        for each in (writer, back):
            each.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.transport.abort()

    async def _return(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self._swallows:
                self._swallows = False
                self._cut()
                return
            writer.write(data)
        writer.transport.abort()


@contextmanager
def between(url: str) -> Iterator[Proxy]:
    """Stand between a program and a server during a test."""
    with tempfile.TemporaryDirectory(prefix="dutchbook-proxy-") as folder:
        proxy = Proxy(Path(folder), url)
        try:
            yield proxy
        finally:
            proxy.close()
