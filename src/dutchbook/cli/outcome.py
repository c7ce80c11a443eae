"""How a command ends: its exit code, and what is said on standard error."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from dutchbook.cli.output import Output, complain, inert, standard_streams
from dutchbook.errors import DutchbookError, StorageError

UNEXPECTED = 1
INTERRUPTED = 130
OUTPUT_LOST = StorageError.exit_code


class _InertFormatter(logging.Formatter):
    """Formats a record as lines that no terminal acts on; tracebacks only to debug."""

    def __init__(self, *, debug: bool) -> None:
        super().__init__()
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        if not self._debug:
            untraced = {"exc_info": None, "exc_text": None, "stack_info": None}
            record = logging.makeLogRecord(record.__dict__ | untraced)
        return "\n".join(map(inert, super().format(record).splitlines()))


def outcome(command: Callable[[], object], *, debug: bool) -> int:
    """Run a command and return its exit code; see `dutchbook.errors` for those of errors.

    Args:
        command: Returns an exit code or nothing.
        debug: Whether an error is shown with its traceback.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_InertFormatter(debug=debug))
    with standard_streams() as out:
        code = _called(command, debug=debug)
        return _shown(out, code)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, unless it is ignored."""
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()
    if not here or before is signal.SIG_IGN:
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _shown(out: Output, code: int) -> int:
    """Return the exit code of a command that ended with `code`, given what its output lost.

    A reader that has had enough, as in ``| head``, has lost nothing.
    """
    if not out.lost or out.unwanted:
        return code
    complain(f"dutchbook: the output: {out.lost}")
    return code or (0 if out.incidental else OUTPUT_LOST)


def _called(command: Callable[[], object], *, debug: bool) -> int:
    try:
        with _interruptible():
            code = command()
    except DutchbookError as error:
        return _ended(error, error, debug=debug)
    except BaseExceptionGroup as group:
        ours = _ours(group)
        if ours is not None:
            return _ended(ours, group, debug=debug)
        return _unexpected(group, debug=debug)
    except OSError as error:
        # Tapes, settings and databases raise errors of their own; output raises none.
        shown = StorageError(f"{error.filename or 'the system'}: {error.strerror or error}")
        return _ended(shown, error, debug=debug)
    except typer.Abort:
        complain("Aborted.")
        return UNEXPECTED
    except typer.TyperException as error:
        return _misused(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where no error is let through
        return _unexpected(error, debug=debug)
    return code if isinstance(code, int) else 0


def _ended(ours: DutchbookError, raised: BaseException, *, debug: bool) -> int:
    if debug:
        _trace(raised)
    # The text may quote a file: it stays one line.
    complain(f"dutchbook: {' '.join(str(ours).split())}")
    return ours.exit_code


def _unexpected(error: BaseException, *, debug: bool) -> int:
    """Say in a line that something happened that should not have, and keep its trace.

    The message of a foreign error could hold a secret: it is shown to who asks for it alone.
    """
    if _interrupted(error):
        return INTERRUPTED
    if debug:
        return _trace(error)
    kept = _kept(error)
    where = f"the trace is in {kept}; " if kept else ""
    complain(f"dutchbook: unexpected {_name(error)}; {where}run with --debug to see all of it")
    return UNEXPECTED


def _interrupted(error: BaseException) -> bool:
    """Return whether an error is nothing but interruptions."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_interrupted, error.exceptions))
    return isinstance(error, KeyboardInterrupt)


def _name(error: BaseException) -> str:
    """Return the name of an error, or of the first one of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__


def _kept(error: BaseException) -> Path | None:
    """Write where an error came from to a file of this user's; return it if that was possible.

    It has no messages and no values.
    """
    from dutchbook.bootstrap import paths

    path = paths.crash_file()
    lines = [line for each in _chain(error) for line in _frames(each)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError:
        return None
    return path


def _frames(error: BaseException) -> list[str]:
    return [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n\n"]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what a group of them holds, and what each of them came from."""
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*inner, error.__cause__ or error.__context__):
        if each is not None:
            yield from _chain(each)


def _trace(error: BaseException) -> int:
    for text in traceback.format_exception(error):
        for line in text.splitlines():
            complain(line)
    return UNEXPECTED


def _misused(error: typer.TyperException) -> int:
    """Say how the command is called; where there was no argument, its help was printed."""
    if message := error.format_message():
        if context := getattr(error, "ctx", None):
            complain(context.get_usage())
            complain(f"Try '{context.command_path} --help' for help.")
        complain(f"Error: {message}")
    return error.exit_code


def _ours(group: BaseExceptionGroup[BaseException]) -> DutchbookError | None:
    """Return the error of ours that ended a group of tasks, if any."""
    for each in group.exceptions:
        inner = _ours(each) if isinstance(each, BaseExceptionGroup) else each
        if isinstance(inner, DutchbookError):
            return inner
    return None
