"""How a command ends: its exit code, and what is said on standard error."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import typer

from dutchbook.cli.output import Output, complain, inert, standard_streams
from dutchbook.errors import DutchbookError, StorageError

UNEXPECTED = 1
INTERRUPTED = 130
OUTPUT_LOST = StorageError.exit_code


class _InertFormatter(logging.Formatter):
    """Formats a record as lines that no terminal acts on."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(inert, super().format(record).splitlines()))


def outcome(command: Callable[[], object], *, debug: bool) -> int:
    """Run a command and return its exit code; see `dutchbook.errors` for those of errors.

    Args:
        command: Returns an exit code or nothing.
        debug: Whether an error of ours is shown with its traceback too.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_InertFormatter())
    with standard_streams() as out:
        code = _called(command, debug=debug)
        return _shown(out, code)


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
        code = command()
    except DutchbookError as error:
        return _ended(error, error, debug=debug)
    except BaseExceptionGroup as group:
        ours = _ours(group)
        return _trace(group) if ours is None else _ended(ours, group, debug=debug)
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
    except Exception as error:  # noqa: BLE001 - a traceback quotes text from outside, too
        return _trace(error)
    return code if isinstance(code, int) else 0


def _ended(ours: DutchbookError, raised: BaseException, *, debug: bool) -> int:
    if debug:
        _trace(raised)
    # The text may quote a file: it stays one line.
    complain(f"dutchbook: {' '.join(str(ours).split())}")
    return ours.exit_code


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
