"""What a database is known as: where clients reach it, and where the server says it listens.

Two names are of one database if any of them are equal; two databases share none. A file has its
path without links, and its number. A server's database has one name for each address or socket
folder, with the port and its own name: whoever halts without the database knows only the one
that he would have connected to, so the engine asks the server for the others.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dutchbook.persistence.database import SQLITE, Database
from dutchbook.ports.time import Turnstile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
USUAL = (
    *("/run/postgresql", "/var/run/postgresql", "/var/pgsql_socket", "/private/tmp"),
    "/tmp",  # noqa: S108 - where the driver looks
)
"""Socket folders that are tried when a URL names no host, and then `localhost`."""
PORT, V6 = "5432", 6
RESOLVED_SECONDS = 2
"""A person who halts does not wait longer for the name of a host."""
EVERY = {"*": (4, 6), "0.0.0.0": (4,), "::": (6,)}  # noqa: S104 - it is what a server says
"""What a server says that listens on every address, and of which versions of the protocol."""
ASKED = """SELECT host(inet_server_addr()), current_setting('listen_addresses'),
    current_setting('port'),
    (SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories')"""
"""The last is shown to some users only, and NULL to the others."""


def names_of(database: Database) -> tuple[str, ...]:
    """Return what a database is known as to somebody who has only its URL."""
    if database.dialect == SQLITE:
        path = database.path
        try:
            found = Path(path).stat()
        except OSError:
            return (path,)
        return (path, f"file {found.st_dev}:{found.st_ino}")
    dialled = (_named(host, port, database) for host, port in _dialled(database))
    return tuple(dict.fromkeys(name for names in dialled for name in names))


async def served_names(database: Database, turnstile: Turnstile) -> tuple[str, ...]:
    """Return under which further names a server of this machine serves a database.

    Of a server elsewhere only the addresses are known by which we reach it.
    """
    if database.dialect == SQLITE:
        return ()
    from dutchbook.persistence.journals.postgres import looked

    with contextlib.suppress(OSError):
        for row in await turnstile.drive(lambda: looked(database.url, (ASKED,))):
            return _served(database, *row)
    return ()


def _served(
    database: Database, address: str | None, listens: str, port: str, sockets: str | None
) -> tuple[str, ...]:
    own = _own_addresses()
    if address is not None and ipaddress.ip_address(address) not in own:
        return ()
    hosts = [] if address is None else [address]
    for each in filter(None, map(str.strip, listens.split(","))):
        versions = EVERY.get(each, ())
        hosts += [str(a) for a in own if a.version in versions] if versions else [each]
    hosts += [each.strip() for each in (sockets or "").split(",") if each.strip()]
    found = (_named(host, port, database) for host in hosts)
    return tuple(dict.fromkeys(name for names in found for name in names))


def _dialled(database: Database) -> Iterator[tuple[str, str]]:
    """Yield each host, or socket folder, and port that the driver would try."""
    from sqlalchemy.engine import make_url

    url = make_url(database.url)
    hosts = _listed(url.query.get("host")) or _listed(url.host)
    hosts = hosts or _listed(os.environ.get("PGHOST")) or [*USUAL, "localhost"]
    ports = _listed(url.query.get("port")) or [str(url.port or "")]
    ports = [port or os.environ.get("PGPORT") or PORT for port in ports]
    for number, host in enumerate(hosts):
        yield host, ports[min(number, len(ports) - 1)]


def _listed(text: Any) -> list[str]:
    parts = [text] if isinstance(text, str) else list(text or ())
    return [each for part in parts for each in part.split(",") if each]


def _named(host: str, port: str, database: Database) -> list[str]:
    """Return the names of a database at a host: its addresses, else the host as it is."""
    name = database.database
    if host.startswith("/"):
        return [f"{Path(host).resolve()}:{port}/{name}"]
    found = _addresses(host)
    shown = [f"[{a}]" if a.version == V6 else str(a) for a in found]
    if not any(a.is_loopback for a in found):
        shown.append(host.lower())  # which is still known when no name can be resolved
    return list(dict.fromkeys(f"{each}:{port}/{name}" for each in shown))


def _addresses(host: str) -> list[Address]:
    """Return the addresses of a host, none if nobody says them in time."""
    found: list[str] = []

    def ask() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.extend(str(each[4][0]).partition("%")[0] for each in answers)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(RESOLVED_SECONDS)
    return _sorted(list(found))


def _own_addresses() -> list[Address]:
    """Return the addresses of this machine that are known without asking its interfaces."""
    own = _addresses(socket.gethostname())
    return _sorted(["127.0.0.1", "::1", *map(str, own)])


def _sorted(texts: Iterable[str]) -> list[Address]:
    return sorted({ipaddress.ip_address(each) for each in texts}, key=str)
