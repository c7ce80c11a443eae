"""Default locations of settings, databases, HALT files and anchors."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_path, user_data_path

from dutchbook.errors import StorageError
from dutchbook.persistence.database import SQLITE, Database
from dutchbook.persistence.endpoints import names_of
from dutchbook.runtime.halt_file import FileOfHalt, HaltFiles

if TYPE_CHECKING:
    from dutchbook.config import Settings

MACHINE_FOLDER = "DUTCHBOOK_MACHINE_FOLDER"
READABLE = 80
"""Characters of a database's name in the name of its HALT file, before the digest."""


def default_config() -> Path:
    """Return the path of this user's settings."""
    return user_config_path("dutchbook") / "config.toml"


def initialise() -> list[str]:
    """Write the commented settings and create the data directory; return what was created.

    Raises:
        StorageError: They cannot be written; the settings are then complete or absent.
    """
    from dutchbook.config import commented

    path, made = default_config(), []
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        for folder in (path.parent, user_data_path("dutchbook")):
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700)
                made.append(str(folder))
        if not path.exists():
            partial.write_text(commented(), encoding="utf-8")
            partial.replace(path)
            made.append(str(path))
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StorageError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return made


def settings() -> Settings:
    """Return this user's settings, or the defaults if there is no file yet."""
    from dutchbook.config import load

    path = default_config()
    return load(path if path.exists() else None, (), os.environ)


def default_database() -> str:
    """Return the URL of the database file that is used by default."""
    return f"sqlite:///{user_data_path('dutchbook') / 'paper.db'}"


def machine_folder() -> Path:
    """Return the folder for what concerns every user of this machine; it survives a restart."""
    return Path(os.environ.get(MACHINE_FOLDER) or "/var/tmp/dutchbook")  # noqa: S108


def crash_file() -> Path:
    """Return the file for where the last unexpected error came from."""
    return user_data_path("dutchbook") / "crash.txt"


def halt_files(database: Database, served: Iterable[str] = ()) -> HaltFiles:
    """Return the HALT files of a database, for when the database does not answer.

    A database file has one, next to it. A server's database has one for each of its names, in a
    folder that all users of this machine share.

    Args:
        database: The database.
        served: Names that its server has said, beyond those in the URL.
    """
    names = tuple(dict.fromkeys((*names_of(database), *served)))
    if database.dialect == SQLITE:
        file = Path(database.path).with_name(f"{database.name}.HALT")
        return HaltFiles([FileOfHalt(file, names)])
    folder = machine_folder()
    return HaltFiles(FileOfHalt(folder / _file_name(name), [name]) for name in names)


def _file_name(name: str) -> str:
    readable = re.sub(r"[^\w.-]+", "_", name).strip("_")[:READABLE]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.HALT"


def anchor_path(database: Database) -> Path:
    """Return the file for heads of a database's log, in the user's data directory.

    Its name has a digest of the database's location, since many are called paper.db.
    """
    place = hashlib.sha256(database.place.encode()).hexdigest()[:8]
    return user_data_path("dutchbook") / f"{database.name}-{place}.anchors"
