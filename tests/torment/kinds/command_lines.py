"""Any command with any words: it does it, or says in a line why not, and changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer

from dutchbook.cli.main import app
from torment import hostile, judging
from torment.ground import MISUSED, Ground

CONTEXTS = ("--db", "--config", "--tape")
ENDLESS = ("--standby",)
"""Options that wait for ever by intent."""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command of the program, with the words that call it."""
    yield from _below((), typer.main.get_command(app))


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        yield from _below((*words, name), each)


def attempt(ground: Ground) -> list[str]:
    """Call one command with hostile words, on a database that an engine has used."""
    rng = ground.rng
    path = ground.traded() if rng.random() < 0.7 else ground.database
    before, existed = judging.entries(path), path.exists()
    named, command = rng.choice(list(commands()))
    words = [*named, *_words(command, ground)]
    ended = ground.call(
        *words, typed=rng.choice((None, "", "y\n", "n\n", "\x1b[A\n", "y" * 99))
    )
    wrong = judging.said(ended)
    if hostile.SECRET in ended.out + ended.err:
        wrong.append(f"a password is shown: {ended}")
    if ended.code == MISUSED and judging.entries(path) != before:
        wrong.append(f"an error of usage left entries in the log: {ended}")
    if ended.code == MISUSED and path.exists() and not existed:
        wrong.append(f"an error of usage left a database: {ended}")
    return [*wrong, *judging.record(path)]


def _words(command: Any, ground: Ground) -> list[str]:
    rng, words = ground.rng, []
    for each in command.params:
        if each.param_type_name == "argument":
            words += [_value(each, ground)] if rng.random() < 0.95 else []
        elif "--db" in each.opts:
            words += [
                "--db",
                ground.url if rng.random() < 0.85 else _carried(rng, hostile.URLS),
            ]
        elif "--tape" in each.opts and rng.random() < 0.8:
            words += ["--tape", str(ground.tape), "--speed", "max"]
        elif rng.random() < 0.25 and not set(each.opts) & {*ENDLESS, "--speed"}:
            words += [each.opts[0]]
            words += [] if each.is_flag else [_value(each, ground)]
    if rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), _carried(rng, hostile.TEXTS))
    return words


def _carried(rng: random.Random, values: tuple[str, ...]) -> str:
    """Return a value that the system can pass: without a zero byte."""
    return rng.choice(values).replace("\0", "")


def _value(parameter: Any, ground: Ground) -> str:
    """Return a value, now and then one of the right kind so that the rest is reached."""
    rng = ground.rng
    kind = parameter.type_descriptor.annotation
    if Path in (kind, *get_args(kind)):
        files = (
            "new.file",
            str(ground.tape),
            str(ground.folder),
            "no/such",
            "/dev/null",
            "/dev/full",
        )
        return rng.choice((*files, _carried(rng, hostile.TEXTS)))
    if rng.random() < 0.3:
        return rng.choice(
            ("kalshi", "polymarket", "operator", "KXDEMO-26-00", "1", "10", "all")
        )
    return hostile.value(rng).replace("\0", "")
