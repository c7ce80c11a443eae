"""What holds a secret shows nothing of it, and is neither copied nor stored."""

from __future__ import annotations

import re
from typing import NoReturn

from dutchbook.errors import InvalidSecret

_PRINTABLE = re.compile(r"[!-~]+")


class Confidential:
    """Base of every class that holds a key or secret: it is shown by its class alone.

    Copying and pickling raise `TypeError`: a copy would outlive the object in another process
    or in a file.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{self!r} holds a secret: it can be neither copied nor stored")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


def described(text: str) -> str:
    """Describe a text that may be a secret, without quoting any of it."""
    if not text.strip():
        return "an empty text"
    words = len(text.split())
    if words > 1:
        return f"a text of {words} words"
    return "a single character" if len(text) == 1 else f"a text of {len(text)} characters"


def header_value(text: str, field: str, source: str = "") -> str:
    """Check a text that is sent in a header, without the white space around it.

    Raises:
        InvalidSecret: It is empty, or contains a space or a character that is not printable
            ASCII. It could break a header into two.
    """
    stripped = text.strip()
    if not _PRINTABLE.fullmatch(stripped):
        expected = "printable ASCII characters without spaces"
        raise InvalidSecret(field, described(text), expected, source)
    return stripped
