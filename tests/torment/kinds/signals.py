"""Signals at any instant: an engine that can drain does, and a killed one leaves no secret."""

from __future__ import annotations

import re
import signal
import time

from torment import engines, judging
from torment.ground import DONE, INTERRUPTED, Ended, Ground

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def attempt(ground: Ground) -> list[str]:
    """Start an engine, strike it, read what the commands say, and start the next."""
    rng = ground.rng
    struck = rng.choice((*ENDING, *ENDING, signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP))
    if rng.random() < 0.15:
        return _at_the_first_instant(ground)
    program = engines.started(ground)
    engines.until(program, rng.randrange(1, 60))
    if struck is signal.SIGSTOP:
        engines.send(program, signal.SIGSTOP)
        time.sleep(rng.random() * 2)
        engines.send(program, signal.SIGCONT)
        struck = rng.choice(ENDING)
    engines.send(program, struck)
    if struck in ENDING and rng.random() < 0.2:
        engines.send(program, struck)
    ended = ground.end(program, ("run", f"struck by {struck.name}"))
    if struck is signal.SIGKILL and ended.code == -signal.SIGKILL:
        return [
            *judging.record(ground.database),
            *engines.told(ground),
            *engines.recovers(ground),
        ]
    twice = {DONE, INTERRUPTED}
    wrong = judging.said(ended, twice)
    if ended.code == DONE:
        wrong += judging.drained(ground.database)
    return [*wrong, *engines.told(ground), *engines.recovers(ground)]


def _at_the_first_instant(ground: Ground) -> list[str]:
    """Interrupt a command before it can have done anything."""
    rng = ground.rng
    words = rng.choice((("status",), ("run", "--tape", str(ground.tape)), ("orders",)))
    if words != ("run", "--tape", str(ground.tape)):
        ground.traded()
    program = ground.start(*words, "--db", ground.url)
    time.sleep(rng.random() * 0.5)
    engines.send(program, signal.SIGINT)
    ended = ground.end(program, (*words, "interrupted"))
    said = [] if _still_python(ended) else judging.said(ended, {DONE, INTERRUPTED})
    return [*said, *judging.record(ground.database)]


def _still_python(ended: Ended) -> bool:
    """Return whether the signal came before the program could ask to hear of it.

    Python says nothing then, or shows a trace that ends in modules of its own, which the
    program's first file at most has begun to import.
    """
    ours = set(re.findall(r'File ".*/dutchbook/(.*)", line', ended.err))
    traced = ended.err.rstrip().endswith("KeyboardInterrupt")
    silent = ended.code == -signal.SIGINT and not ended.err
    return silent or (traced and ours <= {"__main__.py"})
