"""What a stream cannot show is replaced, what it cannot take is dropped, and nobody fails."""

from __future__ import annotations

import io
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dutchbook.cli.output import BACKLOG, Output, inert

FULL = Path("/dev/full")
ENCODINGS = ("utf-8", "latin-1", "ascii")
ANY = st.text(st.characters(exclude_categories=[]), max_size=60)
"""Texts with every kind of character, lone surrogates included."""
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""The classes of characters that override the direction of writing."""


@given(ANY, st.sampled_from(ENCODINGS))
def test_inert_text_is_one_line_of_characters_that_can_be_shown(text: str, to: str) -> None:
    shown = inert(text, to)

    categories = {unicodedata.category(each) for each in shown}
    assert not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(each) for each in shown} & DIRECTIONS
    assert shown.encode(to).decode(to) == shown
    assert inert(shown, to) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Map 3 [/OT] winner", "Map 3 [/OT] winner"),
        ("Reds [total] :smile: [red]x[/red]", "Reds [total] :smile: [red]x[/red]"),
        ("\x1b[2J\x1b]0;mine\x07", r"\x1b[2J\x1b]0;mine\x07"),
        ("so\n18:03 execution.order.filled", r"so\n18:03 execution.order.filled"),
        ("a\rb\tc\x7fd\x9be", r"a\rb\tc\x7fd\x9be"),
        ("\u202eright to left\u2066", r"\u202eright to left\u2066"),
        ("\ud800", r"\ud800"),
        ("Zürich, Köln 🏆👨‍👩‍👧", "Zürich, Köln 🏆👨‍👩‍👧"),
    ],
)
def test_what_a_text_holds_is_shown_as_it_is_or_as_an_escape(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_a_character_that_the_encoding_lacks_is_an_escape() -> None:
    assert inert("Zürich…", "ascii") == r"Z\xfcrich\u2026"
    assert inert("Zürich…", "latin-1") == r"Zürich\u2026"


class Pipe:
    """Both ends of a pipe; what is written is an `Output`."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.read, write = os.pipe()
        self.writer = os.fdopen(write, "w", encoding=encoding)
        self.output = Output(self.writer)

    def received(self) -> bytes:
        """Close the end that is written, and return what came out of the other."""
        self.writer.close()
        with os.fdopen(self.read, "rb") as reader:
            return reader.read()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_stream_replaces_what_it_cannot_encode(encoding: str) -> None:
    pipe = Pipe(encoding)

    assert pipe.output.write("┏━ 0.5…\n") == 8
    assert pipe.output.write("\ud800 and 🏆\n")

    assert pipe.received() == b"?? 0.5?\n? and ?\n"
    assert not pipe.output.lost


def test_a_reader_that_has_had_enough_is_not_an_error() -> None:
    pipe = Pipe()
    os.close(pipe.read)

    pipe.output.write("more\n")
    pipe.output.write("and more\n")
    pipe.writer.close()

    assert pipe.output.lost == "Broken pipe"
    assert pipe.output.unwanted


@pytest.mark.skipif(not FULL.exists(), reason="no device here that is always full")
def test_a_full_disk_is_the_reason_why_text_was_lost() -> None:
    with FULL.open("w") as full:
        output = Output(full)
        output.write("a line\n")

    assert output.lost == "No space left on device"
    assert not output.unwanted


def test_a_terminal_that_is_gone_takes_text_and_shows_nothing() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        output = Output(terminal)
        os.close(ours)
        output.write("a line\n")

    assert output.isatty()
    assert output.lost == "Input/output error"
    assert not output.unwanted


def test_a_stream_that_another_program_made_non_blocking_takes_everything() -> None:
    pipe = Pipe()
    os.set_blocking(pipe.writer.fileno(), False)
    text = "x" * 1_000_000

    with pipe.output.in_background(live=False):
        pipe.output.write(text)
        os.set_blocking(pipe.read, True)
        received = b""
        while len(received) < len(text):
            received += os.read(pipe.read, 65536)

    assert received == text.encode()
    assert not pipe.output.lost
    assert pipe.received() == b""


def test_a_reader_that_stops_reading_does_not_stop_an_engine() -> None:
    pipe = Pipe()
    line = "x" * 1023 + "\n"

    with pipe.output.in_background(live=True):
        for _ in range(BACKLOG + 1000):
            pipe.output.write(line)
        lost = pipe.output.lost
        os.close(pipe.read)
    pipe.writer.close()

    assert lost == "nobody reads it"


def test_what_was_written_in_the_background_is_written_when_it_ends() -> None:
    pipe = Pipe()

    with pipe.output.in_background(live=True):
        for number in range(100):
            pipe.output.write(f"{number}\n")
    pipe.output.write("and then\n")

    assert pipe.received().decode().split() == [*map(str, range(100)), "and", "then"]


def test_a_program_without_an_output_writes_to_nobody() -> None:
    output = Output(None)

    assert output.write("a line\n") == 7
    assert not output.isatty()
    with pytest.raises(io.UnsupportedOperation):
        output.fileno()
