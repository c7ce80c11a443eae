"""Every commit and every send has a crash point before and after it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from crash.programme import ELSEWHERE

from dutchbook.domain.events import catalogue
from dutchbook.domain.execution.order import Purpose
from dutchbook.ports.crash_points import points
from tidy.tree import modules

MESSAGES = {"submit", "find_order", "cancel", "merge", "redeem"}
"""Gateway calls that change a platform's state, or whose answer changes ours."""
WRITES = {"write"}
"""Functions run in a thread that write to a file."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def unguarded(path: str, tree: ast.Module) -> list[str]:
    """Return a module's commits and sends that lack a crash point on either side."""
    return [
        f"{function.name}: {what}"
        for function in ast.walk(tree)
        if isinstance(function, Function)
        for what, line in _done(path, function)
        if not (_passed(function, "BEFORE", line, -1) and _passed(function, "AFTER", line, 1))
    ]


def _done(path: str, function: Function) -> Iterator[tuple[str, int]]:
    """Yield each commit or send in a function, and its line."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=ast.expr() as target)) if (
                path.startswith("application/")
                and name in MESSAGES
                and "gateway" in ast.unparse(target)
            ):
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(attr="clear", value=ast.Name(id="file"))) if (
                path.startswith("application/")
            ):
                yield "clear", node.lineno
            case ast.Call(
                func=ast.Attribute(attr="to_thread"), args=[ast.expr() as work, *_]
            ) if path.startswith("persistence/") and ast.unparse(work) in WRITES:
                yield "to_thread", node.lineno
            case ast.With() | ast.AsyncWith() if "engine.begin()" in ast.unparse(node):
                if path.startswith("persistence/"):
                    yield "engine.begin", node.end_lineno or 0
            case ast.Await(value=ast.Call(func=ast.Attribute(attr="commit") as commit)) if (
                path.startswith("persistence/") and "session" in ast.unparse(commit)
            ):
                yield "session.commit", node.lineno
    if path.startswith("persistence/") and function.name == "commit":
        yield "commit", function.body[-1].lineno - 1


def _passed(function: Function, side: str, line: int, sign: int) -> bool:
    return any(
        ast.unparse(node.func) == "crashpoint"
        and ast.unparse(node.args[0]) == side
        and (node.lineno - line) * sign >= 0
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    )


def test_every_commit_and_every_message_has_a_point_on_each_side() -> None:
    trees = modules()

    found = {
        path: lacking for path, tree in trees.items() if (lacking := unguarded(path, tree))
    }

    assert found == {}
    covered = {
        path for path, tree in trees.items() for f in ast.walk(tree)
        if isinstance(f, Function) and list(_done(path, f))
    }  # fmt: skip
    assert covered == {
        "application/execution/cancel_all.py",
        "application/operator/commands.py",
        "application/settlement/merges.py",
        "application/orders/send.py",
        "application/settlement/payouts.py",
        "application/reconciliation/platform_state.py",
        "persistence/log/anchors.py",
        "persistence/journals/memory.py",
        "persistence/journals/postgres.py",
        "persistence/schema.py",
        "persistence/journals/sqlite.py",
        "persistence/unit_of_work.py",
    }


def test_a_commit_or_send_without_a_point_would_be_found() -> None:
    send = "async def f():\n    crashpoint(BEFORE, 'x')\n    await gateway.submit(order)"
    cleared = "def f():\n    crashpoint(BEFORE, 'x')\n    file.clear(note)"
    written = "async def f():\n    await asyncio.to_thread(write, path)"
    commit = "class J:\n    async def commit(self, batch):\n        return await self._keep()"

    assert unguarded("application/x.py", ast.parse(send)) == ["f: submit"]
    assert unguarded("persistence/x.py", ast.parse(commit)) == ["commit: commit"]
    assert unguarded("application/x.py", ast.parse(cleared)) == ["f: clear"]
    assert unguarded("persistence/x.py", ast.parse(written)) == ["f: to_thread"]
    assert unguarded("platforms/x.py", ast.parse(send)) == []


def test_every_durable_event_and_every_purpose_has_its_points() -> None:
    names = set(points())

    durable = [wire for wire, kind in catalogue().items() if kind.durable]
    assert {f"{side} commit {wire}" for wire in durable for side in ("before", "after")} < names
    assert {f"after send {purpose}" for purpose in Purpose} < names
    assert len(names) == len(points())


def test_points_listed_as_unreachable_are_unreachable_in_the_program() -> None:
    """`crash.programme.ELSEWHERE` exempts a point because the program never does it."""
    kept = [
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "unit.commit"
    ]

    assert "unit of work" in ELSEWHERE
    assert kept == []
