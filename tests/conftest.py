"""Fixtures that several layers of tests share."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import postgres

from dutchbook.persistence.database import Database


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data directory of the tests' own: runs keep the heads of their logs there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own: nothing of the user's is read or written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home))
        yield home


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL: the one that the environment names, else one for this session."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.server())
        except postgres.NoPostgres as error:
            pytest.skip(str(error))
        yield url


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"dutchbook_{uuid.uuid4().hex[:12]}"
    postgres.execute(postgres_url, f"CREATE DATABASE {name}")
    yield postgres.named(postgres_url, name)
    postgres.execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture
def copies(database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes prepared databases, one after the other: faster than preparing each."""
    Database.at(database_url).prepare("paper")
    made: list[str] = []
    server = postgres.named(database_url, "postgres")  # a template must have nobody in it

    def sqlite() -> str:
        made.append(f"{tmp_path}/copy{len(made)}.db")
        shutil.copy(tmp_path / "dutchbook.db", made[-1])
        return f"sqlite:///{made[-1]}"

    def postgresql() -> str:
        base = database_url.partition("?")[0].rsplit("/", 1)[1]
        made.append(f"{base}_{len(made)}")
        postgres.execute(server, f"CREATE DATABASE {made[-1]} TEMPLATE {base}")
        return postgres.named(database_url, made[-1])

    yield sqlite if database_url.startswith("sqlite") else postgresql
    if database_url.startswith("postgresql"):
        drops = (f"DROP DATABASE {name} WITH (FORCE)" for name in made)
        postgres.execute(server, *drops)
