"""Fixtures that several layers of tests share."""

from __future__ import annotations

import gc
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import postgres
from support.program import at_home
from support.recordings import WORLD_CUP

from dutchbook.persistence.database import Database
from dutchbook.tape.importers.recording import import_recording

pytest_plugins = ["support.in_memory", "support.time_limit"]

# No test asserts wall time: how fast a machine draws examples says nothing of the program.
settings.register_profile(
    "any machine",
    settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from reading thousands of tests again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests their own data directory, and their own for all users of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("DUTCHBOOK_MACHINE_FOLDER", str(tmp_path_factory.mktemp("machine") / "m"))
        yield


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests their own home, so that no file of the user is read or written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        at_home(patch, home)
        yield home


@pytest.fixture
def home_of_one_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test its own home, next to its files: nothing of another test is in it."""
    at_home(monkeypatch, tmp_path)


@pytest.fixture(scope="session")
def world_cup_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tape of the World Cup recording, for tests that only read it."""
    path = tmp_path_factory.mktemp("recording") / "world_cup.tape"
    import_recording(WORLD_CUP, path)
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return a real PostgreSQL: the one that the environment names, else a new one."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.server())
        except postgres.NoPostgres as error:
            pytest.skip(str(error))
        yield url


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file with all tables and no rows; copying beats preparing anew."""
    path = tmp_path_factory.mktemp("prepared") / "paper.db"
    Database.at(f"sqlite:///{path}").prepare("paper")
    return path


@pytest.fixture(scope="session")
def prepared_postgres(postgres_url: str) -> Iterator[str]:
    """Return the name of a prepared database on the server, used as a template."""
    with made(postgres_url) as name:
        Database.at(postgres.named(postgres_url, name)).prepare("paper")
        yield name


@contextmanager
def made(server: str, template: str = "template1") -> Iterator[str]:
    """Create a database on a server, yield its name and drop it afterwards."""
    name = f"dutchbook_{uuid.uuid4().hex[:12]}"
    postgres.execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    postgres.execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_postgres(postgres_url: str, prepared_postgres: str) -> Iterator[str]:
    """Yield the URL of a prepared database, dropped afterwards."""
    with made(postgres_url, prepared_postgres) as name:
        yield postgres.named(postgres_url, name)


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """Yield the URL of a database without tables, dropped afterwards."""
    with made(postgres_url) as name:
        yield postgres.named(postgres_url, name)


@pytest.fixture
def paper_url(prepared_file: Path, tmp_path: Path) -> str:
    """Return the URL of a prepared file `paper.db` in the test's folder."""
    shutil.copy(prepared_file, tmp_path / "paper.db")
    return f"sqlite:///{tmp_path}/paper.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a prepared database, once for each engine."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("prepared_file"), tmp_path / "dutchbook.db")
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("fresh_postgres")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, once for each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/dutchbook.db"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture
def copies(database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Yield a function that creates another prepared database with each call."""
    names: list[str] = []
    server = postgres.named(
        database_url, "postgres"
    )  # a template must have no open connections

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
