"""Any setting with any value, from each place that settings come from."""

from __future__ import annotations

from dutchbook.config import Settings
from dutchbook.config.environment import variable
from dutchbook.config.fields import words
from torment import hostile, judging
from torment.ground import DONE, MISUSED, Ground

CANARY = "SECRET123"


def attempt(ground: Ground) -> list[str]:
    """Set one thing, and trade a tape with it: it is refused by name, or it works."""
    rng = ground.rng
    section = rng.choice(sorted(Settings.model_fields))
    model = Settings.model_fields[section].annotation
    fields = getattr(model, "model_fields", {})
    key = rng.choice(sorted(fields)) if fields else "x"
    listed = words(fields[key]) if fields else ()
    value = rng.choice(listed) if listed and rng.random() < 0.4 else hostile.value(rng)
    value = value.replace("\0", "")
    place = rng.choice(("option", "variable", "file", "misspelt", "unknown"))
    named: tuple[str, ...] = (key,)
    words_: list[str] = []
    env: dict[str, str] = {}
    match place:
        case "option":
            words_ = ["--set", f"{section}.{key}={value}"]
        case "variable":
            env = {variable(section, key): value}
            named = (key, variable(section, key))
        case "misspelt":
            env = {f"DUTCHBOOK_{section}_{key}".upper(): CANARY}
            named = tuple(env)
        case _:
            path = ground.folder / "config.toml"
            name = key if place == "file" else "api_key"
            inner = value if place == "file" and rng.random() < 0.5 else f'"{value}"'
            inner = f'"{CANARY}"' if place == "unknown" else inner
            path.write_text(f"[{section}]\n{name} = {inner}\n", encoding="utf-8")
            words_, named = ["--config", str(path)], (name, "config.toml", section)
    run = ("run", "--tape", str(ground.tape), "--speed", "max", "--db", ground.url)
    ended = ground.call(*run, *words_, env=env)
    wrong = judging.said(ended, {DONE, MISUSED})
    if CANARY in ended.out + ended.err:
        wrong.append(f"the value of an unknown setting is shown: {ended}")
    if ended.code == MISUSED and not any(name.lower() in ended.err.lower() for name in named):
        wrong.append(
            f"the refusal of {section}.{key} ({value[:40]!r}) does not name it: {ended}"
        )
    if ended.code == MISUSED and ground.database.exists():
        wrong.append(f"a refused setting left a database: {ended}")
    if place in {"misspelt", "unknown"} and ended.code != MISUSED:
        wrong.append(f"a setting that nobody knows is accepted: {ended}")
    if ended.code == DONE:
        wrong += judging.drained(ground.database)
    return [*wrong, *judging.record(ground.database)]
