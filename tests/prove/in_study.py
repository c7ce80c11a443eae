"""Planted bugs in what a study says of settings."""

from __future__ import annotations

from prove.bug import Bug

STATISTICS = "tests/spec/test_study_statistics.py"
REPORT = "tests/spec/test_study_report.py"
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
        "a setting is judged on the parts on which it was chosen",
        "study/folds.py",
        "then = here[chosen]",
        "then = others[chosen]",
        f"{STATISTICS} -k judged_on_the_other",
    ),
    Bug(
        "a setting is chosen with the part on which it is judged",
        "study/folds.py",
        "for place, each in enumerate(kept) if place != number]",
        "for place, each in enumerate(kept) if place >= 0]",
        f"{STATISTICS} -k does_not_depend_on_it",
    ),
    Bug(
        "what a setting leads by in truth counts as luck",
        "study/resampling.py",
        "each - drawn[0] - (total - totals[0]) for",
        "each - drawn[0] - 0 * (total - totals[0]) for",
        f"{STATISTICS} -k every_figure",
    ),
    Bug(
        "an interval leaves twice as much out below",
        "study/resampling.py",
        "Interval(ordered[out],",
        "Interval(ordered[2 * out],",
        f"{STATISTICS} -k leaves_a_twentieth",
    ),
    Bug(
        "what Ctrl-C leaves is called the whole study",
        "bootstrap/paper_study.py",
        "planned=len(self.jobs),",
        "planned=len(done) if isinstance(done, list) else 0,",
        f"{STUDY} -k row_for_each_run_that_is_done",
    ),
    Bug(
        "a control is compared with what all tapes came to",
        "study/conclusions.py",
        "study.of(0) if each.variant.tape in tapes]",
        "study.of(0) if tapes]",
        f"{REPORT} -k same_tape_and_no_other",
    ),
    Bug(
        "results come in the order in which workers end",
        "runtime/workers.py",
        "while wanted not in done:",
        "while not done or (wanted := next(iter(done))) < 0:",
        "tests/integration/test_workers.py -k in_the_order",
    ),
    Bug(
        "an error of a worker is taken for its result",
        "runtime/workers.py",
        "    if failed:",
        "    if failed is None:",
        "tests/integration/test_workers.py -k raised_where",
    ),
    Bug(
        "one platform is late and so is the other",
        "tape/controls.py",
        "if each.update.platform is platform else each",
        "if each.update.platform else each",
        "tests/spec/test_tape_controls.py -k one_platform_is_late",
    ),
    Bug(
        "one evening is cut between two of its sessions",
        "study/folds.py",
        "each.first - max(one.last for one in groups[-1]) >= APART",
        "each.first > max(one.last for one in groups[-1])",
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
