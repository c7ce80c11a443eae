"""The report of a study in Markdown: what each setting made, and how much of it may be luck."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from dutchbook.domain.pair_trades.attribution import Attribution
from dutchbook.domain.values.units import plain
from dutchbook.study.conclusions import FEW, concluded, few, not_concluded, percent
from dutchbook.study.findings import Findings
from dutchbook.study.folds import Part
from dutchbook.study.markdown import NOTHING, dollars, plural, signed, span, table
from dutchbook.study.runs import AS_RECORDED, Study, mean, means

TITLE = "# Study of settings"
"""The first line of every report, by which one is known."""


def report(found: Findings) -> list[str]:
    """Return the lines of a report."""
    sections = (
        ("", _head(found)),
        ("What each setting keeps", _compared(found)),
        ("What may be concluded", concluded(found)),
        ("What may not", not_concluded(found)),
        ("How much of it is luck", _luck(found)),
        ("Out of sample", _folds(found)),
        ("Controls", _controls(found)),
        ("What each setting comes to", _measured(found)),
        ("Where the edge went", _parts(found)),
        ("Tapes", _tapes(found.study)),
        ("How to read this", READING),
    )
    titled = (
        ([f"## {title}", ""] if title else [TITLE, ""], lines) for title, lines in sections
    )
    return list(chain.from_iterable([*head, *lines, ""] for head, lines in titled))[:-1]


def compared(found: Findings) -> list[dict[str, str]]:
    """Return a row for each setting: what it keeps, and how it differs from the first."""
    study, drawn = found.study, found.comparison
    heads = ["setting", *study.grid.keys, "kept, $", "90 % of draws, $"]
    heads += ["more than setting 1, $", "90 % of differences, $"]
    rows = []
    for n, setting in enumerate(study.grid.settings):
        kept = found.means[n].parts.kept
        row = [str(n + 1), *map(str, setting.values), dollars(kept)]
        row.append(span(drawn.intervals[n], study.seeds) if drawn else NOTHING)
        row.append(signed(kept - found.means[0].parts.kept) if n else NOTHING)
        differs = drawn.differences[n] if drawn and n else None
        row.append(span(differs, study.seeds, plus=True) if differs else NOTHING)
        rows.append(dict(zip(heads, row, strict=True)))
    return rows


def _compared(found: Findings) -> list[str]:
    rows = compared(found)
    return table(list(rows[0]), (list(each.values()) for each in rows), left=0)


def _head(found: Findings) -> Iterator[str]:
    study, every = found.study, len(found.study.runs)
    parts = sum(bool(each.variant.sessions) for each in study.runs)
    controls = sum(each.variant.control != AS_RECORDED for each in study.runs)
    yield (
        f"{plural(len(study.grid.settings), 'setting')}, {plural(study.seeds, 'seed')},"
        f" {plural(len(study.tapes), 'tape')}: {plural(every - parts - controls, 'run')} of"
        f" whole tapes as recorded, {parts:,} of some of their sessions, {controls:,} of"
        f" controls."
        f" Dutchbook {study.version}, on paper."
    )
    yield ""
    yield "Amounts are dollars: sums over the tapes, means over the seeds."
    others = study.grid.others()
    if others:
        listed = ", ".join(f"`{key}={value}`" for key, value in others.items())
        yield f"Settings that are not at their defaults in any run: {listed}."


def _luck(found: Findings) -> Iterator[str]:
    study, drawn, tried = found.study, found.comparison, len(found.study.grid.settings)
    count = len(found.episodes)
    yield (
        f"- Settings tried: {tried}. The best of many looks better than it is: being best takes"
        " luck as well, and the more are tried, the more of it. Count what you tried before,"
        " too."
    )
    if drawn is not None and tried > 1:
        share = percent(drawn.not_best, drawn.samples)
        yield (
            f"- Setting {drawn.best + 1} keeps most. In {drawn.not_best:,} of"
            f" {drawn.samples:,} draws ({share}) another setting keeps more."
        )
        yield (
            f"- {tried - 1} of them {'was' if tried - 1 == 1 else 'were'} compared with"
            " setting 1. Where there is no difference, one comparison in ten still finds one"
            " (more or less) by luck."
        )
    hint = "" if count >= FEW else f" {few(found)}."
    yield f"- {plural(count, 'episode')}, edges that some setting bought, any seed.{hint}"
    alike = all(each.least == each.most for each in found.means)
    if study.seeds > 1 and alike:
        yield (
            "- Every seed kept the same: nothing in these settings is drawn by a seed"
            " (`paper.lag_ms` is, and faults are). One seed tells as much."
        )
    elif study.seeds > 1:
        yield "- A further seed is the same market once more: it adds runs, and no evidence."


def _folds(found: Findings) -> Iterator[str]:
    study = found.study
    if isinstance(study.parts, str):
        yield f"Not possible: {study.parts}."
        return
    if not found.folds:
        yield "One setting: there is nothing to choose."
        return
    heads = (
        *("judged on", "best on all others", "it kept on them, $", "it kept here, $"),
        *("its rank here", "the best here kept, $"),
    )
    rows = []
    for part, fold in zip(study.parts, found.folds, strict=True):
        made, then, most = (
            dollars(mean(each, study.seeds)) for each in (fold.made, fold.then, fold.most)
        )
        also = f" (and {fold.alike - 1} alike)" if fold.alike > 1 else ""
        rank = f"{fold.rank} of {len(found.means)}"
        rows.append((_dated(part), f"{fold.chosen + 1}{also}", made, then, rank, most))
    yield from table(heads, rows)
    yield ""
    yield "- Each part is a run of its own that begins with all of its money."
    if any(fold.alike == len(found.means) for fold in found.folds):
        yield "- Where all settings kept the same, nothing could be chosen."


def _dated(part: Part) -> str:
    first, last = part[0].first, max(each.last for each in part)
    return (
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC ({plural(len(part), 'session')})"
    )


def _controls(found: Findings) -> Iterator[str]:
    study = found.study
    names = dict.fromkeys(
        each.variant.control for each in study.runs if each.variant.control != AS_RECORDED
    )
    if not names:
        yield "None were run."
        return
    yield (
        "Tapes that are wrong in a known way: what a control makes was never there to be made,"
        " and is the size of the artefact. If one platform could have been recorded late by so"
        " much, a result of this size says nothing. Crossed pairs are two questions: what they"
        " keep is an illusion, and all that is in use at the end can be lost."
    )
    yield ""
    rows = []
    for number in range(len(study.grid.settings)):
        runs = {name: study.of(number, name) for name in (AS_RECORDED, *names)}
        for name, played in runs.items():
            if played and any(runs[each] for each in names):
                rows.append((name, *_controlled(number, study, name)))
    heads = ("tape", "setting", "tapes", "kept, $", "at worst, $", "at best, $")
    yield from table((*heads, "in use at the end, $", "entries"), rows)


def _controlled(number: int, study: Study, name: str) -> tuple[object, ...]:
    played = study.of(number, name)
    found = means(played, study.seeds)
    tapes = len({each.variant.tape for each in played})
    amounts = (found.parts.kept, found.worst, found.best, found.in_use)
    return (number + 1, tapes, *map(dollars, amounts), plain(found.entries))


def _measured(found: Findings) -> list[str]:
    heads = (
        *("setting", "at worst, $", "at best, $", "closed, $", "locked, $"),
        *("in use at the end, $", "dollar-days", "$ at worst per 1,000 dollar-days"),
        *("entries", "hedged", "exposures", "unhedged at the end, $", "kept by seed, $"),
    )
    rows = []
    for n, each in enumerate(found.means):
        amounts = (each.worst, each.best, each.closed, each.locked, each.in_use)
        used = (each.dollar_days, each.per_thousand)
        counts = map(plain, (each.entries, each.hedged, each.exposures))
        seeds = f"{dollars(each.least)} to {dollars(each.most)}"
        shown = map(dollars, (*amounts, *used))
        rows.append((n + 1, *shown, *counts, dollars(each.unhedged), seeds))
    return table(heads, rows, left=0)


def _parts(found: Findings) -> list[str]:
    names = Attribution.__slots__
    rows = [
        (n + 1, *(dollars(getattr(each.parts, name)) for name in names))
        for n, each in enumerate(found.means)
    ]
    return table(("setting", *(f"{name}, $" for name in names)), rows, left=0)


def _tapes(study: Study) -> list[str]:
    heads = ("tape", "from, UTC", "to, UTC", "sessions", "messages", "pairs", "assumed facts")
    rows = []
    for each in study.tapes:
        times = (each.sittings[0].first, max(s.last for s in each.sittings))
        shown = (f"{at:%Y-%m-%d %H:%M}" for at in times)
        counts = (len(each.sittings), f"{each.messages:,}", each.pairs, each.assumed)
        rows.append((each.name, *shown, *counts))
    return [*table(heads, rows), "", "`dutchbook tape info TAPE` names what is assumed."]


READING = """\
- **kept**: what all entries have brought, fees included. What is open counts at a dollar for a
  hedged pair, less its reserve, and at its cost for a leg alone.
- **at worst**, **at best**: the result if every open pair resolves alike in the worse or the
  better way; a leg alone is lost at worst. **closed**: profit of what has closed; **locked**:
  of what is hedged and open, once its pair pays.
- **90 % of draws**: episodes are drawn again, as many as there are, 2,000 times; nine of ten
  totals lie in the interval. All settings see the same draws, so that differences are paired:
  **90 % of differences** are those to setting 1 in the same draw.
- **episode**: entries on one pair of a tape, by any setting and seed, each within ten minutes
  of the one before. Edges of several pairs at one moment count as several, though the same news
  may have made them: intervals are then too narrow.
- **hedged**: entries that ended with both legs. **exposures**: times that a leg was alone;
  *rescue* is what they cost. **dollar-days**: money in use times days, until it is cash.
- **judged on**: sessions that follow one another within an hour are one part. The best setting
  of all other parts is judged on it, with nothing of it known.
""".splitlines()
