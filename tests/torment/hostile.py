"""Values that other people's programs broke on."""

from __future__ import annotations

import random

TEXTS = (
    "", " ", "x", "[/x]", "[total]", "[link=file:///etc]", "\x1b[2J", "\x1b]0;mine\x07",
    "\u202egnp", "a\nb", "\r", "\t", "ünïcode", "Kö[/OT] 🎾", "'; DROP TABLE orders; --",
    "%s%n{0}{x}", "../../etc/passwd", "~", "-", "--", "-h", "a" * 5000, "=1+1", "null", "true",
    "[]", "{}", "\ufeffbom", "/dev/null", ".", "/", "0a" * 16, "\u2028", "\x9b2J",
)  # fmt: skip
NUMBERS = (
    "0", "-0", "-1", "1", "0.5", "1e400", "1e-400", "1e14", "-1e308", "nan", "NaN", "inf",
    "-inf", "9223372036854775807", "9223372036854775808", "99999999999999999999", "0.00213457",
    "1e-7", "0x10", "1_000", "1,5", "٣", "1" * 400, "", " 1", "True", "3000", "1" + "0" * 14,
)  # fmt: skip
LONG = f"sqlite:///{'d/' * 2000}"
URLS = (
    "", " ", "sqlite", "sqlite:", "sqlite:///", "sqlite:////", "sqlite:///.",
    "sqlite:////dev/null", "sqlite:///no/such/folder/x.db", "sqlite:///x.db?mode=ro",
    "sqlite:///a?b.db", "sqlite://x.db", "mysql://localhost/x", "postgresql://",
    "postgresql://127.0.0.1:1/none", "http://localhost/", "paper.db", "sqlite:///:memory:",
    "postgresql://u:secret-canary@127.0.0.1:1/none?sslmode=wrong", "sqlite:///x.db#part",
    "postgresql://u:secret-canary@127.0.0.1:1/none", "sqlite:///\x01.db", "SQLITE:///upper.db",
    "postgresql://[::1", "postgresql://h:99999/x", "sqlite:///%00.db", LONG,
)  # fmt: skip
SECRET = "secret-canary"  # noqa: S105 - no password, and none may be shown
"""Part of a URL above; no output may hold it."""


def text(rng: random.Random) -> str:
    """Return a text that a program call can carry."""
    if rng.random() < 0.2:
        letters = [chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(1, 30))]
        return "".join(
            letter for letter in letters if letter.isprintable() or rng.random() < 0.5
        )
    return rng.choice(TEXTS)


def number(rng: random.Random) -> str:
    """Return what is no number, no sensible one, or one at the edge."""
    return rng.choice(NUMBERS) if rng.random() < 0.8 else str(rng.randrange(-(10**6), 10**12))


def value(rng: random.Random) -> str:
    """Return a value for anything."""
    return rng.choice((text, number))(rng)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return a file's content with a damage of a kind that disks, editors and crashes make."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(10):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data[:at] + bytes(rng.randrange(256) for _ in range(40)) + data[at + 40 :]
        case 3:
            return data[:at] + bytes(4096) + data[at + 4096 :]
        case 4:
            return data + data
        case 5:
            return data[: at // 2] + data[at:]
        case 6:
            return b"\xef\xbb\xbf" + data
        case 7:
            return b""
        case 8:
            return data[:at] + b"\xff\xfe\x00" + data[at:]
        case _:
            return b"[" * 100_000
