"""The bundled demo tape.

Two pairs for twenty minutes, generated from a seed whose first minutes have episodes of both
pairs that are worth trading. This command writes it again, byte for byte::

    dutchbook tape generate demo.tape --seed 584 --minutes 20
"""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("demo.tape")
SEED = 584
MINUTES = 20
