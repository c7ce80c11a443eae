"""What may be concluded from a study, and what may not, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dutchbook.study.findings import Findings
from dutchbook.study.markdown import dollars, plural, signed
from dutchbook.study.resampling import TAIL, Comparison
from dutchbook.study.runs import AS_RECORDED, mean, means

FEW = 20
"""With fewer episodes than this, an interval says little."""


def concluded(found: Findings) -> Iterator[str]:
    """Yield what may be concluded, a line each."""
    if found.comparison is None:
        yield "- No setting bought anything: there is nothing to compare."
        return
    if len(found.episodes) < FEW:
        yield f"- {few(found)}; what follows is a hint at most."
    yield from _differences(found.comparison)
    yield from _lead(found.comparison)
    yield from _out_of_sample(found)
    yield from _artefacts(found)


def few(found: Findings) -> str:
    """Return in words that there are few episodes."""
    count = plural(len(found.episodes), "episode")
    return f"With {count}, fewer than {FEW}, the intervals are too narrow and say little"


def _differences(drawn: Comparison) -> Iterator[str]:
    others = list(enumerate(drawn.differences))[1:]
    if not others:
        yield "- One setting: there is nothing to compare it with."
    more = [n + 1 for n, each in others if each.low > 0]
    less = [n + 1 for n, each in others if each.high < 0]
    for numbers, word in ((more, "more"), (less, "less")):
        if numbers:
            who = _named(numbers, "keep")
            yield f"- {who} {word} than setting 1 in 19 of 20 draws or more."
    same = [n + 1 for n, each in others if each.low == each.high == 0]
    if same:
        yield f"- {_named(same, 'keep')} exactly what setting 1 keeps, of every episode."
    rest = [n + 1 for n, _ in others if n + 1 not in {*more, *less, *same}]
    if rest:
        yield (
            f"- {_named(rest)} cannot be told from setting 1: what is between them may be luck."
        )


def _named(numbers: Sequence[int], verb: str = "") -> str:
    listed = ", ".join(map(str, numbers))
    if len(numbers) == 1:
        return f"Setting {listed} {verb}s" if verb else f"Setting {listed}"
    return f"Settings {listed} {verb}".rstrip()


def _lead(drawn: Comparison) -> Iterator[str]:
    """Yield whether the best of so many leads by more than luck would let one of them."""
    if not drawn.best:
        return
    tried, share = len(drawn.totals), percent(drawn.by_luck, drawn.samples)
    enough = drawn.by_luck * TAIL < drawn.samples
    yield (
        f"- Setting {drawn.best + 1} keeps most of {tried} that were tried. If none were better"
        f" than setting 1, the best of so many would lead it by as much in {share} of draws:"
        f" {'more than luck explains' if enough else 'the number of tries may explain it all'}."
    )


def percent(part: int, whole: int) -> str:
    """Return a share in whole per cent, rounded down; below one, that it is."""
    share = 100 * part // whole
    return f"{share} %" if share or not part else "less than 1 %"


def _out_of_sample(found: Findings) -> Iterator[str]:
    if not found.folds:
        return
    totals = [sum(column) for column in zip(*found.parted, strict=True)]
    most = max(totals)
    best, chosen = totals.index(most), sum(each.then for each in found.folds)
    shown, first, top = (
        dollars(mean(each, found.study.seeds)) for each in (chosen, totals[0], most)
    )
    yield (
        f"- Out of sample: chosen each time without the session on which they are judged,"
        f" settings keep {shown} in all; setting 1, without a choice, {first}; setting"
        f" {best + 1}, the best in hindsight, {top}."
    )


def _artefacts(found: Findings) -> Iterator[str]:
    """Yield what each control makes with the first setting, beside what was recorded."""
    study = found.study
    names = dict.fromkeys(each.variant.control for each in study.runs)
    for name in names:
        if name == AS_RECORDED:
            continue
        played = study.of(0, name)
        tapes = {each.variant.tape for each in played}
        true = [each for each in study.of(0) if each.variant.tape in tapes]
        made, kept = (means(each, study.seeds).parts.kept for each in (played, true))
        line = (
            f"- {name}: setting 1 makes {dollars(made)} of what was never there, the size of"
            f" the artefact ({signed(made - kept)} against the same tapes as recorded)."
        )
        if 0 < kept <= made:
            line += " Such a fault of the recording would explain all that setting 1 keeps."
        yield line


def not_concluded(found: Findings) -> Iterator[str]:
    """Yield what may not be concluded, a line each."""
    study = found.study
    sessions = sum(len(each.sittings) for each in study.tapes)
    pairs = sum(each.pairs for each in study.tapes)
    assumed = sum(each.assumed for each in study.tapes)
    yield (
        "- That so much will be made. Orders met recorded books on paper, where nobody else"
        " takes the same edge and no price moves because of them."
    )
    yield (
        "- Anything of other events:"
        f" {'this was' if sessions == 1 else 'these were'} {plural(sessions, 'session')} and"
        f" {plural(pairs, 'pair')}. An interval tells what these edges might as well have"
        " brought, not what other days bring."
    )
    yield (
        "- That what cannot be told apart is equally good: these tapes hold too little to tell."
    )
    if assumed:
        yield (
            f"- Anything that hangs on {plural(assumed, 'fact')} of contracts that"
            f" {'is' if assumed == 1 else 'are'} assumed, not recorded, such as fees and"
            " smallest orders; `dutchbook tape info TAPE` names them."
        )
    if not any(each.variant.control != AS_RECORDED for each in study.runs):
        yield "- That it is no artefact: no control was run."
