"""Fixtures that several layers of tests share."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import postgres

from dutchbook.persistence.database import Database

# Nothing is asserted on wall time: how fast a machine draws examples is not the program's.
settings.register_profile(
    "any machine",
    settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")


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


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every table and no row, to be copied: faster than preparing each."""
    path = tmp_path_factory.mktemp("prepared") / "paper.db"
    Database.at(f"sqlite:///{path}").prepare("paper")
    return path


@pytest.fixture(scope="session")
def prepared_postgres(postgres_url: str) -> Iterator[str]:
    """The name of such a database on the server."""
    with made(postgres_url) as name:
        Database.at(postgres.named(postgres_url, name)).prepare("paper")
        yield name


@contextmanager
def made(server: str, template: str = "template1") -> Iterator[str]:
    """Make a database on a server for a while; yields its name."""
    name = f"dutchbook_{uuid.uuid4().hex[:12]}"
    postgres.execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    postgres.execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_postgres(postgres_url: str, prepared_postgres: str) -> Iterator[str]:
    """The URL of a prepared database, dropped afterwards."""
    with made(postgres_url, prepared_postgres) as name:
        yield postgres.named(postgres_url, name)


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of a database without a table, dropped afterwards."""
    with made(postgres_url) as name:
        yield postgres.named(postgres_url, name)


@pytest.fixture
def paper_url(prepared_file: Path, tmp_path: Path) -> str:
    """A prepared file `paper.db` in the folder of the test."""
    shutil.copy(prepared_file, tmp_path / "paper.db")
    return f"sqlite:///{tmp_path}/paper.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A prepared database of each kind in turn."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("prepared_file"), tmp_path / "dutchbook.db")
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind in turn that nothing was made in yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture
def copies(database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes prepared databases, one after the other."""
    names: list[str] = []
    server = postgres.named(database_url, "postgres")  # a template must have nobody in it

    def sqlite() -> str:
        names.append(f"{tmp_path}/copy{len(names)}.db")
        shutil.copy(tmp_path / "dutchbook.db", names[-1])
        return f"sqlite:///{names[-1]}"

    def postgresql() -> str:
        base = database_url.partition("?")[0].rsplit("/", 1)[1]
        names.append(f"{base}_{len(names)}")
        postgres.execute(server, f"CREATE DATABASE {names[-1]} TEMPLATE {base}")
        return postgres.named(database_url, names[-1])

    yield sqlite if database_url.startswith("sqlite") else postgresql
    if database_url.startswith("postgresql"):
        drops = (f"DROP DATABASE {name} WITH (FORCE)" for name in names)
        postgres.execute(server, *drops)
