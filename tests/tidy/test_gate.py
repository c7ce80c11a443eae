"""Orders are approved for sending in one place."""

from __future__ import annotations

import ast

from tidy.tree import modules


def approvals(tree: ast.Module) -> list[int]:
    """Return the lines of a module that construct an `Approved`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Subscript)
        and "Approved" in ast.unparse(node.func)
    ]


def test_only_the_gate_approves_an_order() -> None:
    found = {path: lines for path, tree in modules().items() if (lines := approvals(tree))}

    assert list(found) == ["application/orders/gate.py"]
    assert len(found["application/orders/gate.py"]) == 1


def test_an_approval_elsewhere_would_be_found() -> None:
    assert approvals(ast.parse("gateway.submit(Approved(order, 1))"))
    assert approvals(ast.parse("gateway.submit(Approved[Order](order, 1))"))


def test_nothing_is_awaited_between_the_gate_and_the_platform() -> None:
    """One function contains every call of a gateway's `submit`, directly after its approval."""
    places = [
        node
        for path, tree in modules().items()
        if path.startswith("application/")
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and ".submit(" in ast.unparse(node)
    ]

    assert [place.name for place in places] == ["_through"]
    awaited = [node for node in ast.walk(places[0]) if isinstance(node, ast.Await)]
    assert len(awaited) == 1
    assert ".submit(verdict)" in ast.unparse(awaited[0])
    assert "gate.approve(" in ast.unparse(places[0])
