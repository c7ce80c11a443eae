"""What git knows of the tree: its commit, and what has changed since another one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables that a hook inherits, and that would make git look at another tree."""


class NoHistory(Exception):
    """Git is not installed, or the folder is not the root of a repository with commits."""


@dataclass(frozen=True, slots=True)
class History:
    """The history of the repository whose root is `root`."""

    root: Path
    git: str
    head: str
    shallow: bool

    @classmethod
    def of(cls, root: Path) -> History:
        """Return the history of a folder.

        Raises:
            NoHistory: There is none.
        """
        git = shutil.which("git")
        if git is None:
            raise NoHistory("git is not installed")
        top = _run(git, root, "rev-parse", "--show-toplevel")
        if top.returncode or Path(top.stdout.strip()).resolve() != root.resolve():
            raise NoHistory("this folder is not the root of a git repository")
        head = _run(git, root, "rev-parse", "--short", "--verify", "HEAD")
        if head.returncode:
            raise NoHistory("the repository has no commit")
        shallow = _run(git, root, "rev-parse", "--is-shallow-repository")
        return cls(root, git, head.stdout.strip(), shallow.stdout.strip() == "true")

    def holds(self, commit: str) -> bool:
        """Return whether a commit is HEAD or one that HEAD descends from."""
        found = _run(self.git, self.root, "merge-base", "--is-ancestor", commit, "HEAD")
        return found.returncode == 0

    def changed(self, commit: str, paths: Sequence[str]) -> list[str]:
        """Return the files under `paths` that are not as they were at a commit, sorted.

        Files that were changed, added or removed without a commit are among them, except
        those that git ignores.
        """
        differing = ("diff", "--name-only", "--no-renames", "-z", commit, "--", *paths)
        new = ("ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
        found = set[str]()
        for words in (differing, new):
            done = _run(self.git, self.root, *words)
            done.check_returncode()
            found.update(done.stdout.split("\0"))
        return sorted(found - {""})


def _run(git: str, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the words are ours
        [git, *words],
        cwd=root,
        env={name: value for name, value in os.environ.items() if name not in ELSEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
