"""Planted bugs in what a study says of settings."""

from __future__ import annotations

from prove.bug import Bug

STATISTICS = "tests/spec/test_study_statistics.py"
STUDY = "tests/integration/test_study.py"

IN_STUDY = (
    Bug(
        "entries of another pair belong to one episode",
        "study/episodes.py",
        "or before.place != each.place or",
        "or",
        f"{STATISTICS} -k another_pair_or_tape",
    ),
    Bug(
        "settings are judged on draws of their own",
        "study/resampling.py",
        "interval([each[n] - each[0] for each in drawn])",
        "interval([each[n] - other[0] for each, other in zip(drawn, drawn[1:] + drawn[:1])])",
        f"{STATISTICS} -k differs_from_itself",
    ),
    Bug(
        "a setting is judged on the part on which it was chosen",
        "study/folds.py",
        "then = there[chosen]",
        "then = here[chosen]",
        f"{STATISTICS} -k judged_on_the_other",
    ),
    Bug(
        "one evening is cut between two of its sessions",
        "study/folds.py",
        "ordered[n].first - ends[n - 1] >= APART",
        "ordered[n].first > ends[n - 1]",
        f"{STATISTICS} -k follow_at_once",
    ),
    Bug(
        "an order on a late tape waits for no poll",
        "tape/controls.py",
        "step = max(step, message.step) if polled else number",
        "step = message.step if polled else number",
        "tests/spec/test_tape_controls.py -k never_fall",
    ),
    Bug(
        "every run of a study has the same seed",
        "bootstrap/paper_study.py",
        "clock, seed=job.seed,",
        "clock, seed=1,",
        f"{STUDY} -k seed_draws",
    ),
    Bug(
        "a study forgets which setting a run is of",
        "bootstrap/paper_study.py",
        "number, chosen[number], seed, results)",
        "number, chosen[0], seed, results)",
        f"{STUDY} -k settings_differ",
    ),
    Bug(
        "a study replaces files of others",
        "study/files.py",
        "if each.exists() and not known(each):",
        "if each.exists() and known(each) is None:",
        f"{STUDY} -k nothing_else",
    ),
)
