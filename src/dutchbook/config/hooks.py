"""Settings of the programs that are started when something happens."""

from __future__ import annotations

import shlex

from pydantic import Field, field_validator

from dutchbook.config.fields import Section, whole


class Hooks(Section):
    """Programs that are started when something happens, without a shell."""

    on_exposure: str = Field(
        "", description="started when a leg is unhedged, when that is reported again, and ends"
    )
    on_halt: str = Field(
        "", description="started when trading is halted, and when that is lifted"
    )
    seconds: int = whole(10, 1, 600, "a program that takes longer is killed")
    at_once: int = whole(4, 1, 64, "programs that run at the same time; others wait")

    @field_validator("on_exposure", "on_halt")
    @classmethod
    def _readable(cls, text: str) -> str:
        words(text)
        return text


def words(command: str) -> tuple[str, ...]:
    """Return the words of a command line, as a shell would split it.

    Raises:
        ValueError: A quotation is not closed.
    """
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise ValueError(f"a command line ({error})") from None
