"""The tape that ships.

Two pairs for twenty minutes, made up from one seed, chosen because its first minutes show
episodes of both pairs that are worth trading. This writes it again, byte for byte::

    dutchbook tape generate demo.tape --seed 405 --minutes 20
"""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("demo.tape")
SEED = 405
MINUTES = 20
