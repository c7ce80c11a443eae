"""Hooks: the user's programs hear of exposures and halts after the commit, in order."""

from __future__ import annotations

from support.bench import Bench, bench
from support.programs import ListedPrograms

from dutchbook.domain.capital.limits import HaltReason

LEFT = ("exits.unhedged_stop=false", "exits.minimum_gain=0.9", "exposure.urgent_share=0")
EXPOSURE, HALT = "hooks.on_exposure=tell 'the desk'", "hooks.on_halt=ring"
CRITICAL = "system.health.critical"


async def _exposed_for_two_minutes(at: Bench) -> None:
    await at.expose()
    await at.rest(130)
    await at.told("close_leg", position=at.id)


async def _halted_for_a_while(at: Bench) -> None:
    halts = at.engine.risk.halts
    await halts.halt_trading(HaltReason.OPERATOR, "me: looking")
    await halts.resume_trading(HaltReason.OPERATOR, "looked at it")


def test_an_exposure_is_told_from_its_beginning_to_its_end() -> None:
    programs = ListedPrograms()

    bench(_exposed_for_two_minutes, *LEFT, EXPOSURE, programs=programs)

    assert programs.told == [
        "exposure opened",
        "exposure reminder",
        "exposure reminder",
        "exposure ended",
    ]
    assert {command for command, _ in programs.started} == {("tell", "the desk")}


def test_a_program_gets_the_sentence_and_the_facts_of_the_event() -> None:
    programs = ListedPrograms()

    run = bench(_exposed_for_two_minutes, *LEFT, EXPOSURE, programs=programs)

    _, document = programs.started[0]
    (row,) = run.events("execution.single_leg.exposure")
    position = run.position["position_id"]
    assert document["event_id"] == row["event_id"]
    assert document["question"] == "Northern Rovers win the cup"
    assert document["facts"]["position_id"] == position
    assert document["text"].startswith(
        "EXPOSED: Northern Rovers win the cup: 100 YES on kalshi unhedged, 41.68 dollars at"
        f" risk; position {position[:8]}; "
    )


def test_a_halt_is_told_when_it_begins_and_when_it_is_lifted() -> None:
    programs = ListedPrograms()

    bench(_halted_for_a_while, HALT, programs=programs)

    assert [(command, each["text"]) for command, each in programs.started] == [
        (("ring",), "Trading is halted: operator, me: looking"),
        (("ring",), "A halt is lifted: operator, looked at it; trading goes on"),
    ]


def test_only_what_has_a_program_is_told() -> None:
    programs = ListedPrograms()

    bench(_exposed_for_two_minutes, *LEFT, HALT, programs=programs)

    assert programs.told == []


def test_the_first_failure_of_a_program_is_told_once_in_the_log() -> None:
    async def work(at: Bench) -> None:
        await at.rest(20)

    programs = ListedPrograms("ring: it ended with 3", "ring: it ended with 4")

    run = bench(work, HALT, programs=programs)

    (critical,) = run.events(CRITICAL)
    assert "ring: it ended with 3; the engine goes on" in critical["payload"]
