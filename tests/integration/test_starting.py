"""What a command imports: a halt must not wait for modules that halting does not need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from dutchbook.persistence.database import Database

pytestmark = pytest.mark.usefixtures("own_home")

HEAVY = {
    "alembic", "asyncpg", "pyarrow", "sqlalchemy", "tomlkit", "uvloop",
    "dutchbook.bootstrap.build", "dutchbook.bootstrap.engine", "dutchbook.bootstrap.paper",
    "dutchbook.config",
    "dutchbook.platforms",
    "dutchbook.persistence.tables.base", "dutchbook.tape.columns",
}  # fmt: skip
LOADED = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(" ".join(sys.modules)))
from dutchbook.cli.main import main
main()
"""


def loaded(*words: str) -> set[str]:
    """Return the modules that a process has loaded by the end of a command."""
    program = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "besides"),
    [
        (("--version",), {"asyncio", "dutchbook.domain", "rich.console", "sqlite3"}),
        (("halt",), {"rich.console"}),
        (("resume", "operator", "--rationale", "all is well"), {"rich.console"}),
        (("status",), set()),
        (("status", "--json"), {"rich.console"}),
    ],
)
def test_a_command_loads_no_heavy_module_that_it_does_not_need(
    words: tuple[str, ...], besides: set[str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/paper.db"
    Database.at(url).prepare("paper")

    found = loaded(*words, *(() if words == ("--version",) else ("--db", url)))

    assert "dutchbook.cli.main" in found
    assert found & (HEAVY | besides) == set()


@pytest.mark.parametrize("name", sorted(HEAVY | {"rich.console"}))
def test_every_module_listed_as_heavy_exists(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
